"""The native API as one: all its routes, the figures for Prometheus, and the document that describes them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import Response

from assistant.app import Assistant
from assistant.telemetry import CONTENT_TYPE
from ui import (
    attachments_api,
    chat_api,
    collections_api,
    conversations_api,
    corrections_api,
    documents_api,
    me_api,
    models_api,
    turns_api,
)
from ui.api_errors import refusals
from ui.identity import needs
from ui.openapi import KNOWN, add_openapi
from ui.reach import Here

PARTS = (
    chat_api,
    turns_api,
    conversations_api,
    attachments_api,
    corrections_api,
    documents_api,
    collections_api,
    me_api,
    models_api,
)


def add_native_api(app: FastAPI, assistant: Assistant) -> None:
    """Add the routes below ``/api/v1``, ``/metrics``, and the document. Who asks is found by ``ui/identity.py``."""
    app.state.assistant = assistant
    for part in PARTS:
        app.include_router(part.router)
    app.include_router(_figures(open_to_all=assistant.settings.server.metrics))
    add_openapi(app)


def _figures(*, open_to_all: bool) -> APIRouter:
    router = APIRouter(tags=["server"])
    guarded: dict[str, Any] = {} if open_to_all else {"dependencies": [Depends(needs("admin"))]}
    told: dict[str, Any] = {"security": [{}] if open_to_all else KNOWN}
    shown: dict[int | str, dict[str, Any]] = {
        200: {"description": "figures", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }

    @router.get(
        "/metrics",
        operation_id="metrics",
        response_class=Response,
        responses=refusals() | shown,
        openapi_extra=told,
        **guarded,
    )
    async def metrics(assistant: Here) -> Response:
        """Figures in the Prometheus format, without a word that anybody wrote."""
        return Response(assistant.metrics.text(), media_type=CONTENT_TYPE)

    return router
