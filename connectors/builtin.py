"""The answer without a language model: quotes the best-supported sentences of the documents, with citations, or
repeats the nearest of the organisation's voice examples. It never writes a fact that is not in a document."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.base import ChatMessage, ChatModel, ChatRequest, Delta, DocumentPart, Embed, ModelSpec, Resources
from connectors.errors import ConfigurationError

NOTE = "No language model is configured: this quotes the documents and writes nothing of its own."
VOICE_NOTE = "No language model is configured: this is the nearest of the voice examples."
NO_EXAMPLE_NOTE = "No language model is configured, and no voice example fits this turn."
NOTHING_FITS = (
    "That is more than I can do on my own: without a language model I quote your documents and make a little small "
    "talk. Whoever runs this assistant can add one in `assistant.yaml`."
)
MAX_QUOTES = 4
MAX_CHARACTERS = 900
THOUGHT_CHARACTERS = 360
MARGIN = 0.16
"""How far below the best quote's score another one may lie and still be said."""
EXAMPLE_FIT, SHORT_FIT = 0.5, 0.42
"""Cosine from which a voice example is taken to answer the same thing; a turn of a word or three has less to match."""
SHORT_WORDS = 3

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z0-9ÄÖÜ\"'(\[*_])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|approx|No|Mr|Mrs|Ms|Dr|St|z\.B|bzw)\.$")
_LEANS = re.compile(
    r"(?:It|They|This|That|These|Those|He|She|Its|Their|Then|Otherwise|However|But|And|So|After that|"
    r"Before that|Sie|Es|Dies\w*|Das|Danach)\b"
)
_WORD = re.compile(r"\w{2,}", re.UNICODE)
_COMMON = frozenset(
    "the and for are was were with that this from have has not you your our can will what when where which who how "
    "does did into about any all get may must should would could there their they them its is be to of in on at it "
    "do we us an or if as by my me so der die das und ist wie was wer ein eine ich".split()
)


@dataclass(frozen=True, slots=True)
class _Quote:
    """A sentence, list item or table row of a document; ``header`` is the head of its table."""

    document: int
    position: int
    text: str
    bullet: bool = False
    header: str | None = None


class BuiltinModel(ChatModel):
    """Extracts; ``embed`` ranks sentences by meaning, ``exchanges`` are (said, answer) pairs of the voice."""

    def __init__(self, name: str, embed: Embed, exchanges: Sequence[tuple[str, str]] = ()) -> None:
        self.name = name
        self._embed = embed
        self._exchanges = tuple(exchanges)
        self._said: NDArray[np.float32] | None = None

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> BuiltinModel:
        """The factory that the registry calls; it needs the host's embedder."""
        if resources.embed is None:
            raise ConfigurationError(f"models.{spec.name}: the builtin connector needs an embedder from its host")
        return cls(spec.name, resources.embed, resources.exchanges)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        documents = [part for message in request.messages for part in message.documents]
        turns = [message for message in request.messages if message.role != "system"]
        if documents:
            answer, note = await asyncio.to_thread(self._extract, turns, documents), NOTE
        else:
            answer, note = await asyncio.to_thread(self._nearest, turns)
        for piece in re.findall(r"\S+\s*|\s+", answer):
            yield Delta(text=piece)
            await asyncio.sleep(0)
        yield Delta(model="builtin", finish="stop", note=note)

    def _nearest(self, turns: Sequence[ChatMessage]) -> tuple[str, str]:
        said = turns[-1].text if turns else ""
        if not self._exchanges or not said.strip():
            return NOTHING_FITS, NO_EXAMPLE_NOTE
        if self._said is None:
            self._said = self._embed([example for example, _ in self._exchanges])
        fits = self._said @ self._embed([said])[0]
        best = int(fits.argmax())
        if fits[best] < (SHORT_FIT if len(said.split()) <= SHORT_WORDS else EXAMPLE_FIT):
            return NOTHING_FITS, NO_EXAMPLE_NOTE
        return self._exchanges[best][1], VOICE_NOTE

    def _extract(self, turns: Sequence[ChatMessage], documents: Sequence[DocumentPart]) -> str:
        asked = [message.text for message in turns if message.role == "user"][-2:]
        quotes = [quote for index, part in enumerate(documents) for quote in _quotes(index, part.text)]
        if not quotes or not asked:
            return "The documents hold no text that answers this."
        chosen = self._choose(asked, quotes, documents)
        return _compose(sorted(chosen, key=lambda quote: (quote.document, quote.position)), documents)

    def _choose(
        self, asked: Sequence[str], quotes: Sequence[_Quote], documents: Sequence[DocumentPart]
    ) -> list[_Quote]:
        """Greedy: closeness to the question and its words, the rank of the document, less what is said already."""
        texts = [_in_context(quote, documents[quote.document]) for quote in quotes]
        vectors = self._embed([*asked, *texts])
        question, matrix = vectors[len(asked) - 1], vectors[len(asked) :]
        closeness = matrix @ question
        if len(asked) > 1:
            closeness = 0.8 * closeness + 0.2 * (matrix @ vectors[0])
        words = [_words(text) for text in texts]
        wanted = _words(asked[-1])
        overlap = np.array([len(wanted & found) / max(len(wanted), 1) for found in words])
        rank = np.array([0.05 * quote.document for quote in quotes])
        score = closeness + 0.35 * overlap - rank
        chosen: list[int] = []
        length = 0
        floor = float(score.max()) - MARGIN
        for index in np.argsort(-score):
            text = quotes[index].text
            repeats = any(float(matrix[index] @ matrix[other]) > 0.9 for other in chosen)
            if score[index] < floor or len(chosen) == MAX_QUOTES:
                break
            if repeats or (chosen and length + len(text) > MAX_CHARACTERS):
                continue
            chosen.append(int(index))
            length += len(text)
        return [quotes[index] for index in chosen]


