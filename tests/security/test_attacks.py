"""What documents and turns that carry instructions can do, where the model obeys them all: show words.

Every attack of ``tests/data/attacks.jsonl`` goes the whole way: its file is read and indexed, its turn is run by the
real service, and its answer is rendered as the chat page does. Fields of an attack: ``file`` and ``text`` of its
document, its ``turn``, what was said before (``history``); ``says``: the model writes what it was told; ``unseen``:
this never reaches the model; ``invisible``: neither does a character that nobody sees; ``cites``: it forges citations;
``refused``: with this code.
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.app import Assistant, build_assistant
from assistant.conversation.service import TurnRejected
from assistant.conversation.turn import Message
from assistant.conversation.wire import encode
from assistant.knowledge.characters import readable
from assistant.settings import Settings
from connectors import DocumentPart
from connectors.openai_chat import render_document
from tests.conftest import ROOT, answer_with
from tests.security.obedient import NOTHING, SECRET, ObedientModel
from tests.ui.test_encode import ALLOWED, Tags
from ui.encode import Shown

ATTACKS: list[dict[str, Any]] = [
    json.loads(line) for line in (ROOT / "tests/data/attacks.jsonl").read_text(encoding="utf-8").splitlines()
]
KINDS = list(dict.fromkeys(attack["kind"] for attack in ATTACKS))
MARKED = {"tabindex", "data-why", "aria-description"}
"""What the mark of an unsupported sentence has."""
CANARY = "canary-9c41"
KEY = "planted-key-77aa"
CONFIDED = ("user", f"My PIN is {SECRET}, keep it to yourself.")


def collection(attack: dict[str, Any]) -> str:
    """Each attack has one of its own, so that its document is what is found."""
    return str(attack["id"]).lower()


def write(folder: Path, attack: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    file = folder / attack["file"]
    if title := attack.get("pdf_title"):
        from fpdf import FPDF

        page = FPDF()
        page.set_title(title)
        page.set_font("helvetica", size=12)
        page.add_page()
        page.text(20, 20, attack["text"])
        file.write_bytes(bytes(page.output()))
    else:
        file.write_text(attack["text"], encoding="utf-8")


def settings(data: Path) -> Settings:
    """Every attack in a collection of its own, read from its own folder; the vault is the board's."""
    readers = {**dict.fromkeys(map(collection, ATTACKS), "everyone"), "vault": "board"}
    named = {name: {"readers": [who], "sources": [str(data / "files" / name)]} for name, who in readers.items()}
    models = {"spare": {"connector": "openai", "model": "m", "api_key": KEY, "base_url": "http://127.0.0.1:9"}}
    return Settings(data=data, collections=named, models=models)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All attacks, read and indexed."""
    data = tmp_path_factory.mktemp("attacks")
    board = {"file": "board.txt", "text": f"Board\n\nThe canary of the lift is {CANARY}.\n"}
    for name, attack in [*((collection(each), each) for each in ATTACKS), ("vault", board)]:
        write(data / "files" / name, attack)

    async def fill() -> None:
        async with build_assistant(settings(data)) as assistant:
            await assistant.sync()

    asyncio.run(fill())
    yield data


@pytest.fixture
async def assistant(index: Path, tmp_path: Path) -> AsyncIterator[Assistant]:
    chosen = settings(index)
    records = f"sqlite+aiosqlite:///{tmp_path / 'records.db'}"
    async with build_assistant(chosen.model_copy(update={"records": type(chosen.records)(url=records)})) as assistant:
        yield assistant


async def attacked(assistant: Assistant, attack: dict[str, Any]) -> tuple[list[dict[str, Any]], ObedientModel]:
    """The events of the attack's turn as they go out, and the model that obeyed."""
    model = ObedientModel()
    answer_with(assistant, model)
    service = assistant.service
    where: dict[str, Any] = {"person": "ada", "collection": attack.get("collection") or collection(attack)}
    turn = await service.prepare(attack["turn"], route="retrieve", **where)
    history = [CONFIDED, ("assistant", "Of course."), *map(tuple, attack.get("history", []))]
    turn = replace(turn, history=tuple(Message(role, text) for role, text in history))
    return [encode(event) async for event in service.run(turn)], model


