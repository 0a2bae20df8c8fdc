"""What the routes of the API answer with, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from assistant.access.identity import Role, Via
from ui.shapes_events import Checked, Failed, Finished, Retrieved, Routed, Shape

ID = "0b9e6a58-5a0e-4b52-9f5d-3f6f0f7f8f1a"
NEXT = Field(description="the `cursor` of what follows, null at the end")


class ConversationRow(Shape):
    """A conversation; ``turns`` counts those of the branch that is shown."""

    id: str = Field(examples=[ID])
    surface: str = Field(examples=["portal"])
    title: str
    pinned: bool
    created_at: str = Field(examples=["2026-11-01T10:00:00+00:00"])
    updated_at: str
    turns: int


class ConversationPage(Shape):
    """Pinned ones first, then the newest."""

    conversations: list[ConversationRow]
    next: str | None = NEXT


class FeedbackKept(Shape):
    """What is thought of an answer."""

    thumb: Literal["up", "down"] | None
    comment: str


class CorrectionOf(Shape):
    """What was said of a route, and of which version."""

    verdict: str
    turn: str


class TurnRow(Shape):
    """A turn with its events, null where they did not come."""

    id: str
    parent: str | None
    siblings: list[str]
    text: str
    collection: str | None
    answer: str
    status: Literal["running", "finished", "stopped", "failed"]
    created_at: str
    routed: Routed | None
    retrieved: Retrieved | None
    checked: Checked | None
    ended: Finished | Failed | None
    feedback: FeedbackKept | None
    correction: CorrectionOf | None
    html: dict[str, Any] | None = Field(None, description="with `render=html` alone")


class WholeConversation(Shape):
    """A conversation with the turns of the branch that is shown; ``earlier`` where there are more before them."""

    id: str
    surface: str
    title: str
    pinned: bool
    created_at: str
    updated_at: str
    turns: list[TurnRow]
    earlier: bool


class Deleted(Shape):
    """It is gone."""

    deleted: Literal[True]


class DeletedAll(Shape):
    """How many conversations are gone."""

    deleted: int


class ShownBranch(Shape):
    """The branch with this version is shown."""

    shown: Literal[True]


class RefusedRerun(Shape):
    """Why a turn was not run again."""

    code: str
    message: str


class Corrected(Shape):
    """What is kept of a correction that was not run again."""

    corrected: Literal[True]
    route: str
    information: bool
    voice: bool | None
    refused: RefusedRerun | None


class TakenBack(Shape):
    """Whether there was anything."""

    taken_back: bool


class MessageRow(Shape):
    """A message of the conversation before a turn."""

    role: Literal["user", "assistant"]
    content: str


class CorrectionRow(Shape):
    """A labelled turn, and what was said of which decision by whom and when."""

    id: str
    conversation: str
    domain: str
    history: list[MessageRow]
    turn: str
    information: bool
    voice: bool | None
    kind: str
    ask: bool | None = None
    verdict: str
    route: str
    decision: dict[str, Any]
    person: str
    made_at: str


class CorrectionPage(Shape):
    """The earliest first."""

    corrections: list[CorrectionRow]
    next: str | None = NEXT


class AttachmentRow(Shape):
    """A file of a conversation. ``message`` says why it failed and what to do."""

    id: str
    conversation: str
    name: str
    bytes: int
    state: Literal["reading", "ready", "failed"]
    message: str
    passages: int
    of: int


class AttachmentPage(Shape):
    """In the order in which they were attached: ten that can be read at most."""

    attachments: list[AttachmentRow]
    next: None = Field(None, description="always null: they are never more than one page")


class CostsRow(Shape):
    """What a mistake costs, relative to each other."""

    missed_lookup: float
    needless_lookup: float


class RouterVersion(Shape):
    """A version of the router."""

    name: str
    in_use: bool
    shadow: bool
    shipped: bool
    made: str | None
    problem: str | None


class RouterRow(Shape):
    """How routes are decided now; ``versions`` are for admins."""

    version: str
    threshold: float
    voice_threshold: float
    ask_threshold: float | None
    costs: CostsRow
    versions: list[RouterVersion] | None = None


class HealthRow(Shape):
    """How a model is, as its provider says now. ``price`` is for a million tokens."""

    connector: str
    model: str | None
    address: str | None
    state: Literal["ok", "wrong", "unclear"]
    says: str
    code: str | None
    context_window: int | None
    price: dict[str, Any] | None
    price_date: str | None
    resting: bool


class ModelRow(Shape):
    """A model by its name in the settings, and the roles that it plays; ``health`` is for admins."""

    name: str
    roles: list[str]
    health: HealthRow | None = None


class ModelPage(Shape):
    """By name."""

    models: list[ModelRow]
    next: str | None = NEXT


class SurfaceRow(Shape):
    """A surface that the person may use, and the collections that they may search on it."""

    name: str
    title: str
    collections: list[str]


class LimitsRow(Shape):
    """How long a turn may be, how many a conversation may have, and how large files may be."""

    turn_characters: int
    conversation_turns: int
    attachment_megabytes: int
    attachments: int


class Me(Shape):
    """Who asks. ``expires`` is in seconds since 1970, null for never."""

    person: str
    name: str
    via: Via
    role: Role
    groups: list[str]
    expires: float | None
    surfaces: list[SurfaceRow]
    limits: LimitsRow
