"""How many tokens a text costs: counted for OpenAI's models, estimated for all others.

The estimate is linear in what a text is made of. Its weights were fitted in November 2026 to o200k_base on 1,169 texts
of 200 to 4,000 characters (a handbook, Python, JavaScript, C, JSON, Markdown tables, and 18 languages out of Django's
translations) so that it errs on the high side: of 1,111 other pieces of such texts 95.8 % were estimated at 1.0 to 1.35
times what o200k_base counts, 2.4 % lower, the median at 1.17. What other tokenizers need beyond it is the factor of
their family; what a provider reports corrects it further.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import TYPE_CHECKING

from connectors.base import ChatMessage, DocumentPart, Part
from connectors.openai_compat import render_document

if TYPE_CHECKING:
    import tiktoken

REPLY = 3
"""Tokens that open the answer."""
_CACHED_CHARACTERS = 20_000
_PIECE = 50_000
"""Longer texts are encoded in pieces of as many characters: a pattern of the encoder's gives up on longer ones."""
_ESCAPED = 6
"""A character as XML at its longest: ``&quot;``."""
_PLAUSIBLE = (0.4, 4.0)
_BOUNDS = (0.7, 3.0)
_UP, _DOWN = 0.5, 0.1
_ENOUGH = 200

_MARK = r"!-/:-@\[-`{-~"
_LATIN: tuple[tuple[re.Pattern[str], float], ...] = (
    (re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]{1,4}"), 0.83),
    (re.compile("[0-9]{1,3}"), 1.75),
    (re.compile(f"[{_MARK}]+(?![{_MARK}A-Za-z])|[{_MARK}]{{2,}}(?=[A-Za-z])"), 1.35),
    (re.compile(f"[{_MARK}](?=[A-Za-z])"), 0.55),
    (re.compile("  +"), 0.5),
    (re.compile("[\u00c0-\u00ff]"), 0.5),
    (re.compile("[\u0100-\u024f]"), 0.9),
    (re.compile("[\u1e00-\u1eff]"), 0.4),
)
_OTHERS: tuple[tuple[re.Pattern[str], float], ...] = (
    (re.compile("[\u0400-\u052f]"), 0.34),
    (re.compile("[\u0370-\u03ff\u0530-\u0fff]"), 0.41),
    (re.compile("[\u3040-\u30ff\uac00-\ud7af]"), 0.7),
    (re.compile("[\u3400-\u9fff\uf900-\ufaff]"), 0.92),
    (re.compile("[\U00010000-\U0010ffff]"), 2.0),
    (
        re.compile(
            "[\u0080-\u00bf\u0250-\u036f\u1000-\u1dff\u1f00-\u303f\u3100-\u33ff\ua000-\uabff\ud7b0-\uf8ff\ufb00-\uffff]"
        ),
        1.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Family:
    """Models that share a tokenizer: an ``encoding`` of tiktoken's, or what the estimate is multiplied by, for text
    in Latin letters and in others. ``message`` is what the template adds to each message."""

    name: str
    latin: float = 1.0
    others: float = 1.0
    message: int = 6
    encoding: str | None = None


O200K = Family("o200k_base", message=4, encoding="o200k_base")
CL100K = Family("cl100k_base", others=1.5, message=4, encoding="cl100k_base")
UNKNOWN = Family("unknown", 1.25, 1.7)
# Measured: Mistral by Tekken, DeepSeek by its own, Claude by that of Claude 2, 32k by Mistral's first, which is much
# like Llama 2's, Llama 3 and Qwen by cl100k_base, from which their vocabularies grew. Gemini and Gemma are assumed.
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"(chat)?gpt-?(4o|4\.[1-9]|[5-9]|oss)|o[1-9](-|$)|codex", O200K),
    (r"(chat)?gpt-?(4|3)|davinci-002|babbage-002", CL100K),
    (r"claude|anthropic", Family("claude", 1.2, 1.9)),
    (r"gemini|gemma|google", Family("gemini", 1.1, 1.2)),
    (r"llama-?2|codellama|tinyllama|vicuna|zephyr|mixtral|mistral-7b|phi-?3", Family("32k", 1.3, 2.2)),
    (r"llama(?!cpp)|hermes|smollm", Family("llama", 1.1, 1.6)),
    (r"mistral|ministral|magistral|codestral|devstral|pixtral", Family("mistral", 1.1, 1.15)),
    (r"qwen|qwq", Family("qwen", 1.1, 1.4)),
    (r"deepseek", Family("deepseek", 1.1, 1.2)),
)


def family(model: str | None) -> Family:
    """The family of a model by its name, in whatever way its server writes it: ``openai:gpt-5-mini``,
    ``ft:gpt-4.1:acme::x``, ``Qwen/Qwen3-8B``, ``/models/mistral-7b.Q4_K_M.gguf``."""
    pieces = re.split(r"[:/\\\s]", (model or "").lower())
    for piece in pieces[1:2] if pieces[0] == "ft" else reversed(pieces):
        for pattern, found in _FAMILIES:
            if re.match(rf"(?:[a-z]+[-_.]){{0,2}}(?:{pattern})", piece):
                return found
    return UNKNOWN


