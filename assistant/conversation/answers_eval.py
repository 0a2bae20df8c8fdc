"""Figures of whole answers over labelled turns: how close they are to a reference, what they cite, what they refuse.

The turns are searched as in chat, and the configured model answers them. Labels are read only to count.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from assistant.conversation.citations import cited, without_citations
from assistant.conversation.compose import compose
from assistant.conversation.refusing import SENTENCE_END, refuses
from assistant.conversation.routes import ROUTES, Role
from assistant.conversation.turn import RouteName
from assistant.knowledge.documents import Passage
from assistant.knowledge.evaluate import EvaluationError, LabelledTurn, read_turns
from assistant.knowledge.retrieve import Searcher
from connectors import ChatModel, ChatRequest, ConnectorError

ORGANISATION = "the organisation"
FIRST_SENTENCES = 3
"""The baseline quotes so many sentences of the first passage."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class AnsweredTurn:
    """A labelled turn with the answer that a person gave, and the route that it is to take."""

    labelled: LabelledTurn
    reference: str
    route: RouteName


@dataclass(frozen=True, slots=True)
class _Outcome:
    asked: AnsweredTurn
    answer: str
    passages: tuple[Passage, ...]
    took: float

    @property
    def refused(self) -> bool:
        return refuses(self.answer)

    @property
    def cited(self) -> list[str]:
        """The passages that the answer cites, by their ids."""
        known = {passage.number: passage.chunk.document for passage in self.passages}
        return [known[number] for number in cited(self.answer) if number in known]


def read_answered(file: Path, known: Sequence[str]) -> list[AnsweredTurn]:
    """The turns of a file of `assistant eval`, with ``reference`` and, if there is one, ``route`` (retrieve or both).
    Raises EvaluationError."""
    labelled = read_turns(file, known)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    found = []
    for number, (each, row) in enumerate(zip(labelled, rows, strict=True), 1):
        reference, route = row.get("reference") or "", row.get("route") or "retrieve"
        if not isinstance(reference, str) or route not in ("retrieve", "both"):
            raise EvaluationError(f"{file}: turn {number}: reference is a string, and route is retrieve or both")
        found.append(AnsweredTurn(each, reference, cast(RouteName, route)))
    return found


async def answers(
    turns: Sequence[AnsweredTurn],
    searcher: Searcher,
    model_of: Callable[[Role], ChatModel],
    on_progress: Callable[[int], None],
) -> dict[str, Any]:
    """Figures by route. Raises EvaluationError where a model answers no turn at all."""
    outcomes: dict[str, list[_Outcome]] = {}
    failed: dict[str, int] = {}
    trouble = ""
    for number, each in enumerate(turns, 1):
        found = await searcher.search(each.labelled.turn)
        route = ROUTES[each.route]
        request, _ = compose(
            route,
            each.labelled.turn,
            found.passages,
            organisation=ORGANISATION,
            contact=None,
            today=date.today(),
            evidence=found.evidence.state,
            answered=found.evidence.score if each.route == "retrieve" else None,
            standing=found.standing,
        )
        start = time.perf_counter()
        try:
            answer = await _answer(model_of(route.role), request)
        except ConnectorError as error:
            failed[each.route] = failed.get(each.route, 0) + 1
            trouble = str(error)
        else:
            took = 1000 * (time.perf_counter() - start)
            outcomes.setdefault(each.route, []).append(_Outcome(each, answer, found.passages, took))
        on_progress(number)
    if not outcomes:
        raise EvaluationError(f"the model answered no turn: {trouble}")
    return {route: _figures(some) | {"failed": failed.get(route, 0)} for route, some in sorted(outcomes.items())}


async def _answer(model: ChatModel, request: ChatRequest) -> str:
    text = []
    async with aclosing(cast(Any, model.stream(request))) as deltas:
        async for delta in deltas:
            text.append(delta.text)
    return "".join(text)


def _figures(outcomes: Sequence[_Outcome]) -> dict[str, Any]:
    answerable = [each for each in outcomes if each.asked.labelled.answerability == "answerable"]
    cannot = [each for each in outcomes if each.asked.labelled.answerability == "unanswerable"]
    compared = [each for each in answerable if each.asked.reference.strip()]
    mine = _mean([rouge_l(without_citations(each.answer), each.asked.reference) for each in compared])
    plain = _mean([rouge_l(first_sentences(each.passages), each.asked.reference) for each in compared])
    answered = 1 - _share(answerable)
    refused = _share(cannot)
    took = sorted(each.took for each in outcomes)
    return {
        "rouge_l": round(mine, 4),
        "rouge_l_of_first_sentences": round(plain, 4),
        "rouge_l_ratio": round(mine / plain, 4) if plain else None,
        "citations": _citations(answerable),
        "evidence": {
            "answerable_answered": round(answered, 4) if answerable else None,
            "unanswerable_refused": round(refused, 4) if cannot else None,
            "accuracy": round((answered + refused) / 2, 4) if answerable and cannot else None,
        },
        "n": {"all": len(outcomes), "answerable": len(answerable), "unanswerable": len(cannot)},
        "latency_ms": {"p50": round(_at(took, 0.5), 2), "p95": round(_at(took, 0.95), 2)},
    }


def _citations(outcomes: Sequence[_Outcome]) -> dict[str, float | None]:
    """Over all citations of all answers: how many are of relevant passages, and how many of those are cited."""
    given = [(set(each.cited), each.asked.labelled.relevant) for each in outcomes]
    right = sum(len(said & relevant) for said, relevant in given)
    said, relevant = sum(len(said) for said, _ in given), sum(len(relevant) for _, relevant in given)
    return {
        "precision": round(right / said, 4) if said else None,
        "recall": round(right / relevant, 4) if relevant else None,
    }


def rouge_l(answer: str, reference: str) -> float:
    """ROUGE-L, F1 (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004) of words in lower case,
    neither stemmed nor weighted; 0 to 1."""
    first, second = (_WORD.findall(text.casefold()) for text in (answer, reference))
    before = [0] * (len(second) + 1)
    for word in first:
        now = [0]
        for place, other in enumerate(second):
            now.append(before[place] + 1 if word == other else max(before[place + 1], now[place]))
        before = now
    return 2 * before[-1] / (len(first) + len(second)) if first and second else 0.0


def first_sentences(passages: Sequence[Passage]) -> str:
    """The baseline: how the first passage begins."""
    text = " ".join(passages[0].chunk.text.split()) if passages else ""
    return " ".join(SENTENCE_END.split(text)[:FIRST_SENTENCES])


def _share(outcomes: Sequence[_Outcome]) -> float:
    return sum(each.refused for each in outcomes) / len(outcomes) if outcomes else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[round(part * (len(ordered) - 1))]
