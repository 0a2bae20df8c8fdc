"""Everything below a path prefix, behind nginx as docs/embed has it: HTTP/2, TLS, buffering as nginx has it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext, expect

from tests.embed.running import NGINX, PREFIX, behind_nginx, below_a_prefix, trusting
from tests.serving import Serving
from tests.ui.desk_door import link
from tests.ui.test_chat_page import pytestmark as needs_chromium
from tests.ui.widget_host import LONDON, SLOW, Widget, browsing

CURL = shutil.which("curl")
pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx: apt install nginx-light")


@dataclass(frozen=True, slots=True)
class Proxied:
    """The address of the static page, the server behind it, and the folder with the certificate."""

    url: str
    server: Serving
    folder: Path

    @property
    def base(self) -> str:
        return f"{self.url}{PREFIX}"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.base, http2=True, verify=trusting(self.folder), timeout=60)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    model = {"connector": "scripted", "options": {"answers": SLOW, "delay": 0.05}}
    surface = {"accent": "#0a7d5c", "title": "Below a prefix"}
    with (
        below_a_prefix(folder, models={"slow": model}, roles={"voice": "slow"}, surfaces={"portal": surface}) as server,
        behind_nginx(server, folder) as url,
    ):
        yield Proxied(url, server, folder)


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    async with browsing(ignore_https_errors=True) as context:
        yield context


async def test_its_addresses_are_below_the_prefix(proxied: Proxied) -> None:
    async with proxied.client() as client:
        page = await client.get("/widget/portal")
        assert (page.http_version, page.status_code) == ("HTTP/2", 200)
        for path in ("/healthz", "/widget.js", "/widget/portal/full", "/look/portal/colours.css"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.get("/")).status_code == 200
        assert (await client.get(proxied.url + "/widget.js")).status_code == 404


async def follow(lines: AsyncIterator[str], client: httpx.AsyncClient) -> list[str]:
    """The kinds of the events. As soon as there is a word, the turn must still be running: its words come as they are
    written."""
    kinds, conversation, statuses = [], "", []
    async for line in lines:
        if not line.startswith("data: "):
            continue
        event: dict[str, Any] = json.loads(line.removeprefix("data: "))
        kinds.append(event["type"])
        conversation = event.get("conversation", conversation)
        if event["type"] == "text_delta" and kinds.count("text_delta") in (1, 20, 40):
            kept = (await client.get(f"/api/v1/conversations/{conversation}")).json()
            statuses.append(kept["turns"][-1]["status"])
    assert statuses == ["running"] * 3
    return kinds


async def test_words_come_one_by_one_over_http_2(proxied: Proxied) -> None:
    async with proxied.client() as client:
        body = {"message": "Hello there, how are you?", "render": "html"}
        async with client.stream("POST", "/api/v1/chat", json=body) as answer:
            assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
            kinds = await follow(answer.aiter_lines(), client)
    assert kinds.count("text_delta") == len(SLOW[0]) and kinds.count("html") > 5 and kinds[-1] == "rendered"


@pytest.mark.skipif(CURL is None, reason="needs curl")
async def test_words_come_one_by_one_to_curl(proxied: Proxied) -> None:
    command = [
        CURL or "",
        "-sN",
        "--http2",
        "--cacert",
        str(proxied.folder / "portal.pem"),
        f"{proxied.base}/api/v1/chat",
    ]
    command += ["-H", "Content-Type: application/json", "-d", '{"message": "Hello there, how are you?"}']
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout

    async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
        async for line in stream:
            yield line.decode().rstrip("\n")

    async with proxied.client() as client:
        kinds = await follow(lines(process.stdout), client)
    assert await process.wait() == 0 and kinds[-1] == "finished"


async def test_who_hangs_up_stops_the_turn(proxied: Proxied) -> None:
    conversation = ""
    asked = {"message": "Hello there, how are you?"}
    async with proxied.client() as client, client.stream("POST", "/api/v1/chat", json=asked) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                conversation = json.loads(line.removeprefix("data: ")).get("conversation") or conversation
            if "word3" in line:
                break
    async with proxied.client() as client, asyncio.timeout(20):
        status = "running"
        while status == "running":
            await asyncio.sleep(0.1)
            kept = (await client.get(f"/api/v1/conversations/{conversation}")).json()
            status = kept["turns"][-1]["status"]
    assert status == "stopped"


@needs_chromium
async def test_the_widget_on_the_static_page(context: BrowserContext, proxied: Proxied) -> None:
    page = await context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    await page.goto(proxied.url)
    widget = Widget(page)
    await widget.open()
    await widget.ask(LONDON)
    await expect(widget.answer).to_contain_text("£165")
    await page.reload()
    await widget.open()
    await expect(widget.answer).to_contain_text("£165", timeout=15_000)
    assert wrong == []


@needs_chromium
async def test_the_chat_page_with_a_file(context: BrowserContext, proxied: Proxied, tmp_path: Path) -> None:
    page = await context.new_page()
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not inside(request.url, proxied) else None)
    await page.goto(f"{proxied.base}/")
    box = page.locator("#box textarea")
    await expect(box).to_be_visible(timeout=20_000)
    await box.fill(LONDON)
    await page.keyboard.press("Enter")
    answers = page.locator("#chat .bot-row")
    await expect(answers.last).to_contain_text("£165", timeout=20_000)
    note = tmp_path / "note.md"
    note.write_text("# Gate code\n\nThe code of the north gate is 5521.\n")
    async with page.expect_file_chooser() as chosen:
        await page.locator("#attach").click()
    await (await chosen.value).set_files(note)
    await expect(page.locator("#files .chip-ready")).to_contain_text("note.md", timeout=20_000)
    await box.fill("What is the code of the north gate in the file?")
    await page.keyboard.press("Enter")
    await expect(answers.last).to_contain_text("5521", timeout=20_000)
    assert elsewhere == []


@needs_chromium
async def test_the_desk(context: BrowserContext, proxied: Proxied) -> None:
    page = await context.new_page()
    code = link(proxied.server).partition("#")[2]
    await page.goto(f"{proxied.base}/desk/enter#{code}")
    await expect(page.get_by_role("heading", name="Desk")).to_be_visible(timeout=30_000)
    await page.get_by_role("tab", name="Models").click()
    await expect(page.locator("#mo-health")).to_contain_text("builtin", timeout=20_000)
    assert inside(page.url, proxied)


def inside(url: str, proxied: Proxied) -> bool:
    return url.startswith((f"{proxied.base}/", "data:", "blob:"))
