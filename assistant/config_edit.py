"""Changes one key of a YAML text, and not a character of anything else.

PyYAML tells where each value begins and ends; only that piece of the text is replaced. Libraries that write the whole
document anew keep its comments, but re-indent lists and lose the place of comments in sections that are still empty.
Whatever the edit, the result is read again: it is refused unless all other keys have kept their values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from assistant.config_errors import dotted
from assistant.config_value import parse, show
from assistant.config_yaml import Loader

Keys = tuple[str, ...]
Entry = tuple[yaml.ScalarNode, yaml.Node]
INDENT = 2


class NotEditable(Exception):
    """This text cannot be changed there by a program; the message says what to do."""


def written(text: str, loc: Keys) -> Any:
    """The value that stands at `loc`, without what `${…}` stands for; None where there is none."""
    return _at(parse(text), loc)


def set_value(text: str, loc: Keys, value: Any) -> str:
    """`text` with `value` at `loc`, in sections that are added where they are missing. Raises NotEditable."""
    document = _Document(text)
    found = document.walk(loc)
    if len(found) < len(loc):
        changed = document.added(found[-1] if found else None, loc[len(found) :], value, loc)
    else:
        section = found[-2][1] if len(found) > 1 else document.root
        changed = document.replaced(found[-1], value, _is_flow(section))
    return _checked(text, changed, loc, value)


def unset_value(text: str, loc: Keys) -> str:
    """`text` without the key `loc`; its section stays, empty if need be. Raises NotEditable."""
    document = _Document(text)
    found = document.walk(loc)
    if len(found) < len(loc):
        raise NotEditable(f"{dotted(loc)} is not set in this file.")
    section = found[-2][1] if len(found) > 1 else document.root
    return _checked(text, document.removed(section, found[-1]), loc, None)


class _Document:
    """A YAML text with the places of its values. Every method gives the changed text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.root = Loader(text).get_single_node()

    def walk(self, loc: Keys) -> list[Entry]:
        """The entries on the way to `loc`, as far as they exist."""
        found: list[Entry] = []
        node = self.root
        for name in loc:
            entries = node.value if isinstance(node, yaml.MappingNode) else ()
            entry = next((each for each in entries if each[0].value == name), None)
            if entry is None:
                break
            found.append(entry)
            node = entry[1]
        return found

    def replaced(self, entry: Entry, value: Any, flow: bool) -> str:
        """With another value in an entry that exists."""
        _, old = entry
        start, end = old.start_mark.index, self._end(old)
        if isinstance(old, yaml.SequenceNode) and not old.flow_style and isinstance(value, list) and value:
            between = self.newline + " " * old.start_mark.column
            return self._spliced(start, end, between.join(f"- {show(item, flow=False)}" for item in value))
        style = old.style if isinstance(old, yaml.ScalarNode) else None
        shown = show(value, flow=flow, style=style)
        if start == end:
            return self._spliced(start, end, f" {shown}")
        if _is_block(old) and not isinstance(old, yaml.ScalarNode):
            return self._without_lines(old.start_mark.line, self._line(end), self._after_colon(entry), f" {shown}")
        return self._spliced(start, end, shown)

    def added(self, entry: Entry | None, rest: Keys, value: Any, loc: Keys) -> str:
        """With the keys `rest`, the end of `loc`, in the section of `entry`, or in the file itself."""
        section = entry[1] if entry else self.root
        if isinstance(section, yaml.MappingNode):
            if section.flow_style:
                return self._put_flow(section, rest, value)
            first = entry[0].start_mark.line + 1 if entry else section.start_mark.line
            return self._put(section, first, rest, value)
        if section is None:
            return self._inserted(len(_lines(self.text)), 0, rest, value)
        if entry is None or section.tag != "tag:yaml.org,2002:null":
            raise NotEditable(f"{dotted(loc[: -len(rest)]) or 'this file'} holds a value, no settings.")
        if self._in_flow(entry):
            return self.replaced(entry, _nested(rest, value), True)
        return self._fill(entry, rest, value)

    def removed(self, section: yaml.Node | None, entry: Entry) -> str:
        """Without an entry of `section`."""
        assert isinstance(section, yaml.MappingNode)
        key, value = entry
        if not section.flow_style:
            return self._without_lines(key.start_mark.line, self._line(self._entry_end(entry)))
        index = section.value.index(entry)
        if len(section.value) == 1:
            return self._spliced(section.start_mark.index, section.end_mark.index, "{}")
        if index:
            return self._spliced(section.value[index - 1][1].end_mark.index, value.end_mark.index, "")
        return self._spliced(key.start_mark.index, section.value[1][0].start_mark.index, "")

    def _put(self, section: yaml.MappingNode, begins: int, rest: Keys, value: Any) -> str:
        """One more entry of a block: below the comment that shows it, else after the last one."""
        column = section.value[0][0].start_mark.column
        taken = [(key.start_mark.line, self._line(self._entry_end((key, each)))) for key, each in section.value]
        last = section.end_mark.line if section.end_mark.column == 0 else section.end_mark.line + 1
        lines = [
            number
            for number in range(begins, max(last, taken[-1][1] + 1))
            if not any(first <= number <= final for first, final in taken)
        ]
        anchor = self._anchor(lines, rest[0], range(column, column + 1))
        after = taken[-1][1] if anchor is None else anchor[0]
        return self._inserted(after + 1, column, rest, value)

    def _put_flow(self, section: yaml.MappingNode, rest: Keys, value: Any) -> str:
        shown = show(_nested(rest, value), flow=True)[1:-1]
        if not section.value:
            at = section.start_mark.index + self.text[section.start_mark.index :].index("{") + 1
            return self._spliced(at, at, shown)
        at = section.value[-1][1].end_mark.index
        return self._spliced(at, at, f", {shown}")

    def _fill(self, entry: Entry, rest: Keys, value: Any) -> str:
        """The first entry of a section without any: below the comment that shows it, else below its key."""
        key, nothing = entry
        own = key.start_mark.column
        cleaned = _Document(self._spliced(nothing.start_mark.index, nothing.end_mark.index, ""))
        all_lines = [line.rstrip() for line in _lines(cleaned.text)]
        lines = []
        for number in range(key.start_mark.line + 1, len(all_lines)):
            stripped = all_lines[number].lstrip(" ")
            if stripped and (not stripped.startswith("#") or len(all_lines[number]) - len(stripped) <= own):
                break
            lines.append(number)
        anchor = cleaned._anchor(lines, rest[0], range(own + 1, own + 9))
        after, column = anchor or (key.start_mark.line, own + INDENT)
        return cleaned._inserted(after + 1, column, rest, value)

    def _anchor(self, lines: list[int], name: str, columns: range) -> tuple[int, int] | None:
        """The last line of the comment that shows the key `name`, and the column of that comment."""
        texts = _lines(self.text)
        for number in lines:
            match = re.match(rf"( *)# ?{re.escape(name)} *:", texts[number])
            if match and len(match[1]) in columns:
                column, final = len(match[1]), number
                while final + 1 in lines and re.match(rf" {{{column + 1},}}#", texts[final + 1]):
                    final += 1
                return final, column
        return None

    def _inserted(self, line: int, column: int, rest: Keys, value: Any) -> str:
        lines = _lines(self.text)
        if lines[:line] and not lines[line - 1].endswith(("\n", "\r")):
            lines[line - 1] += self.newline
        new = [" " * (column + INDENT * depth) + show(name, flow=True) + ":" for depth, name in enumerate(rest)]
        new[-1] += f" {show(value, flow=False)}"
        return "".join([*lines[:line], *(each + self.newline for each in new), *lines[line:]])

    def _without_lines(self, first: int, last: int, at: int = 0, insert: str = "") -> str:
        """Without the lines from first to last; `insert` is put in at a place above them."""
        lines = _lines(self.text)
        start = sum(map(len, lines[:first]))
        end = sum(map(len, lines[: last + 1]))
        return self.text[:at] + insert + self.text[at:start] + self.text[end:]

    def _spliced(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    def _after_colon(self, entry: Entry) -> int:
        return self.text.index(":", entry[0].end_mark.index) + 1

    def _line(self, index: int) -> int:
        """The line that holds the character before `index`."""
        return max(len(_lines(self.text[:index])) - 1, 0)

    def _entry_end(self, entry: Entry) -> int:
        return max(self._end(entry[1]), entry[0].end_mark.index)

    def _end(self, node: yaml.Node) -> int:
        """Where the text of a value ends: PyYAML counts comments and blank lines after a block to it."""
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            written = self.text[node.start_mark.index : node.end_mark.index]
            keeps = "+" in _lines(written)[0]
            return node.end_mark.index if keeps else node.start_mark.index + len(written.rstrip())
        if _is_block(node) and not isinstance(node, yaml.ScalarNode):
            last = node.value[-1]
            return self._entry_end(last) if isinstance(node, yaml.MappingNode) else self._end(last)
        return int(node.end_mark.index)

    def _in_flow(self, entry: Entry) -> bool:
        return any(
            _is_flow(node) and node.start_mark.index < entry[0].start_mark.index < node.end_mark.index
            for node in _nodes(self.root)
        )


def _lines(text: str) -> list[str]:
    """Lines as YAML counts them, each with its end: Python's own would break at a form feed too."""
    return re.findall(r"[^\n\r\x85\u2028\u2029]*(?:\r\n|[\n\r\x85\u2028\u2029])|[^\n\r\x85\u2028\u2029]+", text)


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if node is None:
        return
    yield node
    if isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _nodes(value)


def _is_flow(node: yaml.Node | None) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def _is_block(node: yaml.Node) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return node.style in ("|", ">")
    return not _is_flow(node)


def _nested(rest: Keys, value: Any) -> Any:
    for name in reversed(rest):
        value = {name: value}
    return value


def _at(data: Any, loc: Keys) -> Any:
    for name in loc:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _others(data: Any, loc: Keys) -> Any:
    """What stands anywhere but at `loc`; sections without a key count as nothing."""
    if not loc or not isinstance(data, dict):
        return None if not loc else data
    rest = {key: value for key, value in data.items() if key != loc[0]}
    inner = _others(data.get(loc[0]), loc[1:])
    return (rest if inner is None else {**rest, loc[0]: inner}) or None


def _checked(before: str, after: str, loc: Keys, value: Any) -> str:
    try:
        old, new = parse(before), parse(after)
        good = _others(old, loc) == _others(new, loc) and _at(new, loc) == value
    except yaml.YAMLError:
        good = False
    if not good:
        raise NotEditable(f"{dotted(loc)} stands where it cannot be changed without touching more: edit it by hand.")
    return after
