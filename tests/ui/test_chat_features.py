"""What people do on the chat page beside asking: steer, try again, put it differently, judge, find, keep, attach."""

import json
import sqlite3
import uuid
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.serving import Serving, serving, wait_until_read
from tests.ui.test_chat_page import LONDON, ask, browser, page, pytestmark

__all__ = ["browser", "page", "pytestmark"]

CAP = "£165"


async def answered(page: Page, text: str, count: int = 1) -> Locator:
    """The answer to the turn that this is the ``count``-th of, whole."""
    await ask(page, text)
    row = page.locator("#chat .bot-row").nth(count - 1)
    await expect(row.locator(".about")).to_have_count(1, timeout=20_000)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=15_000)
    return row


def bar(page: Page, number: int = 0) -> Locator:
    return page.locator("#chat .correct").nth(number)


async def test_the_next_turn_is_steered_and_only_that_one(page: Page) -> None:
    await page.locator("#way").get_by_text("Our voice").click()
    row = await answered(page, LONDON)
    await expect(row.locator("details.route > summary")).to_contain_text("Our voice")
    await expect(row.locator("details.src")).to_have_count(0)
    await expect(page.locator("#way input[value=auto]")).to_be_checked()
    row = await answered(page, LONDON, 2)
    await expect(row).to_contain_text(CAP)
    await page.locator("#way").get_by_text("Look it up").click()
    row = await answered(page, "hello", 3)
    await expect(row.locator("details.route > summary")).to_contain_text("Looked up")


async def test_an_answer_made_again_leaves_the_old_one_in_reach(page: Page) -> None:
    row = await answered(page, LONDON)
    await bar(page).get_by_role("button", name="Do it another way").click()
    await bar(page).get_by_role("button", name="Needed no look-up").click()
    await expect(row).to_contain_text("the end.", timeout=20_000)
    await expect(bar(page).locator(".versions")).to_contain_text("2/2", timeout=15_000)
    await bar(page).get_by_role("button", name="Previous version").click()
    await expect(row).to_contain_text(CAP, timeout=10_000)
    await expect(bar(page).locator(".versions")).to_contain_text("1/2")
    await page.reload()
    await expect(page.locator("#chat .bot-row").first).to_contain_text(CAP, timeout=20_000)


async def test_a_question_is_put_differently_and_what_followed_stays_in_reach(page: Page) -> None:
    await answered(page, LONDON)
    second = await answered(page, "How many days of annual leave can I carry over?", 2)
    await expect(second).to_contain_text("carry")
    first = page.locator("#chat .user-row").first
    await first.hover()
    await first.get_by_role("button", name="Edit").click()
    await first.locator("textarea").fill("What is the hotel cap in Manchester?")
    await first.get_by_role("button", name="Save and send").click()
    await expect(page.locator("#chat .user-row")).to_have_count(1, timeout=15_000)
    await expect(page.locator("#chat .user-row")).to_contain_text("Manchester")
    await expect(bar(page).locator(".versions")).to_contain_text("2/2", timeout=15_000)
    await bar(page).get_by_role("button", name="Previous version").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(2, timeout=10_000)
    await expect(page.locator("#chat .user-row").first).to_contain_text("London")


async def test_a_thumb_with_a_comment_is_kept(page: Page) -> None:
    await answered(page, LONDON)
    await bar(page).get_by_role("button", name="Poor answer").click()
    await bar(page).locator("textarea.comment").fill("It is the old figure.")
    await bar(page).get_by_role("button", name="Send", exact=True).click()
    await expect(bar(page).get_by_role("button", name="Poor answer")).to_have_attribute("aria-pressed", "true")
    await page.wait_for_timeout(500)
    await page.reload()
    await expect(bar(page).get_by_role("button", name="Poor answer")).to_have_attribute(
        "aria-pressed", "true", timeout=20_000
    )
    await bar(page).get_by_role("button", name="Poor answer").click()
    await expect(bar(page).get_by_role("button", name="Poor answer")).to_have_attribute("aria-pressed", "false")


