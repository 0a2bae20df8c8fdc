"""The document of a passage: whole, in order, at the right place, for whoever may read it now."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from assistant.conversation.wire import passage as wire
from assistant.knowledge import reading_room
from assistant.knowledge.base import Build, DocumentBase
from assistant.knowledge.documents import Chunk, Document, Passage
from assistant.knowledge.passages import as_one
from assistant.knowledge.readers import read_bytes
from assistant.knowledge.reading_room import ReadingRoom
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Point
from assistant.knowledge.store.embedded import EmbeddedStore
from tests.knowledge.searching import COLLECTION, WordEmbedder, chunks_of, document

HANDBOOK = "# Leave\n\nEverybody has leave.\n\n" + "\n\n".join(
    f"## Part {n}\n\nIn part {n} there are {n + 20} days of leave for people of group {n}, and the manager of "
    f"group {n} approves them within {n + 1} working days.\n\n| Group | Days |\n|---|---|\n| {n} | {n + 20} |"
    for n in range(30)
)
CODE = "def first(one):\n    return one\n\n\nclass Second:\n    def third(self):\n        return 3\n" * 12


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[DocumentBase]:
    made = DocumentBase(EmbeddedStore(tmp_path / "index"), Retriever)
    await made.open(Build(WordEmbedder(), 60))
    yield made
    await made.close()


async def put(base: DocumentBase, *documents: Document, collection: str = COLLECTION, source: str = "") -> list[Chunk]:
    """The documents' chunks, stored."""
    chunks = [replace(chunk, source=source) for chunk in chunks_of(*documents, collection=collection)]
    vectors = await WordEmbedder().embed([chunk.embedding_text() for chunk in chunks])
    await base.live.index.upsert([Point(c, v.tolist()) for c, v in zip(chunks, vectors, strict=True)])
    return chunks


def shown(chunk: Chunk) -> dict[str, Any]:
    """The passage as it is in the records."""
    return wire(Passage(1, chunk, 1.0, 0.7))


@pytest.mark.parametrize("place", [0, 7, -1])
async def test_the_whole_document_is_there_with_the_passage_at_its_place(base: DocumentBase, place: int) -> None:
    made = document("leave.md", HANDBOOK, modified=date(2026, 3, 2))
    chunk = (await put(base, made))[place]
    found = await ReadingRoom(base).document(shown(chunk), {COLLECTION})
    assert (found.state, found.title, found.uri, found.modified) == ("same", "Handbook", "leave.md", made.modified)
    assert found.text == HANDBOOK and found.start == 0 and found.above is found.below is found.line is None
    assert found.passage == (chunk.start, chunk.end) and found.text[chunk.start : chunk.end] == chunk.text
    assert [each.text for each in found.headings][:3] == ["Leave", "Part 0", "Part 1"]
    assert all(HANDBOOK[each.start :].startswith("#" * each.level) for each in found.headings)


async def test_a_passage_of_joined_chunks_is_found(base: DocumentBase) -> None:
    chunks = await put(base, document("leave.md", HANDBOOK))
    joined = as_one(chunks[3:6], chunks[4])
    found = await ReadingRoom(base).document(shown(joined), {COLLECTION})
    assert found.state == "same" and found.passage == (chunks[3].start, chunks[5].end)


async def test_who_may_not_read_it_now_gets_the_answer_of_a_document_that_is_gone(base: DocumentBase) -> None:
    room = ReadingRoom(base)
    chunk = (await put(base, document("leave.md", HANDBOOK)))[2]
    refused = [await room.document(shown(chunk), readable) for readable in (set(), {"other"})]
    await base.live.index.delete_document(COLLECTION, "", "leave.md")
    gone = await room.document(shown(chunk), {COLLECTION})
    assert gone.state == "gone" and not gone.text and not gone.headings
    assert refused == [gone, gone]
    assert await room.around(shown(chunk), {"other"}, 1, 1) == await room.around(shown(chunk), {COLLECTION}, 1, 1)