def _words(text: str) -> set[str]:
    return {word[:6] for word in _WORD.findall(text.casefold()) if word not in _COMMON}


def _in_context(quote: _Quote, part: DocumentPart) -> str:
    head = f"{quote.header} " if quote.header else ""
    return f"{part.section or part.title}: {head}{quote.text}"


def _quotes(document: int, text: str) -> list[_Quote]:
    found: list[_Quote] = []
    header: str | None = None
    for block in _blocks(text):
        if block.startswith("|"):
            if set(block) <= set("|-: "):
                continue
            if header is None:
                header = block
                continue
            found.append(_Quote(document, len(found), block, header=header))
            continue
        header = None
        item = re.match(r"(?:[-*+]|\d+[.)])\s+(.*)", block, re.DOTALL)
        if item:
            found.append(_Quote(document, len(found), _flat(item.group(1)), bullet=True))
        else:
            found += [_Quote(document, len(found) + n, each) for n, each in enumerate(_thoughts(_flat(block)))]
    return [quote for quote in found if len(quote.text) > 12]


def _blocks(text: str) -> list[str]:
    """Paragraphs, list items and table rows, each as one string; headings and fences are left out."""
    blocks: list[str] = []
    fresh = True
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "```", "~~~")):
            fresh = True
            continue
        starts = re.match(r"(?:[-*+]|\d+[.)])\s|\|", stripped) is not None
        if starts or fresh or blocks[-1].startswith("|"):
            blocks.append(stripped)
        else:
            blocks[-1] += " " + stripped
        fresh = False
    return blocks


def _flat(text: str) -> str:
    return " ".join(text.lstrip("> ").split())


def sentences(text: str) -> list[str]:
    """Sentences of one paragraph; common abbreviations do not end one."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(text):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] += " " + piece
        elif piece.strip():
            found.append(piece.strip())
    return found


def _thoughts(paragraph: str) -> list[str]:
    """Sentences, each with those after it that lean on it ("They must be used by …")."""
    found: list[str] = []
    for sentence in sentences(paragraph):
        if found and _LEANS.match(sentence) and len(found[-1]) + len(sentence) < THOUGHT_CHARACTERS:
            found[-1] += f" {sentence}"
        else:
            found.append(sentence)
    return found


def _compose(quotes: Sequence[_Quote], documents: Sequence[DocumentPart]) -> str:
    """The quotes as Markdown: sentences flow, items stay a list, rows stay a table with its head."""
    lines: list[str] = []
    previous: _Quote | None = None
    for quote in quotes:
        cite = f" [{documents[quote.document].number}]"
        joined = previous is not None and previous.document == quote.document
        if quote.header is not None:
            if not (joined and previous is not None and previous.header == quote.header):
                columns = quote.header.strip("|").count("|") + 1
                lines += ["", quote.header, "|" + " --- |" * columns]
            lines.append(quote.text.rstrip("| ").rstrip() + cite + " |")
        elif quote.bullet:
            if not (joined and previous is not None and previous.bullet):
                lines.append("")
            lines.append(f"- {quote.text}{cite}")
        elif joined and previous is not None and not previous.bullet and previous.header is None:
            lines[-1] += f" {quote.text}{cite}"
        else:
            lines += ["", f"{quote.text}{cite}"]
        previous = quote
    return "\n".join(lines).strip()
