"""The assistant as a model of OpenAI's: ``/v1/chat/completions`` and ``/v1/models``, for every client that speaks to
those."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, Response

from assistant.app import Assistant
from ui.identity import Who
from ui.nowhere import add_nowhere
from ui.openai_errors import OpenAIRoute, refusal
from ui.openai_shapes import CompletionBody, asked, model, models, on_behalf
from ui.openai_turn import TurnResponse
from ui.reach import Asker


def add_openai_routes(app: FastAPI, assistant: Assistant) -> None:
    """Add them, and OpenAI's way of saying that there is nothing at the other addresses below ``/v1``."""
    router = APIRouter(prefix="/v1", route_class=OpenAIRoute, include_in_schema=False)

    @router.post("/chat/completions", response_class=Response)
    async def completions(body: CompletionBody, who: Asker) -> Response:
        """One turn. The messages are the conversation; with ``switchyard.conversation`` ours is, and the last message
        goes to its end."""
        request, where = asked(body), body.switchyard
        turn = await assistant.service.prepare(
            request.text,
            person=on_behalf(who, body),
            conversation=where.conversation if where else None,
            surface=where.surface if where else None,
            collection=where.collection if where else None,
            route=request.route,
            given=request.given,
        )
        events = assistant.service.run(turn)
        return TurnResponse(events, turn.id, body.model, stream=bool(body.stream), usage=body.with_usage)

    @router.get("/models")
    async def listed(who: Who) -> dict[str, Any]:
        """The models: the router's choice, and one for each route."""
        return {"object": "list", "data": models()}

    @router.get("/models/{name}")
    async def one(name: str, who: Who) -> dict[str, Any]:
        """One of them."""
        return model(name)

    app.include_router(router)
    add_nowhere(app, "/v1", _said, "unknown_url")


def _said(status: int, code: str, message: str, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(refusal(code, message, status), status, headers)
