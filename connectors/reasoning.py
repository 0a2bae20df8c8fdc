"""Keeps what a model thinks aloud, ``<think>…</think>`` at the start of its answer, from the reader."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class Thoughts:
    """A filter over the pieces of one answer. The tags may be cut anywhere between two pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._past = False
        self._started = False

    def feed(self, piece: str) -> str:
        """The part of ``piece``, and of what was held back before it, that is meant for the reader."""
        if self._started:
            return piece
        self._held += piece
        if not self._past and not self._inside:
            begun = self._held.lstrip()
            if begun.startswith(_OPEN):
                self._inside, self._held = True, begun[len(_OPEN) :]
            elif _OPEN.startswith(begun):
                return ""
        if self._inside:
            _, closed, rest = self._held.partition(_CLOSE)
            if not closed:
                self._held = self._held[-len(_CLOSE) + 1 :]
                return ""
            self._inside, self._past, self._held = False, True, rest
        shown = self._held.lstrip() if self._past else self._held
        self._started = bool(shown)
        self._held = ""
        return shown

    def rest(self) -> str:
        """What was held back and turned out to be no thought, when the answer has ended."""
        held, self._held = self._held, ""
        return "" if self._inside or self._past else held
