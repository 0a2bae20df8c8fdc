"""Questions of new employees over a real portal's pages: is the right page found, and is it said when there is none?

    python -m tests.benchmarks.bench_handbook --documents ../shared/documents/handbook [--sets FOLDER]

Prints by split of tests/data/handbook_turns.jsonl and handbook_apart.jsonl: answerable turns with a right page among
the first three sources, unanswerable ones that are refused (`not_in_documents`), answerable ones that are, and the AUC
of the evidence score. No model was trained on these turns, but the weights of the search were chosen with a look at
dev and test, and the evidence model is fitted on both: its card has the cross-validated figures, these are of turns
that it knows. ``apart`` was written after all that, by writers who saw the pages alone, and was used to choose nothing.
``--sets`` writes the chunks and the turns in the forms of `assistant eval`, for `assistant.knowledge.evidence_fit`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from assistant.app import Assistant, build_assistant
from assistant.conversation.turn import Message, Turn
from assistant.knowledge.evaluate import auc
from assistant.knowledge.retrieve import Found
from assistant.settings import Settings
from tests.conftest import ROOT

TURNS = ROOT / "tests" / "data" / "handbook_turns.jsonl"
APART = ROOT / "tests" / "data" / "handbook_apart.jsonl"


def rows(path: Path = TURNS) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def asked(assistant: Assistant, row: dict[str, Any]) -> Found:
    history = tuple(Message(**each) for each in row["history"])
    return await assistant.base.search(Turn(row["turn"], history, collections=frozenset({"handbook"})))


def right(found: Found, pages: list[str]) -> bool:
    return any(passage.chunk.document in pages for passage in found.passages[:3])


async def measure(assistant: Assistant) -> None:
    print(
        f"{'split':6} {'right page in first 3':>22} {'unanswerable refused':>21} {'answerable refused':>19} {'AUC':>6}"
    )
    for split in ("dev", "test", "apart"):
        chosen = [row for row in [*rows(), *rows(APART)] if row["split"] == split]
        found = [await asked(assistant, row) for row in chosen]
        can = [(row, each) for row, each in zip(chosen, found, strict=True) if row["pages"]]
        cannot = [each for row, each in zip(chosen, found, strict=True) if not row["pages"]]
        hits = sum(right(each, row["pages"]) for row, each in can)
        refused = [each.evidence.state == "not_in_documents" for each in cannot]
        wrongly = [each.evidence.state == "not_in_documents" for _, each in can]
        area = auc([each.evidence.score for _, each in can], [each.evidence.score for each in cannot])
        print(
            f"{split:6} {f'{hits} of {len(can)} ({hits / len(can):.3f})':>22} "
            f"{f'{sum(refused)} of {len(cannot)} ({sum(refused) / len(cannot):.2f})':>21} "
            f"{f'{sum(wrongly)} of {len(can)} ({sum(wrongly) / len(can):.2f})':>19} {area:6.3f}"
        )


async def write_sets(assistant: Assistant, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [chunk async for chunk in assistant.index.scroll("handbook")]
    passages = [{"id": chunk.id, "title": chunk.heading, "text": chunk.text} for chunk in chunks]
    (folder / "passages.jsonl").write_text("".join(json.dumps(each) + "\n" for each in passages), encoding="utf-8")
    turns = [
        {key: row[key] for key in ("id", "history", "turn")}
        | {"answerability": "answerable" if row["pages"] else "unanswerable"}
        | {"relevant": [chunk.id for chunk in chunks if chunk.document in row["pages"]]}
        for row in rows()
    ]
    written = "".join(json.dumps(each) + "\n" for each in turns)
    (folder / "handbook_turns.jsonl").write_text(written, encoding="utf-8")


async def run(documents: Path, sets: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate(
            {"data": folder, "collections": {"handbook": {"sources": [str(documents.absolute())]}}}
        )
        async with build_assistant(settings) as assistant:
            await assistant.sync()
            await measure(assistant)
            if sets is not None:
                await write_sets(assistant, sets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--sets", type=Path)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.documents, arguments.sets))


if __name__ == "__main__":
    main()
