"""Chunks become passages that people can read: joined to the document's own words, each thing said once."""

from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.knowledge.documents import Chunk, Document
from assistant.knowledge.passages import (
    LEADING,
    LONGEST,
    PER_DOCUMENT,
    READABLE,
    as_one,
    folded,
    joined,
    neighbours,
    varied,
)
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Hit
from tests.knowledge.searching import WordEmbedder, chunks_of, document, filled, turn


def prose(number: int, length: int) -> str:
    return " ".join(f"w{number}x{index}" for index in range(length - 1)) + " end."


BLOCK = st.one_of(
    st.builds(prose, st.integers(0, 99), st.integers(2, 90)),
    st.builds(lambda level, n: f"{'#' * level} Heading {n}", st.integers(1, 3), st.integers(0, 9)),
    st.builds(lambda n: "\n".join(f"- item {n} {i}" for i in range(n)), st.integers(1, 20)),
    st.builds(lambda n, size: "x" * size + str(n), st.integers(0, 9), st.integers(1, 900)),
)
TEXT = st.builds(
    lambda blocks, gaps: "".join(block + "\n" * (2 + gap) for block, gap in zip(blocks, gaps, strict=True)),
    st.shared(st.lists(BLOCK, min_size=1, max_size=14), key="blocks"),
    st.shared(st.lists(BLOCK, min_size=1, max_size=14), key="blocks").flatmap(
        lambda blocks: st.lists(st.sampled_from([0, 0, 1, 40]), min_size=len(blocks), max_size=len(blocks))
    ),
)


def hits(chunks: list[Chunk]) -> list[Hit]:
    return [Hit(chunk, 1.0 - n / 100, 0.9 - n / 100) for n, chunk in enumerate(chunks)]


def around(chosen: list[Chunk], every: list[Chunk]) -> dict[str, Chunk]:
    wanted = {identity for chunk in chosen for identity in neighbours(chunk)}
    return {chunk.id: chunk for chunk in every if chunk.id in wanted}


@given(st.lists(TEXT, min_size=1, max_size=3), st.data())
def test_a_joined_passage_is_a_slice_of_its_document(texts: list[str], data: st.DataObject) -> None:
    documents = {f"{n}.md": document(f"{n}.md", text) for n, text in enumerate(texts)}
    every = chunks_of(*documents.values())
    chosen = data.draw(st.lists(st.sampled_from(every), unique=True, max_size=8)) if every else []
    made = joined([(hit, ()) for hit in hits(chosen)], around(chosen, every))
    taken: list[tuple[str, int, int]] = []
    for each in made:
        passage = each.chunk
        text = documents[passage.document].text
        assert passage.text == text[passage.start : passage.end]
        start = each.hit.chunk.start - passage.start
        assert passage.text[start : start + len(each.hit.chunk.text)] == each.hit.chunk.text
        assert len(passage.text) <= max(LONGEST, len(each.hit.chunk.text))
        taken.append((passage.document, passage.start, passage.end))
    for (one, _, end), (two, start, _) in pairwise(sorted(taken)):
        assert one != two or end <= start, "a chunk stands in two passages"
    for chunk in chosen:
        assert sum(d == chunk.document and s <= chunk.start and chunk.end <= e for d, s, e in taken) == 1
    assert len({each.chunk.id for each in made}) == len(made)
    scores = [each.hit.score for each in made]
    assert scores == sorted(scores, reverse=True)


