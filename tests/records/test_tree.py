"""Turns as a tree: versions, branches, the one that is shown."""

import asyncio
import tempfile
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from assistant.records import placing
from assistant.records.conversations import Conversations
from assistant.records.models import ConversationRow, TurnRow, now
from assistant.records.repository import Gone, Partial, Repository, StoredTurn
from assistant.records.stored import SILENCE


async def end(records: Repository, turn: str, answer: str) -> None:
    await records.end_turn(turn, answer=answer, status="finished", events={"routed": {"route": "voice"}})


async def the(records: Repository, turn: str) -> StoredTurn:
    found = await records.turn(turn, "ada")
    assert found is not None
    return found


async def again(records: Repository, turn: str, text: str | None = None) -> str:
    stored = await the(records, turn)
    return await records.start_sibling(stored, text or stored.text, stored.collection)


async def shown(records: Repository, conversation: str) -> list[str]:
    return [turn.id for turn in await records.turns(conversation)]


async def talk(records: Repository, *texts: str) -> tuple[str, list[str]]:
    conversation = await records.start_conversation("ada", "portal", "hello")
    return conversation, [await records.start_turn(conversation, text) for text in texts]


async def test_a_turn_that_is_run_again_takes_its_place_and_the_old_one_is_kept(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal", "hello")
    first = await database.start_turn(conversation, "hello")
    last = await database.start_turn(conversation, "the cap?", "demo")
    await end(database, first, "Hi.")
    await end(database, last, "No idea.")
    second, third = await again(database, last), await again(database, last)
    await end(database, third, "£165.")

    turns = await database.turns(conversation)
    assert [(turn.id, turn.position, turn.version, turn.parent, turn.answer) for turn in turns] == [
        (first, 0, 0, None, "Hi."),
        (third, 1, 2, first, "£165."),
    ]
    assert turns[0].siblings == (first,) and turns[1].siblings == (last, second, third)
    assert (await the(database, second)).siblings == (last, second, third)
    tree = await database.tree(conversation)
    assert [(turn.id, turn.version, turn.answer) for turn in tree[1:]] == [
        (last, 0, "No idea."),
        (second, 1, ""),
        (third, 2, "£165."),
    ]
    assert {turn.text for turn in tree[1:]} == {"the cap?"} and {turn.collection for turn in tree[1:]} == {"demo"}
    assert {turn.question for turn in tree[1:]} == {last}


async def test_a_branch_that_is_read_again_is_as_the_records_have_it(database: Repository) -> None:
    """Turns that are over are remembered: their versions, their going and whose they are are not."""
    conversation, (first, last) = await talk(database, "hello", "the cap?")
    await end(database, first, "Hi.")
    for _ in range(2):
        branch = await database.branch(conversation, "ada")
        assert branch is not None and [turn.answer for turn in branch.turns] == ["Hi.", ""]
        assert [turn.status for turn in branch.turns] == ["finished", "running"]
    await database.end_turn(last, answer="£1", status="stopped", events={})
    assert (await database.branch(conversation, "ada")).turns[1].status == "stopped"
    await end(database, last, "£165.")  # the process that seemed gone ends it after all
    branch = await database.branch(conversation, "ada")
    assert [turn.answer for turn in branch.turns] == ["Hi.", "£165."] and branch.turns[1].siblings == (last,)
    second = await again(database, last)
    await database.show(await the(database, last))
    branch = await database.branch(conversation, "ada")
    assert branch.turns[1].siblings == (last, second) and branch.turns[0].siblings == (first,)
    assert await database.turns(conversation) == branch.turns
    assert (await database.branch(conversation, "ada", 1)).turns == branch.turns[1:]
    assert await database.branch(conversation, "eve") is None
    assert await Conversations(database).delete(conversation, "ada")
    assert await database.branch(conversation, "ada") is None


async def test_a_turn_that_goes_while_its_branch_is_read_is_left_out(
    database: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, (first, last) = await talk(database, "hello", "the cap?")
    tree = placing.tree

    def then_gone(session: Any, id: str) -> Any:
        found = tree(session, id)
        session.execute(delete(TurnRow).where(TurnRow.id == last))
        return found

    monkeypatch.setattr(placing, "tree", then_gone)
    branch = await database.branch(conversation, "ada")
    assert branch is not None and [turn.id for turn in branch.turns] == [first]


async def test_an_earlier_turn_is_edited_and_its_branch_ends_there_until_the_other_is_shown(
    database: Repository,
) -> None:
    conversation, (one, two, three) = await talk(database, "one", "two", "three")
    other = await again(database, two, "two, but better")
    assert await shown(database, conversation) == [one, other]
    assert (await the(database, other)).question == other and (await the(database, other)).siblings == (two, other)
    after = await database.start_turn(conversation, "and then")
    assert await shown(database, conversation) == [one, other, after]
    assert [turn.id for turn in await database.tree(conversation)] == [one, two, other, three, after]

    await database.show(await the(database, two))
    assert await shown(database, conversation) == [one, two, three]
    newer = await again(database, three)
    await database.show(await the(database, other))
    assert await shown(database, conversation) == [one, other, after]
    await database.show(await the(database, one))
    assert await shown(database, conversation) == [one, other, after], "it was on the shown branch already"
    await database.show(await the(database, two))
    assert await shown(database, conversation) == [one, two, newer], "the newest end below it"
    await database.show(await the(database, three))
    assert await shown(database, conversation) == [one, two, three]


async def test_the_first_turn_has_versions_too(database: Repository) -> None:
    conversation, (one, two) = await talk(database, "one", "two")
    other = await again(database, one, "uno")
    assert await shown(database, conversation) == [other]
    assert (await the(database, one)).siblings == (one, other) == (await the(database, other)).siblings
    await database.show(await the(database, one))
    assert await shown(database, conversation) == [one, two]


async def test_words_that_were_said_there_before_are_the_same_question(database: Repository) -> None:
    conversation, (one, two) = await talk(database, "one", "two")
    edited = await again(database, two, "zwei")
    back = await again(database, edited, "two")
    edited_again = await again(database, two, "zwei")
    cousin = await database.start_turn(conversation, "two")
    found = {turn.id: turn.question for turn in await database.tree(conversation)}
    assert found == {one: one, two: two, edited: edited, back: two, edited_again: edited, cousin: cousin}


async def test_a_thread_is_what_the_next_turn_reads(database: Repository) -> None:
    conversation, (one, two) = await talk(database, "one", "two")
    await end(database, one, "1")
    other = await again(database, two, "zwei")
    thread = await database.thread(conversation, "ada")
    assert thread is not None and (thread.surface, thread.leaf) == ("portal", other)
    assert [(each.text, each.answer) for each in thread.until(thread.leaf)] == [("one", "1"), ("zwei", "")]
    assert [each.id for each in thread.until(two)] == [one, two] and thread.until(None) == []
    assert await database.thread(conversation, "eve") is None and await database.thread("nothing", "ada") is None
    empty = await database.start_conversation("ada", "shop")
    thread = await database.thread(empty, "ada")
    assert thread is not None and (thread.surface, thread.leaf, thread.said) == ("shop", None, {})


async def test_a_turn_goes_where_its_history_ended_though_another_branch_is_shown_meanwhile(
    database: Repository,
) -> None:
    conversation, (one, two) = await talk(database, "one", "two")
    other = await again(database, one, "uno")
    late = await database.start_turn(conversation, "three", after=two)
    assert await shown(database, conversation) == [one, two, late]
    await database.show(await the(database, other))
    same = await database.start_turn(conversation, "dos", after=other)
    follows = await database.start_turn(conversation, "tres", after=other)
    assert await shown(database, conversation) == [other, same, follows], "said while the one before was running"


async def test_a_turn_is_its_persons_alone(database: Repository) -> None:
    _, (turn,) = await talk(database, "hello")
    assert (await the(database, turn)).text == "hello"
    assert await database.turn(turn, "eve") is None and await database.turn("nothing", "ada") is None


async def test_a_conversation_that_began_without_a_turn_takes_its_title_from_the_first(database: Repository) -> None:
    conversation = await database.start_conversation("ada", "portal")
    await database.start_turn(conversation, "what is\nin this file?")
    await database.start_turn(conversation, "and now?")
    async with database.session() as session:
        row = await session.get_one(ConversationRow, conversation)
    assert row.title == "what is in this file?"


async def test_all_kinds_of_turns_at_once_make_one_tree(url: str) -> None:
    """From two processes, as two repositories are."""
    one, other = Repository(url), Repository(url)
    await one.open()
    await other.open()
    conversation, (first,) = await talk(one, "hello")
    root = await the(one, first)
    work: list[Any] = []
    for number, records in enumerate((one, other) * 4):
        work += [
            records.start_sibling(root, f"hello {number % 2}", None),
            records.start_turn(conversation, "more"),
            records.start_turn(conversation, "late", after=first),
            records.show(root),
        ]
    made = [each for each in await asyncio.gather(*work) if each is not None]
    tree = {turn.id: turn for turn in await one.tree(conversation)}
    assert tree.keys() == {first, *made}
    assert len({(turn.position, turn.version) for turn in tree.values()}) == len(tree)
    for turn in tree.values():
        assert turn.position == (0 if turn.parent is None else tree[turn.parent].position + 1)
        assert turn.id in turn.siblings and tree[turn.question].text == turn.text
    versions = tree[first].siblings
    assert len(versions) == 9 and len({tree[each].question for each in versions}) == 3
    branch = await one.turns(conversation)
    assert [turn.parent for turn in branch] == [None, *(turn.id for turn in branch[:-1])]
    assert all(branch[-1].id != turn.parent for turn in tree.values()), "the shown branch goes on to an end"
    await one.close()
    await other.close()


async def test_nothing_comes_back_into_a_conversation_that_was_deleted(database: Repository) -> None:
    conversation, (turn,) = await talk(database, "hello")
    stored = await the(database, turn)
    async with database.session() as session:
        await session.execute(delete(ConversationRow).where(ConversationRow.id == conversation))
    for late in (
        database.start_turn(conversation, "more", after=turn),
        database.start_sibling(stored, "more", None),
        database.show(stored),
    ):
        with pytest.raises(Gone):
            await late
    await database.keep([Partial(turn, "par", {"routed": {}})])
    await end(database, turn, "partial")
    assert await database.tree(conversation) == [] == await database.turns(conversation)
    assert await database.turn(turn, "ada") is None


async def test_a_partial_answer_is_kept_and_never_takes_the_place_of_the_whole_one(database: Repository) -> None:
    _, (one, two) = await talk(database, "one", "two")
    await database.keep([Partial(one, "par", {"routed": {"route": "voice"}}), Partial(two, "an", {})])
    await database.keep([Partial(one, "part", {}), Partial(two, "and", {})])
    found = await the(database, one)
    assert (found.status, found.answer, found.routed) == ("running", "part", {"route": "voice"})
    assert (await the(database, two)).routed is None
    await end(database, one, "partial")
    await database.keep([Partial(one, "parti", {"routed": None})])
    found = await the(database, one)
    assert (found.status, found.answer, found.routed) == ("finished", "partial", {"route": "voice"})


async def test_a_turn_that_nobody_runs_any_more_has_stopped(url: str) -> None:
    records = Repository(url)
    await records.open()
    _, (silent, alive, older) = await talk(records, "silent", "alive", "older")
    await records.keep([Partial(silent, "par", {})])
    async with records.session() as session:
        for turn, moment in ((silent, now() - SILENCE - timedelta(seconds=1)), (older, None)):
            await session.execute(update(TurnRow).where(TurnRow.id == turn).values(written_at=moment))
    assert [(await the(records, turn)).status for turn in (silent, alive, older)] == ["stopped", "running", "stopped"]
    assert (await the(records, silent)).answer == "par"
    await records.close()
    await records.open()
    async with records.session() as session:
        rows = [(await session.get_one(TurnRow, turn)).status for turn in (silent, alive, older)]
    assert rows == ["stopped", "running", "stopped"], "also to whoever reads the tables"
    await end(records, silent, "partial")
    assert (await the(records, silent)).status == "finished", "it was running all the same"
    await records.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["turn", "again", "edit", "show"]), st.integers(0, 30), st.sampled_from("abc")),
    min_size=1,
    max_size=14,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_is_said_run_again_edited_and_shown_the_tree_is_that_of_a_plain_model(
    steps: list[tuple[str, int, str]],
) -> None:
    """The model: turns in the order made, each with its parent and words, and the last one of the shown branch."""

    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            records = Repository(f"sqlite+aiosqlite:///{folder}/records.db")
            await records.open()
            conversation, (root,) = await talk(records, "a")
            made: dict[str, tuple[str | None, str]] = {root: (None, "a")}
            leaf = root
            for what, index, word in steps:
                chosen = list(made)[index % len(made)]
                parent, text = made[chosen]
                if what == "turn":
                    made[new := await records.start_turn(conversation, word)] = (leaf, word)
                    leaf = new
                elif what == "show":
                    await records.show(await the(records, chosen))
                    leaf = leaf if chosen in path(made, leaf) else newest_end(made, chosen)
                else:
                    words = text if what == "again" else word
                    made[new := await again(records, chosen, words)] = (parent, words)
                    leaf = new
                assert await shown(records, conversation) == path(made, leaf)
            for turn in await records.tree(conversation):
                beside = [each for each, (parent, _) in made.items() if parent == made[turn.id][0]]
                same = [each for each in beside if made[each][1] == made[turn.id][1]]
                assert (turn.parent, turn.text) == made[turn.id]
                assert (turn.siblings, turn.question) == (tuple(beside), same[0])
            await records.close()

    asyncio.run(check())


def path(made: dict[str, tuple[str | None, str]], last: str) -> list[str]:
    found: list[str] = []
    at: str | None = last
    while at is not None:
        found.insert(0, at)
        at = made[at][0]
    return found


def newest_end(made: dict[str, tuple[str | None, str]], turn: str) -> str:
    parents = {parent for parent, _ in made.values()}
    return [each for each in made if each not in parents and turn in path(made, each)][-1]
