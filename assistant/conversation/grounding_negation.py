"""Whether a claim says the opposite of its sources: by the words after a negation, and by how near sentences differ."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from assistant.conversation.grounding_sources import Place, Sources
from assistant.conversation.reading import Reading, Word, negates

WHOLE = 0.9
"""Share of a claim's words in a sentence from which the two say, or deny, the same."""


def negations(claim: Reading, sources: Sources, best: Sequence[Place]) -> tuple[dict[str, float], Place | None]:
    """Signals that the claim negates what its nearest sentences say, or says what they negate, and the sentence that it
    turns round."""
    ours = {word.stem for word in claim.words if word.negated and word.stem}
    said_plainly = {word.stem for word in claim.words if word.stem and not word.negated}
    top = best[0].held if best else 0.0
    near = [place for place in best if place.held >= (0.9 if top > 0.75 else 0.7) * top][:3]
    denies = any(negates(word.low) for word in claim.words)
    added = min((_added(ours, sources, place) for place in near), default=1.0) if denies else 0.0
    first = {word.stem for word in claim.words if word.negated == 1}
    added_head = float(bool(near) and denies and all(_says(first, sources, place) for place in near))
    lost = lost_head = lost_whole = 0.0
    for place in near[:2]:
        negated, said = sources.polarity(place)
        turned = (negated & said_plainly) - said
        lost = max(lost, len(turned) / len(negated) if negated else 0.0)
        head = {word.stem for word in sources.words(place) if word.negated == 1} - ours
        if head & said_plainly - said and not denies:
            lost_head = 1.0
            lost_whole = max(lost_whole, float(_share(said_plainly, negated | said) >= WHOLE))
    pairs = [_aligned(claim, sources, place, first=place == best[0]) for place in best]
    put_in, left_out = (max((pair[n] for pair in pairs), default=0.0) for n in (0, 1))
    turned_round = added == 1.0 or lost > 0.4 or lost_head or put_in or left_out
    return {
        "negation_added": added, "negation_lost": lost, "added_close": added * top, "lost_close": lost * top,
        "added_head": added_head * top, "lost_head": lost_head * top,
        "lost_whole": lost_whole, "put_in": put_in * top, "left_out": left_out * top,
    }, near[0] if near and turned_round else None  # fmt: skip


def _added(ours: set[str], sources: Sources, place: Place) -> float:
    """How much a negation of these words is the claim's own: 1 where the sentence says them without one."""
    negated, said = sources.polarity(place)
    denies = sources.sentence(place).negations
    if ours & negated or (not ours and denies):
        return 0.0
    if ours & said:
        return 1.0
    return 0.4 if denies else 0.7


def _says(stems: set[str], sources: Sources, place: Place) -> bool:
    """Whether a sentence says one of these without negating it."""
    negated, said = sources.polarity(place)
    return bool(stems & said) and not stems & negated


def _share(some: set[str], of: set[str]) -> float:
    return len(some & of) / max(1, len(some))


def _aligned(claim: Reading, sources: Sources, place: Place, *, first: bool) -> tuple[float, float]:
    """Negations that stand in one of the two between words that follow each other in the other one too; in a sentence
    that is not the nearest more of them must."""
    theirs = _spelt_out(sources.words(place))
    ours = _spelt_out(claim.words)
    if "not" not in ours and "not" not in theirs:
        return 0.0, 0.0
    put_in = left_out = 0.0
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal" or b - a > 3 or d - c > 3:
            continue
        follow = ours[b : b + 3] == theirs[d : d + 3] and len(ours[b : b + 3]) == 3
        precede = ours[max(0, a - 3) : a] == theirs[max(0, c - 3) : c] and a > 2
        inside = (first and a > 0 and b < len(ours) and c > 0 and d < len(theirs)) or follow or precede
        if "not" in ours[a:b] and "not" not in theirs[c:d] and inside:
            put_in = 1.0
        if "not" in theirs[c:d] and "not" not in ours[a:b] and inside:
            left_out = 1.0
    return put_in, left_out


def _spelt_out(words: Sequence[Word]) -> list[str]:
    """The words with every negation as one of its own: "cannot" and "can't" as "can not"."""
    made: list[str] = []
    for word in words:
        low = word.low.replace("’", "'")
        if low.endswith("n't"):
            made += [{"ca": "can", "wo": "will"}.get(low[:-3], low[:-3]), "not"]
        elif low == "cannot":
            made += ["can", "not"]
        else:
            made.append("not" if negates(low) else (word.stem or low))
    return made
