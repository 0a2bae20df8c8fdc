"""The desk's Routing tab in a real browser, over an assistant and records of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI
from markupsafe import Markup
from playwright.async_api import Browser, Locator, Page, expect
from starlette.staticfiles import StaticFiles

from assistant.app import Assistant, build_assistant
from assistant.config_file import load
from assistant.conversation.turn import Turn
from assistant.records.corrections import Corrections
from assistant.routing import heads, shadow
from assistant.routing.encoder import SHIPPED
from assistant.routing.heads import INFORMATION, Head
from assistant.routing.router import Decision
from assistant.routing.versions import Versions
from assistant.settings_file import SettingsFile
from tests.desk.test_routing import corrected, few, routed, said
from tests.serving import free_port, write_settings
from tests.ui.test_chat_page import browser, pytestmark
from ui.desk import routing
from ui.desk.parts import SPANS, Desk, html
from ui.security import Harden
from ui.theme import theme

__all__ = ["browser", "few", "pytestmark"]

STATIC = Path(routing.__file__).parent.parent / "static"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(1)</script> {{7*7}} [n](javascript:alert(1))"


@dataclass
class Running:
    """The tab on a port of its own, with the assistant behind it."""

    url: str
    assistant: Assistant

    @property
    def versions(self) -> Versions:
        return Versions(self.assistant.settings.data)


class Quiet(uvicorn.Server):
    """Leaves the signals of the test's process alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """No documents, the builtin model, one cost that is not the default."""
    file = write_settings(tmp_path, collections={}, router={"costs": {"missed_lookup": 4}})
    loaded = load(file)
    followed = SettingsFile(lambda: load(file), loaded.watched)
    async with build_assistant(loaded.settings, file=followed) as assistant, served(assistant) as url:
        yield Running(url, assistant)


