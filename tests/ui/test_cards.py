"""The route card and the cards of passages: what they say, in both languages, and that bars only repeat it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation.routes import ROUTES
from tests.ui.test_encode import FINISHED, ROUTED, Tags, passage, retrieved
from ui.cards import relevance
from ui.encode import REFUSALS, Shown
from ui.route_card import bar
from ui.words import LANGUAGES, words

WHOLE = FINISHED | {
    "model": "gpt-x-2026",
    "backend": "gpt",
    "prompt_version": "retrieve-1",
    "usage": {"input_tokens": 2345, "output_tokens": 187, "estimated": True},
    "timings": {"first_token": 0.321, "finished": 1.9},
    "faults": [{"model": "local", "code": "model_timeout", "message": "secret"}],
    "cost": {"amount": 0.00123, "currency": "USD"},
}
CHECKED = {"type": "checked", "evidence": "supported", "cited": [1], "invented": [], "marks": []}


def rows(page: str) -> dict[str, str]:
    card = page[: page.index("</dl>")]
    return {name: re.sub(r"<[^>]+>", "", text) for name, text in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", card)}


def test_the_route_card_tells_everything_about_a_turn() -> None:
    found = Shown(routed=ROUTED, retrieved=retrieved(passage(1)), ended=WHOLE, collections={"demo": "Demo"})
    assert rows(found.markdown()) == {
        "Why": "asks for &lt;b&gt;something&lt;/b&gt;; a close match",
        "Needs information": "0.93 (looks up from 0.20)",
        "Needs our voice": "0.10",
        "Searched for": "hotel cap",
        "Searched in": "Demo",
        "Answered by": "gpt: gpt-x-2026",
        "Instead of": "local",
        "Time": "first word after 0.32 s, done after 1.90 s",
        "Tokens": "about 2,345 read, 187 written",
        "Cost": "$0.0012",
        "Prompt": "retrieve-1",
        "Router": "v1",
    }
    assert "Answered by gpt: local took too long." in found.markdown() and "secret" not in found.markdown()


def test_the_same_in_german() -> None:
    reasons = ["asks for a fact: “how <much>”", "demo has a close match (0.71)"]
    said = rows(Shown(routed=ROUTED | {"reasons": reasons}, ended=WHOLE, language="de").markdown())
    assert said["Warum"] == "fragt nach einer Auskunft: „how &lt;much&gt;“; gute Stelle in demo (0,71)"
    assert said["Braucht Auskunft"] == "0,93 (schlägt nach ab 0,20)"
    assert said["Zeit"] == "erstes Wort nach 0,32 s, fertig nach 1,90 s"
    assert (said["Tokens"], said["Kosten"]) == ("etwa 2.345 gelesen, 187 geschrieben", "0,0012 $")


def test_a_turn_of_long_ago_has_a_card_too() -> None:
    old = Shown(
        routed=ROUTED, ended={"type": "finished", "model": "m", "prompt_version": "p", "timings": {"finished": 2}}
    )
    assert rows(old.markdown())["Time"] == "first word after 2.00 s, done after 2.00 s"


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_has_its_name_in_both_languages(route: str) -> None:
    for language in LANGUAGES:
        assert (
            f"<b>{words(language)[f'route.{route}']}</b>"
            in Shown(routed=ROUTED | {"route": route}, language=language).markdown()
        )
    assert words("en")[f"route.{route}"] == ROUTES[route].title  # type: ignore[index]  # a RouteName


@given(st.floats(-3, 3), st.none() | st.floats(-3, 3))
def test_a_bar_stays_within_its_ends_and_holds_no_words(share: float, tick: float | None) -> None:
    html = bar(share, tick)
    assert all(0 <= int(each) <= 100 for each in re.findall(r":(-?\d+)%", html)) and html.count("%") == 1 + (
        tick is not None
    )
    assert re.sub(r"<[^>]+>", "", html) == "" and not Tags(html).open


@pytest.mark.parametrize(
    ("similarity", "said"), [(0.7, "close match"), (0.4, "related"), (0.1, "distant"), (None, ""), (0, "")]
)
def test_relevance_is_said_in_words(similarity: float | None, said: str) -> None:
    assert re.sub(r"<[^>]+>", "", relevance({"similarity": similarity}, words("en"))) == said


def test_a_cited_card_highlights_what_supports_the_answer_and_all_lead_to_the_document() -> None:
    text = "The hotel cap is £165 per night in London. Dogs are welcome.\n\n<mark>forged</mark>"
    answer = "The hotel cap in London is £165 [1]."
    marks = [{"start": 0, "end": len(answer), "state": "supported", "why": "", "passages": [1]}]
    page = Shown(
        text=answer,
        routed=ROUTED,
        retrieved=retrieved(passage(1, text=text), passage(2, text=text)),
        checked=CHECKED | {"marks": marks},
        ended=WHOLE,
    ).markdown()
    first, second = page.split('<details class="src ')[1:]
    assert "£165</mark>" in first and "welcome.</mark>" not in first and "&lt;mark&gt;forged" in first
    assert "<mark" not in second
    assert re.findall(r'class="open-source turn-(\w+) n-(\d)"', page) == [("abcdef12", "1"), ("abcdef12", "2")]


def test_what_the_documents_do_not_hold_is_said_once_and_the_nearest_are_called_so() -> None:
    def page(text: str, **more: Any) -> str:
        lost = retrieved(passage(1), evidence=more.pop("evidence", "not_in_documents"))
        return Shown(text=text, routed=ROUTED, retrieved=lost, checked=CHECKED, language="en", **more).markdown()

    for refusal in REFUSALS:
        text = f"{refusal}\n\nThe cap is £165. [1]"
        claim = text.index("The cap")
        mark = {"start": claim, "end": claim + 16, "state": "unsupported", "why": "no", "passages": []}
        shown = page(text)
        assert refusal not in shown and "The cap is £165." in shown and "What comes nearest" in shown
        assert "Nearest passages" in shown and "sources nearest" in shown
        assert refusal in page(text, evidence="partly") and "Nearest" not in page(text, evidence="partly")
        marked = Shown(
            text=text,
            routed=ROUTED,
            retrieved=retrieved(passage(1), evidence="not_in_documents"),
            checked=CHECKED | {"marks": [mark]},
        ).markdown()
        assert '<span class="mark unsupported" tabindex="0">The cap is £165.<span class="why">' in marked
        for cut in range(1, len(refusal)):
            assert '<div class="answer"' not in page(text[:cut])
    assert "An answer of a model" in page("An answer of a model.")


@given(st.sampled_from(LANGUAGES), st.text(max_size=60))
def test_whatever_stands_in_a_turn_every_language_shows_whole_blocks(language: Any, text: str) -> None:
    hostile = f"{text}<img src=x>\n\n</details>"
    page = Shown(
        text=hostile,
        routed=ROUTED | {"reasons": [hostile], "query": hostile, "router_version": hostile},
        retrieved=retrieved(
            passage(1, title=hostile, section=[hostile], text=hostile, page=hostile, duplicates=[hostile])
        )
        | {"why": [hostile], "evidence": "partly"},
        ended=WHOLE | {"note": hostile, "model": hostile, "prompt_version": hostile},
        language=language,
    ).markdown()
    assert "<img" not in page
    for block in page.split("\n\n"):
        assert "\n" not in block and Tags(block).open == []
