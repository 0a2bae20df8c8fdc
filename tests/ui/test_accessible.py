"""Chat page and desk for those who do not see them, use no mouse, or read them small, large or dark: axe-core's rules
of levels A and AA in every state that people meet, and the keyboard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.serving import Serving
from tests.ui.desk_door import link
from tests.ui.test_chat_features import answered, bar
from tests.ui.test_chat_page import LONDON, ask, browser, pytestmark

__all__ = ["browser", "pytestmark"]

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]
WIDTHS = pytest.mark.parametrize("width", [1280, 390])
TABS = {
    "overview": (),
    "knowledge": ("Documents", "Add files", "Try a question", "Access", "Index"),
    "routing": ("To label", "Learning", "Reliability"),
    "answers": ("Turns", "Gaps"),
    "models": (),
}
HELD = """() => {
  const held = document.activeElement, around = [];
  for (let each = held; each && around.length < 6; each = each.parentElement) around.push(each);
  const looks = () => around.map((each) => { const look = getComputedStyle(each);
    return [look.outline, look.boxShadow, look.borderColor, look.backgroundColor].join(); }).join();
  const room = ["side", "top", "chat", "composer", "pane"].find((id) => held.closest("#" + id)) ?? "";
  if (held === document.body) return { what: "body", where: room, seen: true };
  const focused = looks();
  held.blur();
  const without = looks();
  held.focus();
  return { what: held.id || held.className.toString().split(" ")[0] || held.tagName, where: room,
           seen: focused !== without };
}"""
"""Where focus is, and whether that looks different from where it is not."""


class Wrong:
    """What axe finds, by state and theme; asserted at the end, so that one run names all."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.found: list[str] = []

    async def look(self, state: str) -> None:
        """Run the rules on the page as it stands; in the dark, those that colours can break."""
        for theme, rules in (("light", LEVELS), ("dark", COLOURS)):
            await self._page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")
            options = {"runOnly": rules, "resultTypes": ["violations"]}
            for each in (await Axe().run(self._page, options=options)).response["violations"]:
                where = [node["html"][:160] for node in each["nodes"][:3]]
                self.found.append(f"{state}, {theme}: {each['id']} {where}")
        await self._page.evaluate("document.body.classList.remove('dark')")


