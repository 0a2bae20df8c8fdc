"""Who gets past the front door: an attack table before a bare app, one row each, and the whole app behind it."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from assistant.access.api_keys import ApiKeys
from assistant.access.gate import Gate
from assistant.access.guests import Guests
from assistant.access.identity import Identity
from assistant.app import build_assistant
from assistant.records.repository import Repository
from assistant.settings import Records, Settings
from tests.serving import Serving, serving
from tests.ui.desk_door import session
from ui.api import create_app
from ui.front_door import COOKIE, FrontDoor
from ui.front_paths import PUBLIC, PUBLIC_BELOW
from ui.gradio_sessions import MOST_OF_ONE, GradioSessions

SECRET = "a-secret-of-the-portal-that-is-long-enough"
OTHER = "another-secret-of-the-shop-that-is-long-enough"
SURFACES: dict[str, Any] = {
    "portal": {
        "origins": ["https://portal.example.com", "https://*.portal.example.com"],
        "token": {"secret": SECRET, "audience": "switchyard"},
    },
    "shop": {"origins": ["https://shop.example.com"], "token": {"secret": OTHER}, "anonymous": True},
}
SIGN_IN = {"issuer": "http://127.0.0.1:9", "client_id": "switchyard", "client_secret": "x" * 32}
PORTAL, SHOP = "https://portal.example.com", "https://shop.example.com"
MACHINE = "the-token-of-this-machine"
OURS = {"Sec-Fetch-Site": "same-origin"}
TAB = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass
class Known:
    """Whoever is signed in."""

    people: dict[str, Identity] = field(default_factory=dict)

    async def of(self, cookie: str) -> Identity | None:
        return self.people.get(cookie)


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """Says who asked, and lets every site read it, as Gradio would."""
    who = scope["state"]["identity"]
    said = {"person": who and who.person, "surfaces": who and who.surfaces and sorted(who.surfaces)}
    body = json.dumps(said).encode()
    origin = dict(scope["headers"]).get(b"origin", b"*")
    headers = [
        (b"content-type", b"application/json"),
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def settings_of(folder: Path, mode: str = "required") -> Settings:
    surfaces = {name: each | {"anonymous": mode == "required" and name == "shop"} for name, each in SURFACES.items()}
    given: dict[str, Any] = {"access": {"mode": mode, "sign_in": SIGN_IN}, "surfaces": surfaces}
    return Settings(data=folder, **given)


@asynccontextmanager
async def door(
    folder: Path, mode: str = "required", records: Repository | None = None, root: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, or a program, before the front door of a bare app. Without records no API key can be looked up."""
    settings = settings_of(folder, mode)
    records = records or Repository(f"sqlite+aiosqlite:///{folder / 'records.db'}")
    people = {name: Identity(f"sign_in:{name}", "sign_in", name) for name in ("anna", "ben")}
    gate = Gate(lambda: settings, ApiKeys(records), MACHINE, Guests(folder), Known(people))
    transport = httpx.ASGITransport(FrontDoor(behind, gate, lambda: settings), root_path=root)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://chat.test") as client:
            yield client
    finally:
        await gate.aclose()


def token(sub: str = "anna", surface: str = "portal", secret: str = SECRET, **claims: Any) -> str:
    now = int(time.time())
    body = {"sub": sub, "surface": surface, "aud": "switchyard", "iat": now, "exp": now + 300} | claims
    return jwt.encode(body, secret, "HS256")


def bearer(*args: Any, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(*args, **claims)}"}


FOREIGN = [
    "null",
    "",
    "https://evil.test",
    "https://portal.example.com.evil.test",
    "https://evilportal.example.com",
    "https://evil.test.portal.example.com.",
    "http://portal.example.com",
    "https://portal.example.com:8443",
    "https://portal.example.com:443",
    "https://user@portal.example.com",
    "https://portal.example.com@evil.test",
    "https://PORTAL.example.com",
    "https://portal.example.com.",
    "https://portal.example.com/",
    "https://portal.example.com/chat",
    "https://xn--prtal-jua.example.com",
    "https://pörtal.example.com",
    "https://.portal.example.com",
    "https://a b.portal.example.com",
    "https://portal.example.com https://evil.test",
    "https://portal.example.com, https://evil.test",
    "wss://portal.example.com",
    "chrome-extension://abcdefgh",
    "file://",
    "http://chat.test.evil.test",
    "http://user@chat.test",
    "http://chat.test:81",
]


