"""Vectors of texts that come again: what somebody said before, the sentences of a passage that many answers cite."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from assistant.knowledge.embedder import Embedder, Vectors
from connectors import Embed

MOST = 4000
"""Vectors that are kept: 6 MB of the shipped model's."""


class Remembered:
    """Of one embedder. The oldest go first; of the texts only hashes are kept. Threads may share it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Remember vectors, one a text."""
        self._vectors.update(zip(map(_hash, texts), vectors, strict=True))
        while len(self._vectors) > self._most:
            self._vectors.popitem(last=False)

    async def embed(self, texts: Sequence[str], embedder: Embedder) -> Vectors:
        """As ``embedder.embed``, which is asked for those that are not known. Raises EmbedderError."""
        found, new = self._known(texts)
        return self._stacked(texts, found, new, await embedder.embed(new)) if new else _rows(texts, found)

    def embed_now(self, texts: Sequence[str], embed: Embed) -> Vectors:
        """The same in this thread."""
        found, new = self._known(texts)
        return self._stacked(texts, found, new, embed(new)) if new else _rows(texts, found)

    def _known(self, texts: Sequence[str]) -> tuple[dict[str, Vectors], list[str]]:
        """What is known of these texts, and which are not."""
        found = {text: vector for text in texts if (vector := self._vectors.get(_hash(text))) is not None}
        return found, [text for text in dict.fromkeys(texts) if text not in found]

    def _stacked(self, texts: Sequence[str], found: dict[str, Vectors], new: Sequence[str], made: Vectors) -> Vectors:
        self.keep(new, made)
        return _rows(texts, {**found, **dict(zip(new, made, strict=True))})


def _rows(texts: Sequence[str], found: dict[str, Vectors]) -> Vectors:
    return np.stack([found[text] for text in texts])


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
