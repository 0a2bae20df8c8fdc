"""How quick the chat page is: a long conversation in a real browser, and many people at once.

    python -m tests.benchmarks.bench_page [--people 40] [--rounds 2] [--repeats 9] [--cores 2]

One server with the demo documents; its model is ``talker.py``, in a process of its own. Nothing is mocked: the
conversation of 100 questions and 100 answers is asked over ``POST /api/v1/chat`` and then given to the browser's guest.

*In the browser* (headless Chromium, 1280 x 800): milliseconds from the navigation, and from the click in the list of
conversations, until the last message is painted, the first time, when nothing is rendered yet, and again; and at the
end of that conversation, as in a new one, from the moment when the model sends the last of 200 words until it is
painted.

*At once* are so many people who ask, read and ask again: as the page does it (Gradio's queue, whose answers carry the
conversation), and over ``POST /api/v1/chat``; milliseconds until the first word of each answer. The model waits 0.3 s
before the first word and 0.02 s before each of the others; *added* is what comes on top of the model's own p95, when
as many ask it directly. *Together* all of them begin in the same moment; *in turns* each asks anew up to 4 s after the
end of the last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import httpx
from playwright.async_api import Page, async_playwright

from tests.benchmarks.talker import LAST
from tests.benchmarks.upstream import process
from tests.benchmarks.visitors import QUESTION, Crowd, Visitor, directly, over_api
from tests.serving import Serving, free_port, serving

TURNS = 100
BEFORE, BETWEEN = 0.3, 0.02
OPEN_MS, LAST_MS, ADDED_MS = 1000, 200, 600
"""The bars: a long conversation open, the last word on the screen, and the first word when many ask at once (p95)."""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WATCH = """
(wanted) => {
  window.painted = {};
  const there = (text) => [...document.querySelectorAll("#chat .bot-row")].at(-1)?.innerHTML.includes(text);
  const look = () => {
    for (const [name, text] of Object.entries(wanted)) {
      if (window.painted[name] || !there(text)) continue;
      window.painted[name] = -1;
      requestAnimationFrame(() => setTimeout(() => { window.painted[name] = Date.now(); }));
    }
  };
  look();
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
}
"""
"""Notes when the last answer on the page is painted with a text in it."""


@contextmanager
def talker(folder: Path) -> Iterator[str]:
    """A model's address, until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with process(
        "talker", [sys.executable, "-m", "tests.benchmarks.talker", "--port", str(port)], f"{url}/v1/models", folder
    ):
        yield url


def pace(model: str, before: float, between: float) -> None:
    httpx.post(f"{model}/pace/{before}/{between}").raise_for_status()


# A conversation that is there already


def conversation(url: str, turns: int) -> tuple[str, str]:
    """Asked over the API: its id, and that of its last turn."""
    known: str | None = None
    last = ""
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(turns):
            body = {"message": f"{QUESTION} This is question {number + 1}.", "conversation": known}
            said = client.post("/api/v1/chat", json=body).text
            if "event: finished" not in said or "event: retrieved" not in said:
                raise SystemExit(f"the question was not looked up and answered: {said[-2000:]}")
            known, last = (said.partition(f'"{key}": "')[2].partition('"')[0] for key in ("conversation", "turn"))
    return known or "", last


def give(server: Serving, conversation: str, person: str) -> None:
    """It is this person's from now on."""
    with sqlite3.connect(server.folder / "data" / "records.db", timeout=30) as records:
        records.execute("UPDATE conversations SET person = ? WHERE id = ?", (person, conversation))


def guest(server: Serving) -> str:
    """Who sits at the browser, having said something."""
    with sqlite3.connect(server.folder / "data" / "records.db", timeout=30) as records:
        (person,) = records.execute("SELECT person FROM conversations WHERE person != 'api' LIMIT 1").fetchone()
    return str(person)


# In the browser


async def watch(page: Page, **wanted: str) -> None:
    await page.evaluate(WATCH, wanted)


async def painted(page: Page, name: str) -> float:
    """When it was, in Unix ms."""
    await page.wait_for_function("(name) => window.painted[name] > 0", arg=name, timeout=60_000)
    return float(await page.evaluate("(name) => window.painted[name]", name))


async def ask(page: Page, model: str) -> float:
    """Milliseconds from the model's last word until it is painted."""
    before = await page.locator("#chat .bot-row").count()
    await page.locator("#box textarea").fill(QUESTION)
    await page.keyboard.press("Enter")
    await page.locator("#chat .bot-row").nth(before).wait_for()
    await watch(page, last=LAST)
    shown = await painted(page, "last")
    async with httpx.AsyncClient() as client:
        ended, _ = (await client.get(f"{model}/ended")).json()
    await page.locator("#box .submit-button").wait_for(timeout=60_000)
    await page.wait_for_timeout(500)
    return shown - 1000 * float(ended)


async def navigated(page: Page, url: str, text: str) -> float:
    """Milliseconds until the last answer is painted with this text, from the navigation."""
    await page.goto(url, wait_until="commit")
    await watch(page, last=text)
    return await painted(page, "last") - float(await page.evaluate("performance.timeOrigin"))


