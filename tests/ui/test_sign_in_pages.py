"""Signing in as people do, in a browser, on a server that lets nobody in unknown; and what their role opens."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from assistant.app import Assistant
from assistant.desk.knowledge_work import Jobs
from assistant.knowledge.happenings import Tell
from tests.serving import Serving, serving, wait_until_read
from tests.ui.desk_door import link
from tests.ui.identity_provider import CLIENT, SECRET, IdentityProvider, Person, providing
from tests.ui.test_chat_page import browser, pytestmark  # noqa: F401
from ui.desk.knowledge_handlers import Knowledge

ADA = Person("ada", "Ada Lovelace", ("admins",))
ED = Person("ed", "Ed Itor", ("editors",))
BOB = Person("bob", "Bob <b>Builder</b>", ("staff",))
PAY = "What is the bonus of the board in the year 2031?"


@pytest.fixture(scope="module")
def provider() -> Iterator[IdentityProvider]:
    with providing() as provider:
        yield provider


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider) -> Iterator[Serving]:
    """Mode required, with a collection for everyone and one that only admins may read."""
    folder = tmp_path_factory.mktemp("closed")
    for name, text in (
        ("board", "# Board\n\nThe bonus of the board in the year 2031 is 4711 doubloons, paid in May."),
        ("open", "# Hotels\n\nThe hotel cap per night in London is £165."),
    ):
        (folder / name).mkdir()
        (folder / name / f"{name}.md").write_text(text, encoding="utf-8")
    with serving(
        folder,
        access={
            "mode": "required",
            "sign_in": {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET},
            "roles": {"editor": ["editors"], "admin": ["admins"]},
        },
        collections={
            "board": {"sources": [{"path": "board"}], "readers": ["admins"]},
            "open": {"sources": [{"path": "open"}], "readers": ["everyone"]},
        },
    ) as running:
        wait_until_read(running)
        yield running


@contextmanager
def signed_in(server: Serving, provider: IdentityProvider, person: Person) -> Iterator[httpx.Client]:
    """A client that has signed in, on pages of this server."""
    provider.person = person
    with httpx.Client(base_url=server.url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30) as client:
        answer = client.get("/sign-in", params={"to": "/healthz"}, follow_redirects=True)
        assert answer.status_code == 200 and str(answer.url) == f"{server.url}/healthz", answer.text
        yield client


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[BrowserContext]:  # noqa: F811
    """A browser of its own, cookies and all."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
    yield context
    await context.close()


async def chat(page: Page) -> None:
    await expect(page.locator("#box textarea")).to_be_visible(timeout=30_000)
    await page.wait_for_load_state("networkidle")  # what is typed before the page is whole may be lost


async def ask(page: Page, text: str) -> str:
    before = await page.locator("#chat .bot-row").count()
    await page.locator("#box textarea").fill(text)
    await page.keyboard.press("Enter")
    answer = page.locator("#chat .bot-row").nth(before)
    await expect(answer.locator("details.route")).to_be_visible(timeout=20_000)
    await expect(page.locator("#box .stop-button")).to_have_count(0, timeout=20_000)
    return await answer.inner_text()


async def test_opening_the_chat_leads_to_the_sign_in_and_back_and_groups_decide_what_is_found(
    visitor: BrowserContext, closed: Serving, provider: IdentityProvider
) -> None:
    found = {}
    for person in (ADA, BOB):
        await visitor.clear_cookies()
        provider.person = person
        page = await visitor.new_page()
        await page.goto(closed.url)
        await chat(page)
        assert page.url == f"{closed.url}/"
        found[person.sub] = await ask(page, PAY)
        await page.close()
    assert "4711" in found["ada"] and "4711" not in found["bob"]


async def test_signing_out_on_the_chat_page_ends_it_in_every_tab(
    visitor: BrowserContext, closed: Serving, provider: IdentityProvider
) -> None:
    provider.person = BOB
    page, other = await visitor.new_page(), await visitor.new_page()
    for each in (page, other):
        await each.goto(closed.url)
        await chat(each)
        await expect(each.locator(".signed-name")).to_have_text(BOB.name)
    kept = next(each for each in await visitor.cookies() if each["name"] == "switchyard-session")
    assert kept["httpOnly"] and kept["sameSite"] == "Lax"
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible(timeout=15_000)
    await expect(page).to_have_url(f"{closed.url}/sign-in/out", timeout=15_000)
    assert not [each for each in await visitor.cookies() if each["name"] == "switchyard-session"]
    cookie = {"Cookie": f"switchyard-session={kept['value']}", "Sec-Fetch-Site": "same-origin"}
    assert httpx.get(f"{closed.url}/config", headers=cookie).status_code == 401
    provider.person = ADA
    await page.get_by_role("link", name="Sign in again").click()
    await chat(page)
    await expect(page.locator(".signed-name")).to_have_text("Ada Lovelace")