async def act(page: Page, title: str, entry: str) -> None:
    item = page.locator("#list li", has_text=title)
    await item.hover()
    await item.locator(".conv-menu").click()
    await page.get_by_role("menuitem", name=entry).click()


async def test_conversations_are_found_named_pinned_and_deleted(page: Page) -> None:
    await answered(page, LONDON)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(0)
    await answered(page, "How many days of annual leave can I carry over?")
    items = page.locator("#list li")
    await expect(items).to_have_count(2, timeout=10_000)
    await expect(items.first.locator(".conv-open")).to_have_attribute("aria-current", "page")

    await page.locator("#find :is(input, textarea)").press_sequentially("£165")
    await expect(items).to_have_count(1, timeout=10_000)
    await items.first.locator(".conv-open").click()
    await expect(page.locator("#chat .bot-row")).to_contain_text(CAP, timeout=10_000)
    await page.locator("#find :is(input, textarea)").press("Control+a")
    await page.locator("#find :is(input, textarea)").press("Delete")
    await expect(items).to_have_count(2, timeout=10_000)

    await act(page, "hotel", "Rename")
    await page.locator("#list .conv-name").fill("Hotels in London")
    await page.keyboard.press("Enter")
    await act(page, "Hotels in London", "Pin")
    await expect(page.locator("#list h2").first).to_have_text("Pinned", timeout=10_000)
    await expect(items.first).to_contain_text("Hotels in London")
    await page.reload()
    await expect(items.first).to_contain_text("Hotels in London", timeout=20_000)

    await act(page, "annual leave", "Delete")
    await page.get_by_role("menuitem", name="Yes, delete").click()
    await expect(items).to_have_count(1, timeout=10_000)
    await expect(page.locator("#chat .bot-row")).to_contain_text(CAP)
    await act(page, "Hotels in London", "Delete")
    await page.get_by_role("menuitem", name="Yes, delete").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(0, timeout=10_000)


async def test_a_conversation_that_is_renamed_is_not_opened(page: Page) -> None:
    await answered(page, LONDON)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(0)
    await act(page, "hotel", "Rename")
    await page.locator("#list .conv-name").fill("Hotels in London")
    await page.keyboard.press("Enter")
    await expect(page.locator("#list .conv-open")).to_have_text("Hotels in London")
    await page.wait_for_timeout(2500)  # the page's controls speak when it has been still, after 1.5 s at the latest
    await expect(page.locator("#chat .bot-row")).to_have_count(0)


@pytest.mark.parametrize("form", ["Markdown", "JSON"])
async def test_a_conversation_is_taken_along(page: Page, form: str) -> None:
    await answered(page, LONDON)
    async with page.expect_download() as started:
        await act(page, "hotel", f"Export as {form}")
    text = Path(await (await started.value).path()).read_text(encoding="utf-8")
    assert CAP in text and LONDON in text and "Travel and expenses" in text
    if form == "JSON":
        json.loads(text)


async def test_a_file_is_read_for_this_conversation_only(page: Page, tmp_path: Path) -> None:
    note = tmp_path / "garden party.md"
    note.write_text("# Garden party\n\nThe garden party begins at 16:45 at the boathouse. Bring a lantern.\n", "utf-8")
    async with page.expect_file_chooser() as chosen:
        await page.locator("#attach").click()
    await (await chosen.value).set_files(note)
    await expect(page.locator("#files .chip-ready")).to_contain_text("garden party.md", timeout=20_000)
    row = await answered(page, "When does the garden party begin, and where?")
    await expect(row).to_contain_text("16:45")
    await expect(row.locator("details.src").first).to_contain_text("garden party")
    await page.reload()
    await expect(page.locator("#files .chip-ready")).to_contain_text("garden party.md", timeout=20_000)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#files .chip")).to_have_count(0, timeout=10_000)
    row = await answered(page, "When does the garden party begin, and where?")
    await expect(row).not_to_contain_text("16:45")
    await page.locator("#list .conv-open").last.click()
    await page.get_by_role("button", name="Remove garden party.md").click()
    await expect(page.locator("#files .chip")).to_have_count(0, timeout=10_000)
    row = await answered(page, "Where is the garden party?", 2)
    await expect(row).not_to_contain_text("boathouse [")


