"""What a person says of the route of a turn, as it is kept, and what follows from it."""

from __future__ import annotations

from assistant.conversation.accepting import TurnRejected
from assistant.conversation.correct import VERDICTS, Meant, Voiced, meant
from assistant.conversation.turn import as_history
from assistant.records.corrections import Correction
from assistant.records.models import now
from assistant.records.stored import StoredTurn, Thread

_IDS = ("type", "turn", "conversation")


def judged(turn: StoredTurn, thread: Thread, verdict: str, person: str, voiced: Voiced) -> tuple[Correction, Meant]:
    """Both, of a turn in its thread. Raises TurnRejected."""
    named = next((each for each in VERDICTS if each == verdict), None)
    if named is None:
        raise TurnRejected("unknown_verdict", f"There is no verdict '{verdict}'. There are: {', '.join(VERDICTS)}.")
    if turn.routed is None:
        raise TurnRejected("not_answered", "This turn has no answer yet whose route could be wrong. Wait for it.")
    decision = {name: value for name, value in turn.routed.items() if name not in _IDS}
    found = meant(named, decision, voiced(thread.surface, decision["scores"]["voice"]))
    if found is None:
        raise TurnRejected("nothing_to_look_up", "Nothing was looked up for this answer. Say look_up instead.")
    correction = Correction(
        turn=turn.id,
        conversation=turn.conversation,
        question=turn.question,
        verdict=named,
        person=person,
        surface=thread.surface,
        text=turn.text,
        history=as_history(thread.until(turn.parent)),
        information=found.information,
        voice=found.voice,
        decision=decision,
        made_at=now(),
    )
    return correction, found
