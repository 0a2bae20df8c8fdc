"""Who gets into the desk: nobody without a session, whatever is asked for."""

import re
import socket
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.serving import Serving
from tests.ui.desk_door import link, session
from tests.ui.people import People
from ui.desk.guard import COOKIE, Guard
from ui.desk.keys import CODE_SECONDS, SESSION_SECONDS, WRONG_CODES, Keys
from ui.uploads import keep_in

PATHS = (
    "gradio_api/queue/join", "gradio_api/queue/data?session_hash=x", "gradio_api/run/predict", "gradio_api/upload",
    "gradio_api/upload_progress?upload_id=x", "gradio_api/heartbeat/x", "gradio_api/info",
    "gradio_api/file=/etc/passwd", "config", "theme.css", "assets/index.js", "static/x", "manifest.json", "monitoring",
    "leave", "nothing", "//", "%2e/",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_nothing_below_the_desk_answers_without_a_session(server: Serving, path: str) -> None:
    for headers in ({}, {"Cookie": f"{COOKIE}=guessed"}, {"Cookie": f"{COOKIE}="}, {"Cookie": ";;=\x7f"}):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = httpx.request(
                method, f"{server.url}/desk/{path}", headers={"Origin": server.url, **headers}, timeout=20
            )
            assert answer.status_code in (401, 404), (method, headers)


def test_a_websocket_is_refused_too(server: Serving) -> None:
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    request = (
        f"GET /desk/gradio_api/queue/join HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((str(host), int(port or 0)), timeout=20) as connection:
        connection.sendall(request.encode())
        assert connection.recv(100).split()[1] in (b"401", b"403", b"404")


def test_the_closed_desk_says_how_to_get_in(server: Serving) -> None:
    for path in ("/desk", "/desk/", "/desk/?__theme=dark"):
        answer = httpx.get(f"{server.url}{path}", follow_redirects=True)
        assert answer.status_code == 401 and "assistant desk" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


def test_a_code_opens_once(server: Serving) -> None:
    code = link(server).partition("#")[2]
    headers = {"Origin": server.url}
    first = httpx.post(f"{server.url}/desk/enter", json={"code": code}, headers=headers)
    assert first.status_code == 204
    cookie = first.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/desk", "Max-Age=43200"))
    again = httpx.post(f"{server.url}/desk/enter", json={"code": code}, headers=headers)
    assert again.status_code == 403 and "set-cookie" not in again.headers
    assert code not in server.log and cookie.split("=")[1].split(";")[0] not in server.log


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"code": null}', b'{"code": "\\ud800"}', b'"x"', b"x" * 9000])
def test_what_is_no_code_is_refused(server: Serving, body: bytes) -> None:
    answer = httpx.post(f"{server.url}/desk/enter", content=body, headers={"Origin": server.url})
    assert answer.status_code in (403, 429)


def test_only_the_token_makes_codes(server: Serving) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert httpx.post(f"{server.url}/api/v1/desk/code", headers=headers).status_code == 401
    with session(server) as client:
        assert client.post("/api/v1/desk/code").status_code == 401


def test_no_other_credential_makes_codes(people: People) -> None:
    for who, status in (("user", 403), ("admin", 403), ("nobody", 401)):
        assert people(who, "POST", "desk/code").status_code == status, who


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": ""},
    ],
)
def test_another_page_cannot_act_for_who_has_a_session(server: Serving, headers: dict[str, str]) -> None:
    with session(server) as client:
        for path in ("/desk/leave", "/desk/enter", "/desk/gradio_api/queue/join"):
            assert client.post(path, headers=headers).status_code == 403
        assert client.get("/desk/").status_code == 200


def test_signing_out_ends_the_session_for_good(server: Serving) -> None:
    with session(server) as client:
        kept = client.cookies[COOKIE]
        assert client.get("/desk/").status_code == 200
        assert client.post("/desk/leave").status_code == 303
        assert COOKIE not in client.cookies
        assert httpx.get(f"{server.url}/desk/config", headers={"Cookie": f"{COOKIE}={kept}"}).status_code == 401


def test_each_page_has_its_own_scripts(server: Serving) -> None:
    with session(server) as client:
        desk, chat = client.get("/desk/").text, client.get("/").text
    assert "desk.js" in desk and "chat/main.js" not in desk
    assert "chat/main.js" in chat and "desk.js" not in chat


def heard(client: httpx.Client, page: str) -> str:
    """What the stream of a session says there until it ends, breaks off or falls silent."""
    found = ""
    with (
        suppress(httpx.HTTPError),
        client.stream("GET", f"{page}/gradio_api/queue/data?session_hash=ofanadmin", timeout=5) as answer,
    ):
        for line in answer.iter_lines():
            found += line
            if "close_stream" in line:
                break
    return found


