"""The desk's Answers tab in a real browser, in the whole desk, over records of its own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect
from sqlalchemy import delete

from assistant.conversation.turn import Message
from assistant.records.corrections import Correction, Corrections
from assistant.records.models import ConversationRow, now
from assistant.records.repository import Repository
from tests.desk.turns import ago, finished, passage, routed, said
from tests.serving import Serving, serving
from tests.ui.desk_door import link
from tests.ui.test_chat_page import browser, pytestmark

__all__ = ["browser", "pytestmark"]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(1)</script> {{7*7}} [n](javascript:alert(1))"

UNANSWERED = (
    "How do I get a parking space?",
    "How can I get a parking space for my car?",
    "Where do I apply for a parking space?",
    "Which vaccinations are paid for?",
)


@dataclass
class Running:
    """The server, and its records as another process sees them."""

    server: Serving
    records: Repository

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose records hold what these tests put there."""
    with serving(tmp_path_factory.mktemp("answers"), collections={}) as server:
        yield server


@pytest.fixture
async def running(alone: Serving) -> AsyncIterator[Running]:
    """With turns of every kind, and no other."""
    records = Repository(f"sqlite+aiosqlite:///{alone.folder / 'data' / 'records.db'}")
    await records.open()
    async with records.session() as session:
        await session.execute(delete(ConversationRow))
    running = Running(alone, records)
    await history(running)
    yield running
    await records.close()


@pytest.fixture
async def page(browser: Browser, running: Running) -> AsyncIterator[Page]:
    """A page that fails its test on any error of its own, on any request to elsewhere, and on any dialogue."""
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: wrong.append(f"dialogue: {dialog.message}"))

    def outside(url: str) -> None:
        if not url.startswith((running.url, "data:", "blob:")):
            wrong.append(f"outside: {url}")

    page.on("request", lambda request: outside(request.url))
    yield page
    await page.close()
    assert wrong == []


async def history(running: Running) -> None:
    """Turns of every kind."""
    records = running.records
    first, _ = await said(
        records, "What is the hotel cap in London?", "It is **120 EUR** [1]. It was 90 EUR before.",
        marks=((23, 44, "unsupported", "The figure 90 EUR stands in no passage."),), at=ago(hours=3), thumb="up",
        ended=finished("x", cost=0.004, seconds=3.0), passages=(passage(), passage(2, "Expenses", 0.4)),
    )  # fmt: skip
    _, follow = await said(
        records, "and in Paris?", "Paris is not named.", conversation=first, evidence="not_in_documents",
        at=ago(hours=2), thumb="down", comment="The city is missing. Ask bob@example.org",
    )  # fmt: skip
    before = (Message("user", "x"),)
    decision = {name: value for name, value in routed("retrieve").items() if name not in ("type", "turn")}
    await Corrections(records).note(
        Correction(
            follow, first, follow, "in_voice", "guest-1", "portal", "and in Paris?", before, True, True, decision, now()
        )
    )
    await said(
        records, f"Hostile {HOSTILE}", f"Hostile answer {HOSTILE}", evidence="partly", at=ago(hours=1), thumb="down",
        comment=HOSTILE, passages=(passage(1, HOSTILE, 0.5, HOSTILE),), marks=((0, 14, "partly", HOSTILE),),
        person="guest-2", ended=finished("x", seconds=9.0, backend="other"),
    )  # fmt: skip
    failed = {"type": "failed", "code": "model_unavailable", "message": "No model answers.", "partial": ""}
    await said(records, "Tell a joke", "", route="voice", evidence=None, status="failed", ended=failed)
    await said(records, "=SUM(A1)", "stopped here", route="voice", evidence=None, status="stopped", surface="portal")
    for number, text in enumerate(UNANSWERED):
        await said(
            records, text, "It is not in the documents.", evidence="not_in_documents", person=f"guest-{number}",
            at=ago(days=number), passages=(passage(1, "Commuting", 0.41),),
        )  # fmt: skip


async def opened(page: Page, running: Running, part: str, *, dark: bool = False) -> None:
    """The tab, at one of its parts."""
    await page.goto(link(running.server))
    await expect(page.get_by_role("heading", name="Desk", exact=True)).to_be_visible(timeout=30_000)
    await expect(page.locator("#ov-numbers .tile").first).to_be_visible(timeout=15_000)
    if dark:
        await page.wait_for_timeout(1500)
        await page.goto(f"{running.url}/desk/?__theme=dark")
    await page.get_by_role("tab", name="Answers").click(timeout=20_000)
    await page.get_by_role("tab", name=part, exact=True).click(timeout=20_000)


