"""What the desk reads of the documents and does to them, on a real assistant with real files."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assistant.app import Assistant, build_assistant
from assistant.config_file import load
from assistant.conversation.turn import Turn
from assistant.desk import knowledge_uploads as uploads
from assistant.desk.knowledge import Shelf, inside, overview, would_go
from assistant.desk.knowledge_access import access, parsed, set_readers, verdicts
from assistant.desk.knowledge_question import MEANINGS, Asked, try_question
from assistant.desk.knowledge_work import Jobs
from assistant.knowledge.evidence import WEIGHTS
from assistant.knowledge.happenings import Began, Happening, Mistake, Tell
from assistant.knowledge.store import StoreError
from assistant.settings_file import SettingsFile

TRAINS = "\n\n".join(f"The train to station {n} is second class, and its ticket is kept for a year." for n in range(30))
HOTELS = f"# Travel\n\n## Hotels\n\nThe hotel cap in London is £165 a night.\n\n## Trains\n\n{TRAINS}\n"
LEAVE = "# Leave\n\nFive days of annual leave may be carried over until the end of March.\n"
SETTINGS = """# who runs this: Ada
collections:
  travel:
    sources: [travel]  # on the shared drive
  hr:
    title: Human resources
    readers: [hr, board]
    sources: [hr]
surfaces:
  portal: {title: Portal}
"""


@pytest.fixture
async def assistant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Assistant]:
    monkeypatch.chdir(tmp_path)
    for name, text in {"travel/hotels.md": HOTELS, "hr/leave.md": LEAVE, "hr/draft.md": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "assistant.yaml").write_text(SETTINGS)
    loaded = load(None)
    file = SettingsFile(lambda: load(None), loaded.watched)
    async with build_assistant(loaded.settings, file=file) as opened:
        await opened.sync()
        yield opened


def dropped(tmp_path: Path, **files: str) -> list[tuple[Path, str]]:
    """Files as the browser's upload leaves them, with the names that they came with."""
    found = []
    for number, (name, text) in enumerate(files.items()):
        path = tmp_path / "dropped" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        found.append((path, name.replace("__", ".")))
    return found


async def drop(assistant: Assistant, tmp_path: Path, collection: str, **files: str) -> None:
    data = assistant.settings.data
    offered = uploads.offered(data, collection, dropped(tmp_path, **files))
    uploads.keep(data, collection, offered, replace=True)
    await uploads.take_in(assistant, collection, lambda _: None)


async def test_sources_are_seen_with_their_counts_and_errors_by_name(assistant: Assistant) -> None:
    hr, travel = await overview(assistant)
    assert (hr.name, hr.title, hr.readers, hr.documents) == ("hr", "Human resources", ("hr", "board"), 1)
    assert (travel.title, travel.readers) == ("travel", ("everyone",))
    (source,) = hr.sources
    assert source.failed == (("draft.md", "empty file"),)
    assert (source.kind, source.outcome, source.uploads, source.left) == ("folder", "ok", False, False)
    assert source.synced_at is not None and source.passages == hr.passages == 1


async def test_what_left_the_settings_is_said(assistant: Assistant, tmp_path: Path) -> None:
    (tmp_path / "assistant.yaml").write_text(SETTINGS.replace("sources: [hr]", "sources: [travel]"))
    await assistant.refresh()
    hr = next(each for each in await overview(assistant) if each.name == "hr")
    assert [(Path(source.location).name, source.left) for source in hr.sources] == [("travel", False), ("hr", True)]


