"""A server in which every string of the corpus stands wherever people, models and documents can put one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.security.hostile import CORPUS, Hostile
from tests.serving import Serving, serving

ROOM = 28
"""Turns of a conversation: so many are shown at once."""
ROOMS = [CORPUS[start : start + ROOM] for start in range(0, len(CORPUS), ROOM)]
LIVE = [CORPUS[start::3] for start in range(3)]
"""What the model answers, one after another: together all of it."""
BROKEN = '"><img src=x onerror=pwn(901)> [x](javascript:pwn(901)) </td>'
SUGGESTED = [CORPUS[0].text, CORPUS[7].text, CORPUS[42].text]
NOBODY = "planted"
Row = dict[str, Any]


@contextmanager
def planted(folder: Path) -> Iterator[Serving]:
    """The server with its documents read and its records filled."""
    _write(folder)
    answers = [_pieces("See [1].\n\n" + "\n\n".join(each.text for each in part)) for part in LIVE]
    model = {"connector": "scripted", "options": {"answers": answers, "delay": 0.01}}
    titles = dict(zip(("files", "whole", "broken"), (CORPUS[n].text for n in (18, 27, 50)), strict=True))
    places = {"files": "files", "whole": "whole", "broken": BROKEN.replace("/", "")}
    with serving(
        folder,
        models={"m": model},
        roles={"main": "m", "voice": "m"},
        collections={name: {"title": titles[name], "sources": [place]} for name, place in places.items()},
        surfaces={"portal": {"title": "Planted", "suggestions": SUGGESTED}},
        sync={"watch": False, "every": 0},
    ) as running:
        with closing(records(running)) as base, base:
            _fill(base)
        yield running


def records(server: Serving) -> sqlite3.Connection:
    """The records of the running server."""
    base = sqlite3.connect(server.folder / "data" / "records.db", timeout=20)
    base.row_factory = sqlite3.Row
    return base


def give(server: Serving, person: str) -> None:
    """Make all conversations this person's."""
    with closing(records(server)) as base, base:
        base.execute("update conversations set person = ?", (person,))
        base.execute("update feedback set person = ?", (person,))


def adopt(server: Serving, first: str) -> None:
    """Make all conversations those of the guest who has said ``first`` in one."""
    query = "select person from conversations c join turns t on t.conversation_id = c.id where t.text = ?"
    with closing(records(server)) as base:
        (person,) = base.execute(f"{query} order by t.created_at desc", (first,)).fetchone()
    give(server, person)


def _pieces(text: str) -> list[str]:
    pieces = [text[start : start + 90] for start in range(0, len(text), 90)]
    assert not any(each.endswith("$") for each in pieces)
    return [each.replace("${", "$${") for each in pieces]


def _write(folder: Path) -> None:
    for name in ("files", "whole", broken := BROKEN.replace("/", "")):
        (folder / name).mkdir()
    for each in CORPUS:
        stated = json.dumps(each.text)
        text = f"---\ntitle: {stated}\ndate: {stated}\nsummary: {stated}\n---\n\n# {each.text}\n\n{each.text}\n"
        (folder / "files" / f"{each.file}.{'txt' if each.number % 2 else 'md'}").write_text(text, "utf-8")
        (folder / broken / f"{each.file}.md").touch()
    texts = [each.text for each in CORPUS]
    whole = folder / "whole"
    (whole / "whole.txt").write_text("\n\n".join(f"# {text}\n\n{text}" for text in texts), "utf-8")
    (whole / "whole.py").write_text("\n".join(f"# {json.dumps(text, ensure_ascii=False)}" for text in texts), "utf-8")
    html = "".join(f"<h2>{escape(text)}</h2><p>{escape(text)}</p>" for text in texts)
    (whole / "whole.html").write_text(f"<title>{escape(texts[0])}</title>{html}", "utf-8")


def _fill(base: sqlite3.Connection) -> None:
    for number, room in enumerate(ROOMS):
        _conversation(base, f"room{number} {room[0].text}", [_turn(each) for each in room])
        for at, each in enumerate(room):
            _judge(base, each, at)
            _attach(base, each, at)
    for each in CORPUS:
        _conversation(base, each.text, [_turn(each, "title")])


def identity(each: Hostile, what: str = "turn") -> str:
    """The id of its turn."""
    return str(uuid5(NAMESPACE_URL, f"{what} {each.number}"))


def _conversation(base: sqlite3.Connection, title: str, turns: Sequence[Row]) -> None:
    made = str(uuid5(NAMESPACE_URL, title))
    when = _when(len(title))
    _insert(base, "conversations", id=made, person=NOBODY, surface="portal", title=title[:200], pinned=False,
            leaf=turns[-1]["id"], created_at=when, updated_at=when)  # fmt: skip
    for at, turn in enumerate(turns):
        parent = turns[at - 1]["id"] if at else None
        _insert(base, "turns", conversation_id=made, position=at, version=0, parent=parent, question=turn["id"], **turn)


