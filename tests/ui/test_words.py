"""Every text of the chat page is there in every language, is used, and has the same places; so has every sentence that
the assistant makes."""

import ast
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assistant.conversation import attaching, grounding_reasons, model_check
from assistant.conversation.grounding_checker import Checker
from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import Turn
from assistant.knowledge import evidence
from assistant.knowledge.attached import ATTACHED_TITLE
from assistant.routing import router
from assistant.routing.classifier import Scores
from connectors import builtin
from connectors.errors import ConnectorError
from tests.conftest import ROOT
from ui.sentences import LONGEST, Sentences
from ui.words import FILE, LANGUAGES, SCRIPT, language_of, words

READ: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
KEYS = {
    f"{place}.{name}": text for place, found in READ.items() if place != "sentences" for name, text in found.items()
}


def forms(text: str | Mapping[str, str]) -> dict[str, str]:
    return {"": text} if isinstance(text, str) else dict(text)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", KEYS)
def test_a_text_is_there_in_every_language_with_the_same_places(key: str) -> None:
    found = KEYS[key]
    assert set(found) == set(LANGUAGES), f"{key} lacks a language"
    written = [forms(text) for text in found.values()]
    assert all(each.keys() in ({""}, {"one", "other"}) and each.keys() == written[0].keys() for each in written)
    said = [text for each in written for text in each.values()]
    assert all(places(text) == places(said[0]) and text != "" for text in said), key


def test_every_text_is_used() -> None:
    """Also those that are put together of a place and a name: ``f"evidence.{state}"``."""
    read = [path.read_text(encoding="utf-8") for path in (*ROOT.glob("ui/*.py"), *ROOT.glob("ui/static/**/*.js"))]
    text = "\n".join(read)
    begun = re.findall(r"[\"'`](\w+\.\w*)(?:\$?\{|[\"'`] \+)", text)
    unused = [key for key in KEYS if not re.search(rf"[\"'`]{re.escape(key)}[\"'`]", text)]
    unused = [key for key in unused if not key.startswith(tuple(begun))]
    known = [name for name in re.findall(r"words\w*(?:\([^()]*\))?[\[(]\"(\w+\.\w+)\"", text) if name not in KEYS]
    assert known == []
    if text.count("for_script") == 1:  # the page's script has texts of its own so far
        unused = [key for key in unused if key.partition(".")[0] not in SCRIPT]
    assert [key for key in unused if not key.startswith("widget.")] == []  # those: test_widget.py


def test_a_text_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(KeyError, match=r"chat\.nwe"):
        words("de")["chat.nwe"]
    with pytest.raises(KeyError, match="name"):
        words("de")("files.reading")


def test_numbers_decide_about_the_form() -> None:
    assert [words("de")("list.found", count=count) for count in (1, 2)] == [
        "1 Unterhaltung gefunden",
        "2 Unterhaltungen gefunden",
    ]
    assert words("en")["list.found"] == "{count} conversations found"


def test_numbers_dates_and_prices_are_written_as_each_language_does() -> None:
    en, de = words("en"), words("de")
    assert (en.number(12345.678, 2), de.number(12345.678, 2)) == ("12,345.68", "12.345,68")
    assert (en.date("2026-03-02"), de.date("2026-03-02T10:00:00+01:00")) == ("2 March 2026", "2. März 2026")
    assert (en.date("soon"), de.date("")) == ("soon", "")
    assert [en.price(*each) for each in ((1.5, "USD"), (0.00123, "EUR"), (0.0000012, "CHF"))] == [
        "$1.50",
        "€0.0012",
        "0.000001 CHF",
    ]
    assert de.price(0.00123, "EUR") == "0,0012 €"


@pytest.mark.parametrize(
    ("header", "chosen", "language"),
    [
        (None, "auto", "en"),
        ("", "auto", "en"),
        ("de", "auto", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "auto", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "auto", "en"),
        ("en;q=0.5, DE;q=0.8", "auto", "de"),
        ("fr-FR,fr;q=0.9,de;q=0.1", "auto", "de"),
        ("en;q=0, de;q=0.1", "auto", "de"),
        ("fr, *;q=0.5", "auto", "en"),
        ("de;q=nan,en;q=0.1", "auto", "en"),
        ("de;q=....,en;q=0.1", "auto", "en"),
        ("de", "en", "en"),
        ("en", "de", "de"),
    ],
)
def test_the_browser_chooses_the_language_where_the_surface_does_not(
    header: str | None, chosen: Any, language: str
) -> None:
    assert language_of(header, chosen) == language


@given(st.text(max_size=200))
def test_any_header_gives_a_language(header: str) -> None:
    assert language_of(header) in LANGUAGES


def test_the_script_gets_its_texts_and_no_others() -> None:
    found = words("de").for_script()
    assert found["chat.new"] == "Neue Unterhaltung" and "route.why" not in found
    assert {key.partition(".")[0] for key in found} <= set(SCRIPT)


# What the assistant says in English


