"""The chat page in a real browser."""

import os
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.serving import Serving

# The headless shell is the same engine of the same version without a window's surroundings, and quicker.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="needs Chromium: apt install chromium"
)
GONE = ("AbortError", "Connection errored out")
"""What Gradio logs of a page that is left, by a reload or a link, while it still hears of something."""
LONDON = "What is the hotel cap per night in London?"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, server: Serving) -> AsyncIterator[Page]:
    """A page that fails its test on any error of its own and on any request to elsewhere."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)

    def outside(url: str) -> None:
        if not url.startswith((server.url, "data:", "blob:")):
            wrong.append(f"outside: {url}")

    page.on("request", lambda request: outside(request.url))
    await page.goto(server.url)
    await expect(page.locator("#box textarea")).to_be_visible(timeout=20_000)
    await page.wait_for_load_state("networkidle")
    left: list[str] = []
    page.on("framenavigated", lambda frame: left.extend(GONE) if frame == page.main_frame else None)
    yield page
    assert [each for each in wrong if not any(name in each for name in left)] == []


async def ask(page: Page, text: str) -> None:
    await page.locator("#box textarea").fill(text)
    await page.keyboard.press("Enter")


async def test_ask_read_cite_and_reload(page: Page) -> None:
    await expect(page.get_by_role("heading", name="Test portal")).to_be_visible()
    await ask(page, LONDON)
    answer = page.locator("#chat .bot-row").last
    await expect(answer).to_contain_text("£165", timeout=15_000)
    route = answer.locator("details.route")
    await expect(route).to_contain_text("Looked up")
    await expect(route).to_contain_text("close match")
    card = answer.locator("details.src").first
    await expect(card).to_contain_text("Travel and expenses")
    await expect(card).to_contain_text("2 March 2026")
    await expect(card.locator(".quote")).to_be_hidden()
    await card.locator("summary").click()
    await expect(card.locator(".quote")).to_contain_text("per room, per night")
    await page.reload()
    await expect(page.locator("#chat .bot-row")).to_have_count(1, timeout=20_000)
    await expect(page.locator("#chat .user-row")).to_contain_text(LONDON)
    await expect(page.locator("#chat .bot-row details.src").first).to_contain_text("Travel and expenses")


async def test_words_appear_while_they_are_written_and_stop_keeps_them(page: Page) -> None:
    await ask(page, "hello")
    answer = page.locator("#chat .bot-row").last
    await expect(answer).to_contain_text("word3", timeout=15_000)
    assert "the end." not in await answer.inner_text()
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(answer).to_contain_text("Stopped.", timeout=10_000)
    kept = await answer.inner_text()
    assert "word3" in kept and "the end." not in kept
    await page.wait_for_timeout(600)
    assert await answer.inner_text() == kept
    await ask(page, LONDON)
    await expect(page.locator("#chat .bot-row").last).to_contain_text("£165", timeout=15_000)


async def test_a_reader_who_scrolls_up_is_left_there_while_an_answer_grows(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 500})
    for count in (1, 2):
        await ask(page, LONDON)
        await expect(page.locator("#chat .bot-row")).to_have_count(count, timeout=15_000)
        await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=10_000)
    await ask(page, "hello")
    answer = page.locator("#chat .bot-row").last
    await expect(answer).to_contain_text("word3", timeout=15_000)
    await expect(page.locator("#chat .user-row").last).to_be_in_viewport()
    log = page.locator("#chat .bubble-wrap")
    # The answer grows in the very task in which the reader scrolls: the scroll event has not come yet.
    await log.evaluate("log => { log.scrollTop = 0; log.lastElementChild.append(document.createElement('i')) }")
    await expect(answer).to_contain_text("word30", timeout=15_000)
    assert await log.evaluate("log => log.scrollTop") == 0


async def test_nothing_of_gradios_lies_over_the_conversation(page: Page) -> None:
    """After a stop on a busy machine its tracker stayed there, and nothing could be clicked."""
    shown = """() => {
      const tracker = Object.assign(document.createElement("div"), { className: "wrap default full" });
      tracker.dataset.testid = "status-tracker";
      document.querySelector("#chat").append(tracker);
      return getComputedStyle(tracker).display;
    }"""
    assert await page.evaluate(shown) == "none"


async def test_what_is_typed_meanwhile_stays(page: Page) -> None:
    await ask(page, "hello")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("word3", timeout=15_000)
    await page.locator("#box textarea").fill("my next question")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("the end.", timeout=15_000)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=10_000)
    await expect(page.locator("#box textarea")).to_have_value("my next question")


async def test_many_quick_enters_send_once(page: Page) -> None:
    await page.locator("#box textarea").fill(LONDON)
    for _ in range(5):
        await page.keyboard.press("Enter")
    await expect(page.locator("#chat .bot-row")).to_contain_text("£165", timeout=15_000)
    await page.wait_for_timeout(800)
    await expect(page.locator("#chat .user-row")).to_have_count(1)


async def test_a_suggestion_is_asked_by_a_click(page: Page) -> None:
    await page.get_by_text("What is the hotel cap in London?").click()
    await expect(page.locator("#chat .bot-row")).to_contain_text("£165", timeout=15_000)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()


async def test_an_empty_message_is_not_sent(page: Page) -> None:
    await ask(page, "   ")
    await page.wait_for_timeout(800)
    await expect(page.locator("#chat .user-row")).to_have_count(0)
    await expect(page.locator("#box .submit-button")).to_be_visible()


async def test_a_message_too_long_stays_in_the_box(page: Page) -> None:
    await ask(page, "x" * 30_000)
    await expect(page.get_by_text("at most 20,000 can be read")).to_be_visible(timeout=10_000)
    await expect(page.locator("#box textarea")).to_have_value("x" * 30_000)
    await expect(page.locator("#chat .user-row")).to_have_count(0)


async def test_a_new_conversation_is_empty_and_stays_so(page: Page) -> None:
    await ask(page, LONDON)
    await expect(page.locator("#chat .bot-row")).to_contain_text("£165", timeout=15_000)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(0)
    await page.reload()
    await expect(page.locator("#box textarea")).to_be_visible(timeout=20_000)
    await page.wait_for_timeout(800)
    await expect(page.locator("#chat .bot-row")).to_have_count(0)


async def test_another_browser_sees_nothing_of_it(page: Page, browser: Browser, server: Serving) -> None:
    await ask(page, LONDON)
    await expect(page.locator("#chat .bot-row")).to_contain_text("£165", timeout=15_000)
    stranger = await (await browser.new_context()).new_page()
    await stranger.goto(server.url)
    await expect(stranger.locator("#box textarea")).to_be_visible(timeout=20_000)
    await stranger.wait_for_timeout(800)
    await expect(stranger.locator("#chat .bot-row")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_nothing_sticks_out_of_the_window(page: Page, width: int, scheme: str) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    await ask(page, LONDON)
    await expect(page.locator("#chat .bot-row")).to_contain_text("£165", timeout=15_000)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = await page.locator("#box").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= 800


async def test_what_grows_before_the_page_hears_of_its_own_scrolling_is_followed(page: Page) -> None:
    """Once such a scroll event was taken for the reader's leaving, and answers that came at once were not followed."""
    await page.set_viewport_size({"width": 390, "height": 500})
    await ask(page, LONDON)
    await expect(page.locator("#chat .bot-row")).to_have_count(1, timeout=15_000)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=10_000)
    log = page.locator("#chat .bubble-wrap")
    # In the very task in which the page scrolls to the next question, something tall comes below.
    await log.evaluate(
        """log => {
          const own = Object.getOwnPropertyDescriptor(Element.prototype, "scrollTop");
          Object.defineProperty(log, "scrollTop", { configurable: true, get: own.get, set(to) {
            delete log.scrollTop;
            log.scrollTop = to;
            const tall = document.createElement("div");
            tall.style.height = "600px";
            log.lastElementChild.append(tall);
          } });
        }"""
    )
    await ask(page, "hello")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("word3", timeout=15_000)
    top = """log => [...log.querySelectorAll(".user-row")].at(-1).getBoundingClientRect().top
                    - log.getBoundingClientRect().top"""
    assert 0 < await log.evaluate(top) < 30, "the question is at the top, its answer below it"
