"""Fine-tune the router's encoder and heads on labelled turns: `assistant router train`. Needs the extra ``finetune``.

All layers of all-MiniLM-L6-v2 but its word embeddings are trained on (turn, conversation) pairs with two heads, the
second on the turns alone that have to be looked up; the weights that count are a moving average over the steps
(Polyak and Juditsky, 1992). Then the encoder is exported to ONNX, int8 per channel, and the heads are calibrated with
it on conversations that were not trained on.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.models.export import TOKENIZER_FILES, quantised, sha256, source_folder
from assistant.routing import features
from assistant.routing.classifier import CUE_SCALE, inputs
from assistant.routing.encoder import DIMENSION, MAX_TOKENS, MODEL_FILE, TurnEncoder, pair
from assistant.routing.heads import ASK, INFORMATION, VOICE, Array, Head, Heads, calibrated, fit
from assistant.routing.labelled import LabelledTurn, data_hash, read

VAGUE = Path(__file__).parent / "vague.jsonl"
HELD_APART = 0.1
BATCH, BUCKETS = 32, 16
AVERAGE = 0.995
VOICE_SHARE = 0.5
"""Weight of the voice head's loss beside the information head's."""
FOLDS, ASK_PENALTY = 5, 3.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train; the seed makes a run repeatable on one machine."""

    epochs: int = 4
    rate: float = 6e-5
    head_rate: float = 1e-3
    seed: int = 7
    threads: int | None = None


class Net(torch.nn.Module):
    """The encoder with both heads, which also read the cues."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(DIMENSION + len(features.NAMES), 2)

    def forward(self, read: Any, cues: torch.Tensor) -> torch.Tensor:
        """Logits [n, 2]."""
        found: torch.Tensor = self.head(torch.cat([self.dropout(pooled(self.encoder, **read)), cues], 1))
        return found


def pooled(
    encoder: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
) -> torch.Tensor:
    """The first token's vector and the mean of all, [n, 768]."""
    hidden = encoder(
        input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
    ).last_hidden_state
    mask = attention_mask[:, :, None].to(hidden.dtype)
    return torch.cat([hidden[:, 0], (hidden * mask).sum(1) / mask.sum(1)], 1)


def split(turns: Sequence[LabelledTurn], seed: int) -> tuple[list[LabelledTurn], list[LabelledTurn]]:
    """Those to train on and those held apart, by conversation."""
    conversations = sorted({each.conversation for each in turns})
    random.Random(seed).shuffle(conversations)
    apart = set(conversations[: max(1, round(HELD_APART * len(conversations)))])
    return (
        [each for each in turns if each.conversation not in apart],
        [each for each in turns if each.conversation in apart],
    )


class Trainer:
    """One run; ``train`` then ``export``. Matrices are multiplied in bfloat16 where the processor can, eight times as
    fast."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self._plan, self._say = plan, say
        if plan.threads is not None:
            torch.set_num_threads(plan.threads)
        torch.manual_seed(plan.seed)
        able = torch.cpu.get_capabilities()
        self._bf16 = bool(able.get("avx512_bf16") or able.get("amx_bf16"))
        self._random = random.Random(plan.seed)
        self._source = source_folder()
        self._tokenizer = AutoTokenizer.from_pretrained(self._source)
        self.net = Net(AutoModel.from_pretrained(self._source, attn_implementation="sdpa"))
        for parameter in self.net.encoder.embeddings.word_embeddings.parameters():
            parameter.requires_grad = False

    def train(self, turns: Sequence[LabelledTurn]) -> None:
        """Leaves the averaged weights in ``net``."""
        named = [(name, each) for name, each in self.net.named_parameters() if each.requires_grad]
        heads = [each for name, each in named if name.startswith("head.")]
        body = [each for name, each in named if not name.startswith("head.")]
        groups = [{"params": body, "lr": self._plan.rate}, {"params": heads, "lr": self._plan.head_rate}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        steps = self._plan.epochs * -(-len(turns) // BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / (steps / 10)) * max(0.0, 1 - step / steps)
        )
        average = torch.optim.swa_utils.AveragedModel(
            self.net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE)
        )
        self.net.train()
        for epoch in range(self._plan.epochs):
            total, count = 0.0, 0
            for batch in self._batches(turns):
                loss = self._loss(batch)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(body + heads, 1.0)
                optimizer.step()
                schedule.step()
                average.update_parameters(self.net)
                total, count = total + loss.item(), count + 1
            self._say(f"epoch {epoch + 1} of {self._plan.epochs}: loss {total / count:.3f}")
        self.net.load_state_dict(average.module.state_dict())
        self.net.eval()

    def _batches(self, turns: Sequence[LabelledTurn]) -> Iterator[Sequence[LabelledTurn]]:
        """Shuffled batches of turns of like length."""
        shuffled = self._random.sample(list(turns), len(turns))
        batches = []
        for start in range(0, len(shuffled), BATCH * BUCKETS):
            bucket = sorted(
                shuffled[start : start + BATCH * BUCKETS], key=lambda each: sum(map(len, pair(each.turn, each.history)))
            )
            batches += [bucket[place : place + BATCH] for place in range(0, len(bucket), BATCH)]
        self._random.shuffle(batches)
        return iter(batches)

    def _loss(self, batch: Sequence[LabelledTurn]) -> torch.Tensor:
        pairs = [pair(each.turn, each.history) for each in batch]
        read = self._tokenizer(
            [turn for turn, _ in pairs],
            [said for _, said in pairs],
            padding=True,
            truncation="longest_first",
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        cues = np.stack([features.cues(each.turn, each.history) for each in batch]) * CUE_SCALE
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._bf16):
            logits = self.net(read, torch.from_numpy(cues.astype(np.float32)))
        logits = logits.float()
        information = torch.tensor([float(each.information) for each in batch])
        voice = torch.tensor([float(bool(each.voice)) for each in batch])
        asked = F.binary_cross_entropy_with_logits(logits[:, 0], information)
        meant = F.binary_cross_entropy_with_logits(logits[:, 1], voice, reduction="none") * information
        return asked + VOICE_SHARE * meant.sum() / information.sum().clamp(min=1)

    def export(self, target: Path) -> None:
        """The encoder as ONNX, int8 per channel, with its tokenizer."""
        encoder = self.net.encoder
        encoder.set_attn_implementation("eager")

        class Pooled(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.encoder = encoder

            def forward(
                self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
            ) -> torch.Tensor:
                return pooled(self.encoder, input_ids, attention_mask, token_type_ids)

        sample = self._tokenizer(
            ["how many days", "and for contractors?"], ["", "user: hello"], padding=True, return_tensors="pt"
        )
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            quantised(Pooled().eval(), sample, "pooled", Path(work) / "fp32.onnx", target / MODEL_FILE)
        for name in TOKENIZER_FILES:
            shutil.copy(self._source / name, target / name)

    def heads(self, vector_dimension: int) -> dict[str, Head]:
        """The heads over the rows of ``classifier.inputs``; the turn's own vector counts for nothing yet."""
        weights, bias = self.net.head.weight.detach().numpy(), self.net.head.bias.detach().numpy()
        none = np.zeros(vector_dimension)
        rows = [np.concatenate([row[:DIMENSION], none, row[DIMENSION:]]).astype(np.float64) for row in weights]
        return {name: Head(rows[n], float(bias[n])) for n, name in enumerate((INFORMATION, VOICE))}


