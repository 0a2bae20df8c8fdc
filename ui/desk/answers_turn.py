"""A turn as it was, as markup: all of it is from people, models and documents, so all of it is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from assistant.desk.answers_turn import Opened
from assistant.records.corrections import Correction
from ui import rendering
from ui.desk.answers_words import CLAIMS, TONES, evidence, short, state, thumb
from ui.desk.parts import NONE, act, badge, count, duration, empty, join, money, notice, table, utc, when
from ui.desk.routing_turns import conversation, decision, way, who

Wire = Mapping[str, Any]
VERDICTS = {"label": "labelled at the desk"}


def turn_markup(turn: Opened, box: str, back: str, value: str) -> Markup:
    """The whole turn. ``back`` is a button that says ``value`` to ``box``."""
    stored = turn.stored
    facts = join([when(stored.created_at), f"{utc(stored.created_at):%Y-%m-%d %H:%M:%S} UTC", turn.surface,
                  who(turn.person), f"turn {stored.id}"], " · ")  # fmt: skip
    parts = [
        Markup('<p class="an-facts">{} {}</p>').format(facts, state(stored.status)),
        _versions(turn, box),
        _part("Before it", conversation(turn.history)),
        Markup('<h3>Question</h3><p class="an-said" dir="auto">{}</p>').format(stored.text),
        _answer(turn),
        _said(turn),
        _claims(stored.checked or {}, stored.answer),
        Markup("<h3>Why this way</h3>{}").format(decision(stored.routed)) if stored.routed else Markup(""),
        _retrieved(stored.retrieved, stored.id),
        _ended(stored.ended),
    ]
    return Markup('<section class="part an-turn"><p>{}</p><h2 tabindex="-1" data-arrive>{}</h2>{}</section>').format(
        act(f"‹ {back}", box, value, "button"), short(stored.text, 90) or "Turn", Markup("").join(parts)
    )


def gone(box: str, value: str) -> Markup:
    """Instead of a turn whose conversation was deleted meanwhile."""
    return Markup("{}<p>{}</p>").format(
        empty("This turn is gone: its conversation was deleted."), act("‹ Back", box, value, "button")
    )


def _part(title: str, content: Markup) -> Markup:
    return Markup("<h3>{}</h3>{}").format(title, content)


def _versions(turn: Opened, box: str) -> Markup:
    others = turn.stored.siblings
    if len(others) < 2:
        return Markup("")
    each = [
        Markup("<b>{}</b>").format(number) if other == turn.stored.id else act(f"{number}", box, f"turn {other}")
        for number, other in enumerate(others, 1)
    ]
    return Markup('<p class="an-facts">Versions: {}</p>').format(join(each, " "))


def _answer(turn: Opened) -> Markup:
    stored = turn.stored
    checked = stored.checked or {}
    if not stored.answer:
        return Markup("<h3>Answer</h3>{}").format(empty("There is none."))
    numbers = {each["number"] for each in (stored.retrieved or {}).get("passages", ())}
    html = Markup(rendering.answer(stored.answer, stored.id, numbers, marks=checked.get("marks", ())))
    shown = evidence(checked.get("evidence"))
    return Markup('<h3>Answer {}</h3><div class="an-answer">{}</div>').format(shown or "", html)


def _said(turn: Opened) -> Markup:
    found = []
    if turn.feedback is not None:
        text = Markup("{} {}").format(thumb(turn.feedback.thumb, "") or "", when(turn.feedback.made_at))
        quoted = Markup('<p class="an-said" dir="auto">{}</p>').format(turn.feedback.comment)
        found.append(text + (quoted if turn.feedback.comment else Markup("")))
    if turn.correction is not None:
        found.append(_corrected(turn.correction))
    return _part("What people said of it", Markup("").join(found)) if found else Markup("")


def _corrected(correction: Correction) -> Markup:
    from assistant.desk.routing_judged import right_way

    by = VERDICTS.get(correction.verdict, "by the person")
    return Markup("<p>Should have gone: {} {} · {}</p>").format(
        badge(way(right_way(correction)), "info"), by, when(correction.made_at)
    )


def _claims(checked: Wire, answer: str) -> Markup:
    marks = [each for each in checked.get("marks", ()) if each["state"] != "supported"]
    rows = [
        [
            short(answer[each["start"] : each["end"]], 240),
            badge(CLAIMS.get(each["state"], each["state"]), TONES.get(each["state"], "")),
            each.get("why"),
            join((f"[{number}]" for number in each.get("passages", ())), " "),
        ]
        for each in marks
    ]
    listed = table("Claims", ["Claim", "Sources", "Why", "Held against"], rows, quiet=True) if rows else Markup("")
    told = [*_facts("Lost in the voice", checked.get("lost")), *_facts("Added by the voice", checked.get("added"))]
    told += _facts("Citations that were made up", checked.get("invented"))
    if not listed and not told:
        return Markup("")
    return _part("What the check says", listed + Markup("").join(told))


def _facts(title: str, found: Sequence[object] | None) -> Iterator[Markup]:
    if found:
        yield notice(Markup("{}: {}").format(title, join(found, "; ")))


def _retrieved(found: Wire | None, turn: str) -> Markup:
    if not found:
        return Markup("")
    facts = join(
        [
            Markup("searched for “{}”").format(found.get("query", "")),
            join(found.get("searched") or ["nothing"], ", "),
            f"evidence {found['evidence_score']:.2f}" if found.get("evidence_score") is not None else "evidence –",
            *(["newer first"] if found.get("fresh") else []),
        ],
        " · ",
    )
    why = Markup("").join(Markup("<li>{}</li>").format(each) for each in found.get("why") or ())
    passages = Markup("").join(_passage(each, turn) for each in found.get("passages", ()))
    return Markup('<h3>What was found</h3><p class="an-facts">{}</p><ul class="ro-why">{}</ul>{}').format(
        facts, why, passages or empty("Nothing was found.")
    )


def _passage(found: Wire, turn: str) -> Markup:
    place = [
        " › ".join(found.get("section") or ()),
        f"page {found['page']}" if found.get("page") else "",
        f"line {found['line']}" if found.get("line") else "",
        str(found.get("date") or ""),
        str(found.get("collection", "")),
        f"cosine {found.get('similarity', 0):.2f}",
    ]
    return Markup(
        '<details class="an-passage" id="cite-{}-{}"><summary>[{}] {} <small>{}</small></summary>'
        '<p class="an-said" dir="auto">{}</p></details>'
    ).format(
        turn, found["number"], found["number"], found.get("title") or found.get("document"),
        join([each for each in place if each], " · "), found.get("text", ""),
    )  # fmt: skip


def _ended(ended: Wire | None) -> Markup:
    if not ended:
        return Markup("")
    if ended.get("type") == "failed":
        return _part("Why it failed", notice(Markup("{} ({})").format(ended.get("message"), ended.get("code")), "bad"))
    timings, usage, cost = ended.get("timings") or {}, ended.get("usage") or {}, ended.get("cost")
    rows: list[list[object]] = [
        ["Model", _model(ended)],
        ["Asked before it, in vain", join(f"{each['model']} ({each['code']})" for each in ended.get("faults") or ())],
        ["Prompt version", ended.get("prompt_version")],
        ["Time", join((f"{name.replace('_', ' ')} {duration(value)}" for name, value in timings.items()), " · ")],
        ["Tokens", _tokens(usage)],
        ["Cost", money(cost["amount"], cost["currency"]) if cost else NONE],
        ["Note", ended.get("note")],
        ["Cut off", "at the model's length limit" if ended.get("cut") else None],
    ]
    shown = [row for row in rows if row[1]]
    listed = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(*row) for row in shown)
    return _part("What it took", Markup('<dl class="an-took">{}</dl>').format(listed))


def _model(ended: Wire) -> str:
    backend, model = ended.get("backend") or "", ended.get("model") or ""
    return f"{backend}: {model}" if backend and backend != model else model


def _tokens(usage: Wire) -> str:
    if not usage.get("output_tokens"):
        return ""
    about = "about " if usage.get("estimated") else ""
    cached = f", {count(usage['cached_tokens'])} of them cached" if usage.get("cached_tokens") else ""
    return f"{about}{count(usage.get('input_tokens'))} read{cached}, {count(usage['output_tokens'])} written"
