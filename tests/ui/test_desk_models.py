"""The Models tab in a real browser: health, a test, what was done, roles, settings with their origin."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.serving import Serving, free_port, serving
from tests.ui.desk_door import link
from tests.ui.test_chat_page import browser, pytestmark  # noqa: F401

KEY = "sk-planted-key-0123456789"
HOSTILE = "<img src=x onerror=alert(1)>\n\n[x](javascript:alert(1))"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One model that is down, one that answers in hostile words, and the builtin one to fall back to."""
    down = f"http://127.0.0.1:{free_port()}/v1"
    with serving(
        tmp_path_factory.mktemp("models"),
        models={
            "gpt": {"connector": "openai", "model": "gpt-5-mini", "api_key": KEY, "base_url": down, "retries": 0},
            "llama": {"connector": "scripted", "options": {"answers": [[HOSTILE]] * 9}},
        },
        roles={"main": ["gpt", "builtin"], "voice": "llama"},
    ) as running:
        httpx.post(f"{running.url}/api/v1/chat", json={"message": "What is the hotel cap in London?"}, timeout=60)
        yield running


@pytest.fixture
async def page(browser, served: Serving) -> AsyncIterator[Page]:  # type: ignore[no-untyped-def]  # noqa: F811
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    await page.goto(link(served))
    await page.get_by_role("tab", name="Models").click(timeout=30_000)
    await expect(page.locator("#mo-health table")).to_be_visible(timeout=30_000)
    yield page
    await page.close()
    assert wrong == []


async def test_each_model_says_how_it_is(page: Page) -> None:
    row = page.locator("#mo-health tbody tr").filter(has_text="gpt-5-mini")
    await expect(row).to_contain_text("wrong")
    await expect(row).to_contain_text("cannot be reached")
    await expect(page.locator("#mo-health tbody tr").filter(has_text="builtin")).to_contain_text("ok")


async def test_a_model_is_asked_by_a_click(page: Page) -> None:
    await page.locator("#mo-health tbody tr").filter(has_text="gpt-5-mini").get_by_role("button").click()
    await expect(page.locator("#mo-tested .say.bad")).to_contain_text("gpt", timeout=15_000)
    await page.locator("#mo-health tbody tr").filter(has_text="scripted").get_by_role("button").click()
    good = page.locator("#mo-tested .say.good")
    await expect(good).to_contain_text("<img src=x onerror=alert(1)>", timeout=15_000)
    await expect(good).to_contain_text("[x](javascript:alert(1))")
    await expect(page.locator("#mo-tested :is(img, a)")).to_have_count(0)


async def test_what_the_models_did_is_counted(page: Page) -> None:
    done = page.locator("#mo-work table.rows").first
    await expect(done.locator("tbody tr").filter(has_text="builtin").locator("td").nth(1)).to_have_text("1")
    await expect(done.locator("tbody tr").filter(has_text="gpt")).to_contain_text("model_unavailable 1")


async def test_the_chains_are_shown_in_their_order(page: Page) -> None:
    row = page.locator("#mo-roles tbody tr").filter(has_text="main")
    await expect(row.locator("td")).to_have_text(["portal", "main", "gpt", "builtin"])


async def test_settings_are_found_with_their_origin_and_without_their_secrets(page: Page, served: Serving) -> None:
    config = page.locator("#mo-config")
    await expect(config).to_contain_text("models.gpt.base_url")
    await page.get_by_label("Find a setting").fill("api_key gpt")
    row = config.locator("tbody tr")
    await expect(row).to_have_count(1, timeout=10_000)
    await expect(row).to_contain_text("assistant.yaml:")
    await expect(row).to_contain_text("••••")
    assert KEY not in await page.content() and KEY not in served.log
    await page.get_by_label("Find a setting").fill("no such thing")
    await expect(config).to_contain_text("No setting fits.", timeout=10_000)


async def test_a_change_that_waits_for_a_restart_is_named(page: Page, served: Serving) -> None:
    file = served.folder / "assistant.yaml"
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(f"{before}log_level: debug\n", encoding="utf-8")
        await page.get_by_label("Find a setting").fill("log_level")
        await expect(page.locator("#mo-config .say")).to_contain_text("restart", timeout=10_000)
        file.write_text("server: [", encoding="utf-8")
        await page.get_by_label("Find a setting").fill("log")
        await expect(page.locator("#mo-config .say.bad")).to_contain_text("cannot be read", timeout=10_000)
    finally:
        file.write_text(before, encoding="utf-8")
