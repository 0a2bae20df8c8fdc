"""An answer in tokens while it is being written: prose, code, and groups of citation markers.

However the text is cut, the tokens are the same: what more text could change is kept back. Code is what CommonMark
takes for it, but that a span stays within its line and is at most ``SPAN`` characters long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TypeAlias

from assistant.conversation.markers import LONGEST, OPENERS, begins, marker_at

SPAN = 300
"""Characters of a code span or of the line that opens a fence, and how far a link is followed."""
GROUP = 12
"""Markers that are judged together."""
_OPENER = re.compile(rf"[{re.escape(OPENERS)}]")
_SPECIAL = re.compile(rf"[{re.escape(OPENERS)}`~\\\n]")
_JOINT = re.compile(r"[,;]? ?")
_CONTAINERS = re.compile(r"(?: {0,3}> ?)*(?: *(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?P<indent> *)")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+")
_LINK = re.compile(r"\((?:<[^<>\n]*>|[^\s()<][^\s()]*+)(?=[()]| +[\"'])")
_LINK_BEGUN = re.compile(r"\((?:<[^<>\n]*>?|[^\s()<][^\s()]*+ *)?")
_WORD = re.compile(r"[\w$@]+$")
_NAMED = re.compile(r"[a-z]|.*_.*|[a-z]+\d+|[$@].*")
_CUSTOMARY = frozenset("arr array args argv buf dict items list matrix obj row rows str tuple values vec".split())
_CANONICAL = re.compile(r"\[([1-9][0-9]?)\]")
_UNSETTLED = re.compile(rf"(?:(?<=\])[,;]? ?| ?)(?:\(?[\[【［]|[{re.escape(OPENERS)}]|$)|(?<=\])[,;]$")


_Placed: TypeAlias = "tuple[int, int, tuple[int | str, ...]]"
"""Start, end and numbers of a marker."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: as it was written, as it is shown, and the numbers that its markers name, in their order."""

    raw: str
    shown: str
    numbers: tuple[int | str, ...] = ()
    code: bool = False


@dataclass(frozen=True, slots=True)
class _Fence:
    mark: str
    size: int
    quoted: bool
    indent: int


