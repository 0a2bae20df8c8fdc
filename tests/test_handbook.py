"""The main job on real documents: everything indexed, and questions find their page.

The questions were written from pages drawn at random, before any search was run on them. Weights were set on the split
`dev`, the size of chunks with a look at `check`; nothing was ever set on `test` (docs/figures.md).
"""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT, SHARED, needs_shared
from tests.serving import Serving, run, serving

pytestmark = needs_shared
QUESTIONS = ROOT / "tests" / "data" / "handbook_questions.jsonl"
HANDBOOK = SHARED / "documents" / "handbook"
QUICK: dict[str, Any] = {
    "models": {"quick": {"connector": "scripted", "options": {"answers": ["Fine."]}}},
    "roles": {"main": "quick"},
    "surfaces": {"portal": {}, "quoting": {"roles": {"main": "builtin"}}},
}
"""One surface answers at once; on the other the builtin model does, which embeds many sentences for each answer."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handbook")
    done = run(folder, "ingest", str(HANDBOOK), "--collection", "handbook")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_all_of_it_is_indexed_and_a_second_run_writes_nothing(filled: Path) -> None:
    done = run(filled, "ingest", str(HANDBOOK), "--collection", "handbook")
    files = sum(1 for path in HANDBOOK.rglob("*.md"))
    assert done.returncode == 0 and int(done.stdout.split()[1]) >= files
    assert "unchanged; 0 passages written" in done.stdout


def test_the_forms_are_indexed(filled: Path) -> None:
    done = run(filled, "ingest", str(SHARED / "documents" / "forms"), "--collection", "forms")
    assert done.returncode == 0 and "7 added" in done.stdout, done.stdout


def test_questions_find_their_page_and_the_server_stays_small(filled: Path) -> None:
    rows = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    asked = [row for row in rows if row["pages"]]
    found = 0
    with serving(filled, **QUICK) as server:
        for row in asked:
            found += any(source in row["pages"] for source in sources(server, row["question"], "portal")[:3])
        for row in asked[:8]:
            assert sources(server, row["question"], "quoting")
        assert server.resident_megabytes() <= 700
    assert found >= 0.85 * len(asked), f"{found} of {len(asked)}"


def sources(server: Serving, question: str, surface: str) -> list[str]:
    body = {"message": question, "collection": "handbook", "route": "retrieve", "surface": surface}
    frames = httpx.post(f"{server.url}/api/v1/chat", json=body, timeout=60).text.split("\n\n")
    retrieved = json.loads(frames[1].split("data: ", 1)[1])
    return [source["document"] for source in retrieved["passages"]]


def test_the_example_of_the_readme_answers(filled: Path) -> None:
    question = "how many days of annual leave do new employees get"
    began = time.monotonic()
    done = run(filled, "ask", question, "--collection", "handbook", "--json")
    found = json.loads(done.stdout)
    assert found["route"] == "retrieve" and found["sources"] and found["answer"]
    assert time.monotonic() - began < 30
