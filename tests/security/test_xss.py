"""What people, models and documents say is words on our pages: nothing of it runs, and nothing leaves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.security.hostile import CORPUS, Hostile
from tests.security.injected import INJECTED, PUT, SHOW
from tests.security.planted import LIVE, ROOMS, SUGGESTED, adopt, give, identity, planted
from tests.security.watcher import FORGED, OPEN, TEXTS, seen, tabs, watch
from tests.serving import Serving
from tests.ui.desk_door import link, session
from tests.ui.test_chat_page import browser, pytestmark

__all__ = ["browser", "pytestmark"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with planted(tmp_path_factory.mktemp("planted")) as running:
        yield running


@pytest.fixture
async def page(browser: Browser, server: Serving) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    watching = await watch(context, server.url)
    page = await context.new_page()
    yield page
    await page.wait_for_timeout(500)
    await context.close()
    assert not watching.found, "\n".join(list(dict.fromkeys(watching.found))[:40])


def words(text: str) -> str:
    """As a browser shows them: spaces run together."""
    return " ".join(text.split())  # \x85 is a space, too


async def answered(page: Page, count: int) -> Locator:
    row = page.locator("#chat .bot-row").nth(count - 1)
    await expect(row.locator(".about")).to_have_count(1, timeout=30_000)
    await expect(page.locator("#box .submit-button")).to_be_visible(timeout=20_000)
    return row


async def test_answers_as_they_stream_and_the_documents_they_cite(page: Page, server: Serving) -> None:
    await page.goto(server.url)
    await page.get_by_text(SUGGESTED[0]).click()
    await answered(page, 1)
    for count, part in enumerate(LIVE[1:], 2):
        await page.locator("#box textarea").fill("\n".join(each.text for each in part))
        await page.keyboard.press("Enter")
        await answered(page, count)
    await page.evaluate(OPEN, "#chat")
    assert await page.evaluate(FORGED) == []
    shown = " ".join(await page.locator("#chat .bot-row").all_inner_texts())
    assert [each.text for each in CORPUS if each.mark not in shown] == []
    for number in (0, 2):
        await page.locator("#chat .bot-row").last.locator(".open-source").nth(number).click()
        await look_into(page)


async def look_into(page: Page) -> None:
    """The pane: the passage, what stands around it, its document."""
    pane = page.locator("#pane")
    await expect(pane.locator(".pane-passage")).to_be_visible(timeout=10_000)
    if await pane.locator("[data-do=neighbours]").count():
        await pane.locator("[data-do=neighbours]").last.click()
        await expect(pane.locator(".pane-told, .pane-beside, .pane-end").first).to_be_visible(timeout=10_000)
    await pane.locator(".pane-foot [data-do=document]").click()
    await expect(pane.locator(".pane-document")).to_be_visible(timeout=10_000)
    await page.evaluate(OPEN, "#pane")
    await pane.locator("[data-do=close]").click()
    await expect(pane.locator("section")).to_have_count(0, timeout=10_000)


async def mine(page: Page, server: Serving, first: str) -> None:
    """All that has been planted is this browser's, and it is shown."""
    await page.goto(server.url)
    await page.locator("#box textarea").fill(first)
    await page.keyboard.press("Enter")
    await answered(page, 1)
    adopt(server, first)
    await page.reload()
    await answered(page, 1)


async def enter(page: Page, room: int) -> None:
    find, found = page.locator("#find :is(input, textarea)"), page.locator("#list li")
    await find.fill("")
    await expect(found).not_to_have_count(1, timeout=15_000)  # the one that was found before is not this one
    await find.fill(f"room{room} ")
    await expect(found).to_have_count(1, timeout=15_000)
    await page.locator("#list .conv-open").click()
    await expect(page.locator("#chat .said").last).to_contain_text(ROOMS[room][-1].mark, timeout=15_000)
    await expect(page.locator("#chat .about")).to_have_count(len(ROOMS[room]), timeout=15_000)


