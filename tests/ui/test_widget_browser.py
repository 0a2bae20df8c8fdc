"""The widget in a real browser, on a page of another origin: who may use it, what it finds, and how it looks."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, expect

from tests.serving import Serving
from tests.ui.test_accessible import LEVELS
from tests.ui.test_chat_page import pytestmark
from tests.ui.widget_host import BONUS, LONDON, SCRIPT, Host, Widget, browsing, embedded, hosting

__all__ = ["pytestmark"]
HELP = '<script src="{server}/widget.js" data-surface="help" async></script>'
HEARD = "(names) => { window.told = []; names.forEach((name) => Switchyard.on(name, (it) => told.push([name, it]))); }"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, Serving]]:
    with hosting() as host, embedded(tmp_path_factory.mktemp("embedded"), host) as server:
        yield host, server


@pytest.fixture
def host(place: tuple[Host, Serving]) -> Host:
    """The portal as it is at first, whatever the test before made of it."""
    fresh = Host(place[0].port, place[0].server)
    for name in Host.__dataclass_fields__:
        setattr(place[0], name, getattr(fresh, name))
    return place[0]


@pytest.fixture
def server(place: tuple[Host, Serving]) -> Serving:
    return place[1]


@pytest.fixture
async def context() -> AsyncIterator[BrowserContext]:
    async with browsing() as context:
        yield context
        assert await context.cookies() == []


async def on(context: BrowserContext, host: Host, url: str = "") -> Page:
    """The portal's page; whatever goes wrong in it or in the frame is kept in ``page.wrong``."""
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.wrong = wrong  # type: ignore[attr-defined]
    await page.goto(url or host.url)
    return page


def quiet(page: Page) -> None:
    assert page.wrong == []  # type: ignore[attr-defined]


async def opened(context: BrowserContext, host: Host) -> tuple[Page, Widget]:
    page = await on(context, host)
    widget = Widget(page)
    await widget.open()
    return page, widget


async def until(page: Page, true: str) -> None:
    """Wait for an expression; Playwright's own way needs a page that allows eval."""
    async with asyncio.timeout(30):
        while not await page.evaluate(true):
            await asyncio.sleep(0.05)


async def test_open_ask_read_the_source_rate_and_come_back(context: BrowserContext, host: Host) -> None:
    page, widget = await opened(context, host)
    await widget.frame.get_by_role("button", name=LONDON).click()
    await expect(widget.answer).to_contain_text("£165", timeout=20_000)
    await expect(widget.turns.last.locator("details.route summary")).to_contain_text("Looked up")
    await expect(widget.frame.locator("#send")).to_be_visible()
    before = "all => all.map((each) => each.previousSibling?.data ?? '').filter((text) => text.endsWith(' '))"
    assert await widget.answer.locator("a.cite").evaluate_all(before) == []  # no line begins with a lone [1]
    await widget.answer.locator("a.cite").first.click()
    sheet = widget.frame.locator("#sheet")
    await expect(sheet).to_be_visible()
    await expect(sheet).to_contain_text("Travel and expenses")
    await expect(sheet.locator("mark.strong", has_text="£165").first).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(sheet).to_be_hidden()
    thumb = widget.turns.last.get_by_role("button", name="Good answer")
    await thumb.click()
    await expect(thumb).to_have_attribute("aria-pressed", "true")
    await page.reload()
    await widget.open()
    await expect(widget.answer).to_contain_text("£165", timeout=15_000)
    again = widget.turns.last.get_by_role("button", name="Good answer")
    await expect(again).to_have_attribute("aria-pressed", "true")
    quiet(page)


