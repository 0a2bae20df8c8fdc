"""Which rows of tables answer: those that words of the turn tell from the others, of the tables that hold the most of
what is asked for. Numbers and names say little in meaning, so words decide."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.extract import Quote
from connectors.ranking import Asked, content

SHORT_TABLE = 8
"""A table of so many rows is quoted whole where nothing tells its rows apart."""
EARLIER_TURNS, EARLIER_WEIGHT = 2, 0.5
"""How many earlier turns say which table is meant, and what a word of theirs counts beside one of the turn."""
BEHIND = 0.7
"""The share of the best table's worth under which another one is left out."""


def whole_tables(chosen: Sequence[Quote], quotes: Sequence[Quote], asked: Asked) -> list[Quote]:
    """The chosen quotes with their tables in one piece each; ``quotes`` are all that there are."""
    tables: dict[tuple[int, int], list[Quote]] = {
        (quote.document, quote.block): [] for quote in chosen if quote.kind == "row"
    }
    for quote in quotes:
        if quote.kind == "row" and (quote.document, quote.block) in tables:
            tables[quote.document, quote.block].append(quote)
    turn = frozenset(content(asked.turn))
    earlier = frozenset(content(" ".join(asked.earlier[:EARLIER_TURNS]))) - turn
    worth = {table: max(_worth(row, turn, earlier) for row in rows) for table, rows in tables.items()}
    most = max(worth.values(), default=0.0)
    made: list[Quote] = []
    for quote in chosen:
        table = (quote.document, quote.block)
        if quote.kind != "row":
            made.append(quote)
        elif table in tables:
            rows = tables.pop(table)
            if worth[table] >= BEHIND * most:
                made += _told_apart(rows, turn) or (rows if len(rows) <= SHORT_TABLE else _of(rows, chosen))
    return made


def _worth(row: Quote, turn: frozenset[str], earlier: frozenset[str]) -> float:
    """How much of the turn, and less so of what was said before, a row with its head and heading holds."""
    held = frozenset(content(f"{row.under} {row.head} {row.text}"))
    own, before = len(turn & held) / max(len(turn), 1), len(earlier & held) / max(len(earlier), 1)
    return own + EARLIER_WEIGHT * before


def _told_apart(rows: Sequence[Quote], turn: frozenset[str]) -> list[Quote]:
    """The rows that hold words of the turn which not all rows hold, but for those where another holds all that they
    do and more; empty where there are none."""
    held = [turn & frozenset(content(row.text)) for row in rows]
    everywhere = frozenset.intersection(*held)
    telling = [words - everywhere for words in held]
    return [
        row for row, words in zip(rows, telling, strict=True) if words and not any(words < others for others in telling)
    ]


def _of(rows: Sequence[Quote], chosen: Sequence[Quote]) -> list[Quote]:
    return [row for row in rows if row in chosen]
