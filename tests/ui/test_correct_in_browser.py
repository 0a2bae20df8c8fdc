"""Saying on the page that a turn went the wrong way, in a real browser."""

import json
import re
import sqlite3
from typing import Any, Literal

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.serving import Serving
from tests.ui.test_chat_page import LONDON, ask, browser, page, pytestmark

__all__ = ["browser", "page", "pytestmark"]

CAP = "£165"


async def answered(page: Page, text: str) -> Locator:
    """The whole answer, and what is below it."""
    before = await page.locator("#chat .bot-row").count()
    await ask(page, text)
    await expect(page.locator("#chat .bot-row")).to_have_count(before + 1, timeout=15_000)
    return await over(page, before)


async def over(page: Page, number: int) -> Locator:
    row = page.locator("#chat .bot-row").nth(number)
    await expect(row.locator("details.route .ways")).to_have_count(1, timeout=20_000)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible(timeout=15_000)
    return row


def below(page: Page, number: int = 0) -> Locator:
    return page.locator("#chat .correct").nth(number)


def kept(server: Serving, person: str) -> list[dict[str, Any]]:
    with sqlite3.connect(server.folder / "data" / "records.db") as records:
        records.row_factory = sqlite3.Row
        rows = records.execute("select * from corrections where person = ? order by made_at", (person,))
        return [dict(row) for row in rows]


async def guest(page: Page) -> str:
    """Who the browser is, as it says itself."""
    async with page.expect_request("**/queue/join*") as sent:
        await page.evaluate(SAY, "{}")
    await page.wait_for_timeout(800)
    return str(json.loads((await sent.value).post_data or "")["data"][1][0])


SAY = """(text) => {
  const box = document.querySelector('#run :is(textarea, input)');
  box.value = text;
  box.dispatchEvent(new Event('input', { bubbles: true }));
  box.dispatchEvent(new KeyboardEvent('keypress', { key: 'Enter', bubbles: true }));
}"""


async def test_an_answer_is_made_again_in_its_place_and_can_be_taken_back(page: Page, server: Serving) -> None:
    row = await answered(page, LONDON)
    await expect(row).to_contain_text(CAP)
    bar = below(page)
    await expect(bar.locator("[id^=choices-]")).to_be_hidden()
    await bar.get_by_role("button", name="Do it another way").click()
    await expect(bar.locator("[id^=choices-] .choice")).to_have_text(["Needed no look-up", "In our voice", "Again"])
    await bar.get_by_role("button", name="Needed no look-up").click()

    await expect(row).to_contain_text("word5", timeout=15_000)
    await expect(row).not_to_contain_text(CAP)
    await expect(row.locator("details.route summary")).to_contain_text("Corrected: not looked up because you asked")
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Do it another way")).to_have_count(0)
    await over(page, 0)
    await expect(row).to_contain_text("the end.")
    await expect(page.locator("#chat .bot-row")).to_have_count(1)
    await expect(page.locator("#chat .user-row")).to_have_count(1)
    await expect(bar.locator(".stands")).to_have_text("Noted to learn from.")

    await page.reload()
    row = await over(page, 0)
    await expect(row.locator("details.route summary")).to_contain_text("Corrected: not looked up because you asked")
    await expect(row).to_contain_text("the end.")
    await expect(below(page).locator(".stands")).to_have_text("Noted to learn from.")
    person = await guest(page)
    assert [(each["verdict"], each["information"], each["text"]) for each in kept(server, person)] == [
        ("no_lookup", 0, LONDON)
    ]

    await below(page).get_by_role("button", name="Undo").click()
    await expect(below(page).locator(".stands")).to_have_count(0, timeout=10_000)
    await expect(row.locator("details.route summary")).not_to_contain_text("Corrected")
    await expect(row).to_contain_text("the end.")
    await expect(below(page).get_by_role("button", name="Do it another way")).to_be_visible()
    assert kept(server, person) == []


async def test_what_should_have_been_looked_up_is(page: Page) -> None:
    row = await answered(page, "hello")
    await below(page).get_by_role("button", name="Do it another way").click()
    await expect(below(page).locator("[id^=choices-] .choice")).to_have_text(["Should have looked it up", "Again"])
    await below(page).get_by_role("button", name="Should have looked it up").click()
    await expect(row.locator("details.route summary")).to_contain_text("Corrected: looked up", timeout=15_000)
    await over(page, 0)
    await expect(row.locator("details.route summary b")).to_have_text("Looked up")
    await expect(row.locator(".sources")).to_have_count(1)