@pytest.mark.parametrize("origin", [*FOREIGN, SHOP])
async def test_a_page_of_another_site_gets_nothing(tmp_path: Path, origin: str) -> None:
    """With a good token of the portal: only the portal's own origins may use it."""
    async with door(tmp_path) as client:
        for method, path in (("GET", "/api/v1/conversations"), ("POST", "/v1/chat/completions"), ("POST", "/mcp")):
            headers = {"Origin": origin.encode("utf-8"), "Authorization": bearer()["Authorization"].encode()}
            answer = await client.request(method, path, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 403 and answer.json()["error"]["code"] == "foreign_origin"
            assert "access-control-allow-origin" not in answer.headers and "anna" not in answer.text


@pytest.mark.parametrize("origin", FOREIGN)
async def test_no_preflight_of_another_site_is_granted(tmp_path: Path, origin: str) -> None:
    async with door(tmp_path) as client:
        asks = {"Origin": origin.encode("utf-8"), "Access-Control-Request-Method": "POST"}
        answer = await client.options("/api/v1/chat", headers=asks)  # type: ignore[arg-type]
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/gradio_api/queue/join", "/desk/", "/sign-out", "/metrics", "/widget/portal"])
@pytest.mark.parametrize("origin", [PORTAL, "https://evil.test"])
async def test_other_sites_call_nothing_but_the_apis(tmp_path: Path, path: str, origin: str) -> None:
    async with door(tmp_path, "none") as client:
        asks = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert (await client.options(path, headers=asks)).status_code == 403
        assert (await client.post(path, headers={"Origin": origin})).status_code == 403


@pytest.mark.parametrize("origin", [PORTAL, "https://a.portal.example.com", "https://a.b.portal.example.com"])
async def test_a_listed_page_may_read_and_never_with_cookies(tmp_path: Path, origin: str) -> None:
    async with door(tmp_path) as client:
        answer = await client.get("/api/v1/me", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site", **bearer()})
        assert answer.json() == {"person": "token:portal:anna", "surfaces": ["portal"]}
        assert answer.headers["access-control-allow-origin"] == origin and "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        asks = {"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "x-evil"}
        granted = await client.options("/api/v1/chat", headers=asks)
        assert granted.status_code == 204 and "Origin" in granted.headers["vary"]
        assert "x-evil" not in granted.headers["access-control-allow-headers"].lower()
        assert "*" not in "".join(granted.headers.values())
        refused = await client.get("/api/v1/me", headers={"Origin": origin, "Authorization": "Bearer wrong"})
        assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == origin


async def test_what_lies_behind_lets_no_site_read(tmp_path: Path) -> None:
    async with door(tmp_path, "none") as client:
        for headers in ({}, {"Origin": "http://chat.test"}, {"Origin": "https://chat.test", **OURS}):
            answer = await client.get("/gradio_api/info", headers=headers)
            assert answer.status_code == 200
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_whoever_calls_from_a_site_is_held_to_its_surfaces(tmp_path: Path) -> None:
    """Nobody, in the mode none, and a token that is good for another surface."""
    async with door(tmp_path, "none") as client:
        answer = await client.get("/api/v1/me", headers={"Origin": SHOP})
        assert answer.json() == {"person": "api", "surfaces": ["shop"]}
        assert (await client.get("/api/v1/me", headers={"Origin": SHOP, **bearer()})).status_code == 403
        machine = {"Origin": SHOP, "Authorization": f"Bearer {MACHINE}"}
        assert (await client.get("/api/v1/me", headers=machine)).status_code == 403


SMUGGLED = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "object"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "Same-Origin"},
    {"Sec-Fetch-Site": ""},
]


@pytest.mark.parametrize("headers", SMUGGLED)
async def test_a_page_of_another_site_embeds_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    """Not even in the mode none, where anybody on this machine may ask."""
    async with door(tmp_path, "none") as client:
        answer = await client.get("/api/v1/conversations", headers=headers)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "foreign_origin"
        assert (await client.get("/widget.js", headers=headers)).status_code == 200