class Lexer:
    """Tokens of a text that comes in pieces. A number that is not ``known`` is not shown."""

    def __init__(self, known: Callable[[int], bool]) -> None:
        self._known = known
        self._raw = ""
        self._line = ""
        self._fence: _Fence | None = None
        self._item = 0

    @property
    def undecided(self) -> str:
        """What has come and is in no token yet."""
        return self._raw

    def feed(self, text: str, final: bool = False) -> Iterator[Token]:
        """The tokens that are complete now; with ``final`` all the rest."""
        self._raw += text
        while self._raw:
            token = self._fenced(final) if self._fence else self._next(final)
            if token is None:
                return
            self._raw = self._raw[len(token.raw) :]
            self._passed(token.shown)
            yield token

    def settled(self) -> int:
        """How many characters of what is undecided are shown as they stand, whatever comes."""
        if self._fence:
            bare = self._line == "" and not self._raw.strip(" \t>")
            return 0 if bare or (self._line == "" and not self._stays(self._raw, self._fence)) else len(self._raw)
        for match in _UNSETTLED.finditer(self._raw):
            number = _CANONICAL.match(self._raw, match.end() - 1)
            if number is None or not self._known(int(number[1])):
                return match.start()
        return len(self._raw)

    def _next(self, final: bool) -> Token | None:
        raw = self._raw
        found = _SPECIAL.search(raw)
        at = found.start() if found else len(raw)
        lead = at > 0 and raw[at - 1] == " " and (found is None or raw[at] in OPENERS)
        if lead and (found is not None or not final):
            at -= 1
        if at:
            return Token(raw[:at], raw[:at])
        if found is None:
            return None
        if raw[found.start()] in OPENERS:
            return self._group(found.start(), final)
        if raw[0] == "\n":
            return Token("\n", "\n")
        if raw[0] == "\\":
            return Token(raw[:2], raw[:2]) if len(raw) > 1 or final else None
        return self._code(final)

    def _code(self, final: bool) -> Token | None:
        """A run of backticks or tildes: the start of a fence, a span, or just that."""
        raw = self._raw
        size = len(raw[:SPAN]) - len(raw[:SPAN].lstrip(raw[0]))
        if size == len(raw) < SPAN and not final:
            return None
        run = raw[:size]
        rest = raw[size : size + SPAN]
        line, newline, _ = rest.partition("\n")
        ended = final or bool(newline) or len(rest) == SPAN
        fence = self._opened(run) if size > 2 else None
        if fence and (run[0] == "~" or "`" not in line):
            if not ended:
                return None
            self._fence = fence
            raw = run + line
            return Token(raw, raw, code=True)
        if run[0] == "~":
            return Token(run, run)
        closing = re.search(rf"(?<!`){run}(?!`)", line)
        if closing and (closing.end() < len(line) or ended):
            raw = run + line[: closing.end()]
            return Token(raw, raw, code=True)
        return Token(run, run) if ended else None

    def _opened(self, run: str) -> _Fence | None:
        """The fence that a run opens where it stands, if it may."""
        line = self._line.replace("\t", "    ")
        prefix = _CONTAINERS.fullmatch(line)
        if prefix is None:
            return None
        inside = len(line) - len(prefix["indent"])
        item = inside if _ITEM.search(line[:inside]) else self._item if len(line) >= self._item else 0
        if len(prefix["indent"]) > (3 if inside else item + 3):
            return None
        return _Fence(run[0], len(run), ">" in line, 0 if ">" in line else item)

    def _fenced(self, final: bool) -> Token | None:
        """A line of a fence, or the rest of one; the fence ends with its closing line, its quotation or its item."""
        assert self._fence is not None
        line, newline, _ = self._raw.partition("\n")
        if self._line == "" and not self._stays(line, self._fence):
            if not newline and not final and not line.strip(" \t>"):
                return None
            self._fence = None
            return self._next(final)
        if not newline and not final:
            return None
        bare = line.strip(" \t\r>" if self._fence.quoted else " \t\r")
        if self._line == "" and len(bare) >= self._fence.size and not bare.strip(self._fence.mark):
            self._fence = None
        return Token(line + newline, line + newline, code=True)

    @staticmethod
    def _stays(line: str, fence: _Fence) -> bool:
        if fence.quoted:
            return line.lstrip(" ").startswith(">")
        indent = len(line) - len(line.lstrip(" \t"))
        return not line.strip() or "\t" in line[:indent] or indent >= fence.indent

    def _group(self, opener: int, final: bool) -> Token | None:
        """Markers in a row, with the space and the parenthesis before them; one character where there are none."""
        raw = self._raw
        wrapped = raw[opener] == "(" and raw[opener + 1 : opener + 2] in tuple("[【［")
        markers = self._markers(opener + wrapped, final)
        if not markers:
            return Token(raw[: opener + 1], raw[: opener + 1]) if markers is not None else None
        end = markers[-1][1]
        ahead = raw[end : end + SPAN]
        if not final and (len(ahead) < 1 + wrapped or (_LINK_BEGUN.fullmatch(ahead) and len(ahead) < SPAN)):
            return None
        if _LINK.match(ahead) and not raw.startswith("[[", markers[-1][0]):
            markers.pop()
        elif raw[markers[0][0]] != "(" and self._indexes(raw[: markers[0][0]]):
            glued = takewhile(lambda two: two[0][1] == two[1][0], pairwise(markers))
            end = markers[sum(1 for _ in glued)][1]
            markers = []
        return self._shown(markers) if markers else Token(raw[:end], raw[:end])

    def _markers(self, at: int, final: bool) -> list[_Placed] | None:
        """Those that follow each other from ``at`` on; None while that is not clear."""
        raw = self._raw
        found: list[_Placed] = []
        while len(found) < GROUP:
            if at == len(raw) and not final:
                return None
            marker = marker_at(raw, at)
            if marker is None:
                return None if begins(raw, at) and not final else found
            found.append((at, marker.end, marker.numbers))
            joint = _JOINT.match(raw, marker.end)
            at = joint.end() if joint else marker.end
        return found

    def _indexes(self, before: str) -> bool:
        """Whether a bracket here is an index, or a part of an address."""
        before = self._line + before
        word = _WORD.search(before)
        if word and not word[0].isdigit() and (_NAMED.fullmatch(word[0]) or word[0] in _CUSTOMARY):
            return True
        run = before.rpartition(" ")[2]
        inside = run.rpartition("](")[2] if "](" in run else ""
        return ("://" in run and "?" in run) or (inside != "" and ")" not in inside)

    def _shown(self, markers: list[_Placed]) -> Token:
        raw, end = self._raw, markers[-1][1]
        shown = ""
        ends = [markers[0][0], *(each[1] for each in markers)]
        for (before, _), (start, _, numbers) in zip(pairwise(ends), markers, strict=True):
            kept = "".join(f"[{each}]" for each in numbers if isinstance(each, int) and self._known(each))
            shown += (raw[before:start] if shown else "") + kept if kept else ""
        named = tuple(number for each in markers for number in each[2])
        lead = raw[: markers[0][0]]
        if not shown and self._would_join(lead):
            shown = "…"
        if shown:
            return Token(raw[:end], lead + shown, named)
        if lead.endswith("(") and raw[end : end + 1] == ")":
            lead, end = lead[:-1], end + 1
        after = raw[end : end + 1]
        if lead == " " and not after.isalnum():
            lead = ""
        elif not lead and after == " " and not self._line.strip():
            end += 1
        return Token(raw[:end], lead, named)

    def _would_join(self, lead: str) -> bool:
        """Whether what stands before could make another marker of what comes after."""
        before = self._line[-LONGEST:] + lead.rstrip("(")
        return any(begins(before, match.start()) for match in _OPENER.finditer(before))

    def _passed(self, shown: str) -> None:
        _, newline, tail = shown.rpartition("\n")
        if newline:
            self._line = ""
        self._line += tail
        if len(self._line) > 4 * SPAN:
            self._line = self._line[:100] + self._line[-2 * SPAN :]
        if self._fence:
            return
        if item := _ITEM.match(self._line):
            self._item = len(item[0])
        elif self._line.strip() and self._line[0] not in " \t>":
            self._item = 0