async def test_another_collections_document_of_the_same_name_is_not_read(base: DocumentBase) -> None:
    chunk = (await put(base, document("leave.md", HANDBOOK)))[2]
    await put(base, document("leave.md", "# Secret\n\nThe salary of the director."), collection="board")
    found = await ReadingRoom(base).document(shown(chunk), {"board"})
    assert found.state == "gone" and "director" not in found.text


async def test_a_document_that_has_changed_says_whether_the_passage_still_stands(base: DocumentBase) -> None:
    room = ReadingRoom(base)
    chunk = (await put(base, document("leave.md", HANDBOOK)))[4]
    await base.live.index.delete_document(COLLECTION, "", "leave.md")
    await put(base, document("leave.md", f"# Leave\n\nA new first paragraph.\n\n{HANDBOOK}"))
    moved = await room.document(shown(chunk), {COLLECTION})
    assert moved.state == "moved" and moved.passage is not None
    assert moved.text[slice(*moved.passage)] == chunk.text
    around = await room.around(shown(chunk), {COLLECTION}, 99, 1)
    assert around.state == "moved" and "A new first paragraph." in around.before and around.after
    await base.live.index.delete_document(COLLECTION, "", "leave.md")
    await put(base, document("leave.md", "# Leave\n\nNobody has leave any more."))
    changed = await room.document(shown(chunk), {COLLECTION})
    assert changed.state == "changed" and changed.passage is None and "Nobody" in changed.text
    assert await room.around(shown(chunk), {COLLECTION}, 1, 1) == reading_room.Around("changed")


async def test_of_two_documents_of_one_name_the_passages_own_is_opened(base: DocumentBase) -> None:
    await put(base, document("a.md", "# A\n\nThe first source says one thing.", modified=date(2026, 9, 9)), source="x")
    (chunk,) = await put(base, document("a.md", "# A\n\nThe other source says another."), source="y")
    found = await ReadingRoom(base).document(shown(chunk), {COLLECTION})
    assert found.state == "same" and "another" in found.text and "first source" not in found.text


async def test_neighbours_come_on_demand_up_to_the_ends(base: DocumentBase) -> None:
    room = ReadingRoom(base)
    chunks = await put(base, document("leave.md", HANDBOOK))
    one = await room.around(shown(chunks[3]), {COLLECTION}, 1, 2)
    assert one.before == f"{chunks[2].gap}{chunks[2].text}{chunks[3].gap}".strip("\n")
    assert one.after.endswith(chunks[5].text) and chunks[4].text in one.after
    assert (one.chunks_before, one.chunks_after, one.more_before, one.more_after) == (1, 2, True, True)
    every = await room.around(shown(chunks[3]), {COLLECTION}, 999, 999)
    assert not every.more_before and not every.more_after and every.chunks_before == 3
    assert f"{every.before}{chunks[3].text}{every.after}".replace("\n", "") == HANDBOOK.replace("\n", "")
    none = await room.around(shown(chunks[3]), {COLLECTION}, 0, 0)
    assert (none.before, none.after, none.more_before, none.more_after) == ("", "", True, True)


async def test_code_keeps_its_lines_and_their_numbers(base: DocumentBase) -> None:
    made = read_bytes(CODE.encode(), ".py", "app/first.py")
    chunks = await put(base, made)
    assert len(chunks) > 3
    for chunk in chunks:
        found = await ReadingRoom(base).document(shown(chunk), {COLLECTION})
        assert found.state == "same" and found.line == 1 and found.passage is not None
        assert found.text.rstrip() == CODE.rstrip() and "```" not in found.text
        assert found.text.count("\n", 0, found.passage[0]) + 1 == chunk.line
    around = await ReadingRoom(base).around(shown(chunks[1]), {COLLECTION}, 1, 1)
    assert around.line == chunks[0].line
    assert around.line_after is not None and chunks[2].line is not None
    assert CODE.split("\n")[around.line_after - 1] == around.after.split("\n")[0]


def pdf(pages: Sequence[str]) -> bytes:
    from fpdf import FPDF

    made = FPDF()
    made.set_font("helvetica", size=11)
    for text in pages:
        made.add_page()
        made.multi_cell(0, 8, text)
    return bytes(made.output())


