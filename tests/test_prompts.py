import pytest

import prompts
from assistant.conversation.routes import ROUTES

VALUES = {
    "organisation": "Acme {{ x }}",
    "today": "2026-11-20",
    "contact": None,
    "examples": [("hi", "hello")],
    "evidence": None,
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=lambda route: route.name)
def test_every_route_has_its_prompt(route: object) -> None:
    prompt = prompts.load(route.prompt)
    text = prompt.render(**{name: value for name, value in VALUES.items() if name in prompt.variables})
    assert "Acme {{ x }}" in text, "a value is never template source"
    assert "None" not in text and len(prompt.version) == 12


@pytest.mark.parametrize("name", ["retrieve", "both"])
def test_what_the_documents_lack_is_told_to_the_model(name: str) -> None:
    prompt = prompts.load(name)
    values = {key: value for key, value in VALUES.items() if key in prompt.variables}
    told = {state: prompt.render(**values | {"evidence": state}) for state in ("supported", "not_in_documents")}
    assert "A check before this" in told["not_in_documents"] and "A check before this" not in told["supported"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("{{ a }} {{ c }}", "unknown variables"), ("nothing", "unused"), ("{{ a", "line 1")],
)
def test_a_prompt_that_does_not_fit_fails_when_loaded(text: str, says: str) -> None:
    with pytest.raises(prompts.PromptError, match=says):
        prompts.parse("p", text, frozenset({"a"}))


def test_a_missing_or_needless_value_fails() -> None:
    prompt = prompts.parse("p", "{{ a }}", frozenset({"a"}))
    for values in ({}, {"a": 1, "b": 2}):
        with pytest.raises(prompts.PromptError):
            prompt.render(**values)


def test_the_version_follows_the_text() -> None:
    one, two = (prompts.parse("p", text, frozenset()) for text in ("x", "y"))
    assert one.version != two.version


def test_an_unknown_prompt_is_said() -> None:
    with pytest.raises(
        prompts.PromptError, match="there are ask, both, check, restyle, retrieve, rewrite, route, voice"
    ):
        prompts.load("nope")