def rows(page: Page, place: str) -> Locator:
    return page.locator(f"{place} table.rows tbody tr")


async def test_the_figures_of_the_span(page: Page, running: Running) -> None:
    await opened(page, running, "Figures")
    tiles = page.locator("#an-figures .tile")
    await expect(tiles.filter(has_text="Answers").locator("dd")).to_have_text("7", timeout=15_000)
    await expect(tiles.filter(has_text="Thumbs up")).to_contain_text("1")
    await expect(tiles.filter(has_text="Thumbs down")).to_contain_text("2 with a comment")
    await expect(tiles.filter(has_text="With a doubted claim")).to_contain_text("100 %of 2 checked")
    await expect(tiles.filter(has_text="Whole answer")).to_contain_text("95 % within 9.0 s")
    await expect(tiles.filter(has_text="Cost")).to_contain_text("0.0040 EUR")
    evidence = page.locator("#an-figures figure").first
    await evidence.get_by_text("As a table").click()
    await expect(evidence.get_by_role("columnheader", name="Not in the documents")).to_be_visible()
    await page.get_by_role("radio", name="24 hours").check()
    await expect(tiles.filter(has_text="Answers").locator("dd")).to_have_text("4", timeout=15_000)


async def choose(page: Page, label: str, option: str) -> None:
    await page.get_by_label(label, exact=True).click()
    await page.get_by_role("option", name=option, exact=True).click()


async def test_turns_are_found_by_every_filter(page: Page, running: Running) -> None:
    await opened(page, running, "Turns")
    found = page.locator("#an-found h2")
    await expect(found).to_have_text("9 turns", timeout=15_000)
    await page.get_by_label("Words in question or answer").fill("LONDON cap")
    await expect(found).to_have_text("1 turn")
    await page.get_by_label("Words in question or answer").fill("")
    await expect(found).to_have_text("9 turns")
    for label, option, number in (
        ("Way", "Our voice", 2), ("Evidence", "Not in the documents", 5), ("Evidence", "Not looked up", 2),
        ("Thumb", "Down", 2), ("Thumb", "With a comment", 2), ("Thumb", "Up", 1), ("How it ended", "Failed", 1),
        ("How it ended", "Stopped", 1),
    ):  # fmt: skip
        await choose(page, label, option)
        await expect(found).to_have_text(f"{number} turn{'s' if number > 1 else ''}", timeout=10_000)
        await choose(page, label, "Any")
        await expect(found).to_have_text("9 turns", timeout=10_000)
    for label, number in (("With a claim that no source states in full", 2), ("Sent another way by the person", 1)):
        await page.get_by_label(label).check()
        await expect(found).to_have_text(f"{number} turn{'s' if number > 1 else ''}", timeout=10_000)
        await page.get_by_label(label).uncheck()
        await expect(found).to_have_text("9 turns", timeout=10_000)
    await page.get_by_role("button", name="Model, surface, cost and time").click()
    await choose(page, "Model", "other")
    await expect(found).to_have_text("1 turn")
    await choose(page, "Model", "Any")
    await page.get_by_label("Seconds from").fill("2.5")
    await expect(found).to_have_text("2 turns", timeout=10_000)
    await page.get_by_label("Cost to").fill("0.005")
    await expect(found).to_have_text("1 turn", timeout=10_000)


async def test_what_was_filtered_last_is_shown_also_where_what_was_filtered_before_is_slow(
    page: Page, running: Running
) -> None:
    """Once each filter had an event of its own, and the turns of two came in the other order."""
    await opened(page, running, "Turns")
    found = page.locator("#an-found h2")
    await expect(found).to_have_text("9 turns", timeout=15_000)
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        if not held.is_set():
            held.set()
            await asyncio.sleep(1.0)
        await route.continue_()

    await page.route("**/queue/join*", hold)
    await page.get_by_label("Words in question or answer").fill("parking")
    await held.wait()
    await page.get_by_label("With a claim that no source states in full").check()
    await expect(found).to_have_text("0 turns", timeout=10_000)
    await page.wait_for_timeout(1500)
    await expect(found).to_have_text("0 turns")