@asynccontextmanager
async def still(browser: Browser, width: int, locale: str = "en-GB") -> AsyncIterator[Page]:
    """A page without motion, whose colours are what they will be."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, reduced_motion="reduce", locale=locale
    )
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def opened(page: Page, server: Serving) -> None:
    await page.goto(server.url)
    await expect(page.locator("#chat .example").first).to_be_visible(timeout=20_000)
    await expect(page.locator("#menu")).to_have_attribute("aria-expanded", "true" if await wide(page) else "false")


async def wide(page: Page) -> bool:
    return bool(await page.evaluate("innerWidth >= 900"))


@WIDTHS
async def test_the_chat_page_breaks_no_rule(browser: Browser, server: Serving, width: int) -> None:
    async with still(browser, width) as page:
        wrong = Wrong(page)
        await opened(page, server)
        await wrong.look("empty")
        row = await answered(page, LONDON)
        await row.locator("details.route > summary").click()
        await row.locator("details.src > summary").first.click()
        await wrong.look("answer, route and card open")
        await row.locator('.answer a[href*="#cite-"]').first.click()
        await expect(page.locator("#pane #pane-title")).to_be_visible(timeout=10_000)
        await wrong.look("pane")
        await page.locator("#pane [data-do=document]").first.click()
        await expect(page.locator("#pane #the-passage")).to_be_visible(timeout=10_000)
        await wrong.look("document")
        await page.keyboard.press("Escape")
        await bar(page).get_by_role("button", name="Do it another way").click()
        await wrong.look("another way")
        await bar(page).get_by_role("button", name="Poor answer").click()
        await wrong.look("comment")
        question = page.locator("#chat .user-row").first
        await question.hover()
        await question.get_by_role("button", name="Edit").click()
        await wrong.look("edit")
        await page.keyboard.press("Escape")
        await ask(page, "hello")
        await expect(page.locator("#chat .bot-row").last).to_contain_text("word3", timeout=15_000)
        await wrong.look("while an answer is written")
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=20_000)
        assert wrong.found == []


@WIDTHS
async def test_files_notes_and_the_list_break_no_rule(browser: Browser, server: Serving, width: int) -> None:
    async with still(browser, width) as page:
        wrong = Wrong(page)
        await opened(page, server)
        await page.locator("#way label", has_text="Look it up").click()
        await answered(page, "What is the capital of Mongolia, and how many people live there?")
        attached, refused = page.locator("#files .chip-ready"), page.get_by_text("photo.exe was not attached")
        for name, text, seen in (("party.md", b"# Party\n\nAt 16:45.\n", attached), ("photo.exe", b"MZ\0", refused)):
            async with page.expect_file_chooser() as chosen:
                await page.locator("#attach").click()
            await (await chosen.value).set_files({"name": name, "mimeType": "text/plain", "buffer": text})
            await expect(seen).to_be_visible(timeout=20_000)
            await page.wait_for_timeout(500)
        await wrong.look("not in the documents, files and a note")
        if not await wide(page):
            await page.locator("#menu").click()
        await expect(page.locator("#list h2").first).to_be_visible(timeout=10_000)
        await wrong.look("list")
        await page.locator("#list .conv-menu").first.click()
        await wrong.look("menu of a conversation")
        await page.keyboard.press("Enter")
        await expect(page.locator("#list .conv-name")).to_be_focused()
        await wrong.look("being renamed")
        assert wrong.found == []


@WIDTHS
async def test_german_breaks_no_rule(browser: Browser, server: Serving, width: int) -> None:
    async with still(browser, width, "de-DE") as page:
        wrong = Wrong(page)
        await opened(page, server)
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        await wrong.look("German, empty")
        await ask(page, LONDON)
        await expect(page.locator("#chat .correct .thumb").first).to_be_visible(timeout=20_000)
        await wrong.look("German")
        assert wrong.found == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@WIDTHS
async def test_no_tab_of_the_desk_breaks_a_rule(browser: Browser, server: Serving, width: int) -> None:
    async with still(browser, width) as page:
        wrong = Wrong(page)
        await page.goto(link(server))
        await expect(page.get_by_role("heading", name="Desk")).to_be_visible(timeout=30_000)
        too_wide = []
        for tab, parts in TABS.items():
            await page.get_by_role("tab", name=tab.capitalize(), exact=True).click()
            for part in ("", *parts):
                if part:
                    await page.get_by_role("tab", name=part, exact=True).click()
                await page.wait_for_timeout(1_200)
                await wrong.look(f"{tab} {part}".strip())
                if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    too_wide.append(f"{tab} {part}")
        assert wrong.found == []
        assert too_wide == []


async def test_the_doors_of_the_desk_break_no_rule(browser: Browser, server: Serving) -> None:
    async with still(browser, 390) as page:
        wrong = Wrong(page)
        for door in ("/desk/", "/desk/enter"):
            await page.goto(server.url + door)
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            await wrong.look(door)
        assert wrong.found == []


async def stops(page: Page, most: int = 60) -> list[dict[str, object]]:
    """Where Tab leads from the top of the page, once around."""
    await page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges()")
    await page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    found: list[dict[str, object]] = []
    for _ in range(most):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(HELD)
        if stop["what"] == "body":
            return found
        found.append(stop)
    return found


async def test_tab_goes_through_the_page_in_order_and_is_always_seen(browser: Browser, server: Serving) -> None:
    async with still(browser, 1280) as page:
        await opened(page, server)
        row = await answered(page, LONDON)
        await row.locator('.answer a[href*="#cite-"]').first.click()
        await expect(page.locator("#pane #pane-title")).to_be_visible(timeout=10_000)
        found = await stops(page)
        rooms = [str(stop["where"]) for stop in found if stop["where"]]
        assert list(dict.fromkeys(rooms)) == ["side", "top", "chat", "composer", "pane"]
        assert rooms == sorted(rooms, key=["side", "top", "chat", "composer", "pane"].index)
        assert [stop for stop in found if not stop["seen"]] == []
        assert len([stop for stop in found if stop["where"] == "composer"]) <= 4, "the ways are one stop"


async def test_tab_goes_through_the_desk_and_is_always_seen(browser: Browser, server: Serving) -> None:
    async with still(browser, 1280) as page:
        await page.goto(link(server))
        await expect(page.locator("#ov-numbers .tile").first).to_be_visible(timeout=30_000)
        found = await stops(page)
        assert {f"tab-{tab}-button" for tab in TABS} <= {stop["what"] for stop in found}
        assert [stop for stop in found if not stop["seen"]] == []


async def test_the_way_of_the_next_turn_is_chosen_by_arrows(browser: Browser, server: Serving) -> None:
    async with still(browser, 1280) as page:
        await opened(page, server)
        await page.locator("#way input[value=auto]").focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("radio", name="Our voice")).to_be_checked()
        row = await answered(page, LONDON)
        await expect(row.locator("details.route > summary")).to_contain_text("Our voice")


async def test_on_a_phone_what_is_behind_drawer_and_sheet_is_out_of_reach(browser: Browser, server: Serving) -> None:
    async with still(browser, 390) as page:
        await opened(page, server)
        row = await answered(page, LONDON)
        menu = page.locator("#menu")
        await menu.click()
        await expect(menu).to_have_attribute("aria-expanded", "true")
        assert {stop["where"] for stop in await stops(page)} == {"side", "top"}
        await menu.click()
        await expect(page.locator("#side")).to_be_hidden()
        await expect(menu).to_be_focused()
        citation = row.locator('.answer a[href*="#cite-"]').first
        await citation.click()
        await expect(page.locator("#pane #pane-title")).to_be_focused(timeout=10_000)
        assert {stop["where"] for stop in await stops(page)} == {"pane"}
        await page.mouse.click(195, 40)
        await expect(page.locator("#pane")).to_be_hidden()
        await expect(citation).to_be_focused()
        assert await page.locator("#shell [inert]").count() == 0


async def test_escape_closes_what_lies_on_top_first(browser: Browser, server: Serving) -> None:
    async with still(browser, 390) as page:
        await opened(page, server)
        await answered(page, LONDON)
        await page.locator("#menu").click()
        await page.locator("#list .conv-menu").first.click()
        await expect(page.get_by_role("menu")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("menu")).to_have_count(0)
        await expect(page.locator("#list .conv-menu").first).to_be_focused()
        await expect(page.locator("#side")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#side")).to_be_hidden()
        await expect(page.locator("#menu")).to_be_focused()


async def test_what_is_tapped_on_a_phone_is_large_enough(browser: Browser, server: Serving) -> None:
    async with still(browser, 390) as page:
        await opened(page, server)
        await answered(page, LONDON)
        small = await page.evaluate(
            """() => [...document.querySelectorAll("#top button, #chat button, #composer :is(button, #way label)")]
              .filter((each) => each.offsetParent && !each.matches(".scroll-down-button-container *"))
              .map((each) => [each.id || each.className, each.getBoundingClientRect()])
              .filter(([, box]) => box.height < 36 || box.width < 36)
              .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
        )
        assert small == []


