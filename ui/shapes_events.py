"""The events of a turn and of work on the collections, as the OpenAPI document describes them. What makes them is
``assistant/conversation/wire.py`` and ``assistant/knowledge/happenings.py``; a test holds them together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

EvidenceState = Literal["supported", "partly", "not_in_documents"]
Support = Literal["supported", "partly", "unsupported"]


class Shape(BaseModel):
    """Exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Scores(Shape):
    """Probabilities that a turn needs information, and the organisation's voice."""

    information: float
    voice: float


class Routed(Shape):
    """Which way the turn goes, and why; always first."""

    type: Literal["routed"]
    turn: str
    conversation: str
    route: str = Field(examples=["retrieve"])
    scores: Scores
    threshold: float
    reasons: list[str]
    query: str
    requested: bool
    router_version: str


class Passage(Shape):
    """A passage as a reader may see it; ``start`` and ``end`` are characters in its document's text."""

    number: int
    collection: str
    document: str
    title: str
    section: list[str]
    page: str | None
    line: int | None
    date: str | None
    text: str
    start: int
    end: int
    score: float
    similarity: float
    found: list[int]
    newer: int | None
    duplicates: list[str]


class Looked(Shape):
    """What was found, best first, and whether it can answer."""

    query: str
    searched: list[str]
    fresh: bool
    evidence: EvidenceState
    evidence_score: float
    why: list[str]
    passages: list[Passage]


class Retrieved(Looked):
    """What was found for a turn that is looked up."""

    type: Literal["retrieved"]


class TextDelta(Shape):
    """The next piece of the answer."""

    type: Literal["text_delta"]
    text: str


class Mark(Shape):
    """What the sources say of one claim, at ``start`` to ``end`` of the answer."""

    start: int
    end: int
    state: Support
    why: str
    passages: list[int]


class Checked(Shape):
    """What the check of the whole answer says."""

    type: Literal["checked"]
    evidence: EvidenceState | None
    cited: list[int]
    invented: list[int]
    marks: list[Mark]
    lost: list[str]
    added: list[str]


class FaultOfModel(Shape):
    """A model that was asked before and failed."""

    model: str
    code: str
    message: str


class Cost(Shape):
    """What the answer costs; ``currency`` is an ISO 4217 code."""

    amount: float
    currency: str


class Finished(Shape):
    """The whole answer, and what made it."""

    type: Literal["finished"]
    answer: str
    model: str
    backend: str
    faults: list[FaultOfModel]
    prompt_version: str
    usage: dict[str, int | bool]
    cost: Cost | None
    timings: dict[str, float]
    note: str | None
    cut: bool


class Failed(Shape):
    """Why there is no full answer."""

    type: Literal["failed"]
    code: str = Field(examples=["model_timeout"])
    message: str
    partial: str


class Part(Shape):
    """With ``render``: HTML for the slot of the route or of the evidence."""

    type: Literal["part"]
    part: Literal["route", "evidence"]
    html: str


class Html(Shape):
    """With ``render``: the first ``keep`` elements of the answer stay, and this follows them."""

    type: Literal["html"]
    keep: int
    html: str


class Rendered(BaseModel):
    """With ``render``: all of the turn as HTML, after its end."""

    model_config = ConfigDict(extra="allow")

    type: Literal["rendered"]


TurnEvent = Annotated[
    Routed | Retrieved | TextDelta | Checked | Finished | Failed | Part | Html | Rendered, Field(discriminator="type")
]


class Began(Shape):
    """The sync of a source begins."""

    type: Literal["began"]
    collection: str
    label: str
    place: int
    of: int


class Progress(Shape):
    """One document, safe from now on."""

    type: Literal["progress"]
    done: int
    total: int
    uri: str
    outcome: Literal["added", "changed", "moved", "unchanged", "deleted", "failed"]
    reason: str
    chunks: int


class Ended(Shape):
    """The sync of a source is over."""

    type: Literal["ended"]
    collection: str
    label: str
    outcome: Literal["ok", "failed", "refused"]
    message: str
    report: dict[str, Any] | None


class Removed(Shape):
    """A source that left."""

    type: Literal["removed"]
    collection: str
    label: str
    documents: int
    reason: str


class Noted(Shape):
    """Anything else that people should read."""

    type: Literal["noted"]
    text: str


class Done(Shape):
    """The work is done."""

    type: Literal["done"]


class NotDone(Shape):
    """The work ended without its aim; ``mistake`` says that it lies in what was asked for."""

    type: Literal["failed"]
    message: str
    mistake: bool


WorkEvent = Annotated[Began | Progress | Ended | Removed | Noted | Done | NotDone, Field(discriminator="type")]