@pytest.mark.parametrize(("locale", "rooms"), [("en-GB", (0, 1, 2, 3, 4)), ("de-DE", (1,))])
async def test_conversations_that_are_opened(page: Page, server: Serving, locale: str, rooms: tuple[int, ...]) -> None:
    await page.set_extra_http_headers({"Accept-Language": locale})
    await mine(page, server, f"Mine, in {locale}")
    for number in rooms:
        room = ROOMS[number]
        await enter(page, number)
        await page.evaluate(OPEN, "#chat")
        assert await page.locator("#chat .said").evaluate_all(TEXTS) == [words(each.text) for each in room]
        assert await page.locator("#files .chip-name").evaluate_all(TEXTS) == [words(each.text) for each in room]
        assert await page.evaluate(FORGED) == []
        shown = await page.locator("#chat .bot-row").all_inner_texts()
        assert [each.text for each, text in zip(room, shown, strict=True) if each.mark not in text] == []
        turns = await page.locator("#chat .about").evaluate_all("(all) => all.map((each) => each.className)")
        assert [each.text for each, names in zip(room, turns, strict=True) if identity(each) not in names] == []
        await page.locator("#chat .bot-row").nth(4 * number).locator(".open-source").first.click()
        await look_into(page)


async def test_the_list_its_menu_and_what_is_written_there(page: Page, server: Serving) -> None:
    await mine(page, server, "Mine, all of it")
    more = page.locator("#list [data-do=more]")
    while await more.count():
        before = await page.locator("#list li").count()
        await more.click()
        await expect(page.locator("#list li")).not_to_have_count(before, timeout=10_000)
    titles = await page.locator("#list .conv-open").evaluate_all(TEXTS)
    assert [each.text for each in CORPUS if words(each.text) not in titles] == []
    assert (
        await page.locator("#list :is(nav, h2, ul, li, button, p, .keys, .keys *)").count()
        == await page.locator("#list nav, #list nav *").count()
    )
    for each in (CORPUS[20], CORPUS[30]):
        await page.locator("#find :is(input, textarea)").fill(each.text)
        await expect(page.locator("#list li").filter(has_text=each.mark)).not_to_have_count(0, timeout=10_000)


async def test_what_is_said_of_turns_and_files(page: Page, server: Serving, tmp_path: Path) -> None:
    await mine(page, server, "Mine, to change")
    find, title = page.locator("#find :is(input, textarea)"), f"renamed {CORPUS[50].text}"
    await find.fill("Mine, to change")
    await expect(page.locator("#list [role=status]")).to_be_visible(timeout=10_000)
    await page.wait_for_timeout(300)
    await page.locator("#list .conv-menu").first.click()
    await page.get_by_role("menuitem", name="Rename").click()
    await page.locator("#list .conv-name").fill(title)
    await page.keyboard.press("Enter")
    await expect(page.locator("#list")).to_contain_text(words(title), timeout=10_000)
    await page.wait_for_timeout(300)
    await find.fill("")
    await page.locator("#where input").click()
    await expect(page.get_by_role("option").filter(has_text=CORPUS[18].mark)).to_be_visible(timeout=10_000)
    await page.keyboard.press("Escape")
    await attach(page, tmp_path)
    await edited(page, CORPUS[11])


async def attach(page: Page, folder: Path) -> None:
    """Files that are read and files that are not, by names that are scripts."""
    names = [f"{CORPUS[number].file}{ending}" for number, ending in ((7, ".md"), (28, ".exe"), (39, ".exe"))]
    for name in names:
        (folder / name).write_bytes(b"MZ\0" if name.endswith(".exe") else f"# {CORPUS[0].text}".encode())
    async with page.expect_file_chooser() as chosen:
        await page.locator("#attach").click()
    await (await chosen.value).set_files([folder / name for name in names])
    await expect(page.locator("#files .chip-ready")).to_contain_text("seen7z", timeout=20_000)
    await expect(page.get_by_text("was not attached").first).to_be_visible(timeout=15_000)


async def edited(page: Page, each: Hostile) -> None:
    """A question that is put differently, judged, and answered once more."""
    await page.locator("#chat .user-row .edit").first.dispatch_event("click")
    await page.locator(".edit-form textarea").fill(each.text)
    await page.keyboard.press("Enter")
    await expect(page.locator("#chat .said").first).to_contain_text(each.mark, timeout=15_000)
    await answered(page, 1)
    await expect(page.locator("#chat .versions")).to_contain_text("2/2", timeout=15_000)
    await page.locator("#chat .user-row .edit").first.dispatch_event("click")
    await expect(page.locator(".edit-form textarea")).to_have_value(words(each.text))
    await page.keyboard.press("Escape")
    await page.locator("#chat .thumb.down").click()
    await page.locator("#chat textarea.comment").fill(each.text)
    await page.locator("#chat .choices:has(textarea) .choice").click()
    await page.wait_for_timeout(400)


