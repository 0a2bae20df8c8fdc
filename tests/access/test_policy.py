"""Who may read what: the rule, and that nothing of an unreadable collection reaches anybody."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.access.policy import EVERYONE, readable
from assistant.app import Assistant, build_assistant
from assistant.conversation.events import Failed, Finished, Retrieved
from assistant.conversation.service import TurnRejected
from assistant.conversation.wire import encode
from assistant.knowledge.collections import NAMED
from assistant.knowledge.documents import Chunk
from assistant.knowledge.embedder import Vectors
from assistant.knowledge.sources import SourceSpec
from assistant.knowledge.store import Point
from assistant.settings import Settings

GROUPS = ["staff", "people-team", "board"]
WORDS = ["lagoon", "mountain", "invoice", "holiday", "badge", "canteen"]
READERS = st.one_of(st.just([EVERYONE]), st.lists(st.sampled_from(GROUPS), unique=True, max_size=2))
NAMES = [f"collection-{letter}" for letter in "abcde"]


class Words:
    """A tiny embedder: one dimension a word, so that a question is near all documents with its words."""

    name, dimension, max_tokens = "words", len(WORDS) + 1, 256

    async def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.array([[text.count(word) for word in WORDS] + [0.1] for text in texts], dtype=np.float32)
        vectors: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def aclose(self) -> None:
        """Nothing is open."""


def secret(collection: str, place: int) -> str:
    """A word that only this document of this collection holds."""
    return f"zq{collection[-1]}{place}qz"


def document(collection: str, place: int, words: Sequence[str]) -> Chunk:
    text = f"{' '.join(words)} {secret(collection, place)}"
    uri = f"{secret(collection, place)}.md"
    return Chunk(collection, uri, f"Title {uri}", (), text, 0, len(text), 0, 1, uri, source=f"of-{collection}")


@pytest.mark.parametrize(
    ("readers", "groups", "may"),
    [
        ({}, ["staff"], set()),
        ({"a": [EVERYONE], "b": ["staff"], "c": []}, [], {"a"}),
        ({"a": [EVERYONE], "b": ["staff"], "c": []}, ["staff"], {"a", "b"}),
        ({"b": ["staff", "board"]}, ["board"], {"b"}),
        ({"b": ["staff"]}, ["Staff", "staff "], set()),
        ({"c": []}, [EVERYONE], set()),
    ],
)
def test_the_rule(readers: dict[str, list[str]], groups: list[str], may: set[str]) -> None:
    assert readable(readers, groups) == may


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(NAMES), READERS), st.sets(st.sampled_from(GROUPS)), st.sampled_from(GROUPS))
def test_one_more_group_never_takes_anything_away(
    readers: dict[str, list[str]], groups: set[str], another: str
) -> None:
    assert readable(readers, groups) <= readable(readers, groups | {another})


async def opened(data: Path, readers: dict[str, list[str]], surface: list[str] | None) -> Assistant:
    """An assistant whose settings name all but the last of the collections, over the tiny embedder."""
    named = {name: {"readers": who} for name, who in readers.items()}
    portal = {"groups": ["staff"] if surface is None else surface}
    chosen = Settings(data=data, collections=named, surfaces={"portal": portal, "open": {}})
    return await build_assistant(chosen, embedder=lambda _: Words()).__aenter__()


CASES = st.fixed_dictionaries(
    {
        "readers": st.fixed_dictionaries({name: READERS for name in NAMES[:-1]}),
        "documents": st.lists(
            st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)), max_size=14
        ),
        "people": st.lists(st.sets(st.sampled_from(GROUPS)), min_size=1, max_size=3),
        "asked": st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), min_size=1, max_size=2),
        "surface": st.lists(st.sampled_from(GROUPS), unique=True, max_size=1),
        "left": st.booleans(),
    }
)


@settings(deadline=None, max_examples=25)
@given(case=CASES)
def test_nothing_of_an_unreadable_collection_reaches_anybody(
    tmp_path_factory: pytest.TempPathFactory, case: dict[str, object]
) -> None:
    asyncio.run(check(tmp_path_factory.mktemp("access"), **case))  # type: ignore[arg-type]


async def check(
    data: Path,
    readers: dict[str, list[str]],
    documents: list[tuple[str, list[str]]],
    people: list[set[str]],
    asked: list[list[str]],
    surface: list[str],
    left: bool,
) -> None:
    assistant = await opened(data, readers, surface)
    try:
        made = NAMES[-1]
        origin = ("settings", NAMED) if left else ("command", SourceSpec("folder", "/somewhere"))
        await assistant.collections.manifest.add(made, origin[1], origin[0])  # type: ignore[arg-type]
        chunks = [document(name, place, words) for place, (name, words) in enumerate(documents)]
        vectors = await Words().embed([chunk.embedding_text() for chunk in chunks]) if chunks else []
        await assistant.index.upsert(
            [Point(chunk, vector.tolist()) for chunk, vector in zip(chunks, vectors, strict=True)]
        )
        assistant.collections.changes += 1
        rule = {**readers, made: [] if left else [EVERYONE]}
        for number, groups in enumerate(people):
            may = readable(rule, groups | set(surface))
            # A collection without a document does not exist for anybody, as before.
            await as_person(assistant, f"person-{number}", groups, may & {chunk.collection for chunk in chunks}, asked)
    finally:
        await assistant.__aexit__(None, None, None)


async def as_person(
    assistant: Assistant, person: str, groups: set[str], may: frozenset[str], asked: list[list[str]]
) -> None:
    seen: list[str] = []
    conversation: str | None = None
    for words in asked:
        text = "Which is the " + " ".join(words)
        turn = await assistant.service.prepare(
            text, person=person, conversation=conversation, route="retrieve", groups=groups
        )
        conversation = turn.conversation
        assert turn.collections <= may
        async for event in assistant.service.run(turn):
            seen.append(json.dumps(encode(event)))
            assert not isinstance(event, Failed), event
            if isinstance(event, Retrieved):
                assert set(event.searched) <= may
                assert {passage.chunk.collection for passage in event.passages} <= may
    assert conversation is not None and isinstance(event, Finished)
    seen += [json.dumps(asdict(stored), default=str) for stored in await assistant.records.turns(conversation)]
    messages = {}
    for name in [*NAMES, "collection-x"]:
        try:
            await assistant.service.prepare("hello", person=person, collection=name, groups=groups)
            assert name in may
        except TurnRejected as error:
            assert name not in may and error.code == "unknown_collection"
            messages[name] = str(error).replace(name, "NAME", 1)
            seen.append(messages[name])
    assert len(set(messages.values())) == 1, "one that may not be read is refused in the words of one that is not there"
    unreadable = set(NAMES) - may
    for text in seen:
        assert not unreadable & set(re.findall(r"collection-[a-e]", text)), text
        assert not [name for name in unreadable if re.search(rf"zq{name[-1]}\d+qz", text)], text


async def test_groups_of_the_person_and_of_the_surface_add_up(tmp_path: Path) -> None:
    assistant = await opened(tmp_path, {"collection-a": ["staff"], "collection-b": ["board"]}, None)
    try:
        chunks = [document(name, 1, ["lagoon"]) for name in NAMES[:2]]
        vectors = await Words().embed([chunk.embedding_text() for chunk in chunks])
        await assistant.index.upsert(
            [Point(chunk, vector.tolist()) for chunk, vector in zip(chunks, vectors, strict=True)]
        )
        assistant.collections.changes += 1
        assert await assistant.readable("open", []) == frozenset()
        assert await assistant.readable("portal", []) == {"collection-a"}
        assert await assistant.readable("portal", ["board"]) == {"collection-a", "collection-b"}
        assert await assistant.readable("open", ["board"]) == {"collection-b"}
    finally:
        await assistant.__aexit__(None, None, None)


async def test_a_collection_of_unknown_origin_is_nobodys(tmp_path: Path) -> None:
    """Its entry may have left the settings together with the rule of who may read it."""
    assistant = await opened(tmp_path, {}, [])
    try:
        chunk = document("collection-a", 1, ["lagoon"])
        await assistant.index.upsert([Point(chunk, (await Words().embed([chunk.text]))[0].tolist())])
        assistant.collections.changes += 1
        assert await assistant.readable("open", GROUPS) == frozenset()
        await assistant.collections.manifest.add("collection-a", SourceSpec("folder", "/x"), "command")
        assistant.collections.changes += 1
        assert await assistant.readable("open", []) == {"collection-a"}
        await assistant.collections.name({"collection-a": []})
        await assistant.collections.name({})
        assert await assistant.readable("open", GROUPS) == frozenset(), "the settings have named it once"
    finally:
        await assistant.__aexit__(None, None, None)
