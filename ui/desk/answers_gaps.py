"""What the documents lack: questions without an answer by meaning, to open, to tick off and to hand on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import gradio as gr
from markupsafe import Markup

from assistant.desk.answers_turn import opened
from assistant.desk.gaps import MOST, Asked, Gap, Gaps, begin_of
from assistant.desk.gaps_export import WHY
from assistant.knowledge.embedder import EmbedderError
from ui.desk.answers_turn import gone, turn_markup
from ui.desk.answers_words import pages, short
from ui.desk.downloads import GAPS
from ui.desk.parts import QUIET, Desk, act, badge, count, empty, html, inbox, join, notice, said, since, table
from ui.desk.parts import when as ago

GO = "an-gap"
SIZE = 25
"""Gaps of a page."""
QUESTIONS = 50
"""Questions of a gap that are shown, the newest."""
FEW = 3
"""Fewer questions have no trend."""
TONES = {"not_in_documents": "bad", "partly": "warn", "missing": "warn"}


class Places:
    """The handlers of the part. ``place`` is what the page remembers: the page of the list, or the gap that is
    open."""

    def __init__(self, desk: Desk) -> None:
        self._records = desk.assistant.records
        self._gaps = Gaps(desk.assistant.records, desk.assistant.router_embedder)

    async def load(self, span: str, done: bool, mask: bool) -> tuple[Markup, str]:
        """The list from its beginning."""
        return await self._list(span, done, mask, 1), "page 1"

    async def go(self, message: str, place: str, span: str, done: bool, mask: bool) -> tuple[Markup, str]:
        """Open, tick off, open again, turn the page, read a turn, and back."""
        what, _, which = said(message).partition(" ")
        if what == "turn":
            turn = await opened(self._records, which)
            return turn_markup(turn, GO, "Back to the questions", "back") if turn else gone(GO, "back"), place
        if what == "back":
            what, _, which = place.partition(" ")
        if what == "open":
            found = await self._found(span)
            gap = next((each for each in found if any(one.turn == which for one in each.asked)), None)
            return (opened_gap(gap) if gap else gone(GO, "page 1")), f"open {which}"
        told = await self._tick(what, which, span) if what in ("done", "again") else Markup("")
        page = int(which) if what == "page" and which.isascii() and which.isdigit() and len(which) < 7 else 1
        return await self._list(span, done, mask, max(1, page), told=told, arrive=True), f"page {page}"

    async def _tick(self, what: str, which: str, span: str) -> Markup:
        gap = next((each for each in await self._found(span) if any(one.turn == which for one in each.asked)), None)
        if gap is None:
            return notice("These questions are gone: their conversations were deleted.")
        name = short(gap.name.text, 80)
        if what == "again":
            await self._gaps.open(gap)
            return notice(Markup("Open again: “{}”").format(name), "info")
        await self._gaps.done(gap)
        undo = act("Undo", GO, f"again {gap.key}")
        return notice(Markup("Done: “{}”. It comes back when somebody asks again. {}").format(name, undo), "good")

    async def _found(self, span: str) -> list[Gap]:
        return await self._gaps.found(since(span))

    async def _list(
        self, span: str, done: bool, mask: bool, page: int, *, told: Markup | None = None, arrive: bool = False
    ) -> Markup:
        try:
            every = await self._found(span)
        except EmbedderError as error:
            return notice(str(error), "bad")
        shown = [each for each in every if done or each.open]
        begin = begin_of(every, since(span))
        return (told or Markup("")) + listed(
            shown, begin, page, links(span, done, mask), len(every) - len(shown), arrive=arrive
        )


def build(desk: Desk, tab: gr.Tab) -> None:
    """The list, and what to show of it."""
    places = Places(desk)
    with gr.Row(elem_classes="an-fields an-checks"):
        done = gr.Checkbox(label="Show what is done", elem_id="an-gaps-done", container=False)
        mask = gr.Checkbox(True, label="Mask e-mail and phone in files", elem_id="an-gaps-mask", container=False)
    shown = html(elem_id="an-gaps")
    place = gr.Textbox("page 1", elem_id="an-gaps-place", label="Place in the gaps", visible="hidden")
    box = inbox(GO)
    desk.refresh(tab, places.load, [shown, place], [done, mask])
    changes = [done.input, mask.input]
    gr.on(changes, places.load, [desk.span, done, mask], [shown, place], trigger_mode="always_last", **QUIET)
    box.submit(places.go, [box, place, desk.span, done, mask], [shown, place], **QUIET)


def links(span: str, done: bool, mask: bool) -> Markup:
    """Links to the gaps, as files."""
    begin = since(span)
    asked = {"since": begin.isoformat()} if begin else {}
    asked |= {"done": "yes"} if done else {}
    asked |= {} if mask else {"mask": "no"}
    each = [
        Markup('<a href="{}.{}?{}" download>{}</a>').format(GAPS, ending, urlencode(asked), name)
        for ending, name in (("md", "Markdown"), ("csv", "CSV"))
    ]
    return Markup('<p class="an-exports">For whoever writes the documents: {}</p>').format(join(each, " · "))


def listed(
    gaps: Sequence[Gap], begin: datetime, page: int, files: Markup, hidden: int, *, arrive: bool = False
) -> Markup:
    """A page of gaps, the most asked first."""
    asked = sum(len(each.asked) for each in gaps)
    head = Markup('<h2 tabindex="-1" {}>{}</h2>').format(
        Markup("data-arrive") if arrive else "",
        f"{_many(len(gaps), 'gap')} in the documents, {_many(asked, 'question')}",
    )
    hint = f"{_many(hidden, 'gap')} done" if hidden else ""
    if not gaps:
        return head + empty("The documents answered everything in this time.", hint)
    of = -(-len(gaps) // SIZE)
    page = min(page, of)
    now = datetime.now(UTC)
    rows = [_row(each, begin, now) for each in gaps[(page - 1) * SIZE : page * SIZE]]
    heads = ["Question", "Asked", "People", "First", "Last", "Came closest", "Trend", ""]
    note = Markup('<p class="hint">{}</p>').format(hint) if hint else Markup("")
    if asked >= MOST:
        note += notice(
            f"Only the newest {count(MOST)} questions are put together. Choose a shorter time above.", "info"
        )
    return Markup('<section class="part an-list">{}{}{}{}{}</section>').format(
        head, files, note, table("Gaps", heads, rows, numbers={1, 2}, quiet=True), pages(page, of, GO)
    )


def opened_gap(gap: Gap) -> Markup:
    """A gap with its questions, the newest first."""
    closest = join((f"{title} ({similarity:.2f})" for title, similarity in gap.nearest), ", ") or "nothing"
    rows = [
        [
            Markup("{}{}").format(_before(each), act(short(each.text, 300) or "–", GO, f"turn {each.turn}")),
            ago(each.made_at),
            badge(WHY[each.why].capitalize(), TONES[each.why]),
            short(each.comment, 300) or None,
            join((title for title, _ in each.nearest), ", ") or None,
        ]
        for each in gap.asked[:QUESTIONS]
    ]
    more = len(gap.asked) - len(rows)
    heads = ["Question", "Asked", "Why", "Comment", "Came closest"]
    return Markup(
        '<section class="part an-list"><p>{} {}</p><h2 tabindex="-1" data-arrive>{}</h2><p class="an-facts">{}</p>{}{}'
        "</section>"
    ).format(
        act("‹ Back to the gaps", GO, "page 1", "button"),
        _tick(gap),
        short(gap.name.compared, 160),
        join([f"asked {_many(len(gap.asked), 'time')}", f"by {_many(gap.people, 'person', 'people')}",
              Markup("came closest: {}").format(closest)], " · "),
        table("Questions", heads, rows, quiet=True),
        Markup('<p class="hint">and {} older ones: they are in the files</p>').format(count(more)) if more > 0 else "",
    )  # fmt: skip


def _row(gap: Gap, begin: datetime, now: datetime) -> list[object]:
    name = Markup("{}{}").format(_before(gap.name), act(short(gap.name.text, 160) or "–", GO, f"open {gap.key}"))
    closest = [f"{title} ({similarity:.2f})" for title, similarity in gap.nearest]
    first, last = ago(gap.asked[-1].made_at), ago(gap.asked[0].made_at)
    trend = _trend(gap.trend(begin, now))
    return [name, count(len(gap.asked)), count(gap.people), first, last, join(closest) or None, trend, _tick(gap)]


def _before(asked: Asked) -> Markup:
    """The question before it, where it means little without."""
    if asked.compared == asked.text.strip() or not asked.before:
        return Markup("")
    return Markup("<small>after “{}”</small><br>").format(short(asked.before, 120))


def _tick(gap: Gap) -> Markup:
    what, label = ("done", "Done") if gap.open else ("again", "Open again")
    text = Markup('{}<span class="unseen">: {}</span>').format(label, short(gap.name.text, 80))
    return act(text, GO, f"{what} {gap.key}", "button")


def _trend(counts: Sequence[int]) -> Markup:
    """Bars for those who see them, a word for everybody."""
    most, half = max(counts, default=0) or 1, len(counts) // 2
    before, after = sum(counts[:half]), sum(counts[half:])
    word = "rising" if after > before else "falling" if after < before else "steady"
    word = word if before + after >= FEW else ""
    bars = Markup("").join(Markup('<i style="height:{:.0f}%"></i>').format(100 * each / most) for each in counts)
    return Markup('<span class="an-trend"><span class="an-spark" aria-hidden="true">{}</span> {}</span>').format(
        bars, word
    )


def _many(number: int, one: str, more: str = "") -> str:
    return f"{count(number)} {one if number == 1 else more or one + 's'}"
