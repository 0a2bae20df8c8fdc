"""A sign-in that ends while the chat page is open: what is said, and what was typed."""

from __future__ import annotations

from playwright.async_api import BrowserContext, expect

from tests.serving import Serving
from tests.ui.identity_provider import IdentityProvider
from tests.ui.test_chat_page import browser, pytestmark  # noqa: F401
from tests.ui.test_sign_in_pages import BOB, ask, chat, closed, provider, visitor  # noqa: F401

TYPED = "What is the hotel cap per night in London?"


async def test_it_is_said_in_words_and_what_was_typed_comes_back_with_the_sign_in(
    visitor: BrowserContext,  # noqa: F811
    closed: Serving,  # noqa: F811
    provider: IdentityProvider,  # noqa: F811
) -> None:
    provider.person = BOB
    page = await visitor.new_page()
    await page.goto(closed.url)
    await chat(page)
    await expect(page.locator(".signed-name")).to_have_text(BOB.name)
    await visitor.clear_cookies()
    await page.locator("#box textarea").fill(TYPED)
    await page.keyboard.press("Enter")
    told = page.get_by_role("alert").filter(has_text="Your sign-in has ended")
    await expect(told).to_be_visible()
    await expect(page.locator("#box textarea")).to_have_value(TYPED)
    await expect(page.get_by_text("Error", exact=True).locator("visible=true")).to_have_count(0)
    await told.get_by_role("link", name="Sign in again").click()
    await expect(page.locator(".signed-name")).to_have_text(BOB.name)
    await expect(page.locator("#box textarea")).to_have_value(TYPED)
    await expect(page.get_by_role("alert").filter(has_text="Your sign-in has ended")).to_have_count(0)
    await page.keyboard.press("Control+a")
    assert "165" in await ask(page, TYPED)