def reasons() -> Iterator[str]:
    """Every reason that the router can give."""
    cues = [*router._FOR, *router._AGAINST, "yes", ""]
    together = {"previous_offers_lookup": "", "previous_offers_edit": ""}
    for told in (True, False):
        decides = Unversioned(None, router.Costs(), voice_model=False, ask_threshold=None if told else 0.5)  # type: ignore[arg-type]  # decide() asks no classifier
        for cue in cues:
            for information in (0.0, 0.15, 0.3, 0.95):
                for similarity in (None, 0.1, 0.4, 0.9):
                    for spoken in ("", "what is “it”"):
                        scores = Scores(
                            information, 0.9 if told else 0.1, {cue: spoken, **together}, 0.2 if told else 0.9
                        )
                        for policy in ("always", "on_request", "never"):
                            for opinion in (None, True, False):
                                yield from decides.decide(
                                    Turn("x"), scores, policy, "q", similarity, fresh=True, opinion=opinion,
                                    closest="handbook" if told else "",
                                ).reasons  # fmt: skip
        for route in ROUTES:
            yield from decides.decide(Turn("x", route=route), scores, "always", "q", None).reasons
        yield from decides.undecided(Turn("x")).reasons


class Unversioned(router.Router):
    """The router's rules without a classifier."""

    @property
    def version(self) -> str:
        return "none"


FIGURES = re.compile(r"\d+\.\d+")


def test_every_reason_of_the_router_is_said_in_every_language() -> None:
    found = set(reasons())
    assert len(found) > 50
    de = words("de")
    assert {each for each in found if de.say(each) == each} == set()
    assert not any(FIGURES.search(de.say(each)) for each in found), "numbers are written as German does"
    attached = ["a file is attached", "a file is attached, so it is looked up", ATTACHED_TITLE, f"the {ATTACHED_TITLE}"]
    assert [text for text in attached if de.say(text) == text] == []
    assert "den Dokumenten" in "".join(map(de.say, found))


def templates(module: Any, name: str = "") -> list[str]:
    """The texts that the functions of a module put together, or those of that name, each value standing as 1."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and name in node.name]
    joined = [node for function in functions for node in ast.walk(function) if isinstance(node, ast.JoinedStr)]
    texts = ["".join(map(piece, node.values)) for node in joined]
    return [text for text in texts if len(re.findall(r"[a-z]{2,}", text)) >= 3]


def piece(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    return "1%" if isinstance(node, ast.FormattedValue) and "%" in ast.dump(node.format_spec or node.value) else "1"


def test_every_reason_of_a_mark_and_of_the_evidence_is_said_in_every_language() -> None:
    de = words("de")
    said = [
        *templates(grounding_reasons),
        *templates(evidence, "_why"),
        *(why for why in model_check.WHY.values() if why),
        *evidence.NOTHING.why,
        grounding_reasons.NOTHING_LIKE_IT,
        "no passage stands out from the others",
        "none of the best passages seems to say what is asked",
        "only part of it stands in what it cites",
    ]
    said = [text for text in said if text != "1, which says 1"]
    assert len(said) >= 9
    assert [text for text in said if de.say(text) == text] == []
    assert de.say("“Maya” does not stand in the sources") == "“Maya” steht nicht in den Quellen"
    assert de.say("12 does not stand in [1], which says “a, which says b”") == (
        "12 steht nicht in [1]; dort steht “a, which says b”"
    )
    assert de.say("the closest passage is only 31% alike") == "die nächste Stelle gleicht nur zu 31 %"


def test_the_checker_gives_reasons_that_are_known() -> None:
    texts = ["The hotel cap is £165 per night in London.", "Returns take thirty days from the day of purchase."]
    checker = Checker(texts, [1, 2])
    claims = [
        "The hotel cap is £190 per night in London.",
        "The hotel cap is £165 per night in Leeds.",
        "Bananas grow on trees in warm countries of the south.",
    ]
    given_ = [checker.judge(claim, [0]).why for claim in claims] + [Checker([], []).judge("x").why]
    assert all(given_) and [why for why in given_ if words("de").say(why) == why] == []


def test_every_note_of_the_builtin_model_and_every_failure_is_known() -> None:
    de = words("de")
    for note in (builtin.NOTE, builtin.VOICE_NOTE, builtin.NO_EXAMPLE_NOTE):
        for text in (note, note.replace(builtin.UNCONFIGURED, builtin.UNANSWERED)):
            assert de.say(text) != text
    codes = {each.code for each in subclasses(ConnectorError)} | {"internal_error", "embedder_error", "unheard_of"}
    for code in codes:
        assert de.failure({"code": code, "message": "In English."}) != "In English."
        assert words("en").failure({"code": code, "message": "In English."}) == "In English."


def test_every_refusal_that_a_reader_of_the_page_may_meet_is_said_in_every_language() -> None:
    de, found = words("de"), [*attaching.SAYS.values()]
    for path in (*ROOT.glob("assistant/conversation/*.py"), *ROOT.glob("ui/chat_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "TurnRejected" and len(node.args) == 2:
                said = node.args[1]
                found += [str(said.value)] if isinstance(said, ast.Constant) else []
                found += ["".join(map(piece, said.values))] if isinstance(said, ast.JoinedStr) else []
    found = [re.sub(r"\{\w+\}", "1", text) for text in found]
    assert len(found) > 20
    assert [text for text in found if de.say(text) == text] == []


def subclasses(kind: type[ConnectorError]) -> Iterator[type[ConnectorError]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


@given(st.text(max_size=300))
def test_a_sentence_of_somebody_else_stays_or_keeps_what_is_in_it(text: str) -> None:
    assert words("en").say(text) == text
    assert words("de").say(f"the best passages do not mention {text}").endswith(text or " ")


def test_a_sentence_that_is_long_is_left_alone_and_one_with_braces_is_harmless() -> None:
    long = f"declines: “{'x' * LONGEST}”"
    assert words("de").say(long) == long
    assert words("de").say("declines: “{0} {name} {”") == "lehnt ab: „{0} {name} {“"
    assert Sentences({}).say("declines") == "declines"
