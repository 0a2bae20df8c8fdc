"""Settings of the places where people chat: policy, texts that may differ by language, logo and colour."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PlainValidator, TypeAdapter, WithJsonSchema

from assistant.config_access import Origin, SurfaceToken
from assistant.config_collections import Group
from assistant.config_limits import SurfaceLimits
from assistant.config_models import SurfaceRoles
from assistant.config_types import Finding, Section, findings

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOGOS: Mapping[str, str] = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
"""The kinds of image that a logo may be, by the end of the file's name."""
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")


def in_language(given: Any, language: Language) -> Any:
    """What was given for a language; where it has nothing of its own, what was given for all, or for the first."""
    if not isinstance(given, Mapping):
        return given
    return given.get(language) or next(iter(given.values()))


def _one_or_each(one: TypeAdapter[Any], each: TypeAdapter[Any]) -> Callable[[Any], Any]:
    """A validator of one value for all languages, or of one by language."""

    def check(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return one.validate_python(value)
        known = f"The languages are: {', '.join(LANGUAGES)}."
        if not value:
            raise findings(Finding((), "names no language.", known))
        if wrong := [name for name in value if name not in LANGUAGES]:
            raise findings(*(Finding((name,), "is no language of the page.", known) for name in wrong))
        return each.validate_python(value)

    return check


def _logo(value: Any) -> Path:
    if not isinstance(value, str | Path) or Path(value).suffix.lower() not in LOGOS:
        raise findings(Finding((), "must be an image file.", "Name one that ends in .svg, .png, .webp or .jpg."))
    return Path(value)


def _colour(value: Any) -> str:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        fix = 'Write it in quotes, as in "#0a7d5c": outside them # begins a comment.'
        raise findings(Finding((), "must be a colour as # and three or six hexadecimal digits.", fix))
    return value.lower() if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:].lower())


Localised = Annotated[
    str | dict[str, str],
    PlainValidator(_one_or_each(TypeAdapter(str), TypeAdapter(dict[str, str]))),
    WithJsonSchema({"type": "string", "languages": True}),
]
"""A text, or one for each language."""
LocalisedList = Annotated[
    list[str] | dict[str, list[str]],
    PlainValidator(_one_or_each(TypeAdapter(list[str]), TypeAdapter(dict[str, list[str]]))),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "languages": True}),
]
"""A list of texts, or one for each language."""
Logo = Annotated[Path, PlainValidator(_logo), WithJsonSchema({"type": "string", "format": "path"})]
Colour = Annotated[str, PlainValidator(_colour), WithJsonSchema({"type": "string"})]


class Surface(Section):
    """A place where people chat, with a policy of its own. Each has a widget; portal also the chat page."""

    voice: Literal["always", "on_request", "never"] = Field(
        default="on_request",
        description="When the voice model answers: always, on_request (a turn asks for it) or never.",
    )
    collections: list[str] | None = Field(default=None, description="Collections searched. None: all.")
    roles: SurfaceRoles = Field(default=SurfaceRoles(), description="Models of this surface, where they differ.")
    groups: list[Group] = Field(
        default_factory=list,
        description="Groups that everybody who uses this surface belongs to: they may read what these groups may.",
    )
    origins: list[Origin] = Field(
        default_factory=list,
        description="Sites that may embed this surface and call it from the browser, as scheme, host and port: "
        "https://portal.example.com; https://*.example.com for every name below it.",
    )
    anonymous: bool = Field(
        default=False,
        description="With access.mode required: whether people whom no token names may use it, as guests.",
    )
    token: SurfaceToken | None = Field(
        default=None, description="JWTs of the portal that embeds this surface. Without it: none is accepted."
    )
    limits: SurfaceLimits = Field(
        default=SurfaceLimits(), description="How much may be asked here, where it differs from limits."
    )
    title: Localised = Field(
        default="Switchyard",
        description="Title of its widget; of portal also of the chat page, as all below. This and the four below may "
        "differ by language: {en: …, de: …}.",
    )
    greeting: Localised = Field(
        default={"en": "Hello! What would you like to know?", "de": "Hallo! Was möchten Sie wissen?"},
        description="First words of a conversation, in Markdown.",
    )
    placeholder: Localised = Field(
        default={"en": "Ask a question", "de": "Stellen Sie eine Frage"},
        description="Hint in the empty field.",
    )
    disclaimer: Localised | None = Field(default=None, description="Small print below the field.")
    suggestions: LocalisedList = Field(default_factory=list, description="Questions offered at the start.")
    contact: str | None = Field(default=None, description="Whom to ask when the documents do not say.")
    logo: Logo | None = Field(default=None, description="Image beside its title (.svg, .png, .webp, .jpg).")
    accent: Colour | None = Field(
        default=None,
        description='Colour of its buttons and links, as in "#0a7d5c"; made darker or '
        "lighter where it could not be read.",
    )
    language: Literal["auto", "en", "de"] = Field(
        default="auto", description="Language of its texts: auto (as the browser asks for), en or de."
    )
