"""Connectors by name: presets for OpenAI-compatible servers, our own, dotted names, and installed entry points.

A connector is a callable ``(ModelSpec, Resources) -> ChatModel``. It is imported when a model of its kind is first
built, so an optional dependency is needed only by those who use it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points

from connectors.base import ChatModel, ModelSpec, Resources
from connectors.errors import ConfigurationError
from connectors.presets import PRESETS

Factory = Callable[[ModelSpec, Resources], ChatModel]
ENTRY_POINTS = "switchyard.connectors"


@dataclass(frozen=True, slots=True)
class Connector:
    """Where a connector lives, how to install what it needs, and what it presets."""

    target: str | Factory
    install: str | None = None
    base_url: str | None = None
    key_variable: str | None = None


_REGISTRY: dict[str, Connector] = {
    "builtin": Connector("connectors.builtin:BuiltinModel.from_spec"),
    "scripted": Connector("connectors.scripted:ScriptedModel.from_spec"),
    "langchain": Connector(
        "connectors.langchain_chat:LangChainModel.from_spec", install='pip install "switchyard[langchain]"'
    ),
    "transformers": Connector(
        "connectors.in_process:TransformersModel.from_spec", install='pip install "switchyard[transformers]"'
    ),
    "llama-cpp": Connector(
        "connectors.llama_cpp:LlamaCppModel.from_spec", install='pip install "switchyard[llama-cpp]"'
    ),
    **{
        name: Connector(row.build, base_url=row.base_url, key_variable=row.key_variable)
        for name, row in PRESETS.items()
    },
}


def register(name: str, connector: Connector) -> None:
    """Add or replace a connector under ``name``."""
    _REGISTRY[name] = connector


def names() -> list[str]:
    """All connectors that can be named in the configuration, installed entry points included."""
    return sorted({*_REGISTRY, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def build(connector: str, spec: ModelSpec, resources: Resources | None = None) -> ChatModel:
    """Make the model ``spec`` with the connector of that name, or with the one at a dotted name
    (``package.module:callable``).

    Raises ConfigurationError if there is no such connector, if something it needs is not installed, or if the
    spec lacks what it needs.
    """
    entry = _REGISTRY.get(connector) or _from_entry_points(connector)
    if entry is None and ("." in connector or ":" in connector):
        entry = Connector(connector)
    if entry is None:
        raise ConfigurationError(
            f"models.{spec.name}.connector: there is no connector '{connector}'. Known: {', '.join(names())}; "
            "or the dotted name of your own, such as my_package.module:factory"
        )
    factory = _load(entry, spec)
    preset = entry.base_url if spec.base_url is None else spec.base_url
    if entry.key_variable and not spec.api_key and spec.base_url is None:
        raise ConfigurationError(
            f"models.{spec.name} has no api_key. Put `api_key: ${{{entry.key_variable}}}` under it and set "
            f"{entry.key_variable} in the environment"
        )
    try:
        return factory(replace(spec, base_url=preset), resources or Resources())
    except ConfigurationError:
        raise
    except Exception as error:  # whatever a connector of somebody else's makes of its options
        raise ConfigurationError(f"models.{spec.name} could not be built by '{connector}': {error}") from error


def _from_entry_points(name: str) -> Connector | None:
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return Connector(point.value)
    return None


def _load(entry: Connector, spec: ModelSpec) -> Factory:
    if not isinstance(entry.target, str):
        return entry.target
    module_name, _, attribute = entry.target.partition(":")
    if not attribute:
        module_name, _, attribute = entry.target.rpartition(".")
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        hint = entry.install or f"is the package that holds '{entry.target}' installed here?"
        raise ConfigurationError(f"models.{spec.name} needs '{error.name}', which is not installed: {hint}") from error
    except AttributeError as error:
        raise ConfigurationError(f"models.{spec.name}.connector: {module_name} has no '{attribute}'") from error
    if not callable(found):
        raise ConfigurationError(f"models.{spec.name}.connector: '{entry.target}' cannot be called")
    return found
