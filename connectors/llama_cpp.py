"""A GGUF file in this process: ``llama-cpp-python``."""

from __future__ import annotations

import codecs
import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from connectors.base import ChatRequest, ModelSpec, Offered, Resources
from connectors.chat_prompt import PLAIN_UNTIL, Message, as_messages, plain, rendered
from connectors.errors import ConfigurationError
from connectors.threaded import Generated, InProcessModel, Loaded, Say

INSTALL = 'pip install "switchyard[llama-cpp]" (it compiles for some minutes and needs a C++ compiler)'
WINDOW = 8192
"""Tokens of context where ``context_window`` is not set: its memory is taken when the model is loaded."""


class LlamaCppModel(InProcessModel):
    """``model`` is a GGUF file. Options: ``context_window`` in tokens, ``adapter`` (a LoRA as GGUF),
    ``template`` (for the chat template), ``load`` and ``generate`` (for ``llama_cpp.Llama`` and its ``generate``,
    such as ``n_gpu_layers: -1``)."""

    options = ("context_window", "adapter", "template", "load", "generate")

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        if not spec.model:
            raise ConfigurationError(f"models.{spec.name} names no model: add `model:` with the path of a .gguf file")

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> LlamaCppModel:
        """The factory that the registry calls."""
        return cls(spec)

    def _load(self) -> Loaded:
        import llama_cpp

        options = self._spec.options
        more: dict[str, Any] = {"n_ctx": self._describe().context_window}
        if adapter := options.get("adapter"):
            more["lora_path"] = str(Path(str(adapter)).expanduser())
        more |= dict(options.get("load") or {})
        return LoadedGguf(self.name, llama_cpp.Llama(str(self._path), verbose=False, **more), options)

    def _describe(self) -> Offered:
        wanted = int(self._spec.options.get("context_window") or WINDOW)
        return Offered(str(self._spec.model), min(_trained_window(self._path) or wanted, wanted))

    @property
    def _path(self) -> Path:
        return Path(str(self._spec.model)).expanduser()

    def _explained(self, error: Exception) -> ConfigurationError:
        setting = f"models.{self.name}"
        if isinstance(error, ImportError):
            return ConfigurationError(f"{setting} needs 'llama_cpp', which cannot be loaded here: {INSTALL}")
        return ConfigurationError(
            f"{setting}: '{self._spec.model}' could not be loaded. Check {setting}.model (the path of a .gguf file) "
            f"and {setting}.options: {type(error).__name__}: {str(error)[:300]}"
        )


class LoadedGguf(Loaded):
    """A model with the tokenizer and the chat template of its file."""

    def __init__(self, name: str, llama: Any, options: Any) -> None:
        self._name = name
        self._llama = llama
        self._settings = dict(options.get("generate") or {})
        self._arguments = dict(options.get("template") or {})
        self._special = _special_tokens(llama)
        self._template = _template(llama)
        self.window = int(llama.n_ctx())
        self.until = None if self._template else PLAIN_UNTIL

    def prompt(self, request: ChatRequest) -> str:
        messages = as_messages(request.messages, self._special)
        return rendered(self._render, messages, self._name) if self._template else plain(messages)

    def tokens(self, prompt: str) -> list[int]:
        tokens: list[int] = self._llama.tokenize(prompt.encode(), add_bos=self._template is None, special=True)
        return tokens

    def _render(self, messages: list[Message]) -> str:
        return str(self._template(messages=messages, **self._arguments).prompt)

    def generate(self, prompt: Sequence[int], limit: int, temperature: float | None, say: Say) -> Generated:
        import llama_cpp

        vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        settings = self._settings | ({} if temperature is None else {"temp": temperature})
        decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        made, said = 0, False
        with closing(self._llama.generate(list(prompt), **settings)) as tokens:
            for token in tokens:
                made += 1
                if llama_cpp.llama_vocab_is_eog(vocabulary, token):
                    return Generated(made, "stop")
                text = decoder.decode(self._llama.detokenize([token]))
                text = text if said else text.lstrip(" ")
                said = said or bool(text)
                if not say(text) or made == limit:
                    break
        return Generated(made, "length")

    def free(self) -> None:
        self._llama.close()


def _trained_window(path: Path) -> int | None:
    """What a file says of itself; its weights are not read."""
    import ctypes

    import llama_cpp

    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    settings = llama_cpp.llama_model_default_params()
    settings.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
    if model is None:
        raise ValueError("llama.cpp cannot read it as a model")
    found = ctypes.create_string_buffer(64)
    try:
        for key in (b"general.architecture", b"%s.context_length"):
            llama_cpp.llama_model_meta_val_str(model, key.replace(b"%s", found.value), found, len(found))
        return int(found.value) if found.value.isdigit() else None
    finally:
        llama_cpp.llama_model_free(model)


def _template(llama: Any) -> Any:
    """The file's chat template, with its first and last token; None where it has none."""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    source = llama.metadata.get("tokenizer.chat_template")
    if not source:
        return None
    return Jinja2ChatFormatter(
        template=source, bos_token=_written(llama, llama.token_bos()), eos_token=_written(llama, llama.token_eos())
    )


def _special_tokens(llama: Any) -> set[str]:
    import llama_cpp

    vocabulary = llama_cpp.llama_model_get_vocab(llama.model)
    tokens = range(llama.n_vocab())
    return {_written(llama, token) for token in tokens if llama_cpp.llama_vocab_is_control(vocabulary, token)}


def _written(llama: Any, token: int) -> str:
    """A token as its file writes it; nothing for the token that a model does not have."""
    import llama_cpp

    if token < 0:
        return ""
    return str(llama_cpp.llama_vocab_get_text(llama_cpp.llama_model_get_vocab(llama.model), token).decode())
