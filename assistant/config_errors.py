"""What is wrong with a configuration, in words: where it stands, which key, and what to write instead."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assistant.config_types import Loc, did_you_mean, mask_url, nearest_name
from assistant.settings import ENV_PREFIX, Settings


@dataclass(frozen=True, slots=True)
class Where:
    """A place that people can go to: a line of the file, or a variable of the environment."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to repair. Never holds a value that could be a secret."""

    key: str
    where: Where
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} {self.fix}".rstrip()


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says all that is wrong, in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.where.line is None, p.where.line or 0)))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(loc: Loc) -> str:
    """`("models", "gpt", "options", 0)` as `models.gpt.options[0]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part or repr(part)}" for part in loc)
    return "".join(parts).removeprefix(".")


@dataclass(slots=True)
class Written:
    """The values of file and environment, merged: where each stands, its wording, and what is wrong."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    where: dict[Loc, Where] = field(default_factory=dict)
    texts: dict[Loc, str] = field(default_factory=dict, repr=False)
    references: dict[Loc, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def add(self, loc: Loc, predicate: str, fix: str) -> None:
        """Note a problem, unless the key has one already: what follows from it would only distract."""
        key = dotted(loc)
        if all(problem.key != key for problem in self.problems):
            message = f"{key or 'this file'} {predicate}"
            self.problems.append(Problem(key, self.nearest(loc), message, fix))

    def add_unknown(self, loc: Loc, where: Where | None = None) -> None:
        """Note a key that is no setting, with the setting that was probably meant."""
        where = where or self.nearest(loc)
        fix = _unknown_fix(loc, in_environment=where.source != self.file)
        self.problems.append(Problem(dotted(loc), where, f"{dotted(loc)} is not a setting.", fix))

    def add_invalid(self, error: ValidationError) -> None:
        """Note all that pydantic found."""
        for item in error.errors(include_url=False):
            loc = item["loc"]
            if item["type"] == "findings":
                for found in item["ctx"]["findings"]:
                    at = (*loc, *found.key)
                    self.add(at, found.words(self._referred(at)), found.fix)
            elif item["type"] == "extra_forbidden":
                self.add_unknown(loc)
            elif item["type"] == "missing":
                self.add(loc, "is needed.", schema_at(loc).get("description", ""))
            elif loc[-1:] == ("[key]",):
                self.add(loc[:-1], "has a name that cannot be used.", _name_fix(str(loc[-2])))
            else:
                self.add(loc, *self._wrong(loc, item["input"]))

    def nearest(self, loc: Loc) -> Where:
        """Where `loc` was written, or else the section around it."""
        prefixes = (loc[:end] for end in range(len(loc), 0, -1))
        return next((self.where[prefix] for prefix in prefixes if prefix in self.where), Where(self.file))

    def _wrong(self, loc: Loc, value: Any) -> tuple[str, str]:
        schema = schema_at(loc)
        predicate = f"must be {_expected(schema)}"
        if not schema.get("writeOnly"):
            predicate += f", got {self._got(loc, schema, value)}"
        return f"{predicate}.", value_fix(schema, value, self.nearest(loc).source != self.file)

    def _referred(self, loc: Loc) -> str | None:
        return f"the value of {self.references[loc]}" if loc in self.references else None

    def _got(self, loc: Loc, schema: dict[str, Any], value: Any) -> str:
        """What stands there instead; text only where it cannot be a key or a password in the wrong place."""
        if referred := self._referred(loc):
            return referred
        kinds = {dict: "a section", list: "a list", str: "text", type(None): "nothing"}
        siblings = schema_at(loc[:-1]).get("properties", {}).values()
        secretive = isinstance(value, str) and any(_resolved(s).get("writeOnly") for s in siblings)
        if isinstance(value, dict | list | None) or secretive or schema.get("type") in ("object", "array"):
            return kinds.get(type(value), "a number")
        text = mask_url(self.texts.get(loc, str(value)))
        text = text if len(text) <= 40 else f"{text[:40]}…"
        return repr(text) if isinstance(value, str) else text


@cache
def _schema() -> dict[str, Any]:
    return Settings.model_json_schema()


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with its reference followed and its null alternative left out."""
    for option in schema.get("anyOf", ()):
        if option != {"type": "null"}:
            return {**_resolved(option), **{key: value for key, value in schema.items() if key != "anyOf"}}
    if "$ref" in schema:
        target = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def schema_at(loc: Loc) -> dict[str, Any]:
    """The JSON Schema of the setting at `loc`; empty where anything may stand."""
    schema = _schema()
    for part in loc:
        if schema.get("languages") and isinstance(part, str):  # the same, of one language
            schema = {key: schema[key] for key in ("type", "items") if key in schema}
            continue
        named = [*schema.get("patternProperties", {}).values(), {}]
        inner = schema.get("properties", {}).get(part, named[0])
        schema = _resolved(schema.get("items", {}) if isinstance(part, int) else inner)
    return schema


def setting_keys(loc: Loc = ()) -> Iterator[Loc]:
    """Every key of every section; entries that people name stand as NAME."""
    schema = schema_at(loc)
    names = [*schema.get("properties", ()), *(["NAME"] if "patternProperties" in schema else [])]
    for name in names:
        yield (*loc, name)
        yield from setting_keys((*loc, name))


def _expected(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        *most, last = schema["enum"]
        return f"{', '.join(most)} or {last}"
    kind = {
        "integer": "a whole number",
        "number": "a number",
        "array": "a list",
        "object": "a section",
        "boolean": "true or false",
    }
    low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if low is not None and high is not None:
        bounds = f" from {low} to {high}"
    else:
        bounds = f" of {low} or more" if low is not None else f" above {above}" if above is not None else ""
    return kind.get(schema.get("type", ""), "text") + bounds


def value_fix(schema: dict[str, Any], value: Any, in_environment: bool) -> str:
    """What to write instead of `value`."""
    container = {"object": '{"key": "value"}', "array": '["one", "two"]'}.get(schema.get("type", ""))
    if container and in_environment:
        return f"Write JSON, as in {container}."
    if container:
        lines = "`key: value`" if schema["type"] == "object" else "`- value`"
        return f"Write it on indented lines below the key, each {lines}."
    if schema.get("type") == "string" and "enum" not in schema and isinstance(value, bool | int | float):
        return "Put it in quotes."
    guess = did_you_mean(value, schema["enum"]) if "enum" in schema and isinstance(value, str) else ""
    default = schema.get("default")
    usual = (
        "Remove it to do without." if default is None else f"The default is {json.dumps(default, ensure_ascii=False)}."
    )
    return guess or usual


def _name_fix(name: str) -> str:
    usable = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:64] or "name"
    return f"Use up to 64 lower-case letters, digits, - and _, for example {usable}."


def _unknown_fix(loc: Loc, *, in_environment: bool) -> str:
    depth = next((d for d in range(len(loc)) if not _is_setting(loc[: d + 1])), len(loc) - 1)
    section, last, rest = loc[:depth], str(loc[depth]), loc[depth + 1 :]
    known = list(schema_at(section).get("properties", ()))
    nearest = nearest_name(last, known)
    if nearest and not in_environment:
        return f"Did you mean {nearest}?"
    meant = [(*section, nearest, *rest)] if nearest else [key for key in setting_keys() if key[-1] == loc[-1]]
    if 0 < len(meant) <= 3:
        shown = _variable if in_environment else dotted
        return f"Did you mean {' or '.join(map(shown, meant))}?"
    if known:
        return f"The settings here are: {', '.join(known)}."
    return f"{dotted(section)} holds a value, no settings."


def _is_setting(loc: Loc) -> bool:
    section = schema_at(loc[:-1])
    return isinstance(loc[-1], int) or loc[-1] in section.get("properties", ()) or "patternProperties" in section


def _variable(loc: Loc) -> str:
    return ENV_PREFIX + "__".join(map(str, loc)).upper()
