"""Turns that are over, remembered as they were read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from assistant.records.stored import StoredTurn

KEPT = 400
"""Turns; some 50 kB each, with their passages."""


class Ended:
    """Turns that are over, as they were read last: a conversation is read again with each of its turns, and what is
    over does not change. Asked by id only, after the database has said that the turn is there and whose it is."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, StoredTurn] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ids: Sequence[str]) -> dict[str, StoredTurn]:
        """Those of them that are known."""
        with self._lock:
            found = {each: self._turns[each] for each in ids if each in self._turns}
            for each in found:
                self._turns.move_to_end(each)
        return found

    def keep(self, turns: Iterable[StoredTurn]) -> None:
        """Remember those that are over for good: one that seems stopped may be ended by another process yet."""
        with self._lock:
            for turn in turns:
                if turn.status in ("finished", "failed"):
                    self._turns[turn.id] = turn
            while len(self._turns) > KEPT:
                self._turns.popitem(last=False)
