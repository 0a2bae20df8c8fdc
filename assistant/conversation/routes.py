"""The route table. The engine reads rows; a new route is a row here, a prompt and labelled turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assistant.conversation.turn import RouteName

Role = Literal["main", "voice"]


@dataclass(frozen=True, slots=True)
class Route:
    """Whether the turn is looked up, which model role answers, with which prompt, how people call it, and whether they
    may ask for it."""

    name: RouteName
    looks_up: bool
    role: Role
    prompt: str
    title: str
    on_request: bool = True


ROUTES: Mapping[RouteName, Route] = {
    "voice": Route("voice", looks_up=False, role="voice", prompt="voice", title="Our voice"),
    "retrieve": Route("retrieve", looks_up=True, role="main", prompt="retrieve", title="Looked up"),
    "both": Route("both", looks_up=True, role="voice", prompt="both", title="Looked up, in our voice"),
    "ask": Route("ask", looks_up=False, role="main", prompt="ask", title="Asked back", on_request=False),
}
