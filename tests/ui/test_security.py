"""What the port gives away, and to whom."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from assistant.app import Assistant
from tests.serving import Serving
from ui import slow_clients
from ui.health import KEPT, add_health_routes
from ui.security import Harden


def sent(url: str, request: bytes) -> bytes:
    """All that comes back for bytes that no client would send."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
        found = b""
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                found += piece
    return found


def file_message(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("function", range(9))
@pytest.mark.parametrize("shape", ["plain", "message", "component"])
def test_no_file_of_the_machine_can_be_asked_for(server: Serving, tmp_path: Path, function: int, shape: str) -> None:
    """Gradio copies files that a request names into a folder that it serves, unless it is kept from it."""
    secret = tmp_path / "secret.txt"
    secret.write_text("planted-file-content")
    plain: Any = file_message(str(secret))
    shapes: dict[str, Any] = {
        "plain": plain,
        "message": [{"role": "user", "content": [{"type": "file", "file": plain}]}],
        "component": [{"role": "user", "content": [{"type": "component", "component": "file", "value": plain}]}],
    }
    values = [shapes[shape]] * 3
    for count in (1, 2, 3):
        body = {"data": values[:count], "fn_index": function, "session_hash": "x"}
        for path in ("queue/join", "run/predict"):
            answer = httpx.post(f"{server.url}/gradio_api/{path}", json=body, timeout=20)
            assert "gradio_api/file" not in answer.text and "planted-file-content" not in answer.text
    for path in (f"file={secret}", f"file/{secret}", "file=/etc/passwd"):
        assert httpx.get(f"{server.url}/gradio_api/{path}").status_code == 404


@pytest.mark.parametrize("path", ["file=x", "file/x", "proxy=http://127.0.0.1/", "stream/x", "runs", "call/x"])
def test_what_the_page_does_not_need_is_shut(server: Serving, path: str) -> None:
    for method in ("GET", "POST"):
        assert httpx.request(method, f"{server.url}/gradio_api/{path}").status_code == 404


@pytest.mark.parametrize("host", ["evil.test", "evil.test:7860", "127.0.0.1.evil.test", "localhost.evil.test", ""])
def test_a_name_pointed_at_this_machine_reaches_nothing(server: Serving, host: str) -> None:
    for path in ("/", "/healthz"):
        answer = httpx.get(f"{server.url}{path}", headers={"Host": host})
        assert answer.status_code in (400, 421) and "passages" not in answer.text
    answer = httpx.post(f"{server.url}/api/v1/chat", json={"message": "hi"}, headers={"Host": host})
    assert answer.status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:7860", "192.168.1.5"])
def test_this_machine_and_plain_addresses_are_known(server: Serving, host: str) -> None:
    assert httpx.get(f"{server.url}/healthz", headers={"Host": host}).status_code == 200


def test_what_people_said_is_for_the_user_of_the_server_alone(server: Serving) -> None:
    assert (server.folder / "data").stat().st_mode & 0o077 == 0


def test_every_refusal_has_one_shape(server: Serving) -> None:
    for method, path in (("GET", "/api/v1/chat"), ("POST", "/api/v1/nothing"), ("POST", "/gradio_api/stream/x")):
        answer = httpx.request(method, f"{server.url}{path}")
        assert answer.status_code in (404, 405) and {"code", "message"} == set(answer.json()["error"])


@pytest.mark.parametrize("field", ["message", "conversation", "collection"])
def test_what_is_no_text_is_refused(server: Serving, field: str) -> None:
    body = json.dumps({"message": "hi"} | {field: "\ud800"})
    answer = httpx.post(f"{server.url}/api/v1/chat", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (404, 422)
    assert answer.json()["error"]["message"]


EVIL = ("a\r\nSet-Cookie: x=1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "é", "a b", "a" * 65, "", "../../x", "<b>")


@pytest.mark.parametrize("value", EVIL)
def test_no_header_is_smuggled_in_by_a_request_id(server: Serving, value: str) -> None:
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: {value}\r\nConnection: close\r\n\r\n"
    answer = sent(server.url, request.encode("latin-1"))
    assert answer.split()[1] in (b"200", b"400")
    assert b"Set-Cookie" not in answer and b"X-Evil" not in answer and b"<b>" not in answer
    if answer.split()[1] == b"200":
        # The end of a line is the end of the header: what follows is another.
        assert re.search(rb"x-request-id: (?:[0-9a-f]{32}|a)\r\n", answer)


def test_a_request_keeps_the_id_that_a_proxy_gave_it(server: Serving) -> None:
    answer = httpx.get(f"{server.url}/api/v1/nothing", headers={"X-Request-Id": "7f3a-proxy.1"})
    assert answer.headers["x-request-id"] == "7f3a-proxy.1"
    assert "7f3a-proxy.1" in logged(server, "7f3a-proxy.1")


def logged(server: Serving, last: str) -> str:
    """The log, once it has this line: it is written when the answer is over, which the client may know before."""
    until = time.monotonic() + 10
    while last not in (log := server.log) and time.monotonic() < until:
        time.sleep(0.05)
    return log


def test_the_log_says_where_and_how_and_nothing_that_was_said(server: Serving) -> None:
    told = {"Authorization": "Bearer sy_planted-credential", "Cookie": "switchyard-session=planted-cookie"}
    httpx.get(f"{server.url}/api/v1/conversations?search=planted-query", headers=told)
    httpx.post(f"{server.url}/api/v1/chat", json={"message": "planted words", "surface": "nowhere"})
    httpx.get(f"{server.url}/gradio_api/heartbeat/plantedhash", headers={"Origin": "null"})
    httpx.get(f"{server.url}/api/v1/x%0aINFO planted line")
    httpx.get(f"{server.url}/desk/config")
    log = logged(server, "GET /desk/config 401 in")
    assert "GET /desk/config 401 in" in log
    assert "GET /api/v1/conversations 401 in" in log and "POST /api/v1/chat 404 in" in log
    assert "/gradio_api/heartbeat/* 403" in log
    for planted in ("planted-credential", "planted-cookie", "planted-query", "planted words", "plantedhash", "\nINFO"):
        assert planted not in log


REQUESTS = {
    "two lengths": b"POST /api/v1/chat HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "length and chunks": b"POST /api/v1/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b: c\r\nConnection: close\r\n\r\n",
    "a space in a name": b"GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.test\r\n\r\n",
    "a negative length": b"POST /api/v1/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "no number": "POST /api/v1/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ²\r\n\r\n".encode("latin-1"),
    "a huge head": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: a\r\n" * 40_000 + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_can_be_read_in_two_ways_is_refused(server: Serving, name: str) -> None:
    answer = sent(server.url, REQUESTS[name] + b"\r\n\r\n")
    # A folded header is read as one line.
    good = {b"200"} if name == "a folded header" else {b"400", b"413", b"421", b"431"}
    assert answer == b"" or answer.split()[1] in good
    assert answer.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("path", ["/api/v1/chat", "/api/v1/session", "/gradio_api/queue/join", "/v1/chat/completions"])
def test_a_body_without_a_length_is_cut_off_at_the_limit(server: Serving, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = sent(server.url, head.encode() + piece * 40)
    assert answer.split()[1] == b"413" and b"connection: close" in answer.lower()


async def read(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@asynccontextmanager
async def listening(app: ASGIApp, **config: Any) -> AsyncIterator[str]:
    """The address of a server of ``app``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", **config))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


SLOW = {
    "with a length": b"Content-Length: 100\r\n\r\n",
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("how", SLOW)
@pytest.mark.parametrize("whole", [False, True])
async def test_a_body_that_drips_is_cut_off(how: str, whole: bool) -> None:
    """And one that goes on within the time is read."""
    hardened = Harden(Starlette(routes=[Route("/", read, methods=["POST"])]), seconds=30.0 if whole else 0.3)
    async with listening(hardened) as url:
        reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        writer.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + SLOW[how])
        piece, end = (b"a", b"") if how == "with a length" else (b"1\r\na\r\n", b"0\r\n\r\n")
        answered = asyncio.create_task(reader.readline())
        for _ in range(100):
            writer.write(piece)
            if not whole:
                await asyncio.wait([answered], timeout=0.02)
            if answered.done():
                break
        else:
            writer.write(end)
        status = (await asyncio.wait_for(answered, 20)).split()[1]
        assert status == (b"200" if whole else b"408")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_large_upload_has_the_time_that_it_takes() -> None:
    hardened = Harden(Starlette(routes=[Route("/", read, methods=["POST"])]), seconds=0.2)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"a" * 10_000
            await asyncio.sleep(0.15)

    async with listening(hardened) as url, httpx.AsyncClient() as client:
        assert (await client.post(url, content=pieces())).text == "60000"


async def test_a_head_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "SECONDS", 0.3)
    hardened = Harden(Starlette(routes=[Route("/", read, methods=["POST"])]))
    async with listening(hardened, http=slow_clients.OnTime) as url, httpx.AsyncClient() as client:
        address = url.removeprefix("http://").split(":")
        silent, _quiet = await asyncio.open_connection(*address)
        dripping, writer = await asyncio.open_connection(*address)
        assert (await client.post(url, content=b"first")).text == "5"
        writer.write(b"POST / HTTP/1.1\r\nX: ")
        for _ in range(50):
            if dripping.at_eof():
                break
            writer.write(b"a")
            await asyncio.sleep(0.05)
            with suppress(TimeoutError):
                await asyncio.wait_for(dripping.read(1), 0.01)
        assert dripping.at_eof() and await asyncio.wait_for(silent.read(), 20) == b""
        assert (await client.post(url, content=b"second")).text == "6"
        for each in (writer, _quiet):
            each.close()
            with suppress(ConnectionError):
                await each.wait_closed()


async def page(request: Request) -> Response:
    return Response("<head></head><script>1</script>", media_type="text/html")


def own(path: str) -> dict[str, str] | None:
    frames = {"/widget/portal": "'self' https://portal.example.com", "/widget/portal/full": "'self'"}.get(path)
    return None if frames is None else {"default-src": "'none'", "frame-ancestors": frames}


@pytest.mark.parametrize(
    ("path", "frames", "old", "resource", "opener"),
    [
        ("/", "'self'", "SAMEORIGIN", "same-origin", "same-origin"),
        ("/desk/", "'none'", "DENY", "same-origin", "same-origin"),
        ("/desk", "'none'", "DENY", "same-origin", "same-origin"),
        ("/widget/portal", "'self' https://portal.example.com", None, "same-origin", None),
        ("/widget/portal/full", "'self'", "SAMEORIGIN", "same-origin", None),
        ("/widget/unknown", "'self'", "SAMEORIGIN", "same-origin", "same-origin"),
        ("/widget.js", "'self'", "SAMEORIGIN", "cross-origin", "same-origin"),
        ("/api/v1/me", "'self'", "SAMEORIGIN", "same-origin", "same-origin"),
    ],
)
async def test_each_page_may_be_framed_by_its_own(
    path: str, frames: str, old: str | None, resource: str, opener: str | None
) -> None:
    hardened = Harden(Starlette(routes=[Route("/{rest:path}", page)]), policies=own)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(hardened), base_url="http://127.0.0.1") as client:
        answer = await client.get(path)
    assert f"frame-ancestors {frames}" in answer.headers["content-security-policy"].split("; ")
    assert answer.headers.get("x-frame-options") == old
    assert answer.headers["cross-origin-resource-policy"] == resource
    assert answer.headers.get("cross-origin-opener-policy") == opener
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("<script nonce=" in answer.text) == (own(path) is None)


async def test_a_refusal_has_the_same_headers_and_says_nothing(server: Serving) -> None:
    for path, headers in (("/api/v1/me", {"Origin": "null"}), ("/", {"Authorization": "Bearer x"}), ("//", {})):
        answer = httpx.get(f"{server.url}{path}", headers=headers)
        assert answer.status_code in (401, 403, 404)
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"]
        assert answer.headers["x-request-id"] and set(answer.json()["error"]) == {"code", "message"}


async def test_below_v1_a_refusal_has_the_shape_of_openai(server: Serving) -> None:
    refused = httpx.get(f"{server.url}/v1/models", headers={"Authorization": "Bearer sy_x"}).json()["error"]
    assert refused["code"] == "invalid_api_key" and {"type", "param", "message"} < set(refused)


def test_ready_says_what_is_looked_at_and_nothing_else(server: Serving) -> None:
    found = httpx.get(f"{server.url}/readyz")
    names = ("documents", "records", "settings", "models", "disk")
    assert found.status_code == 200
    assert found.json() == {"status": "ready", "checks": dict.fromkeys(names, "ok")}


async def test_not_ready_says_why(demo: Assistant) -> None:
    app = FastAPI()
    add_health_routes(app, demo)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        assert (await client.get("/readyz")).status_code == 200
        await demo.records.write(lambda session: session.execute(text("ALTER TABLE conversations RENAME TO gone")))
        await demo.base.close()
        await asyncio.sleep(KEPT)
        found = await client.get("/readyz")
        assert found.status_code == 503 and found.json()["status"] == "not_ready"
        named = {"documents": "failed", "records": "failed", "settings": "ok", "models": "ok", "disk": "ok"}
        assert found.json()["checks"] == named
        assert str(demo.settings.data) not in found.text