async def test_turns_are_sorted_and_opened_as_they_were(page: Page, running: Running) -> None:
    await opened(page, running, "Turns")
    await expect(page.locator("#an-found h2")).to_have_text("9 turns", timeout=15_000)
    await choose(page, "First", "Slowest")
    await expect(rows(page, "#an-found").first).to_contain_text("Hostile", timeout=10_000)
    await expect(rows(page, "#an-found").first).to_contain_text("9.0 s")
    await page.locator("#an-found").get_by_role("button", name="What is the hotel cap in London?").click()
    turn = page.locator("#an-found .an-turn")
    await expect(turn.locator("h2")).to_be_focused(timeout=10_000)
    await expect(turn.locator(".an-answer strong")).to_have_text("120 EUR")
    await expect(turn.locator(".an-answer .mark.unsupported").first).to_contain_text("It was 90 EUR")
    await expect(turn.get_by_role("row", name="The figure 90 EUR stands in no passage.")).to_be_visible()
    await expect(turn).to_contain_text("asks for a fact")
    await expect(turn).to_contain_text("no passage names it")
    await expect(turn).to_contain_text("main: model-1")
    await expect(turn).to_contain_text("1,200 read, 90 written")
    await expect(turn).to_contain_text("0.0040 EUR")
    await expect(turn).to_contain_text("first token 750 ms")
    await turn.get_by_role("link", name="[1]").click()
    await expect(turn.locator(".an-passage").first.get_by_text("Hotels: 120 EUR.")).to_be_visible()
    assert page.url.endswith("#turns") or page.url.endswith("#answers")
    await turn.get_by_role("button", name="Back to the turns").click()
    await expect(page.locator("#an-found h2")).to_have_text("9 turns", timeout=10_000)
    await page.locator("#an-found").get_by_role("button", name="and in Paris?").click()
    await expect(turn.locator(".ro-talk li.user")).to_contain_text("London", timeout=10_000)
    await expect(turn).to_contain_text("The city is missing.")
    await expect(turn).to_contain_text("Should have gone")


async def test_nothing_of_a_turn_runs_in_the_page(page: Page, running: Running) -> None:
    await opened(page, running, "Turns")
    await page.locator("#an-found").get_by_role("button", name="Hostile").click(timeout=15_000)
    turn = page.locator("#an-found .an-turn")
    await expect(turn).to_contain_text(HOSTILE, timeout=10_000)
    await turn.locator(".an-passage summary").click()
    await expect(turn.locator(".an-passage .an-said")).to_have_text(HOSTILE)
    assert await page.locator("#an-found :is(img, script)").count() == 0
    await page.get_by_role("tab", name="Gaps", exact=True).click()
    gap = page.locator("#an-gaps")
    await gap.get_by_role("button", name="Hostile", exact=False).first.click(timeout=10_000)
    await expect(gap).to_contain_text(HOSTILE, timeout=10_000)
    assert await page.locator("#an-gaps :is(img, script)").count() == 0


async def test_more_turns_than_a_page_holds_are_paged(page: Page, running: Running) -> None:
    for number in range(20):
        await said(running.records, f"question {number}", at=ago(days=3, minutes=number))
    await opened(page, running, "Turns")
    await expect(rows(page, "#an-found")).to_have_count(20, timeout=15_000)
    await page.locator("#an-found").get_by_role("button", name="Next").click()
    await expect(rows(page, "#an-found")).to_have_count(9, timeout=10_000)
    await page.locator("#an-found").get_by_role("button", name="question 19").click()
    await page.locator("#an-found").get_by_role("button", name="Back to the turns").click(timeout=10_000)
    await expect(page.locator("#an-found")).to_contain_text("Page 2 of 2", timeout=10_000)


async def downloaded(page: Page, link: Locator) -> str:
    async with page.expect_download() as waiting:
        await link.click()
    path = await (await waiting.value).path()
    return Path(path).read_bytes().decode("utf-8-sig")