async def test_documents_are_found_sorted_and_paged(assistant: Assistant, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / "travel" / f"rule-{number:02}.md").write_text(f"# Rule {number}\n\nNumber {number}.\n")
    await assistant.sync()
    shelf = Shelf(assistant)
    (source,) = next(each for each in await overview(assistant) if each.name == "travel").sources
    page = await shelf.page("travel", source.id, "", "name", 3)
    assert (page.number, page.pages, page.found, page.total) == (3, 3, 61, 61)
    assert [each.title for each in page.documents][-1] == "Travel"
    page = await shelf.page("travel", source.id, "rule 7", "name", 9)
    assert page.number == 1 and {each.uri for each in page.documents} == {
        f"rule-{n}.md" for n in ("07", "17", "27", "37", "47", "57")
    }
    longest = await shelf.page("travel", "", "", "longest", 1)
    assert longest.documents[0].uri == "hotels.md" and longest.documents[0].whole
    assert (await shelf.page("hr", source.id, "", "newest", 1)).total == 0
    (tmp_path / "travel" / "rule-00.md").unlink()
    await assistant.sync()
    assert (await shelf.page("travel", source.id, "", "name", 1)).total == 60


async def test_a_document_is_looked_into(assistant: Assistant) -> None:
    (source,) = next(each for each in await overview(assistant) if each.name == "travel").sources
    found = await inside(assistant, "travel", source.id, "hotels.md")
    assert [each.chunk.position for each in found.chunks] == list(range(found.total))
    assert found.total > 1 and found.chunks[0].chunk.heading == "Travel › Hotels"
    embedder = assistant.base.live.build.embedder
    for each in found.chunks:
        assert embedder.count_tokens([each.chunk.embedding_text()]) == [each.tokens]
        assert HOTELS[each.chunk.start : each.chunk.end] == each.chunk.text
    with pytest.raises(Mistake, match="not in the index"):
        await inside(assistant, "travel", source.id, "gone.md")


async def test_a_question_shows_both_sides_and_what_a_turn_gets(assistant: Assistant) -> None:
    found = await try_question(assistant, Asked("What is the hotel cap in London?"))
    assert found.searched == {"travel", "hr"}
    assert found.dense[0].chunk.document == found.bm25[0].chunk.document == found.fused[0].chunk.document == "hotels.md"
    assert [hit.similarity for hit in found.dense] == sorted((hit.similarity for hit in found.dense), reverse=True)
    assert all(hit.bm25 > 0 for hit in found.bm25)
    turn = await assistant.base.live.retriever.search(_turn(found.searched))
    assert (found.passages, found.evidence, found.query) == (turn.passages, turn.evidence, turn.query)
    ranked = await assistant.base.live.retriever.ranked(_turn(found.searched))
    assert found.fused == tuple(ranked[:10])
    assert set(found.signals) == set(MEANINGS)


def _turn(collections: frozenset[str]) -> Turn:
    return Turn("What is the hotel cap in London?", collections=collections)


async def test_a_question_is_asked_as_somebody_and_after_another(assistant: Assistant) -> None:
    somebody = await try_question(assistant, Asked("How many days of leave?", groups=("everyone",)))
    assert somebody.searched == {"travel"} and "leave.md" not in {hit.chunk.document for hit in somebody.fused}
    hr = await try_question(assistant, Asked("How many days of leave?", groups=("hr",)))
    assert hr.passages[0].chunk.document == "leave.md"
    nobody = await try_question(assistant, Asked("Leave?", collection="hr", groups=("everyone",)))
    assert nobody.searched == frozenset() and not nobody.passages and nobody.evidence.state == "not_in_documents"
    later = await try_question(assistant, Asked("And in London?", "What is the hotel cap?", "It is £165."))
    assert [text for text, _ in later.terms] == ["And in London?", "What is the hotel cap?", "It is £165."]
    for wrong in (Asked("  "), Asked("Leave?", groups=("hr",), surface="nowhere")):
        with pytest.raises(Mistake):
            await try_question(assistant, wrong)


def test_every_signal_has_a_meaning() -> None:
    import json

    assert set(json.loads(WEIGHTS.read_text())["read"]["signals"]) == set(MEANINGS)


