"""Signing in over HTTP: the flow with a real provider on loopback, and whatever could be wrong about it."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from assistant.access.identity import Identity
from assistant.app import Assistant, build_assistant
from assistant.settings import Settings
from tests.ui.identity_provider import CLIENT, SECRET, IdentityProvider, Person, providing
from ui import sign_in_attempts, sign_in_provider
from ui.sign_in import COOKIE, add_sign_in_routes, who_html
from ui.sign_in_attempts import MOST, PREFIX, local
from ui.words import words

HERE = "https://chat.example.com"
ROLES = {"editor": ["editors"], "admin": ["admins"]}
EVIL = (
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example",
    "///evil.example", "/\t/evil.example", "\t//evil.example", " //evil.example", "/%2f/evil.example",
    "/%2Fevil.example", "/%5cevil.example", "/%255cevil.example", "/%252fevil.example", "%2f%2fevil.example",
    "/%09/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example", "@evil.example", "", ".",
    "/../..//evil.example", "/x/../../evil", "/%2e%2e/x", "/x\r\nSet-Cookie: a=b", "/x%0d%0aSet-Cookie:%20a=b",
    "/ü", "/\u2215evil.example", "/x" * 500, "/x#//evil", "/<script>", "/.//evil.example", "/x//evil.example",
)  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[IdentityProvider]:
    with providing() as provider:
        yield provider


@pytest.fixture
def provider(running: IdentityProvider) -> Iterator[IdentityProvider]:
    yield running
    running.person, running.wrong, running.in_userinfo = Person("ada", "Ada Lovelace"), "", False
    running.asked.clear()


def settings(
    data: Path, provider: IdentityProvider, roles: Any = ROLES, public_url: str | None = None, **sign_in: Any
) -> Settings:
    asked = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, **sign_in}
    return Settings(data=data, access={"sign_in": asked, "roles": roles}, server={"public_url": public_url})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Assistant, FastAPI]]:
    """The routes alone, over real records, and one that says who asks."""
    assistant = build_assistant(settings)
    await assistant.records.open()
    app = FastAPI(openapi_url=None)
    add_sign_in_routes(app, assistant)

    @app.get("/who")
    async def who(request: Request) -> dict[str, Any]:
        found = await assistant.sessions.of(request.cookies.get(COOKIE, ""))
        if found is None:
            return {}
        return {"person": found.person, "name": found.name, "groups": sorted(found.groups), "role": found.role}

    yield assistant, app
    await assistant.records.close()


@pytest.fixture
async def there(provider: IdentityProvider, tmp_path: Path) -> AsyncIterator[tuple[Assistant, FastAPI]]:
    async with opened(settings(tmp_path, provider)) as both:
        yield both


@pytest.fixture
def assistant(there: tuple[Assistant, FastAPI]) -> Assistant:
    return there[0]


class Browser(httpx.AsyncClient):
    """Somebody's browser, as far as cookies and headers go."""

    def __init__(self, app: FastAPI, base: str = HERE, root: str = "", language: str = "en") -> None:
        transport = httpx.ASGITransport(app, root_path=root, raise_app_exceptions=True)
        super().__init__(transport=transport, base_url=base, headers={"Accept-Language": language})
        self.root = root

    async def begin(self, to: str = "/") -> str:
        """To the provider and back: the address that it sends the browser to."""
        answer = await self.get(f"{self.root}/sign-in", params={"to": to})
        assert answer.status_code == 303, answer.text
        return at_provider(answer.headers["location"])

    async def sign_in(self, to: str = "/") -> httpx.Response:
        return await self.get(await self.begin(to))

    async def who(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get(f"{self.root}/who")).json()
        return found

    async def leave(self, **headers: str) -> httpx.Response:
        return await self.post(f"{self.root}/sign-out", headers=headers or {"Sec-Fetch-Site": "same-origin"})


def at_provider(address: str) -> str:
    with httpx.Client() as client:
        answer = client.get(address)
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


@pytest.fixture
async def browser(there: tuple[Assistant, FastAPI]) -> AsyncIterator[Browser]:
    async with Browser(there[1]) as browser:
        yield browser