NOT_OURS = [
    *SMUGGLED,
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": PORTAL},
    {"Origin": PORTAL, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://chat.test", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://chat.test", "Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", NOT_OURS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_cookie_from_another_site_does_not_count(tmp_path: Path, headers: dict[str, str], method: str) -> None:
    async with door(tmp_path) as client:
        answer = await client.request(method, "/api/v1/me", headers={"Cookie": f"{COOKIE}=anna", **headers})
        assert answer.status_code in (401, 403) and "anna" not in answer.text


async def test_a_post_that_does_not_say_where_it_comes_from_has_no_cookie(tmp_path: Path) -> None:
    async with door(tmp_path) as client:
        for headers in ({}, TAB):
            answer = await client.post("/api/v1/me", headers={"Cookie": f"{COOKIE}=anna", **headers})
            assert answer.status_code in (401, 403)


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", OURS),
        ("POST", OURS | {"Origin": "https://chat.example.org"}),  # behind a proxy that hides the host
        ("POST", {"Origin": "http://chat.test"}),
        ("POST", {"Origin": "https://chat.test"}),  # behind one that ends TLS, from a browser that says no more
        ("GET", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}),
        ("GET", TAB),
        ("GET", {}),
    ],
)
async def test_a_cookie_of_our_own_page_counts(tmp_path: Path, method: str, headers: dict[str, str]) -> None:
    async with door(tmp_path) as client:
        cookies = {"Cookie": f"theme=dark; {COOKIE}=anna; broken;;"}
        answer = await client.request(method, "/api/v1/me", headers=cookies | headers)
        assert answer.json()["person"] == "sign_in:anna"


WRONG = [
    "Bearer wrong",
    "Bearer ",
    "Bearer",
    "bearer null",
    f"Bearer {MACHINE}x",
    f"Bearer {MACHINE[:-1]}",
    f"Basic {MACHINE}",
    MACHINE,
    f"Bearer {MACHINE}, Bearer {MACHINE}",
    "Digest username=x",
]


@pytest.mark.parametrize("shown", WRONG)
@pytest.mark.parametrize("mode", ["none", "required"])
async def test_a_wrong_credential_is_refused_in_one_wording(tmp_path: Path, mode: str, shown: str) -> None:
    """On public addresses too, and with a good cookie beside it: what is shown is never ignored."""
    async with door(tmp_path, mode) as client:
        for path in ("/api/v1/me", "/", "/healthz", "/desk/", "/nothing"):
            headers = {"Authorization": shown, "Cookie": f"{COOKIE}=anna", **OURS}
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_token"


@pytest.mark.parametrize("shown", ["none", "x", "sk-proj-abc", "not-needed"])
async def test_clients_of_openais_may_show_any_key_where_none_is_needed(tmp_path: Path, shown: str) -> None:
    headers = {"Authorization": f"Bearer {shown}"}
    async with door(tmp_path, "none") as client:
        assert (await client.get("/v1/models", headers=headers)).status_code == 200
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
        assert (await client.get("/v1x", headers=headers)).status_code == 401
        for ours in ("sy_abc_def", token(secret=OTHER), "a.b.c"):
            answer = await client.get("/v1/models", headers={"Authorization": f"Bearer {ours}"})
            assert answer.status_code == 401, ours
    async with door(tmp_path / "required", "required") as client:
        assert (await client.get("/v1/models", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        token(secret=OTHER),
        token(aud="other"),
        token(exp=1),
        token(nbf=9_999_999_999),
        token(surface="shop"),
        token(surface="nowhere"),
        jwt.encode({"sub": "anna", "surface": "portal", "aud": "switchyard", "exp": 9_999_999_999}, "", "none"),
        token() + "x",
        token().rpartition(".")[0] + ".",
    ],
)
async def test_a_token_that_proves_nothing_is_refused(tmp_path: Path, wrong: str) -> None:
    async with door(tmp_path, "none") as client:
        answer = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {wrong}", "Origin": PORTAL})
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_token"


