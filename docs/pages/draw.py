"""Draw the pictures of chat and desk beside this file, from the demo, with whatever the pages look like now.

apt install chromium; pip install "switchyard[test]"
python -m docs.pages.draw
"""

from __future__ import annotations

import asyncio
import io
import sqlite3
import tempfile
from pathlib import Path
from typing import Literal, get_args

import httpx
from PIL import Image
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from tests.serving import Serving, run, serving
from tests.ui.test_chat_page import CHROMIUM, FLAGS
from tests.ui.widget_host import Host, Widget, hosting

HERE = Path(__file__).parent
WIDE, PHONE = 1280, 390
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
FIRST = "How many days of annual leave can I carry over, and until when?"
SECOND = "And what does a hotel in London cost?"
SURFACE = {
    "title": "Fernhill Outfitters",
    "greeting": "Good morning! What would you like to know?",
    "suggestions": [
        "What is the hotel cap per night in London?",
        "How many days of annual leave can I carry over?",
        "Write a reply to a customer whose parcel is late",
    ],
}
TURNS = (
    "How many days of annual leave can I carry over?", "Thanks, that helped!", "How do I reach the VPN from abroad?",
    "Write a reply to a customer whose parcel is late", "What is our policy on dogs in the office?",
    "When is the canteen open?", "May I bring my dog to work?", "How long may a customer return a jacket?",
    "Good morning!", "What do I do when my laptop is stolen?", "How much may I spend on dinner in Berlin?",
    "Who repairs a broken zip, and what does it cost?", "Turn this into our tone: parcel gone, sorry",
    "Is there a canteen, and when is it open?", "What discount does staff get?", "Until when is sick leave paid?",
)  # fmt: skip
"""Asked before, so that the desk has something to show."""


PORTAL = """
<header><b>Fernhill</b>
<nav><a href="#">Home</a><a href="#">Team</a><a href="#">Travel</a><a href="#">IT</a></nav></header>
<article><h2>Travelling for work</h2><p>Book trains and hotels yourself, and send the receipts by the end of the month.
What we pay, and what needs your lead's word first, is in the handbook.</p><h3>Before you go</h3><p>Tell your team, put
the days into the calendar, and take a power adapter from the reception.</p></article>
<script src="{server}/widget.js" data-surface="portal" async></script>
"""
LOOKS = """
:root { color-scheme: light dark; }
body { margin: 0; font: 16px/1.6 system-ui, sans-serif;
       background: light-dark(#f8fafc, #0b1220); color: light-dark(#0f172a, #e2e8f0); }
main { display: none; }
header { display: flex; gap: 2rem; align-items: center; padding: 1rem 6vw; background: light-dark(#fff, #111a2c); }
nav { display: flex; gap: 1.5rem; } nav a { color: inherit; text-decoration: none; opacity: .75; }
article { max-width: 34rem; padding: 2rem 6vw; } h2 { font-size: 1.8rem; }
"""
"""A portal that embeds the widget, and how it looks."""


async def main() -> None:
    """Write twelve files, `chat-…`, `desk-…` and `widget-…` by width and theme."""
    with tempfile.TemporaryDirectory() as folder, hosting() as host:
        portal = SURFACE | {"origins": [host.url]}
        with serving(Path(folder), surfaces={"portal": portal}) as server:
            host.server, host.body = server.url, PORTAL
            await draw(server, host)


async def draw(server: Serving, host: Host) -> None:
    """All of them."""
    talk(server)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        await desk(browser, server)
        for theme in THEMES:
            for width in (WIDE, PHONE):
                await chat(browser, server, width, theme)
                await widget(browser, host, width, theme)
        await browser.close()


async def widget(browser: Browser, host: Host, width: int, theme: Theme) -> None:
    """On a portal, with an answer in it."""
    size: ViewportSize = {"width": width, "height": 800}
    context = await browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    page = await context.new_page()
    await page.goto(host.url)
    await page.add_style_tag(content=LOOKS)
    shown = Widget(page)
    await shown.open()
    await shown.ask(FIRST)
    await expect(shown.turns.last).to_contain_text("Sources", timeout=30_000)
    await keep(page, f"widget-{width}-{theme}")
    await context.close()


def talk(server: Serving) -> None:
    """The turns, as if they had been asked over a week."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for text in TURNS * 3:
            client.post("/api/v1/chat", json={"message": text}).raise_for_status()
    with sqlite3.connect(server.folder / "data" / "records.db", timeout=30) as records:
        turns = [row[0] for row in records.execute("SELECT id FROM turns ORDER BY created_at")]
        for place, turn in enumerate(turns):
            records.execute(
                "UPDATE turns SET created_at = datetime(created_at, ?) WHERE id = ?",
                (f"-{place * 7 % 13 % 7} days", turn),
            )


async def chat(browser: Browser, server: Serving, width: int, theme: str) -> None:
    """A conversation; the passage beside it, on a phone without."""
    page = await browser.new_page(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    await page.goto(f"{server.url}/?__theme={theme}")
    for place, text in enumerate((FIRST, SECOND)):
        await page.locator("#box textarea").fill(text)
        await page.keyboard.press("Enter")
        await expect(page.locator("#chat .correct .thumb.up")).to_have_count(place + 1, timeout=60_000)
    if width == WIDE:
        await page.locator('#chat .answer a[href*="#cite-"]').last.click()
        await expect(page.locator("#pane #pane-title")).to_be_visible(timeout=30_000)
    await page.mouse.move(5, 400)
    await keep(page, f"chat-{width}-{theme}")
    await page.close()


async def desk(browser: Browser, server: Serving) -> None:
    """The overview on a wide screen, the gaps on a phone: in both themes."""
    page = await browser.new_page(viewport={"width": WIDE, "height": 800}, reduced_motion="reduce")
    await page.goto(run(server.folder, "desk").stdout.strip())
    await expect(page.get_by_role("heading", name="Desk")).to_be_visible(timeout=60_000)
    for theme in THEMES:
        await page.set_viewport_size({"width": WIDE, "height": 800})
        await page.goto(f"{server.url}/desk/?__theme={theme}")
        await expect(page.locator("#ov-numbers .tile").first).to_be_visible(timeout=60_000)
        await keep(page, f"desk-{WIDE}-{theme}")
        await page.set_viewport_size({"width": PHONE, "height": 800})
        await page.get_by_role("tab", name="Answers", exact=True).click()
        await page.get_by_role("tab", name="Gaps", exact=True).click()
        await expect(page.locator("#an-gaps table").first).to_be_visible(timeout=60_000)
        await keep(page, f"desk-{PHONE}-{theme}")
    await page.close()


async def keep(page: Page, name: str) -> None:
    """The page as WebP, a tenth of what a PNG takes."""
    await page.wait_for_timeout(1_500)
    picture = Image.open(io.BytesIO(await page.screenshot()))
    picture.save(HERE / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    asyncio.run(main())
