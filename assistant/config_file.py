"""Loads the settings from assistant.yaml and the environment: the one place that reads either."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from assistant.config_errors import (
    ConfigError,
    Problem,
    Where,
    Written,
    dotted,
    schema_at,
    value_fix,
)
from assistant.config_types import Loc
from assistant.config_yaml import read_yaml
from assistant.settings import DEMO_PATH, ENV_PREFIX, Settings

CONFIG_VARIABLE = "ASSISTANT_CONFIG"
DEFAULT_FILE = "assistant.yaml"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with, for each dotted key, where its value came from.

    `path` is None where there is no file. `referring` holds the keys whose value the file takes from `${…}`. `watched`
    are the files that a change of the settings shows in, whether they exist or not.
    """

    settings: Settings
    origins: Mapping[str, str]
    path: Path | None
    referring: frozenset[str] = frozenset()
    watched: tuple[Path, ...] = ()


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Loaded:
    """The settings of `path`, else of $ASSISTANT_CONFIG, else of ./assistant.yaml, else the defaults.

    Variables `ASSISTANT__SECTION__KEY` win over the file. Relative paths count from the folder of the file.
    Raises ConfigError with every problem that was found.
    """
    environ = os.environ if environ is None else environ
    chosen = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    file = (chosen or Path(DEFAULT_FILE)).expanduser()
    try:
        written, found = read_yaml(file, environ), True
    except FileNotFoundError:
        written, found = Written(file.name), False
    if chosen and not found:
        fix = "Correct the path, or copy assistant/assistant.example.yaml there."
        raise ConfigError([Problem("", Where(str(file)), "this file does not exist.", fix)])
    _overlay(written, environ)
    settings = _anchored(_validated(written), file.absolute().parent)
    origins = {dotted(loc): _origin(written, loc, value) for loc, value in leaves(settings)}
    referring = frozenset(dotted(loc) for loc in written.references)
    watched = (file.absolute(), *sorted(written.files))
    return Loaded(settings, MappingProxyType(origins), file if found else None, referring, watched)


def variables_set(names: Iterable[str], *, environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """Those of these environment variables that hold something; never what."""
    environ = os.environ if environ is None else environ
    return frozenset(name for name in names if environ.get(name))


def leaves(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Every setting that holds no further settings, in the order of the settings tree."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), (*loc, name))
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, (*loc, name))
    else:
        yield loc, value


def _overlay(written: Written, environ: Mapping[str, str]) -> None:
    """Merge the ASSISTANT__ variables in, each read alone so that its values and errors bear its name."""
    source = EnvSettingsSource(Settings, case_sensitive=False)
    names = [name for name, value in environ.items() if name.upper().startswith(ENV_PREFIX) and value]
    for name in sorted(names, key=lambda name: (name.count("__"), name)):
        where = Where(f"environment {name}")
        loc: Loc = tuple(name.lower()[len(ENV_PREFIX) :].split("__"))
        source.env_vars = {name.lower(): environ[name]}
        try:
            values = source()
        except (SettingsError, RecursionError):
            fix = value_fix(schema_at(loc), None, in_environment=True)
            written.problems.append(Problem(dotted(loc), where, f"{dotted(loc)} must be JSON.", fix))
            continue
        if not values:
            written.add_unknown(loc, where)
        _merge(written, written.data, values, (), where)


def _merge(written: Written, into: dict[str, Any], values: dict[str, Any], loc: Loc, where: Where) -> None:
    for name, value in values.items():
        # A shell cannot export GPT-4O; GPT_4O reaches the entry gpt-4o of the file.
        key = name if name in into else next((k for k in into if k.replace("-", "_") == name), name)
        at = (*loc, key)
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(written, into[key], value, at, where)
            continue
        for known in (written.where, written.texts, written.references):
            for old in [old for old in known if old[: len(at)] == at]:
                del known[old]
        into[key] = value
        for leaf, _ in [(at, value), *leaves(value, at)]:
            written.where[leaf] = where


def _validated(written: Written) -> Settings:
    known = {key: value for key, value in written.data.items() if key in Settings.model_fields}
    for key in written.data:
        if key not in known:
            written.add_unknown((key,))
    settings = None
    try:
        settings = Settings(**known)
    except ValidationError as error:
        written.add_invalid(error)
    if settings is None or written.problems:
        raise ConfigError(written.problems)
    return settings


def _anchored(settings: Settings, folder: Path) -> Settings:
    """`settings` with its paths absolute, so that they mean the same wherever the process was started."""

    def anchor(path: Path) -> Path:
        return path if str(path) == DEMO_PATH else Path(os.path.abspath(folder / path.expanduser()))

    collections = {
        name: collection.model_copy(update={"sources": [source.anchored(anchor) for source in collection.sources]})
        for name, collection in settings.collections.items()
    }
    examples = settings.voice.examples and anchor(settings.voice.examples)
    voice = settings.voice.model_copy(update={"examples": examples})
    reranker = settings.retrieval.reranker_folder and anchor(settings.retrieval.reranker_folder)
    retrieval = settings.retrieval.model_copy(update={"reranker_folder": reranker})
    surfaces = {
        name: surface.model_copy(update={"logo": surface.logo and anchor(surface.logo)})
        for name, surface in settings.surfaces.items()
    }
    update = {"data": anchor(settings.data), "collections": collections, "voice": voice, "retrieval": retrieval}
    update["surfaces"] = surfaces
    return settings.model_copy(update=update)


def _origin(written: Written, loc: Loc, value: Any) -> str:
    given: Any = written.data
    for part in loc:
        given = given.get(part) if isinstance(given, dict) else None
    unset = given is None or (given == "" and value is None)
    return "default" if unset else str(written.nearest(loc))
