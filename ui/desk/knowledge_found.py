"""What a question finds, and who may read what, as markup."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from assistant.desk.knowledge_access import Access, Verdict
from assistant.desk.knowledge_question import MEANINGS, Tried
from assistant.knowledge.documents import Passage
from assistant.knowledge.store import Hit
from ui.desk.parts import badge, count, empty, join, notice, percent, section, table

EXCERPT = 160
_EVIDENCE = {
    "supported": ("supported", "good"),
    "partly": ("partly", "warn"),
    "not_in_documents": ("not in the documents", "bad"),
}


def tried(found: Tried, titles: dict[str, str]) -> Markup:
    """The query, the evidence, the passages that a turn would get, and below them the lists that they come from."""
    if not found.searched:
        return notice("Nothing may be searched: see Access.", "warn")
    shown = [_evidence(found), _passages(found, titles)]
    if not found.fused:
        return Markup("").join([*shown, empty("Nothing was found.", "The collections hold no passage.")])
    lists: tuple[tuple[str, str, tuple[Hit, ...], Callable[[Hit], str]], ...] = (
        ("By meaning", "cosine of the vectors", found.dense, lambda hit: f"{hit.similarity:.3f}"),
        ("By words", "BM25", found.bm25, lambda hit: f"{hit.bm25:.2f}"),
        ("Both", "the sum that counts", found.fused, lambda hit: f"{hit.score:.3f}"),
    )
    places = {hit.chunk.id: place for place, hit in enumerate(found.fused, 1)}
    columns = Markup("").join(
        _column(name, how, [_hit(hit, score(hit), {} if hits is found.fused else places) for hit in hits])
        for name, how, hits, score in lists
    )
    return Markup("").join(
        [*shown, section("Where they come from", Markup("<div class='kn-lists'>{}</div>").format(columns))]
    )


def _evidence(found: Tried) -> Markup:
    word, tone = _EVIDENCE[found.evidence.state]
    texts = [Markup("<q>{}</q> × {}").format(text[:120], f"{weight:.2f}") for text, weight in found.terms]
    facts = [
        Markup("<p>{} {} that the passages can answer it.</p>").format(
            badge(word, tone), percent(found.evidence.score)
        ),
        Markup("<ul class='kn-names'>{}</ul>").format(
            Markup("").join(Markup("<li>{}</li>").format(why) for why in found.evidence.why)
        )
        if found.evidence.why
        else Markup(""),
        Markup("<p class='hint'>Searched: {} · in {}{}</p>").format(
            join(texts, " + ") or found.query,
            ", ".join(sorted(found.searched)),
            " · newer documents first" if found.fresh else "",
        ),
    ]
    rows = [(MEANINGS.get(name, name), f"{value:.2f}") for name, value in found.signals.items()]
    if rows:
        signals = table("What the evidence is judged by", ("Signal", "Value"), rows, numbers={1}, quiet=True)
        facts.append(Markup("<details><summary>What it is judged by</summary>{}</details>").format(signals))
    return section("Evidence", *facts)


def _passages(found: Tried, titles: dict[str, str]) -> Markup:
    if not found.passages:
        return Markup("")
    shown = Markup("").join(_passage(each, titles) for each in found.passages)
    return section("The passages that a turn would get", Markup("<ol class='kn-passages'>{}</ol>").format(shown))


def _passage(each: Passage, titles: dict[str, str]) -> Markup:
    chunk = each.chunk
    facts = [
        titles.get(chunk.collection, chunk.collection),
        chunk.document,
        *([f"page {chunk.page}"] if chunk.page else []),
        *([f"{chunk.modified:%Y-%m-%d}"] if chunk.modified else []),
        f"score {each.score:.3f}",
        f"cosine {each.similarity:.3f}",
        *([f"says the same: {', '.join(each.duplicates)}"] if each.duplicates else []),
        *([f"passage {each.newer} is newer and says otherwise"] if each.newer else []),
    ]
    return Markup(
        "<li><details><summary><b>{}</b> <span class='hint'>{}</span></summary><pre tabindex='0'>{}</pre></details>"
        "</li>"
    ).format(chunk.heading, join(facts, " · "), chunk.text)


def _column(name: str, how: str, hits: Sequence[Markup]) -> Markup:
    ranked = Markup("<ol>{}</ol>").format(Markup("").join(hits)) if hits else empty("No passage has any of the words.")
    return Markup("<div><h3>{}</h3><p class='hint'>{}</p>{}</div>").format(name, how, ranked)


def _hit(hit: Hit, score: str, places: dict[str, int]) -> Markup:
    text = " ".join(hit.chunk.text.split())
    excerpt = text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
    place = places.get(hit.chunk.id)
    return Markup("<li><b>{}</b> <span class='kn-score'>{}</span>{}<p>{}</p></li>").format(
        hit.chunk.heading, score, Markup(" <span class='hint'>{}. in both</span>").format(place) if place else "",
        excerpt,
    )  # fmt: skip


def access(found: Sequence[Access]) -> Markup:
    """Who may read each collection, and where that is said."""
    rows = [
        (
            Markup("<b>{}</b> <span class='kn-place'>{}</span>").format(each.title, each.collection),
            ", ".join(each.readers) or badge("nobody", "warn"),
            each.origin,
            ", ".join(each.surfaces) or "none",
        )
        for each in found
    ]
    heads = ("Collection", "Who may read it", "Said by", "Surfaces")
    return section("Who may read what", table("Readers of each collection", heads, rows, quiet=True))


def verdicts(found: Sequence[Verdict]) -> Markup:
    """For each collection yes or no, and why."""
    rows = [(each.collection, badge("yes", "good") if each.allowed else badge("no", "bad"), each.why) for each in found]
    may = count(sum(each.allowed for each in found))
    return table(f"{may} of {count(len(found))} may be read", ("Collection", "May read", "Why"), rows)