@asynccontextmanager
async def served(assistant: Assistant) -> AsyncIterator[str]:
    """The tab alone in the desk's frame, under the policy of our pages."""
    with gr.Blocks(title="Desk", analytics_enabled=False) as demo:
        html(Markup("<h1>Desk</h1>"))
        span = gr.Radio(list(SPANS), value="All", label="Time", elem_id="span")
        opened = gr.Textbox("overview", elem_id="opened", label="Tab in view", visible="hidden")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Overview", id="overview"):
                html("Nothing here.")
            with gr.Tab("Routing", id="routing") as tab:
                tab.select(lambda: "routing", None, opened, queue=False, api_visibility="private")
                routing.build(Desk(assistant, span, opened), tab)
    demo.has_launched = True
    demo.queue(default_concurrency_limit=None)
    app = FastAPI()
    app.mount("/switchyard", StaticFiles(directory=STATIC))
    css = sorted(STATIC.glob("desk*.css"))
    app = gr.mount_gradio_app(app, demo, path="/", theme=theme(), css_paths=css, run_history=False, footer_links=[])
    scripts = "".join(f'<script src="switchyard/{each.name}"></script>' for each in sorted(STATIC.glob("desk*.js")))
    app.add_middleware(Harden, heads={"/": scripts}, hosts=[])
    port = free_port()
    server = Quiet(uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "the server ended"
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


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


async def opened(page: Page, running: Running, part: str, *, dark: bool = False) -> None:
    """The tab, at one of its parts."""
    await page.goto(running.url + ("?__theme=dark" if dark else ""))
    await page.get_by_role("tab", name="Routing").click(timeout=20_000)
    await page.get_by_role("tab", name=part).click(timeout=20_000)


def recent(minutes: int) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


async def history(running: Running) -> int:
    """Four days of turns on two surfaces, some of them corrected; on how many dates, five shortly after midnight."""
    records, some = running.assistant.records, random.Random(4)
    dates = set()
    ways = {"voice": 0.05, "retrieve": 0.93, "both": 0.9}
    for number in range(48):
        route = some.choice([*ways])
        decision = routed(route, ways[route] + some.random() / 20, 0.8 if route == "both" else 0.05)
        surface, person = some.choice(["portal", "shop"]), f"guest-{number % 7}0123456789abcdef"
        at = recent(60 * 24 * (number % 4) + number)
        dates.add(at.date())
        _, turn = await said(records, f"Question number {number}?", decision, surface=surface, person=person, at=at)
        if number % 8 == 0:
            right = route == "voice"
            await corrected(records, turn, "look_up" if right else "no_lookup", right, False if right else None)
    conversation, _ = await said(records, HOSTILE, routed("voice", 0.15), person=HOSTILE[:200], at=recent(3))
    _, second = await said(
        records, f"and {HOSTILE}", routed(reasons=[HOSTILE]), conversation=conversation, at=recent(2)
    )
    await corrected(records, second, "in_voice", True, True)
    return len(dates)


async def test_the_mix_is_shown_over_time_and_by_surface(page: Page, running: Running) -> None:
    dates = await history(running)
    await opened(page, running, "Routes")
    mix = page.locator("#ro-mix")
    await expect(mix.get_by_role("heading", name="Which way turns went")).to_be_visible(timeout=15_000)
    await expect(mix.locator(".plot .col")).to_have_count(dates)
    await expect(mix.locator(".legend li")).to_have_text(["Our voice", "Looked up", "Looked up, in our voice"])
    await expect(mix.locator(".tile").first).to_contain_text("50")
    rows = mix.locator("table.rows", has_text="By surface").locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("shop")
    await page.get_by_label("Surface").click()
    await page.get_by_role("option", name="shop").click()
    await expect(mix.locator(".tile").first).not_to_contain_text("50")
    await page.locator("#span").get_by_label("24 hours").click()
    await expect(mix.locator(".plot .col")).to_have_count(25, timeout=10_000)


async def test_each_count_of_the_confusion_opens_its_turns(page: Page, running: Running) -> None:
    await history(running)
    await opened(page, running, "Routes")
    matrix = page.locator("#ro-matrix")
    await expect(matrix.locator("table.confusion tbody tr")).to_have_count(3, timeout=15_000)
    await matrix.get_by_role("button", name="Looked up by the router, Looked up, in our voice by people").click()
    turns = page.locator("#ro-turns .ro-turn")
    await expect(turns).to_have_count(1, timeout=10_000)
    await expect(turns).to_contain_text(f"and {HOSTILE}")
    await expect(turns.locator(".ro-why")).to_have_text(HOSTILE)
    await expect(turns.locator(".ro-facts")).to_contain_text(HOSTILE[:10] + "…")
    await expect(turns.locator(".ro-facts")).not_to_contain_text(HOSTILE[:20])
    await turns.get_by_text("Conversation before it").click()
    await expect(turns.locator(".ro-talk li.user")).to_contain_text(HOSTILE)
    assert await page.locator("#ro-turns :is(img, script)").count() == 0


async def unsure(running: Running, number: int) -> list[str]:
    """Turns to label, the nearest to the threshold first."""
    records = running.assistant.records
    conversation, _ = await said(records, "How much leave do I get?", routed(), at=recent(60))
    ids = []
    for place in range(number):
        decision = routed(information=0.21 + place / 50)
        _, turn = await said(
            records, f"and number {place}?", decision, conversation=conversation, at=recent(50 - place)
        )
        ids.append(turn)
    return ids


async def kept(running: Running) -> dict[str, tuple[bool, bool | None, str]]:
    found = await Corrections(running.assistant.records).listed()
    return {each.text: (each.information, each.voice, each.person) for each in found}


def asked(page: Page) -> Locator:
    return page.locator("#ro-turn .ro-said")


async def test_turns_are_labelled_by_keys_one_after_another(page: Page, running: Running) -> None:
    await unsure(running, 5)
    before = await running.assistant.records.tree(await first_conversation(running))
    await opened(page, running, "To label")
    await expect(asked(page)).to_have_text("and number 0?", timeout=15_000)
    await expect(page.locator("#ro-turn .ro-talk")).to_contain_text("How much leave do I get?")
    await expect(page.locator("#ro-card")).to_have_attribute("aria-live", "polite")
    for key, shown in (("v", 1), ("r", 2), ("b", 3), (" ", 4)):
        await page.keyboard.press(key)
        await expect(asked(page)).to_have_text(f"and number {shown}?", timeout=10_000)
    assert await kept(running) == {
        "and number 0?": (False, None, "desk"),
        "and number 1?": (True, False, "desk"),
        "and number 2?": (True, True, "desk"),
    }
    await expect(page.locator(".ro-progress")).to_contain_text("3 labelled now")
    await page.keyboard.press("u")
    await expect(asked(page)).to_have_text("and number 3?", timeout=10_000)
    await page.keyboard.press("u")
    await expect(asked(page)).to_have_text("and number 2?", timeout=10_000)
    await expect(page.locator("#ro-card .say")).to_have_text("Taken back.")
    assert set(await kept(running)) == {"and number 0?", "and number 1?"}
    await page.keyboard.press("?")
    await expect(page.locator("#ro-help dl")).to_be_visible()
    assert await running.assistant.records.tree(await first_conversation(running)) == before, "nothing is run again"


async def first_conversation(running: Running) -> str:
    from sqlalchemy import select

    from assistant.records.models import ConversationRow

    async with running.assistant.records.session() as session:
        return str((await session.execute(select(ConversationRow.id))).scalars().first())


async def test_buttons_do_the_same_and_keys_leave_whoever_types_alone(page: Page, running: Running) -> None:
    await unsure(running, 3)
    await opened(page, running, "To label")
    await expect(asked(page)).to_have_text("and number 0?", timeout=15_000)
    await page.evaluate("document.body.append(Object.assign(document.createElement('input'), { id: 'typing' }))")
    await page.locator("#typing").press("v")
    await page.locator("#typing").press("r")
    await expect(page.locator("#typing")).to_have_value("vr")
    await page.keyboard.press("Control+b")
    assert await kept(running) == {}
    await page.locator("#typing").evaluate("(each) => each.remove()")
    await page.get_by_role("button", name="Look it up (r)").dblclick()
    await expect(asked(page)).to_have_text("and number 1?", timeout=10_000)
    assert await kept(running) == {"and number 0?": (True, False, "desk")}, "a second click labels nothing more"
    await page.get_by_role("button", name="Both (b)").click()
    await expect(asked(page)).to_have_text("and number 2?", timeout=10_000)
    await page.get_by_role("button", name="Our voice (v)").click()
    await expect(page.locator("#ro-card")).to_contain_text("No turn of this time waits", timeout=10_000)
    await page.get_by_role("button", name="Undo (u)").click()
    await expect(asked(page)).to_have_text("and number 2?", timeout=10_000)


async def test_what_the_page_says_of_its_sitting_is_not_believed(page: Page, running: Running) -> None:
    await unsure(running, 2)
    await opened(page, running, "To label")
    await expect(asked(page)).to_have_text("and number 0?", timeout=15_000)
    for deck in ("' or 1=1", "x:y z", "\ud83d", "nothing nothing:voice", "a" * 5000, " :voice"):
        await page.evaluate(SET, deck)
        await page.get_by_role("button", name="Undo (u)").click()
        await page.wait_for_timeout(400)
    assert await kept(running) == {}
    await expect(page.locator("#ro-turn")).to_be_visible()


SET = """(text) => {
  const box = document.querySelector('#ro-deck :is(textarea, input)');
  box.value = text;
  box.dispatchEvent(new Event('input', { bubbles: true }));
}"""


@pytest.mark.usefixtures("few")
async def test_retraining_shows_how_far_it_is_and_what_came_of_it_while_people_chat(
    page: Page, browser: Browser, running: Running
) -> None:
    await opened(page, running, "Learning")
    await page.get_by_role("button", name="Retrain").click(timeout=15_000)
    await expect(page.locator("#ro-outcome")).to_contain_text("nothing to learn from", timeout=15_000)
    rooms = [f"{room} {number}" for room in ("dock", "ramp", "gate", "yard") for number in range(1, 11)]
    for room in rooms:
        _, turn = await said(running.assistant.records, f"parcel at {room}", routed("voice", 0.1))
        await corrected(running.assistant.records, turn, "look_up", True, False)
    await opened(page, running, "Learning")
    await expect(page.locator("#ro-said-so-far")).to_contain_text("40")
    await page.get_by_role("button", name="Retrain").click()
    bar = page.locator("#ro-outcome progress")
    await expect(bar).to_be_visible(timeout=15_000)
    await expect(page.get_by_role("button", name="Retrain")).to_be_disabled()
    turn = await running.assistant.service.prepare("hello", person="p")
    assert [event async for event in running.assistant.service.run(turn)], "the chat goes on meanwhile"
    assert await bar.count() == 1, "and it still learns"
    another = await browser.new_page()
    await opened(another, running, "Learning")
    for shown in (another.locator("#ro-outcome"), page.locator("#ro-outcome")):
        await expect(shown).to_contain_text("What came of it", timeout=120_000)
    await expect(shown.locator("table.rows caption", has_text="The shipped turns held apart")).to_be_visible()
    await expect(shown.locator("table.rows caption", has_text="Your corrections held apart")).to_be_visible()
    await expect(page.get_by_role("button", name="Retrain")).to_be_enabled()
    installed = "retrained-1" in [each.name for each in running.versions.listed()]
    await expect(shown).to_contain_text("is in use from the next turn on" if installed else "stays in use")
    assert (running.versions.current() == "retrained-1") == installed
    if installed:
        await expect(page.locator("#ro-versions")).to_contain_text("retrained-1")


def mute(running: Running) -> None:
    """A version that never looks anything up."""
    shipped = heads.load(SHIPPED)
    known = shipped.heads[INFORMATION]
    other = {**shipped.heads, INFORMATION: Head(known.weights * 0, -9.0)}
    running.versions.install(replace(shipped, heads=other, card={"turns": {"own": 12}}), "x", name="mute")


@pytest.mark.usefixtures("few")
async def test_versions_are_compared_used_and_rolled_back(page: Page, running: Running) -> None:
    mute(running)
    await opened(page, running, "Learning")
    versions = page.locator("#ro-versions")
    row = versions.locator("tbody tr", has_text="mute")
    await row.get_by_role("button", name="Compare mute").click(timeout=15_000)
    compared = page.locator("#ro-compared")
    await expect(compared.get_by_role("heading", name=f"{SHIPPED.name} and mute")).to_be_visible(timeout=60_000)
    await expect(compared).to_contain_text("wrong lookups cost")
    await expect(compared).to_contain_text("now wrong")
    await row.get_by_role("button", name="Use mute").click()
    await expect(page.locator("#ro-told")).to_have_text("mute is in use, from the next turn on.", timeout=10_000)
    await expect(row).to_contain_text("in use")
    assert running.versions.current() == "mute"
    turn = await running.assistant.service.prepare("how much leave do I get?", person="p")
    events = [event async for event in running.assistant.service.run(turn)]
    assert events[0].decision.version == "mute"  # type: ignore[union-attr]
    await page.get_by_role("button", name="Roll back").click()
    await expect(page.locator("#ro-told")).to_have_text(f"{SHIPPED.name} is in use again, from the next turn on.")
    await page.get_by_role("button", name="Roll back").click()
    await expect(page.locator("#ro-told")).to_contain_text("no other version was used before")


async def test_a_shadow_is_started_reports_with_examples_and_is_stopped(page: Page, running: Running) -> None:
    mute(running)
    conversation, turn = await said(running.assistant.records, f"how much leave {HOSTILE}", routed())
    await opened(page, running, "Learning")
    await expect(page.locator("#ro-report")).to_contain_text("No version has run as a shadow yet", timeout=15_000)
    await expect(page.get_by_role("button", name="Stop the shadow")).to_be_disabled()
    await page.get_by_role("button", name="Run as the shadow mute").click()
    await expect(page.locator("#ro-told")).to_contain_text("mute runs as the shadow", timeout=10_000)
    assert running.versions.shadow() == "mute"
    decision = Decision("retrieve", 0.9, 0.1, 0.2, (), "", False, "v")
    seen = Turn("x", id=turn, conversation=conversation)
    shadow.note(running.versions.folder, "mute", seen, decision, replace(decision, route="voice", information=0.0))
    shadow.note(running.versions.folder, "mute", seen, decision, decision)
    await opened(page, running, "Learning")
    report = page.locator("#ro-report")
    await expect(report.locator("tbody tr")).to_contain_text(f"how much leave {HOSTILE}", timeout=15_000)
    await expect(report.locator("tbody tr")).to_contain_text("0.90 → 0.00")
    await expect(report.locator(".tiles")).to_contain_text("50 %")
    await page.get_by_role("button", name="Stop the shadow").click()
    await expect(page.locator("#ro-told")).to_contain_text("mute runs no longer", timeout=10_000)
    assert running.versions.shadow() is None
    await expect(report).to_contain_text("has run")


@pytest.mark.usefixtures("few")
async def test_reliability_is_drawn_of_live_turns_and_of_turns_held_apart(page: Page, running: Running) -> None:
    await history(running)
    await opened(page, running, "Reliability")
    live = page.locator("#ro-live")
    await expect(live.locator("svg circle").first).to_be_visible(timeout=15_000)
    await expect(live.locator(".tile").first).to_contain_text("7")
    apart = page.locator("#ro-apart")
    await expect(apart).to_contain_text("As the card of")
    await page.get_by_role("button", name="Measure the version in use").click()
    await expect(apart.locator("svg circle").first).to_be_visible(timeout=60_000)
    await expect(apart.locator(".tile").first).to_contain_text("100")
    tips = page.locator("#ro-tips tbody tr", has_text="router.costs.missed_lookup").first
    await expect(tips).to_contain_text("assistant.yaml")
    await expect(tips).to_contain_text("assistant config set router.costs.missed_lookup 4")
    await expect(page.locator("#ro-tips")).to_contain_text("P(information) 0.20")
    await expect(page.locator("#ro-tips tbody tr", has_text="router.voice_threshold").first).to_contain_text("default")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
async def test_all_of_it_is_within_the_window(page: Page, running: Running, width: int, dark: bool) -> None:
    await history(running)
    await unsure(running, 2)
    mute(running)
    await page.set_viewport_size({"width": width, "height": 900})
    await opened(page, running, "Routes", dark=dark)
    for part, seen in PARTS.items():
        await page.get_by_role("tab", name=part).click()
        await expect(page.locator(seen).first).to_be_visible(timeout=15_000)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{part} is {wide} pixels wide"


PARTS = {
    "Routes": "#ro-matrix table",
    "To label": "#ro-turn",
    "Learning": "#ro-versions table",
    "Reliability": "#ro-tips table",
}
