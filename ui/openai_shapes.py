"""What a request of OpenAI's Chat Completions holds, as a turn: its words, what was said before, what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from assistant.access.identity import Identity
from assistant.conversation.accepting import storable
from assistant.conversation.given import Given
from assistant.conversation.routes import ROUTES
from assistant.conversation.turn import Message, RouteName
from ui.body_shapes import Body
from ui.openai_errors import Refused

AUTO = "switchyard"
MODELS: Mapping[str, RouteName | None] = {
    AUTO: None,
    **{f"{AUTO}-{name}": name for name, row in ROUTES.items() if row.on_request},
}
"""The models that are listed, each with the route that it stands for; None lets the router decide."""
SINCE = 1_767_225_600
"""When the models came to be, as the list must say: 2026-01-01."""
USER_CHARACTERS = 128
NAME_CHARACTERS = 100
_PLAIN = ("text", "input_text")
_SILENT = ("refusal",)


class ContentPart(BaseModel):
    """A part of a message; only text is read."""

    type: str
    text: str | None = None


class ChatMessageBody(BaseModel):
    """One message. What tools said and asked for is passed over: there are none here."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(BaseModel):
    """What a stream says beside the answer."""

    include_usage: bool | None = None


class Extension(Body):
    """Our own part of the body: the surface, the collection to search, and a conversation of ours to go on with."""

    surface: str | None = Field(None, examples=["portal"])
    collection: str | None = None
    conversation: str | None = None


class CompletionBody(BaseModel):
    """A request as OpenAI defines it; what is not named here is accepted and has no effect."""

    model: str = Field(examples=[AUTO])
    messages: list[ChatMessageBody] = Field(
        min_length=1, examples=[[{"role": "user", "content": "How many days of annual leave can I carry over?"}]]
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, description="for whom a program with an API key asks")
    safety_identifier: str | None = Field(None, description="the newer name of user")
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    switchyard: Extension | None = None

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a turn."""

    text: str
    route: RouteName | None
    given: Given


def asked(body: CompletionBody) -> Asked:
    """What a request asks. Raises Refused for what cannot be served."""
    model(body.model)
    for param, message in _cannot(body):
        raise Refused(400, "unsupported_value", message, param)
    texts = [(each.role, _text(each, place)) for place, each in enumerate(body.messages)]
    said = [(role, text) for role, text in texts if role in ("user", "assistant")]
    if not said or said[-1][0] != "user":
        raise Refused(
            400, "invalid_request", "The last message must be the user's: it is what is answered.", "messages"
        )
    history = tuple(Message("user" if role == "user" else "assistant", storable(text)) for role, text in said[:-1])
    instructions = "\n\n".join(text.strip() for role, text in texts if role in ("system", "developer") and text.strip())
    given = Given(history, storable(instructions))
    return Asked(said[-1][1], MODELS[body.model], given)


def on_behalf(who: Identity, body: CompletionBody) -> Identity:
    """The person for whom a program asks with its key, where it names one and no header has. Raises Refused."""
    name = body.user or body.safety_identifier
    if not name or who.via != "key" or who.key is None or who.person != f"key:{who.key}":
        return who
    if len(name) > USER_CHARACTERS or not name.isprintable():
        told = f"A user is named by at most {USER_CHARACTERS} printable characters."
        raise Refused(400, "invalid_request", told, "user" if body.user else "safety_identifier")
    return who.user(name)


def models() -> list[dict[str, Any]]:
    """The list of models."""
    return [model(name) for name in MODELS]


def model(name: str) -> dict[str, Any]:
    """One model. Raises Refused where there is none of this name."""
    if name not in MODELS:
        told = f"There is no model '{name[:NAME_CHARACTERS]}'. There are: {', '.join(MODELS)}."
        raise Refused(404, "model_not_found", told, "model")
    return {"id": name, "object": "model", "created": SINCE, "owned_by": "switchyard"}


def _cannot(body: CompletionBody) -> Iterator[tuple[str, str]]:
    """What would be answered wrongly if it were passed over."""
    if body.n not in (None, 1):
        yield "n", "One answer is given to a turn: leave n out."
    for name in ("tools", "functions"):
        if getattr(body, name):
            yield name, f"Nothing is called here: leave {name} out."
    if body.response_format and body.response_format.get("type") != "text":
        yield "response_format", "Answers are text with citations: leave response_format out."
    for name in ("logprobs", "top_logprobs"):
        if getattr(body, name):
            yield name, f"Probabilities are not known of every model behind this one: leave {name} out."
    if body.audio or any(each != "text" for each in body.modalities or ()):
        yield "modalities", "Answers are text alone: leave modalities and audio out."


def _text(message: ChatMessageBody, place: int) -> str:
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    if message.role in ("tool", "function"):
        return ""
    texts = []
    for number, part in enumerate(message.content):
        if part.type not in (*_PLAIN, *_SILENT):
            param = f"messages.{place}.content.{number}"
            raise Refused(400, "unsupported_content", "Only text can be read here, no images, sound or files.", param)
        if part.type in _PLAIN and part.text:
            texts.append(part.text)
    return "\n".join(texts)
