"""The shadow: decides silently, notes where it differs without a word of what was said, and disturbs nobody."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.conversation.turn import Turn
from assistant.knowledge.embedder import FastEmbedder
from assistant.routing import heads, shadow
from assistant.routing.classifier import LearnedClassifier
from assistant.routing.encoder import SHIPPED
from assistant.routing.heads import INFORMATION, Head
from assistant.routing.router import Costs, Decision, Router
from assistant.routing.shadow import Shadow
from assistant.routing.versions import Ready, Versions

QUESTION = Turn("how many days of leave do I get", id="t1", conversation="c1")
THANKS = Turn("thanks, that is all!", id="t2", conversation="c1")


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """With a version that never looks anything up."""
    found = Versions(tmp_path, threads=1)
    shipped = heads.load(SHIPPED)
    known = shipped.heads[INFORMATION]
    found.install(
        replace(shipped, heads={**shipped.heads, INFORMATION: Head(known.weights * 0, -9.0)}), "x", name="mute"
    )
    return found


@pytest.fixture
def router(embedder: FastEmbedder, versions: Versions) -> Router:
    return made(embedder)(versions.load(SHIPPED.name))


def made(embedder: FastEmbedder) -> Callable[[Ready], Router]:
    """Makes routers of versions."""
    return lambda ready: Router(LearnedClassifier(embedder, ready.encoder, ready.heads), Costs())


async def decided(router: Router, turn: Turn) -> Decision:
    return router.decide(turn, await router.scores(turn), "on_request", turn.text, None)


async def test_it_notes_where_it_differs_and_no_word_of_the_turn(
    versions: Versions, router: Router, embedder: FastEmbedder
) -> None:
    shadow.start(versions, "mute")
    running = Shadow(versions, made(embedder))
    assert running.wanted
    for turn in (QUESTION, THANKS, QUESTION):
        await running.observe(turn, await decided(router, turn))
    found = shadow.report(versions)
    assert found is not None and (found.version, found.running, found.full) == ("mute", True, False)
    assert (found.seen, found.differ) == (3, 2)
    first = found.differences[0]
    assert (first["turn"], first["conversation"], first["route"], first["shadow_route"]) == (
        "t1",
        "c1",
        "retrieve",
        "voice",
    )
    assert first["shadow_scores"]["information"] < 0.01 < first["scores"]["information"]
    for file in versions.folder.glob("shadow-*"):
        assert "leave" not in file.read_text() and "thanks" not in file.read_text()


async def test_it_begins_and_ends_while_turns_go_on(versions: Versions, router: Router, embedder: FastEmbedder) -> None:
    running = Shadow(versions, made(embedder))
    decision = await decided(router, QUESTION)
    assert not running.wanted
    await running.observe(QUESTION, decision)
    assert shadow.report(versions) is None
    shadow.start(Versions(versions.folder.parent), "mute")
    await running.observe(QUESTION, decision)
    assert shadow.stop(versions) == "mute" and shadow.stop(versions) is None
    await running.observe(QUESTION, decision)
    found = shadow.report(versions)
    assert found is not None and not found.running and found.seen == 1
    shadow.start(versions, "mute")
    again = shadow.report(versions)
    assert again is not None and again.seen == 0, "a new start counts anew"


async def test_what_a_person_chose_says_nothing_of_the_router(
    versions: Versions, router: Router, embedder: FastEmbedder
) -> None:
    shadow.start(versions, "mute")
    chosen = replace(QUESTION, route="retrieve")
    await Shadow(versions, made(embedder)).observe(chosen, await decided(router, chosen))
    found = shadow.report(versions)
    assert found is not None and found.seen == 0


async def test_a_fault_is_logged_and_never_raised(
    versions: Versions, router: Router, embedder: FastEmbedder, caplog: pytest.LogCaptureFixture
) -> None:
    shadow.start(versions, "mute")
    decision = await decided(router, QUESTION)
    (versions.folder / "versions" / "mute" / "heads.npz").write_bytes(b"broken")
    await Shadow(versions, made(embedder)).observe(QUESTION, decision)
    assert "the router's shadow could not judge turn t1" in caplog.text


async def test_many_turns_at_once_are_all_counted(versions: Versions, router: Router, embedder: FastEmbedder) -> None:
    shadow.start(versions, "mute")
    running, decision = Shadow(versions, made(embedder)), await decided(router, QUESTION)
    await asyncio.gather(*(running.observe(replace(QUESTION, id=f"t{n}"), decision) for n in range(20)))
    found = shadow.report(versions)
    assert found is not None and found.seen == found.differ == len({each["turn"] for each in found.differences}) == 20


async def test_the_file_is_capped_and_half_a_line_is_passed_over(
    versions: Versions, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow, "MOST_BYTES", 600)
    shadow.start(versions, "mute")
    decision = await decided(router, QUESTION)
    other = replace(decision, route="voice")
    for number in range(10):
        shadow.note(versions.folder, "mute", replace(QUESTION, id=f"t{number}"), decision, other)
    file = versions.folder / "shadow-mute.jsonl"
    kept = len(file.read_text().splitlines())
    with file.open("a") as lines:
        lines.write(json.dumps({"turn": "x"})[:-3])
    found = shadow.report(versions)
    assert found is not None and found.full and (found.differ, len(found.differences)) == (10, kept) and kept < 4
