"""Draw the router's figures beside this file from an evaluation: `router-confusion.svg` and `router-reliability.svg`.

pip install "switchyard[docs]"
assistant router eval tests/data/router_turns.jsonl --json | python docs/figures/draw_router.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

HERE = Path(__file__).parent
INK, MUTED, LINE, BLUE, AMBER = "#1f2933", "#5f6b7a", "#d5dbe3", "#2563a8", "#b45309"
ROUTES = {"voice": "our voice", "retrieve": "looked up", "both": "looked up,\nin our voice", "ask": "asked back"}


def confusion(found: dict[str, Any], axes: Axes) -> None:
    """Counts; the shade is the share of the row."""
    rows = [name for name in found["confusion"] if sum(found["confusion"][name].values())]
    columns = list(found["confusion"][rows[0]])
    counts = [[found["confusion"][row][column] for column in columns] for row in rows]
    shares = [[count / sum(line) for count in line] for line in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
    for y, line in enumerate(counts):
        for x, count in enumerate(line):
            dark = shares[y][x] > 0.55
            axes.text(x, y - 0.07, f"{count:,}", ha="center", va="center", size=15, color="white" if dark else INK)
            part = f"{100 * shares[y][x]:.0f} %"
            axes.text(x, y + 0.22, part, ha="center", va="center", size=9, color="white" if dark else MUTED)
    axes.set_xticks(range(len(columns)), [ROUTES.get(each, each) for each in columns])
    axes.set_yticks(range(len(rows)), [ROUTES.get(each, each) for each in rows])
    axes.set_xlabel("sent to")
    axes.set_ylabel("right route")
    axes.set_title(f"{found['n']:,} turns, {found['version']}", size=10, color=MUTED, loc="left")
    axes.tick_params(length=0)
    for x in range(1, len(columns)):
        axes.axvline(x - 0.5, color="white", linewidth=2)
    for y in range(1, len(rows)):
        axes.axhline(y - 0.5, color="white", linewidth=2)


def reliability(found: dict[str, Any], upper: Axes, lower: Axes) -> None:
    """What P(information) says against what is true, by ten bins, over how many turns each bin holds."""
    bins = found["reliability"]
    said, true = [each["said"] for each in bins], [each["true"] for each in bins]
    upper.plot([0, 1], [0, 1], color=LINE, linewidth=1.5, zorder=1)
    upper.vlines(said, said, true, color=AMBER, linewidth=2, alpha=0.6, zorder=2)
    upper.plot(said, true, color=BLUE, marker="o", markersize=6, linewidth=1.5, zorder=3)
    upper.set_ylabel("share that must be looked up")
    upper.set_ylim(-0.03, 1.03)
    error = found["information"]["ece"]
    title = f"expected calibration error {error:.3f}; {found['n']:,} turns, {found['version']}"
    upper.set_title(title, size=10, color=MUTED, loc="left")
    lower.bar([each["from"] + 0.05 for each in bins], [each["n"] for each in bins], width=0.092, color=BLUE, alpha=0.75)
    lower.set_ylabel("turns")
    lower.set_xlabel("P(information), as the router says")
    lower.set_xlim(0, 1)
    for axes in (upper, lower):
        axes.axvline(found["threshold"], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    upper.text(found["threshold"] + 0.015, 0.96, "looks up from here on", size=9, color=MUTED)


def main() -> None:
    """Read the evaluation that is piped in, draw both."""
    found = json.load(sys.stdin)
    settings = {"svg.hashsalt": "switchyard", "font.size": 10, "text.color": INK, "axes.edgecolor": LINE}
    colours = dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with plt.rc_context({**settings, **colours}):
        figure, axes = plt.subplots(figsize=(5.2, 4.4), layout="constrained")
        confusion(found, axes)
        figure.savefig(HERE / "router-confusion.svg", metadata={"Date": None})
        ratios = {"height_ratios": [3, 1]}
        figure, (upper, lower) = plt.subplots(
            2, 1, figsize=(5.6, 5.2), sharex=True, gridspec_kw=ratios, layout="constrained"
        )
        reliability(found, upper, lower)
        figure.savefig(HERE / "router-reliability.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
