"""Connectors: providers of chat models behind one method, ``ChatModel.stream``.

Nothing here imports the rest of the product; a connector knows messages, documents as values and options.
"""

from connectors.base import (
    ChatMessage,
    ChatModel,
    ChatRequest,
    Cost,
    Delta,
    DocumentPart,
    Embed,
    Fault,
    ModelSpec,
    Offered,
    Part,
    Resources,
    TextPart,
    Usage,
)
from connectors.errors import ConnectorError
from connectors.registry import build, names, register

__all__ = [
    "ChatMessage",
    "ChatModel",
    "ChatRequest",
    "ConnectorError",
    "Cost",
    "Delta",
    "DocumentPart",
    "Embed",
    "Fault",
    "ModelSpec",
    "Offered",
    "Part",
    "Resources",
    "TextPart",
    "Usage",
    "build",
    "names",
    "register",
]
