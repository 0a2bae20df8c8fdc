"""A Hugging Face model in this process: ``transformers``, with a LoRA adapter of ``peft`` if one is named."""

from __future__ import annotations

import copy
import json
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from connectors.base import ChatRequest, ModelSpec, Offered, Resources
from connectors.chat_prompt import PLAIN_UNTIL, Message, as_messages, plain, rendered
from connectors.errors import ConfigurationError
from connectors.threaded import Generated, InProcessModel, Loaded, Say

INSTALL = 'pip install "switchyard[transformers]"'
_ACCESS = ("cache_dir", "revision", "token")
# What the older architectures call it in their config.json comes last.
_WINDOWS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "seq_length")
_IMPORTING = threading.Lock()


class TransformersModel(InProcessModel):
    """``model`` is a folder or a name on the hub. Options: ``adapter`` (a LoRA folder), ``device`` (the
    accelerator if there is one), ``dtype`` (as saved), ``template`` (for the chat template, such as
    ``enable_thinking: false``), ``load`` and ``generate`` (for ``from_pretrained`` and for ``GenerationConfig``)."""

    options = ("adapter", "device", "dtype", "template", "load", "generate")

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        if not spec.model:
            raise ConfigurationError(f"models.{spec.name} names no model: add `model:` with a folder or a hub name")

    @classmethod
    def from_spec(cls, spec: ModelSpec, resources: Resources) -> TransformersModel:
        """The factory that the registry calls."""
        return cls(spec)

    def _load(self) -> Loaded:
        self._check_packages()
        torch, transformers = _libraries()
        options = self._spec.options
        more = dict(options.get("load") or {})
        if unknown := transformers.GenerationConfig().update(**dict(options.get("generate") or {})):
            raise ValueError(f"options.generate: there is no {', '.join(unknown)}")
        transformers.utils.logging.disable_progress_bar()
        device = options.get("device") or _accelerator(torch)
        source = _place(self._spec.model)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source, dtype=_dtype(torch, str(options.get("dtype") or "auto")), **more
        )
        if options.get("adapter"):
            import peft

            adapter = _place(options["adapter"])
            model = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
            source = adapter if (Path(adapter) / "tokenizer_config.json").is_file() else source
        if "device_map" not in more:
            model = model.to(device)
        trusted = {key: more[key] for key in (*_ACCESS, "trust_remote_code") if key in more}
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **trusted)
        return LoadedTransformers(self.name, model.eval(), tokenizer, options)

    def _describe(self) -> Offered:
        """From ``config.json`` alone: importing the libraries takes seconds."""
        self._check_packages()
        source = _place(self._spec.model)
        file = Path(source) / "config.json"
        if not file.is_file():
            from huggingface_hub import hf_hub_download

            more = dict(self._spec.options.get("load") or {})
            access = {key: more[key] for key in _ACCESS if key in more}
            file = Path(hf_hub_download(source, "config.json", **access))
        config = json.loads(file.read_text(encoding="utf-8"))
        return Offered(str(self._spec.model), _window(config.get("text_config") or config))

    def _check_packages(self) -> None:
        for package in ("torch", "transformers", *(["peft"] if self._spec.options.get("adapter") else [])):
            if find_spec(package) is None:
                raise ModuleNotFoundError(name=package)

    def _explained(self, error: Exception) -> ConfigurationError:
        setting = f"models.{self.name}"
        if isinstance(error, ImportError):
            missing = error.name or "a package of the transformers extra"
            return ConfigurationError(f"{setting} needs '{missing}', which cannot be loaded here: {INSTALL}")
        return ConfigurationError(
            f"{setting}: '{self._spec.model}' could not be loaded. Check {setting}.model (a folder with "
            f"config.json, or a name on the hub) and {setting}.options: {type(error).__name__}: {str(error)[:300]}"
        )


