"""Files attached to conversations: read, found, cited, and gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from assistant.app import Assistant, build_assistant
from assistant.conversation.accepting import TurnRejected
from assistant.conversation.attachments import PER_CONVERSATION, Attachment, AttachmentRejected
from assistant.conversation.events import Checked, Finished
from assistant.knowledge.apart import read_apart
from assistant.knowledge.happenings import Mistake
from assistant.knowledge.loading import ReadError
from assistant.settings import Settings
from tests.conversation.attached_files import (
    attach,
    found_in,
    hidden,
    note,
    originals,
    pdf,
    route_of,
    say,
    scanned,
    titles,
    word,
)

POLICY = "# Travel\n\n## Hotels\n\nThe hotel cap in London is 165 pounds a night.\n"


def policy(path: Path) -> Path:
    path.write_text(POLICY)
    return path


def settings(folder: Path, **more: object) -> Settings:
    return Settings(data=folder / "data", collections={"policies": {}}, **more)  # type: ignore[arg-type,dict-item]


@pytest.fixture
async def assistant(tmp_path: Path) -> AsyncIterator[Assistant]:
    policy(tmp_path / "policy.md")
    async with build_assistant(settings(tmp_path)) as opened:
        await opened.ingest([tmp_path / "policy.md"], "handbook")
        yield opened


async def test_a_pdf_is_found_cited_and_told_as_it_is_read(assistant: Assistant, tmp_path: Path) -> None:
    steps: list[Attachment] = []
    made = await assistant.attachments.add(
        pdf(tmp_path / "upload"),
        "Bridge report.pdf",
        person="ada",
        conversation=None,
        surface="portal",
        tell=steps.append,
    )
    assert [step.state for step in steps] == ["reading"] * (len(steps) - 1) + ["ready"]
    assert steps[0].of == 0 and steps[-1] == made and 0 < made.passages == made.of
    assert any(step.of == made.of for step in steps[:-1])
    events = await say(assistant, "What does the replacement of bearing 7 cost?", made.conversation)
    found = found_in(events)
    assert found is not None and found.searched == ("attached file", "handbook")
    best = found.passages[0].chunk
    assert (best.title, best.page) == ("Bridge report.pdf", "1") or "84,000" in best.text
    assert found.evidence.state == "supported"
    assert "84,000" in next(event for event in events if isinstance(event, Finished)).answer
    assert next(event for event in events if isinstance(event, Checked)).cited == (1,)
    other = await say(assistant, "What is the hotel cap in London?", made.conversation)
    assert titles(other)[0] == "Travel"


@pytest.mark.parametrize(
    ("make", "first", "asked"),
    [
        (pdf, "Harbour bridge", "Summarise the attached file"),
        (word, "12 July", "what is this about?"),
        (pdf, "Harbour bridge", "Résume ce document"),
    ],
)
async def test_what_asks_for_all_of_a_file_gets_its_beginning(
    assistant: Assistant, tmp_path: Path, make: Callable[[Path], Path], first: str, asked: str
) -> None:
    made = await attach(assistant, make(tmp_path / f"file.{'pdf' if make is pdf else 'docx'}"))
    events = await say(assistant, asked, made.conversation)
    decision = route_of(events).decision
    assert decision.route in ("retrieve", "both") and "a file is attached" in decision.reasons[0]
    found = found_in(events)
    assert found is not None and found.evidence.state in ("supported", "partly")
    assert any(first in passage.chunk.text for passage in found.passages)
    assert isinstance(events[-1], Finished)


async def test_a_long_file_is_summed_up_from_all_of_its_parts(assistant: Assistant, tmp_path: Path) -> None:
    parts = [f"## Part {n}\n\n" + f"In year {n} the town of Norwick built school number {n}. " * 8 for n in range(40)]
    (tmp_path / "long.md").write_text("# A history of schools\n\n" + "\n\n".join(parts))
    made = await attach(assistant, tmp_path / "long.md")
    found = found_in(await say(assistant, "Summarise this", made.conversation))
    assert found is not None
    places = [passage.chunk.position for passage in found.passages]
    assert places[0] == 0 and places == sorted(places) and len(places) == assistant.settings.retrieval.passages
    assert made.passages >= 40 and places[-1] > made.passages * 0.75


async def test_a_turn_about_a_file_has_passages_of_it_and_others_are_left_alone(
    assistant: Assistant, tmp_path: Path
) -> None:
    made = await attach(assistant, note(tmp_path / "bridge_2031.md"))
    conversation = made.conversation
    first = await say(assistant, "Are lorries allowed?", conversation)
    assert titles(first)[0] == "bridge_2031.md"
    assert route_of(await say(assistant, "thanks!", conversation)).decision.route == "voice"
    events = await say(assistant, "What does the file say about cables?", conversation)
    assert "the file" not in (found_in(events) or pytest.fail()).query
    assert "bridge_2031.md" in titles(events)
    assert not any("attached:" in reason for reason in route_of(events).decision.reasons)
    chosen = await assistant.service.prepare(
        "Summarise the file", person="ada", conversation=conversation, route="voice"
    )
    events = [event async for event in assistant.service.run(chosen)]
    assert route_of(events).decision.route == "voice"


async def test_nobody_else_sees_or_searches_it(assistant: Assistant, tmp_path: Path) -> None:
    before = await assistant.list_collections()
    made = await attach(assistant, note(tmp_path / "bridge.md"))
    (name,) = await hidden(assistant)
    assert await assistant.list_collections() == before
    assert len((await assistant.list_sources())["sources"]) == 1
    assert name not in await assistant.readable("portal", ())
    assert await assistant.attachments.listed(made.conversation, "bob") == []
    for person, conversation in (("bob", None), ("ada", None)):
        events = await say(assistant, "What does the replacement of bearing 7 cost?", conversation, person)
        assert "bridge.md" not in titles(events)
    for person, where in (("bob", None), ("ada", made.conversation)):
        with pytest.raises(TurnRejected) as refused:
            await assistant.service.prepare("hi", person=person, conversation=where, collection=name)
        assert refused.value.code == "unknown_collection" and str(refused.value).endswith("There is: handbook.")
    with pytest.raises(AttachmentRejected):
        await assistant.attachments.remove(made.id, person="bob")
    with pytest.raises(AttachmentRejected) as unknown:
        await attach(assistant, tmp_path / "bridge.md", conversation=made.conversation, person="bob")
    assert unknown.value.code == "unknown_conversation"
    with pytest.raises(Mistake):
        await assistant.ingest([tmp_path / "policy.md"], name)
    assert not await assistant.collections.drop(name)
    assert await hidden(assistant) == {name: made.passages}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../../etc/passwd.md", "passwd.md"),
        ("C:\\Users\\ada\\notes.md", "notes.md"),
        ("<img src=x onerror=alert(1)>.md", "<img src=x onerror=alert(1)>.md"),
        ("a\x00b\u202egpj.md", "abgpj.md"),
        ("x" * 400 + ".md", "x" * 117 + ".md"),
        ("{{7*7}} 'or 1=1--.md", "{{7*7}} 'or 1=1--.md"),
        ("\ud83d.md", "file.md"),
    ],
)
async def test_a_name_is_only_shown(assistant: Assistant, tmp_path: Path, given: str, shown: str) -> None:
    made = await attach(assistant, tmp_path / "policy.md", given)
    assert made.name == shown
    assert [each.name for each in await assistant.attachments.listed(made.conversation, "ada")] == [shown]
    (kept,) = originals(assistant)
    assert kept == assistant.settings.data / "attachments" / made.conversation / made.id
    assert kept.stat().st_mode & 0o777 == 0o600
    assert titles(await say(assistant, "hotel cap in London", made.conversation))[0] in (shown, "Travel")


def _files(folder: Path) -> dict[str, tuple[Path, str]]:
    made: dict[str, tuple[bytes, str]] = {
        "a.png": (b"\x89PNG\r\n\x1a\n", "attachment_format"),
        "none": (b"hello", "attachment_format"),
        "zip.md": (b"PK\x03\x04\0\0\0\0" * 30, "attachment_format"),
        "void.md": (b"", "attachment_empty"),
        "blank.txt": (b" \n\n ", "attachment_empty"),
        "broken.pdf": (b"%PDF-1.7 nothing", "attachment_unreadable"),
        "broken.docx": (b"PK\x03\x04 nothing", "attachment_unreadable"),
        "large.txt": (b"a " * 10_500_000, "attachment_too_large"),
    }
    for name, (data, _) in made.items():
        (folder / name).write_bytes(data)
    found = {name: (folder / name, code) for name, (_, code) in made.items()}
    found["locked.pdf"] = (pdf(folder / "locked.pdf", password="s3cret"), "attachment_locked")
    found["scan.pdf"] = (scanned(folder / "scan.pdf"), "attachment_scanned")
    return found


async def test_what_cannot_be_read_is_refused_with_what_to_do_and_leaves_nothing(
    assistant: Assistant, tmp_path: Path
) -> None:
    _, going = await assistant.records.begin("ada", "portal", "hello")
    stored = await assistant.records.turn(going, "ada")
    assert stored is not None
    for place, (name, (path, code)) in enumerate(_files(tmp_path).items()):
        with pytest.raises(AttachmentRejected) as refused:
            await attach(assistant, path, name, stored.conversation if place % 2 else None)
        assert refused.value.code == code, name
        assert str(tmp_path) not in str(refused.value) and len(str(refused.value)) > 30
    assert await assistant.attachments.listed(stored.conversation, "ada") == []
    assert originals(assistant) == [] and await hidden(assistant) == {}
    async with assistant.records.session() as session:
        from sqlalchemy import text

        assert (await session.execute(text("SELECT count(*) FROM conversations"))).scalar_one() == 1


async def test_a_conversation_holds_so_many_files(assistant: Assistant, tmp_path: Path) -> None:
    made = await attach(assistant, tmp_path / "policy.md")
    await asyncio.gather(
        *(attach(assistant, tmp_path / "policy.md", None, made.conversation) for _ in range(PER_CONVERSATION - 1))
    )
    with pytest.raises(AttachmentRejected) as full:
        await attach(assistant, tmp_path / "policy.md", None, made.conversation)
    assert full.value.code == "too_many_attachments"
    assert sum((await hidden(assistant)).values()) == PER_CONVERSATION * made.passages


async def test_removed_is_gone(assistant: Assistant, tmp_path: Path) -> None:
    made = await attach(assistant, note(tmp_path / "bridge.md"))
    party = await attach(assistant, policy(tmp_path / "party.md"), None, made.conversation)
    await assistant.attachments.remove(made.id, person="ada")
    listed = await assistant.attachments.listed(made.conversation, "ada")
    assert listed == [party]
    assert await hidden(assistant) == {f"attached:{made.conversation}": party.passages}
    assert [path.name for path in originals(assistant)] == [party.id]
    assert "bridge.md" not in titles(await say(assistant, "What does bearing 7 cost?", made.conversation))
    await assistant.attachments.remove(party.id, person="ada")
    assert await assistant.attachments.searchable(made.conversation) == frozenset()
    assert originals(assistant) == [] and await hidden(assistant) == {}


async def test_a_deleted_conversation_takes_its_files_along(assistant: Assistant, tmp_path: Path) -> None:
    made = await attach(assistant, note(tmp_path / "bridge.md"))
    reading = asyncio.create_task(attach(assistant, policy(tmp_path / "party.md"), None, made.conversation))
    while len(await assistant.attachments.listed(made.conversation, "ada")) < 2:
        await asyncio.sleep(0.01)
    assert await assistant.service.conversations.delete(made.conversation, "ada")
    with pytest.raises(AttachmentRejected) as removed:
        await reading
    assert removed.value.code == "attachment_removed"
    assert originals(assistant) == [] and await hidden(assistant) == {}
    assert await assistant.attachments.listed(made.conversation, "ada") == []


async def test_whoever_stops_waiting_does_not_stop_the_reading(assistant: Assistant, tmp_path: Path) -> None:
    turn = await assistant.service.prepare("hello", person="ada")
    for path in (word(tmp_path / "party.docx"), scanned(tmp_path / "scan.pdf")):
        waiting = asyncio.create_task(attach(assistant, path, None, turn.conversation))
        while not any(each.name == path.name for each in await assistant.attachments.listed(turn.conversation, "ada")):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    while any(each.state == "reading" for each in await assistant.attachments.listed(turn.conversation, "ada")):
        await asyncio.sleep(0.02)
    party, scan = await assistant.attachments.listed(turn.conversation, "ada")
    assert (party.state, scan.state, scan.passages) == ("ready", "failed", 0) and "OCR" in scan.message
    assert [path.name for path in originals(assistant)] == [party.id]
    assert "party.docx" in titles(await say(assistant, "Which band plays?", turn.conversation))


async def test_ready_files_survive_a_restart_and_half_read_ones_are_told(tmp_path: Path) -> None:
    async with build_assistant(settings(tmp_path)) as assistant:
        made = await attach(assistant, note(tmp_path / "bridge.md"))
        (tmp_path / "big.md").write_text("\n\n".join(f"Sentence {n} says something." for n in range(20_000)))
        waiting = asyncio.create_task(attach(assistant, tmp_path / "big.md", None, made.conversation))
        while len(await assistant.attachments.listed(made.conversation, "ada")) < 2:
            await asyncio.sleep(0.01)
    with pytest.raises(AttachmentRejected):
        await waiting
    (assistant.settings.data / "attachments" / "stray").mkdir()
    (assistant.settings.data / "attachments" / "stray" / "file").write_text("left by a crash")
    async with build_assistant(settings(tmp_path)) as assistant:
        ready, failed = await assistant.attachments.listed(made.conversation, "ada")
        assert ready == made and failed.state == "failed" and "again" in failed.message
        assert [path.name for path in originals(assistant)] == [made.id]
        assert sum((await hidden(assistant)).values()) == made.passages
        assert titles(await say(assistant, "What does bearing 7 cost?", made.conversation))[0] == "bridge.md"


async def test_files_come_along_to_a_rebuilt_index_and_deleted_ones_do_not_come_back(tmp_path: Path) -> None:
    policy(tmp_path / "policy.md")
    async with build_assistant(settings(tmp_path)) as assistant:
        await assistant.ingest([tmp_path / "policy.md"], "handbook")
        kept = await attach(assistant, note(tmp_path / "bridge.md"))
        dropped = await attach(assistant, policy(tmp_path / "party.md"), None, kept.conversation)
        before = assistant.index.name
    smaller = settings(tmp_path, chunking={"max_tokens": 64})
    async with build_assistant(smaller, whatever=True) as assistant:
        await assistant.rebuild(lambda _: None)
        assert assistant.index.name != before
        assert titles(await say(assistant, "What does bearing 7 cost?", kept.conversation))[0] == "bridge.md"
        assert len(await hidden(assistant)) == 1
        await assistant.attachments.remove(dropped.id, person="ada")
        later = await attach(assistant, tmp_path / "policy.md", "later.md", kept.conversation)
        (now, _) = await assistant.attachments.listed(kept.conversation, "ada")
        assert now.passages > kept.passages
    async with build_assistant(settings(tmp_path), whatever=True) as assistant:
        await assistant.roll_back(lambda _: None)
        assert assistant.index.name == before
        sources = await assistant.index.documents(f"attached:{kept.conversation}")
        assert sorted(each.title for each in sources) == ["bridge.md", "later.md"]
        assert later.conversation == kept.conversation


async def test_an_index_that_was_lost_is_filled_again(tmp_path: Path) -> None:
    async with build_assistant(settings(tmp_path)) as assistant:
        made = await attach(assistant, note(tmp_path / "bridge.md"))
        await assistant.index.delete_collection(f"attached:{made.conversation}")
    async with build_assistant(settings(tmp_path)) as assistant:
        while not await hidden(assistant):
            await asyncio.sleep(0.02)
        assert titles(await say(assistant, "What does bearing 7 cost?", made.conversation))[0] == "bridge.md"


async def test_a_file_that_takes_for_ever_is_given_up_and_its_process_ends(tmp_path: Path) -> None:
    before = set(_children())
    with pytest.raises(ReadError, match="longer than"):
        await read_apart(pdf(tmp_path / "bridge.pdf"), ".pdf", seconds=0.01)
    task = asyncio.create_task(read_apart(tmp_path / "bridge.pdf", ".pdf"))
    while set(_children()) <= before:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(_children()) <= before


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
