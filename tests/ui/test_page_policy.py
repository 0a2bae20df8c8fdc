"""What every page keeps to, by script: nothing from elsewhere, no script but ours, no cookie on the chat page, nothing
on the console, and a head that says what the page is."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.serving import Serving
from tests.ui.desk_door import link, session
from tests.ui.test_chat_features import answered
from tests.ui.test_chat_page import LONDON, browser, pytestmark

__all__ = ["browser", "pytestmark"]

PAGES = ("/", "/desk/", "/desk/enter", "closed")
RUN = """async () => {
  const script = document.createElement("script");
  script.textContent = "window.inlineRan = true";
  document.head.append(script);
  const image = document.createElement("img");
  image.setAttribute("onerror", "window.attributeRan = true");
  image.src = "data:image/png;base64,none";
  document.body.append(image);
  const link = document.createElement("a");
  link.href = "javascript:window.addressRan = true";
  document.body.append(link);
  link.click();
  const made = document.createElement("script");
  made.src = "data:text/javascript,window.dataRan = true";
  document.head.append(made);
  await new Promise((done) => setTimeout(done, 400));
  return ["inlineRan", "attributeRan", "addressRan", "dataRan"].filter((name) => name in window);
}"""


def fetched(server: Serving, path: str) -> httpx.Response:
    """A page as the server sends it; ``closed`` is the desk without a session."""
    if path == "/desk/":
        with session(server) as client:
            return client.get(path)
    return httpx.get(server.url + ("/desk/" if path == "closed" else path), timeout=60)


def policy(answer: httpx.Response) -> dict[str, list[str]]:
    parts = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_lets_nothing_in_and_nothing_out(server: Serving, path: str) -> None:
    answer = fetched(server, path)
    assert answer.status_code == (401 if path == "closed" else 200)
    found = policy(answer)
    scripts = found["script-src"]
    assert "'self'" in scripts and sum(each.startswith("'nonce-") for each in scripts) == 1 and len(scripts) == 2
    assert found["default-src"] == found["connect-src"] == found["form-action"] == found["base-uri"] == ["'self'"]
    assert found["object-src"] == ["'none'"]
    assert found["frame-ancestors"] == (["'self'"] if path == "/" else ["'none'"])
    assert set(found["img-src"]) <= {"'self'", "data:", "blob:"}
    assert policy(fetched(server, path))["script-src"] != scripts, "a nonce is used once"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_the_head_says_what_the_page_is(server: Serving, path: str) -> None:
    page = fetched(server, path).text
    assert re.search(r'<html[^>]*\blang="en"', page)
    if path in ("/desk/enter", "closed"):  # Gradio's own pages get theirs by script
        assert "<title>Desk</title>" in page
    width = re.search(r'<meta\s+name="viewport"\s+content="([^"]*)"', page)
    assert width and "width=device-width" in width[1]
    assert not re.search(r"user-scalable\s*=\s*(no|0)|maximum-scale\s*=\s*1\b", width[1]), "people must be able to zoom"


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_fetched_anew_and_assets_are_kept(server: Serving, path: str) -> None:
    answer = fetched(server, path)
    assert answer.headers["cache-control"] == "no-store"
    for asset in re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', answer.text)[:3] if path == "/" else ():
        assert "immutable" in httpx.get(f"{server.url}/{asset}", timeout=30).headers["cache-control"]


def test_the_chat_page_sets_no_cookie(server: Serving) -> None:
    assert "set-cookie" not in fetched(server, "/").headers


@pytest.fixture
async def watched(browser: Browser, server: Serving) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page, and what it must not do: requests to elsewhere, errors, words on the console."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    ours = (server.url, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(ours) else wrong.append(request.url))
    yield page, wrong
    await page.close()


async def test_the_chat_page_keeps_to_itself(watched: tuple[Page, list[str]], server: Serving) -> None:
    page, wrong = watched
    await page.goto(server.url)
    row = await answered(page, LONDON)
    await row.locator('.answer a[href*="#cite-"]').first.click()
    await expect(page.locator("#pane #pane-title")).to_be_visible(timeout=10_000)
    await page.keyboard.press("Escape")
    assert await page.title() == "Test portal"
    assert await page.context.cookies() == []
    assert await page.evaluate("document.cookie") == ""
    assert wrong == []
    assert await page.evaluate(RUN) == []
    assert any("Content Security Policy" in each for each in wrong), "the policy is in force"


async def test_the_desk_keeps_to_itself(watched: tuple[Page, list[str]], server: Serving) -> None:
    page, wrong = watched
    await page.goto(link(server))
    await expect(page.get_by_role("heading", name="Desk")).to_be_visible(timeout=30_000)
    for tab in ("Knowledge", "Routing", "Answers", "Models"):
        await page.get_by_role("tab", name=tab, exact=True).click()
        await page.wait_for_timeout(800)
    assert await page.title() == "Desk"
    kept = await page.context.cookies()
    assert [(each["httpOnly"], each["sameSite"], each["path"]) for each in kept] == [(True, "Strict", "/desk")]
    assert await page.evaluate("document.cookie") == ""
    assert wrong == []
    assert await page.evaluate(RUN) == []
    assert any("Content Security Policy" in each for each in wrong), "the policy is in force"