async def test_access_says_who_and_why_as_turns_decide_it(assistant: Assistant, tmp_path: Path) -> None:
    await drop(assistant, tmp_path, "lab", notes__md="# Notes\n\nThe lab opens at nine.\n")
    found = {each.collection: each for each in await access(assistant)}
    assert found["hr"].readers == ("hr", "board") and "assistant.yaml" in found["hr"].origin
    assert found["travel"].origin == "default" and "everyone" in found["lab"].origin
    for groups in ([], ["hr"], ["board", "x"], ["everyone"]):
        verdict = {each.collection: each for each in await verdicts(assistant, "portal", groups)}
        allowed = {name for name, each in verdict.items() if each.allowed}
        assert allowed == await assistant.readable("portal", groups)
        assert allowed == {"travel", "lab", *(["hr"] if {"hr", "board"} & set(groups) else [])}
        assert verdict["hr"].why == (
            f"as one of {', '.join(set(groups) & {'hr', 'board'})}" if "hr" in allowed else "only hr, board may read it"
        )


async def test_readers_are_changed_in_the_file_and_count_at_once(assistant: Assistant, tmp_path: Path) -> None:
    said = await set_readers(assistant, "hr", parsed(" staff,\nhr ,, staff"))
    assert "collections.hr.readers" in said
    text = (tmp_path / "assistant.yaml").read_text()
    assert "# who runs this: Ada" in text and "# on the shared drive" in text
    assert yaml.safe_load(text)["collections"]["hr"]["readers"] == ["staff", "hr"]
    assert "hr" in await assistant.readable("portal", ["staff"])
    assert "hr" not in await assistant.readable("portal", ["board"])
    with pytest.raises(Mistake, match="names everyone and groups"):
        await set_readers(assistant, "hr", ["everyone", "staff"])
    assert (tmp_path / "assistant.yaml").read_text() == text
    await set_readers(assistant, "hr", [])
    assert "hr" not in await assistant.readable("portal", ["staff", "hr", "everyone"])


async def test_restricting_an_uploaded_collection_leaves_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load(None)
    async with build_assistant(loaded.settings, file=SettingsFile(lambda: load(None), loaded.watched)) as assistant:
        await drop(assistant, tmp_path, "lab", notes__md="# Notes\n\nThe lab opens at nine.\n")
        assert "lab" in await assistant.readable("portal", [])
        await set_readers(assistant, "lab", ["staff"])
        assert await assistant.readable("portal", []) == {"demo"} & set(await assistant.index.collections())
        assert "lab" in await assistant.readable("portal", ["staff"])
        assert set(assistant.settings.collections) == {"demo", "lab"}
        assert not any(source.left for each in await overview(assistant) for source in each.sources)


async def test_uploads_are_a_source_like_any_other(assistant: Assistant, tmp_path: Path) -> None:
    await drop(assistant, tmp_path, "hr", pay__md="# Pay\n\nPay day is the 25th.\n", late__md="# Late\n\nCall us.\n")
    hr = next(each for each in await overview(assistant) if each.name == "hr")
    source = next(each for each in hr.sources if each.uploads)
    assert (source.documents, source.origin) == (2, "command")
    await assistant.sync()
    await assistant.rebuild(lambda _: None)
    assert {each.document for each in await assistant.index.documents("hr", source.id)} == {"pay.md", "late.md"}
    assert "hr" not in await assistant.readable("portal", [])
    await uploads.delete_document(assistant, "hr", source.id, "pay.md")
    await assistant.sync()
    assert [each.document for each in await assistant.index.documents("hr", source.id)] == ["late.md"]
    await uploads.delete_document(assistant, "hr", source.id, "late.md")
    hr = next(each for each in await overview(assistant) if each.name == "hr")
    assert not any(each.uploads for each in hr.sources) and hr.documents == 1
    await drop(assistant, tmp_path, "hr", pay__md="# Pay\n\nPay day is the 26th.\n")
    assert [each.document for each in await assistant.index.documents("hr", source.id)] == ["pay.md"]


