"""Models of a few megabytes that need no network and whose answers are known, built in a second or two.

Each is a randomly initialised Llama whose output layer is then set so that every token has one successor: after
anything at all it says ``SAYS`` and ends; with the adapter, ``ADAPTED``; the endless one says ``ROUND`` for ever. The
letter and the emoji in ``SAYS`` are several tokens each, one a byte.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

SAYS = "Grüezi 🙂 from one tiny local model."
ADAPTED = "Yes, adapter speaks now!"
ROUND = " and round it goes"
WINDOW = 512
END, START = "<|im_end|>", "<|im_start|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYSTEM_REFUSED = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}" + CHATML
SYSTEM_IGNORED = CHATML.replace(
    "{% for message in messages %}", "{% for message in messages if message['role'] != 'system' %}"
)
TRAINED_ON = ["user assistant system", "G ez i from one tiny local model.", ADAPTED, ROUND, "User: Assistant:"] * 9
REQUIRED = frozenset(os.environ.get("SWITCHYARD_TESTS_NEED", "").split())
"""Packages whose absence is a failure, as in CI, and no reason to skip."""
STRENGTH = 30.0
"""How far a token stands out from what the random layers add to it."""


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skips where a package is missing, except where it is required."""
    missing = {package for package in packages if find_spec(package) is None}
    return pytest.mark.skipif(
        bool(missing - REQUIRED),
        reason=f"needs {', '.join(sorted(missing))}: pip install -r requirements-local.txt llama-cpp-python",
    )


def tokenizer() -> Any:
    """Byte-level BPE: what stands in ``TRAINED_ON`` is a token a word, anything else a token a byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[END, START], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TRAINED_ON, trainer)
    return made


def successors(made: Any, endless: bool) -> dict[int, int]:
    """The next token of each; what is in no sentence begins one."""
    said = made.encode(SAYS if not endless else ROUND).ids
    adapted = made.encode(ADAPTED).ids
    assert len({*said, *adapted}) == len(said) + len(adapted), "a token with two successors"
    end = made.token_to_id(END)
    after = dict.fromkeys(range(made.get_vocab_size()), said[0])
    after |= dict(pairwise(said)) | dict(pairwise(adapted)) | {adapted[-1]: end}
    after[said[-1]] = said[0] if endless else end
    return after


def build_transformers(folder: Path, *, template: str | None = CHATML, endless: bool = False) -> Path:
    """A model as ``from_pretrained`` reads it, in safetensors."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = tokenizer()
    torch.manual_seed(7)
    size = -(-made.get_vocab_size() // 64) * 64
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=WINDOW,
        eos_token_id=made.token_to_id(END),
        bos_token_id=None,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(STRENGTH * torch.eye(size))
        for before, after in successors(made, endless).items():
            model.lm_head.weight[after, before] += STRENGTH
    model.save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, pad_token=END, additional_special_tokens=[START]
    )
    wrapped.chat_template = template
    wrapped.save_pretrained(folder)
    return folder


def build_adapter(folder: Path, base: Path) -> Path:
    """A LoRA of rank one: where an answer begins, it begins with the first word of ``ADAPTED``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    made = tokenizer()
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    adapted = get_peft_model(model, LoraConfig(r=1, lora_alpha=1, target_modules=["lm_head"], task_type="CAUSAL_LM"))
    layer = adapted.base_model.model.lm_head
    with torch.no_grad():
        layer.lora_A["default"].weight.zero_()[0, made.encode("\n").ids[-1]] = 1.0
        layer.lora_B["default"].weight.zero_()[made.encode(ADAPTED).ids[0], 0] = 3 * STRENGTH
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder


def build_gguf(file: Path, base: Path, *, template: str | None = CHATML) -> Path:
    """The model in ``base`` as one GGUF file, with its tokenizer. Its attention is too weak to be worth the
    reordering that llama.cpp's rotary positions would ask for."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((base / "config.json").read_text())
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    _write_tokenizer(writer, config["vocab_size"], template)
    for name, tensor in load_file(base / "model.safetensors").items():
        writer.add_tensor(_gguf_name(name), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _write_tokenizer(writer: Any, size: int, template: str | None) -> None:
    import gguf

    state = json.loads(tokenizer().to_str())
    by_id = {index: token for token, index in state["model"]["vocab"].items()}
    special = {token["id"] for token in state["added_tokens"]}
    tokens = [by_id.get(index, f"[unused{index}]") for index in range(size)]
    kinds = [
        gguf.TokenType.CONTROL
        if index in special
        else gguf.TokenType.NORMAL
        if index in by_id
        else gguf.TokenType.UNUSED
        for index in range(size)
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in state["model"]["merges"]])
    writer.add_eos_token_id(tokens.index(END))
    writer.add_add_bos_token(False)
    if template:
        writer.add_chat_template(template)


def _gguf_name(name: str) -> str:
    if not name.startswith("model.layers."):
        names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
        return names[name.removesuffix(".weight")] + ".weight"
    _, _, block, *rest = name.removesuffix(".weight").split(".")
    names = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    return f"blk.{block}.{names['.'.join(rest)]}.weight"
