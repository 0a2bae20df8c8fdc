"""What Switchyard adds to a model's answer, beside LiteLLM's proxy, on the same upstream in one run.

    python -m venv litellm && litellm/bin/pip install 'litellm[proxy]'    # of its own: it asks for an older openai
    python -m tests.benchmarks.bench_connectors --litellm litellm/bin/python [--rounds 5]
    python -m tests.benchmarks.bench_connectors --litellm install        # makes that environment, and removes it

The upstream (``upstream.py``) sends words as fast as they are taken. The contenders: the openai SDK on the upstream
itself; LiteLLM's proxy, asked through the SDK and by a plain reader of the socket; Switchyard's server with the demo
documents, asked with a question that it routes, looks up and records: over ``POST /v1/chat/completions`` through the
SDK and by the same reader, and over ``POST /api/v1/chat`` by the reader, with an API key. Each server is one process.
The reader does next to nothing, so that the server is measured and not who asks it.

*Alone* is one turn after another, the contenders by turns, so that whatever else the machine does meets all of them:
milliseconds until the first piece of text. *At once* are so many turns begun together: milliseconds until the first
piece of each, and pieces a second from the first request to the end of the last answer (the median of the rounds).
*Added* is p50 over that of the bare SDK. Servers wake threads, so on a busy machine p10 says more than p50.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import httpx
import openai
import yaml

from tests.benchmarks.upstream import process, upstream
from tests.serving import free_port, run, serving

QUESTION = "How many days of annual leave can I carry over?"
SHORT = 20
"""Pieces of an answer where only the first one counts."""
BARE, THEIRS, THEIRS_SDK, OURS = "openai SDK, bare", "LiteLLM's proxy", "LiteLLM's proxy, openai SDK", "Switchyard"
OURS_V1, OURS_SDK = "Switchyard /v1 (plain reader)", "Switchyard /v1 (openai SDK)"
ADDED_MS, TIMES_FASTER = 12.0, 2.0
"""The bars of docs/figures.md: milliseconds added alone, and pieces a second against LiteLLM's proxy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """When the first piece came and the last, in seconds of the clock, and how many there were."""

    began: float
    first: float
    ended: float
    pieces: int


Ask = Callable[[], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are, and a key for each that wants one: LiteLLM's proxy does not start without."""

    upstream: str
    litellm: str
    litellm_key: str
    switchyard: str
    switchyard_key: str


@dataclass(slots=True)
class Contender:
    """Who is measured: milliseconds to the first piece alone and together, and pieces a second of each round."""

    name: str
    ask: Ask
    alone: list[float] = field(default_factory=list)
    together: list[float] = field(default_factory=list)
    speed: list[float] = field(default_factory=list)


def through_sdk(client: openai.AsyncOpenAI, model: str = "words") -> Ask:
    """Ask with the openai SDK."""

    async def ask() -> Answer:
        began, first, pieces = time.perf_counter(), 0.0, 0
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": QUESTION}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                first = first or time.perf_counter()
                pieces += 1
        return Answer(began, first, time.perf_counter(), pieces)

    return ask


class Reader:
    """Posts to one address and counts a mark in what comes back, over connections that it keeps."""

    def __init__(self, url: str, body: dict[str, object], mark: bytes, key: str = "none") -> None:
        self._url = httpx.URL(url)
        payload = json.dumps(body).encode()
        head = [
            f"POST {self._url.path} HTTP/1.1",
            f"host: {self._url.netloc.decode()}",
            "content-type: application/json",
            f"authorization: Bearer {key}",
            f"content-length: {len(payload)}",
        ]
        self._request = "\r\n".join([*head, "", ""]).encode() + payload
        self._mark = mark
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self) -> Answer:
        began, first, pieces, kept = time.perf_counter(), 0.0, 0, b""
        reader, writer = connection = await self._connection()
        writer.write(self._request)
        while not kept.endswith(b"0\r\n\r\n"):
            data = await reader.read(65536)
            if not data:
                raise ConnectionError(f"{self._url} ended early: {kept!r}")
            fresh = kept[-len(self._mark) + 1 :] + data
            if found := fresh.count(self._mark):
                first = first or time.perf_counter()
                pieces += found
            kept = fresh
        self._idle.append(connection)
        return Answer(began, first, time.perf_counter(), pieces)

    async def aclose(self) -> None:
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that the server has not closed since."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._url.host, self._url.port)