async def test_several_tabs_sign_in_at_once(
    visitor: BrowserContext, closed: Serving, provider: IdentityProvider
) -> None:
    provider.person = BOB
    pages = [await visitor.new_page() for _ in range(3)]
    for page in pages:
        await page.goto(f"{closed.url}/sign-in?to=/?tab", wait_until="commit")
    for page in pages:
        await chat(page)


async def test_an_admin_opens_the_desk_and_leaves_it(
    visitor: BrowserContext, closed: Serving, provider: IdentityProvider
) -> None:
    provider.person = ADA
    page = await visitor.new_page()
    await page.goto(f"{closed.url}/desk/")
    await page.get_by_role("link", name="Sign in", exact=True).click()
    await expect(page.get_by_role("tab", name="Overview")).to_be_visible(timeout=30_000)
    assert page.url.rstrip("/") == f"{closed.url}/desk"
    tabs = page.locator("#tabs > .tab-wrapper").first.get_by_role("tab")
    await expect(tabs).to_have_text(["Overview", "Knowledge", "Routing", "Answers", "Models"])
    await expect(page.locator("#desk-head")).to_contain_text("Ada Lovelace")
    await page.get_by_role("tab", name="Knowledge").click()
    await expect(page.get_by_role("tab", name="Index")).to_be_visible()
    await page.locator("#desk-head").get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(f"{closed.url}/sign-in/out", timeout=15_000)
    await page.goto(f"{closed.url}/desk/")
    await expect(page.get_by_role("heading", name="The desk is closed")).to_be_visible()


async def test_an_editor_sees_their_tabs_and_nothing_of_admins(
    visitor: BrowserContext, closed: Serving, provider: IdentityProvider
) -> None:
    provider.person = ED
    page = await visitor.new_page()
    await page.goto(f"{closed.url}/sign-in?to=/desk/")
    await expect(page.get_by_role("tab", name="Overview")).to_be_visible(timeout=30_000)
    tabs = page.locator("#tabs > .tab-wrapper").first.get_by_role("tab")
    await expect(tabs).to_have_text(["Overview", "Knowledge", "Answers"])
    await page.get_by_role("tab", name="Knowledge").click()
    await expect(page.get_by_text("Sync everything")).to_be_visible(timeout=15_000)
    await expect(page.get_by_role("tab", name="Index")).to_be_hidden()
    await expect(page.get_by_role("button", name="Delete the collection")).to_have_count(0)
    await page.get_by_role("tab", name="Access").click()
    await expect(page.get_by_role("button", name="What may they read?")).to_be_visible()
    await expect(page.get_by_role("button", name="Change it in assistant.yaml")).to_be_hidden()


async def test_whoever_may_not_reads_why(visitor: BrowserContext, closed: Serving, provider: IdentityProvider) -> None:
    provider.person = BOB
    page = await visitor.new_page()
    answer = await page.goto(f"{closed.url}/sign-in?to=/desk/")
    assert answer is not None and answer.status == 403
    await expect(page.get_by_role("heading", name="Not for this account")).to_be_visible()
    await expect(page.locator("main")).to_contain_text("Bob <b>Builder</b>")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(f"{closed.url}/sign-in/out", timeout=15_000)


ASKS = ("rebuild", "force-rebuild", "rollback", "drop")


def handlers(client: httpx.Client) -> dict[str, int]:
    """The desk's handlers by the element that calls them."""
    config = client.get("/desk/config").json()
    names = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
    return {
        names.get(target): each["id"]
        for each in config["dependencies"]
        for target, _ in each["targets"]
        if names.get(target)
    }


