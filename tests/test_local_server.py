"""A real model server on this machine, ``transformers serve`` over tiny models, asked through its preset and from the
page in a real browser."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect

from connectors import ChatMessage, ChatModel, ChatRequest, ConnectorError, Delta, ModelSpec, build
from tests.connectors import tiny_models
from tests.serving import Serving, end, environment, free_port, serving
from tests.ui.test_chat_page import CHROMIUM, FLAGS, LONDON, ask

pytestmark = [
    tiny_models.needs("torch", "transformers", "accelerate"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]
HELLO = ChatRequest((ChatMessage.of("system", "Be brief."), ChatMessage.of("user", "Hello")))


@dataclass(frozen=True)
class ModelServer:
    """``short`` and ``endless`` are the names of its models."""

    url: str
    short: str
    endless: str

    def model(self, name: str, **changes: int) -> ChatModel:
        return build("transformers-serve", ModelSpec("local", model=name, base_url=f"{self.url}/v1", **changes))


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("models")
    short = tiny_models.build_transformers(folder / "short")
    endless = tiny_models.build_transformers(folder / "endless", endless=True)
    (folder / "home" / "hub").mkdir(parents=True)
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve"]
    port = free_port()
    quiet = environment(HF_HOME=str(folder / "home"), HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1")
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            env=quiet,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, folder / "log.txt")
        yield ModelServer(f"http://127.0.0.1:{port}", str(short), str(endless))
    finally:
        end(process)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the model server did not become ready: " + log.read_text())


async def collect(model: ChatModel, request: ChatRequest = HELLO) -> list[Delta]:
    async with aclosing(model.stream(request)) as deltas:
        return [delta async for delta in deltas]


async def test_the_preset_streams_and_counts(model_server: ModelServer) -> None:
    model = model_server.model(model_server.short)
    deltas = await collect(model)
    await model.aclose()
    assert "".join(delta.text for delta in deltas) == tiny_models.SAYS
    assert sum(bool(delta.text) for delta in deltas) > 5
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"]
    prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    tokenizer = tiny_models.tokenizer()
    (usage,) = [delta.usage for delta in deltas if delta.usage]
    assert usage.input_tokens == len(tokenizer.encode(prompt).ids)
    assert usage.output_tokens == len(tokenizer.encode(tiny_models.SAYS).ids) + 1


async def test_the_preset_passes_on_the_limit(model_server: ModelServer) -> None:
    model = model_server.model(model_server.endless, max_tokens=7)
    deltas = await collect(model)
    await model.aclose()
    assert [delta.finish for delta in deltas if delta.finish] == ["length"]
    assert [delta.usage.output_tokens for delta in deltas if delta.usage] == [7]


async def test_many_at_once_do_not_mix(model_server: ModelServer) -> None:
    short, endless = model_server.model(model_server.short), model_server.model(model_server.endless, max_tokens=20)
    answers = await asyncio.gather(*(collect(model) for model in (short, endless) * 3))
    await asyncio.gather(short.aclose(), endless.aclose())
    texts = ["".join(delta.text for delta in answer) for answer in answers]
    assert texts == [tiny_models.SAYS, tiny_models.ROUND * 5] * 3


async def test_it_can_be_asked_what_it_offers(model_server: ModelServer) -> None:
    model = model_server.model(model_server.short)
    offered = await model.offered()
    await model.aclose()
    assert offered is not None and model_server.short in [each.name for each in offered]


async def test_a_model_that_it_does_not_have_is_explained(model_server: ModelServer) -> None:
    model = model_server.model("/nowhere/at-all")
    with pytest.raises(ConnectorError) as found:
        await collect(model)
    await model.aclose()
    assert "local" in str(found.value) and len(str(found.value)) > 40


@pytest.fixture(scope="module")
def server(model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    local = {"connector": "transformers-serve", "base_url": f"{model_server.url}/v1"}
    with serving(
        tmp_path_factory.mktemp("server"),
        models={
            "short": local | {"model": model_server.short},
            "endless": local | {"model": model_server.endless, "max_tokens": 4000},
        },
        roles={"main": "short", "voice": "endless"},
    ) as running:
        yield running


@pytest.fixture
async def page(server: Serving) -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page()
        await page.goto(server.url)
        await expect(page.locator("#box textarea")).to_be_visible(timeout=20_000)
        yield page
        await browser.close()


needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Chromium: apt install chromium"
)


@needs_browser
async def test_its_answer_reaches_the_page(page: Page) -> None:
    await ask(page, LONDON)
    answer = page.locator("#chat .bot-row").last
    await expect(answer).to_contain_text(tiny_models.SAYS, timeout=30_000)
    await expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=10_000)
    await expect(answer.locator("details.route")).to_contain_text("Looked up")


@needs_browser
async def test_its_words_appear_as_it_writes_them_and_stop_keeps_them(page: Page) -> None:
    await ask(page, "hello")
    answer = page.locator("#chat .bot-row").last
    await expect(answer).to_contain_text(tiny_models.ROUND.strip(), timeout=30_000)
    early = (await answer.inner_text()).count("goes")
    await expect(answer).to_contain_text(tiny_models.ROUND * (early + 20), timeout=30_000)
    await page.get_by_role("button", name="Stop").click()
    await expect(answer).to_contain_text("Stopped.", timeout=10_000)
    kept = await answer.inner_text()
    assert early + 20 <= kept.count("goes") < 1000
    await page.wait_for_timeout(600)
    assert await answer.inner_text() == kept
