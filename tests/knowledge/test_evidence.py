"""Whether passages can answer a turn: the signals, the states at their thresholds, and the reasons in words."""

import json
from dataclasses import replace

import numpy as np
import pytest

from assistant.conversation.turn import Message
from assistant.knowledge.documents import Chunk
from assistant.knowledge.evidence import NOTHING, WEIGHTS, Evidence, EvidenceModel, Signals, commissioned, signals
from assistant.knowledge.retrieve import weighed
from assistant.knowledge.store import Hit

ONE = np.array([[1.0, 0.0]], dtype=np.float32)
CARD = json.loads(WEIGHTS.read_text(encoding="utf-8"))


def hit(text: str, similarity: float, bm25: float = 0.0) -> Hit:
    chunk = Chunk("a", f"{text}.md", "T", (), text, 0, len(text), 0, 1, "h")
    return Hit(chunk, similarity, similarity, bm25)


def of(turn: str, *hits: Hit, history: tuple[Message, ...] = ()) -> Signals:
    return signals(turn, history, [(turn, 1.0)], ONE, hits, hits[0].similarity)


def test_without_passages_there_is_no_evidence() -> None:
    assert EvidenceModel()(signals("leave?", (), [("leave?", 1.0)], ONE, [], 0.0)) is NOTHING


def test_a_closer_and_fuller_match_is_better_evidence() -> None:
    model = EvidenceModel()
    good = of("annual leave days", hit("annual leave is 25 days", 0.8), *(hit(f"other {n}", 0.2) for n in range(10)))
    bad = of("annual leave days", hit("the pump room", 0.25), *(hit(f"other {n}", 0.2) for n in range(10)))
    assert model.score(good) > model.score(bad) + 0.2
    assert good.missing == () and bad.missing == ("annual", "leave", "days")
    assert any("“annual”, “leave”, “days”" in reason for reason in model(bad).why)


def test_words_of_the_conversation_are_not_new() -> None:
    said = (Message("user", "annual leave"), Message("assistant", "25 days"))
    assert of("leave in berlin", hit("x", 0.5), history=said).values["new_words"] == 1


@pytest.mark.parametrize(("above", "state"), [(0.001, "supported"), (-0.001, "partly")])
def test_states_change_at_the_thresholds_of_the_card(above: float, state: str) -> None:
    assert EvidenceModel().state(CARD["supported"] + above) == state
    assert EvidenceModel().state(CARD["partly"] - 0.001) == "not_in_documents"


def test_a_commission_near_the_documents_is_partly_there() -> None:
    far = Evidence("not_in_documents", 0.1, ("why",), partly=0.3)
    assert commissioned(far) is far
    assert commissioned(replace(far, score=0.2)).state == "partly"
    assert commissioned(replace(far, state="supported", score=0.9)).state == "supported"


def test_words_weigh_as_much_as_the_best_hit_holds_of_them() -> None:
    near, word = hit("something near", 0.5), hit("travel policy", 0.3, bm25=4.0)
    held_all = weighed([near, word], [("travel policy", 1.0)])
    held_few = weighed([near, word], [("travel advice for people who commute daily by bicycle", 1.0)])
    assert held_all[0].chunk == word.chunk and held_few[0].chunk == near.chunk
