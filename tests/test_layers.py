"""The architecture as tests: who may import whom, one home for each heavy package, and an instant ``--help``."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

OURS = ("assistant", "connectors", "prompts", "ui")
MAY_IMPORT = {
    "connectors": {"connectors"},
    "prompts": {"prompts"},
    "assistant": {"assistant", "connectors", "prompts"},
    "ui": {"assistant", "connectors", "prompts", "ui"},
}
# The command line is the top of the program: it starts the pages.
TOP = {"assistant/cli/serve.py"}


def room(folder: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*.py")}


HOMES = {
    "gradio": {
        *(f"ui/{name}.py" for name in ("theme", "place", "notices", "blocks")),
        *(f"ui/chat_{name}.py" for name in ("page", "runs", "rooms", "asides", "files", "visit")),
        *room("ui/desk"),
    },
    "llama_index": {
        "assistant/knowledge/readers.py",
        "assistant/knowledge/formats.py",
        "assistant/knowledge/pipeline.py",
        "assistant/knowledge/ray_engine.py",
        "assistant/knowledge/embedder.py",
    },
    "qdrant_client": {f"assistant/knowledge/store/{name}.py" for name in ("server", "server_config", "server_index")},
    "qdrant_edge": {f"assistant/knowledge/store/{name}.py" for name in ("embedded", "embedded_index", "files", "bm25")},
    "openai": {f"connectors/openai_{name}.py" for name in ("compat", "server", "errors")},
    "sqlalchemy": {*room("assistant/records"), *room("assistant/desk")},
    "prometheus_client": {"assistant/telemetry.py"},
    "fastembed": {"assistant/knowledge/embedder.py", "assistant/knowledge/rerank.py"},
    "tree_sitter": {"assistant/knowledge/grammars.py"},
    "tiktoken": {"connectors/tokens.py"},
    "langchain": {"connectors/langchain_chat.py"},
    "langchain_core": {f"connectors/langchain_{name}.py" for name in ("chat", "answer", "errors", "request")},
    "torch": {"connectors/in_process.py", "assistant/routing/finetune.py"},
    "transformers": {"connectors/in_process.py", "assistant/routing/finetune.py"},
    "peft": {"connectors/in_process.py"},
    "llama_cpp": {"connectors/llama_cpp.py"},
    "authlib": {"ui/sign_in_provider.py"},
    "joserfc": {"ui/sign_in_provider.py", "ui/sign_in_attempts.py"},
    "jwt": {f"assistant/access/{name}.py" for name in ("signed", "guests", "jwks")},
    "cryptography": {
        "assistant/access/signed.py",
        "assistant/access/tokens.py",
        "assistant/config_access.py",
    },
    "redis": {"assistant/access/limits_redis.py"},
    "mcp": {f"ui/{name}.py" for name in ("mcp_server", "mcp_shapes")},
    "nh3": {"ui/widget_html.py"},
}
HEAVY = (*HOMES, "numpy", "fastapi", "httpx", "onnxruntime", "pandas", "tenacity", "uvicorn", "jinja2")
SKIPPED = ("assistant/records/migrations/", "assistant/knowledge/models/")


def sources() -> list[Path]:
    found = [path for package in OURS for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if not path.relative_to(ROOT).as_posix().startswith(SKIPPED)]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    allowed = set(OURS) if name in TOP else MAY_IMPORT[name.split("/")[0]]
    assert imported(path) & set(OURS) <= allowed
    for package, homes in HOMES.items():
        assert package not in imported(path) or name in homes, f"{package} has another home"


def test_only_the_settings_read_the_environment() -> None:
    readers = {"assistant/config_file.py"}
    # Gradio, Ray and the tokenizers read a switch from there; git is handed all of it and reads nothing of ours.
    writers = {
        "ui/chat_page.py",
        "ui/uploads.py",
        "assistant/knowledge/sources/git_command.py",
        "assistant/knowledge/ray_engine.py",
        "assistant/knowledge/embedder.py",
    }
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if "os.environ" in text or "getenv" in text:
            assert path.relative_to(ROOT).as_posix() in readers | writers


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["config", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom assistant.__main__ import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        f"heavy = {HEAVY!r}\nprint('LOADED', [name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert run.stdout.rstrip().endswith("LOADED []"), run.stdout + run.stderr


def test_modules_stay_readable() -> None:
    """Most files do one job in under 300 lines; none may grow past 350."""
    long = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {str(path): lines for path, lines in long.items() if lines > 350} == {}