async def test_an_earlier_answer_is_made_again_and_what_followed_stays_in_reach(page: Page, server: Serving) -> None:
    await answered(page, LONDON)
    await answered(page, "and in Paris?")
    await below(page, 0).get_by_role("button", name="Do it another way").click()
    await below(page, 0).get_by_role("button", name="In our voice").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(1, timeout=15_000)
    await over(page, 0)
    await expect(below(page, 0).locator(".stands")).to_have_text("Noted to learn from.", timeout=10_000)
    await below(page, 0).get_by_role("button", name="Previous version").click()
    await expect(page.locator("#chat .bot-row")).to_have_count(2, timeout=10_000)
    await expect(page.locator("#chat .user-row").last).to_contain_text("and in Paris?")
    assert [each["verdict"] for each in kept(server, await guest(page))] == ["in_voice"]


async def test_it_can_be_said_by_keyboard_alone_and_is_heard(page: Page) -> None:
    await answered(page, LONDON)
    toggle = below(page).get_by_role("button", name="Do it another way")
    await expect(toggle).to_have_attribute("aria-expanded", "false")
    await toggle.focus()
    await page.keyboard.press("Enter")
    await expect(toggle).to_have_attribute("aria-expanded", "true")
    await expect(below(page).get_by_role("button", name="Needed no look-up")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(toggle).to_be_focused()
    await expect(below(page).locator("[id^=choices-]")).to_be_hidden()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    answer = page.get_by_role("group", name="Answer")
    heard = page.locator("body > [role=status]")
    await expect(heard).to_have_text("Answering again.")
    await expect(answer).to_be_focused()
    await over(page, 0)
    await expect(heard).to_contain_text("Noted to learn from.", timeout=10_000)
    await expect(answer).to_be_focused()
    await below(page).get_by_role("button", name="Undo").focus()
    await page.keyboard.press("Enter")
    await expect(heard).to_have_text("Taken back.", timeout=10_000)
    await expect(toggle).to_be_focused()


async def test_a_stopped_answer_can_be_corrected_and_a_corrected_one_stopped(page: Page) -> None:
    await ask(page, "hello")
    row = page.locator("#chat .bot-row").first
    await expect(row).to_contain_text("word3", timeout=15_000)
    await expect(page.get_by_role("button", name="Do it another way")).to_have_count(0)
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(row).to_contain_text("Stopped.", timeout=10_000)
    await below(page).get_by_role("button", name="Do it another way").click()
    await below(page).get_by_role("button", name="Should have looked it up").click()
    await expect(row.locator("details.route summary b")).to_have_text("Looked up", timeout=15_000)
    await over(page, 0)
    await expect(row).not_to_contain_text("Stopped.")
    await below(page).get_by_role("button", name="Do it another way").click()
    await below(page).get_by_role("button", name="In our voice").click()
    await expect(row).to_contain_text("word3", timeout=15_000)
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(row).to_contain_text("Stopped.", timeout=10_000)
    await expect(row.locator("details.route summary")).to_contain_text("Corrected: in our voice because you asked")
    await answered(page, LONDON)


async def test_while_an_answer_is_written_nothing_can_be_said_of_the_others(page: Page) -> None:
    await answered(page, LONDON)
    await expect(page.get_by_role("button", name="Do it another way")).to_have_count(1)
    await ask(page, "hello")
    await expect(page.locator("#chat .bot-row").last).to_contain_text("word3", timeout=15_000)
    await expect(page.get_by_role("button", name="Do it another way")).to_have_count(0)
    await over(page, 1)
    await expect(page.get_by_role("button", name="Do it another way")).to_have_count(2)


async def test_turns_of_somebody_else_are_refused(page: Page, browser: Browser, server: Serving) -> None:
    row = await answered(page, LONDON)
    turn = (await row.locator(".ways").get_attribute("class") or "").split("turn-")[1]
    person = await guest(page)
    stranger = await (await browser.new_context()).new_page()
    await stranger.goto(server.url)
    await expect(stranger.locator("#box textarea")).to_be_visible(timeout=20_000)
    await ask(stranger, LONDON)
    await over(stranger, 0)
    await stranger.evaluate(SAY, json.dumps({"do": "correct", "turn": turn, "verdict": "no_lookup"}))
    await expect(stranger.get_by_text("This answer has been replaced meanwhile.")).to_be_visible(timeout=10_000)
    await expect(stranger.locator("#chat .bot-row")).to_contain_text(CAP)
    assert kept(server, person) == [] and kept(server, await guest(stranger)) == []


def call(server: Serving, function: int, *values: Any) -> str:
    """What Gradio answers to a call that no page of ours made."""
    body = {"data": values, "fn_index": function, "session_hash": "forged"}
    httpx.post(f"{server.url}/gradio_api/queue/join", json=body).raise_for_status()
    heard = ""
    with httpx.stream("GET", f"{server.url}/gradio_api/queue/data?session_hash=forged", timeout=20) as answer:
        for line in answer.iter_lines():
            heard += line
            if "process_completed" in line or "close_stream" in line:
                break
    return heard


def function(server: Serving, box: str) -> int:
    """Which of Gradio's functions is called by a box of the page."""
    config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", httpx.get(server.url).text)[1])  # type: ignore[index]
    own = next(each["id"] for each in config["components"] if each["props"].get("elem_id") == box)
    return int(next(each["id"] for each in config["dependencies"] if [own, "submit"] in each["targets"]))


@pytest.mark.parametrize("box", ["box", "run", "go", "look", "detach"])
async def test_naming_a_conversation_of_somebody_else_shows_nothing_of_it(
    page: Page, server: Serving, box: str
) -> None:
    row = await answered(page, LONDON)
    turn = (await row.locator(".ways").get_attribute("class") or "").split("turn-")[1]
    with sqlite3.connect(server.folder / "data" / "records.db") as records:
        ((conversation,),) = records.execute("select id from conversations where person = ?", (await guest(page),))
    kept = ["guest-forged", conversation, 30]
    asked: dict[str, list[dict[str, Any]]] = {
        "run": [{"do": "again"}, {"do": "edit", "text": "x"}, {"do": "correct", "verdict": "undo"}],
        "go": [{"do": "open"}, {"do": "delete"}, {"do": "show"}, {"do": "earlier"}],
        "look": [
            {"do": each, "number": 1} for each in ("passage", "neighbours", "document", "export", "rename", "pin")
        ],
        "detach": [{"file": "x"}],
    }
    for message in asked.get(box, [{}]):
        text = json.dumps({"turn": turn, "conversation": conversation, **message})
        values = {"box": ["and Paris?", "auto", None, kept], "run": [text, kept], "detach": [text, kept]}
        heard = call(server, function(server, box), *values.get(box, [text, "", kept]))
        assert "hotel" not in heard and CAP not in heard and "per night" not in heard, message
    with sqlite3.connect(server.folder / "data" / "records.db") as records:
        assert records.execute("select title from conversations where id = ?", (conversation,)).fetchall() == [
            (LONDON,)
        ]


async def test_what_the_page_did_not_offer_changes_nothing(page: Page, server: Serving) -> None:
    before = len(server.log)
    row = await answered(page, LONDON)
    turn = (await row.locator(".ways").get_attribute("class") or "").split("turn-")[1]
    odd = [{"do": "correct", "turn": turn, "verdict": "sideways"}, {"do": "correct", "turn": turn}, {"turn": turn}]
    odd += [{"do": "fly", "turn": turn}, {"do": 1, "turn": [turn]}, {"do": "edit", "turn": turn, "text": "  "}]
    for said in [*map(json.dumps, odd), turn, "", " ", "[]", "null", "{", '{"turn": "\\ud83d"}']:
        await page.evaluate(SAY, said)
    await page.wait_for_timeout(1500)
    await expect(row).to_contain_text(CAP)
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_visible()
    assert kept(server, await guest(page)) == []
    logged = server.log[before:]
    assert "Traceback" not in logged, logged


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_all_of_it_is_readable_and_within_the_window(
    page: Page, width: int, scheme: Literal["light", "dark"]
) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    await answered(page, LONDON)
    await below(page).get_by_role("button", name="Do it another way").click()
    await below(page).get_by_role("button", name="In our voice").click()
    await expect(page.locator("#chat .bot-row")).to_contain_text("word3", timeout=15_000)
    await over(page, 0)
    await below(page).get_by_role("button", name="Do it another way").click()
    for part in await page.locator("#chat .correct :is(button:enabled, span):visible").all():
        box = await part.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
        assert await part.evaluate("(each) => each.tagName === 'SPAN' || each.getBoundingClientRect().height >= 24")
        assert await part.evaluate(CONTRAST) >= 4.5
    await expect(below(page).locator("[id^=choices-] .choice").last).to_be_in_viewport()


CONTRAST = """(each) => {
  const light = (colour) => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let under = each, opacity = 1;
  for (let up = each; up; up = up.parentElement) opacity *= Number(getComputedStyle(up).opacity);
  while (under && getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
  const [one, two] = [light(getComputedStyle(each).color), light(getComputedStyle(under).backgroundColor)];
  return opacity < 1 ? 0 : (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}"""