@contextmanager
def litellm(python: str, behind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """LiteLLM's proxy in its own environment, one worker: its address, and the key that it does not start without."""
    if python == "install":
        python = installed(folder / "litellm")
    parameters = {"model": "openai/words", "api_base": f"{behind}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "words", "litellm_params": parameters}],
        "litellm_settings": {"telemetry": False, "set_verbose": False},
    }
    file = folder / "litellm.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    port, key = free_port(), f"sk-{secrets.token_hex(32)}"
    run = "from litellm import run_server; run_server()"
    command = [python, "-c", run, "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    url = f"http://127.0.0.1:{port}"
    with process(
        "litellm", command, f"{url}/health/liveliness", folder, PYTHONPATH="", LITELLM_MASTER_KEY=key, **quiet
    ):
        yield f"{url}/v1", key


def installed(folder: Path) -> str:
    """LiteLLM's proxy in an environment of its own; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "litellm[proxy]"], check=True)
    return python


async def alone(contenders: Sequence[Contender], turns: int) -> None:
    for _ in range(turns):
        for each in contenders:
            answer = await each.ask()
            each.alone.append(1000 * (answer.first - answer.began))


async def together(contenders: Sequence[Contender], streams: int, pieces: int) -> None:
    for each in contenders:
        found = await asyncio.gather(*(each.ask() for _ in range(streams)))
        # Switchyard holds a space at a piece's end back until it knows that no citation follows: one more at the end.
        if not {answer.pieces for answer in found} <= {pieces, pieces + 1}:
            raise SystemExit(f"{each.name}: pieces are missing: {[answer.pieces for answer in found]}")
        each.together += [1000 * (answer.first - answer.began) for answer in found]
        took = max(answer.ended for answer in found) - min(answer.began for answer in found)
        each.speed.append(streams * pieces / took)


async def measure(at: Addresses, options: argparse.Namespace) -> list[Contender]:
    body = {"model": "words", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(httpx.AsyncClient(base_url=at.upstream))
        bare = openai.AsyncOpenAI(base_url=f"{at.upstream}/v1", api_key="none", max_retries=0)
        sdk = openai.AsyncOpenAI(base_url=at.litellm, api_key=at.litellm_key, max_retries=0)
        v1 = openai.AsyncOpenAI(base_url=f"{at.switchyard}/v1", api_key=at.switchyard_key, max_retries=0)
        theirs = Reader(f"{at.litellm}/chat/completions", body, b'"content":"w', at.litellm_key)
        ours = Reader(f"{at.switchyard}/api/v1/chat", {"message": QUESTION}, b"event: text_delta", at.switchyard_key)
        of_v1 = {**body, "model": "switchyard"}
        our_v1 = Reader(f"{at.switchyard}/v1/chat/completions", of_v1, b'"delta":{"content":', at.switchyard_key)
        for each in (bare.close, sdk.close, v1.close, theirs.aclose, ours.aclose, our_v1.aclose):
            stack.push_async_callback(each)
        asks = {BARE: through_sdk(bare), THEIRS_SDK: through_sdk(sdk), THEIRS: theirs.ask}
        asks |= {OURS_SDK: through_sdk(v1, "switchyard"), OURS_V1: our_v1.ask, OURS: ours.ask}
        contenders = [Contender(name, ask) for name, ask in asks.items()]
        for number in range(options.rounds + 1):
            await control.post(f"/chunks/{SHORT}")
            await alone(contenders, options.turns)
            await control.post(f"/chunks/{options.chunks}")
            await together(contenders, options.streams, options.chunks)
            if not number:  # the first round warms all of them up
                contenders = [Contender(each.name, each.ask) for each in contenders]
    return contenders


def looked_up(url: str) -> None:
    """Stop where the question is not looked up: then the figures would not be those that are promised."""
    said = httpx.post(f"{url}/api/v1/chat", json={"message": QUESTION}, timeout=60).text
    if "event: retrieved" not in said or "event: finished" not in said:
        raise SystemExit(f"the question was not looked up and answered: {said[:2000]}")


def show(contenders: Sequence[Contender], streams: int) -> None:
    bare, theirs = (next(each for each in contenders if each.name == name) for name in (BARE, THEIRS))
    at_once = f"{streams} at once"
    print(
        f"{'':32}{'alone: p10':>11}{'p50':>7}{'p95':>7}{'added':>7}{at_once + ': p50':>18}{'p95':>7}{'added':>7}",
        end="",
    )
    print(f"{'pieces/s':>11}{'of LiteLLM':>12}")
    for each in contenders:
        first, many, speed = median(each.alone), median(each.together), median(each.speed)
        tenths = quantiles(each.alone, n=20)
        print(f"{each.name:32}{tenths[1]:11.1f}{first:7.1f}{tenths[-1]:7.1f}{first - median(bare.alone):7.1f}", end="")
        print(f"{many:18.0f}{quantiles(each.together, n=20)[-1]:7.0f}{many - median(bare.together):7.0f}", end="")
        print(f"{speed:11,.0f}{speed / median(theirs.speed):12.2f}")


def verdict(contenders: Sequence[Contender]) -> None:
    by = {each.name: each for each in contenders}
    added = median(by[OURS].alone) - median(by[BARE].alone)
    ratio = median(by[OURS].together) / median(by[THEIRS].together)
    times = median(by[OURS_V1].speed) / median(by[THEIRS].speed)
    later = median(by[OURS_V1].alone) / median(by[OURS].alone)
    print(f"\nadded before the first token, alone: {added:.1f} ms (at most {ADDED_MS:g}) {_said(added <= ADDED_MS)}")
    print(f"first token at once, of LiteLLM's: {ratio:.2f} (below 1) {_said(ratio < 1)}")
    print(f"first token by /v1, of the native API's: {later:.2f} (about 1)")
    print(
        f"tokens a second by /v1, of LiteLLM's: {times:.1f} (at least {TIMES_FASTER:g}) {_said(times >= TIMES_FASTER)}"
    )


def _said(reached: bool) -> str:
    return "reached" if reached else "MISSED"


def main(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        behind = stack.enter_context(upstream(folder))
        theirs, key = stack.enter_context(litellm(options.litellm, behind, folder))
        model = {"connector": "openai", "model": "words", "base_url": f"{behind}/v1", "api_key": "none"}
        settings = {"models": {"words": model}, "roles": {"main": "words"}}
        ours = stack.enter_context(serving(folder / "switchyard", **settings)).url
        our_key = run(folder / "switchyard", "keys", "add", "benchmark").stdout.strip()
        looked_up(ours)
        contenders = asyncio.run(measure(Addresses(behind, theirs, key, ours, our_key), options))
    show(contenders, options.streams)
    verdict(contenders)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", required=True, help="Python of the environment with litellm[proxy], or install")
    parser.add_argument("--rounds", type=int, default=5, help="how often both are measured")
    parser.add_argument("--turns", type=int, default=40, help="turns of each contender alone, a round")
    parser.add_argument("--streams", type=int, default=20, help="streams at once")
    parser.add_argument("--chunks", type=int, default=500, help="pieces of each of these")
    main(parser.parse_args())
