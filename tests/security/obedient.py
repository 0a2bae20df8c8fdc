"""The worst case: a model that does whatever it reads, in documents, in the turn and in what was said before."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from connectors import ChatMessage, ChatModel, ChatRequest, Delta, DocumentPart, Usage

_ORDER = re.compile("«([^»]*)»")
NOTHING = "Nothing was asked of me."
SECRET = "pin-4711"
"""What the person confided earlier in the conversation."""


@dataclass
class ObedientModel(ChatModel):
    """Writes what stands between « and » anywhere in a request, in pieces of three characters.

    ``{secret}`` is what the person confided, ``{system}`` all that the system said, ``{keys}`` all that the process
    could tell of the request; ``base64:…`` is decoded. Keeps what it was asked and what it said.
    """

    name: str = "obedient"
    requests: list[ChatRequest] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        self.requests.append(request)
        system = next((message.text for message in request.messages if message.role == "system"), "")
        orders = [order for message in request.messages[1:] for order in _ORDER.findall(read(message))]
        answer = "\n\n".join(map(_decoded, orders)) or NOTHING
        answer = answer.replace("{secret}", SECRET).replace("{system}", system).replace("{keys}", repr(request))
        self.said.append(answer)
        for start in range(0, len(answer), 3):
            yield Delta(answer[start : start + 3])
        yield Delta(usage=Usage(1, 1), model=self.name, finish="stop")


def read(message: ChatMessage) -> str:
    """All that a message says to the model: of a document also what stands beside its text."""
    found: list[str] = []
    for part in message.parts:
        if isinstance(part, DocumentPart):
            found += [part.title, part.section, part.text, part.note or "", part.date or "", part.page or ""]
        else:
            found.append(part.text)
    return "\n".join(found)


def _decoded(order: str) -> str:
    if order.startswith("base64:"):
        try:
            order = base64.b64decode(order.removeprefix("base64:")).decode()
        except (binascii.Error, UnicodeDecodeError):
            return order
    return order.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\\\", "\\")