async def test_a_program_asks_for_its_users(tmp_path: Path) -> None:
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    try:
        key, kept = await ApiKeys(records).add("tests", surfaces=["portal"])
        async with door(tmp_path, records=records) as client:

            async def ask(shown: str, user: bytes) -> httpx.Response:
                headers = {"Authorization": f"Bearer {shown}".encode(), "X-Switchyard-User": user}
                return await client.get("/api/v1/me", headers=headers)  # type: ignore[arg-type]

            for name in ("anna", "Jörg Müller", "a" * 128, "../x", "key:1:2"):
                assert (await ask(key, name.encode())).json()["person"] == f"key:{kept.id}:{name}"
            for wrong in (b"", b"a" * 129, b"a\tb", b"\xff", "\u202e".encode()):
                answer = await ask(key, wrong)
                assert answer.status_code == 422 and answer.json()["error"]["code"] == "invalid_request"
            assert (await ask(token(), b"ben")).json()["person"] == "token:portal:anna"
            for wrong_key in (key[:-1], key + "x", key.replace("sy_", "sy_0", 1)):
                assert (await ask(wrong_key, b"anna")).status_code == 401
    finally:
        await records.close()


async def test_where_the_records_are_away_nobody_is_let_in_by_a_key(tmp_path: Path) -> None:
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    try:
        await records.write(lambda session: session.execute(text("ALTER TABLE api_keys RENAME TO gone")))
        async with door(tmp_path, records=records) as client:
            answer = await client.get("/api/v1/me", headers={"Authorization": "Bearer sy_0123456789ab_" + "x" * 43})
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "unavailable"
    finally:
        await records.close()


async def test_two_credentials_are_none(tmp_path: Path) -> None:
    async with door(tmp_path) as client:
        headers = [("Authorization", f"Bearer {MACHINE}"), ("Authorization", "Bearer wrong")]
        assert (await client.get("/api/v1/me", headers=headers)).status_code == 401
        assert (await client.get("/api/v1/me", headers=headers[:1])).json()["person"] == "machine"


async def test_guessing_is_slowed_and_what_is_right_never(tmp_path: Path) -> None:
    async with door(tmp_path) as client:
        found = [await client.get("/api/v1/me", headers={"Authorization": f"Bearer wrong{each}"}) for each in range(30)]
        assert [each.status_code for each in found[:20]] == [401] * 20
        assert found[-1].status_code == 429 and int(found[-1].headers["retry-after"]) >= 1
        assert (await client.get("/api/v1/me", headers=bearer())).status_code == 200


async def test_nobody_is_led_to_the_sign_in_or_refused(tmp_path: Path) -> None:
    async with door(tmp_path) as client:
        led = await client.get("/?__theme=dark&x=//evil.test", headers=TAB)
        assert led.status_code == 303
        assert led.headers["location"] == "/sign-in?to=%2F%3F__theme%3Ddark%26x%3D%2F%2Fevil.test"
        assert (await client.get("/", headers={"Accept": "text/html"})).status_code == 303
        for path in ("/api/v1/me", "/v1/models", "/mcp", "/gradio_api/info", "/metrics", "/assets/x.js"):
            answer = await client.get(path, headers=TAB)
            assert answer.status_code == 401 and answer.json()["error"]["code"] in ("sign_in", "invalid_api_key")
        assert (await client.get("/", headers={"Sec-Fetch-Mode": "cors", **OURS})).status_code == 401
        assert (await client.post("/", headers={"Accept": "text/html"})).status_code == 401


async def test_behind_a_prefix_it_is_the_same(tmp_path: Path) -> None:
    """uvicorn puts the prefix before the path, which a proxy has taken away."""
    async with door(tmp_path, root="/assistant") as client:
        led = await client.get("/assistant/chat", headers=TAB)
        assert led.headers["location"] == "/assistant/sign-in?to=%2Fchat"
        assert (await client.get("/assistant/healthz")).status_code == 200
        assert (await client.get("/assistant/api/v1/me")).status_code == 401
        listed = await client.get("/assistant/api/v1/me", headers={"Origin": PORTAL, **bearer()})
        assert listed.headers["access-control-allow-origin"] == PORTAL
        gone = await client.get("/assistant/sign-in", headers={"Cookie": f"{COOKIE}=gone"} | TAB)
        assert "Path=/assistant;" in gone.headers["set-cookie"]
        assert (await client.get("/assistantapi/v1/me")).status_code == 404
        # What is public below the prefix is not so beside it.
        assert (await client.get("/healthz/assistant")).status_code == 401


