"""What of a turn goes into the records, while it runs and when it ends, however it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assistant.conversation.accepting import storable
from assistant.conversation.events import Checked, Event, Failed, Finished, Retrieved, Routed, TextDelta
from assistant.conversation.wire import encode

COLUMNS: Mapping[type, str] = {
    Routed: "routed", Retrieved: "retrieved", Checked: "checked", Finished: "ended", Failed: "ended"
}  # fmt: skip


@dataclass(slots=True)
class Record:
    """Takes the events in; ``status`` is ``stopped`` until one of them ends the turn."""

    text: list[str] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    status: str = "stopped"

    def answer(self) -> str:
        """The text so far, as it can be stored."""
        return storable("".join(self.text))

    def take(self, event: Event) -> None:
        """Take one event in."""
        if isinstance(event, TextDelta):
            self.text.append(event.text)
            return
        self.columns[COLUMNS[type(event)]] = encode(event)
        if isinstance(event, Finished | Failed):
            self.status = "finished" if isinstance(event, Finished) else "failed"
