"""What ``finetune_answerability.py`` learns from: questions with passages that answer them, and with others.

``training/near_misses.jsonl`` and ``more_near_misses.jsonl`` have passages, of the handbook by page and start or of
our own, with questions that each answers (``in``: where) and near misses that it does not;
``training/handbook_pairs.jsonl`` has more questions. To each
question that is answered comes a passage of another page that is close to it. ``training/portals/`` holds small portals
with the plain questions of people, in the forms of `assistant eval` (``quote``: where the answer stands); what a portal
does not answer is set beside the passages that a search would find for it. How many or who is asked for must say
nothing by itself: the questions of such a kind are weighed so that half of them are answered.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from assistant.conversation.turn import Message
from assistant.knowledge.answerability import SAID_BEFORE, asked
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.models.finetune import PAIRS, chunks_of, rows

NEAR_MISSES, MORE = PAIRS.with_name("near_misses.jsonl"), PAIRS.with_name("more_near_misses.jsonl")
PORTALS = PAIRS.with_name("portals")
FOUND, CLOSE = 2, 3
"""Passages set beside a question that is not answered, and those from which one is drawn beside one that is."""
KEPT, CHANGED = 0.4, 0.35
"""Shares of the examples without a known place that are kept beside those with one, and of the questions that come
after one about something else."""
FEWEST_WORDS = 4
"""Of a question that may stand on its own."""
NEAR, LEAST_WEIGHT, MOST_WEIGHT, PRIOR = 1, 0.33, 2.5, 5
KINDS = tuple(
    re.compile(each)
    for each in (
        r"how many|number of",
        r"how (?:long|soon|often|fast|quick)|deadline",
        r"how much|cost|price|\bfee|\bpay",
        r"\bwho(?:m|se)?\b",
        r"\bwhen\b|what (?:time|date|day)",
        r"\bwhere\b|link|address|phone|channel",
        r"\bwhy\b|reason",
    )
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question with a passage; ``place`` is what of it answers the question, where that is known."""

    question: str
    passage: str
    answers: bool
    place: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Passage:
    """``page`` is empty for one of our own."""

    text: str
    page: str
    questions: tuple[tuple[str, bool, str], ...]


def passages(handbook: Path, *files: Path) -> tuple[list[Passage], list[tuple[str, str]]]:
    """Those of the files of near misses with their questions, and all of the handbook as (page, text)."""
    chunks = chunks_of(handbook)
    at = {(chunk.document, chunk.start): shown(chunk.heading, chunk.text) for chunk in chunks}
    made = []
    for row in (each for file in files for each in rows(file)):
        text = at[row["page"], row["start"]] if "page" in row else shown(row["title"], row["text"])
        made.append(Passage(text, row.get("page", ""), tuple(map(read_question, row["questions"]))))
    for row in rows(PAIRS):
        history = [Message(**each) for each in row["history"]]
        held = [(asked(row["turn"], history), True, "")]
        held += [(asked(row["miss"], history), False, "")] if row.get("miss") else []
        made.append(Passage(at[row["page"], row["start"]], row["page"], tuple(held)))
    return made, [(chunk.document, shown(chunk.heading, chunk.text)) for chunk in chunks]


def portal_units(folder: Path) -> list[list[Example]]:
    """Of each portal its passages with what people asked."""
    embedder, found = FastEmbedder(), []
    for turns in sorted(folder.glob("*.turns.jsonl")):
        texts = {
            each["id"]: shown(each["title"], each["text"])
            for each in rows(turns.with_name(turns.name.replace(".turns.", ".passages.")))
        }
        ids, stored = list(texts), embedder.embed_now(list(texts.values()))
        units: dict[str, list[Example]] = {each: [] for each in ids}
        labelled = rows(turns)
        questions = [asked(row["turn"], [Message(**each) for each in row["history"]]) for row in labelled]
        for row, question, vector in zip(labelled, questions, embedder.embed_now(questions), strict=True):
            held = row["relevant"]
            near = [ids[n] for n in np.argsort(-(stored @ vector)) if ids[n] not in held]
            for place in held:
                quote = row["quote"] if row["quote"] in texts[place] else ""
                units[place].append(Example(question, texts[place], True, quote))
            for place in [random.choice(near[:CLOSE])] if held else near[:FOUND]:
                units[place].append(Example(question, texts[place], False))
        count = Counter((kind(each.question), each.answers) for unit in units.values() for each in unit)
        found += [
            [replace(each, weight=balance(count, each.question, each.answers)) for each in unit]
            for unit in units.values()
            if unit
        ]
    return found


def shown(heading: str, text: str) -> str:
    return f"{heading}. {text}" if heading else text


def read_question(row: dict[str, Any]) -> tuple[str, bool, str]:
    before = [Message("user", row["before"])] if row.get("before") else []
    return asked(row["question"], before), row["answers"], row.get("in") or ""


def units(made: Sequence[Passage], corpus: Sequence[tuple[str, str]]) -> list[list[Example]]:
    """What belongs into one batch: a passage's questions, and other passages for those that it answers."""
    embedder = FastEmbedder()
    stored = embedder.embed_now([text for _, text in corpus])
    count = Counter(
        (kind(text), answers) for each in made for text, answers, _ in each.questions if len(each.questions) > 2
    )
    own = [each for each in made if not each.page]
    found = []
    for each in [*made, *own]:
        unit = []
        vectors = iter(embedder.embed_now([text for text, answers, _ in each.questions if answers]))
        for text, answers, place in each.questions:
            weight = balance(count, text, answers) if len(each.questions) > 2 else 1.0
            unit.append(Example(text, each.text, answers, place, weight))
            if answers:
                order = np.argsort(-(stored @ next(vectors)))
                others = (corpus[place][1] for place in order if corpus[place][0] != each.page)
                other = next(islice(others, NEAR, None)) if each.page else random.choice(own).text
                unit += [Example(text, other, False)] if other != each.text else []
        found.append(unit)
    return found


def placed_first(found: Sequence[list[Example]]) -> list[list[Example]]:
    """All examples of which the place of the answer is known, and a share of the others."""
    thinned = ([each for each in unit if (each.answers and each.place) or random.random() < KEPT] for unit in found)
    return [unit for unit in thinned if unit]


def after_others(found: Sequence[list[Example]]) -> list[list[Example]]:
    """A share of the questions that stand alone, each after another question, as where somebody changes the subject:
    what was said before must not count for everything."""
    others = [each.question.partition(SAID_BEFORE)[0] for unit in found for each in unit]
    made = []
    for unit in found:
        alone = {each.question for each in unit if SAID_BEFORE not in each.question}
        alone = {each for each in sorted(alone) if len(each.split()) >= FEWEST_WORDS and random.random() < CHANGED}
        asked_now = {each: f"{each}{SAID_BEFORE}{random.choice(others)}" for each in sorted(alone)}
        made.append([replace(each, question=asked_now.get(each.question, each.question)) for each in unit])
    return made


def kind(text: str) -> int:
    """Which of the kinds is asked for, of the question without what was said before it."""
    said = text.partition(SAID_BEFORE)[0].casefold()
    return next((n for n, each in enumerate(KINDS) if each.search(said)), len(KINDS))


def balance(count: Counter[tuple[int, bool]], text: str, answers: bool) -> float:
    """The weight that makes half of the questions of its kind answered ones."""
    own, other = count[kind(text), answers] + PRIOR, count[kind(text), not answers] + PRIOR
    return float(np.clip((own + other) / 2 / own, LEAST_WEIGHT, MOST_WEIGHT))
