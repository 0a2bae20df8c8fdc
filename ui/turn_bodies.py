"""What requests for a turn have in common: which way it goes, for whom, and whether its HTML is wanted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from assistant.app import Assistant
from assistant.conversation.page import FIELDS, NAME, TITLE, URL, VALUE
from assistant.conversation.turn import Turn
from ui.body_shapes import Body
from ui.idempotency import Render
from ui.turn_stream import Renderer
from ui.ways import Said
from ui.widget_render import renderer

Render_ = Literal["html"]
Language = Literal["en", "de"]
GROUPS = "for commands on this machine, with its token"


class RenderBody(Body):
    """Whether HTML is to come with the events, and in which language its words are."""

    render: Render_ | None = Field(None, description="html: with events that show the turn as sanitised HTML")
    language: Language | None = Field(None, description="of the words around an answer; else the surface's")


class AgainBody(RenderBody):
    """The way that the turn goes this time."""

    route: str | None = Field(None, description="auto, voice, retrieve or both", examples=["retrieve"])
    groups: list[str] = Field([], description=GROUPS)


class PageContext(Body):
    """The page of the host that the person looks at: data, never an instruction."""

    url: Annotated[str, StringConstraints(max_length=URL)] = ""
    title: Annotated[str, StringConstraints(max_length=TITLE)] = ""
    fields: dict[
        Annotated[str, StringConstraints(max_length=NAME)], Annotated[str, StringConstraints(max_length=VALUE)]
    ] = Field({}, max_length=FIELDS)


def rendering(assistant: Assistant, body: RenderBody, correction: Said | None = None) -> Render:
    """What makes the HTML of a turn, where it is wanted."""

    def render(turn: Turn) -> Renderer | None:
        return renderer(assistant, turn, body.language, correction) if body.render else None

    return render
