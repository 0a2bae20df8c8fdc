"""Real files to attach, and what an assistant has stored of them."""

from __future__ import annotations

from pathlib import Path

import docx
import fpdf

from assistant.app import Assistant
from assistant.conversation.attachments import Attachment
from assistant.conversation.events import Event, Retrieved, Routed

BRIDGE = {
    "Harbour bridge inspection": "Lena Brandt inspected the Norwick harbour bridge on 3 March 2031. It was opened in "
    "1974 and carries nine thousand vehicles a day between the old town and the docks.",
    "Findings": "Bearing 7 on the north pier has cracks of 4 mm. The deck drains are blocked with sand. "
    "All forty cables are sound, and the expansion joints move freely.",
    "Costs": "The replacement of bearing 7 costs 84,000 euros. Cleaning the drains costs 1,200 euros.",
    "What is to be done": "The north lane stays closed for lorries until bearing 7 is replaced. The next inspection is "
    "due in March 2033.",
}


def pdf(path: Path, pages: dict[str, str] | None = None, password: str = "") -> Path:
    made = fpdf.FPDF()
    made.set_font("helvetica", size=11)
    for heading, text in (BRIDGE if pages is None else pages).items():
        made.add_page()
        for line in (heading, text):
            made.multi_cell(0, 8, line, new_x="LMARGIN", new_y="NEXT")
    if password:
        made.set_encryption(owner_password=password, user_password=password)
    made.output(str(path))
    return path


def note(path: Path) -> Path:
    """The same as Markdown, which is read in a fifth of the time."""
    path.write_text("\n\n".join(f"## {heading}\n\n{text}" for heading, text in BRIDGE.items()), encoding="utf-8")
    return path


def scanned(path: Path) -> Path:
    """A PDF of a drawing."""
    made = fpdf.FPDF()
    made.add_page()
    made.line(10, 10, 100, 100)
    made.output(str(path))
    return path


def word(path: Path) -> Path:
    made = docx.Document()
    made.add_heading("Summer party", 0)
    for heading, text in (
        ("Date and place", "The summer party is on 12 July in the botanical garden. Doors open at 17:00."),
        ("Food", "Catering comes from Rosmarin; vegan dishes are ordered for 140 people."),
        ("Music", "The band Blue Heron plays from 19:00 to 22:00."),
    ):
        made.add_heading(heading, 1)
        made.add_paragraph(text)
    made.save(str(path))
    return path


async def attach(
    assistant: Assistant, path: Path, name: str | None = None, conversation: str | None = None, person: str = "ada"
) -> Attachment:
    return await assistant.attachments.add(
        path, name or path.name, person=person, conversation=conversation, surface="portal"
    )


async def say(assistant: Assistant, text: str, conversation: str | None, person: str = "ada") -> list[Event]:
    turn = await assistant.service.prepare(text, person=person, conversation=conversation)
    return [event async for event in assistant.service.run(turn)]


def route_of(events: list[Event]) -> Routed:
    return next(event for event in events if isinstance(event, Routed))


def found_in(events: list[Event]) -> Retrieved | None:
    return next((event for event in events if isinstance(event, Retrieved)), None)


def titles(events: list[Event]) -> list[str]:
    found = found_in(events)
    return [passage.chunk.title for passage in found.passages] if found else []


async def hidden(assistant: Assistant) -> dict[str, int]:
    """Hidden collections of all indexes together, with their chunks."""
    held: dict[str, int] = {}
    for name in await assistant.base.store.indexes():
        for collection, count in (await (await assistant.base.store.index(name)).collections()).items():
            if collection.startswith("attached:"):
                held[collection] = held.get(collection, 0) + count
    return held


def originals(assistant: Assistant) -> list[Path]:
    return [path for path in (assistant.settings.data / "attachments").rglob("*") if path.is_file()]
