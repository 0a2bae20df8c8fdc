"""How a surface looks to whoever opens its page: texts in their language, logo, colours, by the settings in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, Response

from assistant.config_surfaces import LOGOS, Surface, in_language
from assistant.settings import Settings
from ui.colours import surface_css
from ui.words import Language

LARGEST_LOGO = 1_000_000
"""Bytes; a larger image would slow the page down."""
NOW = {"Cache-Control": "no-cache"}
"""What the settings say may change at any time."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a surface's page says before anybody has said anything; ``collections`` maps names to titles, ``hosts`` are
    those that links may lead to. ``logo`` and ``colours`` are addresses relative to the page; ``attachment`` is the
    largest file in megabytes."""

    title: str
    greeting: str
    placeholder: str
    disclaimer: str | None
    suggestions: tuple[str, ...]
    collections: Mapping[str, str]
    contact: str | None = None
    language: Language = "en"
    hosts: tuple[str, ...] = ()
    logo: str | None = None
    colours: str = ""
    attachment: int = 20


def look(settings: Settings, surface: str, language: Language) -> Look:
    """The look of a surface in a language."""
    found = settings.surfaces[surface]
    return Look(
        title=in_language(found.title, language),
        greeting=in_language(found.greeting, language),
        placeholder=in_language(found.placeholder, language),
        disclaimer=in_language(found.disclaimer, language),
        suggestions=tuple(in_language(found.suggestions, language)),
        collections={name: each.title or name for name, each in settings.collections.items()},
        contact=found.contact,
        language=language,
        hosts=tuple(settings.links.allowed_hosts),
        logo=f"look/{surface}/logo" if found.logo else None,
        colours=f"look/{surface}/colours.css",
        attachment=settings.limits.attachment_megabytes,
    )


def add_look_routes(app: FastAPI, settings: Callable[[], Settings]) -> None:
    """The logo and the colours of every surface. An SVG cannot run anything: our policy allows no script in it."""

    def known(surface: str) -> Surface:
        found = settings().surfaces.get(surface)
        if found is None:
            raise HTTPException(404, "There is no such surface.")
        return found

    @app.get("/look/{surface}/logo", include_in_schema=False)
    def logo(surface: str) -> FileResponse:
        """The image, as the settings name it now."""
        path = known(surface).logo
        if path is None or not path.is_file() or path.stat().st_size > LARGEST_LOGO:
            raise HTTPException(404, "There is no logo of at most 1 MB.")
        return FileResponse(path, media_type=LOGOS[path.suffix.lower()], headers=NOW)

    @app.get("/look/{surface}/colours.css", include_in_schema=False)
    def colours(surface: str) -> Response:
        """The accent in both themes; nothing where it is ours."""
        return Response(surface_css(known(surface).accent), media_type="text/css", headers=NOW)