async def test_what_was_found_is_downloaded(page: Page, running: Running) -> None:
    await opened(page, running, "Turns")
    found = page.locator("#an-found")
    await expect(found.locator("h2")).to_have_text("9 turns", timeout=15_000)
    await choose(page, "Way", "Our voice")
    await expect(found.locator("h2")).to_have_text("2 turns", timeout=10_000)
    listed = list(csv.DictReader(io.StringIO(await downloaded(page, found.get_by_role("link", name="CSV")))))
    assert {each["question"] for each in listed} == {"'=SUM(A1)", "Tell a joke"}
    lines = [json.loads(each) for each in (await downloaded(page, found.get_by_role("link", name="JSON"))).splitlines()]
    assert {each["question"] for each in lines} == {"=SUM(A1)", "Tell a joke"}
    assert {each["routed"]["route"] for each in lines} == {"voice"}


async def test_gaps_are_put_together_opened_ticked_off_and_come_back(page: Page, running: Running) -> None:
    await opened(page, running, "Gaps")
    gaps = page.locator("#an-gaps")
    await expect(gaps.locator("h2")).to_have_text("4 gaps in the documents, 6 questions", timeout=30_000)
    top = rows(page, "#an-gaps").first
    await expect(top).to_contain_text("parking space")
    await expect(top.locator("td").nth(1)).to_have_text("3")
    await expect(top.locator("td").nth(2)).to_have_text("3")
    await expect(top).to_contain_text("Commuting (0.41)")
    paris = gaps.get_by_role("row", name="and in Paris?")
    await expect(paris).to_contain_text("after “What is the hotel cap in London?”")
    await top.get_by_role("button", name="parking").first.click()
    await expect(rows(page, "#an-gaps")).to_have_count(3, timeout=10_000)
    await expect(gaps.locator("h2")).to_be_focused()
    await gaps.get_by_role("button", name="Where do I apply").click()
    await expect(gaps.locator(".an-turn")).to_contain_text("It is not in the documents.", timeout=10_000)
    await gaps.get_by_role("button", name="Back to the questions").click()
    await expect(rows(page, "#an-gaps")).to_have_count(3, timeout=10_000)
    await gaps.get_by_role("button", name="Done").click()
    await expect(gaps.locator("h2")).to_have_text("3 gaps in the documents, 3 questions", timeout=10_000)
    await expect(gaps).to_contain_text("1 gap done")
    await page.get_by_label("Show what is done").check()
    await expect(gaps.get_by_role("button", name="Open again")).to_be_visible(timeout=10_000)
    await page.get_by_label("Show what is done").uncheck()
    await expect(gaps.locator("h2")).to_have_text("3 gaps in the documents, 3 questions", timeout=10_000)
    await said(running.records, "Can I get a parking space?", evidence="not_in_documents", at=ago(seconds=5))
    await page.get_by_role("radio", name="30 days").check()
    await expect(gaps.locator("h2")).to_have_text("4 gaps in the documents, 7 questions", timeout=10_000)


async def test_gaps_are_downloaded_with_people_masked(page: Page, running: Running) -> None:
    await opened(page, running, "Gaps")
    gaps = page.locator("#an-gaps")
    markdown = await downloaded(page, gaps.get_by_role("link", name="Markdown"))
    assert r"Ask \[e\-mail\]" in markdown and "bob" not in markdown
    assert "(after: What is the hotel cap in London?)" in markdown
    await page.get_by_label("Mask e-mail and phone").uncheck()
    await expect(gaps.locator('a[href*="mask=no"]')).to_have_count(2, timeout=10_000)
    assert "bob@example.org" in await downloaded(page, gaps.get_by_role("link", name="CSV"))


async def test_the_files_are_behind_the_guard(running: Running, browser: Browser) -> None:
    context = await browser.new_context()
    for path in ("turns.csv", "turns.jsonl", "gaps.csv", "gaps.md"):
        assert (await context.request.get(f"{running.url}/desk/export/{path}")).status == 401
    await context.close()


async def test_at_390_pixels_nothing_is_cut_off(page: Page, running: Running) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await opened(page, running, "Figures")
    for part, seen in (("Figures", "#an-figures .tile"), ("Turns", "#an-found tr"), ("Gaps", "#an-gaps tr")):
        await page.get_by_role("tab", name=part, exact=True).click()
        await expect(page.locator(seen).first).to_be_attached(timeout=30_000)
        await page.wait_for_timeout(1500)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.locator("#an-gaps-mask").evaluate("each => each.getBoundingClientRect().right") <= 390
