"""What a person may say of the way that an answer went, and what the page shows of what was said.

It travels inside the answer's own HTML, hidden, as classes and words: Gradio's sanitizer takes everything else away,
and what a model writes can bring no classes. The page's script makes buttons of it, below the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from assistant.conversation.correct import VERDICTS, Verdict, meant
from ui.words import Words

Wire = Mapping[str, Any]
UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Said:
    """A correction as it stands: its verdict, and whether the answer that is shown was made for it."""

    verdict: Verdict
    again: bool

    def done(self, words: Words) -> str:
        """What was done, for the route card; empty where it was only noted."""
        return words[f"ways.done_{self.verdict}"] if self.again else ""


def offered(routed: Wire) -> tuple[Verdict, ...]:
    """The verdicts that would have this answer made another way, whatever the surface's rule for the voice. None of
    them are two words for one way."""
    found: dict[Verdict, frozenset[str]] = {}
    for verdict in VERDICTS:
        meanings = [meant(verdict, routed, voiced) for voiced in (False, True)]
        ways = frozenset(each.route for each in meanings if each is not None)
        # What in_voice and plainly mean of a turn that was not looked up, look_up may mean too.
        if all(meanings) and routed["route"] not in ways and not any(ways & other for other in found.values()):
            found[verdict] = ways
    return tuple(found)


def ways(routed: Wire, said: Said | None, words: Words) -> str:
    """One hidden element: the turn, what stands, and what may be said. An answer for which a correction was only
    noted offers nothing but to take it back."""
    parts = []
    if said:
        stands = words["ways.again" if said.again else "ways.noted"]
        parts.append(f'<span class="stands">{escape(stands)}</span>')
    if said is None or said.again:
        parts += [f'<span class="way way-{each}">{escape(words[f"ways.do_{each}"])}</span>' for each in offered(routed)]
    return f'<p class="ways turn-{routed["turn"]}">{"".join(parts)}</p>' if parts else ""


def read(message: str) -> tuple[str, str]:
    """What the page's script sends, ``turn verdict count``, as turn and verdict. The count makes each message
    another one, or Gradio would send nothing."""
    turn, verdict, *_ = [*message.split(" "), "", ""]
    return turn, verdict
