"""What is known of attached files, on both databases."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import delete

from assistant.records.attachments import AttachmentRecords
from assistant.records.models import ConversationRow
from assistant.records.repository import Repository

MOST = 3


@pytest.fixture
def rows(database: Repository) -> AttachmentRecords:
    return AttachmentRecords(database)


async def attach(rows: AttachmentRecords, conversation: str, name: str = "a.pdf") -> str | None:
    identity = str(uuid.uuid4())
    return identity if await rows.add(identity, conversation, name, 10, MOST) else None


async def begun(database: Repository, person: str = "ada") -> str:
    return await database.start_conversation(person, "portal")


async def test_files_come_back_in_their_order_and_only_to_whose_they_are(
    database: Repository, rows: AttachmentRecords
) -> None:
    mine, other = await begun(database), await begun(database)
    names = ["b.pdf", 'ü 😀 "<script>.md', "a.pdf"]
    ids = [await attach(rows, mine, name) for name in names]
    assert None not in ids and await attach(rows, other)
    assert [each.name for each in await rows.of(mine)] == names
    assert [each.id for each in await rows.of_person(mine, "ada")] == ids
    assert await rows.of_person(mine, "bob") == []
    first = await rows.one(str(ids[0]), "ada")
    assert first is not None and (first.conversation, first.bytes, first.state) == (mine, 10, "reading")
    assert await rows.one(str(ids[0]), "bob") is None


async def test_failed_files_do_not_count_and_lost_conversations_take_none(
    database: Repository, rows: AttachmentRecords
) -> None:
    conversation = await begun(database)
    ids = [await attach(rows, conversation) for _ in range(MOST)]
    assert await attach(rows, conversation) is None
    assert await rows.failed(str(ids[0]), "scanned")
    assert await attach(rows, conversation)
    assert await attach(rows, "no such conversation") is None


async def test_a_ready_file_is_new_to_the_first_turn_after_it_only(
    database: Repository, rows: AttachmentRecords
) -> None:
    conversation, earlier = await database.begin("ada", "portal", "hello")
    early, late = str(await attach(rows, conversation, "early")), str(await attach(rows, conversation, "late"))
    assert not await rows.is_ready(conversation)
    assert await rows.ready(early, 4)
    first = await database.start_turn(conversation, "and?", None, earlier)
    assert await rows.before(first, conversation) == [("early", True)]
    assert await rows.ready(late, 2)
    second = await database.start_turn(conversation, "then?", None, first)
    assert await rows.before(first, conversation) == [("early", True), ("late", True)]
    assert await rows.before(second, conversation) == [("early", False), ("late", True)]
    assert await rows.is_ready(conversation)


async def test_what_is_gone_is_never_ready_again(database: Repository, rows: AttachmentRecords) -> None:
    conversation = await begun(database)
    identity = str(await attach(rows, conversation))
    await rows.gone(identity)
    assert not await rows.ready(identity, 3) and not await rows.failed(identity, "late")
    assert [each.id for each in await rows.all("gone")] == [identity]
    await rows.delete(identity)
    assert await rows.all() == [] and not await rows.ready(identity, 3)


async def test_files_go_with_their_conversation(database: Repository, rows: AttachmentRecords) -> None:
    conversation = await begun(database)
    identity = str(await attach(rows, conversation))
    async with database.session() as session:
        await session.execute(delete(ConversationRow).where(ConversationRow.id == conversation))
    assert await rows.all() == [] and not await rows.ready(identity, 1)


async def test_only_a_conversation_without_a_word_and_a_file_is_deleted(
    database: Repository, rows: AttachmentRecords
) -> None:
    said, _ = await database.begin("ada", "portal", "hello")
    attached, bare = await begun(database), await begun(database)
    await attach(rows, attached)
    for each in (said, attached, bare):
        await rows.delete_unsaid(each)
    assert [await database.surface_of(each, "ada") for each in (said, attached, bare)] == ["portal", "portal", None]
    assert await rows.unsaid(timedelta(seconds=-1)) == [attached] and await rows.unsaid(timedelta(days=1)) == []


async def test_what_has_been_read_for_too_long_is_found(database: Repository, rows: AttachmentRecords) -> None:
    conversation = await begun(database)
    reading, ready = str(await attach(rows, conversation)), str(await attach(rows, conversation))
    await rows.ready(ready, 1)
    assert await rows.abandoned(timedelta(hours=1)) == []
    assert [each.id for each in await rows.abandoned(timedelta(seconds=-1))] == [reading]
