"""What the chat page shows of a conversation: messages from the records, read so that many can look at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from assistant.conversation.correct import VERDICTS
from assistant.records.corrections import Correction, Corrections
from assistant.records.feedback import Feedback, Feedbacks
from assistant.records.repository import Branch, Repository, StoredTurn
from ui.about import about
from ui.aside import aside
from ui.chat_visit import Visit
from ui.encode import Shown
from ui.look import Look
from ui.rendering import said
from ui.ways import Said
from ui.words import Language

Messages = list[dict[str, Any]]
KEPT_TURNS = 1000
"""Turns whose messages are kept once they are made: some 15 kB each, and milliseconds of everybody's time."""
LONG = 2000
"""Characters from which on an answer is rendered away from the event loop: two milliseconds or so. Of a shorter one
the way to a thread and back costs everybody more."""
Looks = Callable[[Language], Look]


class View:
    """Reads conversations for the page: what a browser sends of them is never believed."""

    def __init__(self, records: Repository, looks: Looks) -> None:
        self._records = records
        self._corrections = Corrections(records)
        self._feedbacks = Feedbacks(records)
        self._looks = looks
        self._made: OrderedDict[Hashable, Messages] = OrderedDict()

    async def turns(self, visit: Visit) -> list[StoredTurn]:
        """The turns of the branch that is shown, none if the conversation is not this person's."""
        return (await self._branch(visit)).turns

    async def there(self, visit: Visit) -> bool:
        """Whether anything was said in it."""
        return bool((await self._branch(visit, 1)).turns)

    async def messages(self, visit: Visit, language: Language, until: str | None = None) -> Messages:
        """The last of its turns as messages, those before the turn ``until`` where one is named."""
        branch = await self._branch(visit, visit.turns + (until is not None))
        turns, earlier = branch.turns, branch.earlier
        if until is not None:
            turns = list(takewhile(lambda turn: turn.id != until, turns))[-visit.turns :]
        return await self._messages(visit, language, turns, earlier)

    async def before(self, visit: Visit, language: Language, turns: Sequence[StoredTurn]) -> Messages:
        """Turns of the branch, which are known, as messages: the last of them."""
        shown = turns[-visit.turns :]
        return await self._messages(visit, language, shown, len(shown) < len(turns))

    async def _branch(self, visit: Visit, last: int | None = None) -> Branch:
        if not visit.conversation:
            return Branch([], False)
        return await self._records.branch(visit.conversation, visit.person, last) or Branch([], False)

    async def _messages(self, visit: Visit, language: Language, turns: Sequence[StoredTurn], earlier: bool) -> Messages:
        if not turns:
            return []
        said_of = await self._corrections.listed(visit.conversation)
        # What those who run this have labelled is not this person's to see or to take back.
        corrected = {each.question: each for each in said_of if each.verdict in VERDICTS}
        judged = await self._feedbacks.of(visit.conversation, visit.person)
        look = self._looks(language)
        messages: Messages = []
        for at, turn in enumerate(turns):
            correction, thumb = corrected.get(turn.question), judged.get(turn.id)
            messages += await self._messages_of(turn, correction, thumb, look, earlier and at == 0)
        return messages

    async def _messages_of(
        self, turn: StoredTurn, correction: Correction | None, judged: Feedback | None, look: Look, earlier: bool
    ) -> Messages:
        """Made once: an answer that is over does not change, and is shown again with every one after it."""
        if turn.status == "running":
            return stored(turn, correction, judged, look, earlier)
        corrected = correction and (correction.verdict, correction.turn)
        shown = (look.language, look.contact, look.hosts, tuple(look.collections.items()))
        key = (
            turn.id,
            turn.status,
            len(turn.answer),
            turn.siblings,
            corrected,
            judged and judged.thumb,
            shown,
            earlier,
        )
        made = self._made.get(key)
        if made is None:
            made = await aside(partial(stored, turn, correction, judged, look, earlier))
            self._made[key] = made
            if len(self._made) > KEPT_TURNS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return made

    def shown(self, language: Language, correction: Said | None = None) -> Shown:
        """A growing answer."""
        return _shown(self._looks(language), correction=correction)


def stored(
    turn: StoredTurn, correction: Correction | None, judged: Feedback | None, look: Look, earlier: bool = False
) -> Messages:
    """A turn of the records as two messages; ``earlier`` where turns before it are not on the page."""
    asked_for = turn.routed is not None and bool(turn.routed["requested"])
    shown = _shown(
        look,
        text=turn.answer,
        routed=turn.routed,
        retrieved=turn.retrieved,
        checked=turn.checked,
        ended=turn.ended,
        stopped=turn.status == "stopped",
        unfinished=turn.status == "running",
        correction=as_said(correction.verdict, asked_for and correction.turn != turn.id) if correction else None,
    )
    return [user(turn.text), answer(shown, about(turn, judged.thumb if judged else None, earlier=earlier))]


def user(text: str) -> dict[str, Any]:
    """What a person said, as a message."""
    return {"role": "user", "content": said(text)}


def answer(shown: Shown, more: str = "") -> dict[str, Any]:
    """An answer as a message; ``more`` is what the page's script is told of it."""
    return {"role": "assistant", "content": f"{shown.markdown()}\n\n{more}".strip() if more else shown.markdown()}


async def growing(shown: Shown) -> dict[str, Any]:
    """An answer that is being written, as a message; a long one is made where nobody waits for it."""
    shown = shown.now()
    return answer(shown) if len(shown.text) < LONG else await aside(partial(answer, shown))


def as_said(verdict: str, again: bool = True) -> Said:
    """What somebody said of a route, and whether the answer was made for it."""
    return Said(verdict, again)  # type: ignore[arg-type]  # one of VERDICTS, from the records or checked by the service


def _shown(look: Look, **known: Any) -> Shown:
    return Shown(collections=look.collections, contact=look.contact, language=look.language, hosts=look.hosts, **known)
