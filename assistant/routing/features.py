"""What the classifier reads of a turn: vectors of the turn and of its conversation, and cues in its form.

The cues are those that a frozen sentence encoder is blind to: who spoke last and what was offered, whether a text
was pasted, whether something in it has the form of a question, of a confirmation or of a commission.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assistant.conversation.turn import Message

PREVIOUS_CHARACTERS = 400
TURN_CHARACTERS = 1500
READ_MESSAGES = 12
SHOWN_WORDS = 5


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"(?:" + "|".join(alternatives) + r")", re.IGNORECASE)


_ASKS = (
    r"\b(?:what|when|where|who|whom|whose|which|how|why|is|are|do|does|did|can|could|may|must|should|will|has|have)\b"
)
CUES: dict[str, re.Pattern[str]] = {
    "question_mark": re.compile(r"\?"),
    "asks_first": re.compile(r"^\W*(?:and |but |so |ok |hi |hello )?" + _ASKS, re.IGNORECASE),
    "asks": re.compile(_ASKS, re.IGNORECASE),
    "asks_foreign": _pattern(
        r"\b(?:wann|wo|wer|wie ?viel|wie|warum|welche\w*|darf|gibt es|quand|où|combien|comment|quel\w*|cu[aá]ndo|"
        r"d[oó]nde|cu[aá]nto\w*|qui[eé]n|quando|dove|quanto|chi|wanneer|waar|hoeveel|kiedy|gdzie|ile|kto|quanto|onde|"
        r"nerede|ne zaman|kaç)\b"
    ),
    "follow_up": re.compile(r"^\W*(?:and|what about|how about|also|und|et|y|e|en|same for|for)\b", re.IGNORECASE),
    "yes": _pattern(r"^\W*(?:yes|yep|yeah|sure|please do|go ahead|ja|oui|s[ií]|ok(?:ay)?|do it|tak|evet|sim)\b"),
    "no": _pattern(r"^\W*(?:no|nope|nah|nein|non|not now|never ?mind|leave it|forget it|nee|nie|hay[ıi]r)\b"),
    "thanks": _pattern(r"\b(?:thanks?|thx|ty|cheers|danke|merci|gracias|grazie|dank je|obrigad[oa]|dzi[eę]k\w*)\b"),
    "greets": _pattern(r"^\W*(?:hi|hey|hello|good (?:morning|evening|afternoon)|hallo|bonjour|hola|ciao|moin)\b"),
    "edits": _pattern(
        r"\b(?:shorten|shorter|translate|rephrase|reword|rewrite|summari[sz]e|proofread|simplif\w+|bullet points?|"
        r"correct|grammar|spell\w*|tidy|friendlier|politer|count|compare|tone down|kürze\w*|übersetz\w*|tradui\w*|"
        r"traduc\w*|formulier\w*|korrigier\w*)\b"
    ),
    "edits_given_text": re.compile(
        r"^\W*(?:(?:please|pls|can you|could you|bitte)\W+)*(?:shorten|translate|rephrase|reword|rewrite|summari[sz]e|"
        r"proofread|correct|fix|check|polish|simplify|improve|make|turn|put|tidy|count|sort|compare|kürz\w*|übersetz\w*|"
        r"korrigier\w*|formulier\w*|mach\w*|tradui\w*|corrig\w*|traduc\w*|resum\w*)\b[^:\n]{0,80}(?::|\n)\s*\S.{15,}",
        re.IGNORECASE | re.DOTALL,
    ),
    "refers": _pattern(
        r"\b(?:that|this|it|above|you (?:said|wrote|mentioned|told)|your (?:last|answer)|again|the (?:first|second|"
        r"last) (?:one|point|step|line|paragraph|sentence))\b"
    ),
    "drafts": _pattern(
        r"\b(?:write|draft|compose|prepare|word(?:ing)?|reply|answer (?:for|to)|post|tweet|announcement|newsletter|"
        r"e-?mail|letter|flyer|poster|press|notice|caption|schreib\w*|antwort\w*|verfass\w*|r[ée]dige\w*|escrib\w*|"
        r"scrivi\w*)\b"
    ),
    "audience": _pattern(
        r"\b(?:customers?|clients?|guests?|public|visitors?|parents|patients|members|everyone|audience|website|"
        r"instagram|linkedin|facebook|kund\w+|gäste|clientes?|clienti)\b"
    ),
    "doubts": _pattern(r"\b(?:are you sure|sure\?|really\?|but (?:i|it|the|my)|i (?:read|heard|thought)|sicher)\b"),
    "about_assistant": _pattern(
        r"\b(?:are you (?:a |an )?(?:bot|robot|human|ai|real)|who (?:are|made) you|your name|can you (?:hear|see|"
        r"remember|speak|understand)|you(?:'re| are) (?:great|funny|useless|stupid|nice|slow))\b"
    ),
    "source": _pattern(r"\b(?:link|source|page|where (?:does|is|did) (?:it|that|this)|quelle|url)\b"),
    "pasted": re.compile(r":\s*[\"“'„\n]|\n.*\n|```|:\s+\S.{40,}", re.DOTALL),
    "quoted": re.compile(r"\A[^\"“„»]*[\"“„»].{12,}[\"”“«]", re.DOTALL),  # from the first mark alone: linear
    "number": re.compile(r"\d"),
    "arithmetic": re.compile(r"\d\s*[-+*/x×%]\s*\d|\bpercent\b|\d\s*%", re.IGNORECASE),
    "first_person": re.compile(r"\b(?:i|my|me|we|our|ich|mein\w*|je|mon|ma|yo|mi|io|mio)\b", re.IGNORECASE),
    "trouble": _pattern(
        r"\b(?:not|n't|doesn|won't|can't|cannot|broken|stopped|fails?|failed|error|lost|missing|late|wrong|nicht|"
        r"kaputt|never arrived|still)\b"
    ),
    "exclaims": re.compile(r"!"),
    "chores": _pattern(r"\b(?:joke|poem|haiku|limerick|riddle|recipe|story|song|capital of|weather|witz|gedicht)\b"),
}
PREVIOUS_CUES: dict[str, re.Pattern[str]] = {
    "offers_lookup": _pattern(
        r"(?:shall|should|want me to|would you like me to|do you want me to|may|can) (?:i )?[^?.!]{0,30}?"
        r"\b(?:look|check|find|search|see)\b[^?.!]{0,400}\?",
        r"\b(?:nachsehen|nachschauen|heraussuchen|nachschlagen)\b[^?.!]{0,400}\?",
    ),
    "offers_edit": _pattern(
        r"(?:shall|should|want me to|would you like|do you want)[^?.!]{0,40}?"
        r"\b(?:short\w*|translat\w*|reword|rephrase|summar\w*|friendl\w*|formal|tighten|cut|version)\b[^?.!]{0,400}\?"
    ),
    "offers_draft": _pattern(
        r"(?:shall|should|want me to|would you like|do you want)[^?.!]{0,40}?"
        r"\b(?:write|draft|prepare|put together|turn)\b[^?.!]{0,400}\?"
    ),
    "anything_else": _pattern(r"\b(?:anything else|something else|sonst noch|autre chose|algo m[aá]s|altro)\b"),
    "asks_back": re.compile(r"\?[^\w?]*$"),
    "states_number": re.compile(r"\d"),
    "draft_shown": _pattern(r"\b(?:here(?:'s| is) (?:a|the|your)|dear |subject:|hi all|hello,)"),
    "says_unknown": _pattern(r"\b(?:don't know|not sure|can't find|no information|nothing about|couldn't find)\b"),
}
NUMBERS = ("words", "long", "history", "previous_words", "shared_with_previous", "upper")
NAMES = (*CUES, *(f"previous_{name}" for name in PREVIOUS_CUES), *NUMBERS)


def previous_answer(history: Sequence[Message]) -> str:
    """The assistant's last message, or an empty string."""
    return next((message.content for message in reversed(history) if message.role == "assistant"), "")


