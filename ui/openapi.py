"""The OpenAPI document of the native API, and what routes declare for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, TypeAdapter

from assistant.app import VERSION
from ui.api_errors import EVERYWHERE, SAYS, refusals
from ui.examples import REQUESTS, RESPONSES, STREAMS, WORKS
from ui.identity import needs
from ui.shapes_events import TurnEvent, WorkEvent

PATH = "/api/v1/openapi.json"
ABOUT = "Ask an organisation's documents. The events of a turn, errors and limits are told in docs/api.md."
TAGS = {
    "chat": "One turn, as server-sent events.",
    "turns": "Answers run again, said in other words, shown and judged.",
    "conversations": "A person's conversations.",
    "attachments": "Files that a person attaches to a conversation, found by its turns alone.",
    "corrections": "What people say of the route of a turn.",
    "documents": "What the person may read, without a turn.",
    "collections": "Collections, their sources, and work on them.",
    "me": "Who asks, and all that is theirs.",
    "models": "Models and router.",
    "session": "Tokens for guests.",
    "health": "Whether the server answers.",
    "server": "Figures, and a code for the desk.",
}
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key, the token of a portal, a guest's token, or the token of this machine",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "switchyard-session",
        "description": "whoever is signed in on the pages, for requests of the pages alone",
    },
}
KNOWN: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
NAMED = {
    "/api/v1/session": "begin_session",
    "/api/v1/desk/code": "desk_code",
    "/healthz": "healthz",
    "/readyz": "readyz",
}
"""The operations of routes that name none themselves, and have their path for themselves."""
ANYTHING: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
EVENTS: dict[str, Any] = {"TurnEvent": TurnEvent, "WorkEvent": WorkEvent}
EDITOR: dict[str, Any] = {
    "dependencies": [Depends(needs("editor"))],
    "openapi_extra": {"security": KNOWN, "x-role": "editor"},
    "responses": refusals(404),
}
ADMIN: dict[str, Any] = {
    "dependencies": [Depends(needs("admin"))],
    "openapi_extra": {"security": KNOWN, "x-role": "admin"},
    "responses": refusals(404),
}


def turn_events(*statuses: int, model: type[BaseModel] | None = None) -> dict[str, Any]:
    """What a route declares that streams a turn, or answers with ``model`` where it does not."""
    return _events("TurnEvent", "the events of a turn", refusals(*statuses), model)


def work_events(role: dict[str, Any]) -> dict[str, Any]:
    """What a route of a role declares that streams work on the collections."""
    return role | _events("WorkEvent", "what happens, then done or failed", role["responses"], None)


def _events(name: str, says: str, refused: dict[Any, Any], model: type[BaseModel] | None) -> dict[str, Any]:
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"#/components/schemas/{name}"},
    }
    item = {"type": "object", "properties": {"event": {"type": "string"}, "data": data}, "required": ["event", "data"]}
    shown: dict[str, Any] = {"description": says, "content": {"text/event-stream": {"itemSchema": item}}}
    if model is not None:
        shown["model"] = model
    return {"responses": refused | {200: shown}, "response_class": JSONResponse if model else Response}


def add_openapi(app: FastAPI) -> None:
    """Serve the document, with the address that this app has for whoever asks."""
    made: dict[str, Any] = {}

    @app.get(PATH, include_in_schema=False)
    async def document(request: Request) -> JSONResponse:
        if not made:
            made.update(described(app))
        return JSONResponse(made | {"servers": [{"url": request.scope.get("root_path") or "/"}]})


def described(app: FastAPI) -> dict[str, Any]:
    """The document of all routes of the native API."""
    ours = [each for each in iter_route_contexts(app.routes) if _ours(getattr(each, "path", None) or "")]
    found: dict[str, Any] = get_openapi(
        title="Switchyard",
        version=VERSION,
        description=ABOUT,
        routes=ours,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    parts = found.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    parts["securitySchemes"] = SCHEMES
    for name, kind in EVENTS.items():
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs"))
        schemas[name] = schema
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operation in _operations(found):
        operation["operationId"] = NAMED.get(path, operation["operationId"])
        operation.setdefault("tags", ["server"])
        _exemplify(operation)
        operation.setdefault("security", [*KNOWN, {}])
        for status in EVERYWHERE:
            operation["responses"].setdefault(str(status), {"description": SAYS[status], "content": ANYTHING})
    return found


def _exemplify(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json" and name in REQUESTS:
            content["example"] = REQUESTS[name]
    for kind, content in operation["responses"].get("200", {}).get("content", {}).items():
        if kind == "text/event-stream":
            content["example"] = STREAMS["work" if name in WORKS else "turn"]
        elif kind == "application/json" and name in RESPONSES:
            content["example"] = RESPONSES[name]


def _ours(path: str) -> bool:
    return path.startswith("/api/v1/") or path in ("/healthz", "/readyz", "/metrics")


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for operation in methods.values():
            yield path, operation