async def test_a_long_conversation_comes_in_parts(context: BrowserContext, host: Host, server: Serving) -> None:
    host.sub = "long"
    page, widget = await opened(context, host)
    async with page.expect_response(lambda each: each.url.endswith("/api/v1/chat")) as chat:
        await widget.ask(LONDON)
    headers = {"Authorization": (await (await chat.value).request.all_headers())["authorization"]}
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1", headers=headers, timeout=60) as program:
        (known,) = (await program.get("/conversations")).json()["conversations"]
        for number in range(2, 36):
            body = {"message": f"{LONDON} ({number})", "conversation": known["id"], "route": "retrieve"}
            assert "event: finished" in (await program.post("/chat", json=body)).text
    await page.reload()
    await widget.open()
    await expect(widget.turns).to_have_count(30, timeout=15_000)
    await expect(widget.turns.first).to_contain_text("(6)")
    await widget.frame.locator("#earlier").click()
    await expect(widget.turns).to_have_count(35, timeout=15_000)
    await expect(widget.frame.locator("#earlier")).to_be_hidden()
    for number in (2, 5, 6, 35):
        await expect(widget.turns.nth(number - 1)).to_contain_text(f"({number})")
    quiet(page)


async def test_the_groups_of_the_token_decide_what_is_found(context: BrowserContext, host: Host) -> None:
    page, widget = await opened(context, host)
    await widget.ask(BONUS)
    await expect(widget.turns.last).to_contain_text("4,711")
    host.sub, host.groups = "max", ()
    other, stranger = await opened(context, host)
    await stranger.ask(BONUS)
    await expect(stranger.turns.last).not_to_contain_text("4,711")
    await expect(stranger.turns.last).not_to_contain_text("Harvest team")
    quiet(page)
    quiet(other)


async def test_somebody_else_finds_nothing_of_what_was_said(context: BrowserContext, host: Host) -> None:
    host.sub = "eve"
    page, widget = await opened(context, host)
    await widget.ask(LONDON)
    host.sub = "mallory"
    await page.reload()
    await widget.open()
    await widget.frame.get_by_role("button", name="Conversations").click()
    await expect(widget.frame.locator("#list")).to_contain_text("Your conversations will be listed here.")
    await expect(widget.turns).to_have_count(0)
    quiet(page)


async def test_a_token_is_renewed_in_mid_conversation(context: BrowserContext, host: Host) -> None:
    host.seconds, host.sub = 4, "renewed"
    page, widget = await opened(context, host)
    await widget.ask(LONDON)
    before = host.tokens
    await page.wait_for_timeout(6000)
    assert host.tokens > before
    host.seconds = 300
    await widget.ask("And in Paris?")
    await expect(widget.turns).to_have_count(2)
    await expect(widget.turns.locator(".failed")).to_have_count(0)
    quiet(page)


async def test_a_token_that_is_refused_is_asked_for_anew(context: BrowserContext, host: Host) -> None:
    host.sub, host.stale = "refused", 1
    _, widget = await opened(context, host)
    await widget.ask(LONDON)
    await expect(widget.answer).to_contain_text("£165")
    assert host.tokens >= 2
    host.stale = 1000
    await widget.page.reload()
    await widget.open()
    before = host.tokens
    await widget.ask(LONDON)
    await expect(widget.turns.last).to_contain_text("token was not accepted")
    assert host.tokens - before <= 8  # and not for ever


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_site_that_is_not_listed_gets_words_and_a_way_out(host: Host, width: int) -> None:
    async with browsing(viewport={"width": width, "height": 760}) as context:
        page = await on(context, host, host.elsewhere)
        await until(page, "Boolean(window.Switchyard?.get)")
        await page.evaluate(HEARD, ["error"])
        bubble, leave = (page.get_by_role("button", name=name) for name in ("Ask the assistant", "Close"))
        await bubble.click()
        await expect(leave).to_be_focused()
        await expect(page.get_by_role("alert")).to_contain_text("The assistant cannot be reached.")
        told = {"surface": "portal", "code": "unreachable", "message": "The assistant cannot be reached."}
        assert await page.evaluate("told") == [["error", told]]
        assert not await page.frames[-1].locator("#box").count()
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("alert")).to_contain_text("The assistant cannot be reached.")
        await leave.click()
        await expect(leave).to_be_hidden()
        await expect(bubble).to_be_focused()
        refused = [each for each in page.wrong if "frame-ancestors" in each]  # type: ignore[attr-defined]
        assert refused, page.wrong  # type: ignore[attr-defined]


