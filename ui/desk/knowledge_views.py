"""Collections, sources, documents and chunks as markup."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from markupsafe import Markup

from assistant.desk.knowledge import CollectionView, DocumentInside, DocumentPage, SourceView
from assistant.knowledge.base import Stored
from ui.desk.parts import act, badge, count, empty, join, notice, section, table, when

SHOWN_FAILURES = 50
_OUTCOMES = {
    "": ("not synced yet", ""),
    "ok": ("up to date", "good"),
    "failed": ("failed", "bad"),
    "refused": ("refused", "warn"),
}


def say(*values: object) -> str:
    """What a button sends: a verb with its values."""
    return json.dumps(values, ensure_ascii=True)


def sources(collections: Sequence[CollectionView], *, droppable: bool = True) -> Markup:
    """Every collection with its sources and what can be done with them."""
    if not any(each.sources or each.passages for each in collections):
        return empty("There are no documents yet.", "Add files here, or name sources in assistant.yaml.")
    everything = Markup('<p class="kn-all">{}</p>').format(act("Sync everything", "kn-do", say("sync"), "button"))
    return everything + Markup("").join(_collection(each, droppable) for each in collections)


def _collection(each: CollectionView, droppable: bool) -> Markup:
    about = Markup('<p class="hint">{}</p>').format(
        join(
            (
                each.name,
                f"{count(each.documents)} document{'' if each.documents == 1 else 's'}",
                f"{count(each.passages)} passage{'' if each.passages == 1 else 's'}",
                f"read by {', '.join(each.readers) or 'nobody'}",
            ),
            " · ",
        )
    )
    can = [act("Sync the collection", "kn-do", say("sync", each.name), "button")] if each.sources else []
    if droppable and all(source.origin != "settings" or source.left for source in each.sources):
        can.append(act("Delete the collection", "kn-ask", say("drop", each.name), "danger"))
    rows = [_source(source) for source in each.sources]
    heads = ("Source", "Documents", "Passages", "Last sync", "State", "")
    content = table(
        f"Sources of {each.title}", heads, rows, numbers={1, 2}, nothing="It has no source: it was left over.",
        quiet=True,
    )  # fmt: skip
    troubles = Markup("").join(_trouble(source) for source in each.sources)
    return section(each.title, about, content, troubles, Markup('<p class="kn-buttons">{}</p>').format(join(can, " ")))


def _source(source: SourceView) -> tuple[object, ...]:
    word, tone = ("left the settings", "warn") if source.left else _OUTCOMES[source.outcome]
    if source.failed and tone == "good":
        word, tone = f"{len(source.failed)} unreadable", "warn"
    name = Markup("<b>{}</b> <span class='kn-place'>{}</span>").format(
        "uploads" if source.uploads else source.kind, "Uploaded files" if source.uploads else source.location
    )
    look = act(
        _of(count(source.documents), f"documents of {source.name}"),
        "kn-open",
        say("list", source.collection, source.id),
    )
    can = []
    if not source.left:
        can.append(act(_of("Sync", source.name), "kn-do", say("sync", source.collection, source.id)))
    if source.origin != "settings" or source.left:
        can.append(act(_of("Remove", source.name), "kn-ask", say("remove", source.collection, source.id)))
    return name, look, count(source.passages), when(source.synced_at), badge(word, tone), join(can, " ")


def _trouble(source: SourceView) -> Markup:
    found = Markup("")
    if source.left:
        found += notice(f"{source.name} left the settings; its documents go with the next sync of the collection.")
    elif source.message:
        go = act("See what would be deleted", "kn-ask", say("force", source.collection, source.id))
        text = Markup("{}: {} {}").format(source.name, source.message, go if source.outcome == "refused" else "")
        found += notice(text, "warn" if source.outcome == "refused" else "bad")
    if source.failed:
        found += failures(f"{source.name}: {len(source.failed)} could not be read", source.failed)
    return found


def failures(title: str, failed: Sequence[tuple[str, str]]) -> Markup:
    """Documents with the reason why each could not be read, behind a line that opens."""
    rows = table(title, ("Document", "Why"), failed[:SHOWN_FAILURES], quiet=True)
    more = Markup("<p>and {} more</p>").format(len(failed) - SHOWN_FAILURES) if len(failed) > SHOWN_FAILURES else ""
    return Markup("<details class='kn-failed'><summary>{}</summary>{}{}</details>").format(title, rows, more)


def documents(page: DocumentPage, collection: str, deletable: bool) -> Markup:
    """A page of documents, with what leads to the others."""
    rows = [
        (
            act(each.title or each.uri, "kn-open", say("inside", collection, each.source, each.uri, 1)),
            Markup("<span class='kn-place'>{}</span>").format(each.uri),
            f"{each.modified:%Y-%m-%d}" if each.modified else None,
            join((count(each.passages), *([] if each.whole else [badge("being exchanged", "warn")])), " "),
            act(_of("Delete", each.title or each.uri), "kn-ask", say("delete", collection, each.source, each.uri))
            if deletable
            else "",
        )
        for each in page.documents
    ]
    told = f"{count(page.found)} of {count(page.total)} documents" if page.found < page.total else ""
    told = told or f"{count(page.total)} documents"
    nothing = "No document fits." if page.total else "There is no document in it."
    heads = ("Document", "Name", "Date", "Passages", "")
    shown = table(told, heads, rows, numbers={3}, nothing=nothing)
    return shown + pages(page.number, page.pages, "kn-page", str)


def pages(number: int, of: int, box: str, value: Callable[[int], str]) -> Markup:
    """Buttons to the page before and after; ``value`` is what they send of a page's number."""
    if of < 2:
        return Markup("")
    before = act("‹ Before", box, value(number - 1), "button") if number > 1 else ""
    after = act("Next ›", box, value(number + 1), "button") if number < of else ""
    return Markup('<p class="kn-buttons"><span>Page {} of {}</span> {} {}</p>').format(number, of, before, after)


