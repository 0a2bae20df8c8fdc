"""Servers that speak OpenAI's API, one row each: where they are usually found, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from connectors.base import ChatModel, ModelSpec, Resources

Windows = Literal["listed", "ollama", "llamacpp", "lmstudio", "tgi"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of server.

    ``limit`` is the field that limits an answer. ``unnamed`` is what is asked when no model is configured: nothing,
    which is an error; the only model that the server lists; or whichever the server was started with, which it need
    not list. ``windows`` is where it tells the context windows of its models: in its list of models, or in an
    interface of its own.
    """

    name: str
    base_url: str | None = None
    key_variable: str | None = None
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    unnamed: Literal["error", "only", "its own"] = "only"
    windows: Windows = "listed"

    def build(self, spec: ModelSpec, resources: Resources) -> ChatModel:
        """The factory that the registry calls."""
        from connectors.openai_compat import OpenAICompatModel

        return OpenAICompatModel(spec, preset=self)


OPENAI = Preset(
    "openai",
    "https://api.openai.com/v1",
    key_variable="OPENAI_API_KEY",
    limit="max_completion_tokens",
    unnamed="error",
)
COMPATIBLE = Preset("openai-compatible")
LOCAL = (
    Preset("ollama", "http://127.0.0.1:11434/v1", windows="ollama"),
    Preset("vllm", "http://127.0.0.1:8000/v1"),
    Preset("llamacpp", "http://127.0.0.1:8080/v1", windows="llamacpp"),
    Preset("lmstudio", "http://127.0.0.1:1234/v1", windows="lmstudio"),
    Preset("tgi", "http://127.0.0.1:8080/v1", windows="tgi"),
    Preset("transformers-serve", "http://127.0.0.1:8000/v1", unnamed="its own"),
)
PRESETS = {preset.name: preset for preset in (OPENAI, COMPATIBLE, *LOCAL)}


def is_openai(base_url: str | None) -> bool:
    """Whether this is an address of OpenAI's own, the regional ones included."""
    try:
        host = urlsplit(base_url or "").hostname or ""
    except ValueError:
        return False
    return host == "api.openai.com" or host.endswith(".api.openai.com")