def word(paragraphs: Sequence[str]) -> bytes:
    import docx

    made = docx.Document()
    made.add_heading("Travel", 1)
    for text in paragraphs:
        made.add_paragraph(text)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


async def test_the_pages_of_a_pdf_are_told(base: DocumentBase) -> None:
    subjects = ("hotels", "trains", "taxis", "meals")
    texts = [
        " ".join(f"{name.title()} {letter} of kind {letter * 2} cost more." for letter in "abcdefgh" * 2)
        for name in subjects
    ]
    chunks = await put(base, read_bytes(pdf(texts), ".pdf", "caps.pdf"))
    chunk = next(chunk for chunk in chunks if chunk.page == "3")
    found = await ReadingRoom(base).document(shown(chunk), {COLLECTION})
    assert found.state == "same" and [page.label for page in found.pages] == ["1", "2", "3", "4"]
    assert found.text[found.pages[2].offset :].startswith("Taxis a")


async def test_a_word_file_is_shown_as_its_text(base: DocumentBase) -> None:
    chunks = await put(
        base, read_bytes(word(["Trains go first. " * 20, "Taxis need a reason. " * 20]), ".docx", "t.docx")
    )
    found = await ReadingRoom(base).document(shown(chunks[-1]), {COLLECTION})
    assert found.state == "same" and found.passage is not None and "Trains go first." in found.text
    assert found.text[slice(*found.passage)] == chunks[-1].text


async def test_a_long_document_comes_in_windows_that_meet(base: DocumentBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_room, "WINDOW", 1600)
    monkeypatch.setattr(reading_room, "BEFORE", 400)
    room = ReadingRoom(base)
    chunks = await put(base, document("leave.md", HANDBOOK))
    chunk = chunks[len(chunks) // 2]
    first = await room.document(shown(chunk), {COLLECTION})
    assert len(first.text) <= 1600 and first.passage is not None
    assert first.text[slice(*first.passage)] == chunk.text and first.start + first.passage[0] == chunk.start
    pieces, at = [], 0
    while True:
        window = await room.document(shown(chunk), {COLLECTION}, at=at)
        pieces.append(window.text)
        if window.below is None:
            break
        assert window.below > at
        at = window.below
    assert "".join(pieces) == HANDBOOK
    last = await room.document(shown(chunk), {COLLECTION}, at=at)
    assert last.passage is None and last.above is not None
    up, seen = last, 0
    while up.above is not None:
        before = await room.document(shown(chunk), {COLLECTION}, at=up.above)
        assert before.start < up.start <= before.start + len(before.text)
        up, seen = before, seen + 1
    assert seen > 1


async def test_a_window_within_long_code_begins_with_the_line_that_opens_it(
    base: DocumentBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_room, "WINDOW", 800)
    monkeypatch.setattr(reading_room, "BEFORE", 200)
    text = (
        "# How\n\nRun this.\n\n```sh\n"
        + "\n".join(f"echo step {n} of many steps" for n in range(200))
        + "\n```\n\nDone."
    )
    chunks = await put(base, document("how.md", text))
    chunk = chunks[len(chunks) // 2]
    found = await ReadingRoom(base).document(shown(chunk), {COLLECTION})
    assert found.text.startswith("```sh\necho step") and found.passage is not None
    assert found.text[slice(*found.passage)] == chunk.text


@given(text=some.text(alphabet="ab #|`-\n.1", min_size=1, max_size=400), wanted=some.integers(0, 500))
def test_every_window_is_within_the_text(text: str, wanted: int) -> None:
    chunks = chunks_of(document("x.md", text), most=40, least=3)
    if not chunks:
        return
    version = reading_room._put_together(chunks)
    cuts = reading_room._cuts(version)
    first, last, lead = reading_room._window(version, cuts, min(wanted, len(version.text)))
    assert 0 <= first <= last <= len(version.text) and first < max(last, 1)
    assert not lead or lead.strip(" >")[0] in "`~"
