"""The docs name everything that there is: settings, events, error codes, routes, commands, connectors."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.config_schema import REFERENCE_FILE, reference
from assistant.conversation.routes import ROUTES
from assistant.conversation.wire import KINDS
from connectors.errors import ConnectorError
from connectors.registry import names
from tests.conftest import ROOT

DOCS = ROOT / "docs"


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_settings_page_is_current() -> None:
    assert REFERENCE_FILE.read_text(encoding="utf-8") == reference(), "run python -m assistant.config_schema"


def test_every_event_and_route_is_named() -> None:
    for kind in KINDS:
        assert f"| `{kind}` |" in read("api.md")
    for route in ROUTES:
        assert f"| `{route}` |" in read("architecture.md")


def error_codes() -> set[str]:
    def tree(kind: type[ConnectorError]) -> set[str]:
        return {kind.code}.union(*(tree(below) for below in kind.__subclasses__()))

    sources = [*(ROOT / "assistant" / "conversation").glob("*.py"), *(ROOT / "ui").glob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    raised = set(re.findall(r'(?:Failed|TurnRejected|_error)\(\s*(?:\d+, )?"([a-z_]+)"', text))
    return tree(ConnectorError) | raised


def test_every_error_code_is_named() -> None:
    codes = error_codes()
    assert {"empty_turn", "internal_error", "model_timeout", "invalid_request"} <= codes
    assert [code for code in sorted(codes) if f"`{code}`" not in read("api.md")] == []


@pytest.mark.parametrize("command", ["serve", "ingest", "ask", "config explain", "config check"])
def test_every_command_and_option_is_named(command: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "assistant", *command.split(), "--help"], capture_output=True, text=True, cwd=ROOT
    ).stdout
    line = next(line for line in read("commands.md").splitlines() if line.startswith(f"| `assistant {command}"))
    for option in set(re.findall(r"--[a-z]+", shown)) - {"--help", "--config"}:
        assert option in line


def test_every_connector_is_named() -> None:
    for name in set(names()) - {"needs-more"}:
        assert f"`{name}`" in read("models.md")


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.md"), ROOT / "README.md"]), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


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
