"""Sees whatever comes to life on a page that only shows words: what runs, what leaves, and what should not be there."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Frame, Page

from tests.security.hostile import CORPUS

PLACES = (
    "#list, #pane, #told, #files, #words, #chat [data-testid=bot], #chat [data-testid=user], #chat .correct, .menu, "
    "body > .toast, .toast-text, .toast-title, .html, .answer"
)
"""Where the pages put what comes from people, models and documents."""
OWN = 'form.edit-form, textarea.comment, input.conv-name, .edit-form textarea, form[action="leave"], svg.square'
"""What our own scripts and the desk put there."""
GRADIOS = ":is(#list, #pane, #told, #files, #words, #kn-note) > [data-testid=status-tracker], head > base[href='./']"
"""What Gradio puts beside them."""
INSIDE = "title, path, circle, text, line, g"
"""What a chart of ours is drawn with."""
SCRIPT = """([places, own, gradios, inside]) => {
  const found = (kind, what) => window.foundByWatcher(kind, String(what).slice(0, 300));
  const FORBIDDEN = new Set(`script iframe frame frameset object embed applet base meta link style form svg math img
    image picture source video audio track portal fencedframe template marquee canvas input select textarea noscript
    dialog plaintext xmp listing title body html head slot animate set use foreignobject`.split(/\\s+/));
  const ADDRESSES = new Set(['href', 'xlink:href', 'src', 'srcset', 'action', 'formaction', 'data', 'poster',
    'background', 'ping', 'manifest', 'srcdoc', 'codebase', 'cite', 'values', 'to']);
  const short = (element) => element.outerHTML.slice(0, 160);
  const address = (element, name, value, inPlace) => {
    if (name === 'srcdoc' || name === 'ping') { found('element', short(element)); return; }
    let url;
    try { url = new URL(value, document.baseURI); } catch { found('address', short(element)); return; }
    if (['javascript:', 'vbscript:'].includes(url.protocol)) found('address', short(element));
    if (inPlace && !['http:', 'https:', 'mailto:', 'blob:'].includes(url.protocol)) found('address', short(element));
    const away = ['http:', 'https:'].includes(url.protocol) && url.origin !== location.origin;
    const link = element.localName === 'a' && name === 'href';
    if (away && !link) found('address', short(element));
    if (away && link && inPlace && !/noopener/.test(element.rel)) found('address', short(element));
  };
  const check = (element, within) => {
    if (element.matches(gradios)) return;
    const inPlace = within || element.parentElement?.closest(places) != null;
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) found('handler', short(element));
      if (ADDRESSES.has(name.toLowerCase())) address(element, name.toLowerCase(), value, inPlace);
      const painted = /url\\s*\\(|@import|position|image-set/i.test(value);
      if (inPlace && name === 'style' && painted) found('style', short(element));
    }
    const drawn = element.closest('svg.square') && element.matches(inside);
    const bad = FORBIDDEN.has(element.localName) || element.localName.includes('-');
    if (inPlace && bad && !drawn && !element.matches(own)) found('element', short(element));
    if (element.matches('iframe, object, embed, frame, base, portal, fencedframe')) found('element', short(element));
    if (element.localName === 'meta' && /refresh|policy/i.test(element.httpEquiv)) found('element', short(element));
  };
  const all = (node, within) => {
    if (node.nodeType !== 1) return;
    [node, ...node.querySelectorAll('*')].forEach((each) => check(each, within && !node.matches(gradios)));
  };
  window.pwn = (...what) => found('ran', what.join());
  document.addEventListener('securitypolicyviolation', (event) =>
    found('violation', `${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  new MutationObserver((changes) => changes.forEach((change) => {
    if (change.type === 'attributes') { if (change.target.isConnected) check(change.target); return; }
    const within = change.target.closest?.(places) != null;
    change.addedNodes.forEach((node) => all(node, within));
  })).observe(document, { childList: true, subtree: true, attributes: true });
}"""
"""Runs in every frame before anything else does; it sees also what is there for a moment only."""

OPEN = "(where) => document.querySelectorAll(`${where} details:not([open])`).forEach((each) => { each.open = true })"
TEXTS = "(all) => all.map((each) => each.innerText.replace(/[\\s\\x85]+/g, ' ').trim())"
FORGED = """() => [
  ...document.querySelectorAll('#chat .message :is([data-do], [data-file], [data-words], [data-told], [data-to])'),
  ...document.querySelectorAll('#chat [data-testid] :is([id], [name], form, button:not(.copy-code))'),
  ...document.querySelectorAll('#chat .said *:not(br)'),
  ...document.querySelectorAll('#chat .answer :is(.about, .open-source, .card, .route, .way, .src, .act)'),
  ...document.querySelectorAll('#chat .quote :is(a, [class]:not(mark, span.line, pre))'),
  ...[...document.querySelectorAll('#chat [data-testid] a')].filter((each) =>
    !/^#cite-[\\w-]+$/.test(each.getAttribute('href')) && !/noopener/.test(each.rel)),
].map((each) => each.outerHTML.slice(0, 200))"""
"""What only we may make, where only words may be."""


@dataclass
class Watch:
    """What was found on the pages of a browser context: ``kind: what``."""

    origin: str
    found: list[str] = field(default_factory=list)

    @property
    def _places(self) -> set[tuple[str, str]]:
        return {(self.origin, path) for path in ("/", "/desk/", "/desk/enter")}

    @property
    def kinds(self) -> set[str]:
        """What sorts of things were found."""
        return {each.partition(":")[0] for each in self.found}

    def add(self, kind: str, what: str) -> None:
        """Note it."""
        self.found.append(f"{kind}: {what}")

    def follow(self, page: Page) -> None:
        """See what this page does."""
        page.on("dialog", self._dialog)
        page.on("popup", lambda opened: self.add("popup", opened.url))
        page.on("pageerror", lambda error: self.add("error", str(error)))
        page.on("console", self._said)
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self.add("outside", socket.url))
        page.on("framenavigated", self._went)
        page.on("frameattached", lambda frame: self.add("frame", frame.url))
        page.on("download", lambda download: self.add("download", download.url))

    async def _dialog(self, dialog: Dialog) -> None:
        self.add("dialog", dialog.message)
        await dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.add("console", message.text)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.add("outside", url)

    def _went(self, frame: Frame) -> None:
        parts = urlsplit(frame.url)
        if frame.url != "about:blank" and (f"{parts.scheme}://{parts.netloc}", parts.path) not in self._places:
            self.add("navigation", frame.url)


async def watch(context: BrowserContext, origin: str) -> Watch:
    """Watch every page that is opened in this context from now on."""
    watching = Watch(origin)
    await context.expose_function("foundByWatcher", watching.add)
    await context.add_init_script(f"({SCRIPT})({json.dumps([PLACES, OWN, GRADIOS, INSIDE])})")
    context.on("page", watching.follow)
    return watching


async def seen(page: Page, where: str, least: int) -> None:
    """So many strings of the corpus stand there at least, as text."""
    await page.wait_for_timeout(300)
    await page.evaluate(OPEN, "body")

    async def count() -> int:
        text = " ".join(await page.locator(where).all_inner_texts())
        return sum(each.mark in text for each in CORPUS)

    for _ in range(40):
        if await count() >= least:
            return
        await page.wait_for_timeout(250)
    raise AssertionError(f"{await count()} of {least} in {where}")


async def tabs(page: Page, within: str) -> AsyncGenerator[str]:
    """Each tab of a tab, opened."""
    found = page.locator(f"{within} [role=tab]").filter(visible=True)
    for name in await found.all_inner_texts():
        await found.filter(has_text=name).first.click()
        await page.wait_for_timeout(300)
        yield name