async def test_the_desk_on_documents(page: Page, server: Serving) -> None:
    await page.goto(link(server))
    await page.get_by_role("tab", name="Knowledge").click(timeout=30_000)
    await seen(page, "#tab-knowledge, .tabitem", 45)
    await page.get_by_role("button", name=re.compile("^135 documents of folder .*files")).click()
    await seen(page, "#kn-shown", 20)
    await page.locator("#kn-shown .act.button").last.click()
    await seen(page, "#kn-shown", 20)
    await page.locator('#kn-shown [data-to="kn-open"]').first.click()
    await seen(page, ".kn-chunk", 1)
    await page.locator("#kn-views").get_by_role("tab", name="Try a question").click()
    await page.get_by_label("Question", exact=True).fill(CORPUS[0].text)
    await page.locator("#kn-go").click()
    await seen(page, "#kn-found", 5)
    async with aclosing(tabs(page, "#kn-views")) as each:
        async for _ in each:
            await page.evaluate(OPEN, "body")


async def test_the_desk_on_turns(page: Page, server: Serving) -> None:
    await page.goto(link(server))
    await page.get_by_role("tab", name="Routing", exact=True).click(timeout=30_000)
    await page.locator("#ro-matrix .act").first.wait_for(timeout=20_000)
    for cell in await page.locator("#ro-matrix .act").filter(has_text=re.compile("^[1-9]")).all():
        await cell.click()
        await seen(page, "#ro-turns", 10)
    async with aclosing(tabs(page, "#ro-parts")) as each:
        async for name in each:
            if name == "To label":
                await seen(page, "#ro-card", 1)
                await page.locator("#ro-skip").click()
                await expect(page.locator("#ro-card")).to_contain_text("Skipped", timeout=10_000)
                await seen(page, "#ro-card", 2)
    await page.get_by_role("tab", name="Answers", exact=True).click()
    async with aclosing(tabs(page, "#an-parts")) as each:
        async for name in each:
            if name != "Figures":
                await page.locator(".html .act").filter(visible=True).first.wait_for(timeout=20_000)
            if name == "Turns":
                await page.locator(".html [data-say^=turn]").filter(visible=True).first.click()
                await seen(page, ".an-turn", 1)
    await page.get_by_role("tab", name="Models", exact=True).click()
    await page.get_by_role("button", name="Test now").first.click(timeout=20_000)
    await page.wait_for_timeout(500)


async def test_nothing_comes_back_as_a_page_or_is_shown_instead_of_kept(server: Serving) -> None:
    give(server, "api")
    with session(server) as client:
        listed = client.get("/api/v1/conversations").json()["conversations"]
        exports = [f"/api/v1/conversations/{listed[0]['id']}/export?format={form}" for form in ("markdown", "json")]
        exports += [f"/desk/export/{name}" for name in ("turns.csv", "turns.jsonl", "gaps.csv", "gaps.md")]
        for path in exports:
            answer = client.get(path)
            assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment"), path
            assert (
                answer.headers["x-content-type-options"] == "nosniff" and "html" not in answer.headers["content-type"]
            )
        for each in CORPUS[::3]:
            text = quote(each.text, safe="")
            for path in (
                f"/?q={text}",
                f"/{text}",
                f"/api/v1/conversations/{text}",
                f"/look/{text}/logo",
                f"/desk/{text}",
            ):
                answer = client.get(path)
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert "html" not in answer.headers["content-type"] or each.text not in answer.text, path


async def test_the_watcher_sees_what_it_watches_for(browser: Browser, server: Serving) -> None:
    context = await browser.new_context()
    watching = await watch(context, server.url)
    page = await context.new_page()
    await page.goto(f"{server.url}/desk/enter")
    assert watching.found == []
    missed = []
    for kind, texts in PUT.items():
        for text in texts:
            watching.found.clear()
            await page.evaluate(SHOW, text)
            await page.wait_for_timeout(30)
            missed += [] if kind in watching.kinds else [f"{kind}: {text}"]
    for kind, texts in INJECTED.items():
        for text in texts:
            page = await context.new_page()
            await page.goto(f"{server.url}/desk/enter")
            watching.found.clear()
            await page.evaluate(f"() => {{ {text} }}")
            await page.wait_for_timeout(250)
            missed += [] if kind in watching.kinds else [f"{kind}: {text}: {watching.found}"]
            await page.close()
    await context.close()
    assert missed == []