def page_of(events: list[dict[str, Any]]) -> tuple[str, str]:
    """The whole message as the page takes it, and the answer's part of it."""
    shown = Shown()
    for event in events:
        shown.take(event)
    page = shown.markdown()
    return page, next((part for part in page.split("\n\n") if part.startswith('<div class="answer"')), "")


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 60 and len({attack["id"] for attack in ATTACKS}) == len(ATTACKS)
    assert len({collection(attack) for attack in ATTACKS}) == len(ATTACKS)
    assert len({attack["kind"] for attack in ATTACKS}) >= 12


@pytest.mark.parametrize("kind", KINDS)
async def test_an_obedient_model_can_do_nothing_but_write_words(assistant: Assistant, kind: str) -> None:
    wrong = {}
    for attack in (each for each in ATTACKS if each["kind"] == kind):
        try:
            await repelled(assistant, attack)
        except AssertionError as error:
            wrong[attack["id"]] = str(error)
    assert wrong == {}


async def repelled(assistant: Assistant, attack: dict[str, Any]) -> None:
    """Raises AssertionError for what the attack achieved."""
    if code := attack.get("refused"):
        with pytest.raises(TurnRejected) as caught:
            await attacked(assistant, attack)
        assert caught.value.code == code
        return
    events, model = await attacked(assistant, attack)
    assert events[-1]["type"] == "finished"
    assert (model.said[0] != NOTHING) == obeyed(attack), "the attack did not go as it says"
    request_is_whole(model, attack)
    page, answer = page_of(events)
    inert(answer, events)
    if attack.get("cites"):
        nothing_is_forged(events)
    assert CANARY not in page and CANARY not in str(model.requests) and KEY not in str(model.requests)
    assert {each["collection"] for event in events for each in event.get("passages", ())} <= {collection(attack)}


def obeyed(attack: dict[str, Any]) -> bool:
    told = (
        f"{attack['file']} {attack['text']} {attack['turn']} {attack.get('history', '')} {attack.get('pdf_title', '')}"
    )
    return "unseen" not in attack and "«" in told and "»" in told


def request_is_whole(model: ObedientModel, attack: dict[str, Any]) -> None:
    """One system message, which nothing foreign is in; documents that stay within their fences; nothing unseen."""
    (request,) = model.requests
    system, *rest = request.messages
    assert system.role == "system" and all(message.role != "system" for message in rest)
    assert rest[-1].role == "user" and not any(message.documents for message in rest[:-1])
    for word in ("«", "evil.test", SECRET, "free.", *filter(None, [attack.get("unseen")])):
        assert word not in system.text
    for part in rest[-1].documents:
        fence_holds(part)
        if "unseen" in attack:
            assert attack["unseen"] not in repr(part)
        for text in (part.title, part.section, part.text):
            assert text == readable(text) and not any(unicodedata.category(letter) == "Cf" for letter in text)


def fence_holds(part: DocumentPart) -> None:
    fenced = render_document(part)
    assert fenced.count("<") == 2 and fenced.count(">") == 2
    assert fenced.startswith("<document number=") and fenced.endswith("\n</document>")
    assert "\n" not in fenced[: fenced.index(">")]


def inert(answer: str, events: list[dict[str, Any]]) -> None:
    """Words, and links to nothing but the sources and addresses that stand in them."""
    found = Tags(answer)
    assert found.open == [] and found.tags <= ALLOWED | {"span"}
    assert found.attributes <= {"class", "dir", "href", "rel", "target", "style", "start"} | MARKED
    bare = re.sub(r' (?:data-why|aria-description)="[^"]*"', "", answer)
    assert not re.search(r"<[^>]*(?:evil\.test|pin-4711|javascript:|data:)[^>]*>", bare)
    passages = [each for event in events for each in event.get("passages", ())]
    texts = " ".join(each["text"] for each in passages)
    numbers = {each["number"] for each in passages}
    turn = events[0]["turn"][:8]
    cites = {f"#cite-{turn}-{number}" for number in numbers}
    assert all(link in cites or link in texts for link in found.links)


def nothing_is_forged(events: list[dict[str, Any]]) -> None:
    """No number that no passage has, in any form, in what was streamed, recorded or shown."""
    numbers = {each["number"] for event in events for each in event.get("passages", ())}
    written = "".join(event["text"] for event in events if event["type"] == "text_delta")
    assert written == events[-1]["answer"]
    prose = re.sub(r"`[^`\n]*`", "", written)
    assert {int(number) for number in re.findall(r"\[(\d+)\]", prose)} <= numbers
    assert not re.search(r"【|\(Source|\(Quelle|\[doc|\[\^", prose)
    checked = next(event for event in events if event["type"] == "checked")
    assert checked["invented"] and set(checked["cited"]) <= numbers