async def test_a_session_that_has_ended_is_taken_back(tmp_path: Path) -> None:
    async with door(tmp_path, "none") as client:
        stale = {"Cookie": f"{COOKIE}=gone"}
        page = await client.get("/", headers=stale | TAB)
        assert page.json()["person"] is None
        assert page.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0; Path=/;")
        call = await client.get("/api/v1/me", headers=stale | OURS)
        assert call.status_code == 401 and call.json()["error"]["code"] == "sign_in"
        assert (await client.get("/switchyard/x.js", headers=stale | OURS)).status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "X"])
async def test_other_methods_are_refused(tmp_path: Path, method: str) -> None:
    async with door(tmp_path, "none") as client:
        request = client.build_request("GET", "/api/v1/me")
        request.method = method
        assert (await client.send(request)).status_code == 405


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that lets nobody in who is not known."""
    with serving(
        tmp_path_factory.mktemp("shut"), access={"mode": "required", "sign_in": SIGN_IN}, surfaces=SURFACES
    ) as running:
        yield running


def raw(server: Serving, request: str) -> tuple[int, str]:
    """The status and all of the answer to bytes that no client would send."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
    return int(answer.split()[1]), answer


TRICKS = [
    "//api/v1/me",
    "/api//v1/me",
    "/./api/v1/me",
    "/widget/../api/v1/me",
    "/widget/%2e%2e/api/v1/me",
    "/widget/%2E%2E/api/v1/me",
    "/widget/..%2fapi/v1/me",
    "/widget/..%2Fapi/v1/me",
    "/widget/..%5capi/v1/me",
    "/widget/..\\api/v1/me",
    "/widget/%252e%252e/api/v1/me",
    "/widget/portal%2ffull",
    "/widget%2Fportal",
    "/healthz%5c",
    "/switchyard/../../assistant.yaml",
    "/look/..",
    "/sign-in/../api/v1/me",
    "/widget/\x00",
    "/widget/%00",
    "/widget/%0d%0aSet-Cookie:x",
    "/healthz/../metrics",
    "/widget.js/../metrics",
]
SHUT = ["/HEALTHZ", "/healthz/", "/healthz;x", "/healthz%20", "/healthz.js", "/Widget/portal", "/widgets", "/widget",
        "/switchyard", "/lookup", "/sign-inside", "/signin", "/API/v1/me", "/api/v1/session/", "/api/v1/sessions",
        "/api/v1/openapi.json/", "/widget.js/x", "/deskx", "/robots.txt/x", "/*"]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_that_means_two_things_leads_nowhere(shut: Serving, path: str) -> None:
    """As it stands: clients would tidy it."""
    for shown in ("", f"Authorization: {bearer()['Authorization']}\r\n"):
        status, text = raw(shut, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{shown}Connection: close\r\n\r\n")
        assert status in (400, 404) and "person" not in text and "Set-Cookie" not in text


@pytest.mark.parametrize("path", SHUT)
async def test_only_what_is_named_is_public(tmp_path: Path, path: str) -> None:
    async with door(tmp_path) as client:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
            assert (await client.request(method, path)).status_code in (401, 404)


@pytest.mark.parametrize("path", [*sorted(PUBLIC), *(f"{each}x" for each in PUBLIC_BELOW)])
async def test_what_is_public_is_read_only(tmp_path: Path, path: str) -> None:
    async with door(tmp_path) as client:
        assert (await client.get(path, headers={"Origin": "https://evil.test"})).status_code == 200
        assert (await client.get(path, headers={"Origin": "null"})).status_code == 403
        if path != "/sign-in":
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                assert (await client.request(method, path)).status_code == 401


def routes(app: Any, below: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path that an app answers, Gradio's own and those of mounted apps among them."""
    for route in app.routes:
        path = below + str(getattr(route, "path", ""))
        if isinstance(route, Route):
            yield from ((method, path) for method in route.methods or ("GET",))
        elif isinstance(route, Mount):
            inner = getattr(route.app, "app", route.app)
            yield "GET", f"{path}/x"
            if hasattr(inner, "routes"):
                yield from routes(inner, path)
        elif hasattr(route, "original_router"):
            yield from routes(route.original_router, below)


OPEN = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/api/v1/session"), ("GET", "/api/v1/openapi.json"),
    ("GET", "/widget.js"), ("GET", "/widget/x"), ("GET", "/widget/x/full"), ("GET", "/switchyard/x"),
    ("GET", "/switchyard/widget/x/x"), ("GET", "/look/x/colours.css"), ("GET", "/look/x/logo"), ("GET", "/look/x/icon"),
    ("GET", "/sign-in"), ("GET", "/sign-in/callback"), ("GET", "/sign-in/out"), ("POST", "/sign-out"),
    ("GET", "/favicon.ico"), ("GET", "/robots.txt"),
}  # fmt: skip


async def test_no_route_is_forgotten(tmp_path: Path, _demo_index: Path) -> None:
    """Every route of the whole app: a new one is shut unless it is written down here."""
    records = Records(url=f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    settings = settings_of(_demo_index).model_copy(update={"records": records})
    async with build_assistant(settings) as assistant:
        app: FastAPI = create_app(assistant, MACHINE)
        found = {(method, re.sub(r"\{[^}]+\}", "x", path)) for method, path in routes(app)}
        assert len(found) > 100 and ("POST", "/gradio_api/queue/join") in found
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for method, path in sorted(found):
                answer = await client.request(method, path)
                if (method if method != "HEAD" else "GET", path) in OPEN:
                    assert answer.status_code not in (401, 403) or "sign-" in path, path
                else:
                    assert answer.status_code in (401, 403, 404, 405) or path == "/desk", (
                        method,
                        path,
                        answer.status_code,
                    )
                    if answer.status_code == 404 and "/gradio_api/" not in path:
                        assert "//" in path, (method, path)


STOLEN = [
    ("POST", "queue/join", {"data": [], "fn_index": 0, "session_hash": "HASH"}),
    ("POST", "queue/join/", {"data": [], "fn_index": 0, "session_hash": "HASH"}),
    ("GET", "queue/data?session_hash=HASH", None),
    ("GET", "queue/data?session_hash=mine&session_hash=HASH", None),
    ("GET", "queue/data?session_hash=HASH&session_hash=mine", None),
    ("GET", "queue/data?session%5fhash=HASH", None),
    ("POST", "run/predict", {"data": [], "fn_index": 0, "session_hash": "HASH"}),
    ("POST", "cancel", {"session_hash": "HASH", "fn_index": 0, "event_id": "x"}),
    ("POST", "cancel", {"session_hash": "mine", "fn_index": 0, "event_id": "EVENT"}),
    ("POST", "run/predict", {"data": [], "fn_index": 0, "session_hash": "mine", "event_id": "EVENT"}),
    ("POST", "reset", {"event_id": "EVENT"}),
    ("POST", "reset", {"session_hash": "HASH"}),
    ("GET", "heartbeat/HASH", None),
    ("GET", "heartbeat/HASH/", None),
    ("GET", "upload_progress?upload_id=UPLOAD", None),
    ("POST", "upload?upload_id=UPLOAD", None),
]


@pytest.fixture(scope="module")
def opened(shut: Serving) -> dict[str, str]:
    """What anna has opened in Gradio: a session, an event and an upload."""
    names = {"HASH": "annashash", "UPLOAD": "annasupload"}
    body = {"data": [], "fn_index": 0, "session_hash": "annashash"}
    joined = httpx.post(f"{shut.url}/gradio_api/queue/join", json=body, headers=bearer())
    assert joined.status_code == 200
    sent = httpx.post(
        f"{shut.url}/gradio_api/upload?upload_id=annasupload",
        files={"files": ("a.txt", b"hello")},
        headers=bearer() | OURS,
    )
    assert sent.status_code == 200
    return names | {"EVENT": joined.json()["event_id"]}


@pytest.mark.parametrize(("method", "path", "body"), STOLEN)
@pytest.mark.parametrize("thief", ["another person", "another surface"])
def test_a_stolen_session_opens_nothing(
    shut: Serving, opened: dict[str, str], method: str, path: str, body: Any, thief: str
) -> None:
    sent = json.dumps(body)
    for name, value in opened.items():
        path, sent = path.replace(name, value), sent.replace(name, value)
    shown = bearer("ben") if thief == "another person" else bearer("anna", "shop", OTHER)
    headers = shown | OURS | {"Content-Type": "application/json"}
    given: dict[str, Any] = {"content": sent if body else None, "headers": headers, "timeout": 20}
    with httpx.stream(method, f"{shut.url}/gradio_api/{path}", **given) as answer:
        answer.read()
    told = answer.status_code, answer.json()["error"]["message"]
    if thief == "another person":
        assert told == (404, "There is no such session.")
    else:  # the page is of another surface altogether
        assert told == (403, "This page is not for who asks.")


def test_a_name_that_comes_twice_hides_nothing(shut: Serving, opened: dict[str, str]) -> None:
    for first, second in (("annashash", "bens"), ("bens", "annashash")):
        body = f'{{"data": [], "fn_index": 0, "session_hash": "{first}", "session_hash": "{second}"}}'
        for coded in (body.encode(), body.encode("utf-16"), body.replace("annas", "\\u0061nnas").encode()):
            headers = bearer("ben") | {"Content-Type": "application/json"}
            answer = httpx.post(f"{shut.url}/gradio_api/queue/join", content=coded, headers=headers)
            assert answer.status_code == 404


def test_who_opened_it_goes_on(shut: Serving, opened: dict[str, str]) -> None:
    with httpx.stream("GET", f"{shut.url}/gradio_api/heartbeat/annashash", headers=bearer(), timeout=20) as answer:
        assert answer.status_code == 200 and next(answer.iter_text()).startswith("data: ALIVE")
    body = {"session_hash": "annashash", "fn_index": 0, "event_id": opened["EVENT"]}
    assert httpx.post(f"{shut.url}/gradio_api/cancel", json=body, headers=bearer()).status_code == 200


def test_a_guest_stays_the_same_person_where_guests_are_let_in(shut: Serving) -> None:
    def ask(surface: str, **headers: str) -> httpx.Response:
        return httpx.post(f"{shut.url}/api/v1/session", json={"surface": surface}, headers=headers)

    def who(shown: str) -> Any:
        answer = httpx.get(f"{shut.url}/api/v1/me", headers={"Authorization": f"Bearer {shown}"})
        return answer.json()["person"]

    first = ask("shop", Origin=SHOP)
    assert first.status_code == 200 and first.headers["access-control-allow-origin"] == SHOP
    assert first.headers["cache-control"] == "no-store"
    shown = first.json()["token"]
    again = ask("shop", Authorization=f"Bearer {shown}", Origin=SHOP).json()["token"]
    assert who(again) == who(shown) != who(ask("shop").json()["token"])
    for surface in ("portal", "nowhere", "../shop", ""):
        refused = ask(surface)
        assert refused.status_code == 403 and refused.json()["error"]["code"] == "not_anonymous"
        assert ask(surface, Authorization=f"Bearer {shown}").status_code == 403
    for origin in (PORTAL, "https://evil.test", "null"):
        assert ask("shop", Origin=origin).status_code == 403
    stolen = {"Authorization": f"Bearer {shown}", "Origin": PORTAL}
    assert httpx.get(f"{shut.url}/api/v1/me", headers=stolen).status_code == 403


def test_too_many_guests_wait(shut: Serving) -> None:
    found = [httpx.post(f"{shut.url}/api/v1/session", json={"surface": "shop"}).status_code for _ in range(32)]
    assert found[-1] == 429 and set(found) == {200, 429}


def test_two_sessions_of_the_desk_are_two(server: Serving) -> None:
    with session(server) as hers, session(server) as his:
        with hers.stream("GET", "/desk/gradio_api/heartbeat/desksession") as answer:
            assert answer.status_code == 200
        with his.stream("GET", "/desk/gradio_api/heartbeat/desksession") as answer:
            assert answer.status_code == 404


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_is_remembered_of_sessions_is_bounded() -> None:
    clock = Clock()
    sessions = GradioSessions(clock)

    async def may(name: str, session: str) -> bool:
        sent: list[Any] = []
        scope: Scope = {
            "type": "http", "method": "GET", "path": f"/gradio_api/heartbeat/{session}", "headers": [],
            "query_string": b"",
        }  # fmt: skip

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("there is no body")

        found = await sessions.bound(scope, receive, send, Identity(name, "token"))
        assert (found is None) == bool(sent)
        return found is not None

    assert await may("anna", "hers") and not await may("ben", "hers")
    for each in range(MOST_OF_ONE * 2):
        assert await may("ben", f"bens{each}")
    assert not await may("ben", "hers")
    assert await may("anna", "bens0") and not await may("anna", f"bens{MOST_OF_ONE * 2 - 1}")
    assert len(sessions._owners) <= MOST_OF_ONE + 2
    clock.now += 25 * 3600
    assert await may("ben", "hers") and len(sessions._owners) == 1