async def test_a_file_that_cannot_be_read_says_so(page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "photo.exe"
    broken.write_bytes(b"MZ\x00\x01")
    async with page.expect_file_chooser() as chosen:
        await page.locator("#attach").click()
    await (await chosen.value).set_files(broken)
    await expect(page.get_by_text("photo.exe was not attached")).to_be_visible(timeout=15_000)
    await expect(page.locator("#files .chip")).to_have_count(0)


async def test_a_file_counts_as_a_turn(browser: Browser, tmp_path: Path) -> None:
    notes = [tmp_path / "first.md", tmp_path / "second.md"]
    for each in notes:
        each.write_text("# Garden party\n\nIt begins at 16:45 at the boathouse.\n", "utf-8")
    with serving(tmp_path, limits={"person": {"turns_per_minute": 1}}) as server:
        page = await browser.new_page()
        await page.goto(server.url)
        async with page.expect_file_chooser() as chosen:
            await page.locator("#attach").click()
        await (await chosen.value).set_files(notes)
        await expect(page.get_by_text("second.md was not attached")).to_be_visible(timeout=30_000)
        await expect(page.get_by_text("That is as much as you can ask for now.")).to_be_visible()
        await expect(page.locator("#files .chip")).to_have_count(1)
        await expect(page.locator("#files .chip-ready")).to_contain_text("first.md")


async def test_a_citation_opens_its_passage_and_leads_back(page: Page) -> None:
    row = await answered(page, LONDON)
    link = row.locator('.answer a[href*="#cite-"]').first
    await link.click()
    pane = page.locator("#pane")
    await expect(pane.get_by_role("heading", level=2)).to_contain_text("Travel and expenses", timeout=10_000)
    await expect(pane.locator("mark").first).to_be_visible()
    await expect(pane.locator("mark.strong", has_text="165").first).to_be_visible()
    await pane.locator("[data-do=document]").first.click()
    await expect(pane.locator("#the-passage")).to_be_in_viewport(timeout=10_000)
    await pane.locator("[data-do=passage]").first.click()
    await pane.locator("[data-do=neighbours]").first.click()
    await page.keyboard.press("Escape")
    await expect(pane.locator("#pane-title")).to_have_count(0, timeout=10_000)
    await expect(link).to_be_focused()


async def test_where_to_search_is_offered_to_who_may_read_more_than_one(page: Page) -> None:
    await expect(page.locator("#where")).to_be_hidden()


async def test_the_page_by_keyboard(page: Page) -> None:
    await answered(page, LONDON)
    await page.keyboard.press("Alt+ArrowUp")
    await expect(page.locator("#chat .user-row [data-testid=user]")).to_be_focused()
    await page.keyboard.press("Alt+s")
    await expect(page.locator("#chat details.src > summary").first).to_be_focused()
    await page.keyboard.press("Control+k")
    await expect(page.locator("#find :is(input, textarea)")).to_be_focused()
    await page.locator("#box textarea").fill("one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await expect(page.locator("#box textarea")).to_have_value("one\ntwo")
    await page.locator("#box textarea").fill("hello")
    await page.keyboard.press("Enter")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("word3", timeout=15_000)
    await page.keyboard.press("Escape")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("Stopped.", timeout=10_000)


async def test_german_browsers_read_german(browser: Browser, server: Serving) -> None:
    context = await browser.new_context(locale="de-DE")
    page = await context.new_page()
    await page.goto(server.url)
    await expect(page.get_by_role("button", name="Neue Unterhaltung")).to_be_visible(timeout=20_000)
    await expect(page.locator("#way").get_by_text("Nachschlagen")).to_be_visible()
    await ask(page, LONDON)
    row = page.locator("#chat .bot-row").first
    await expect(row.locator("details.route > summary")).to_contain_text("Nachgeschlagen", timeout=15_000)
    await expect(row.locator("details.src").first).to_contain_text("2. März 2026", timeout=15_000)
    await expect(bar(page).get_by_role("button", name="Gute Antwort")).to_be_visible(timeout=15_000)
    await context.close()


async def test_what_happens_is_said_aloud(page: Page) -> None:
    status = page.locator("[role=status].said-aloud")
    await ask(page, "hello")
    await expect(status).to_have_text("Answering.", timeout=10_000)
    await expect(status).to_have_text("The answer is finished.", timeout=20_000)


async def test_on_a_phone_the_list_is_a_drawer_and_the_pane_a_sheet(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    row = await answered(page, LONDON)
    await expect(page.locator("#side")).to_be_hidden()
    await page.locator("#menu").click()
    await expect(page.locator("#side")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#side")).to_be_hidden()
    await row.locator('.answer a[href*="#cite-"]').first.click()
    await expect(page.locator("#pane #pane-title")).to_be_visible(timeout=10_000)
    sheet = await page.locator("#pane").bounding_box()
    assert sheet is not None and sheet["x"] == 0 and sheet["width"] == 390 and sheet["y"] > 100
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def test_of_a_long_conversation_the_end_is_shown_and_the_rest_on_request(page: Page, server: Serving) -> None:
    await answered(page, LONDON)
    with sqlite3.connect(server.folder / "data" / "records.db") as records:
        records.row_factory = sqlite3.Row
        (newest,) = records.execute("select * from turns order by created_at desc limit 1").fetchall()
        parent = newest["id"]
        for number in range(1, 45):
            row = {**dict(newest), "id": str(uuid.uuid4()), "parent": parent, "position": number}
            row |= {"question": row["id"], "text": f"Question {number}"}
            names = ", ".join(row)
            records.execute(f"insert into turns ({names}) values ({', '.join('?' * len(row))})", list(row.values()))
            parent = row["id"]
        records.execute("update conversations set leaf = ? where id = ?", (parent, newest["conversation_id"]))
    await page.reload()
    rows = page.locator("#chat .user-row")
    await expect(rows).to_have_count(30, timeout=20_000)
    await expect(rows.last).to_contain_text("Question 44")
    await expect(rows.last).to_be_in_viewport()
    log = page.locator("#chat .bubble-wrap")
    await log.evaluate("log => { log.scrollTop = 0 }")
    await expect(rows.first).to_be_in_viewport()
    first = await rows.first.inner_text()
    await page.get_by_role("button", name="Show earlier messages").click()
    await expect(rows).to_have_count(45, timeout=10_000)
    await expect(page.get_by_role("button", name="Show earlier messages")).to_have_count(0)
    await expect(page.get_by_text(first.strip(), exact=True)).to_be_in_viewport(timeout=5_000)


async def test_whoever_may_read_several_collections_chooses_where_to_search(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("two")
    for name, text in (("boats", "The ferry leaves at 07:10."), ("trains", "The night train leaves at 22:40.")):
        (folder / name).mkdir()
        (folder / name / "times.md").write_text(f"# Times of {name}\n\n{text}\n", encoding="utf-8")
    collections = {name: {"title": name.title(), "sources": [name]} for name in ("boats", "trains")}
    with serving(folder, collections=collections) as two:
        wait_until_read(two)
        page = await browser.new_page(viewport={"width": 390, "height": 800})
        await page.goto(two.url)
        where = page.locator("#where input")
        await expect(where).to_be_visible(timeout=20_000)
        await where.click()
        await page.get_by_role("option", name="Boats").click()
        row = await answered(page, "When does the night train leave?")
        await expect(row).not_to_contain_text("22:40")
        await where.click()
        await page.get_by_role("option", name="All collections").click()
        await expect(await answered(page, "When does the night train leave?", 2)).to_contain_text("22:40")
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        await page.close()


async def test_a_closed_tab_leaves_what_was_written(browser: Browser, server: Serving) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(server.url)
    await expect(page.locator("#box textarea")).to_be_visible(timeout=20_000)
    await ask(page, "hello")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("word3", timeout=15_000)
    await page.close()
    again = await context.new_page()
    await again.goto(server.url)
    row = again.locator("#chat .bot-row").last
    await expect(row).to_contain_text("word3", timeout=20_000)
    await expect(row).to_contain_text("Stopped.")
    await expect(row).not_to_contain_text("the end.")
    await context.close()
