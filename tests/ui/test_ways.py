"""What the page offers to say of an answer's way, and how it shows what was said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.correct import VERDICTS, meant
from assistant.conversation.routes import ROUTES
from tests.ui.test_encode import FINISHED, ROUTED
from ui.encode import Shown
from ui.ways import Said, offered, read, ways
from ui.words import LANGUAGES, words


def routed(route: str, information: float = 0.9, requested: bool = False) -> dict[str, Any]:
    scores = {"information": information, "voice": 0.4}
    return ROUTED | {"route": route, "scores": scores, "requested": requested}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (routed("retrieve"), ("no_lookup", "in_voice")),
        (routed("both"), ("no_lookup", "plainly")),
        (routed("voice", 0.1), ("look_up",)),
        (routed("voice", 0.3), ("look_up",)),
        (routed("voice", 0.9, requested=True), ("look_up",)),
        (routed("ask"), ("look_up", "no_lookup")),
        (routed("ask", 0.1), ("look_up", "no_lookup")),
    ],
)
def test_what_is_offered(answer: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert offered(answer) == expected


@given(st.sampled_from(list(ROUTES)), st.floats(0, 1), st.booleans(), st.booleans())
def test_each_offer_leads_another_way_and_no_two_the_same(
    route: str, information: float, requested: bool, voiced: bool
) -> None:
    answer = routed(route, information, requested)
    led = [meant(verdict, answer, voiced) for verdict in offered(answer)]
    ways_led = [each.route for each in led if each is not None]
    assert ways_led and len(ways_led) == len(led) == len(set(ways_led)) and route not in ways_led


def test_every_verdict_has_its_words() -> None:
    for language in LANGUAGES:
        for verdict in VERDICTS:
            assert words(language)[f"ways.do_{verdict}"] and Said(verdict, True).done(words(language))


def test_an_answer_that_is_over_says_what_may_be_said_of_it_and_one_that_is_not_does_not() -> None:
    shown = Shown(text="half", routed=ROUTED)
    assert "ways" not in shown.markdown()
    page = Shown(text="half", routed=ROUTED, stopped=True).markdown()
    assert f'<p class="ways turn-{ROUTED["turn"]}"><span class="way way-no_lookup">Needed no look-up</span>' in page
    assert "ways" in Shown(routed=ROUTED, ended={"type": "failed", "message": "no"}).markdown()
    assert "ways" in Shown(routed=ROUTED, ended=FINISHED).markdown()
    assert "ways" not in Shown(text="half", routed=ROUTED, unfinished=True).markdown()
    assert "ways" not in Shown(stopped=True).markdown()


def test_the_route_card_says_what_was_corrected_even_while_the_answer_is_written() -> None:
    shown = Shown(routed=ROUTED, correction=Said("look_up", again=True))
    for page in (shown.markdown(), Shown(routed=ROUTED, ended=FINISHED, correction=shown.correction).markdown()):
        assert '<span dir="auto">Corrected: looked up because you asked</span>' in page
        assert "<dt>Corrected</dt><dd>looked up because you asked</dd>" in page
    noted = Shown(routed=ROUTED, ended=FINISHED, correction=Said("no_lookup", again=False)).markdown()
    assert "Corrected" not in noted and '<span class="stands">Noted. It will be learned from.</span></p>' in noted


def test_an_answer_made_again_may_be_wrong_still_and_one_that_was_noted_offers_no_more() -> None:
    assert "way-" in ways(ROUTED, Said("look_up", again=True), words("en"))
    assert "way-" not in ways(ROUTED, Said("in_voice", False), words("en"))


@given(st.text(max_size=80))
def test_whatever_is_sent_is_read(message: str) -> None:
    turn, verdict = read(message)
    assert " " not in turn + verdict and message.startswith(turn)


def test_a_message_is_turn_and_verdict() -> None:
    assert read("abc look_up 3") == ("abc", "look_up") and read("") == ("", "")
