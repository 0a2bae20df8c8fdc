"""The router: costs and policy over scores, reasons in words, and the shipped classifier on turns nobody doubts."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.turn import Message, Turn
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing.classifier import LearnedClassifier, Scores
from assistant.routing.encoder import SHIPPED, TurnEncoder
from assistant.routing.heads import load
from assistant.routing.router import CLOSE, FAR, Costs, Router
from tests.conftest import SHARED, needs_shared

EXAMPLES = Path(__file__).parents[2] / "assistant" / "routing" / "examples"


class Fixed:
    """A classifier that is not asked: decisions are made from the scores given."""

    version = "fixed"


def scores(information: float, voice: float = 0.0, ask: float = 0.0) -> Scores:
    return Scores(information, voice, {"asks": "how many days", "thanks": "thanks"}, ask)


def decide(information: float, voice: float = 0.0, policy: str = "on_request", similarity: float | None = 0.4,
           costs: Costs | None = None, route: str | None = None) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    router = Router(Fixed(), costs or Costs())
    decision = router.decide(Turn("x", route=route), scores(information, voice), policy, "x", similarity)
    assert bool(decision.query) == (decision.route != "voice")
    return decision.route, decision.reasons


def test_the_threshold_follows_from_the_costs() -> None:
    assert Costs(4, 1).threshold == pytest.approx(0.2)
    assert Costs(1, 1).threshold == 0.5
    assert decide(0.3)[0] == "retrieve" and decide(0.3, costs=Costs(1, 1))[0] == "voice"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 20), st.floats(0.1, 20))
def test_a_dearer_miss_never_looks_up_less(low: float, high: float, missed: float, needless: float) -> None:
    assert Costs(missed + 1, needless).threshold < Costs(missed, needless).threshold
    first, second = sorted((low, high))
    if decide(first)[0] != "voice":
        assert decide(second)[0] != "voice", "a turn that needs information more is never looked up less"


def test_a_tie_goes_to_looking_up() -> None:
    assert decide(0.2)[0] == "retrieve"


@pytest.mark.parametrize(
    ("policy", "voice", "route"),
    [
        ("always", 0.0, "both"), ("never", 1.0, "retrieve"), ("on_request", 0.6, "both"),
        ("on_request", 0.5, "both"), ("on_request", 0.4, "retrieve"),
    ],
)  # fmt: skip
def test_the_policy_of_the_surface_decides_on_the_voice(policy: str, voice: float, route: str) -> None:
    assert decide(0.9, voice, policy)[0] == route
    assert decide(0.01, voice, policy)[0] == "voice"


def test_the_evidence_speaks_where_the_classifier_is_unsure() -> None:
    assert decide(0.3, similarity=FAR - 0.01)[0] == "voice"
    assert decide(0.15, similarity=CLOSE)[0] == "retrieve"
    assert decide(0.9, similarity=0.0)[0] == "retrieve"
    assert decide(0.02, similarity=0.99)[0] == "voice"


@pytest.mark.parametrize(
    ("information", "ask", "threshold", "route"),
    [(0.9, 0.8, 0.5, "ask"), (0.9, 0.4, 0.5, "retrieve"), (0.9, 0.8, None, "retrieve"), (0.05, 0.9, 0.5, "voice")],
)
def test_it_is_asked_back_only_where_that_is_on_and_a_lookup_was_due(
    information: float, ask: float, threshold: float | None, route: str
) -> None:
    router = Router(Fixed(), Costs(), ask_threshold=threshold)
    decision = router.decide(Turn("x"), scores(information, ask=ask), "on_request", "x", 0.4)
    assert decision.route == route and bool(decision.query) == (route == "retrieve")


def test_the_reasons_show_the_words_and_the_collection() -> None:
    decision = Router(Fixed(), Costs()).decide(Turn("x"), scores(0.9), "on_request", "x", 0.71, closest="handbook")
    assert decision.reasons == (
        "asks for a fact: “how many days”", "handbook has a close match (0.71)", "nobody else will read it",
    )  # fmt: skip


def test_a_chosen_route_is_taken_and_says_so() -> None:
    assert decide(0.0, route="both") == ("both", ("you chose “Looked up, in our voice”",))


@given(
    st.floats(0, 1), st.floats(0, 1), st.sampled_from(["always", "on_request", "never"]), st.none() | st.floats(-1, 1)
)
def test_there_are_always_reasons(information: float, voice: float, policy: str, similarity: float | None) -> None:
    _, reasons = decide(information, voice, policy, similarity)
    assert reasons and all(reason.strip() for reason in reasons)


@pytest.fixture(scope="module")
def classifier(embedder: FastEmbedder) -> LearnedClassifier:
    return LearnedClassifier(embedder, TurnEncoder(), load(SHIPPED))


PLAIN = [
    ("hello", (), False),
    ("Good morning!", (), False),
    ("thanks, that helped", (), False),
    ("who are you?", (), False),
    ("tell me a joke", (), False),
    ("Make this friendlier: You have not sent the form. Send it today.", (), False),
    ("danke dir!", (), False),
    ("how many days of annual leave do new employees get?", (), True),
    ("vpn setup mac", (), True),
    ("my badge stopped working", (), True),
    ("who approves travel over £1,500?", (), True),
    ("wie viele Urlaubstage habe ich im ersten Jahr?", (), True),
    ("and for contractors?", (Message("user", "how many days of leave do I get"), Message("assistant", "26.")), True),
    ("yes please", (Message("user", "is it open on sunday"), Message("assistant", "Shall I look that up?")), True),
    ("no thanks", (Message("user", "ok"), Message("assistant", "Is there anything else?")), False),
]


@pytest.mark.parametrize(("text", "history", "information"), PLAIN, ids=lambda value: str(value)[:40])
async def test_turns_that_nobody_doubts(
    classifier: LearnedClassifier, text: str, history: tuple[Message, ...], information: bool
) -> None:
    found = await classifier.scores(text, history)
    assert (found.information >= Costs().threshold) == information
    assert 0 <= found.voice <= 1


async def test_an_odd_turn_does_not_break_it(classifier: LearnedClassifier) -> None:
    for text in ("😀😀😀", "?", "x" * 20_000, "\u200b", "١٢٣", "a\n" * 500):
        assert 0 <= (await classifier.scores(text, ())).information <= 1


def test_the_examples_are_well_formed_and_unique() -> None:
    rows = [json.loads(line) for file in EXAMPLES.glob("*.jsonl") for line in file.read_text().splitlines()]
    assert len(rows) >= 3000 and len({row["id"] for row in rows}) == len(rows)
    seen = {(row["turn"], json.dumps(row["history"])) for row in rows}
    assert len(seen) == len(rows)
    for row in rows:
        assert isinstance(row["information"], bool) and (row["voice"] is None) == (not row["information"])


def test_the_card_fits_the_weights_and_the_data() -> None:
    import hashlib

    from assistant.routing.labelled import data_hash, read_all

    card = json.loads((SHIPPED / "card.json").read_text())
    assert card["examples_sha256"] == data_hash(read_all(sorted(EXAMPLES.glob("*.jsonl")))), "train again"
    assert card["model_sha256"] == hashlib.sha256((SHIPPED / "model.onnx").read_bytes()).hexdigest()


@needs_shared
async def test_the_guide_is_routed_usefully(classifier: LearnedClassifier) -> None:
    """Sixty hard turns in the spirit of the set that is kept aside; none of them was trained on."""
    rows = [json.loads(line) for line in (SHARED / "eval" / "routing_guide.jsonl").read_text().splitlines()]
    right = missed = 0
    for row in rows:
        history = tuple(Message(each["role"], each["content"]) for each in row["history"])
        score = (await classifier.scores(row["turn"], history)).information
        right += (score >= 0.5) == row["information"]
        missed += row["information"] and score < Costs().threshold
    assert right >= 0.92 * len(rows)
    assert missed <= 1
