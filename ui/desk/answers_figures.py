"""How good the answers of a span are, to look at."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from assistant.desk import answers_figures as records
from assistant.desk.answers_figures import OverTime, Quality, Thumbs
from assistant.desk.overview import HOUR
from ui.desk.answers_words import EVIDENCE
from ui.desk.charts import Format, stacked
from ui.desk.parts import NONE, Desk, count, duration, empty, html, join, money, percent, section, since, tile, tiles

TITLE = "How good answers are"
DOUBTS = {"unsupported": "In no source", "partly": "Partly in a source"}


def build(desk: Desk, tab: gr.Tab) -> None:
    """Tiles and two charts over time."""
    shown = html(elem_id="an-figures")

    async def load(span: str) -> Markup:
        base, begin = desk.assistant.records, since(span)
        quality = await records.quality(base, begin)
        evidence = await records.evidence(base, begin)
        return figures_of(quality, evidence, await records.doubts(base, begin), await records.thumbs(base, begin))

    desk.refresh(tab, load, shown)


def figures_of(quality: Quality, evidence: OverTime, doubts: OverTime, thumbs: Thumbs) -> Markup:
    """The part, as markup."""
    if not quality.answers:
        return section(
            "How good answers are", empty("Nothing was answered in this time.", "Choose a longer one above.")
        )
    return section(
        "How good answers are",
        _tiles(quality, evidence, thumbs),
        _over_time("Answers that were looked up, by evidence", evidence, EVIDENCE, count),
        _over_time("Claims without a source, per checked answer", doubts, DOUBTS, lambda value: f"{value:.2f}"),
    )


def _tiles(quality: Quality, evidence: OverTime, thumbs: Thumbs) -> Markup:
    of = {name: sum(values) for name, values in evidence.series.items()}
    judged = thumbs.up + thumbs.down
    unanswered = of.get("not_in_documents", 0)
    return tiles(
        tile("Answers", count(quality.answers)),
        tile("Not in the documents", percent(unanswered, sum(of.values())), count(unanswered)),
        tile("In no source", _rate(quality.unsupported, quality.checked), "claims per checked answer"),
        tile("With a doubted claim", percent(quality.doubted, quality.checked), f"of {count(quality.checked)} checked"),
        tile("Thumbs up", count(thumbs.up), percent(thumbs.up, judged) if judged else ""),
        tile("Thumbs down", count(thumbs.down), f"{count(thumbs.comments)} with a comment"),
        tile("First token", duration(quality.first[0]), f"95 % within {duration(quality.first[1])}"),
        tile("Whole answer", duration(quality.whole[0]), f"95 % within {duration(quality.whole[1])}"),
        tile("Cost", _costs(quality), _per_answer(quality)),
    )


def _rate(claims: int, answers: int) -> str:
    return f"{claims / answers:.2f}" if answers else NONE


def _costs(quality: Quality) -> Markup:
    paid = ((money(total, currency)) for currency, (total, _) in sorted(quality.costs.items()))
    return join(paid, " + ") or Markup(NONE)


def _per_answer(quality: Quality) -> Markup:
    each = [money(total / number, currency) for currency, (total, number) in sorted(quality.costs.items()) if number]
    return Markup("{} an answer").format(join(each, " or ")) if each else Markup("")


def _over_time(title: str, found: OverTime, names: dict[str, str], show: Format) -> Markup:
    shape = "%d %b %H:%M" if found.width == HOUR else "%d %b"
    series = {names.get(name, name): values for name, values in found.series.items() if name != "none"}
    return stacked(title, [f"{each:{shape}}" for each in found.moments], series, show=show)