FAULTS = {
    "nobody": ((401, "{}"), "Please sign in to this site", "sign_in"),
    "empty": ((200, '{"token": ""}'), "Please sign in to this site", "sign_in"),
    "broken": ((500, "oops"), "This site could not say who you are", "token"),
    "page": ((200, "<!doctype html>"), "This site could not say who you are", "token"),
    "secret": (None, "token was not accepted", "token_refused"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_wrong_with_a_token_is_told_apart(context: BrowserContext, host: Host, fault: str) -> None:
    host.answers, says, code = FAULTS[fault]
    host.secret = "another secret, as long as the right one is"
    page, widget = await opened(context, host)
    await page.evaluate(HEARD, ["error"])
    await widget.ask(LONDON)
    await expect(widget.turns.last).to_contain_text(says)
    told = [error for _, error in await page.evaluate("told")]
    assert told and all(each["code"] == code and says in each["message"] for each in told)


@pytest.mark.parametrize("then", ["Switchyard.signOut()", 'Switchyard.setUser({tokenUrl: "/token"})'])
async def test_nothing_is_left_of_the_last_reader(context: BrowserContext, host: Host, then: str) -> None:
    host.sub = f"leaving {len(then)}"
    page, widget = await opened(context, host)
    await widget.ask(LONDON)
    frame = next(each for each in page.frames if "/widget/" in each.url)
    await expect(widget.frame.locator("#aloud")).to_contain_text("£165")
    assert "|" not in await widget.frame.locator("#aloud").inner_text()
    await widget.frame.get_by_role("button", name="Conversations").click()
    await expect(widget.frame.locator("#list li")).to_have_count(1)
    await page.keyboard.press("Escape")
    await widget.answer.locator("a.cite").first.click()
    await expect(widget.frame.locator("#sheet")).to_be_visible()
    await widget.box.evaluate("each => { each.value = 'a secret draft' }")
    host.sub = "the next"
    await page.evaluate(then)
    await expect(widget.turns).to_have_count(0)
    await page.wait_for_timeout(200)
    left = await frame.evaluate("document.body.textContent + document.querySelector('#box').value")
    assert "£165" not in left and "draft" not in left and "Travel" not in left
    assert not [
        each for each in await page.evaluate("Object.values(sessionStorage)") if "open" in each and '""' not in each
    ]
    await expect(widget.frame.locator("#sheet")).to_be_hidden()


async def test_how_long_to_wait_is_in_view_and_in_words(context: BrowserContext, host: Host) -> None:
    host.body, host.lang = HELP.replace("help", "few"), "de"
    page = await on(context, host)
    await page.get_by_role("button", name="Den Assistenten fragen").click()
    widget = Widget(page)
    await widget.ask(LONDON)
    await widget.frame.locator("#log").evaluate("each => { each.scrollTop = 0 }")
    await widget.ask(BONUS)
    await expect(widget.turns.last).to_contain_text(re.compile("in\u00a02[45]\u00a0Stunden"))
    for each in (widget.turns.last.locator(".failed"), widget.turns.last.locator(".retry")):
        await expect(each).to_be_in_viewport(ratio=1)


async def test_the_bubble_has_the_accent_of_its_surface(context: BrowserContext, host: Host) -> None:
    host.body = HELP
    page, _ = await opened(context, host)
    shade = "getComputedStyle(document.body.lastElementChild.shadowRoot.querySelector('button')).backgroundColor"
    await until(page, f"{shade} === 'rgb(180, 83, 9)'")
    await page.reload()
    await until(page, "Boolean(window.Switchyard?.get)")
    assert await page.evaluate(shade) == "rgb(180, 83, 9)"


async def test_its_pages_are_not_framed_in_full_nor_by_others(context: BrowserContext, host: Host) -> None:
    host.policies = {"require-trusted-types-for": "", "script-src": "'unsafe-inline'"}
    for path in ("/widget/portal/full", "/", "/desk/", "/widget/none"):
        host.body = '<iframe src="{server}' + path + '"></iframe>'
        page = await on(context, host)
        await page.wait_for_timeout(300)
        inside = page.frames[-1]
        assert inside.url.startswith("chrome-error:") or not await inside.locator("body *").count(), path
        await page.close()


async def test_messages_of_others_are_not_listened_to(context: BrowserContext, host: Host, server: Serving) -> None:
    host.sub = "victim"
    page, widget = await opened(context, host)
    await widget.ask(LONDON)
    frame = next(each for each in page.frames if "/widget/" in each.url)
    hostile: list[object] = [
        {"switchyard": 1, "type": "__proto__"},
        {"switchyard": 1, "type": "constructor"},
        {"switchyard": 1, "type": "look", "accent": "red;background:url(//evil.example)", "theme": "__proto__"},
        {"switchyard": 1, "type": "context", "fields": '{"__proto__": {"polluted": "yes"}, "constructor": 1}'},
        {"switchyard": 1, "type": "context", "fields": '[1,2]', "url": ["x"]},
        {"switchyard": 1, "type": "ask", "text": 7},
        {"switchyard": "1", "type": "ask", "text": "not ours", "send": True},
        {"type": "ask", "text": "not ours", "send": True},
        "ask", None, 7, [],
    ]  # fmt: skip
    await page.evaluate(
        """([all, to]) => {
          const inside = [...document.querySelectorAll('div')].map((each) => each.shadowRoot?.querySelector('iframe'));
          const frame = inside.find(Boolean);
          all.forEach((each) => frame.contentWindow.postMessage(each, to));
          frame.contentWindow.postMessage(JSON.parse('{"switchyard":1,"type":"context","__proto__":{"url":"x"}}'), to);
        }""",
        [hostile, server.url],
    )
    await page.wait_for_timeout(300)
    assert await frame.evaluate("[{}.polluted, Object.prototype.url, document.querySelector('#box').value]") == [
        None, None, "",
    ]  # fmt: skip
    await expect(widget.turns).to_have_count(1)
    # and the loader believes our frame alone
    await page.evaluate(HEARD, ["answer", "close", "token"])
    await page.evaluate(
        """() => {
          const forged = {switchyard: 1, type: "event", name: "answer", text: "forged"};
          const more = [{switchyard: 1, type: "close"}, {switchyard: 1, type: "need-token", refused: true}];
          for (const data of [...more, forged])
            window.postMessage(data, location.origin);
        }"""
    )
    await page.wait_for_timeout(300)
    assert await page.evaluate("told") == []
    await expect(widget.box).to_be_visible()


async def test_who_opens_it_in_a_window_is_not_its_host(context: BrowserContext, host: Host, server: Serving) -> None:
    """No policy of ours keeps a site from that, and it has a handle on the window."""
    for url in (host.url, host.elsewhere):
        page = await on(context, host, url)
        async with page.expect_popup() as opening:
            await page.evaluate("to => { window.theirs = window.open(to) }", f"{server.url}/widget/portal")
        window = await opening.value
        await expect(window.locator("#box")).to_be_visible()
        forged = [
            {"switchyard": 1, "type": "hello", "identified": True},
            {"switchyard": 1, "type": "token", "token": host.token()},
            {"switchyard": 1, "type": "ask", "text": "forged", "send": True},
            {"switchyard": 1, "type": "want"},
            {"switchyard": 1, "type": "have", "token": host.token()},
        ]
        await page.evaluate(
            """(all) => {
              window.heard = [];
              addEventListener("message", ({data}) => heard.push(data));
              all.forEach((each) => theirs.postMessage(each, "*"));
            }""",
            forged,
        )
        await page.wait_for_timeout(400)
        assert await page.evaluate("heard") == []
        assert await window.locator("#box").input_value() == ""
        await expect(window.locator("article.turn")).to_have_count(0)
        await window.close()


async def test_the_host_is_told_and_may_ask(context: BrowserContext, host: Host) -> None:
    host.sub = "scripted"
    page = await on(context, host)
    await until(page, "Boolean(window.Switchyard?.get)")
    await page.evaluate(HEARD, ["open", "ask", "answer", "close"])
    await page.evaluate("text => Switchyard.ask(text)", LONDON)
    await until(page, "told.some(([name]) => name === 'answer')")
    await page.evaluate("Switchyard.close()")
    told = dict(await page.evaluate("told"))
    assert list(told) == ["open", "ask", "answer", "close"]
    assert told["ask"]["text"] == LONDON
    assert "£165" in told["answer"]["text"] and told["answer"]["route"] == "retrieve"
    assert told["answer"]["surface"] == "portal" and told["answer"]["sources"] >= 1
    assert "per room, per night" not in json.dumps(told)  # no passage
    quiet(page)


async def test_an_answer_can_be_stopped_and_had_again(context: BrowserContext, host: Host) -> None:
    host.sub = "stopper"
    page, widget = await opened(context, host)
    await widget.box.fill("Hello there, how are you?")
    await widget.box.press("Enter")
    await expect(widget.answer).to_contain_text("word5", timeout=15_000)
    await widget.frame.locator("#stop").click()
    await expect(widget.turns.last).to_contain_text("Stopped.")
    text = await widget.answer.inner_text()
    await page.wait_for_timeout(400)
    assert await widget.answer.inner_text() == text and "the end" not in text
    await widget.turns.last.get_by_role("button", name="Try again").click()
    await expect(widget.answer).to_contain_text("the end.", timeout=20_000)
    quiet(page)


async def test_guests_have_a_history_of_their_own(context: BrowserContext, host: Host) -> None:
    host.body = HELP
    page, widget = await opened(context, host)
    await widget.ask(LONDON)
    await expect(widget.answer).to_contain_text("£165")
    assert host.tokens == 0
    await page.reload()
    await widget.open()
    await expect(widget.answer).to_contain_text("£165", timeout=15_000)
    async with browsing() as elsewhere:
        other, stranger = await opened(elsewhere, host)
        await expect(stranger.turns).to_have_count(0)
        await other.wait_for_timeout(300)
        await expect(stranger.turns).to_have_count(0)
    quiet(page)


async def test_nobody_without_a_token_where_guests_are_not_let_in(context: BrowserContext, host: Host) -> None:
    host.body = HELP.replace("help", "portal")
    _, widget = await opened(context, host)
    await widget.ask(LONDON)
    await expect(widget.turns.last).to_contain_text("Please sign in to this site")
    await expect(widget.turns.last).not_to_contain_text("£165")


async def test_two_surfaces_on_a_page_one_of_them_inline(context: BrowserContext, host: Host) -> None:
    host.body = SCRIPT + '<div data-switchyard data-surface="help"></div>'
    page = await on(context, host)
    inline, bubble = Widget(page, 0), Widget(page, 1)
    await expect(inline.box).to_be_visible(timeout=15_000)
    await page.get_by_role("button", name="Ask the assistant").click()
    await expect(bubble.box).to_be_visible(timeout=15_000)
    found = [each for each in page.frames if "/widget/" in each.url]
    assert sorted(each.url.split("/widget/")[1].partition("?")[0] for each in found) == ["help", "portal"]
    await inline.ask(LONDON)
    await expect(inline.answer).to_contain_text("£165")
    await expect(bubble.turns).to_have_count(0)
    await expect(inline.frame.get_by_role("heading", name="Help")).to_be_visible()
    quiet(page)


async def test_it_opens_in_a_tab_of_its_own_as_the_same_person(context: BrowserContext, host: Host) -> None:
    host.sub = "tabbed"
    _, widget = await opened(context, host)
    await widget.ask(LONDON)
    async with context.expect_page() as opening:
        await widget.frame.get_by_role("button", name="Open in a new tab").click()
    tab = await opening.value
    await expect(tab.locator("article.turn .answer")).to_contain_text("£165", timeout=15_000)
    await tab.locator("#box").fill("And in Paris?")
    await tab.locator("#box").press("Enter")
    await expect(tab.locator("article.turn")).to_have_count(2)
    await expect(tab.locator("#send")).to_be_visible(timeout=20_000)
    await expect(tab.locator("article .failed")).to_have_count(0)


async def test_german_and_dark_as_the_host_is(context: BrowserContext, host: Host) -> None:
    host.lang, host.html_class, host.sub = "de", "dark", "deutsch"
    page = await on(context, host)
    await page.get_by_role("button", name="Den Assistenten fragen").click()
    widget = Widget(page)
    await expect(widget.frame.locator("html[lang=de].dark")).to_have_count(1, timeout=15_000)
    await widget.ask("Wie hoch ist die Hotelobergrenze in London?")
    await expect(widget.turns.last.locator("details.route summary")).to_contain_text("Nachgeschlagen")
    shade = await widget.frame.locator("body").evaluate("each => getComputedStyle(each).backgroundColor")
    assert sum(map(int, shade[shade.index("(") + 1 : -1].split(",")[:3])) < 200
    await page.evaluate("document.documentElement.className = ''")
    await expect(widget.frame.locator("html.dark")).to_have_count(0)
    quiet(page)


@pytest.mark.parametrize("width", [1280, 390])
async def test_axe_finds_nothing(host: Host, width: int) -> None:
    wrong = []
    async with browsing(viewport={"width": width, "height": 760}, reduced_motion="reduce") as context:
        for theme in ("light", "dark"):
            host.html_class, host.sub = theme, f"axe-{theme}-{width}"
            page, widget = await opened(context, host)
            await page.wait_for_timeout(200)
            states = {"open": None, "answered": LONDON, "not found": "Who won the chess cup of 1911 in Perth?"}
            for state, question in states.items():
                if question:
                    await widget.ask(question)
                wrong += await violations(page, f"{state}, {theme}, {width}")
            await widget.turns.first.locator("a.cite").first.click()
            await expect(widget.frame.locator("#sheet")).to_be_visible()
            wrong += await violations(page, f"source, {theme}, {width}")
            await page.keyboard.press("Escape")
            await widget.frame.get_by_role("button", name="Conversations").click()
            await expect(widget.frame.locator("#list li")).to_have_count(1)
            wrong += await violations(page, f"list, {theme}, {width}")
            moving = "() => document.getAnimations().filter((each) => each.playState === 'running').length"
            assert await page.frames[-1].evaluate(moving) == 0
            await page.close()
    assert wrong == []


async def violations(page: Page, state: str) -> list[str]:
    """What axe finds in the page and in the widget's frame, which it is put into."""
    found = []
    script = Axe().axe_script
    for frame in page.frames:
        await frame.evaluate(script)
        options = {"runOnly": LEVELS, "resultTypes": ["violations"], "iframes": False}
        result = await frame.evaluate("(options) => axe.run(document, options)", options)
        for each in result["violations"]:
            found.append(f"{state}: {each['id']} {[node['html'][:160] for node in each['nodes'][:3]]}")
    return found


async def test_on_a_phone_it_fills_the_screen(host: Host) -> None:
    host.sub = "phone"
    phone = {"viewport": {"width": 390, "height": 760}, "has_touch": True, "is_mobile": True}
    async with browsing(**phone) as context:
        page, widget = await opened(context, host)
        box = None
        until = time.monotonic() + 5
        while (box is None or box["y"]) and time.monotonic() < until:  # it slides in
            box = await page.locator("iframe").bounding_box()
        assert box and (box["width"], box["x"], box["y"]) == (390, 0, 0) and box["height"] >= 740
        await widget.ask(LONDON)
        frame = page.frames[-1]
        assert await frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await widget.frame.get_by_role("button", name="Close").click()
        await expect(page.get_by_role("button", name="Ask the assistant")).to_be_visible()
        quiet(page)


async def test_a_server_that_dies_is_told_in_words(tmp_path: Path) -> None:
    with hosting() as host, embedded(tmp_path, host) as server:
        async with browsing() as context:
            _, widget = await opened(context, host)
            await widget.box.fill("Hello there, how are you?")
            await widget.box.press("Enter")
            await expect(widget.answer).to_contain_text("word3", timeout=15_000)
            server.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(server.process.wait)
            broke = widget.frame.get_by_text("The connection broke off before the answer was whole.")
            await expect(broke.first).to_be_visible(timeout=10_000)
            await expect(widget.answer).to_contain_text("word3")
            await widget.turns.last.get_by_role("button", name="Try again").click()
            await expect(widget.frame.get_by_text("The assistant cannot be reached.").first).to_be_visible()
            await expect(widget.turns.last.get_by_role("button", name="Try again")).to_be_visible()
