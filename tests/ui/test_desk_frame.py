"""The desk in a real browser: getting in, its tabs, the span, and what the first tab says."""

from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.serving import Serving
from tests.ui.desk_door import link
from tests.ui.test_chat_page import browser, pytestmark  # noqa: F401

LONDON = "What is the hotel cap per night in London?"


@pytest.fixture
async def page(browser, server: Serving) -> AsyncIterator[Page]:  # type: ignore[no-untyped-def]  # noqa: F811
    """The desk, opened by a link; errors of the page and requests to elsewhere fail the test."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)

    def outside(url: str) -> None:
        if not url.startswith((server.url, "data:", "blob:")):
            wrong.append(f"outside: {url}")

    page.on("request", lambda request: outside(request.url))
    await page.goto(link(server))
    await expect(page.get_by_role("heading", name="Desk")).to_be_visible(timeout=30_000)
    yield page
    await page.close()
    assert wrong == []


async def still(page: Page) -> None:
    """Gradio complains on the console where a page goes while an answer is on its way."""
    await expect(page.locator("#ov-numbers .tile").first).to_be_visible(timeout=15_000)
    await page.wait_for_timeout(1500)


async def test_a_link_opens_the_desk_and_leaves_no_code_behind(page: Page, server: Serving) -> None:
    assert page.url == f"{server.url}/desk/"
    tabs = page.get_by_role("tab")
    await expect(tabs).to_have_text(["Overview", "Knowledge", "Routing", "Answers", "Models"])
    await still(page)
    await page.go_back()
    assert "#" not in page.url


async def test_a_used_link_says_so(browser, server: Serving) -> None:  # type: ignore[no-untyped-def]  # noqa: F811
    page = await browser.new_page()
    used = link(server)
    await page.goto(used)
    await expect(page.get_by_role("heading", name="Desk")).to_be_visible(timeout=30_000)
    other = await browser.new_page()
    await other.goto(used)
    await expect(other.get_by_role("status")).to_contain_text("used up")
    await other.goto(f"{server.url}/desk/")
    await expect(other.get_by_role("heading", name="The desk is closed")).to_be_visible()


async def test_the_overview_counts_the_turns_of_its_span(page: Page, server: Serving) -> None:
    turns = page.locator("#ov-numbers .tile").filter(has_text="Turns").locator("dd")
    await expect(turns).to_be_visible(timeout=15_000)
    before = int((await turns.inner_text()).replace(",", ""))
    httpx.post(f"{server.url}/api/v1/chat", json={"message": LONDON}, timeout=60)
    await page.get_by_role("radio", name="24 hours").check()
    await expect(turns).to_have_text(str(before + 1), timeout=15_000)
    chart = page.locator("#ov-mix figure")
    await expect(chart).to_contain_text("Turns by route")
    await chart.get_by_text("As a table").click()
    await expect(chart.get_by_role("columnheader", name="Looked up", exact=True)).to_be_visible()


async def test_every_tab_has_an_address(page: Page, server: Serving) -> None:
    await page.get_by_role("tab", name="Models").click()
    await expect(page.locator("#mo-health")).to_contain_text("builtin", timeout=15_000)
    assert page.url.endswith("/desk/#models")
    await page.evaluate("location.hash = 'overview'")
    await expect(page.get_by_role("tab", name="Overview")).to_have_attribute("aria-selected", "true")
    await page.wait_for_timeout(1500)
    await page.goto(f"{server.url}/desk/?x#models")
    await expect(page.get_by_role("tab", name="Models")).to_have_attribute("aria-selected", "true", timeout=15_000)


async def test_a_tab_that_is_not_open_is_not_computed(page: Page) -> None:
    await expect(page.locator("#ov-numbers .tile").first).to_be_visible(timeout=15_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    await page.get_by_role("tab", name="Models").click()
    await expect(page.locator("#mo-health table")).to_be_visible(timeout=15_000)
    await expect(page.locator("#mo-work h2")).to_be_visible(timeout=15_000)
    assert len(asked) <= 4


async def test_at_390_pixels_nothing_is_cut_off(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    for name in ("Overview", "Models"):
        await page.get_by_role("tab", name=name).click()
        await page.wait_for_timeout(1500)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390


async def test_signing_out_closes_the_desk(page: Page, server: Serving) -> None:
    await still(page)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("status")).to_contain_text("The desk is closed.")
    answer = await page.request.get(f"{server.url}/desk/config")
    assert answer.status == 401