class LoadedTransformers(Loaded):
    """A model, its tokenizer and its chat template."""

    def __init__(self, name: str, model: Any, tokenizer: Any, options: Any) -> None:
        self._name = name
        self._model = model
        self._tokenizer = tokenizer
        self._template = dict(options.get("template") or {})
        self._generate = dict(options.get("generate") or {})
        self.window = _window(model.config.get_text_config().to_dict())
        self.until = None if tokenizer.chat_template else PLAIN_UNTIL

    def prompt(self, request: ChatRequest) -> str:
        special = {str(token) for token in self._tokenizer.added_tokens_decoder.values() if token.special}
        messages = as_messages(request.messages, special | set(self._tokenizer.all_special_tokens))
        return rendered(self._render, messages, self._name) if self._tokenizer.chat_template else plain(messages)

    def tokens(self, prompt: str) -> list[int]:
        written = self._tokenizer.chat_template is not None  # which also writes the first token
        return list(self._tokenizer(prompt, add_special_tokens=not written)["input_ids"])

    def _render(self, messages: list[Message]) -> str:
        return str(
            self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **self._template)
        )

    def generate(self, prompt: Sequence[int], limit: int, temperature: float | None, say: Say) -> Generated:
        import torch

        settings = self._settings(limit, temperature)
        ends = _ends(settings.eos_token_id)
        ids = torch.tensor([list(prompt)], device=self._model.device)
        listener = Listener(TextOf(self._decode), say)
        self._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=settings,
            streamer=listener,
            stopping_criteria=[lambda ids, _, **__: torch.full((len(ids),), not listener.wanted, device=ids.device)],
        )
        return Generated(listener.tokens, "stop" if listener.last in ends else "length")

    def _settings(self, limit: int, temperature: float | None) -> Any:
        settings = copy.deepcopy(self._model.generation_config)
        if settings.eos_token_id is None:
            settings.eos_token_id = self._tokenizer.eos_token_id
        if settings.pad_token_id is None:
            settings.pad_token_id = next(iter(sorted(_ends(settings.eos_token_id))), 0)
        settings.update(**self._generate)
        settings.update(max_length=None, max_new_tokens=limit, num_beams=1)
        if temperature is not None and temperature > 0:
            settings.update(do_sample=True, temperature=temperature)
        elif temperature is not None:
            settings.update(do_sample=False, temperature=None, top_p=None, top_k=None)
        return settings

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def free(self) -> None:
        """At once, and not when the garbage collector finds the model's cycles."""
        import torch

        for tensor in (*self._model.parameters(), *self._model.buffers()):
            tensor.data = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        torch.cuda.empty_cache()


class Listener:
    """What ``generate`` hands its tokens to: the prompt first, then one by one."""

    def __init__(self, text: TextOf, say: Say) -> None:
        self._text = text
        self._say = say
        self._prompt = True
        self.tokens = 0
        self.last = -1
        self.wanted = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        for token in value.reshape(-1).tolist():
            self.tokens += 1
            self.last = int(token)
            self.wanted = self._say(self._text.add(self.last)) and self.wanted

    def end(self) -> None:
        """All was said as it came."""


class TextOf:
    """The text of tokens that come one by one. A character that is cut at the border of two tokens waits for its
    rest; a token is read behind the ones before it, as some tokenizers write a word's space only there."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._behind: list[int] = []
        self._new: list[int] = []

    def add(self, token: int) -> str:
        """What is certain to follow what was returned before."""
        self._new.append(token)
        before = self._decode(self._behind)
        text = self._decode([*self._behind, *self._new])
        if text.endswith("\ufffd") or len(text) <= len(before):
            return ""
        self._behind, self._new = self._new, []
        return text[len(before) :].replace("\ufffd", "")


def _place(given: object) -> str:
    """A folder that is there, or what may be a name on the hub."""
    folder = Path(str(given)).expanduser()
    if folder.is_dir():
        return str(folder)
    if folder.is_absolute() or str(given).startswith(".") or len(folder.parts) > 2:
        raise FileNotFoundError(f"there is no folder {folder}")
    return str(given)


def _libraries() -> tuple[Any, Any]:
    """Torch and transformers; two threads that import the latter at once would each get a part of it."""
    with _IMPORTING:
        import_module("torch")
        import_module("transformers")
        return sys.modules["torch"], sys.modules["transformers"]


def _accelerator(torch: Any) -> str:
    return str(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else "cpu"


def _dtype(torch: Any, name: str) -> Any:
    dtype = name if name == "auto" else getattr(torch, name, None)
    if name != "auto" and not isinstance(dtype, torch.dtype):
        raise ValueError(f"there is no dtype '{name}'; try auto, bfloat16, float16 or float32")
    return dtype


def _window(config: Mapping[str, Any]) -> int | None:
    return next((int(config[key]) for key in _WINDOWS if config.get(key)), None)


def _ends(found: int | Sequence[int] | None) -> set[int]:
    if found is None:
        return set()
    return {found} if isinstance(found, int) else set(found)