async def test_a_document_of_a_folder_is_not_deleted_and_one_elsewhere_cannot_be_named(
    assistant: Assistant, tmp_path: Path
) -> None:
    await drop(assistant, tmp_path, "hr", pay__md="# Pay\n\nPay day is the 25th.\n")
    ours, dropped_here = next(each for each in await overview(assistant) if each.name == "hr").sources
    with pytest.raises(Mistake, match="would be back with the next sync"):
        await uploads.delete_document(assistant, "hr", ours.id, "leave.md")
    for uri in ("../../../assistant.yaml", "..", "", "/etc/hostname", "sub/pay.md"):
        with pytest.raises(Mistake):
            await uploads.delete_document(assistant, "hr", dropped_here.id, uri)
    assert (tmp_path / "assistant.yaml").exists() and (tmp_path / "hr" / "leave.md").exists()
    with pytest.raises(Mistake, match="in the settings"):
        await uploads.remove_source(assistant, "hr", ours.id)
    with pytest.raises(Mistake, match="in the settings"):
        await uploads.drop(assistant, "hr")
    assert await uploads.remove_source(assistant, "hr", dropped_here.id) == 1
    assert not (assistant.settings.data / "uploads" / "hr").exists()


async def test_a_collection_of_uploads_goes_with_its_files(assistant: Assistant, tmp_path: Path) -> None:
    await drop(assistant, tmp_path, "lab", notes__md="# Notes\n\nThe lab opens at nine.\n")
    await uploads.drop(assistant, "lab")
    assert "lab" not in {each.name for each in await overview(assistant)}
    assert not (assistant.settings.data / "uploads" / "lab").exists()