@pytest.fixture
async def other(there: tuple[Assistant, FastAPI]) -> AsyncIterator[Browser]:
    async with Browser(there[1]) as browser:
        yield browser


async def test_the_flow_asks_with_pkce_state_and_nonce_and_tells_who_it_is(
    browser: Browser, provider: IdentityProvider
) -> None:
    provider.person = Person("ada", "Ada Lovelace", ("editors", "staff"))
    answer = await browser.sign_in("/x?y=1")
    assert answer.status_code == 303 and answer.headers["location"] == "/x?y=1"
    found = await browser.who()
    assert found["name"] == "Ada Lovelace" and found["groups"] == ["editors", "staff"] and found["role"] == "editor"
    assert found["person"].startswith("sign_in:") and found["person"].endswith(":ada")
    (asked,) = provider.asked["authorize"]
    assert asked["response_type"] == "code" and asked["scope"] == "openid profile email"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert asked["redirect_uri"] == f"{HERE}/sign-in/callback"
    assert min(len(asked["state"]), len(asked["nonce"])) == 43 and SECRET not in str(provider.asked["authorize"])
    (told,) = provider.asked["token"]
    assert told["code_verifier"] not in str(asked)


async def test_the_cookies_are_for_this_server_alone(browser: Browser) -> None:
    begun = await browser.get("/sign-in")
    kept = begun.headers["set-cookie"]
    assert kept.startswith(PREFIX) and "Path=/sign-in;" in kept and "Max-Age=600" in kept
    done = await browser.get(at_provider(begun.headers["location"]))
    session, forgotten = sorted(done.headers.get_list("set-cookie"), key=lambda each: not each.startswith(COOKIE))
    assert session.startswith(f"{COOKIE}=") and "Path=/;" in session and "Max-Age=43200" in session
    assert forgotten.startswith(PREFIX) and "Max-Age=0" in forgotten
    for each in (kept, session, forgotten):
        assert "HttpOnly" in each and "SameSite=lax" in each and "Secure" in each and "Domain" not in each
    assert [each.name for each in browser.cookies.jar] == [COOKIE]
    for each in (begun, done):
        assert each.headers["cache-control"] == "no-store"


async def test_on_plain_http_the_cookie_has_no_secure(there: tuple[Assistant, FastAPI]) -> None:
    async with Browser(there[1], "http://127.0.0.1:7860") as browser:
        answer = await browser.sign_in()
        assert "Secure" not in str(answer.headers.get_list("set-cookie"))
        assert (await browser.who())["name"] == "Ada Lovelace"


async def test_where_a_proxy_hides_the_address_the_settings_say_it(provider: IdentityProvider, tmp_path: Path) -> None:
    known = settings(tmp_path, provider, public_url="https://chat.example.org/assistant")
    async with opened(known) as (_, app), Browser(app, "http://10.0.0.1:7860") as browser:
        begun = await browser.get("/sign-in")
        asked = httpx.URL(begun.headers["location"]).params["redirect_uri"]
        assert asked == "https://chat.example.org/assistant/sign-in/callback"
        assert "Secure" in begun.headers["set-cookie"]


async def test_behind_a_prefix_everything_is_below_it(
    there: tuple[Assistant, FastAPI], provider: IdentityProvider
) -> None:
    async with Browser(there[1], root="/assistant") as browser:
        answer = await browser.sign_in("/desk/")
        assert answer.headers["location"] == "/assistant/desk/"
        assert "Path=/assistant;" in str(answer.headers.get_list("set-cookie"))
        assert provider.asked["authorize"][0]["redirect_uri"] == f"{HERE}/assistant/sign-in/callback"
        assert (await browser.who())["name"] == "Ada Lovelace"
        left = await browser.leave()
        assert f"{HERE}/assistant/sign-in/out" in httpx.URL(_meta(left)).params["post_logout_redirect_uri"]
        assert await browser.who() == {}


def _meta(answer: httpx.Response) -> str:
    from html import unescape

    return unescape(answer.text.partition('content="0; url=')[2].partition('"')[0])


@pytest.mark.parametrize("to", EVIL)
async def test_nobody_is_led_elsewhere(browser: Browser, to: str) -> None:
    answer = await browser.get("/sign-in", params={"to": to})
    assert answer.status_code == 400 and "location" not in answer.headers and "set-cookie" not in answer.headers
    assert "evil" not in answer.text and "<script" not in answer.text


