"""What people, models and documents say is words in the widget, too: nothing of it runs, and nothing leaves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.security.hostile import CORPUS
from tests.security.planted import LIVE, planted
from tests.security.watcher import OPEN, watch
from tests.serving import Serving
from tests.ui.test_chat_page import browser, pytestmark

__all__ = ["browser", "pytestmark"]
ICON = re.compile(r'element: (<svg aria-hidden="true">)?<use href="#i-[a-z]+"></use>(</svg>)?')
"""What our own buttons in the list are drawn with."""
TOO_WIDE = next(each.text for each in CORPUS if each.text.startswith("| a |"))
"""Its mark stands in a cell more than its table has, which Markdown leaves out."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with planted(tmp_path_factory.mktemp("planted")) as running:
        yield running


@pytest.fixture
async def page(browser: Browser, server: Serving) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 600, "height": 900})
    watching = await watch(context, server.url)
    page = await context.new_page()
    yield page
    await page.wait_for_timeout(500)
    await context.close()
    here = f"navigation: {server.url}/widget/portal/full"
    watching.found = [each for each in watching.found if each != here and not ICON.fullmatch(each)]
    assert not watching.found, "\n".join(list(dict.fromkeys(watching.found))[:40])


async def test_whatever_is_said_written_and_cited(page: Page, server: Serving) -> None:
    await page.goto(f"{server.url}/widget/portal/full")
    turns = page.locator("article.turn")
    for count, part in enumerate(LIVE, 1):
        await page.locator("#box").fill("\n".join(each.text for each in part))
        await page.locator("#box").press("Enter")
        await expect(turns).to_have_count(count)
        await expect(page.locator("#send")).to_be_visible(timeout=60_000)
        await look(page)
    before = await seen(page)
    assert [each.text for part in LIVE for each in part if each.mark not in before and each.text != TOO_WIDE] == []
    await page.reload()
    await expect(turns).to_have_count(len(LIVE), timeout=20_000)
    await look(page)
    assert await seen(page) == before
    await page.get_by_role("button", name="Conversations").click()
    await expect(page.locator("#list li")).to_have_count(1)


async def look(page: Page) -> None:
    """Open what opens, and every source of the last answer."""
    await page.evaluate(OPEN, "article")
    sources = page.locator("article.turn").last.locator(".sources li button")
    for at in range(await sources.count()):
        await sources.nth(at).click()
        await expect(page.locator("#sheet")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#sheet")).to_be_hidden()


async def seen(page: Page) -> str:
    texts: str = await page.evaluate(
        "[...document.querySelectorAll('article .answer')].map((each) => each.textContent).join(' ')"
    )
    return " ".join(texts.split())
