"""Figures of the grounding check over sentences that are known to be borne out by their passages, or not.

A row is ``{id, passages: [{id, text}], sentences: [{text, cites: [ids], supported: bool, kind?}]}``. A sentence is
caught, or flagged, where the check calls it unsupported. Labels are read only to count.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.conversation.claims import plain, sentences, stated
from assistant.conversation.events import Support
from assistant.conversation.grounding_checker import Checker
from assistant.conversation.reading import read
from connectors import Embed

FORM = "a row has id, passages [{id, text}] and sentences [{text, cites [ids], supported}]"
ORDER: tuple[Support, ...] = ("unsupported", "partly", "supported")


class GroundingFileError(Exception):
    """A file cannot be used; the message names it, the line and what is wrong."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence with the indices of the passages that it cites."""

    text: str
    cites: tuple[int, ...]
    supported: bool
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """Passages, and sentences that are held against them."""

    passages: tuple[str, ...]
    sentences: tuple[Labelled, ...]


def read_rows(file: Path) -> list[Row]:
    """The rows of a JSONL file. Raises GroundingFileError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GroundingFileError(f"{file} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(json.loads(line)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GroundingFileError(f"{file}:{number}: {FORM}; {error} is wrong or missing") from error
    if not rows:
        raise GroundingFileError(f"{file} holds no rows: {FORM}")
    return rows


def _row(found: dict[str, Any]) -> Row:
    ids = {str(passage["id"]): index for index, passage in enumerate(found["passages"])}
    texts = tuple(passage["text"] for passage in found["passages"])
    said = []
    for each in found["sentences"]:
        cites = tuple(ids[str(identity)] for identity in each.get("cites") or ())
        if not isinstance(each["text"], str) or not isinstance(each["supported"], bool):
            raise TypeError("text or supported")
        said.append(Labelled(each["text"], cites, each["supported"], str(each.get("kind") or "other")))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("the text of a passage")
    return Row(texts, tuple(said))


def measure(rows: Sequence[Row], embed: Embed | None, step: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """``caught``: the part of unsupported sentences that is called so, of all and by kind; ``flagged_true`` the part of
    true ones; ``marked`` the same where ``partly`` counts too; ``latency_ms`` is for a row, its passages read
    anew."""
    found: list[tuple[Labelled, Support]] = []
    times = []
    for number, row in enumerate(rows, 1):
        read.cache_clear()
        began = time.perf_counter()
        states = judge(row, embed)
        times.append(1000 * (time.perf_counter() - began))
        found += zip(row.sentences, states, strict=True)
        step(number)
    unsupported = _figures(found, ("unsupported",))
    return {
        **unsupported,
        "marked": _figures(found, ("unsupported", "partly")),
        "n": {"true": sum(each.supported for each, _ in found), "unsupported": sum(not e.supported for e, _ in found)},
        "latency_ms": {"p50": _quantile(times, 0.5), "p95": _quantile(times, 0.95)},
    }


def judge(row: Row, embed: Embed | None) -> list[Support]:
    """A state for each sentence of a row; of one that holds several claims the worst."""
    checker = Checker(row.passages, range(1, len(row.passages) + 1), embed)
    return [_state(checker, each) for each in row.sentences]


def _state(checker: Checker, sentence: Labelled) -> Support:
    claims = [stated(plain(each.text)) for each in sentences(sentence.text) if each.claim]
    return min((checker.judge(claim, sentence.cites).state for claim in claims), key=ORDER.index, default="supported")


def _figures(found: Sequence[tuple[Labelled, Support]], flagged: Sequence[Support]) -> dict[str, Any]:
    wrong = [(each.kind, state in flagged) for each, state in found if not each.supported]
    kinds = sorted({kind for kind, _ in wrong})
    caught = {"all": _part([hit for _, hit in wrong])}
    caught |= {kind: _part([hit for each, hit in wrong if each == kind]) for kind in kinds}
    return {"caught": caught, "flagged_true": _part([state in flagged for each, state in found if each.supported])}


def _part(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0


def _quantile(values: Sequence[float], part: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(part * len(values)))], 2)
