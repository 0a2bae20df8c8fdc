"""A process that is killed while it reads an attached file, and the same on the store of a Qdrant server."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient

from assistant.app import build_assistant
from assistant.conversation.attaching import Attachment
from assistant.conversation.attachments import Attachments
from assistant.knowledge.attached import collection_of
from assistant.knowledge.base import Build, DocumentBase
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.private import PrivateCollections
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store.server import ServerStore
from assistant.records.manifest import Manifest
from assistant.records.repository import Repository
from tests.conftest import ROOT
from tests.conversation.attached_files import hidden, note, originals
from tests.conversation.test_attachments import settings

PROGRAM = """
import asyncio, sys
from pathlib import Path
from assistant.app import build_assistant
from tests.conversation.test_attachments import settings

async def main(folder):
    async with build_assistant(settings(folder)) as assistant:
        for number in range(100):
            made = await assistant.attachments.add(
                folder / "note.md", f"{number}.md", person="ada", conversation=None, surface="portal",
                tell=lambda now: print("step", flush=True))
            print("ready", made.conversation, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


def _killed(folder: Path, after: float) -> list[str]:
    """The conversations whose file was said to be ready before the process was killed, ``after`` the first one."""
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(line)
        if line.startswith("ready"):
            break
    time.sleep(after)
    child.kill()
    rest, _ = child.communicate()
    return [line.split()[1] for line in [*said, *rest.splitlines()] if line.startswith("ready ")]


@pytest.mark.parametrize("after", [0.05, 0.3, 0.45])
async def test_no_file_is_half_there_after_a_kill(tmp_path: Path, after: float) -> None:
    note(tmp_path / "note.md")
    ready = _killed(tmp_path, after)
    assert ready
    async with build_assistant(settings(tmp_path)) as assistant:
        rows = await assistant.attachments._rows.all()
        assert {row.state for row in rows} <= {"ready", "failed"}
        whole = {row.conversation: row for row in rows if row.state == "ready"}
        assert set(ready) <= set(whole)
        assert await hidden(assistant) == {collection_of(each): row.passages for each, row in whole.items()}
        assert {path.name for path in originals(assistant)} == {row.id for row in whole.values()}
        for conversation in whole:
            (document,) = await assistant.index.documents(collection_of(conversation))
            assert document.whole


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
@pytest.mark.filterwarnings("ignore:Local mode performs exact")
async def test_files_in_the_store_of_a_server(tmp_path: Path, embedder: FastEmbedder) -> None:
    base = DocumentBase(
        ServerStore("http://localhost:6333", client=AsyncQdrantClient(":memory:")), Retriever, keep=lambda _: True
    )
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    await base.open(Build(embedder, 240))
    private = PrivateCollections(base, Manifest(records))
    attachments = Attachments(private, records, tmp_path / "files", lambda: 20, alone=False)
    await attachments.open()
    steps: list[Attachment] = []
    try:
        note(tmp_path / "note.md")
        made = await attachments.add(
            tmp_path / "note.md", "note.md", person="ada", conversation=None, surface="portal", tell=steps.append
        )
        index, name = base.live.index, collection_of(made.conversation)
        assert await attachments.searchable(made.conversation) == {name}
        assert await index.collections() == {name: made.passages} and steps[-1] == made
        assert [each.chunks for each in await base.indexes()] == [0]
        other = await attachments.add(
            tmp_path / "note.md", "b.md", person="ada", conversation=made.conversation, surface="portal"
        )
        await attachments.remove(made.id, person="ada")
        assert await index.collections() == {name: other.passages}
        await attachments.forget(made.conversation)
        assert await index.collections() == {} and not list((tmp_path / "files").rglob("*"))
    finally:
        await attachments.close()
        await records.close()
        await base.close()