class Counter:
    """Counts for one backend. ``ratio`` is how many tokens its provider counts for one of ours, as learnt so far."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.ratio = 1.0
        self._encoding: tiktoken.Encoding | None = None
        self._loaded = family.encoding is None

    @property
    def exact(self) -> bool:
        """Whether texts are counted, not estimated: an encoding is there and loaded."""
        return self._encoding is not None

    async def load(self) -> None:
        """Load the family's encoding, in a thread, once; where it is missing the estimate stays."""
        if not self._loaded and self.family.encoding:
            self._encoding = await asyncio.to_thread(encoding, self.family.encoding)
            self._loaded = True

    def text(self, text: str) -> int:
        """Tokens of a text, before ``ratio``."""
        return _counted(text, self.family, self._encoding)

    def part(self, part: Part) -> int:
        """Tokens of a part as connectors send it, before ``ratio``; kept, since history comes again each turn."""
        if len(part.text) > _CACHED_CHARACTERS:
            return _part(part, self.family, self._encoding)
        return _cached_part(part, self.family, self._encoding)

    def message(self, message: ChatMessage) -> int:
        """Tokens of a message with what its template and the blank lines between its parts add, before ``ratio``."""
        return self.family.message + sum(self.part(part) + 1 for part in message.parts)

    def messages(self, messages: Iterable[ChatMessage]) -> int:
        """Tokens of a request, before ``ratio``."""
        return REPLY + sum(self.message(message) for message in messages)

    def learn(self, counted: int, reported: int) -> None:
        """Correct ``ratio`` by what the provider ``reported`` for a request that was ``counted`` here.

        An average that rises faster than it sinks, so that it errs on the high side. Short requests say little, and
        reports far off are taken for something else: tokens without those in a cache, or with hidden ones.
        """
        if counted < _ENOUGH or not _PLAUSIBLE[0] <= reported / counted <= _PLAUSIBLE[1]:
            return
        seen = min(max(reported / counted, _BOUNDS[0]), _BOUNDS[1])
        self.ratio += (seen - self.ratio) * (_UP if seen > self.ratio else _DOWN)


def counter(model: str | None, connector: str = "") -> Counter:
    """A counter for the model; without a model in the name, the connector tells the family."""
    found = family(model)
    return Counter(family(connector) if found is UNKNOWN else found)


def bound(messages: Iterable[ChatMessage]) -> int:
    """A number of tokens that no tokenizer exceeds: every one that falls back to bytes needs at most one for each.
    Costs microseconds, so that most requests need no counting."""
    total = REPLY
    for message in messages:
        total += 6 + len(message.parts)
        total += sum(_bytes(part) for part in message.parts)
    return total


def _bytes(part: Part) -> int:
    if isinstance(part, DocumentPart):
        facts = (part.title, part.section, part.text, part.date, part.page, part.note)
        return 200 + _ESCAPED * sum(_size(fact) for fact in facts if fact)
    return _size(part.text)


def _size(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def _rendered(part: Part) -> str:
    return render_document(part) if isinstance(part, DocumentPart) else part.text


def _part(part: Part, family: Family, encoding: tiktoken.Encoding | None) -> int:
    return _counted(_rendered(part), family, encoding)


_cached_part = lru_cache(maxsize=1024)(_part)


def _counted(text: str, family: Family, encoding: tiktoken.Encoding | None) -> int:
    if encoding is None:
        return estimate(text, family)
    return sum(len(encoding.encode_ordinary(text[at : at + _PIECE])) for at in range(0, len(text), _PIECE))


def estimate(text: str, family: Family = O200K) -> int:
    """Tokens by what the text is made of, times the family's factors; at least one for 16 characters, as in a long
    run of one mark, and never more than the text has bytes."""
    total = family.latin * sum(weight * len(pattern.findall(text)) for pattern, weight in _LATIN)
    if text.isascii():
        return math.ceil(min(max(total, len(text) / 16), len(text)))
    total += family.others * sum(weight * len(pattern.findall(text)) for pattern, weight in _OTHERS)
    return math.ceil(min(max(total, len(text) / 16), len(text.encode("utf-8", "surrogatepass"))))


_lock = Lock()
_encodings: dict[str, tiktoken.Encoding | None] = {}


def encoding(name: str) -> tiktoken.Encoding | None:
    """tiktoken's encoding of that name, from the file that llama-index-core brings; None where something is missing.

    tiktoken's own loader would fetch the file or write to a folder that the environment names, so its recipe runs
    here with another loader. Takes about 0.3 s the first time.
    """
    with _lock:
        if name not in _encodings:
            try:
                import tiktoken

                recipe = getattr(importlib.import_module("tiktoken_ext.openai_public"), name)
                names = {**recipe.__globals__, "load_tiktoken_bpe": _ranks}
                _encodings[name] = tiktoken.Encoding(**FunctionType(recipe.__code__, names)())
            except (ImportError, AttributeError, TypeError, ValueError, OSError):
                _encodings[name] = None
        return _encodings[name]


def _ranks(address: str, expected_hash: str) -> dict[bytes, int]:
    found = find_spec("llama_index")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder, "core", "_static", "tiktoken_cache", hashlib.sha1(address.encode()).hexdigest())
        if path.is_file() and hashlib.sha256(content := path.read_bytes()).hexdigest() == expected_hash:
            rows = (line.split() for line in content.splitlines() if line)
            return {base64.b64decode(token): int(rank) for token, rank in rows}
    raise FileNotFoundError(f"no file of {address} is installed")
