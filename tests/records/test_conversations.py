"""Lists of conversations, and what people think of answers, on both databases."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from assistant.records.conversations import MOST, Conversations, Unusable
from assistant.records.corrections import Corrections
from assistant.records.feedback import Feedback, Feedbacks
from assistant.records.models import ConversationRow, now
from assistant.records.repository import Gone, Repository
from tests.records.test_corrections import correction
from tests.records.test_tree import again, end

DAY = datetime(2026, 11, 1, tzinfo=UTC)


async def said(
    records: Repository, question: str, answer: str = "", person: str = "ada", surface: str = "portal"
) -> str:
    conversation, turn = await records.begin(person, surface, question)
    await end(records, turn, answer)
    return conversation


async def titles(records: Repository, person: str = "ada", **wanted: str) -> list[str]:
    return [each.title for each in (await Conversations(records).listed(person, **wanted)).conversations]  # type: ignore[arg-type]


async def test_the_list_holds_a_persons_conversations_pinned_ones_first_then_the_newest(database: Repository) -> None:
    kept = Conversations(database)
    one, two, three = [await said(database, each) for each in ("one", "two", "three")]
    await said(database, "another's", person="eve")
    await database.start_conversation("ada", "portal", "empty")
    assert await titles(database) == ["three", "two", "one"]
    await database.start_turn(one, "more")
    assert await kept.pin(two, True, "ada") is True
    page = await kept.listed("ada")
    assert [(each.id, each.pinned, each.turns) for each in page.conversations] == [
        (two, True, 1),
        (one, False, 2),
        (three, False, 1),
    ]
    assert page.next is None
    first = page.conversations[1]
    assert first.surface == "portal" and now() - timedelta(minutes=5) < first.created_at < first.updated_at
    await kept.pin(two, False, "ada")
    assert await titles(database) == ["one", "three", "two"], "to pin is no news"
    shop = await said(database, "shoes?", surface="shop")
    assert await titles(database, surface="shop") == ["shoes?"]
    found = await kept.one(shop, "ada")
    assert found is not None and (found.title, found.turns) == ("shoes?", 1)
    assert await kept.one(shop, "eve") is None and await kept.one("nothing", "ada") is None


async def test_the_list_is_read_in_pages_that_miss_nothing_also_where_times_are_equal(database: Repository) -> None:
    kept = Conversations(database)
    every = [await said(database, f"number {number}") for number in range(13)]
    for conversation in every[::4]:
        await kept.pin(conversation, True, "ada")
    async with database.session() as session:
        for number, conversation in enumerate(every):
            moment = DAY + timedelta(seconds=number // 5)
            at = update(ConversationRow).where(ConversationRow.id == conversation).values(updated_at=moment)
            await session.execute(at)
    whole = [each.id for each in (await kept.listed("ada")).conversations]
    assert sorted(whole) == sorted(every) and set(whole[:4]) == set(every[::4])
    pages: list[str] = []
    before = None
    while True:
        page = await kept.listed("ada", limit=3, before=before)
        pages += [each.id for each in page.conversations]
        before = page.next
        if before is None:
            break
        assert len(page.conversations) == 3
    assert pages == whole
    assert len((await kept.listed("ada", limit=13)).conversations) == 13
    assert (await kept.listed("ada", limit=13)).next is None
    assert len((await kept.listed("ada", limit=0)).conversations) == 1 < MOST


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("TRAVEL", ["Travel rules"]),
        ("travel RULES", ["Travel rules"]),
        ("£165", ["Travel rules"]),
        ("superseded", ["Travel rules"]),
        ("übergabe", ["Übergabe am Freitag"]),
        ("ÜBERGABE", ["Übergabe am Freitag"]),
        ("100%", ["at 100% of it"]),
        ("%", ["at 100% of it"]),
        ("a_b", ["file a_b"]),
        ("_", ["file a_b"]),
        ("back\\slash", ["a back\\slash"]),
        ("\\", ["a back\\slash"]),
        ("/", ["either/or"]),
        ("  travel  ", ["Travel rules"]),
        ("'; drop table turns; --", []),
        ("\x00", []),
        ("\ud800", []),
        ("nowhere", []),
    ],
)
async def test_the_search_reads_titles_and_all_that_was_said(
    filled: Repository, search: str, expected: Sequence[str]
) -> None:
    assert await titles(filled, search=search) == expected


@pytest.fixture
async def filled(database: Repository) -> Repository:
    """Conversations that differ in what a search could take for a pattern."""
    conversation, turn = await database.begin("ada", "portal", "Travel rules")
    await end(database, turn, "A superseded answer.")
    await end(database, await again(database, turn, "and elsewhere?"), "The cap is £165.")
    for each in ("Übergabe am Freitag", "at 100% of it", "file a_b", "a back\\slash", "either/or", "axb 100 plain"):
        await said(database, each, "Nothing.")
    await said(database, "travel of somebody else", person="eve")
    assert conversation
    return database


async def test_an_empty_search_finds_all(filled: Repository) -> None:
    assert len(await titles(filled, search=" ")) == len(await titles(filled)) == 7


async def test_a_place_in_the_list_that_makes_no_sense_is_said(database: Repository) -> None:
    for cursor in ("", "x", "####", "bnVsbA==", "W10=", "WzEsMiwzXQ==", "\x00", "ü"):
        with pytest.raises(Unusable, match="no such place"):
            await Conversations(database).listed("ada", before=cursor)


async def test_a_title_is_changed_and_nothing_but_the_title(database: Repository) -> None:
    kept, conversation = Conversations(database), await said(database, "what was it?")
    before = await kept.one(conversation, "ada")
    assert await kept.rename(conversation, "  The \n\tcap \x00in London\ud800 👨‍👩‍👧", "ada") is True
    after = await kept.one(conversation, "ada")
    assert before is not None and after is not None
    assert after.title == "The cap in London 👨‍👩‍👧" and after.updated_at == before.updated_at
    for title in ("", " \n ", "\x00"):
        with pytest.raises(Unusable, match="empty"):
            await kept.rename(conversation, title, "ada")
    with pytest.raises(Unusable, match="200"):
        await kept.rename(conversation, "x" * 201, "ada")
    assert await titles(database) == [after.title]


async def test_nobody_else_changes_it(database: Repository) -> None:
    kept, conversation = Conversations(database), await said(database, "mine")
    assert await kept.rename(conversation, "yours", "eve") is False
    assert await kept.pin(conversation, True, "eve") is False
    assert await kept.delete(conversation, "eve") is False
    assert await kept.export(conversation, "eve", "json") is None
    found = await kept.one(conversation, "ada")
    assert found is not None and (found.title, found.pinned) == ("mine", False)


def opinion(conversation: str, turn: str, **changed: object) -> Feedback:
    given = {"person": "ada", "thumb": "up", "comment": "", "made_at": DAY} | changed
    return Feedback(turn=turn, conversation=conversation, **given)  # type: ignore[arg-type]


async def test_a_conversation_is_deleted_with_all_that_hangs_on_it(database: Repository) -> None:
    told: list[str] = []

    async def forget(conversation: str) -> None:
        assert await database.surface_of(conversation, "ada") is not None, "it is told before"
        told.append(conversation)

    kept = Conversations(database, forget)
    gone, stays = await said(database, "gone"), await said(database, "stays")
    for conversation in (gone, stays):
        (turn,) = await database.turns(conversation)
        await Corrections(database).note(correction(conversation))
        await Feedbacks(database).note(opinion(conversation, turn.id))
    assert await kept.delete(gone, "eve") is False and told == []
    assert await kept.delete(gone, "ada") is True and told == [gone]
    assert await kept.delete(gone, "ada") is False and told == [gone]
    async with database.session() as session:
        for table in ("turns", "corrections", "feedback"):
            rows = await session.execute(text(f"SELECT conversation_id FROM {table}"))
            assert set(rows.scalars()) == {stays}
    with pytest.raises(Gone):
        await Feedbacks(database).note(opinion(gone, "x"))


async def test_what_cannot_be_forgotten_keeps_the_conversation(database: Repository) -> None:
    async def fail(_: str) -> None:
        raise OSError("the index is locked")

    conversation = await said(database, "stays")
    with pytest.raises(OSError, match="locked"):
        await Conversations(database, fail).delete(conversation, "ada")
    assert await titles(database) == ["stays"]


async def test_a_deletion_while_turns_are_made_leaves_all_or_nothing(url: str) -> None:
    one, other = Repository(url), Repository(url)
    await one.open()
    await other.open()
    for _ in range(5):
        conversation = await said(one, "hello")
        (first,) = await one.turns(conversation)
        await asyncio.gather(
            *(records.start_turn(conversation, "more") for records in (one, other)),
            *(records.start_sibling(first, "again", None) for records in (one, other)),
            Conversations(other).delete(conversation, "ada"),
            Corrections(one).note(correction(conversation)),
            return_exceptions=True,
        )
        async with one.session() as session:
            for table in ("turns", "corrections"):
                assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0
    await one.close()
    await other.close()


async def test_the_last_word_of_each_person_on_each_answer_is_kept(database: Repository) -> None:
    kept, conversation = Feedbacks(database), await said(database, "hello")
    (turn,) = await database.turns(conversation)
    version = await again(database, turn.id)
    down = opinion(conversation, turn.id, thumb="down", comment="wrong 😀", made_at=DAY + timedelta(hours=2))
    other = opinion(conversation, version, made_at=DAY + timedelta(hours=1))
    hers = opinion(conversation, turn.id, person="eve", made_at=DAY)
    for each in (opinion(conversation, turn.id), other, hers, down):
        await kept.note(each)
    assert await kept.of(conversation, "ada") == {turn.id: down, version: other}
    assert await kept.of(conversation, "bob") == {} == await kept.of("another", "ada")
    assert await kept.listed() == [down, other, hers]
    assert await kept.listed("up") == [other, hers] and await kept.listed(limit=1) == [down]
    assert await kept.listed(since=DAY + timedelta(hours=1)) == [down, other]
    assert await kept.take_back(turn.id, "ada") is True
    assert await kept.take_back(turn.id, "ada") is False
    assert await kept.listed() == [other, hers]


async def test_opinions_at_once_leave_one(url: str) -> None:
    one, other = Repository(url), Repository(url)
    await one.open()
    await other.open()
    conversation = await said(one, "hello")
    (turn,) = await one.turns(conversation)
    given = [(records, thumb) for records in (one, other) for thumb in ("up", "down") * 2]
    await asyncio.gather(*(Feedbacks(each).note(opinion(conversation, turn.id, thumb=thumb)) for each, thumb in given))
    assert len(await Feedbacks(one).listed()) == 1
    await one.close()
    await other.close()