def rows(turns: Sequence[LabelledTurn], encoder: TurnEncoder, embedder: FastEmbedder) -> Array:
    """What the heads read of turns, [n, d]."""
    vectors = embedder.embed_now([each.turn for each in turns])
    found = [
        inputs(encoder.encode(each.turn, each.history), vector, features.cues(each.turn, each.history))
        for each, vector in zip(turns, vectors, strict=True)
    ]
    return np.stack(found).astype(np.float64)


def ask_head(turns: Sequence[LabelledTurn], x: Array) -> tuple[Head, float]:
    """A head for turns that are too vague, over rows [n, d] of turns labelled ``ask``, calibrated on cross-validation
    by conversation; and the share that this has right."""
    asked = np.array([bool(each.ask) for each in turns])
    order = {name: n % FOLDS for n, name in enumerate(sorted({each.conversation for each in turns}))}
    fold = np.array([order[each.conversation] for each in turns])
    z = np.zeros(len(turns))
    for n in range(FOLDS):
        z[fold == n] = fit(x[fold != n], asked[fold != n], ASK_PENALTY).logits(x[fold == n])
    scale = calibrated(Head(np.ones(1), 0.0), z[:, None], asked)
    whole = fit(x, asked, ASK_PENALTY)
    head = Head(whole.weights * scale.weights[0], whole.bias * scale.weights[0] + scale.bias)
    return head, float(((scale.probabilities(z[:, None]) >= 0.5) == asked).mean())


def train(turns: Sequence[LabelledTurn], target: Path, plan: Plan, embedder: FastEmbedder, say: Say) -> Heads:
    """Train on turns, write encoder and heads into ``target`` and return the heads."""
    learned, apart = split(turns, plan.seed)
    say(f"training on {len(learned)} turns, {len(apart)} held apart to calibrate")
    trainer = Trainer(plan, say)
    trainer.train(learned)
    trainer.export(target)
    encoder = TurnEncoder(target)
    x = rows(apart, encoder, embedder)
    information = np.array([each.information for each in apart])
    voice = np.array([bool(each.voice) for each in apart])
    raw = trainer.heads(embedder.dimension)
    heads = {
        INFORMATION: calibrated(raw[INFORMATION], x, information),
        VOICE: calibrated(raw[VOICE], x[information], voice[information]),
    }
    vague = read(VAGUE)
    heads[ASK], right = ask_head(vague, rows(vague, encoder, embedder))
    data = data_hash(turns)
    p = heads[INFORMATION].probabilities(x)
    card = {
        "kind": "fine-tuned all-MiniLM-L6-v2 over (turn, conversation), int8, with cues",
        "turns": len(turns),
        "data_sha256": data,
        "vague": {"turns": len(vague), "data_sha256": data_hash(vague), "right, cross-validated": round(right, 4)},
        "plan": {"epochs": plan.epochs, "rate": plan.rate, "head_rate": plan.head_rate, "seed": plan.seed},
        "tools": {"torch": torch.__version__, "python": sys.version.split()[0]},
        "model_sha256": sha256(target / MODEL_FILE),
        "held apart": {
            "n": len(apart),
            "information right at 0.5": round(float(((p >= 0.5) == information).mean()), 4),
            "information right at 0.2": round(float(((p >= 0.2) == information).mean()), 4),
        },
    }
    found = Heads(f"minilm-{data[:8]}", heads, card)
    found.save(target)
    return found
