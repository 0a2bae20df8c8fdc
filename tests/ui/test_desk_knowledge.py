"""The desk's Knowledge tab in a real browser, on real files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from playwright.async_api import Browser, Page, Route, expect

from tests.serving import Serving, serving
from tests.ui.test_chat_page import browser, pytestmark

__all__ = ["browser", "pytestmark"]

expect.set_options(timeout=20_000)

HOTELS = "# Hotels\n\nThe hotel cap in London is £165 a night.\n"
XSS = "<img src=x onerror=alert(1)>"


def settings(folder: Path) -> None:
    """A collection for everybody and one for hr, with a file that nobody can read and a name that is a script."""
    for name, text in {
        "travel/hotels.md": HOTELS,
        "travel/trains.md": "# Trains\n\nTrains are second class.\n",
        "hr/leave.md": "# Leave\n\nFive days of annual leave may be carried over.\n",
        "hr/draft.md": "",
        f"hr/{XSS.replace('/', '')}.md": f"# `{XSS}`\n\n`{XSS}` is how it begins.\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("knowledge")
    settings(folder)
    with serving(
        folder,
        collections={
            "travel": {"title": "Travel", "sources": ["travel"]},
            "hr": {"title": "Human resources", "sources": ["hr"], "readers": ["hr"]},
        },
        sync={"watch": False, "every": 0},
    ) as running:
        yield running


@pytest.fixture
async def desk(browser: Browser, place: Serving) -> AsyncIterator[Page]:
    """The tab, opened by a link of the command; any error of the page and any request to elsewhere fail the test."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    # Gradio logs what a page that is left had under way, and then the connection that ended.
    left = ("AbortError", "Connection errored out")
    page.on("dialog", lambda dialog: wrong.append(f"ran: {dialog.message}"))
    page.on("request", lambda sent: wrong.append(sent.url) if not ours(place, sent.url) else None)
    await enter(page, place)
    yield page
    assert [each for each in wrong if not any(name in each for name in left)] == []


def ours(place: Serving, url: str) -> bool:
    return url.startswith((place.url, "data:", "blob:"))


async def enter(page: Page, place: Serving) -> None:
    running = json.loads((place.folder / "data" / "server.json").read_text())
    headers = {"Authorization": f"Bearer {running['token']}"}
    code = httpx.post(f"{place.url}/api/v1/desk/code", headers=headers, timeout=20).raise_for_status().json()["code"]
    await page.goto(f"{place.url}/desk/enter#{code}")
    await page.get_by_role("tab", name="Knowledge").click(timeout=30_000)
    await expect(page.get_by_role("heading", name="Travel", exact=True)).to_be_visible(timeout=20_000)


async def view(page: Page, name: str) -> None:
    await page.locator("#kn-views").get_by_role("tab", name=name).click()


async def over(page: Page, title: str, word: str = "done") -> None:
    await expect(page.locator("#kn-work h2")).to_have_text(re.compile(rf"{title}.* {word}$"), timeout=60_000)
    await expect(page.locator("#kn-stop")).to_be_hidden()


