"""The OpenAPI document says what is there, with examples that fit, and the events that really come."""

from __future__ import annotations

from typing import Any, get_args

import httpx
import pytest
from pydantic import TypeAdapter

from tests.ui.people import LONDON, People, events
from ui import examples, shapes, shapes_events, shapes_knowledge
from ui.shapes_events import TurnEvent, WorkEvent

TURN_EVENT: TypeAdapter[Any] = TypeAdapter(TurnEvent)
WORK_EVENT: TypeAdapter[Any] = TypeAdapter(WorkEvent)


@pytest.fixture
def document(people: People) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{people.server.url}/api/v1/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [operation for path in document["paths"].values() for operation in path.values()]
    return {operation["operationId"]: operation for operation in found}


def test_every_operation_has_a_name_a_tag_and_a_security(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len(found) == sum(len(path) for path in document["paths"].values()), "names are unique"
    tags = {each["name"] for each in document["tags"]}
    for name, operation in found.items():
        assert set(operation["tags"]) <= tags, name
        assert operation["security"] and operation.get("description"), name
        assert {"401", "403", "422", "429", "503"} <= operation["responses"].keys(), name
    assert document["servers"] == [{"url": "/"}]
    assert {"bearer": []} in found["list_sources"]["security"] and {} not in found["list_sources"]["security"]
    assert {} in found["chat"]["security"]


def test_every_body_and_every_answer_has_an_example_that_fits(document: dict[str, Any]) -> None:
    seen = set()
    for name, operation in operations(document).items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert name == "attach" or name in examples.REQUESTS, f"{name} has no example of a request"
            assert content.get("example") == examples.REQUESTS.get(name), name
        content = operation["responses"]["200"]["content"].get("application/json", {})
        shape = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        places = (shapes, shapes_events, shapes_knowledge)
        for model in (getattr(place, shape) for place in places if shape in vars(place)):
            assert "example" in content, f"{name} has no example of an answer"
            model.model_validate(content["example"], strict=True)
            seen.add(name)
    assert seen == examples.RESPONSES.keys()
    for event in examples.TURN_EVENTS:
        TURN_EVENT.validate_python(event, strict=True)
    for event in examples.WORK_EVENTS:
        WORK_EVENT.validate_python(event, strict=True)


@pytest.mark.parametrize("route", ["retrieve", "voice", "both"])
@pytest.mark.parametrize("render", [None, "html"])
def test_the_events_of_a_turn_are_as_the_document_says(people: People, route: str, render: str | None) -> None:
    found = people.chat("user", LONDON, route=route, render=render)
    for event in found:
        TURN_EVENT.validate_python(event, strict=True)
    assert ("rendered" in {event["type"] for event in found}) is (render is not None)


def test_the_events_of_work_are_as_the_document_says(people: People) -> None:
    for body in ({"collection": "demo"}, {"collection": "nowhere"}):
        for event in events(people("machine", "POST", "sources/sync", json=body).text):
            WORK_EVENT.validate_python(event, strict=True)


def test_a_history_with_html_is_as_the_document_says(people: People) -> None:
    asked = people.chat("user", LONDON, route="retrieve")[0]
    found = people.get("user", f"conversations/{asked['conversation']}", render="html", language="de")
    shapes.WholeConversation.model_validate(found, strict=True)
    assert "£165" in found["turns"][0]["html"]["answer"]


def test_every_event_of_the_wire_has_a_shape() -> None:
    from assistant.conversation.wire import KINDS
    from assistant.knowledge.happenings import _KINDS as WORK

    def kinds(union: Any) -> set[str]:
        return {get_args(each.model_fields["type"].annotation)[0] for each in get_args(get_args(union)[0])}

    assert kinds(TurnEvent) == {*KINDS, "part", "html", "rendered"}
    assert kinds(WorkEvent) == {*WORK, "done", "failed"}


def test_the_page_that_somebody_looks_at_goes_with_a_turn_within_bounds(people: People) -> None:
    page = {"url": "https://portal.example/x", "title": "Orders", "fields": {"order": "4711"}}
    assert people.chat("user", LONDON, route="retrieve", context=page)[-1]["type"] == "finished"
    for wrong in ({"url": "x" * 2001}, {"fields": {str(n): "" for n in range(21)}}, {"fields": {"a": "x" * 1001}}):
        response = people("user", "POST", "chat", json={"message": LONDON, "context": wrong})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")


def test_the_examples_of_requests_do_what_they_show(people: People) -> None:
    asked = people.chat("user", LONDON, route="voice")[0]
    turn, conversation = f"turns/{asked['turn']}", f"conversations/{asked['conversation']}"
    for name, method, path in (
        ("chat", "POST", "chat"),
        ("run_again", "POST", f"{turn}/again"),
        ("edit", "POST", f"{turn}/edit"),
        ("correct", "POST", f"{turn}/correction"),
        ("give_feedback", "PUT", f"{turn}/feedback"),
        ("change_conversation", "PATCH", conversation),
        ("search", "POST", "search"),
        ("begin_session", "POST", "session"),
    ):
        response = people("user", method, path, json=examples.REQUESTS[name])
        assert response.status_code == 200, (name, response.text)
        if name in examples.RESPONSES:
            assert response.json().keys() == examples.RESPONSES[name].keys(), name