@pytest.mark.parametrize("width", [320, 640, 3840])
async def test_nothing_is_cut_off_at_any_width(browser: Browser, server: Serving, width: int) -> None:
    """640 is a window of 1280 at 200 %, 320 at 400 %."""
    async with still(browser, width) as page:
        await opened(page, server)
        row = await answered(page, LONDON)
        await expect(row).to_contain_text("£165")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        box = await page.locator("#box").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["width"] <= 1100
        head = await page.locator("#title h1").bounding_box()
        assert head is not None and head["height"] < 60, "the title stands on one line, or two on a phone"


async def test_text_from_the_right_stands_on_the_right(browser: Browser, server: Serving) -> None:
    async with still(browser, 390) as page:
        await opened(page, server)
        await ask(page, "ما هو الحد الأقصى لسعر الفندق في لندن؟")
        said = page.locator("#chat .user-row .said").first
        await expect(said).to_contain_text("لندن", timeout=15_000)
        assert await said.evaluate("each => getComputedStyle(each).unicodeBidi") == "plaintext"
        await expect(page.locator("#box textarea")).to_have_attribute("dir", "auto")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_in_forced_colours_what_is_chosen_can_be_told(browser: Browser, server: Serving) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, forced_colors="active")
    try:
        page = await context.new_page()
        await opened(page, server)
        look = "each => { const s = getComputedStyle(each); return [s.backgroundColor, s.outlineStyle, s.borderStyle] }"
        chosen = await page.locator("#way label:has(input:checked)").evaluate(look)
        other = await page.locator("#way label:not(:has(input:checked))").first.evaluate(look)
        assert chosen != other
        icon = await page.locator("#attach").evaluate("each => getComputedStyle(each, '::before').backgroundColor")
        behind = await page.locator("#attach").evaluate("each => getComputedStyle(each).backgroundColor")
        assert icon != behind
    finally:
        await context.close()
