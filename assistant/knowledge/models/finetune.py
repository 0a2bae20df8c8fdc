"""Fine-tune all-MiniLM-L6-v2 for questions as people ask them at work: how the shipped embedder's weights were made.

Never imported by the product. In the environment of ``export.py``, with Switchyard itself beside it:

    python -m assistant.knowledge.models.finetune --handbook HANDBOOK --out tuned

HANDBOOK is the folder of the 18F handbook (CC0) that ``training/handbook_pairs.jsonl`` points into: 1,430 questions
written for this project, each with the passage that answers it, 357 of them with a second question that it does not.
Nothing that the figures are measured on is trained on. A query is embedded as the retriever
does it, mixed from the turn and its conversation. Only the upper three layers are trained: in-batch contrastive loss
with hard negatives, and a pairwise sigmoid loss, so that a cosine means the same for every question. The weights are
then moved back by ``1 - BLEND`` towards the published ones, which keeps what those know of other fields (Wortsman et
al., "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from assistant.conversation.turn import Message
from assistant.knowledge.documents import Chunk
from assistant.knowledge.models.export import TOKENIZER_FILES, source_folder

PAIRS = Path(__file__).parent / "training" / "handbook_pairs.jsonl"
LOWER_LAYERS, LENGTH = 3, 176
EPOCHS, BATCH, RATE, TEMPERATURE = 3, 24, 4e-5, 0.05
HARD, PAIRWISE, BLEND = 6, 0.3, 0.7
HISTORY_TURNS = 3


@dataclass(slots=True)
class Example:
    """A mixed query with the text that answers it, if any, and near ones that do not."""

    terms: list[tuple[str, float]]
    answer: str | None
    near: list[str] = field(default_factory=list)
    page: str = ""


class Encoder:
    """MiniLM with its lower layers frozen and their output kept, so that a text passes through them once."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
        self.upper = self.model.encoder.layer[LOWER_LAYERS:]
        self._kept: dict[str, torch.Tensor] = {}
        for parameter in self.model.parameters():
            parameter.requires_grad = False
        for parameter in self.parameters():
            parameter.requires_grad = True
        self.upper.train()

    def parameters(self) -> list[torch.nn.Parameter]:
        return list(self.upper.parameters())

    @torch.no_grad()
    def _lower(self, texts: Sequence[str]) -> None:
        waiting = sorted({text for text in texts if text not in self._kept}, key=len)
        for start in range(0, len(waiting), 32):
            some = waiting[start : start + 32]
            read = self.tokenizer(some, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
            hidden = self.model.embeddings(input_ids=read["input_ids"], token_type_ids=read["token_type_ids"])
            hidden = through(self.model.encoder.layer[:LOWER_LAYERS], hidden, read["attention_mask"].bool())
            for text, row, length in zip(some, hidden, read["attention_mask"].sum(1).tolist(), strict=True):
                self._kept[text] = row[:length].half().clone()

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        self._lower(texts)
        rows = [self._kept[text].float() for text in texts]
        hidden = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(hidden.shape[1])[None, :] < lengths[:, None]
        hidden = through(self.upper, hidden, mask)
        weights = mask[:, :, None].float()
        return F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


def through(layers: Any, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    seen = mask[:, None, None, :].expand(-1, 1, hidden.shape[1], -1)
    for layer in layers:
        hidden = layer(hidden, attention_mask=seen)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


def mixed(turn: str, history: Sequence[Message]) -> list[tuple[str, float]]:
    from assistant.knowledge.leaning import mix

    return mix(turn, history, HISTORY_TURNS)


def handbook(folder: Path) -> tuple[list[Example], list[tuple[str, str]]]:
    """Examples of the handbook, and all its chunks as (page, text) for hard negatives."""
    chunks = chunks_of(folder)
    at = {(chunk.document, chunk.start): chunk.embedding_text() for chunk in chunks}
    made = []
    for row in rows(PAIRS):
        history = [Message(**each) for each in row["history"]]
        made.append(Example(mixed(row["turn"], history), at[row["page"], row["start"]], page=row["page"]))
        if row.get("miss"):
            made.append(Example(mixed(row["miss"], history), None))
    return made, [(chunk.document, chunk.embedding_text()) for chunk in chunks]


def chunks_of(folder: Path) -> list[Chunk]:
    """The handbook, cut as it is for search; ``training/`` names its chunks by page and start."""
    from assistant.knowledge.chunks import split
    from assistant.knowledge.embedder import FastEmbedder
    from assistant.knowledge.readers import read, supported

    count = FastEmbedder().count_tokens
    files = sorted(path for path in folder.rglob("*") if path.is_file() and supported(path))
    return [c for f in files for c in split(read(f, f.relative_to(folder).as_posix()), "handbook", count, 240)]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def mine(examples: Sequence[Example], corpus: Sequence[tuple[str, str]]) -> None:
    """Hard negatives: the nearest texts of other pages, as the untuned model sees it."""
    import numpy as np

    from assistant.knowledge.embedder import FastEmbedder

    embedder = FastEmbedder()
    stored = await embedder.embed([text for _, text in corpus])
    said = sorted({text for example in examples for text, _ in example.terms})
    vector = dict(zip(said, await embedder.embed(said), strict=True))
    for example in examples:
        query = sum(weight * vector[text] for text, weight in example.terms)
        order = np.argsort(-(stored @ query))[:60]
        near = [corpus[n][1] for n in order if corpus[n][0] != (example.page or None)]
        example.near = near[:HARD]


def loss(encoder: Encoder, batch: Sequence[Example], scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    said = iter(encoder([text for example in batch for text, _ in example.terms]))
    queries = F.normalize(torch.stack([sum(w * next(said) for _, w in example.terms) for example in batch]), dim=1)
    texts = [example.answer for example in batch if example.answer]
    own = {row: n for n, row in enumerate(row for row, example in enumerate(batch) if example.answer)}
    texts += [random.choice(x.near) for x in batch if x.near and (not x.answer or random.random() < 0.6)]
    cosines = queries @ encoder(texts).T
    same = torch.tensor([[text == x.answer for text in texts] for x in batch])
    alone = torch.zeros_like(same)
    for row, column in own.items():
        alone[row, column] = True
    logits = (cosines / TEMPERATURE).masked_fill(same & ~alone, -1e4)
    picked = F.cross_entropy(logits[list(own)], torch.tensor(list(own.values())))
    absolute = cosines * scale + bias
    each = F.binary_cross_entropy_with_logits(absolute, same.float(), reduction="none")
    hard = torch.where(same, torch.ones_like(each), 2 * torch.softmax(absolute.detach() / 2, 1))
    return picked + PAIRWISE * (each * hard).sum() / len(batch)


def train(encoder: Encoder, examples: list[Example]) -> None:
    scale, bias = (torch.nn.Parameter(torch.tensor(value)) for value in (12.0, -6.0))
    groups = [
        {"params": encoder.parameters(), "lr": RATE},
        {"params": [scale, bias], "lr": 1e-2, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = EPOCHS * (len(examples) // BATCH)
    warm = max(1.0, steps / 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warm) * max(0.05, 1 - step / steps)
    )
    for _ in range(EPOCHS):
        random.shuffle(examples)
        for start in range(0, len(examples) - BATCH + 1, BATCH):
            value = loss(encoder, examples[start : start + BATCH], scale, bias)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            print(f"{schedule.last_epoch}/{steps} loss {value.item():.3f}", flush=True)


def blended(encoder: Encoder, published: Path) -> None:
    before, after = AutoModel.from_pretrained(published).state_dict(), encoder.model.state_dict()
    encoder.model.load_state_dict(
        {
            name: BLEND * value + (1 - BLEND) * before[name] if value.is_floating_point() else value
            for name, value in after.items()
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--handbook", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(7)
    random.seed(7)
    published = source_folder()
    examples, corpus = handbook(arguments.handbook)
    asyncio.run(mine(examples, corpus))
    encoder = Encoder(published)
    train(encoder, examples)
    blended(encoder, published)
    arguments.out.mkdir(parents=True, exist_ok=True)
    encoder.model.save_pretrained(arguments.out)
    for name in TOKENIZER_FILES:
        shutil.copy(published / name, arguments.out / name)


if __name__ == "__main__":
    main()
