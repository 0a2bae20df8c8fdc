"""The docs name everything that there is: settings, commands, sources, events, error codes, routes, modules."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from fastapi import FastAPI

from assistant.__main__ import app
from assistant.app import build_assistant
from assistant.cli.ask import summary
from assistant.config_file import load
from assistant.config_schema import REFERENCE_FILE, reference
from assistant.conversation.attaching import SAYS
from assistant.conversation.events import Checked, Event, Failed, Finished, Retrieved, Routed, TextDelta
from assistant.conversation.routes import ROUTES
from assistant.conversation.wire import KINDS, encode, passage
from assistant.knowledge import happenings
from assistant.knowledge.base import BUILDING, FORMAT, LIVE, PREVIOUS
from assistant.knowledge.documents import Chunk, Passage
from assistant.knowledge.evaluate import LABELS
from assistant.knowledge.evidence import NOTHING, EvidenceState
from assistant.knowledge.outcome import Outcome, Progress
from assistant.knowledge.sources.registry import KINDS as SOURCES
from assistant.routing.router import Decision
from assistant.settings import Settings
from connectors.errors import ConnectorError
from connectors.registry import names
from tests.conftest import ROOT
from ui.api_errors import STATUS
from ui.health import add_health_routes
from ui.native_api import add_native_api
from ui.openapi import described
from ui.session_api import add_session_routes

DOCS = ROOT / "docs"
EVENTS: tuple[Event, ...] = (
    Routed("", "", Decision("both", 0, 0, 0, (), "", False, "")),
    Retrieved("", (), (), NOTHING),
    TextDelta(""),
    Checked(None, (), ()),
    Finished("", "", "", {}, {}),
    Failed("", "", ""),
)
HAPPENINGS = (
    happenings.Began("", "", 1, 1),
    Progress(1, 1, "", "added"),
    happenings.Ended("", "", "ok"),
    happenings.Removed("", "", 0, ""),
    happenings.Noted(""),
)
PASSAGE = Passage(1, Chunk("c", "d", "t", (), "text", 0, 4, 0, 1, "hash"), 0, 0)


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def row(page: str, begins: str) -> str:
    """The row of a table whose first cell begins so."""
    found = [line for line in read(page).splitlines() if line.startswith(f"| `{begins}")]
    assert len(found) == 1, f"{page} has {len(found)} rows that begin with `{begins}"
    return found[0]


def missing(wanted: Any, text: str) -> list[str]:
    return [name for name in wanted if f"`{name}`" not in text]


def test_the_settings_page_is_current() -> None:
    assert REFERENCE_FILE.read_text(encoding="utf-8") == reference(), "run python -m assistant.config_schema"


def test_every_route_is_named() -> None:
    for route in ROUTES:
        assert row("architecture.md", f"{route}`")


def test_every_event_and_its_fields_are_named() -> None:
    assert {encode(event)["type"] for event in EVENTS} == set(KINDS)
    events: list[dict[str, Any]] = [encode(event) for event in EVENTS]
    events += [happenings.encode(each) for each in HAPPENINGS]
    api = read("api.md")
    for event in events:
        rows = [line for line in api.splitlines() if line.startswith(f"| `{event['type']}` |")]
        assert any(not missing(event.keys() - {"type"}, line) for line in rows), event["type"]
    (passages,) = (part for part in api.split("\n\n") if part.startswith("A passage:"))
    assert missing(passage(PASSAGE), passages) == []


def test_every_state_and_outcome_is_named() -> None:
    assert missing(get_args(EvidenceState), row("api.md", "retrieved`")) == []
    assert [state for state in get_args(EvidenceState) if not row("architecture.md", f"{state}`")] == []
    assert missing(get_args(EvidenceState), read("retrieval.md")) == []
    assert missing(get_args(Outcome), row("api.md", "progress`")) == []
    assert missing(get_args(happenings.Outcome), row("api.md", "ended`")) == []


def error_codes() -> set[str]:
    def tree(kind: type[ConnectorError]) -> set[str]:
        return {kind.code}.union(*(tree(below) for below in kind.__subclasses__()))

    sources = [*(ROOT / "assistant").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    raised = set(
        re.findall(r'(?:Failed|TurnRejected|Denied|\berror|refuse)\((?:scope, send, )?\s*(?:\d+, )?"([a-z_]+)"', text)
    )
    return tree(ConnectorError) | raised | STATUS.keys() | SAYS.keys()


def test_every_error_code_is_named() -> None:
    codes = error_codes()
    assert {"empty_turn", "internal_error", "model_timeout", "invalid_request", "sign_in"} <= codes
    assert missing(sorted(codes), read("api.md")) == []


PLACES = {"{conversation}": "ID", "{attachment}": "ID", "{turn}": "TURN", "{name}": "NAME"}
ELSEWHERE = {"/api/v1/session", "/api/v1/desk/code"}
"""In a sentence, not in a row."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the API says of itself."""
    assistant = build_assistant(Settings(data=tmp_path_factory.mktemp("data")))
    api = FastAPI()
    add_health_routes(api, assistant)
    add_session_routes(api, assistant, assistant.gate("token"))
    add_native_api(api, assistant)
    return described(api)