def texts(turn: str, history: Sequence[Message]) -> tuple[str, ...]:
    """The texts whose vectors the classifier reads: the turn, and within a conversation also the previous answer's
    end, and both as one."""
    said = turn[:TURN_CHARACTERS]
    if not history:
        return (said,)
    previous = previous_answer(history)[-PREVIOUS_CHARACTERS:]
    asked = next((message.content for message in reversed(history) if message.role == "user"), "")
    return said, previous or "-", f"{asked[-160:]} | {previous[-240:]} | {said}"


def shown(turn: str, history: Sequence[Message]) -> dict[str, str]:
    """The cues that are in a turn, and for each the words that show it ("how many days" for a question), which come
    from the previous answer for those of it."""
    previous = previous_answer(history[-READ_MESSAGES:])
    found = {name: match for name, pattern in CUES.items() if (match := pattern.search(turn))}
    found |= {
        f"previous_{name}": match
        for name, pattern in PREVIOUS_CUES.items()
        if previous and (match := pattern.search(previous))
    }
    return {name: _words_from(match) for name, match in found.items()}


def _words_from(match: re.Match[str]) -> str:
    """The words of a match and those that follow it, up to ``SHOWN_WORDS`` or the end of the sentence."""
    rest = re.split(r"[.?!\n]", match.string[match.start() :].strip(" \t\n,;:-"), maxsplit=1)[0]
    return " ".join(rest.split()[:SHOWN_WORDS])


def cues(turn: str, history: Sequence[Message]) -> NDArray[np.float32]:
    """The cues in the order of ``NAMES``; each between 0 and about 1."""
    history = history[-READ_MESSAGES:]
    previous = previous_answer(history)
    words = re.findall(r"\w+", turn.casefold())
    before = set(re.findall(r"\w{4,}", " ".join(message.content for message in history).casefold()))
    content = [word for word in words if len(word) > 3]
    letters = [letter for letter in turn if letter.isalpha()]
    found = [float(bool(pattern.search(turn))) for pattern in CUES.values()]
    found += [float(bool(previous and pattern.search(previous))) for pattern in PREVIOUS_CUES.values()]
    found += [
        min(len(words), 40) / 40,
        float(len(words) > 45),
        min(len(history), 4) / 4,
        min(len(previous.split()), 80) / 80,
        sum(word in before for word in content) / max(len(content), 1),
        sum(letter.isupper() for letter in letters) / max(len(letters), 1),
    ]
    return np.asarray(found, dtype=np.float32)