@pytest.mark.parametrize("way", ["source", "collection"])
async def test_uploads_whose_passages_cannot_be_taken_out_are_kept(
    assistant: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Else people would find what is in a file that is no longer there, until the next sync."""
    await drop(assistant, tmp_path, "lab", notes__md="# Notes\n\nThe lab opens at nine.\n")
    lab = next(each for each in await overview(assistant) if each.name == "lab")

    async def take_out() -> None:
        if way == "source":
            assert await uploads.remove_source(assistant, "lab", lab.sources[0].id) == 1
        else:
            await uploads.drop(assistant, "lab")

    async def full(*_: object) -> None:
        raise StoreError("no space is left")

    with monkeypatch.context() as broken:
        broken.setattr(type(assistant.index), f"delete_{way}", full)
        with pytest.raises(StoreError):
            await take_out()
    kept = assistant.settings.data / "uploads" / "lab"
    assert (kept / "notes.md").exists()
    assert [each.document for each in await assistant.index.documents("lab", lab.sources[0].id)] == ["notes.md"]
    await take_out()
    assert not kept.exists() and not await assistant.index.documents("lab", lab.sources[0].id)


def test_what_is_dropped_is_judged_by_name(tmp_path: Path) -> None:
    files = dropped(tmp_path, a__md="one", b__exe="two", c__md="", d__md="three")
    files.append((files[3][0], "../a.md"))
    found = uploads.offered(tmp_path, "docs", files)
    assert [bool(each.trouble) for each in found] == [False, True, True, False, True]
    assert uploads.keep(tmp_path, "docs", found, replace=False) == ["a.md", "d.md"]
    files[0][0].write_text("newer")
    again = uploads.offered(tmp_path, "docs", files[:1])
    assert again[0].replaces
    assert uploads.keep(tmp_path, "docs", again, replace=False) == []
    assert uploads.keep(tmp_path, "docs", again, replace=True) == ["a.md"]
    assert (tmp_path / "uploads" / "docs" / "a.md").read_text() == "newer"
    assert sorted(each.name for each in (tmp_path / "uploads" / "docs").iterdir()) == ["a.md", "d.md"]
    for collection in ("", "..", "../x", "A", "a/b", "a" * 65, "a\n"):
        with pytest.raises(Mistake, match="cannot name a collection"):
            uploads.offered(tmp_path, collection, files)
    with pytest.raises(Mistake, match="choose the files"):
        uploads.offered(tmp_path, "docs", [])


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("../../etc/passwd.md", "passwd.md"),
        ("..\\..\\evil.md", "evil.md"),
        (".hidden.md", "hidden.md"),
        ("~$word.docx", "$word.docx"),
        ("a\u202egnp.md", "agnp.md"),
        ("two\nlines.md", "two lines.md"),
        ("<img src=x onerror=alert(1)>.md", "img src=x onerror=alert(1)_.md"),
        ("con.md", "file con.md"),
        ("\ud800.md", "md"),
        ("...", "file"),
        ("übung.md", "übung.md"),
    ],
)
def test_hostile_names_are_made_safe(given_name: str, kept: str) -> None:
    assert uploads.safe_name(given_name) == kept


@given(st.text(st.characters(), max_size=300))
def test_a_safe_name_is_one_name_below_its_folder(name: str) -> None:
    safe = uploads.safe_name(name)
    assert safe and not safe.startswith(".") and not set(safe) & set("/\\\0") and len(safe.encode()) <= 255
    assert safe.isprintable() and uploads.safe_name(safe) == safe
    assert (Path("/data") / safe).resolve().parent == Path("/data")


async def test_what_a_forced_sync_would_delete_is_named(assistant: Assistant, tmp_path: Path) -> None:
    (tmp_path / "travel" / "hotels.md").unlink()
    await assistant.sync(collection="travel")
    (source,) = next(each for each in await overview(assistant) if each.name == "travel").sources
    assert source.outcome == "refused" and source.documents == 1
    assert await would_go(assistant, "travel", source.id) == (["hotels.md"], 1)
    await assistant.sync(collection="travel", source=[source.id], force=True)
    assert next(each for each in await overview(assistant) if each.name == "travel").documents == 0


async def test_work_goes_on_alone_and_counts_what_it_does(assistant: Assistant, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / "travel" / f"{number}.md").write_text(f"# Rule {number}\n\nNumber {number}.\n")
    jobs = Jobs()
    job = jobs.start("Sync", lambda tell: assistant.sync(tell))
    with pytest.raises(Mistake, match="still going on"):
        jobs.start("Another", lambda tell: assistant.sync(tell))
    await jobs.wait(60)
    assert (job.state, job.counts["added"], job.counts["unchanged"], job.counts["failed"]) == ("done", 30, 2, 1)
    assert job.failed == [("draft.md", "empty file")] and [each.outcome for each in job.ended] == ["ok"] * 2
    assert jobs.start("Again", lambda tell: assistant.sync(tell)).state == "running"
    await jobs.wait(60)
    assert not jobs.running


async def test_stopped_work_loses_nothing_and_says_so(assistant: Assistant, tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / "travel" / f"{number}.md").write_text(f"# Rule {number}\n\nNumber {number}.\n")
    jobs, begun = Jobs(), asyncio.Event()

    async def work(tell: Tell) -> None:
        await assistant.sync(_and(tell, begun.set, after=5), collection="travel")

    job = jobs.start("Sync", work)
    await asyncio.wait_for(begun.wait(), 60)
    await jobs.stop()
    assert job.state == "stopped" and 5 <= job.done < job.total == 401
    held = len(await assistant.index.documents("travel"))
    assert held >= job.counts["added"]
    await assistant.sync(collection="travel")
    assert len(await assistant.index.documents("travel")) == 401


def _and(tell: Tell, then: Callable[[], None], after: int) -> Tell:
    told = 0

    def heard(happening: Happening) -> None:
        nonlocal told
        tell(happening)
        told += not isinstance(happening, Began)
        if told == after:
            then()

    return heard


async def test_work_that_fails_says_why(assistant: Assistant) -> None:
    jobs = Jobs()

    async def mistaken(_: Tell) -> None:
        raise Mistake("no such thing")

    async def broken(_: Tell) -> None:
        raise RuntimeError("sk-secret")

    job = jobs.start("One", mistaken)
    await jobs.wait(10)
    assert (job.state, job.message) == ("failed", "no such thing")
    job = jobs.start("Two", broken)
    await jobs.wait(10)
    assert job.state == "failed" and "secret" not in job.message
    assert dataclasses.asdict(job)["over"] is not None