def fields(document: dict[str, Any], schema: Any, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all fields below a schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from fields(document, each, seen)
    if not isinstance(schema, dict):
        return
    if (name := schema.get("$ref", "").rpartition("/")[2]) and name not in seen:
        yield from fields(document, document["components"]["schemas"][name], (*seen, name))
    for name, below in schema.get("properties", {}).items():
        yield name
        yield from fields(document, below, seen)
    for part in ("items", "anyOf", "oneOf", "itemSchema", "schema", "contentSchema"):
        yield from fields(document, schema.get(part), seen)


def test_every_address_with_its_parameters_and_fields_is_named(document: dict[str, Any]) -> None:
    api = read("api.md")
    (chat,) = (part for part in api.split("\n## ") if part.startswith("`POST /api/v1/chat`"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            address = f"{method.upper()} {re.sub('{[a-z]+}', lambda found: PLACES[found[0]], path)}"
            if path == "/api/v1/chat":
                named = chat
            elif path in ELSEWHERE:
                named = next(part for part in api.split("\n\n") if f"`{address}`" in part)
            else:
                named = row("api.md", f"{address}`")
            query = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            bodies = operation.get("requestBody", {}).get("content", {})
            asked = [name for body in bodies.values() for name in properties(document, body["schema"])]
            assert missing([*query, *asked], named) == [], address
            for name in {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}:
                assert f"`{name}`" in api or f"`{name}:" in api, name
            answers = operation["responses"]["200"].get("content", {}).values()
            unnamed = set(missing(sorted({*fields(document, list(answers))}), api)) - {"event", "data", "type"}
            assert unnamed == set(), address


def properties(document: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """The fields of a body."""
    found = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
    return list(found.get("properties", ()))


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_commands_are_found() -> None:
    assert {"serve", "ingest", "ask", "sources sync", "collections rollback", "eval evidence"} <= COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_named(command: str) -> None:
    line = next(line for line in read("commands.md").splitlines() if re.match(rf"\| `assistant {command}[ `]", line))
    for option in (each for param in COMMANDS[command].params for each in param.opts if each.startswith("--")):
        assert option == "--config" or re.search(rf"{option}\b", line), option


def test_what_commands_print_and_read_as_json_is_named() -> None:
    assert missing(summary([]), read("commands.md")) == []
    assert missing(LABELS, read("commands.md")) == []


def test_every_kind_of_source_and_its_options_are_named() -> None:
    for name, kind in SOURCES.items():
        assert missing(kind.options, row("sources.md", f"{name}`")) == []


def test_every_setting_of_retrieval_is_named_where_it_acts() -> None:
    assert missing(type(Settings().retrieval).model_fields, read("retrieval.md")) == []


def test_every_module_of_the_document_base_is_named() -> None:
    modules = {path.stem for path in (ROOT / "assistant" / "knowledge").rglob("*.py")} - {"__init__"}
    assert missing(sorted(modules), read("architecture.md")) == []
    assert missing((LIVE, PREVIOUS, BUILDING), read("architecture.md")) == []
    assert f"-f{FORMAT}-v1`" in read("architecture.md")


def test_every_connector_is_named() -> None:
    assert missing(set(names()) - {"needs-more"}, read("models.md")) == []


PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL), 1)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_settings_in_the_docs_are_settings(block: str, tmp_path: Path) -> None:
    file = tmp_path / "assistant.yaml"
    file.write_text(block, encoding="utf-8")
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)", block), 40 * "x")
    assert load(file, environ=variables).settings.model_fields_set


def test_the_connector_in_the_docs_works() -> None:
    code = re.search(r"```python\n(.*?)```", read("models.md"), re.DOTALL)
    assert code is not None
    check = (
        f"{code[1]}\nimport asyncio\nfrom connectors import ChatMessage\n"
        "async def main():\n"
        "    request = ChatRequest((ChatMessage.of('user', 'hi'),))\n"
        "    print(''.join([d.text async for d in build(ModelSpec('e'), Resources()).stream(request)]))\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "You said: hi\n", done.stderr