def test_an_event_of_the_desk_cannot_be_read_by_a_visitor_of_the_chat(server: Serving) -> None:
    with session(server) as client, httpx.Client(base_url=server.url) as visitor:
        client.get("/desk/")
        body = {"data": [], "fn_index": 0, "session_hash": "ofanadmin"}
        assert client.post("/desk/gradio_api/queue/join", json=body).status_code == 200
        assert "process_completed" not in heard(visitor, "")
        assert "process_completed" not in heard(visitor, "/desk")
        assert "process_completed" in heard(client, "/desk")


def test_no_file_of_the_machine_can_be_asked_for_at_the_desk(server: Serving, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("planted-file-content")
    plain = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    with session(server) as client:
        functions = len(client.get("/desk/config").json()["dependencies"])
        for function in range(functions):
            for data in ([plain], [[plain]], [plain, plain], [[plain], "a", "b"]):
                body = {"data": data, "fn_index": function, "session_hash": "x"}
                answer = client.post("/desk/gradio_api/run/predict", json=body)
                assert "gradio_api/file" not in answer.text and "planted-file-content" not in answer.text
        assert client.get(f"/desk/gradio_api/file={secret}").status_code == 404


def test_what_is_uploaded_is_kept_apart_and_read_by_nobody(server: Serving) -> None:
    for page in ("", "/desk"):
        with session(server) as client:
            sent = client.post(f"{page}/gradio_api/upload", files={"files": ("../../a b.txt", b"hello-uploaded")})
            assert sent.status_code == 200
            path = Path(sent.json()[0])
            assert path.is_relative_to((server.folder / "data" / "incoming").resolve()) and path.name == "a b.txt"
            for way in (f"file={path}", f"file/{path}", f"proxy={path}"):
                assert client.get(f"{page}/gradio_api/{way}").status_code == 404
    assert (server.folder / "data" / "incoming").stat().st_mode & 0o077 == 0


def test_uploads_end_at_their_limit_and_all_else_at_two_megabytes(server: Serving) -> None:
    def claiming(path: str, length: int, site: str = "same-origin") -> int:
        with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=20)) as connection:
            connection.putrequest("POST", path)
            connection.putheader("Content-Length", str(length))
            connection.putheader("Sec-Fetch-Site", site)
            connection.endheaders()
            return connection.getresponse().status

    assert claiming("/gradio_api/upload", 201_000_000) == 413
    assert claiming("/desk/gradio_api/upload", 1_001_000_000) == 413
    for path in ("/gradio_api/upload", "/gradio_api/upload/"):
        assert claiming(path, 10, "cross-site") == 403
    assert claiming("/api/v1/chat", 2_100_000) == 413
    assert claiming("/x/gradio_api/upload", 2_100_000) == 413


def test_the_folder_of_uploads_is_empty_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    (tmp_path / "incoming" / "x").mkdir(parents=True)
    keep_in(tmp_path / "incoming")
    assert list((tmp_path / "incoming").iterdir()) == []


class Clock:
    """A clock that stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_codes_and_sessions_end_by_themselves() -> None:
    clock = Clock()
    keys = Keys(clock)
    old, code = keys.code(), keys.code()
    found = keys.open(code, "a")
    assert found and keys.knows(found) and not keys.knows("") and not keys.knows(code)
    clock.now += CODE_SECONDS + 1
    assert keys.open(old, "a") is None
    clock.now += SESSION_SECONDS
    assert not keys.knows(found)


def test_wrong_codes_slow_an_address_down_and_nobody_else() -> None:
    clock = Clock()
    keys = Keys(clock)
    for _ in range(WRONG_CODES):
        assert not keys.busy("a")
        assert keys.open("wrong", "a") is None
    assert keys.busy("a") and not keys.busy("b")
    clock.now += 61
    assert not keys.busy("a")


def test_codes_are_not_kept_as_they_are() -> None:
    keys = Keys()
    code = keys.code()
    assert code not in repr(vars(keys)) and re.fullmatch(r"[\w-]{43}", code)


async def test_behind_a_prefix_and_tls_the_cookie_is_for_that_path_alone() -> None:
    keys = Keys()
    inside = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"))])
    app = Starlette(routes=[Mount("/desk", Guard(inside, keys))])
    transport = httpx.ASGITransport(app, root_path="/assistant")
    base = "https://chat.example.com"
    async with httpx.AsyncClient(transport=transport, base_url=base, headers={"Origin": base}) as client:
        answer = await client.post("/assistant/desk/enter", json={"code": keys.code()})
        assert "Path=/assistant/desk;" in answer.headers["set-cookie"] and "Secure" in answer.headers["set-cookie"]
        assert (await client.get("/assistant/desk/")).text == "in"
        for _ in range(WRONG_CODES):
            assert (await client.post("/assistant/desk/enter", json={"code": "wrong"})).status_code == 403
        assert (await client.post("/assistant/desk/enter", json={"code": "wrong"})).status_code == 429
        # Whoever has the right one is let in all the same: others behind the same address must not keep them out.
        assert (await client.post("/assistant/desk/enter", json={"code": keys.code()})).status_code == 204
