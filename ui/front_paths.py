"""Which addresses are open to everybody, and which are pages: everything that is not named here needs to know who
asks."""

from __future__ import annotations

import re

READS = ("GET", "HEAD")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
LOADER = "/widget.js"
"""The one thing of ours that pages of other sites load as a script."""
PUBLIC = frozenset({"/healthz", "/readyz", LOADER, "/sign-in", "/favicon.ico", "/robots.txt", "/api/v1/openapi.json"})
PUBLIC_BELOW = ("/widget/", "/switchyard/", "/look/")
"""Read by everybody: programs and looks, never data."""
SIGN_IN = "/sign-in/"
SESSION = "/api/v1/session"
OWN_DOOR = "/desk"
"""Has a guard of its own, which lets nobody through who has no session there."""
FOR_PROGRAMS = ("/api/", "/v1/", "/mcp")
"""What pages of other sites may call, from the origins of the surfaces, and what never answers with a page."""
_TRICKS = re.compile(r"//|\\|[\x00-\x1f\x7f]|(?:^|/)\.{1,2}(?:/|$)")
_CODED = re.compile(rb"%(?:2f|5c|25)", re.IGNORECASE)


def misleading(path: str, raw: bytes) -> bool:
    """Whether a path could mean one thing to a proxy or to the front door and another to what lies behind it."""
    return not path.startswith("/") or bool(_TRICKS.search(path)) or bool(_CODED.search(raw.partition(b"?")[0]))


def public(method: str, path: str) -> bool:
    """Whether anybody may ask for it."""
    if path == SESSION:
        return method == "POST"
    if path in ("/sign-in", "/sign-out") or path.startswith(SIGN_IN):
        return method in (*READS, "POST")
    return method in READS and (path in PUBLIC or path.startswith(PUBLIC_BELOW))


def own_door(path: str) -> bool:
    """Whether a guard of its own stands before it."""
    return path == OWN_DOOR or path.startswith(f"{OWN_DOOR}/")


def for_programs(path: str) -> bool:
    """Whether it is a part of an API."""
    return path.startswith(FOR_PROGRAMS)


def of_the_page(path: str) -> bool:
    """Whether it is the chat page or a part of it, all of which is of one surface. Nothing else that is not public is
    left."""
    return not (for_programs(path) or own_door(path) or path == "/metrics")


def page(path: str) -> bool:
    """Whether somebody who is not signed in may be led to the sign-in from there."""
    return not path.startswith((*FOR_PROGRAMS, "/gradio_api/", "/assets/", "/static/", "/metrics"))