async def choose(page: Page, label: str, option: str) -> None:
    await page.get_by_label(label, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def drop(page: Page, collection: str, files: dict[str, str]) -> None:
    await view(page, "Add files")
    box = page.get_by_label("Collection", exact=True)
    await box.fill(collection)
    await box.press("Enter")
    payload = [{"name": name, "mimeType": "text/markdown", "buffer": text.encode()} for name, text in files.items()]
    await page.locator("#kn-files input[type=file]").set_input_files(payload)  # type: ignore[arg-type]
    await expect(page.locator("#kn-files")).to_contain_text(next(iter(files))[:3], timeout=20_000)
    await page.get_by_role("button", name="Add the files").click()


async def answer(page: Page, word: str) -> None:
    await page.get_by_role("alertdialog").get_by_role("button", name=word, exact=True).click()
    await expect(page.get_by_role("alertdialog")).to_have_count(0, timeout=20_000)


async def test_sources_show_counts_state_and_errors_by_name(desk: Page) -> None:
    row = desk.get_by_role("row").filter(has_text="hr").filter(has_text="unreadable")
    await expect(row).to_contain_text("folder")
    await expect(row.locator("time")).to_have_attribute("title", re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d UTC$"))
    await expect(desk.get_by_text("hr · 2 documents · 2 passages · read by hr")).to_be_visible()
    await desk.get_by_text("1 could not be read").first.click()
    await expect(desk.get_by_role("cell", name="empty file").first).to_be_visible()


async def test_documents_are_searched_and_looked_into(desk: Page) -> None:
    await desk.get_by_role("button", name=re.compile("^2 documents of folder .*travel")).click()
    await expect(desk.get_by_role("button", name="Hotels", exact=True)).to_be_visible()
    await expect(desk.get_by_text("2 documents", exact=True)).to_be_visible()
    await desk.get_by_label("Search").fill("train")
    await expect(desk.get_by_text("1 of 2 documents")).to_be_visible()
    await expect(desk.get_by_role("button", name="Hotels", exact=True)).to_have_count(0)
    await desk.get_by_role("button", name="Trains", exact=True).click()
    await expect(desk.locator(".kn-chunk pre")).to_have_text("Trains are second class.")
    await expect(desk.locator(".kn-chunk .hint")).to_contain_text(re.compile(r"^\d+ tokens · characters \d+ to \d+$"))
    await desk.get_by_role("button", name="‹ All documents").click()
    await expect(desk.get_by_role("button", name="Hotels", exact=True)).to_be_visible()


async def test_a_name_that_is_a_script_is_text_everywhere(desk: Page) -> None:
    await desk.get_by_role("button", name=re.compile("^2 documents of folder .*hr")).click()
    await desk.get_by_role("button", name=XSS, exact=True).click()
    await expect(desk.locator(".kn-chunk pre")).to_contain_text(f"`{XSS}` is how")
    await desk.get_by_role("button", name="‹ All documents").click()
    await desk.get_by_role("button", name=f"Delete {XSS}").click()
    await expect(desk.locator("#kn-asked")).to_contain_text("The source is in the settings")
    await desk.get_by_role("alertdialog").get_by_role("button", name="Close").click()
    await view(desk, "Try a question")
    await desk.get_by_label("Question", exact=True).fill(f"{XSS} how does it begin?")
    await desk.get_by_role("button", name="What would this find?").click()
    await expect(desk.locator("#kn-found")).to_contain_text("how it begins", timeout=20_000)
    assert await desk.locator(".gradio-container img[src=x]").count() == 0


async def test_a_sync_is_watched_and_stopped_and_goes_on(desk: Page, place: Serving) -> None:
    for number in range(1500):
        (place.folder / "travel" / f"rule-{number}.md").write_text(f"# Rule {number}\n\nRule {number} is a rule.\n")
    await desk.get_by_role("button", name=re.compile("^Sync folder .*travel")).click()
    await expect(desk.locator("#kn-work progress[value]")).to_be_visible(timeout=30_000)
    await expect(desk.locator("#kn-work")).to_contain_text(re.compile(r"\d+ of 1,502 · [\d,]+ documents/s · .* left"))
    other = await desk.context.new_page()
    await other.goto(f"{place.url}/desk/#knowledge")
    await expect(other.locator("#kn-work progress")).to_be_visible(timeout=30_000)
    await other.close()
    await desk.get_by_role("button", name="Stop").click()
    await over(desk, "Sync of travel", "stopped")
    told = desk.get_by_text(re.compile(r"^travel · (?!2 documents)"))
    await expect(told).to_be_visible()
    held = int((await told.inner_text()).split()[2].replace(",", ""))
    assert 2 < held < 1502
    await desk.get_by_role("button", name="Sync the collection").last.click()
    await over(desk, "Sync of travel")
    await expect(desk.locator("#kn-work .kn-sum")).to_contain_text(re.compile(r"[\d,]+ added"))
    await expect(desk.get_by_text(re.compile(r"^travel · 1,502 documents"))).to_be_visible()


async def test_closing_the_page_does_not_stop_a_sync(desk: Page, place: Serving) -> None:
    for number in range(400):
        (place.folder / "travel" / f"more-{number}.md").write_text(f"# More {number}\n\nMore {number} is more.\n")
    await desk.get_by_role("button", name="Sync everything").click()
    await expect(desk.locator("#kn-work section")).to_be_visible(timeout=30_000)
    await desk.goto("about:blank")
    await desk.goto(f"{place.url}/desk/#knowledge")
    await over(desk, "Sync of all collections", "(done|done, but not wholly)")
    await expect(desk.get_by_text(re.compile(r"^travel · [\d,]+ documents"))).to_be_visible()


async def test_a_refused_sync_is_forced_only_after_asking(desk: Page, place: Serving) -> None:
    (place.folder / "hr").rename(place.folder / "kept")
    (place.folder / "hr").mkdir()
    try:
        await desk.get_by_role("button", name=re.compile(r"^Sync folder .*\Whr$")).click()
        await over(desk, "Sync of hr", "done, but not wholly")
        await expect(desk.get_by_role("row").filter(has_text="refused")).to_be_visible()
        await desk.get_by_role("button", name="See what would be deleted").click()
        dialog = desk.get_by_role("alertdialog")
        await expect(dialog).to_contain_text("2 of its 2 documents are not there any more")
        await expect(dialog.get_by_role("listitem").filter(has_text="leave.md")).to_be_visible()
        await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        await desk.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)
        await expect(desk.get_by_text(re.compile("^hr · 2 documents"))).to_be_visible()
        await desk.get_by_role("button", name="See what would be deleted").click()
        await answer(desk, "Delete 2 documents")
        await over(desk, "Sync of hr")
        await expect(desk.get_by_text(re.compile("^hr · 0 documents"))).to_be_visible()
    finally:
        shutil.rmtree(place.folder / "hr")
        (place.folder / "kept").rename(place.folder / "hr")
    await desk.get_by_role("button", name=re.compile(r"^Sync folder .*\Whr$")).click()
    await expect(desk.get_by_text(re.compile("^hr · 2 documents"))).to_be_visible(timeout=30_000)


async def test_files_are_dropped_replaced_and_deleted(desk: Page, place: Serving) -> None:
    kept = place.folder / "data" / "uploads" / "hr"
    await drop(desk, "hr", {"pay.md": "# Pay\n\nPay day is the 25th.\n", "bad.exe": "MZ"})
    await expect(desk.locator("#kn-note")).to_contain_text("bad.exe: files of the kind '.exe' cannot be read")
    await over(desk, "1 files into hr")
    assert [each.name for each in kept.iterdir()] == ["pay.md"]

    await drop(desk, "hr", {"pay.md": "# Pay\n\nPay day is the 26th.\n", "late.md": "# Late\n\nCall us.\n"})
    dialog = desk.get_by_role("alertdialog")
    await expect(dialog.get_by_role("listitem")).to_have_text(["pay.md"])
    assert "25th" in (kept / "pay.md").read_text()
    await answer(desk, "Add 2 and replace 1")
    await over(desk, "2 files into hr")
    assert "26th" in (kept / "pay.md").read_text()

    await view(desk, "Sources")
    await desk.get_by_role("button", name="2 documents of Uploaded files").click()
    await desk.get_by_role("button", name="Delete Pay").click()
    await expect(dialog).to_contain_text("pay.md is deleted from hr, and so is its file")
    await answer(desk, "Delete the document")
    await expect(desk.locator("#kn-note")).to_contain_text("pay.md is deleted.")
    await expect(desk.get_by_role("button", name="Delete Pay")).to_have_count(0)
    await expect(desk.get_by_role("button", name="Late", exact=True)).to_be_visible()
    assert [each.name for each in kept.iterdir()] == ["late.md"]

    await view(desk, "Sources")
    await desk.get_by_role("button", name="Remove Uploaded files").click()
    await expect(dialog).to_contain_text("leaves hr with its 1 document. The uploaded files are deleted, too.")
    await answer(desk, "Remove the source")
    await expect(desk.get_by_role("button", name="Remove Uploaded files")).to_have_count(0)
    assert not kept.exists()


async def test_a_new_collection_says_that_everyone_may_read_it_and_is_deleted_once(desk: Page, place: Serving) -> None:
    await drop(desk, "lab", {"notes.md": "# Notes\n\nThe lab opens at nine.\n"})
    dialog = desk.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("Everyone may read it")
    await answer(desk, "Add 1")
    await over(desk, "1 files into lab")
    await view(desk, "Sources")
    await desk.get_by_role("button", name="Delete the collection").click()
    yes = dialog.get_by_role("button", name="Delete the collection", exact=True)
    token = await yes.get_attribute("data-say")
    await yes.click()
    await expect(desk.locator("#kn-note")).to_contain_text("The collection lab is deleted.", timeout=20_000)
    await expect(desk.get_by_role("heading", name="lab")).to_have_count(0)
    assert not (place.folder / "data" / "uploads" / "lab").exists()
    await desk.evaluate(SAY, f"{token} 77")
    await expect(desk.locator("#kn-note")).to_contain_text("answered already", timeout=20_000)


SAY = """(text) => {
  const box = document.querySelector('#kn-yes :is(textarea, input)');
  box.value = text;
  box.dispatchEvent(new Event('input', { bubbles: true }));
  box.dispatchEvent(new KeyboardEvent('keypress', { key: 'Enter', bubbles: true }));
}"""


async def test_a_file_of_the_machine_cannot_be_named_as_an_upload(desk: Page, place: Serving) -> None:
    secret = place.folder / "data" / "server.json"
    path = {"path": str(secret), "orig_name": "server.json", "meta": {"_type": "gradio.FileData"}}

    forgeries: list[int] = []

    async def forged(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        if len(body["data"]) == 2 and body["data"][1] == "travel":
            body["data"] = [[path], "travel"]
            answer = await route.fetch(post_data=json.dumps(body))
            forgeries.append(answer.status)
            await route.fulfill(json={"data": ["", "", None], "is_generating": False})
        else:
            await route.continue_()

    await view(desk, "Add files")
    await desk.route(re.compile(r"run/predict|queue/join"), forged)
    await drop(desk, "travel", {"x.md": "# X\n\nIt is x.\n"})
    await expect(desk.locator("#kn-add-files")).to_be_visible()
    await desk.wait_for_timeout(1500)
    assert forgeries == [500]
    uploads = place.folder / "data" / "uploads" / "travel"
    assert not uploads.exists() or not list(uploads.iterdir())


async def test_a_question_shows_what_it_would_find_and_for_whom(desk: Page) -> None:
    await view(desk, "Try a question")
    await desk.get_by_label("Question", exact=True).fill("What is the hotel cap in London?")
    await desk.get_by_label("Question", exact=True).press("Enter")
    found = desk.locator("#kn-found")
    await expect(found.locator(".badge").first).to_have_text("supported", timeout=20_000)
    await expect(found.locator(".kn-lists h3")).to_have_text(["By meaning", "By words", "Both"])
    for column in await found.locator(".kn-lists ol").all():
        await expect(column.locator("li").first).to_contain_text("Hotels")
        await expect(column.locator("li .kn-score").first).to_have_text(re.compile(r"^\d+\.\d+$"))
    await found.locator(".kn-passages summary").first.click()
    await expect(found.locator(".kn-passages pre").first).to_contain_text("£165")
    await expect(found).to_contain_text("in hr, travel")
    await desk.get_by_label("As somebody of these groups").fill("everyone")
    await desk.get_by_role("button", name="What would this find?").click()
    await expect(found).to_contain_text("in travel", timeout=20_000)
    await expect(found).not_to_contain_text("in hr, travel")
    await desk.get_by_text("After an earlier turn").click()
    await desk.get_by_label("Earlier question").fill("What is the hotel cap?")
    await desk.get_by_label("Question", exact=True).fill("And in London?")
    await desk.get_by_role("button", name="What would this find?").click()
    await expect(found).to_contain_text(re.compile("And in London.*What is the hotel cap"), timeout=20_000)


async def test_access_is_told_tried_and_changed_in_the_file(desk: Page, place: Serving) -> None:
    file = place.folder / "assistant.yaml"
    file.write_text(file.read_text() + "# a comment of mine\n")
    await view(desk, "Access")
    row = desk.get_by_role("row").filter(has_text="Human resources")
    await expect(row).to_contain_text("assistant.yaml")
    await desk.get_by_label("Somebody of these groups").fill("hr")
    await desk.get_by_role("button", name="What may they read?").click()
    await expect(desk.locator("#kn-verdict")).to_contain_text("2 of 2 may be read")
    await choose(desk, "Change who may read", "Human resources (hr)")
    groups = desk.get_by_role("textbox", name=re.compile(r"^\s*Groups"))
    await expect(groups).to_have_value("hr")
    await groups.fill("everyone, staff")
    await desk.get_by_role("button", name="Change it in assistant.yaml").click()
    await answer(desk, "Write it to the settings")
    await expect(desk.locator("#kn-note")).to_contain_text("names everyone and groups", timeout=30_000)
    await groups.fill("staff, board")
    await desk.get_by_role("button", name="Change it in assistant.yaml").click()
    await expect(desk.get_by_role("alertdialog")).to_contain_text("hr → staff, board")
    await answer(desk, "Write it to the settings")
    await expect(row).to_contain_text("staff, board", timeout=30_000)
    text = file.read_text()
    assert yaml.safe_load(text)["collections"]["hr"]["readers"] == ["staff", "board"]
    assert "# a comment of mine" in text
    await desk.get_by_role("button", name="What may they read?").click()
    await expect(desk.locator("#kn-verdict")).to_contain_text("only staff, board may read it")


async def test_the_index_is_rebuilt_and_rolled_back_after_asking(desk: Page) -> None:
    await view(desk, "Index")
    await expect(desk.get_by_role("row").filter(has_text="searched")).to_contain_text("-v1")
    await desk.get_by_role("button", name="Rebuild", exact=True).click()
    await expect(desk.get_by_role("alertdialog")).to_contain_text("switchyard-minilm-1, passages of 240 tokens")
    await answer(desk, "Rebuild")
    await over(desk, "Rebuild", "done, but not wholly")
    await expect(desk.get_by_role("row").filter(has_text="searched")).to_contain_text("-v2")
    await desk.get_by_role("button", name="Roll back", exact=True).click()
    await answer(desk, "Roll back")
    await over(desk, "Rollback", "(done|done, but not wholly)")
    await expect(desk.get_by_role("row").filter(has_text="searched")).to_contain_text("-v1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_everything_is_within_the_window(desk: Page, width: int, scheme: str) -> None:
    await desk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    await desk.set_viewport_size({"width": width, "height": 844})
    for name in ("Sources", "Documents", "Add files", "Try a question", "Access", "Index"):
        await view(desk, name)
        await desk.wait_for_timeout(200)
        wide = await desk.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, name
    await desk.get_by_role("button", name="Rebuild", exact=True).click()
    box = await desk.get_by_role("alertdialog").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 844
    await desk.keyboard.press("Escape")