def long_document(sections: int = 1, words: int = 240) -> tuple[Document, list[Chunk]]:
    text = "\n\n".join(
        f"## Part {n}\n\n" + "\n\n".join(prose(10 * n + i, 40) for i in range(words // 40)) for n in range(sections)
    )
    made = document("long.md", text)
    return made, chunks_of(made)


def test_a_part_of_a_section_is_filled_up_with_its_neighbours_and_no_further() -> None:
    source, every = long_document(sections=2)
    assert len(every) == 12 and len(every[0].text) < READABLE
    (made,) = joined([(hits([every[2]])[0], ())], around([every[2]], every))
    assert made.chunk.text == source.text[every[1].start : every[3].end]
    (edge,) = joined([(hits([every[5]])[0], ())], around([every[5]], every))
    assert edge.chunk.text == source.text[every[4].start : every[5].end], "the next section is another matter"


def test_hits_side_by_side_become_one_passage_across_sections() -> None:
    source, every = long_document(sections=2)
    made = joined([(hit, ()) for hit in hits([every[6], every[5]])], {})
    assert len(made) == 1 and made[0].hit.chunk == every[6] and made[0].chunk.section == ("Part 1",)
    assert made[0].chunk.text == source.text[every[5].start : every[6].end] and "## Part 1" in made[0].chunk.text


def test_a_long_gap_counts_for_the_length() -> None:
    one = Chunk("c", "d", "T", (), "a" * 300, 0, 300, 0, 2, "h")
    two = replace(one, text="b" * 300, start=300 + LONGEST, end=600 + LONGEST, position=1, gap="\n" * LONGEST)
    made = joined([(hit, ()) for hit in hits([one, two])], {})
    assert [each.chunk for each in made] == [one, two]


def test_duplicates_of_every_chunk_in_a_passage_go_with_it() -> None:
    _, every = long_document()
    others = [replace(every[n], document=f"copy{n}.md") for n in (0, 1)]
    made = joined([(hit, (other,)) for hit, other in zip(hits(every[:2]), others, strict=True)], {})
    assert len(made) == 1 and made[0].duplicates == tuple(others)


def test_one_chunk_alone_is_itself() -> None:
    chunk = replace(chunks_of(document("a.md", "Some text."))[0], gap="## Gap\n\n")
    assert as_one([chunk], chunk) is chunk and neighbours(chunk) == []


def test_a_passage_of_code_has_the_symbol_of_the_best_chunk_and_the_line_where_that_begins() -> None:
    chunk = Chunk("c", "a.py", "a.py", ("get",), "def get(): ...", 0, 14, 0, 3, "h", page="1", line=1)
    put = replace(chunk, section=("put",), start=15, end=29, position=1, gap="\n", page="2", line=2)
    more = replace(put, start=30, end=44, position=2, line=3)
    whole = as_one([chunk, put, more], more)
    assert (whole.section, whole.line, whole.page, whole.start, whole.end) == (("put",), 2, "2", 0, 44)


BOILERPLATE = (
    "To ask for access to {name} open a ticket with the service desk, say what you need it for, name your manager and "
    "wait for the confirmation, which comes within {days} days; access ends when you leave the team or the project."
)
SAID = BOILERPLATE.format(name="Jira", days=5)


def found(text: str, uri: str, year: int | None = None, title: str = "Access") -> Hit:
    chunk = chunks_of(document(uri, text, title, date(year, 1, 1) if year else None), most=200)[0]
    return Hit(chunk, 0.5, 0.5)


@pytest.mark.parametrize(
    "other",
    [
        SAID,
        SAID.upper(),
        SAID.replace(", ", " -- ").replace("  ", "\n"),
        SAID + " Ask if it takes longer.",
        SAID.removesuffix(" or the project."),
    ],
)
def test_the_same_text_in_two_documents_is_shown_once(other: str) -> None:
    one, two = found(SAID, "a.md"), found(other, "b.md")
    assert folded([one, two], 6) == [(one, (two.chunk,))]


@pytest.mark.parametrize(
    "other",
    [
        BOILERPLATE.format(name="Jira", days=6),
        BOILERPLATE.format(name="Jira", days="five"),
        BOILERPLATE.format(name="Figma", days=5),
        SAID.replace("ends", "does not end"),
        SAID.replace("which comes", "which never comes"),
        SAID.replace("5 days", "5 days, or 10 if it is late"),
        SAID + " " + prose(1, 60),
        "Something else.",
        "",
    ],
)
def test_another_number_name_or_negation_is_another_text(other: str) -> None:
    one = found(SAID, "a.md")
    two = replace(one, chunk=replace(one.chunk, document="b.md", text=other, content_hash="b"))
    assert [hit for hit, _ in folded([one, two], 6)] == [one, two]


def test_numbers_in_another_order_say_another_thing() -> None:
    text = SAID + " The first reminder comes after {} days and the second after {} days."
    one, two = found(text.format(10, 20), "a.md"), found(text.format(20, 10), "b.md")
    assert len(folded([one, two], 6)) == 2


def test_the_newer_document_stands_for_both_in_the_place_of_the_better() -> None:
    old, new = found(SAID, "old.md", 2023), replace(found(SAID, "new.md", 2025), score=0.3)
    other = found("Something else.", "c.md")
    assert folded([old, other, new], 6) == [(replace(new, score=0.5), (old.chunk,)), (other, ())]
    assert folded([new, other, old], 6) == [(new, (old.chunk,)), (other, ())]


def test_below_the_heading_of_another_thing_the_closer_one_stands() -> None:
    asked, newer = found(SAID, "b.md", 2023, "Model B"), found(SAID, "a.md", 2025, "Model A")
    assert folded([asked, newer], 6) == [(asked, (newer.chunk,))]


def test_a_text_twice_in_one_document_has_no_other_document() -> None:
    one = found(SAID, "a.md")
    two = replace(one, chunk=replace(one.chunk, position=1, of=2))
    assert folded([one, two], 6) == [(one, ())]


@given(st.lists(st.sampled_from([SAID, "a b c", "5 days", "", "…"]), max_size=10), st.integers(0, 6))
def test_folding_keeps_the_order_and_the_limit(texts: list[str], limit: int) -> None:
    base = found(SAID, "a.md").chunk
    given_hits = hits([replace(base, document=f"{n}.md", text=text) for n, text in enumerate(texts)])
    kept = folded(given_hits, limit)
    assert len(kept) == min(limit, len(set(texts) - ({"…"} if {"", "…"} <= set(texts) else set())))
    assert [hit.score for hit, _ in kept] == sorted((hit.score for hit, _ in kept), reverse=True)


def test_no_document_fills_the_first_places_alone() -> None:
    assert (LEADING, PER_DOCUMENT) == (3, 2)
    given_hits = hits([found(f"text {n}", uri).chunk for n, uri in enumerate("aaaabacdbb")])
    order = varied(given_hits)
    assert "".join(hit.chunk.document for hit in order) == "abc" + "adb" + "aaab"
    assert sorted(order, key=lambda hit: -hit.score) == given_hits


def test_one_document_alone_keeps_its_order_and_sources_are_told_apart() -> None:
    alone = hits([found(f"text {n}", "a").chunk for n in range(5)])
    apart = hits([replace(hit.chunk, source=str(n % 2)) for n, hit in enumerate(alone[:4])])
    assert varied(alone) == alone and varied(apart) == apart


async def test_a_search_gives_passages_that_are_slices_of_their_documents(tmp_path: Path) -> None:
    source, every = long_document(sections=3)
    other = document("other.md", f"# Coffee\n\nThe machine is on floor two. {prose(1, 10)}", "Coffee")
    async with filled(tmp_path, every + chunks_of(other)) as index:
        passages = (await Retriever(index, WordEmbedder()).search(turn("w12x3 w12x4 w12x5"))).passages
    assert [each.number for each in passages] == list(range(1, len(passages) + 1))
    first = passages[0]
    assert first.found is not None and "w12x3" in first.chunk.text[slice(*first.found)]
    texts = {"long.md": source.text, "other.md": other.text}
    for each in passages:
        assert each.chunk.text == texts[each.chunk.document][each.chunk.start : each.chunk.end]
    assert len(first.chunk.text) > len(first.chunk.text[slice(*first.found)]), "neighbours make it readable"


async def test_a_search_names_the_documents_that_say_the_same(tmp_path: Path) -> None:
    copies = [document(f"{year}.md", SAID, "Access", date(year, 1, 1)) for year in (2023, 2025, 2024)]
    changed = document("changed.md", BOILERPLATE.format(name="Jira", days=9), "Access", date(2020, 1, 1))
    hidden = chunks_of(document("secret.md", SAID, "Access", date(2026, 1, 1)), collection="secret")
    async with filled(tmp_path, chunks_of(*copies, changed) + hidden) as index:
        passages = (await Retriever(index, WordEmbedder()).search(turn("how do I ask for access to Jira?"))).passages
    shown = {each.chunk.document: set(each.duplicates) for each in passages}
    assert shown == {"2025.md": {"2023.md", "2024.md"}, "changed.md": set()}


async def test_a_search_puts_the_newer_of_two_that_disagree_first(tmp_path: Path) -> None:
    old = document("old.md", "# Hotels\n\nThe cap for a hotel in London is £150 a night.", "Travel", date(2023, 1, 1))
    new = document("new.md", "# Hotels\n\nFrom May the cap for a hotel in London is £165 a night, breakfast included.",
                   "Travel", date(2025, 1, 1))  # fmt: skip
    other = document("food.md", "# Meals\n\nThe cap for a meal is £30.", "Travel", date(2024, 1, 1))
    async with filled(tmp_path, chunks_of(old, new, other)) as index:
        passages = (
            await Retriever(index, WordEmbedder()).search(turn("what is the cap for a hotel in London?"))
        ).passages
    assert [(each.chunk.document, each.newer) for each in passages] == [
        ("new.md", None),
        ("old.md", 1),
        ("food.md", None),
    ]


async def test_a_follow_up_finds_the_disagreement_too(tmp_path: Path) -> None:
    old = document("old.md", "# Hotels\n\nThe cap for a hotel in London is £150 a night.", "Travel", date(2023, 1, 1))
    new = document("new.md", "# Hotels\n\nThe cap for a hotel in London is £165 a night.", "Travel", date(2025, 1, 1))
    asked = turn("and in London?", "what is the cap for a hotel?", "It depends on the city: ask for the one you go to.")
    async with filled(tmp_path, chunks_of(old, new)) as index:
        passages = (await Retriever(index, WordEmbedder()).search(asked)).passages
    assert [(each.chunk.document, each.newer) for each in passages] == [("new.md", None), ("old.md", 1)]


async def test_the_newest_is_first_where_the_turn_asks_for_it(tmp_path: Path) -> None:
    texts = {2021: "the travel policy of our team", 2025: "the travel policy of our team, in full and by topic"}
    made = [document(f"{year}.md", text, "Policy", date(year, 1, 1)) for year, text in texts.items()]
    async with filled(tmp_path, chunks_of(*made)) as index:
        retriever = Retriever(index, WordEmbedder())
        plain = await retriever.search(turn("the travel policy of our team"))
        fresh = await retriever.search(turn("the latest travel policy of our team"))
    assert (plain.fresh, fresh.fresh) == (False, True)
    assert fresh.passages[0].chunk.document == "2025.md"
