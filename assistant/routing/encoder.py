"""The fine-tuned MiniLM of the router: reads a turn together with its conversation, in one pass.

``finetune.py`` made it; ``models/README.md`` is its card. It runs on onnxruntime alone, one pair at a time: the int8
model scales its activations by batch, so that a pair has one vector only when it is alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assistant.conversation.turn import Message

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

Vector = NDArray[np.float32]
SHIPPED = Path(__file__).parent / "models" / "switchyard-router-1"
MODEL_FILE, TOKENIZER_FILE = "model.onnx", "tokenizer.json"
MAX_TOKENS = 160
DIMENSION = 768
THREADS = 1
"""Two are a tenth quicker on a long pair and cost half as much again, and slower on a short one; the turn is embedded
and searched at the same time."""
READ_MESSAGES = 6
LATEST_WORDS, EARLIER_WORDS = 70, 30
"""Words read of the message before the turn, and of each earlier one."""
LATEST_HEAD, EARLIER_HEAD = 20, 15
"""Those of them that come from its beginning; the others are its end, where offers and questions stand."""


def pair(turn: str, history: Sequence[Message]) -> tuple[str, str]:
    """What is read: the turn, and its conversation with the latest message first, so that truncation drops the
    oldest."""
    said = []
    for age, message in enumerate(reversed(history[-READ_MESSAGES:])):
        most, head = (EARLIER_WORDS, EARLIER_HEAD) if age else (LATEST_WORDS, LATEST_HEAD)
        words = message.content.split()
        if len(words) > most:
            words = [*words[:head], "…", *words[head - most :]]
        said.append(f"{message.role}: {' '.join(words)}")
    return turn, " | ".join(said)


class EncoderError(Exception):
    """The router's model cannot be loaded; the message says from where and why."""


class TurnEncoder:
    """Loaded on first use. ``threads`` is how many one call takes."""

    def __init__(self, folder: Path = SHIPPED, *, threads: int = THREADS) -> None:
        self.folder = folder
        self._threads = threads
        self._loaded: tuple[Tokenizer, InferenceSession] | None = None
        self._loading = threading.Lock()

    def encode(self, turn: str, history: Sequence[Message]) -> Vector:
        """The pooled vector of a pair, [768]: that of the first token and the mean. Raises EncoderError."""
        tokenizer, session = self._load()
        read = tokenizer.encode(*pair(turn, history))
        feed = {
            "input_ids": np.array([read.ids], dtype=np.int64),
            "attention_mask": np.array([read.attention_mask], dtype=np.int64),
            "token_type_ids": np.array([read.type_ids], dtype=np.int64),
        }
        vector: Vector = session.run(None, feed)[0][0]
        return vector

    def _load(self) -> tuple[Tokenizer, InferenceSession]:
        with self._loading:
            if self._loaded is None:
                from onnxruntime import InferenceSession, SessionOptions
                from tokenizers import Tokenizer

                options = SessionOptions()
                options.intra_op_num_threads = self._threads
                # A thread that waits for the next turn would otherwise burn a core for some 30 ms after each.
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                try:
                    tokenizer = Tokenizer.from_file(str(self.folder / TOKENIZER_FILE))
                    session = InferenceSession(
                        str(self.folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
                    )
                except Exception as error:  # both libraries raise whatever their native side raises
                    raise EncoderError(f"the router's model in {self.folder} cannot be loaded: {error}") from error
                tokenizer.no_padding()
                tokenizer.enable_truncation(MAX_TOKENS, strategy="longest_first")
                self._loaded = tokenizer, session
            return self._loaded
