"""Charts as markup of ours: Gradio's plots evaluate strings (Vega), so with this page's policy they stay empty
(Gradio 6.31 in Chromium 156: an error and no canvas).

Every chart is a figure with its figures as a table below it. Colours are ``--c1`` to ``--c6`` of desk.css.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from ui.desk.parts import count, empty, percent, table

Format = Callable[[float], str]
COLOURS = 6
LABELS = 6
"""Labels below an axis; on a narrow page every other one of them."""


def stacked(
    title: str,
    moments: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    show: Format = count,
    nothing: str = "Nothing in this time.",
) -> Markup:
    """Bars over time, a colour for each series, the first at the bottom. Every series is as long as ``moments``."""
    totals = [sum(each[place] for each in series.values()) for place in range(len(moments))]
    top = max(totals, default=0)
    if not top:
        return _figure(title, empty(nothing))
    columns = Markup("").join(
        _column(moment, place, series, top, show, _labelled(place, len(moments)))
        for place, moment in enumerate(moments)
    )
    plot = Markup('<div class="plot" aria-hidden="true"><span class="top">{}</span>{}</div>').format(show(top), columns)
    rows = [
        [moment, *(show(each[place]) for each in series.values())]
        for place, moment in enumerate(moments)
        if totals[place]
    ]
    numbers = range(1, len(series) + 1)
    return _figure(title, _legend(list(series)) + plot, table(title, ["When", *series], rows, numbers=numbers))


def _column(
    moment: str, place: int, series: Mapping[str, Sequence[float]], top: float, show: Format, label: str
) -> Markup:
    said = f"{moment}: " + ", ".join(f"{name} {show(each[place])}" for name, each in series.items())
    pieces = Markup("").join(
        Markup('<i class="c{}" style="height:{:.2f}%"></i>').format(number % COLOURS + 1, 100 * each[place] / top)
        for number, each in enumerate(series.values())
        if each[place]
    )
    return Markup(
        '<div class="col" title="{}"><div class="stack">{}</div><span class="tick {}">{}</span></div>'
    ).format(said, pieces, label, moment if label else "")


def _labelled(place: int, length: int) -> str:
    """Whether a moment's label is shown: empty, ``wide`` (only where there is room) or ``always``."""
    every = max(1, -(-length // LABELS))
    if place % every:
        return ""
    return "wide" if (place // every) % 2 else "always"


def _legend(names: Sequence[str]) -> Markup:
    items = Markup("").join(
        Markup('<li><i class="c{}"></i>{}</li>').format(number % COLOURS + 1, name) for number, name in enumerate(names)
    )
    return Markup('<ul class="legend">{}</ul>').format(items)


def bars(
    title: str,
    rows: Sequence[tuple[object, float]],
    *,
    show: Format = count,
    top: float | None = None,
    nothing: str = "Nothing in this time.",
) -> Markup:
    """Horizontal bars with their names and values; ``top`` is the length of a full one, else the largest."""
    full = top or max((value for _, value in rows), default=0)
    if not full:
        return _figure(title, empty(nothing))
    items = Markup("").join(
        Markup(
            '<li><span class="name">{}</span><span class="bar"><i class="c1" style="width:{:.2f}%"></i></span>'
            "<b>{}</b></li>"
        ).format(name, min(100.0, 100 * value / full), show(value))
        for name, value in rows
    )
    return _figure(title, Markup('<ol class="bars">{}</ol>').format(items))


def reliability(title: str, bins: Sequence[tuple[float, float, int]], *, predicted: str, observed: str) -> Markup:
    """What was predicted (x) against what was so (y), both from 0 to 1, each bin with its count as a dot's area. On
    the diagonal a probability means what it says."""
    if not any(number for *_, number in bins):
        return _figure(title, empty("Nothing to compare yet."))
    most = max(number for *_, number in bins)
    dots = Markup("").join(_dot(x, y, number, most) for x, y, number in bins if number)
    marks = Markup("").join(
        Markup(
            '<text x="{0}" y="318" text-anchor="middle">{1}</text><text x="34" y="{2}" text-anchor="end">{1}</text>'
        ).format(40 + 2.6 * tick, f"{tick} %", 304 - 2.6 * tick)
        for tick in (0, 25, 50, 75, 100)
    )
    svg = Markup(
        '<svg viewBox="0 0 320 345" class="square" aria-hidden="true"><path class="frame" d="M40 40V300H300"/>'
        '<path class="ideal" d="M40 300L300 40"/>{}{}<text x="170" y="340" text-anchor="middle">{}</text>'
        '<text x="4" y="22">{}</text></svg>'
    ).format(marks, dots, predicted, observed)
    rows = [[percent(x), percent(y), count(number)] for x, y, number in bins if number]
    return _figure(title, svg, table(title, [predicted, observed, "Turns"], rows, numbers=(0, 1, 2)))


def _dot(x: float, y: float, number: int, most: int) -> Markup:
    radius = 3 + 9 * (number / most) ** 0.5
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>').format(
        40 + 260 * x, 300 - 260 * y, radius, f"{percent(x)} predicted, {percent(y)} so, {number:,} turns"
    )


def confusion(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    row_axis: str,
    column_axis: str,
    cell: Callable[[int, int], object] | None = None,
) -> Markup:
    """A table coloured by its counts; the diagonal is what went right. ``cell(row, column)`` may give a button or link
    to stand for the count."""
    most = max((number for row in counts for number in row), default=0) or 1
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in columns)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            name,
            Markup("").join(
                Markup('<td class="{}" style="--share:{:.2f}">{}</td>').format(
                    "right" if r == c else "wrong", number / most, cell(r, c) if cell and number else count(number)
                )
                for c, number in enumerate(counts[r])
            ),
        )
        for r, name in enumerate(rows)
    )
    corner = Markup("{} ↓ <br>{} →").format(row_axis, column_axis)
    return _figure(
        title,
        Markup('<table class="confusion"><thead><tr><td>{}</td>{}</tr></thead><tbody>{}</tbody></table>').format(
            corner, head, body
        ),
    )


def _figure(title: str, content: Markup, figures: Markup | None = None) -> Markup:
    more = Markup("")
    if figures is not None:
        more = Markup('<details class="figures"><summary>As a table</summary>{}</details>').format(figures)
    return Markup('<figure class="chart"><figcaption>{}</figcaption>{}{}</figure>').format(title, content, more)
