"""Texts to vectors: the shipped MiniLM by default, any fastembed model, or an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from connectors import ConnectorError, ModelSpec
from connectors.openai_compat import OpenAIEmbeddings

if TYPE_CHECKING:
    from fastembed import TextEmbedding
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]
SHIPPED = Path(__file__).parent / "models" / "switchyard-minilm-1"
LOCAL_BATCH = 1
"""Texts a batch on the CPU. The shipped model scales its activations by batch, so that a text has one vector only when
it is alone; larger batches are hardly faster and keep more memory (docs/figures.md)."""
SIDE_BY_SIDE = 4
"""So many batches or more are shared out between the cores; a thread of its own is not worth it for fewer."""
SHIPPED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""What fastembed takes the shipped files for: they are of the same shape."""


class EmbedderError(Exception):
    """Texts cannot be embedded; the message says what to do."""


class Embedder(Protocol):
    """``name`` identifies the vectors (two embedders of one name give the same ones); ``dimension`` is their
    length; ``max_tokens`` is how much of a text is read."""

    name: str
    dimension: int
    max_tokens: int

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One normalised vector a text, [len(texts), dimension], in the order given."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, the special ones not counted."""

    async def aclose(self) -> None:
        """Release connections."""


def _cores() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def known_dimension(model: str) -> int:
    """The length of a fastembed model's vectors, from its list. Raises EmbedderError if it is not on it."""
    from fastembed import TextEmbedding

    try:
        return int(TextEmbedding.get_embedding_size(model))
    except ValueError as error:
        raise EmbedderError(f"fastembed knows no model '{model}'. Check embedder.model") from error


_in_memory: WeakValueDictionary[tuple[object, ...], TextEmbedding] = WeakValueDictionary()
_loading = threading.Lock()


def _loaded(max_tokens: int, arguments: dict[str, Any]) -> TextEmbedding:
    """The model of these arguments, one for all who use it now. Raises EmbedderError."""
    with _loading:
        # The texts go side by side already, so a tokenizer's own threads would only take the cores from the model. It
        # reads this variable and nothing else; whoever runs us may set it.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from fastembed import TextEmbedding

        key = (max_tokens, *arguments.items())
        model = _in_memory.get(key)
        if model is None:
            try:
                model = TextEmbedding(**arguments)
                # fastembed types its inner model by its base class, which has no tokenizer.
                model.model.tokenizer.enable_truncation(max_tokens)  # type: ignore[attr-defined]
            except Exception as error:  # fastembed raises whatever its downloader or onnxruntime raises
                name = arguments["model_name"]
                raise EmbedderError(f"the embedding model '{name}' cannot be loaded: {error}") from error
            _in_memory[key] = model
        return model


class FastEmbedder:
    """A fastembed model on this machine. ``folder`` holds its files; without it fastembed downloads the model once.

    The model is loaded on first use, once for all of its kind. A batch takes ``threads`` (None: all cores); with one,
    which is best for a small model, the batches of a call go side by side on ``cores`` (None: all): threads that share
    a text of some hundred words wait for each other a good part of the time (docs/figures.md).
    """

    def __init__(
        self,
        model: str = SHIPPED_MODEL,
        *,
        folder: Path | None = SHIPPED,
        dimension: int | None = 384,
        max_tokens: int = 512,
        batch_size: int = LOCAL_BATCH,
        threads: int | None = 1,
        cores: int | None = None,
    ) -> None:
        self.name = SHIPPED.name if folder == SHIPPED else model.split("/")[-1].lower()
        self.dimension = dimension or known_dimension(model)
        self.max_tokens = max_tokens
        self._arguments: dict[str, Any] = {"model_name": model, "threads": threads}
        if folder is not None:
            self._arguments["specific_model_path"] = str(folder)
        self._batch_size = batch_size
        self._cores = (cores or _cores()) if threads == 1 else 1
        self._workers: ThreadPoolExecutor | None = None
        self._model: TextEmbedding | None = None
        self._tokenizer: Tokenizer | None = None
        self._starting = threading.Lock()

    def _load(self) -> TextEmbedding:
        if self._model is None:
            self._model = _loaded(self.max_tokens, self._arguments)
        return self._model

    def _counter(self) -> Tokenizer:
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            # A copy: fastembed's own tokenizer truncates, and a count must not.
            loaded = self._load().model.tokenizer  # type: ignore[attr-defined]  # as in _loaded
            self._tokenizer = Tokenizer.from_str(loaded.to_str())
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        return self._tokenizer

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """``embed`` in the calling thread. Batches hold texts of like length, so that little is padding."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        # The longest first, so that no core is left with one at the end.
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        model = self._load()

        def fill(batch: Sequence[int]) -> None:
            found = model.embed([texts[index] for index in batch], batch_size=self._batch_size)
            vectors[batch] = list(found)

        if self._cores == 1 or len(batches) < SIDE_BY_SIDE:
            for batch in batches:
                fill(batch)
        else:
            list(self._pool().map(fill, batches))
        return vectors

    def _pool(self) -> ThreadPoolExecutor:
        with self._starting:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(self._cores, thread_name_prefix="embedder")
            return self._workers

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return await asyncio.to_thread(self.embed_now, texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(each.ids) for each in self._counter().encode_batch_fast(list(texts), add_special_tokens=False)]

    async def aclose(self) -> None:
        """End its threads; the model itself holds no connection."""
        if self._workers is not None:
            self._workers.shutdown(wait=False)
            self._workers = None


class OpenAIEmbedder:
    """An OpenAI-compatible ``/embeddings`` endpoint, asked in batches over one client. Tokens are estimated at four
    characters each."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        dimension: int,
        max_tokens: int,
        batch_size: int,
        http_client: object = None,
    ) -> None:
        self.name = model.split("/")[-1].lower()
        self.dimension = dimension
        self.max_tokens = max_tokens
        self._model = model
        spec = ModelSpec("embedder", model=model, base_url=base_url, api_key=api_key)
        self._endpoint = OpenAIEmbeddings(spec, http_client)
        self._batch_size = batch_size

    async def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        rows: list[Sequence[float]] = []
        try:
            for start in range(0, len(texts), self._batch_size):
                rows += await self._endpoint.embed(texts[start : start + self._batch_size])
        except ConnectorError as error:
            raise EmbedderError(f"the embedding endpoint failed: {error}") from error
        lengths = {len(row) for row in rows}
        if lengths != {self.dimension}:
            given = " or ".join(map(str, sorted(lengths)))
            raise EmbedderError(
                f"'{self._model}' gives vectors of {given} dimensions, and embedder.dimension is "
                f"{self.dimension}: set it to {given}"
            )
        vectors = np.asarray(rows, dtype=np.float32)
        normalised: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return normalised

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) // 4 + 1 for text in texts]

    async def aclose(self) -> None:
        """Close the client."""
        await self._endpoint.aclose()
