"""Reads a YAML file into values that remember their lines, with `${NAME}` and `${file:…}` put in."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from assistant.config_errors import ConfigError, Problem, Where, Written
from assistant.config_types import Loc

_TAG = "tag:yaml.org,2002:"


class Loader(yaml.SafeLoader):
    """YAML 1.2's core types, as editors read them: `no` and `12:30` are text, not False and 750."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own name


for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
):
    Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), _first)

_MAKE: dict[str, Callable[[str], Any]] = {
    _TAG + "null": lambda text: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": int,
    _TAG + "float": float,
    _TAG + "str": str,
}

# PyYAML's words (a pattern), ours, and what to do.
_SYNTAX = (
    (r"character '\\t'", "found a tab", "Indent with spaces."),
    (r"character '(.)' that cannot start", "found {0!r} at the start of a value", "Put the value in quotes."),
    (r"mapping values are not allowed", "found a ':' inside a value", "Quote it, or mend the indentation."),
    (r"could not find expected ':'", "found a line without ':'", "Write `key: value`."),
    (r"unexpected end of stream", "found no closing quote", "Add the quote that is missing."),
    (r"undefined alias", "found a * that YAML reads as a reference", "Put the value in quotes."),
    (r"expected alphabetic or numeric character", "found a *, & or % that YAML reads as its own", "Put it in quotes."),
    (r"found another document", "found a second document after ---", "Keep one document."),
    (r"found '<stream end>'", "found the end of the file", "Close the bracket that is open."),
    (r"<block end>, but found '<scalar>'", "found text after a value", "Put the whole value in quotes."),
    (r"<block end>, but", "found a line that does not line up", "Indent the keys of a section alike."),
    (r"unknown escape character", "found a \\ in double quotes", "Use single quotes, or write \\\\."),
    (r"expected ',' or '([\]}])'", "found no ',' or {0!r}", "Close the bracket, or put the value in quotes."),
)
_FROM_START = re.compile(r"could not find expected ':'|unexpected end of stream")  # the end says nothing
_REFERENCE = re.compile(
    r"\$\$|\$\{(?:file:(?P<file>[^{}]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?)\}|(?P<bad>\$\{)"
)


class _Unresolved(Exception):
    """A reference that stands for nothing: (predicate, fix)."""


def read_yaml(path: Path, environ: Mapping[str, str]) -> Written:
    """The values of the file at `path`; what is wrong with single values is noted in the result.

    Raises FileNotFoundError, and ConfigError when the file cannot be read as a whole.
    """
    text = _read_text(path)
    try:
        node = Loader(text).get_single_node()
        written = _Values(path, environ).read(node)
    except (yaml.YAMLError, RecursionError) as error:
        problem = _syntax_problem(path.name, text, error)
    else:
        return written
    raise ConfigError([problem])


def _whole(path: Path, message: str, fix: str, line: int | None = None) -> ConfigError:
    return ConfigError([Problem("", Where(str(path) if line is None else path.name, line), message, fix)])


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        fix = "Put a file in its place. (Docker makes a folder when it mounts a file that is missing.)"
        raise _whole(path, "this is a folder, not a file.", fix) from None
    except PermissionError:
        raise _whole(path, "this file may not be read.", f"Allow it: chmod u+r {path}, as its owner.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise _whole(path, f"this file cannot be read: {reason}.", "Check the path.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"this file is not UTF-8: found the byte 0x{content[error.start]:02x}."
    raise _whole(path, message, "Save it as UTF-8.", line)


def _syntax_problem(name: str, text: str, error: Exception) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        message = f"this is not valid YAML: found the control character 0x{error.character:02x}."
        return Problem("", Where(name, text.count("\n", 0, error.position) + 1), message, "Remove it.")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Problem("", Where(name), "this is nested too deeply.", "Settings need at most five levels.")
    late = error.context_mark if _FROM_START.search(error.problem or "") else None
    mark = late or error.problem_mark
    found, fix = "found something unexpected", "Compare the line with assistant.example.yaml."
    for pattern, words, remedy in _SYNTAX:
        if match := re.search(pattern, error.problem or ""):
            found, fix = words.format(*match.groups()), remedy
            break
    message = f"this is not valid YAML: {found} at column {mark.column + 1}."
    return Problem("", Where(name, mark.line + 1), message, fix)


class _Values:
    """Turns YAML's nodes into values, noting the line of each."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._folder = path.absolute().parent
        self._environ = environ
        self._written = Written(path.name)
        self._open: list[yaml.Node] = []

    def read(self, node: yaml.Node | None) -> Written:
        data = None if node is None else self._value(node, ())
        if isinstance(data, dict):
            self._written.data = data
        elif data is not None:
            kind = "a list" if isinstance(data, list) else "text"
            message = f"this file must hold `key: value` lines, but it holds {kind}."
            fix = "Start from assistant/assistant.example.yaml."
            raise ConfigError([Problem("", self._written.where[()], message, fix)])
        return self._written

    def _value(self, node: yaml.Node, loc: Loc) -> Any:
        self._written.where.setdefault(loc, Where(self._written.file, node.start_mark.line + 1))
        if node in self._open:
            self._written.add(loc, "refers to itself.", "Write the value out.")
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, loc)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, loc)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._written.add(loc, f"has a key on line {line} that is not text.", "Write `key: value`.")
                continue
            key = key_node.value
            at = (*loc, key)
            if key in data:
                first = self._written.where[at]
                self._written.where[at] = Where(first.source, line)
                self._written.add(at, f"is written twice, first on line {first.line}.", "Keep one of the two.")
                continue
            self._written.where[at] = Where(self._written.file, line)
            data[key] = self._value(value_node, at)
        return data

    def _scalar(self, node: yaml.Node, loc: Loc) -> Any:
        text = self._written.texts[loc] = node.value
        try:
            value = _MAKE[node.tag](text)
        except KeyError:
            self._written.add(loc, "has a YAML tag (!), which means nothing here.", "Put the value in quotes.")
            return text
        except ValueError:
            return text
        return self._expanded(value, loc) if isinstance(value, str) else value

    def _expanded(self, text: str, loc: Loc) -> str:
        try:
            value = _REFERENCE.sub(self._replacement, text)
        except _Unresolved as error:
            self._written.add(loc, *error.args)
            return text
        used = [m["name"] or f"file:{m['file']}" for m in _REFERENCE.finditer(text) if m[0] != "$$"]
        if used:
            self._written.references[loc] = " and ".join(f"${{{name}}}" for name in used)
        return value

    def _replacement(self, match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match["bad"]:
            forms = "Write ${NAME}, ${NAME:-default} or ${file:/path}; for a plain ${ write $${."
            raise _Unresolved("has a ${ that names no variable.", forms)
        if match["file"]:
            return self._file_content(match["file"])
        name, default = match["name"], match["default"]
        value = self._environ.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            fix = f"Set it (export {name}=…), or write ${{{name}:-default}}."
            raise _Unresolved(f"needs the environment variable {name}, which is not set.", fix)
        return default

    def _file_content(self, name: str) -> str:
        self._written.files.add(self._folder / name)
        try:
            return (self._folder / name).read_text(encoding="utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise _Unresolved(f"needs the file {name}, which is not UTF-8.", "Save it as UTF-8.") from None
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or "not a file name").lower()
            fix = "Create the file, or correct the path after file:."
            raise _Unresolved(f"needs the file {name}, which cannot be read ({reason}).", fix) from None
