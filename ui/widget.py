"""The widget: the script that portals load, the page that it opens in a frame, and what that page is made of."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from assistant.app import Assistant
from assistant.settings import Settings
from ui.look import Look, look
from ui.rendering import answer
from ui.widget_html import json_in_html, safe
from ui.words import Language, language_of, words

FOLDER = Path(__file__).parent / "static" / "widget"
LOADER, PAGE, STYLE, MODULE = "widget.js", "page.html", "page.css", "page.js"
MEDIA = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
POLICY: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
SHORT = "public, max-age=300"
"""For the loader, whose address never changes: a new version is everywhere within five minutes."""
FOREVER = "public, max-age=31536000, immutable"
NOW = "no-cache"
SPOKEN = "widget."
"""Texts that the page's script is given."""
_PLACE = re.compile(r"\{\{([\w.]+)\}\}")


def policy(settings: Settings, path: str) -> dict[str, str] | None:
    """The whole Content-Security-Policy of a page of the widget by its path below the root; None for any other."""
    frames = framed_by(settings, path)
    return None if frames is None else {**POLICY, "frame-ancestors": frames}


def framed_by(settings: Settings, path: str) -> str | None:
    """Who may show a page of the widget in a frame, as ``frame-ancestors`` says it; None for any other path."""
    if not path.startswith("/widget/"):
        return None
    found = settings.surfaces.get(path.removeprefix("/widget/"))
    return " ".join(["'self'", *(found.origins if found else ())])


def add_widget_routes(app: FastAPI, assistant: Assistant) -> None:
    """The script, the page of every surface, and its files; before anything that answers below ``/switchyard``."""

    @app.api_route("/widget.js", methods=["GET", "HEAD"], include_in_schema=False)
    def loader(request: Request) -> Response:
        """What a portal's page loads, from whatever site that is."""
        more = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
        return _sent(request, _files()[LOADER], SHORT, more)

    @app.api_route("/switchyard/widget/{version}/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    def file(request: Request, version: str, name: str) -> Response:
        """A file of the page. One of another version is this one, and not kept: the page was loaded before it."""
        found = _files().get(name)
        if found is None or name == PAGE:
            raise HTTPException(404, "There is no such file.")
        return _sent(request, found, FOREVER if version == _version() else NOW)

    @app.get("/widget/{surface}", include_in_schema=False)
    def page(request: Request, surface: str, lang: str | None = None) -> Response:
        """The page that the widget's frame shows."""
        return _page(request, assistant.settings, surface, lang, full=False)

    @app.get("/widget/{surface}/full", include_in_schema=False)
    def full_page(request: Request, surface: str, lang: str | None = None) -> Response:
        """The same in a tab of its own."""
        return _page(request, assistant.settings, surface, lang, full=True)


@dataclass(frozen=True)
class _File:
    """A file as it is sent, compressed once."""

    name: str
    body: bytes

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.body, 9, mtime=0)

    @cached_property
    def tag(self) -> str:
        return f'"{sha256(self.body).hexdigest()[:20]}"'


@cache
def _files() -> dict[str, _File]:
    return {each.name: _File(each.name, each.read_bytes()) for each in sorted(FOLDER.iterdir()) if each.is_file()}


@cache
def _version() -> str:
    return sha256(b"\0".join(each.body for each in _files().values())).hexdigest()[:16]


def _sent(request: Request, file: _File, keep: str, more: Mapping[str, str] | None = None) -> Response:
    headers = {"Cache-Control": keep, "ETag": file.tag, "Vary": "Accept-Encoding", **(more or {})}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return _packed(request, file.body, lambda: file.packed, headers, MEDIA[Path(file.name).suffix])


def _packed(request: Request, body: bytes, packed: Callable[[], bytes], headers: dict[str, str], kind: str) -> Response:
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed(), headers={**headers, "Content-Encoding": "gzip"}, media_type=kind)
    return Response(body, headers=headers, media_type=kind)


def _page(request: Request, settings: Settings, surface: str, lang: str | None, *, full: bool) -> Response:
    found = settings.surfaces.get(surface)
    if found is None:
        return HTMLResponse("<!doctype html><title>404</title><p>There is no such page.", 404)
    language = language_of(lang or request.headers.get("accept-language"), found.language)
    body = _filled(_files()[PAGE].body.decode(), settings, surface, language, full=full).encode()
    headers = {"Cache-Control": NOW, "Vary": "Accept-Encoding, Accept-Language"}
    return _packed(request, body, lambda: gzip.compress(body, 6, mtime=0), headers, "text/html; charset=utf-8")


def _filled(page: str, settings: Settings, surface: str, language: Language, *, full: bool) -> str:
    """The page with what stands in its ``{{places}}``; a line with a place that is empty goes."""
    root, shown, texts = "../../" if full else "../", look(settings, surface, language), words(language)
    boot = _boot(settings, surface, shown, language, full=full)
    files = f"{root}switchyard/widget/{_version()}/"
    colours = f"{root}{shown.colours}" if settings.surfaces[surface].accent else ""
    values = {
        **{name: boot[name] or "" for name in ("title", "placeholder", "disclaimer", "surface", "logo")},
        **{f"words.{key}": texts[key] for key in texts},
        **{"lang": language, "css": files + STYLE, "js": files + MODULE, "icon": f"{root}switchyard/favicon.svg"},
        "accent": colours,
    }
    filled = {name: escape(text) for name, text in values.items()}
    filled |= {"boot": json_in_html(boot), "greeting_html": boot["greeting_html"]}
    lines = [line for line in page.splitlines() if all(filled[name] for name in _PLACE.findall(line))]
    return _PLACE.sub(lambda found: filled[found[1]], "\n".join(lines))


def _boot(settings: Settings, surface: str, shown: Look, language: Language, *, full: bool) -> dict[str, Any]:
    """What the page's script starts with; addresses are relative to the page's own."""
    found = settings.surfaces[surface]
    texts, root = words(language), "../../" if full else "../"
    return {
        "surface": surface,
        "language": language,
        "root": root,
        "full": full,
        "title": shown.title,
        "greeting": shown.greeting,
        "greeting_html": safe(answer(shown.greeting, "greeting", set())),
        "placeholder": shown.placeholder,
        "disclaimer": shown.disclaimer,
        "suggestions": list(shown.suggestions),
        "contact": shown.contact,
        "logo": f"{root}{shown.logo}" if shown.logo else None,
        "accent": found.accent,
        "origins": found.origins,
        "signed_in": False,
        "guests": settings.access.mode == "none" or found.anonymous,
        "tokens": found.token is not None,
        "limits": {"characters": settings.limits.turn_characters},
        "version": _version(),
        "words": {key.removeprefix(SPOKEN): texts[key] for key in texts if key.startswith(SPOKEN)},
    }