async def clicked(page: Page, conversation: str, last: str) -> float:
    """The same from the click in the list, coming from a new conversation."""
    await page.locator("#new").click()
    await page.locator("#chat .bot-row").first.wait_for(state="detached", timeout=30_000)
    await page.wait_for_timeout(500)
    await watch(page, last=f"turn-{last}")
    await page.evaluate(
        "addEventListener('click', () => { window.clicked = Date.now(); }, { capture: true, once: true })"
    )
    await page.locator(f'#list [data-conversation="{conversation}"] .conv-open').click()
    return await painted(page, "last") - float(await page.evaluate("window.clicked"))


async def in_browser(server: Serving, model: str, conversation: str, last: str, repeats: int) -> None:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = await chromium.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(server.url)
        await page.locator("#box textarea").wait_for()
        await page.wait_for_timeout(1500)
        pace(model, BEFORE, BETWEEN)
        new = [await ask(page, model) for _ in range(repeats)]
        give(server, conversation, guest(server))
        await page.reload()
        await page.locator(f'#list [data-conversation="{conversation}"]').wait_for()
        opened = [await clicked(page, conversation, last) for _ in range(repeats)]
        entered = [await navigated(page, server.url, f"turn-{last}") for _ in range(repeats)]
        await page.wait_for_timeout(1500)
        ends = [await ask(page, model) for _ in range(repeats)]
        await chromium.close()
    print(f"\nIn the browser, {2 * TURNS} messages, ms: median of {repeats} (longest)")
    show("opened from the list, the first time", opened[:1], OPEN_MS)
    show("opened from the list, again", opened[1:], OPEN_MS)
    show("opened by navigation", entered, OPEN_MS)
    show("last word painted after it was sent, new conversation", new, LAST_MS)
    show("last word painted after it was sent, at the end of it", ends, LAST_MS)


def show(what: str, found: Sequence[float], most: float) -> None:
    verdict = "reached" if median(found) <= most else "MISSED"
    print(f"{what:56}{median(found):7.0f} ({max(found):.0f})   at most {most:g}: {verdict}")


# At once


async def at_once(server: Serving, model: str, options: argparse.Namespace) -> None:
    many = range(options.people)
    config = httpx.get(f"{server.url}/config").json()
    pace(model, 0, 0)
    people = [f"guest-{uuid.uuid4().hex}" for _ in many]
    known = [conversation(server.url, options.history)[0] for _ in many]
    for each, person in zip(known, people, strict=True):
        give(server, each, person)
    asked = httpx.get(f"{model}/ended").json()[1]
    pace(model, BEFORE, BETWEEN)
    new = [Visitor(server.url, config, f"guest-{uuid.uuid4().hex}", "", asked).ask for _ in many]
    on = [Visitor(server.url, config, *each, asked).ask for each in zip(people, known, strict=True)]
    crowds = [
        Crowd("the model itself", [directly(model)] * options.people),
        Crowd("POST /api/v1/chat", [over_api(server.url)] * options.people),
        Crowd("the page, new conversations", new),
        Crowd(f"the page, after {options.history} turns or more", on),
    ]
    for _ in range(options.rounds):
        for crowd in crowds:
            await crowd.round(options.answers)
    tell(crowds, options.people)


def tell(crowds: Sequence[Crowd], people: int) -> None:
    print(f"\n{people} at once, ms to the first word\n{'':34}{'together: p50':>14}{'p95':>7}{'added':>7}", end="")
    print(f"{'in turns: p50':>15}{'p95':>7}{'added':>7}")
    bare = [quantiles(found, n=20)[-1] for found in (crowds[0].together, crowds[0].in_turns)]
    for each in crowds:
        print(f"{each.name:34}", end="")
        for found, width, own in ((each.together, 14, bare[0]), (each.in_turns, 15, bare[1])):
            last = quantiles(found, n=20)[-1]
            print(f"{1000 * median(found):{width}.0f}{1000 * last:7.0f}{1000 * (last - own):7.0f}", end="")
        print()
    worst = max(1000 * (quantiles(each.in_turns, n=20)[-1] - bare[1]) for each in crowds[2:])
    verdict = "reached" if worst <= ADDED_MS else "MISSED"
    print(f"added to the first word, in turns, p95: {worst:.0f} (at most {ADDED_MS:g}) {verdict}")


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """What is started within runs on so many cores, 0 for all; the model and those who ask keep theirs."""
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, sorted(own)[: count or len(own)])
        yield
    finally:
        os.sched_setaffinity(0, own)


def main(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = stack.enter_context(talker(folder))
        words = {"connector": "openai", "model": "words", "base_url": f"{model}/v1", "api_key": "none"}
        settings = {"models": {"words": words}, "roles": {"main": "words"}}
        with on_cores(options.cores):
            server = stack.enter_context(serving(folder / "switchyard", **settings))
        shown = f"server on {options.cores or 'all'} cores ready after {server.seconds:.1f} s"
        print(f"{shown}, {server.resident_megabytes():.0f} MB")
        if options.repeats:
            asyncio.run(in_browser(server, model, *conversation(server.url, TURNS), options.repeats))
        if options.rounds:
            asyncio.run(at_once(server, model, options))
        print(f"\nresident afterwards: {server.resident_megabytes():.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="how often each is measured in the browser, 0 for not")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of many at once, 0 for none")
    parser.add_argument("--people", type=int, default=40, help="how many at once")
    parser.add_argument("--answers", type=int, default=3, help="answers that each reads in turn, a round")
    parser.add_argument("--history", type=int, default=10, help="turns that a conversation of theirs has")
    parser.add_argument("--cores", type=int, default=2, help="that the server may use, 0 for all")
    main(parser.parse_args())