def inside(found: DocumentInside, collection: str, source: str, uri: str) -> Markup:
    """A document's chunks as they are embedded."""
    chunks = Markup("").join(
        Markup(
            "<article class='kn-chunk'><h3>{} of {}</h3><p class='hint'>{}</p><p class='kn-head'>{}</p>"
            "<pre tabindex='0' aria-label='Text of passage {}'>{}</pre></article>"
        ).format(
            each.chunk.position + 1,
            each.chunk.of,
            join(
                (
                    f"{each.tokens} tokens",
                    *([f"page {each.chunk.page}"] if each.chunk.page else []),
                    *([f"line {each.chunk.line}"] if each.chunk.line else []),
                    f"characters {count(each.chunk.start)} to {count(each.chunk.end)}",
                ),
                " · ",
            ),
            each.chunk.heading,
            each.chunk.position + 1,
            each.chunk.text,
        )
        for each in found.chunks
    )
    about = Markup("<p class='hint'>{} · {} passages of at most {} tokens. The heading above each is embedded with it."
                   "</p>").format(uri, count(found.total), found.limit)  # fmt: skip
    back = Markup("<p>{}</p>").format(act("‹ All documents", "kn-open", say("list", collection, source), "button"))
    turn = pages(found.number, found.pages, "kn-open", lambda to: say("inside", collection, source, uri, to))
    return back + section(found.title, about, turn, chunks, turn)


def indexes(found: Sequence[Stored]) -> Markup:
    """The indexes that are kept, the one that is searched first."""
    uses = {"live": ("searched", "good"), "previous": ("for a rollback", "info"), "building": ("being built", "warn")}
    rows = [
        (badge(*uses.get(each.use, ("unused", ""))), count(each.chunks), each.made_with, each.name) for each in found
    ]
    can = [act("Rebuild", "kn-ask", say("rebuild"), "button")]
    if any(each.use == "previous" for each in found):
        can.append(act("Roll back", "kn-ask", say("rollback"), "danger"))
    heads = ("Use", "Passages", "Made with", "Name")
    return section(
        "Indexes",
        Markup(
            "<p class='hint'>A rebuild fills a new index beside the one that is searched and switches when it is "
            "whole; the one before is kept. It is needed after a change of embedder or chunking.</p>"
        ),
        table("Indexes that are kept", heads, rows, numbers={1}, quiet=True),
        Markup('<p class="kn-buttons">{}</p>').format(join(can, " ")),
    )


def _of(word: str, what: str) -> Markup:
    """A word on a button, with what it is about for those who hear it alone."""
    return Markup("{}<span class='unseen'> {}</span>").format(word, what)


def listed(names: Sequence[str], most: int = 20) -> Markup:
    """Names in a list, the first of many."""
    items = Markup("").join(Markup("<li>{}</li>").format(name) for name in names[:most])
    more = Markup("<li>and {} more</li>").format(count(len(names) - most)) if len(names) > most else ""
    return Markup("<ul class='kn-names'>{}{}</ul>").format(items, more)
