"""Whether a passage answers a turn: what is read, in which language, and that near misses are told from answers."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from assistant.conversation.turn import Message
from assistant.knowledge.answerability import SHIPPED, Answerability, asked, english, text_of
from assistant.knowledge.documents import Chunk
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.evidence import READING
from assistant.knowledge.leaning import APART, LEANING, STANDING, Kept, Leaning
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Hit
from tests.knowledge.searching import WordEmbedder, chunks_of, document, filled, turn

PARKING = (
    "Staff park on levels 2 and 3. A permit costs 35 euros a month and is taken from your salary. Apply to Ms Okafor "
    "in facilities by the 20th; she answers within three working days. Motorcycles need no permit."
)
PUMP = "The pump in the cellar is serviced each spring. Before that, close the red valve and drain the tank."
PAIRS = [
    ("how much is a parking permit", "how much is a parking fine"),
    ("Who do I apply to for a parking permit?", "Who do I hand my parking permit back to when I leave?"),
    ("do I need a permit for my motorbike", "do I need a helmet for my motorbike"),
    ("when do I have to apply for a permit?", "when was the car park built?"),
]


def hit(text: str, title: str = "Car park") -> Hit:
    return Hit(Chunk("a", "parking.md", title, (), text, 0, len(text), 0, 1, "h"), 0.8, 0.8, 1.0)


def test_every_shipped_file_has_the_checksum_of_its_provenance() -> None:
    provenance = json.loads((SHIPPED / "provenance.json").read_text())
    assert provenance["licence"] == "Apache-2.0"
    for name, digest in provenance["sha256"].items():
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest, name
    held = {path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*") if path.is_file()}
    assert held == {*provenance["sha256"], "provenance.json"}


@pytest.mark.parametrize(("answered", "missed"), PAIRS)
async def test_what_a_passage_states_is_told_from_what_it_is_only_about(answered: str, missed: str) -> None:
    model, hits = Answerability(), [hit(PARKING), hit(PUMP, "Cellar")]
    (yes, away), (no, _) = await model.logits(answered, (), hits), await model.logits(missed, (), hits)
    assert yes > no and yes > away


async def test_a_follow_up_is_read_with_what_it_follows() -> None:
    model, before = (
        Answerability(),
        (Message("user", "how much is a parking permit"), Message("assistant", "35 euros.")),
    )
    (after,) = await model.logits("and for motorcycles?", before, [hit(PARKING)])
    (alone,) = await model.logits(
        "and for motorcycles?", (Message("user", "is the pool open on Mondays"),), [hit(PARKING)]
    )
    assert after > alone


def test_the_latest_of_the_earlier_turns_comes_first_and_long_ones_are_cut() -> None:
    history = [
        Message("user", "first"),
        Message("user", "word " * 90),
        Message("assistant", "no"),
        Message("user", "last"),
    ]
    assert asked("now", history) == f"now // last // {' '.join(['word'] * 40)}"
    assert asked("now", ()) == "now"
    assert text_of(hit("x")) == "Car park. x" and text_of(hit("x", "")) == "x"


@pytest.mark.parametrize(
    ("text", "is_english"),
    [
        ("how many days of leave do I get", True),
        ("parking permit cost", True),
        ("is the café open", True),
        ("I’ve changed banks", True),
        ("we've got two", True),
        ("wie viele Urlaubstage habe ich", False),
        ("Urlaubsanträge, wohin?", False),
        ("combien de jours de congé", False),
        ("yıllık izin ve rapor", False),
        ("¿cuántos días tengo?", False),
        ("有給休暇は何日ですか", False),
    ],
)
async def test_it_reads_english_alone(text: str, is_english: bool) -> None:
    assert english(text) is is_english
    assert len(await Answerability().logits(text, (), [hit(PARKING)])) == is_english
    german = hit("Der Ausweis kostet 35 Euro im Monat und ist bei Frau Okafor zu beantragen.")
    assert await Answerability().logits("how much is it", (), [german]) == []


async def test_making_one_reads_nothing_and_a_missing_model_is_a_clear_error(tmp_path: Path) -> None:
    model = Answerability(tmp_path / "none")
    assert await model.logits("hotel", (), []) == []
    with pytest.raises(EmbedderError, match=r"Install Switchyard again, or set retrieval\.read_in_doubt: false"):
        await model.logits("hotel", (), [hit("a hotel")])


class Reading:
    """Says the same of every passage, and counts."""

    def __init__(self, logit: float, fault: bool = False) -> None:
        self.logit, self.fault, self.read = logit, fault, 0
        self.history: Sequence[Message] = ()

    async def warm_up(self) -> None:
        if self.fault:
            raise EmbedderError("the model is gone")

    async def logits(self, turn: str, history: Sequence[Message], hits: Sequence[Hit]) -> list[float]:
        self.read += 1
        self.history = history
        if self.fault:
            raise EmbedderError("the model is gone")
        return [self.logit] * min(2, len(hits))


async def test_a_turn_in_doubt_is_read_and_one_about_something_else_is_not(tmp_path: Path) -> None:
    made = [document("a.md", "hotels in london are paid up to 165 pounds a night"), document("b.md", "the pump")]
    async with filled(tmp_path, chunks_of(*made)) as index:

        async def score(question: str, reading: Reading) -> float:
            return (await Retriever(index, WordEmbedder(), reading=reading).search(turn(question))).evidence.score

        yes, no, far = Reading(3.0), Reading(-5.0), Reading(5.0)
        doubtful = "what is paid in paris hotels"
        assert await score(doubtful, yes) > await score(doubtful, no) + 0.2
        assert yes.read == no.read == 1
        await score("zebra quantum violin symphony", far)
        assert far.read == 0


async def test_what_cannot_be_read_stops_no_search(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with filled(tmp_path, chunks_of(document("a.md", "hotels in london"))) as index:
        with caplog.at_level(logging.WARNING):
            retriever = Retriever(index, WordEmbedder(), reading=Reading(1.0, fault=True))
            await retriever.warm_up()
            assert (await retriever.search(turn("paris hotels london"))).passages
            found = await retriever.signals(turn("hotels"))
    assert READING[0] not in found.values and "the model is gone" in caplog.text


async def test_a_search_of_the_turn_alone_reads_the_turn_alone(tmp_path: Path) -> None:
    async with filled(tmp_path, chunks_of(document("a.md", "hotels in london"))) as index:
        asked_before, reading = turn("and paris?", "hotels in london?"), Reading(1.0)
        await Retriever(index, WordEmbedder(), reading=reading).signals(asked_before)
        assert reading.history == asked_before.history != ()
        await Retriever(index, WordEmbedder(), reading=reading, history_turns=0).signals(asked_before)
        assert reading.history == ()


@pytest.mark.parametrize(("kept", "alone"), [(LEANING, False), (STANDING, True), (APART, True)])
async def test_a_turn_that_stands_on_its_own_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Kept, alone: bool
) -> None:
    monkeypatch.setattr(Leaning, "kept", lambda *_: kept)
    async with filled(tmp_path, chunks_of(document("a.md", "hotels in london"))) as index:
        asked_before, reading = turn("and paris?", "hotels in london?"), Reading(1.0)
        await Retriever(index, WordEmbedder(), reading=reading).signals(asked_before)
        assert reading.history == (() if alone else asked_before.history)
