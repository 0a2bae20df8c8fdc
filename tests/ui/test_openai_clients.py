"""Clients that were made for OpenAI, as people use them: LangChain, LlamaIndex, and curl."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from assistant.access.identity import Identity
from assistant.app import Assistant
from connectors import ChatModel, ChatRequest, Delta
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with
from tests.serving import environment
from tests.ui.programs import serving

QUESTION = "What is the hotel cap per night in London?"
PIECES = [f"piece{number} " for number in range(8)]
LLAMA_INDEX = ["openai<3", "llama-index-llms-openai-like>=0.8,<0.9", "llama-index-llms-openai", "sniffio"]
"""It asks for an openai older than ours: in a folder of its own, before ours, with the rest of what there is."""
NEEDED = "llama_index_llms_openai_like" in os.environ.get("SWITCHYARD_TESTS_NEED", "").split()


@dataclass
class LangChain:
    """Makes its chat models, over connections that are closed with the test."""

    url: str
    client: httpx2.Client = field(default_factory=httpx2.Client)
    async_client: httpx2.AsyncClient = field(default_factory=httpx2.AsyncClient)

    def __call__(self, **given: Any) -> Any:
        from langchain_openai import ChatOpenAI

        usual = {"model": "switchyard", "base_url": self.url, "api_key": "none", "max_retries": 0, "stream_usage": True}
        return ChatOpenAI(**(usual | given), http_client=self.client, http_async_client=self.async_client)


@pytest.fixture
async def langchain(url: str) -> AsyncIterator[LangChain]:
    made = LangChain(url)
    yield made
    made.client.close()
    await made.async_client.aclose()


@pytest.fixture
async def url(demo: Assistant) -> AsyncIterator[str]:
    async with serving(demo, {"none": Identity("api")}) as at:
        yield f"{at}/v1"


async def test_langchain(langchain: LangChain, demo: Assistant) -> None:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    model = ScriptedModel([Step(["It is ", "£165 [1]", "."])], loop=True)
    answer_with(demo, model)
    chat = langchain()
    said = [SystemMessage("Be brief."), HumanMessage("Hello"), AIMessage("Good morning."), HumanMessage(QUESTION)]
    answer = await chat.ainvoke(said)
    assert answer.content == "It is £165 [1]." and answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["output_tokens"] == 3
    system, *spoken = model.requests[0].messages
    assert "> Be brief." in system.text
    assert [message.text for message in spoken] == ["Hello", "Good morning.", QUESTION]
    chunks = [chunk async for chunk in chat.astream(QUESTION)]
    assert "".join(str(chunk.content) for chunk in chunks) == answer.content
    counted = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert len(counted) == 1 and counted[0]["output_tokens"] == 3
    assert (await asyncio.to_thread(chat.invoke, QUESTION)).content == answer.content


async def test_langchain_raises_what_it_raises_of_openai(langchain: LangChain) -> None:
    with pytest.raises(openai.NotFoundError):
        await langchain(model="gpt-5").ainvoke(QUESTION)
    with pytest.raises(openai.AuthenticationError):
        await langchain(api_key="wrong").ainvoke(QUESTION)
    ours = langchain(extra_body={"switchyard": {"collection": "nowhere"}})
    with pytest.raises(openai.NotFoundError, match="There is no collection 'nowhere'"):
        await ours.ainvoke(QUESTION)


@pytest.fixture(scope="session")
def llama_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LlamaIndex's client in a folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("llama_index")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(folder), *LLAMA_INDEX], capture_output=True, text=True)
    if done.returncode != 0 and not NEEDED:
        pytest.skip(f"llama-index-llms-openai-like cannot be installed here: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return folder


LLAMA_INDEX_SCRIPT = """
import asyncio, json, sys
import openai
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

url, question = sys.argv[1:]
llm = OpenAILike(model="switchyard", api_base=url, api_key="none", is_chat_model=True, max_retries=0)
asked = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=question)]
whole = llm.chat(asked)
streamed = "".join(each.delta or "" for each in llm.stream_chat(asked))

async def both():
    first = await llm.achat(asked)
    pieces = [each.delta async for each in await llm.astream_chat(asked)]
    return str(first.message.content), "".join(filter(None, pieces))

found = {"openai": openai.__version__, "whole": str(whole.message.content), "streamed": streamed,
         "async": asyncio.run(both()), "ours": whole.raw.model_extra["switchyard"]["evidence"]}
try:
    OpenAILike(model="gpt-5", api_base=url, api_key="none", is_chat_model=True, max_retries=0).chat(asked)
except openai.NotFoundError as error:
    found["refused"] = error.code
print(json.dumps(found))
"""


async def test_llama_index(url: str, demo: Assistant, llama_index: Path) -> None:
    model = ScriptedModel([Step(["It is ", "£165 [1]", "."])], loop=True)
    answer_with(demo, model)
    command = [sys.executable, "-c", LLAMA_INDEX_SCRIPT, url, QUESTION]
    # Only what it prints and how it ends counts: its own libraries' warnings are theirs.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(PYTHONPATH=str(llama_index)),
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    assert found.pop("openai").startswith("2.")
    text = "It is £165 [1]."
    assert found == {
        "whole": text, "streamed": text, "async": [text, text], "ours": "supported", "refused": "model_not_found"
    }  # fmt: skip
    assert all("> Be brief." in request.messages[0].text for request in model.requests)


class Gated(ChatModel):
    """Writes the next piece when somebody has read the one before: nobody ever does where pieces are held back."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(1)
        self.written: list[str] = []

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        for piece in PIECES:
            await self.gate.acquire()
            self.written.append(piece)
            yield Delta(text=piece)
        yield Delta(model="gated", finish="stop")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl_gets_every_word_as_it_is_written(url: str, demo: Assistant) -> None:
    model = Gated()
    answer_with(demo, model)
    body = {"model": "switchyard-voice", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    command = ["curl", "-sN", "--noproxy", "*", f"{url}/chat/completions", "-H", "Content-Type: application/json"]
    process = await asyncio.create_subprocess_exec(
        *command, "-H", "Authorization: Bearer none", "-d", json.dumps(body), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    read = ended = ""
    async with asyncio.timeout(60):
        async for line in process.stdout:
            data = line.decode().removeprefix("data: ").strip()
            ended = data or ended
            if not data.startswith("{"):
                continue
            choice = json.loads(data)["choices"][0]
            if text := choice["delta"].get("content"):
                # A space at a piece's end is kept until it is clear that no citation follows it.
                read += text
                assert read.split() == [piece.strip() for piece in model.written], (
                    "one piece is read, no more is written"
                )
                model.gate.release()
        assert ended == "[DONE]" and await process.wait() == 0
    assert model.written == PIECES