@given(st.text(alphabet="/\\%2fF5cC.:@?#a \t\n\r\x00", max_size=12).map(lambda text: f"/{text}"))
def test_what_is_local_stays_on_the_server_for_a_browser(to: str) -> None:
    if local(to):
        # As browsers read an address: a backslash is a slash, and tabs and line ends are left out.
        read = to.replace("\\", "/").translate({ord(each): None for each in "\t\n\r"})
        parts = urlsplit(f"{HERE}/x")
        assert not read.startswith("//") and httpx.URL(HERE).join(to).host == parts.hostname


@pytest.mark.parametrize("to", ["/", "/desk/", "/?__theme=dark", "/a/b.c?d=e%20f&g=/h", "/caf%C3%A9"])
def test_what_is_ours_is_local(to: str) -> None:
    assert local(to)


WRONG = (
    "nonce", "no nonce claim", "aud", "no aud claim", "azp", "token iss", "no iss claim", "expired", "no exp claim",
    "not yet", "issued later", "at_hash", "alg none", "hs256", "hs256 with the public key", "another key",
    "another key by its name", "key in the header", "signature", "no id token", "sub of no kind", "empty sub",
    "no sub claim", "control in sub", "iss", "no iss",
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_an_answer_that_is_wrong_signs_nobody_in(
    browser: Browser, provider: IdentityProvider, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider.wrong = wrong
    answer = await browser.sign_in()
    assert answer.status_code == 502 and "could not be trusted" in answer.text
    assert COOKIE not in str(answer.headers.get_list("set-cookie")) and await browser.who() == {}
    assert not browser.cookies, "an attempt that failed is over"
    assert "a sign-in was refused" in caplog.text
    for secret in (SECRET, "eyJ"):
        assert secret not in caplog.text and secret not in answer.text
    provider.wrong = ""
    assert (await browser.sign_in()).status_code == 303


DOWN = (
    "discovery fails", "discovery is no JSON", "discovery is huge", "discovery redirects", "discovery slow",
    "other issuer", "plain token endpoint", "plain keys",
)  # fmt: skip


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Half a second for a provider that will not answer, and time enough for one that does, on a busy machine too."""
    monkeypatch.setattr(sign_in_provider, "RESTS", 0.0)
    return lambda short: monkeypatch.setattr(sign_in_provider, "TIMEOUT", 0.5 if short else 30.0)


@pytest.mark.parametrize("wrong", DOWN)
async def test_a_provider_that_cannot_be_used_is_named_and_tried_again(
    browser: Browser, provider: IdentityProvider, wrong: str, hasty: Callable[[bool], None]
) -> None:
    provider.wrong = wrong
    hasty("slow" in wrong)
    answer = await browser.get("/sign-in", params={"to": "/desk/"})
    assert answer.status_code == 503 and urlsplit(provider.issuer).netloc in answer.text
    assert "/sign-in?to=/desk/" in answer.text and "secret-of-the-provider" not in answer.text
    assert "set-cookie" not in answer.headers
    provider.wrong = ""
    hasty(False)
    assert (await browser.sign_in()).status_code == 303


@pytest.mark.parametrize("endpoint", ["token", "keys", "userinfo"])
@pytest.mark.parametrize("how", ["fails", "is no JSON", "redirects", "slow"])
async def test_a_provider_that_breaks_in_the_middle_signs_nobody_in(
    browser: Browser, provider: IdentityProvider, endpoint: str, how: str, hasty: Callable[[bool], None]
) -> None:
    provider.in_userinfo = True
    hasty(False)
    back = await browser.begin()
    provider.wrong = f"{endpoint} {how}"
    hasty(how == "slow")
    answer = await browser.get(back)
    assert answer.status_code in (502, 503) and await browser.who() == {}
    assert "secret-of-the-provider" not in answer.text and "192.0.2.1" not in answer.text
    provider.wrong = ""
    hasty(False)
    assert (await browser.sign_in()).status_code == 303


async def test_many_who_wait_for_a_provider_that_is_down_wait_once(
    browser: Browser, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.wrong = "discovery fails"
    for _ in range(5):
        assert (await browser.get("/sign-in")).status_code == 503
    assert len(provider.asked["discovery"]) == 1
    assert sign_in_provider.RESTS < 10


async def test_the_server_is_there_when_the_provider_is_not(tmp_path: Path) -> None:
    with providing() as gone:
        pass
    async with opened(settings(tmp_path, gone)) as (_, app), Browser(app, language="de") as browser:
        answer = await browser.get("/sign-in")
        assert (
            answer.status_code == 503 and "antwortet gerade nicht" in answer.text and '<html lang="de">' in answer.text
        )
        port = urlsplit(gone.issuer).port
        with providing(port) as back:
            time.sleep(sign_in_provider.RESTS)
            assert (await browser.sign_in()).status_code == 303 and back.asked["token"]


async def test_the_provider_says_no_in_its_own_words(browser: Browser, provider: IdentityProvider) -> None:
    provider.wrong = "denied"
    answer = await browser.sign_in("/desk/?a=b&c=d")
    assert answer.status_code == 403 and "&lt;b&gt;Not&lt;/b&gt; for you" in answer.text
    assert "/sign-in?to=/desk/%3Fa%3Db%26c%3Dd" in answer.text and await browser.who() == {}


async def test_words_of_whoever_asks_are_not_shown_without_an_attempt(browser: Browser) -> None:
    for said in ({"error": "x", "error_description": "Call 555-0100"}, {"error": "Call 555-0100", "state": "y"}):
        answer = await browser.get("/sign-in/callback", params=said)
        assert answer.status_code == 400 and "555" not in answer.text


async def test_the_doc_and_the_keys_are_read_once(browser: Browser, provider: IdentityProvider) -> None:
    for _ in range(3):
        await browser.sign_in()
    assert len(provider.asked["discovery"]) == len(provider.asked["keys"]) == 1


@pytest.mark.parametrize("same_name", [False, True])
async def test_new_keys_are_read_when_they_are_needed(
    browser: Browser, provider: IdentityProvider, same_name: bool
) -> None:
    await browser.sign_in()
    provider.rotate(same_name)
    assert (await browser.sign_in()).status_code == 303
    assert len(provider.asked["keys"]) == 2


def changed(back: str, **more: str) -> str:
    parts = urlsplit(back)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | more
    return f"{parts.path}?{urlencode({name: value for name, value in query.items() if value})}"


@pytest.mark.parametrize(
    "row",
    [
        lambda back: changed(back, state=""),
        lambda back: changed(back, state="guessed"),
        lambda back: changed(back, state="x" * 50_000),
        lambda back: changed(back, state="\U0001f600"),
        lambda back: changed(back) + "&state=another",
    ],
    ids=["none", "guessed", "long", "other letters", "twice"],
)
async def test_a_state_that_is_not_ours_is_refused(browser: Browser, row: Callable[[str], str]) -> None:
    answer = await browser.get(row(await browser.begin()))
    assert answer.status_code == 400 and await browser.who() == {}


async def test_only_the_browser_that_began_can_end_it(browser: Browser, other: Browser) -> None:
    back = await browser.begin()
    stolen = await other.get(back)
    assert stolen.status_code == 400 and COOKIE not in str(stolen.headers) and await other.who() == {}
    await other.begin()
    assert (await other.get(back)).status_code == 400, "nor with an attempt of its own"
    assert (await browser.get(back)).status_code == 303


async def test_an_answer_counts_once(browser: Browser, provider: IdentityProvider) -> None:
    back = await browser.begin()
    kept = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    assert (await browser.get(back)).status_code == 400
    for name, value in kept.items():  # whoever keeps the cookie of the attempt does not get further
        browser.cookies.set(name, value)
    assert (await browser.get(back)).status_code == 400
    assert len(provider.asked["token"]) == 1


async def test_a_code_counts_once_at_the_provider_too(browser: Browser, other: Browser) -> None:
    back = await browser.begin()
    code = parse_qs(urlsplit(back).query)["code"][0]
    assert (await browser.get(back)).status_code == 303
    injected = changed(await other.begin(), code=code)
    assert (await other.get(injected)).status_code == 502 and await other.who() == {}


async def test_the_code_of_somebody_else_is_worth_nothing_without_their_verifier(
    browser: Browser, other: Browser, provider: IdentityProvider
) -> None:
    victim = parse_qs(urlsplit(await browser.begin()).query)["code"][0]
    assert (await other.get(changed(await other.begin(), code=victim))).status_code == 502
    assert await other.who() == {}


async def test_a_forged_or_old_attempt_is_none(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, there: tuple[Assistant, FastAPI]
) -> None:
    back = await browser.begin()
    (cookie,) = browser.cookies.jar
    head, body, signature = str(cookie.value).split(".")
    for forged in (f"{head}.{body}.", f"{head}.{body[:-4]}AAAA.{signature}", "", "x", f"eyJhbGciOiJub25lIn0.{body}."):
        browser.cookies.clear()
        browser.cookies.set(cookie.name, forged)
        assert (await browser.get(back)).status_code == 400
    browser.cookies.clear()
    browser.cookies.set(cookie.name, str(cookie.value))
    now = time.time()
    monkeypatch.setattr(sign_in_attempts.time, "time", lambda: now + sign_in_attempts.SECONDS + 1)
    assert (await browser.get(back)).status_code == 400
    monkeypatch.undo()
    assert (await browser.get(back)).status_code == 303


async def test_several_tabs_sign_in_at_once_and_of_many_the_last(browser: Browser) -> None:
    backs = [await browser.begin(f"/{number}") for number in range(MOST + 3)]
    assert len(browser.cookies.jar) == MOST
    answers = [await browser.get(back) for back in backs]
    assert [each.status_code for each in answers] == [400] * 3 + [303] * MOST
    assert answers[-1].headers["location"] == f"/{MOST + 2}"


async def test_each_sign_in_is_a_new_session_and_ends_another_persons(
    browser: Browser, other: Browser, provider: IdentityProvider
) -> None:
    planted = "A" * 43
    browser.cookies.set(COOKIE, planted)
    await browser.sign_in()
    sessions = {each.value for each in browser.cookies.jar if each.name == COOKIE and each.value != planted}
    (first,) = sessions
    browser.cookies.clear()
    browser.cookies.set(COOKIE, str(first))
    assert (await browser.who())["name"] == "Ada Lovelace"
    provider.person = Person("grace", "Grace Hopper")
    answer = await browser.sign_in()
    second = answer.headers.get_list("set-cookie")[0].partition("=")[2].partition(";")[0]
    assert second not in (first, planted)
    for cookie, name in ((planted, None), (str(first), None), (second, "Grace Hopper")):
        other.cookies.clear()
        other.cookies.set(COOKIE, cookie)
        assert (await other.who()).get("name") == name


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "../../x", "%00", "'; DROP TABLE sign_ins; --", "A" * 5000])
async def test_a_guessed_session_is_nobodys(browser: Browser, cookie: str) -> None:
    await browser.sign_in()
    browser.cookies.clear()
    browser.cookies.set(COOKIE, cookie)
    assert await browser.who() == {}


async def test_signing_out_ends_the_session_for_good_and_goes_on_to_the_provider(
    browser: Browser, other: Browser, provider: IdentityProvider
) -> None:
    await browser.sign_in()
    kept = browser.cookies[COOKIE]
    answer = await browser.leave()
    assert answer.status_code == 200 and COOKIE not in browser.cookies
    end = httpx.URL(_meta(answer))
    assert str(end).startswith(f"{provider.issuer}/leave?") and end.params["client_id"] == CLIENT
    assert at_provider(str(end)) == f"{HERE}/sign-in/out"
    out = await browser.get("/sign-in/out")
    assert out.status_code == 200 and "You are signed out" in out.text and "refresh" not in out.text
    other.cookies.set(COOKIE, kept)
    assert await other.who() == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
        {"X-Nothing": "at all"},
    ],
)
async def test_another_page_signs_nobody_out(browser: Browser, headers: dict[str, str]) -> None:
    await browser.sign_in()
    assert (await browser.leave(**headers)).status_code == 403
    assert (await browser.get("/sign-out")).status_code == 405
    assert (await browser.who())["name"] == "Ada Lovelace"


async def test_a_session_ends_with_its_hours_also_where_they_become_fewer(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    async with opened(settings(tmp_path, provider, hours=1)) as (assistant, app), Browser(app) as browser:
        await browser.sign_in()
        found = await assistant.sessions.of(browser.cookies[COOKIE])
        assert found is not None and found.expires is not None and abs(found.expires - time.time() - 3600) < 120
        assistant.settings = settings(tmp_path, provider, hours=1e-9)
        assert await browser.who() == {}
        assistant.settings = settings(tmp_path, provider, hours=700)
        found = await assistant.sessions.of(browser.cookies[COOKIE])
        assert found is not None and found.expires is not None and found.expires - time.time() < 3700


async def test_a_session_of_another_issuer_or_of_no_sign_in_is_none(
    assistant: Assistant, browser: Browser, provider: IdentityProvider, tmp_path: Path
) -> None:
    await browser.sign_in()
    own = assistant.settings
    other_issuer = IdentityProvider(provider.issuer.replace("127.0.0.1", "localhost"))
    for changed_to in (settings(tmp_path, other_issuer), Settings(data=tmp_path)):
        assistant.settings = changed_to
        assert await browser.who() == {}
    assistant.settings = own
    assert (await browser.who())["name"] == "Ada Lovelace"


async def test_roles_are_those_of_the_settings_as_they_are_now(
    assistant: Assistant, browser: Browser, provider: IdentityProvider, tmp_path: Path
) -> None:
    provider.person = Person("ada", "Ada", ("editors", "staff"))
    await browser.sign_in()
    assert (await browser.who())["role"] == "editor"
    for roles, role in (({}, "user"), ({"admin": ["staff"]}, "admin"), ({"editor": ["staff"]}, "editor")):
        assistant.settings = settings(tmp_path, provider, roles)
        assert (await browser.who())["role"] == role


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        (None, 0),
        ((), 0),
        (("a", "b"), 2),
        (("a", "", "b\x00", "a"), 1),
        (tuple(f"group-{number}" for number in range(5000)), 2000),
    ],
)
@pytest.mark.parametrize("in_userinfo", [False, True])
async def test_groups_are_those_that_the_provider_says(
    browser: Browser, provider: IdentityProvider, groups: Any, found: int, in_userinfo: bool
) -> None:
    provider.person, provider.in_userinfo = Person("ada", "Ada", groups), in_userinfo
    assert (await browser.sign_in()).status_code == 303
    assert len((await browser.who())["groups"]) == found


@pytest.mark.parametrize(("claim", "found"), [("staff", ["staff"]), ({"a": 1}, []), ([1, None, ["x"]], []), (True, [])])
async def test_a_claim_of_another_kind_gives_no_group(assistant: Assistant, claim: Any, found: list[str]) -> None:
    cookie = await assistant.sessions.begin({"sub": "ada", "groups": claim})
    who = await assistant.sessions.of(cookie)
    assert who is not None and sorted(who.groups) == found


async def test_userinfo_of_somebody_else_does_not_count(browser: Browser, provider: IdentityProvider) -> None:
    provider.person, provider.in_userinfo = Person("eve", "Eve", ("admins",)), True
    provider.wrong = "userinfo of somebody else"
    assert (await browser.sign_in()).status_code == 303
    assert (await browser.who())["groups"] == [] and (await browser.who())["role"] == "user"


async def test_where_nobody_can_sign_in_it_says_so(tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path)) as (_, app), Browser(app) as browser:
        for path in ("/sign-in", "/sign-in/callback?code=x&state=y"):
            answer = await browser.get(path)
            assert answer.status_code == 404 and "not set up" in answer.text


def test_the_name_on_the_page_is_text() -> None:
    evil = Identity("sign_in:00000000:x", "sign_in", name='<img src=x onerror="a">')
    for said in (words("en"), words("de")):
        shown = who_html(evil, said, sign_in=True)
        assert "<img" not in shown and "&lt;img" in shown and said["sign_in.out"] in shown
        assert said["sign_in.begin"] in who_html(None, said, sign_in=True)
    assert who_html(None, words("en"), sign_in=False) == ""