def done(client: httpx.Client, function: int, *data: object) -> str:
    """What a handler of the desk answers."""
    body = {"data": list(data), "fn_index": function, "session_hash": uuid.uuid4().hex}
    joined = client.post("/desk/gradio_api/queue/join", json=body)
    assert joined.status_code == 200, joined.text
    found = ""
    with client.stream("GET", "/desk/gradio_api/queue/data", params={"session_hash": body["session_hash"]}) as answer:
        for line in answer.iter_lines():
            found += line
            if "close_stream" in line or "process_completed" in line:
                break
    return found


def test_what_only_admins_may_is_refused_to_an_editor_whatever_the_page_says(
    closed: Serving, provider: IdentityProvider
) -> None:
    with signed_in(closed, provider, ED) as editor:
        its = handlers(editor)
        for verb in ASKS:
            said = json.dumps([verb, "open"] if verb == "drop" else [verb])
            answer = done(editor, its["kn-ask"], f"{said} 1")
            assert "for people with the role admin" in answer and "data-say" not in answer.replace(
                'data-say=\\"\\"', ""
            )
        assert not {"mo-test", "mo-find", "ro-rollback", "ro-use", "ro-retrain"} & its.keys()
    with signed_in(closed, provider, ADA) as admin:
        its = handlers(admin)
        assert {"mo-test", "ro-rollback"} <= its.keys()
        assert "Rebuild the index?" in done(admin, its["kn-ask"], '["rebuild"] 1')
    with signed_in(closed, provider, BOB) as nobody:
        assert nobody.get("/desk/config").status_code == 403
        assert nobody.post("/desk/gradio_api/queue/join", json={}).status_code == 403
        assert nobody.get("/desk/export/turns.csv").status_code == 403


async def test_who_may_read_is_not_an_editors_to_change_nor_a_rebuild_theirs_to_stop(demo: Assistant) -> None:
    jobs = Jobs()
    editor, admin = Knowledge(demo, jobs, admin=False), Knowledge(demo, jobs)
    assert "for people with the role admin" in await editor.readers("demo", "everyone")
    assert "Change who may read it?" in await admin.readers("demo", "everyone")
    shown = [await each.load("") for each in (editor, admin)]
    assert "Rebuild" not in str(shown[0]) and "Rebuild" in str(shown[1])

    async def work(_: Tell) -> None:
        await asyncio.sleep(60)

    for theirs, stops in ((True, admin), (False, editor)):
        jobs.start("Rebuild", work, admins=theirs)
        if theirs:
            await editor.stop()
        assert jobs.running
        await stops.stop()
        assert not jobs.running


def test_a_question_that_an_admin_was_asked_is_not_answered_by_an_editor(
    closed: Serving, provider: IdentityProvider
) -> None:
    with signed_in(closed, provider, ADA) as admin, signed_in(closed, provider, ED) as editor:
        asked = done(admin, handlers(admin)["kn-ask"], '["rebuild"] 1')
        token = asked.partition('kn-yes\\" data-say=\\"')[2].partition('\\"')[0]
        assert len(token) > 10
        answer = done(editor, handlers(editor)["kn-yes"], f"{token} 1")
        assert "answered already" in answer


def test_the_link_of_a_command_opens_the_desk_as_before(closed: Serving) -> None:
    with httpx.Client(base_url=closed.url, headers={"Origin": closed.url}) as client:
        assert client.get("/desk/").status_code == 401
        assert client.post("/desk/enter", json={"code": link(closed).partition("#")[2]}).status_code == 204
        assert client.get("/desk/config").status_code == 200
        assert client.post("/desk/leave").headers["location"] == "enter"


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/theme.css", "/manifest.json", "/assets/x.js"])
def test_nobody_is_let_in_unknown(closed: Serving, path: str) -> None:
    answer = httpx.get(f"{closed.url}{path}")
    assert answer.status_code in (303, 401, 404) and "gradio_config" not in answer.text


def test_neither_secret_nor_session_nor_token_is_logged(closed: Serving, provider: IdentityProvider) -> None:
    with signed_in(closed, provider, BOB) as client:
        session = client.cookies["switchyard-session"]
    for secret in (session, SECRET, "eyJ", "access-of", provider.asked["authorize"][-1]["state"]):
        assert secret not in closed.log
    kept = b"".join(each.read_bytes() for each in Path(closed.folder / "data").glob("records.db*"))
    assert session.encode() not in kept