def _turn(each: Hostile, what: str = "turn") -> Row:
    """A turn whose every text is the string."""
    made, text = identity(each, what), each.text
    near = 0.2 + each.number / 1000
    routed = {
        "type": "routed", "turn": made, "conversation": made, "route": ("retrieve", "both", "voice")[each.number % 3],
        "scores": {"information": near, "voice": 0.1}, "threshold": 0.2, "reasons": [text, text], "query": text,
        "requested": False, "router_version": text,
    }  # fmt: skip
    retrieved = {
        "type": "retrieved", "query": text, "searched": [text], "fresh": False, "evidence_score": 0.5, "why": [text],
        "evidence": ("supported", "partly", "not_in_documents")[each.number % 3],
        "passages": [_passage(text, 1), _passage(text, 2)],
    }  # fmt: skip
    marks = [{"start": 0, "end": len(text), "state": "unsupported", "why": text, "passages": [1]}]
    checked = {
        "type": "checked", "evidence": "partly", "cited": [1], "invented": [text], "marks": marks, "lost": [text],
        "added": [text],
    }  # fmt: skip
    state, ended = ("failed", _failed(text)) if each.number % 9 == 8 else ("finished", _finished(text))
    values = {"routed": routed, "retrieved": retrieved, "checked": checked, "ended": ended}
    return {
        "id": made, "text": text, "answer": f"{text} [1]", "status": state, "collection": None,
        "created_at": _when(each.number), "written_at": _when(each.number),
        **{name: json.dumps(value) for name, value in values.items()},
    }  # fmt: skip


def _passage(text: str, number: int) -> Row:
    return {
        "number": number, "collection": "files", "document": text, "title": text, "section": [text, text],
        "page": text if number == 1 else None, "line": 7 if number == 2 else None, "date": text, "text": text,
        "start": 0, "end": len(text), "score": 1.0, "similarity": 0.6, "found": [0, len(text)],
        "newer": 2 if number == 1 else None, "duplicates": [text],
    }  # fmt: skip


def _finished(text: str) -> Row:
    return {
        "type": "finished", "answer": text, "model": text, "prompt_version": text, "note": text, "cut": False,
        "usage": {"input_tokens": 5, "output_tokens": 6, "cached_tokens": 0, "estimated": False},
        "timings": {"routed": 0.01, "retrieved": 0.01, "first_token": 0.02, "finished": 0.03}, "backend": text,
        "faults": [{"model": text, "code": text}], "cost": {"amount": 0.5, "currency": text},
    }  # fmt: skip


def _failed(text: str) -> Row:
    return {"type": "failed", "code": text, "message": text, "partial": text}


def _judge(base: sqlite3.Connection, each: Hostile, at: int) -> None:
    """A thumb with a comment on every answer, and a correction of all but a few."""
    turn, owner = identity(each), "select conversation_id from turns where id = ?"
    ((conversation,),) = base.execute(owner, (turn,)).fetchall()
    when = _when(each.number)
    _insert(base, "feedback", conversation_id=conversation, turn=turn, person=NOBODY, thumb=("down", "up")[at % 2],
            comment=each.text, made_at=when)  # fmt: skip
    if at % 7 == 6:
        return
    decision = {"route": "voice", "scores": {"information": 0.1, "voice": 0.1}, "threshold": 0.2,
                "reasons": [each.text], "query": each.text, "requested": False}  # fmt: skip
    said = [{"role": "user", "content": each.text}, {"role": "assistant", "content": each.text}]
    _insert(base, "corrections", conversation_id=conversation, question=turn, turn=turn, verdict="look_up",
            person=each.text, surface="portal", text=each.text, history=json.dumps(said), information=at % 2,
            voice=at % 4 > 1, decision=json.dumps(decision), made_at=when)  # fmt: skip


def _attach(base: sqlite3.Connection, each: Hostile, at: int) -> None:
    """A file of every name, some of which could not be read."""
    conversation = base.execute("select conversation_id from turns where id = ?", (identity(each),)).fetchone()[0]
    _insert(base, "attachments", id=identity(each, "file"), conversation_id=conversation, name=each.text, bytes=9,
            state=("ready", "failed", "reading")[at % 3], message=each.text, passages=1, added_at=_when(0))  # fmt: skip


def _when(minutes: int) -> str:
    return f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S.%f}"


def _insert(base: sqlite3.Connection, table: str, **values: Any) -> None:
    places = ", ".join("?" * len(values))
    base.execute(f"insert into {table} ({', '.join(values)}) values ({places})", tuple(values.values()))
