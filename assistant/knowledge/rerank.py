"""An optional second look: a cross-encoder reads each candidate together with the query."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.knowledge.embedder import EmbedderError

if TYPE_CHECKING:
    from fastembed.rerank.cross_encoder import TextCrossEncoder


SIDE_BY_SIDE = 2
"""Texts that are read at once where each has one thread."""


class CrossEncoder:
    """A cross-encoder of fastembed. ``folder`` holds its files; without it fastembed downloads the model once.

    It reads every candidate anew, some 10 ms a passage on a CPU, so it is for those who can wait. With one thread two
    texts go side by side, each on a core of its own.
    """

    def __init__(self, model: str, *, folder: Path | None = None, threads: int | None = None) -> None:
        self._arguments: dict[str, Any] = {"model_name": model, "threads": threads}
        if folder is not None:
            self._arguments["specific_model_path"] = str(folder)
        # Few threads: each of them keeps the memory that a long text takes.
        self._workers = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="cross-encoder")
        self._model: TextCrossEncoder | None = None
        self._loading = threading.Lock()

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher is better; only their order counts. Raises EmbedderError where the model cannot be
        loaded."""
        if self._arguments["threads"] == 1:
            run = asyncio.get_running_loop().run_in_executor
            alone = await asyncio.gather(*(run(self._workers, self._scores, query, [text]) for text in texts))
            return [score for (score,) in alone]
        return await asyncio.to_thread(self._scores, query, list(texts)) if texts else []

    def _scores(self, query: str, texts: list[str]) -> list[float]:
        return [float(score) for score in self._load().rerank(query, texts, batch_size=8)]

    def _load(self) -> TextCrossEncoder:
        with self._loading:
            if self._model is None:
                from fastembed.rerank.cross_encoder import TextCrossEncoder

                try:
                    self._model = TextCrossEncoder(**self._arguments)
                except Exception as error:  # fastembed raises whatever its downloader or onnxruntime raises
                    name = self._arguments["model_name"]
                    raise EmbedderError(
                        f"the reranker '{name}' cannot be loaded: {error}. Check retrieval.reranker"
                    ) from error
            return self._model
