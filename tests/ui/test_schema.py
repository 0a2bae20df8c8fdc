"""The OpenAPI document against the server: whatever is asked that it allows, or does not allow, the answer is one that
it names. For somebody with an API key, an editor, and somebody of whom nothing is known."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from assistant.access.api_keys import ApiKeys
from assistant.access.identity import Role
from assistant.records.repository import Repository
from tests.serving import Serving, serving, wait_until_read

EXAMPLES, SLOW_EXAMPLES = 8, 3
"""Requests of each kind to each operation, and to those that run a turn or read a file."""
SLOW = {"chat", "run_again", "edit", "correct", "attach"}
load_all_checks()
WANTED = CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)


@dataclass(frozen=True)
class Somebody:
    """An identity, by what it shows."""

    name: str
    headers: dict[str, str]
    ids: dict[str, str]


@dataclass(frozen=True)
class Open:
    """A server that knows everybody who asks it, and its document."""

    server: Serving
    schema: Any
    people: dict[str, Somebody]


ROLES: tuple[Role, ...] = ("user", "editor")


async def keys(folder: Any) -> dict[str, str]:
    records = Repository(f"sqlite+aiosqlite:///{folder / 'data' / 'records.db'}")
    await records.open()
    made = ApiKeys(records)
    found: dict[str, str] = {role: (await made.add(role, role=role))[0] for role in ROLES}
    await records.close()
    return found


def ids(server: Serving, headers: dict[str, str]) -> dict[str, str]:
    """A conversation and a turn of somebody's own, so that not all that is asked for is missing."""
    body = {"message": "What is the hotel cap in London?", "route": "retrieve"}
    text = httpx.post(f"{server.url}/api/v1/chat", json=body, headers=headers, timeout=60).text
    routed = json.loads(next(line for line in text.splitlines() if line.startswith("data: "))[6:])
    return {"conversation": routed["conversation"], "turn": routed["turn"], "name": "demo"}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    with serving(tmp_path_factory.mktemp("schema"), access={"mode": "required"}) as server:
        wait_until_read(server)
        shown = {role: {"Authorization": f"Bearer {key}"} for role, key in asyncio.run(keys(server.folder)).items()}
        people = {role: Somebody(role, headers, ids(server, headers)) for role, headers in shown.items()}
        people["nobody"] = Somebody("nobody", {}, people["user"].ids)
        document = httpx.get(f"{server.url}/api/v1/openapi.json").json()
        yield Open(server, schemathesis.openapi.from_dict(document), people)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does not fit"])
@pytest.mark.parametrize("name", ["user", "editor", "nobody"])
def test_every_answer_is_one_that_the_document_names(opened: Open, name: str, mode: GenerationMode) -> None:
    who, fits = opened.people[name], mode is GenerationMode.POSITIVE
    seen: Counter[int] = Counter()
    for result in opened.schema.get_all_operations():
        operation = result.ok()
        own = {parameter: value for parameter, value in who.ids.items() if f"{{{parameter}}}" in operation.path}
        for known in (None, own) if own and fits else (None,):
            cases = operation.as_strategy(generation_mode=mode, path_parameters=known)
            slow = operation.definition.raw["operationId"] in SLOW
            with suppress(*(() if fits else (Unsatisfiable,))):  # of some nothing can be wrong
                ask(opened.server.url, who, cases, SLOW_EXAMPLES if slow else EXAMPLES, seen)
    assert seen.total() > 120 and seen[200 if fits and who.headers else 401 if not who.headers else 422] > 20, seen


def ask(url: str, who: Somebody, cases: Any, examples: int, seen: Counter[int]) -> None:
    """Send some cases, and hold each answer against the document."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def asked(case: Any) -> None:
        response = case.call(base_url=url, headers=who.headers)
        case.validate_response(response, checks=WANTED)
        seen[response.status_code] += 1

    asked()
