"""What every engine of the document base owes; a test is skipped only where an engine lacks the ability."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import AsyncQdrantClient

from assistant.knowledge.documents import Chunk
from assistant.knowledge.store import HybridQuery, IndexMismatch, Point, Store, StoredDocument, StoreError
from assistant.knowledge.store.embedded import EmbeddedStore
from assistant.knowledge.store.server import ServerStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]

NORTH, EAST, SOUTH, UP = (
    (1.0, 0.0, 0.0, 0.0),
    (0.0, 1.0, 0.0, 0.0),
    (-1.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 1.0, 0.0),
)


@dataclass(frozen=True)
class Engine:
    name: str
    make: Callable[[Path], Store]
    durable: bool


ENGINES = (
    Engine("embedded", lambda folder: EmbeddedStore(folder / "base"), durable=True),
    Engine(
        "server",
        lambda _: ServerStore("http://localhost:6333", client=AsyncQdrantClient(":memory:")),
        durable=False,
    ),
)


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.param
    return engine


@pytest.fixture
async def store(engine: Engine, tmp_path: Path) -> AsyncIterator[Store]:
    store = engine.make(tmp_path)
    await store.open()
    yield store
    await store.close()


def chunk(text: str, *, collection: str = "handbook", document: str = "a.md", **fields: Any) -> Chunk:
    given: dict[str, Any] = {
        "title": "Handbook",
        "section": ("Leave", "Parents"),
        "start": 0,
        "end": len(text),
        "position": 0,
        "of": 1,
        "content_hash": "1" * 64,
    }
    return Chunk(collection=collection, document=document, text=text, **{**given, **fields})


def point(text: str, vector: tuple[float, ...] = NORTH, **fields: Any) -> Point:
    return Point(chunk(text, **fields), vector)


def version(document: str, chunks: int, content_hash: str, **fields: Any) -> list[Point]:
    return [
        point(f"part {i}", document=document, position=i, of=chunks, content_hash=content_hash, **fields)
        for i in range(chunks)
    ]


def ask(
    words: str = "",
    vector: tuple[float, ...] = NORTH,
    *,
    readable: tuple[str, ...] = ("handbook",),
    limit: int = 8,
    prefetch: int = 40,
    weights: tuple[float, float] = (1.0, 1.0),
) -> HybridQuery:
    return HybridQuery(vector, [(words, 1.0)], frozenset(readable), limit, prefetch, weights)


async def test_an_empty_index(store: Store) -> None:
    index = await store.create("docs", 4)
    assert (index.name, index.dimension) == ("docs", 4)
    assert await index.search(ask("leave")) == []
    assert await index.count() == 0
    assert await index.collections() == {}
    assert await index.documents("handbook") == []
    assert [found async for found in index.scroll("handbook")] == []


async def test_a_repeated_upsert_changes_nothing(store: Store) -> None:
    index = await store.create("docs", 4)
    points = version("a.md", 3, "1" * 64) + version("b.md", 2, "2" * 64)
    await index.upsert(points)
    await index.upsert(points)
    assert await index.count() == 5
    assert {found.id async for found in index.scroll("handbook")} == {p.chunk.id for p in points}


async def test_an_empty_upsert(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([])
    assert await index.count() == 0


async def test_more_points_than_one_batch(store: Store) -> None:
    index = await store.create("docs", 4)
    points = list(itertools.chain.from_iterable(version(f"{d:03}.md", 7, f"{d:064}") for d in range(40)))
    points += version("long.md", 300, "f" * 64)
    await index.upsert(points)
    assert await index.count() == 580
    documents = {stored.document: stored.chunks for stored in await index.documents("handbook")}
    assert documents == {**{f"{d:03}.md": 7 for d in range(40)}, "long.md": 300}
    assert [found.position async for found in index.scroll("handbook", "long.md")] == list(range(300))


@pytest.mark.parametrize(
    "stored",
    [
        chunk("Plain."),
        chunk("On a page.", page="iv", modified=date(2026, 11, 20)),
        chunk("", section=(), start=7, end=7),
        chunk("\"quoted\" \\ 'single'\r\n\ttab \0 nul", document="dir/na\"me'\n.md", title="Zeile\nzwei"),
        chunk(
            "Größe, naïve, 日本語, 👩‍👩‍👧, \u202eright to left",
            document="ünï/文書 1.pdf",
            collection="Büro 💥",
        ),
        chunk("x" * 200_000, document="y" * 20_000, title="z" * 5_000),
    ],
    ids=["plain", "page and date", "nothing", "control characters", "unicode", "very long"],
)
async def test_a_chunk_comes_back_as_it_was(store: Store, stored: Chunk) -> None:
    index = await store.create("docs", 4)
    await index.upsert([Point(stored, NORTH)])
    assert [found async for found in index.scroll(stored.collection, stored.document)] == [stored]
    assert [hit.chunk for hit in await index.search(ask(readable=(stored.collection,)))] == [stored]
    assert [found.document for found in await index.documents(stored.collection)] == [stored.document]
    await index.delete_document(stored.collection, stored.source, stored.document)
    assert await index.count() == 0


async def test_text_that_is_not_unicode_is_refused_before_anything_is_written(store: Store) -> None:
    index = await store.create("docs", 4)
    with pytest.raises(StoreError, match="not valid Unicode"):
        await index.upsert([point("good"), point("bad", document="caf\udce9.md")])
    assert await index.count() == 0


async def test_a_document_is_deleted_from_its_collection_only(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(
        [point("one"), point("two", document="b.md"), point("three", collection="other", document="a.md")]
    )
    await index.delete_document("handbook", "", "a.md")
    assert await index.collections() == {"handbook": 1, "other": 1}
    await index.delete_document("handbook", "", "never there")
    assert await index.count() == 2


async def test_a_new_version_replaces_the_old_one(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(version("a.md", 3, "1" * 64))
    await index.upsert(version("a.md", 2, "2" * 64))
    assert await index.documents("handbook") == [
        StoredDocument("handbook", "", "a.md", "Handbook", "1" * 64, 3, 3),
        StoredDocument("handbook", "", "a.md", "Handbook", "2" * 64, 2, 2),
    ]
    await index.delete_document("handbook", "", "a.md", keep_hash="2" * 64)
    assert await index.documents("handbook") == [StoredDocument("handbook", "", "a.md", "Handbook", "2" * 64, 2, 2)]


async def test_a_document_is_known_by_collection_source_and_uri(store: Store) -> None:
    index = await store.create("docs", 4)
    places = [("handbook", ""), ("handbook", "wiki"), ("handbook", "files"), ("other", "wiki")]
    for collection, source in places:
        await index.upsert(version("a.md", 2, "1" * 64, collection=collection, source=source))
    assert await index.count() == 8
    assert [stored.source for stored in await index.documents("handbook")] == ["", "files", "wiki"]
    for collection, source in places:
        (stored,) = await index.documents(collection, source)
        assert stored == StoredDocument(collection, source, "a.md", "Handbook", "1" * 64, 2, 2)
        assert [p.chunk.source for p in await index.points(collection, source, "a.md")] == [source] * 2
    await index.delete_document("handbook", "wiki", "a.md")
    assert await index.documents("handbook", "wiki") == []
    await index.delete_document("handbook", "", "a.md")
    assert [stored.source for stored in await index.documents("handbook")] == ["files"]
    assert await index.collections() == {"handbook": 2, "other": 2}


async def test_documents_of_one_content_are_told_apart(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(version("a.md", 2, "1" * 64) + version("copy/a.md", 2, "1" * 64))
    assert [(stored.document, stored.chunks) for stored in await index.documents("handbook")] == [
        ("a.md", 2),
        ("copy/a.md", 2),
    ]
    await index.delete_document("handbook", "", "a.md", keep_hash="2" * 64)
    assert [stored.document for stored in await index.documents("handbook")] == ["copy/a.md"]
    await index.delete_document("handbook", "", "copy/a.md", keep_hash="1" * 64)
    assert await index.count() == 2


async def test_a_source_is_deleted(store: Store) -> None:
    index = await store.create("docs", 4)
    for source in ("", "wiki", "files"):
        await index.upsert(version("a.md", 2, "1" * 64, source=source) + version("b.md", 1, "2" * 64, source=source))
    await index.upsert(version("a.md", 2, "1" * 64, collection="other", source="wiki"))
    await index.delete_source("handbook", "wiki")
    assert [(stored.source, stored.document) for stored in await index.documents("handbook")] == [
        ("", "a.md"),
        ("files", "a.md"),
        ("", "b.md"),
        ("files", "b.md"),
    ]
    await index.delete_source("handbook", "")
    assert [stored.source for stored in await index.documents("handbook")] == ["files", "files"]
    assert await index.count(frozenset({"other"})) == 2


@pytest.mark.parametrize("missing", [(0,), (2,), (0, 1, 2, 3), (4,)], ids=str)
async def test_a_version_that_is_not_whole_is_seen_as_such(store: Store, missing: tuple[int, ...]) -> None:
    index = await store.create("docs", 4)
    day = date(2026, 11, 20)
    points = version("a.md", 5, "1" * 64, source="wiki", modified=day)
    await index.upsert([p for p in points if p.chunk.position not in missing] + version("b.md", 2, "2" * 64))
    half, whole = await index.documents("handbook")
    left = 5 - len(missing)
    assert half == StoredDocument("handbook", "wiki", "a.md", "Handbook", "1" * 64, left, 5, day)
    assert (half.whole, whole.whole) == (False, True)
    await index.upsert(points)
    assert [stored.whole for stored in await index.documents("handbook")] == [True, True]


async def test_a_version_that_was_cut_differently_is_not_whole(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(version("a.md", 5, "1" * 64))
    await index.upsert(version("a.md", 3, "1" * 64))
    (stored,) = await index.documents("handbook")
    assert (stored.chunks, stored.of, stored.whole) == (5, 3, False)


async def test_many_documents(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point(f"{i}", document=f"{i:04}.md", content_hash=f"{i:064}") for i in range(1500)])
    assert [stored.document for stored in await index.documents("handbook")] == [f"{i:04}.md" for i in range(1500)]


async def test_chunks_by_id(store: Store) -> None:
    index = await store.create("docs", 4)
    points = version("a.md", 600, "1" * 64) + version("b.md", 2, "2" * 64, collection="board", gap="\n\n", line=7)
    await index.upsert(points)
    chunks = [p.chunk for p in points]
    asked = [chunk.id for chunk in reversed(chunks)]
    both = frozenset({"handbook", "board"})
    assert await index.chunks(asked, both) == list(reversed(chunks))
    assert await index.chunks(asked, frozenset({"board"})) == [chunks[601], chunks[600]]
    assert await index.chunks([asked[0], chunks[0].id_at(600), asked[5]], both) == [chunks[601], chunks[596]]
    assert await index.chunks(asked, frozenset()) == []
    assert await index.chunks(asked, frozenset({"unknown"})) == []
    assert await index.chunks([], both) == []


async def test_points_come_back_with_their_vectors(store: Store) -> None:
    index = await store.create("docs", 4)
    vectors = [EAST, (0.6, 0.8, 0.0, 0.0), UP]
    points = [Point(p.chunk, vector) for p, vector in zip(version("a.md", 3, "1" * 64), vectors, strict=True)]
    await index.upsert([*points[::-1], *version("a.md", 2, "2" * 64, source="wiki")])
    found = await index.points("handbook", "", "a.md")
    assert [p.chunk for p in found] == [p.chunk for p in points]
    assert [p.vector for p in found] == [pytest.approx(vector) for vector in vectors]
    assert await index.points("handbook", "", "never there") == []
    await index.upsert(found)
    assert await index.count() == 5


async def test_a_collection_is_deleted(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("one"), point("two", collection="other")])
    await index.delete_collection("handbook")
    assert await index.collections() == {"other": 1}
    assert await index.search(ask("one")) == []


async def test_counts(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(version("a.md", 3, "1" * 64) + version("b.md", 2, "2" * 64, collection="other"))
    assert await index.count() == 5
    assert await index.count(frozenset({"other"})) == 2
    assert await index.count(frozenset({"handbook", "other", "unknown"})) == 5
    assert await index.count(frozenset()) == 0
    assert await index.collections() == {"handbook": 3, "other": 2}
    assert await index.counts(frozenset({"other", "unknown"})) == {"other": 2}
    assert await index.counts(frozenset()) == {}


async def test_scroll_sees_one_document_in_order(store: Store) -> None:
    index = await store.create("docs", 4)
    points = version("a.md", 30, "1" * 64)
    await index.upsert(random.Random(7).sample(points, len(points)) + version("b.md", 2, "2" * 64))
    assert [found.position async for found in index.scroll("handbook", "a.md")] == list(range(30))
    assert len([found async for found in index.scroll("handbook")]) == 32


async def test_an_exact_word_is_found_though_its_vector_is_far(store: Store) -> None:
    index = await store.create("docs", 4)
    near = [point("general remarks", (0.5, 0.8, 0.0, 0.3), document=f"{i}.md") for i in range(10)]
    await index.upsert([*near, point("form KV-4711 for travel", UP, document="form.md")])
    best = (await index.search(ask("KV-4711", prefetch=3)))[0]
    assert best.chunk.document == "form.md" and best.similarity == pytest.approx(0)
    assert best.score == pytest.approx(1) and best.bm25 > 0


async def test_a_near_vector_is_found_though_no_word_matches(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("Elternzeit", EAST, document="near.md"), point("Dienstreise", document="far.md")])
    hits = await index.search(ask("parental leave", (0.6, 0.8, 0.0, 0.0)))
    assert [hit.chunk.document for hit in hits] == ["near.md", "far.md"]
    assert [hit.similarity for hit in hits] == pytest.approx([0.8, 0.6])


async def test_the_scores_of_both_sides_add_up(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(
        [
            point("nothing of it", NORTH, document="vector.md"),
            point("holiday", (0.8, 0.6, 0.0, 0.0), document="both.md"),
            point("holiday holiday holiday", SOUTH, document="word.md"),
        ]
    )
    hits = await index.search(ask("holiday", prefetch=2, weights=(1.0, 0.5)))
    assert [hit.chunk.document for hit in hits] == ["both.md", "vector.md", "word.md"]
    found = {hit.chunk.document: hit for hit in hits}
    best = found["word.md"].bm25
    assert found["word.md"].score == pytest.approx(-1 + 0.5) and 0 < found["both.md"].bm25 < best
    assert found["both.md"].score == pytest.approx(0.8 + 0.5 * found["both.md"].bm25 / best)
    assert found["vector.md"].score == pytest.approx(1) and found["vector.md"].bm25 == 0


async def test_weights_move_the_balance_and_zero_leaves_a_ranking_out(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("sea", document="vector.md"), point("holiday", SOUTH, document="word.md")])
    for weights, expected in {
        (3.0, 1.0): ["vector.md", "word.md"],
        (1.0, 2.5): ["word.md", "vector.md"],
        (1.0, 0.0): ["vector.md"],
        (0.0, 1.0): ["word.md"],
        (0.0, 0.0): [],
    }.items():
        hits = await index.search(ask("holiday", prefetch=1, weights=weights))
        assert [hit.chunk.document for hit in hits] == expected, weights


async def test_terms_add_up_by_weight(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point(word, SOUTH, document=f"{word}.md") for word in ("apples", "plums", "pears")])
    terms = [("apples", 0.2), ("plums", 1.0), ("plum apple", 0.1), ("pears", 0.0)]
    query = HybridQuery(NORTH, terms, frozenset({"handbook"}), weights=(0.0, 1.0))
    assert [hit.chunk.text for hit in await index.search(query)] == ["plums", "apples"]


async def test_words_are_found_without_their_umlauts(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("Die Größe der Räume", SOUTH, document="räume.md"), point("other")])
    assert (await index.search(ask("grosse raume", weights=(0.0, 1.0))))[0].chunk.document == "räume.md"


@pytest.mark.parametrize("words", ["", "?!", "the and of", " \n\t"])
async def test_a_query_without_a_token_searches_by_vector(store: Store, words: str) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("north"), point("east", EAST, document="b.md")])
    hits = await index.search(ask(words))
    assert [hit.chunk.text for hit in hits] == ["north", "east"]
    assert [hit.score for hit in hits] == pytest.approx([1, 0], abs=1e-6)


async def test_limits(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(version("a.md", 5, "1" * 64))
    assert len(await index.search(ask("part", limit=1000, prefetch=1000))) == 5
    assert len(await index.search(ask("part", limit=2))) == 2
    assert await index.search(ask("part", limit=0)) == []


async def test_a_vector_without_direction_is_similar_to_nothing(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("word", (0.0, 0.0, 0.0, 0.0)), point("north", document="b.md")])
    assert {hit.similarity for hit in await index.search(ask("word", UP))} == {0.0}


async def test_the_filter_works_before_the_ranking(store: Store) -> None:
    index = await store.create("docs", 4)
    secret = [point("salary table", collection="board", document=f"{i}.md") for i in range(100)]
    await index.upsert([*secret, point("salary bands in short", SOUTH, collection="all")])
    hits = await index.search(ask("salary table", readable=("all",), limit=1, prefetch=1))
    assert [hit.chunk.collection for hit in hits] == ["all"]
    assert await index.search(ask("salary table", readable=())) == []
    assert await index.search(ask("salary table", readable=("unknown",))) == []


async def test_matches_that_may_not_be_read_push_nothing_out(store: Store) -> None:
    index = await store.create("docs", 4)
    for start in range(0, 10_000, 1000):
        secret = [point("salary table", collection="board", document=f"{start + i}.md") for i in range(1000)]
        await index.upsert(secret)
    far = (-0.8, 0.6, 0.0, 0.0)
    await index.upsert([point("on salary", far, collection="all", document=f"{i}.md") for i in range(30)])
    for weights in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
        hits = await index.search(ask("salary table", readable=("all",), limit=20, prefetch=20, weights=weights))
        assert [hit.chunk.collection for hit in hits] == ["all"] * 20


_names = itertools.count()
_words = st.sampled_from(["leave", "travel", "salary", "contract", "the", "Büro"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=st.lists(st.tuples(st.sampled_from("abcd"), st.lists(_words, max_size=4)), max_size=30),
    readable=st.frozensets(st.sampled_from("abcde")),
    words=st.lists(_words, max_size=3),
    limit=st.integers(1, 12),
)
async def test_never_a_hit_outside_the_readable_collections(
    store: Store, stored: list[tuple[str, list[str]]], readable: frozenset[str], words: list[str], limit: int
) -> None:
    index = await store.create(f"property-{next(_names)}", 4)
    dice = random.Random(len(stored))
    await index.upsert(
        [
            point(" ".join(text), tuple(dice.gauss(0, 1) for _ in range(4)), collection=name, document=f"{i}")
            for i, (name, text) in enumerate(stored)
        ]
    )
    hits = await index.search(ask(" ".join(words), readable=tuple(readable), limit=limit))
    assert {hit.chunk.collection for hit in hits} <= readable
    assert len(hits) == min(limit, sum(name in readable for name, _ in stored))
    assert len({hit.chunk.id for hit in hits}) == len(hits)
    await store.drop(index.name)


async def test_an_index_that_exists_is_opened(store: Store) -> None:
    await (await store.create("docs", 4)).upsert([point("kept")])
    assert await (await store.create("docs", 4)).count() == 1
    assert await store.indexes() == ["docs"]


async def test_dimensions_are_checked(store: Store) -> None:
    index = await store.create("docs", 4)
    for attempt in (
        store.create("docs", 8),
        index.upsert([point("fits"), point("does not", (1.0, 0.0))]),
        index.search(ask(vector=(1.0, 0.0))),
    ):
        with pytest.raises(IndexMismatch, match=r"4 dimensions .* (2|8); run `assistant ingest --rebuild`"):
            await attempt
    assert await index.count() == 0


@pytest.mark.parametrize("name", ["", "Docs", "../docs", "a/b", ".hidden", "-a", "a b", "ä", "a\n", "x" * 101])
async def test_names_are_checked(store: Store, name: str) -> None:
    await store.create("docs", 4)
    for attempt in (store.create(name, 4), store.drop(name), store.switch(name, "docs")):
        with pytest.raises(StoreError):
            await attempt
    with pytest.raises(StoreError):
        await store.index(name)
    assert await store.indexes() == ["docs"]
    assert await store.aliases() == {}


async def test_an_unknown_index_is_an_error(store: Store) -> None:
    for attempt in (store.index("docs"), store.drop("docs"), store.switch("live", "docs")):
        with pytest.raises(StoreError, match="there is no index 'docs'"):
            await attempt
    assert await store.aliases() == {}


async def test_an_alias_switches_from_one_index_to_the_next(store: Store) -> None:
    old = await store.create("docs-1", 4)
    await old.upsert([point("old")])
    await store.switch("live", "docs-1")
    new = await store.create("docs-2", 8)
    await new.upsert([Point(chunk("new"), (1.0,) * 8)])
    assert await (await store.index("live")).search(ask("old")) != []
    await store.switch("live", "docs-2")
    live = await store.index("live")
    assert (live.name, live.dimension) == ("docs-2", 8)
    assert await store.aliases() == {"live": "docs-2"}
    assert await store.indexes() == ["docs-1", "docs-2"]
    assert await old.count() == 1, "what was opened before goes on"


async def test_an_index_with_an_alias_is_not_dropped(store: Store) -> None:
    await store.create("docs-1", 4)
    await store.create("docs-2", 4)
    await store.switch("live", "docs-1")
    with pytest.raises(StoreError, match="live"):
        await store.drop("docs-1")
    await store.switch("live", "docs-2")
    await store.drop("docs-1")
    assert await store.indexes() == ["docs-2"]


async def test_a_failed_switch_leaves_the_alias(store: Store) -> None:
    await store.create("docs", 4)
    await store.switch("live", "docs")
    with pytest.raises(StoreError):
        await store.switch("live", "missing")
    assert await store.aliases() == {"live": "docs"}


async def test_an_index_and_an_alias_never_share_a_name(store: Store) -> None:
    await store.create("docs", 4)
    await store.create("other", 4)
    await store.switch("live", "docs")
    with pytest.raises(StoreError):
        await store.create("live", 4)
    with pytest.raises(StoreError):
        await store.switch("other", "docs")
    assert await store.indexes() == ["docs", "other"]


async def test_a_dropped_index_says_so(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert([point("gone")])
    await store.drop("docs")
    for attempt in (index.search(ask("gone")), index.count(), index.upsert([point("again")])):
        with pytest.raises(StoreError):
            await attempt
    assert await (await store.create("docs", 4)).count() == 0


async def test_a_store_that_is_not_open_says_so(engine: Engine, tmp_path: Path) -> None:
    store = engine.make(tmp_path)
    for attempt in (store.create("docs", 4), store.index("docs"), store.indexes(), store.aliases()):
        with pytest.raises(StoreError, match="not open"):
            await attempt
    await store.close()


async def test_what_was_written_is_there_after_reopening(engine: Engine, tmp_path: Path) -> None:
    if not engine.durable:
        pytest.skip(f"{engine.name} keeps nothing here")
    store = engine.make(tmp_path)
    await store.open()
    index = await store.create("docs", 4)
    points = version("a.md", 3, "1" * 64)
    await index.upsert(points)
    await store.switch("live", "docs")
    await store.close()
    with pytest.raises(StoreError):
        await index.count()
    await store.open()
    live = await store.index("live")
    assert (live.name, live.dimension) == ("docs", 4)
    assert [found async for found in live.scroll("handbook", "a.md")] == [p.chunk for p in points]
    await store.close()


async def test_searches_beside_writes_see_whole_documents(store: Store) -> None:
    index = await store.create("docs", 4)
    await index.upsert(version("0.md", 5, "0" * 64))

    async def write() -> None:
        for d in range(1, 20):
            await index.upsert(version(f"{d}.md", 5, f"{d:064}"))
            await index.delete_document("handbook", "", f"{d - 1}.md")
        await index.optimize()

    async def read() -> None:
        for _ in range(20):
            hits = await index.search(ask("part", limit=50))
            assert hits and all(hit.chunk.of == 5 for hit in hits)
            assert await index.count() in (5, 10)

    await asyncio.gather(write(), *(read() for _ in range(20)))
    assert await index.documents("handbook") == [StoredDocument("handbook", "", "19.md", "Handbook", f"{19:064}", 5, 5)]
