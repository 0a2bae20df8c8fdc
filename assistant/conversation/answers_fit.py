"""Fit the weights by which the builtin model ranks quotes, and write them with their card.

    pip install "switchyard[train]"
    python -m assistant.conversation.answers_fit --passages passages.jsonl --turns turns.jsonl

The files have the forms of `assistant eval answers`. A quote is worth as much as it shares with the reference: its
ROUGE-L, and the share of its pairs of words that the reference holds. A ridge regression learns that from the signals
of ``connectors/ranking.py``. The card's figures are cross-validated by conversation (the part of ``id`` before
``<::>``, else the line), over the answerable turns.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from assistant.conversation.answers_eval import AnsweredTurn, first_sentences, read_answered, rouge_l
from assistant.conversation.compose import document
from assistant.knowledge import evaluate
from assistant.knowledge.documents import Passage
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.retrieve import Retriever
from connectors.extract import quotes, words
from connectors.ranking import SIGNALS, Asked, Ranked, rank
from connectors.selecting import WEIGHTS, select

PENALTY, FOLDS = 10.0, 8
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Case:
    asked: AnsweredTurn
    conversation: str
    passages: tuple[Passage, ...]
    ranked: Ranked

    @property
    def worth(self) -> Floats:
        reference = words(self.asked.reference)
        pairs = set(pairwise(reference))
        return np.array(
            [_shared_pairs(words(each.text), pairs) + self._alike(each.text) for each in self.ranked.quotes]
        )

    def _alike(self, text: str) -> float:
        return rouge_l(text, self.asked.reference)


def _shared_pairs(said: list[str], pairs: set[tuple[str, str]]) -> float:
    own = list(pairwise(said))
    return sum(pair in pairs for pair in own) / max(1, len(own))


async def _cases(passages: Path, turns: Path) -> list[_Case]:
    chunks = evaluate.read_passages(passages)
    asked = read_answered(turns, [chunk.document for chunk in chunks])
    rows = [json.loads(line) for line in turns.read_text("utf-8").splitlines() if line.strip()]
    embedder = FastEmbedder()
    cases = []
    async with evaluate.indexed(chunks, embedder, lambda _: None) as index:
        retriever = Retriever(index, embedder)
        for number, (each, row) in enumerate(zip(asked, rows, strict=True)):
            if each.labelled.answerability not in ("answerable", "partial") or not each.reference.strip():
                continue
            found = await retriever.search(each.labelled.turn)
            documents = [document(passage) for passage in found.passages]
            held = [quote for place, part in enumerate(documents) for quote in quotes(place, part.text)]
            if held:
                ranked = rank(_asked(each, found.standing), documents, held, embedder.embed_now)
                cases.append(_Case(each, str(row.get("id", number)).partition("<::>")[0], found.passages, ranked))
    return cases


def _asked(each: AnsweredTurn, standing: bool) -> Asked:
    if standing:
        return Asked(each.labelled.turn.text)
    history = each.labelled.turn.history[::-1]
    earlier = tuple(message.content for message in history if message.role == "user")
    return Asked(
        each.labelled.turn.text,
        earlier,
        next((message.content for message in history if message.role == "assistant"), ""),
    )


def fit(cases: list[_Case]) -> Floats:
    """One weight a signal, in the signal's own units."""
    rows, worth = np.vstack([case.ranked.signals for case in cases]), np.concatenate([case.worth for case in cases])
    scale = rows.std(0) + 1e-9
    return np.asarray(Ridge(PENALTY).fit((rows - rows.mean(0)) / scale, worth).coef_ / scale, dtype=np.float64)


def figures(cases: list[_Case]) -> dict[str, Any]:
    """Cross-validated: ROUGE-L, the baseline's, and how many cited passages are relevant."""
    mine, plain, right, said = [], [], 0, 0
    folds = GroupKFold(FOLDS, shuffle=True, random_state=1)
    for train, test in folds.split(cases, groups=[case.conversation for case in cases]):
        weights = fit([cases[index] for index in train])
        for case in (cases[index] for index in test):
            if case.asked.labelled.answerability != "answerable":
                continue
            chosen = select(case.ranked, weights)
            mine.append(rouge_l(" ".join(f"{each.head} {each.text}" for each in chosen), case.asked.reference))
            plain.append(rouge_l(first_sentences(case.passages), case.asked.reference))
            cited = {case.passages[each.document].chunk.document for each in chosen}
            said, right = said + len(cited), right + len(cited & case.asked.labelled.relevant)
    return {
        "n": len(mine),
        "rouge_l": round(float(np.mean(mine)), 4),
        "rouge_l of first sentences": round(float(np.mean(plain)), 4),
        "citation precision": round(right / max(1, said), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--turns", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    cases = asyncio.run(_cases(arguments.passages, arguments.turns))
    card = {
        "embedder": FastEmbedder().name,
        "weights": dict(zip(SIGNALS, fit(cases).round(5).tolist(), strict=True)),
        "figures, cross-validated": figures(cases),
        "data_sha256": hashlib.sha256(arguments.turns.read_bytes()).hexdigest(),
    }
    arguments.out.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card["figures, cross-validated"], indent=2))


if __name__ == "__main__":
    main()
