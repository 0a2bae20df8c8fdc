"""GGUF files in the process, on tiny real ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors import ModelSpec, Resources, errors
from connectors.llama_cpp import LlamaCppModel
from tests.connectors import tiny_models
from tests.connectors.in_process_promises import Make, Promises, collect, text_of


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    short = tiny_models.build_transformers(folder / "short")
    endless = tiny_models.build_transformers(folder / "endless", endless=True)
    build = tiny_models.build_gguf
    return {
        "short": build(folder / "short.gguf", short),
        "endless": build(folder / "endless.gguf", endless),
        "plain": build(folder / "plain.gguf", short, template=None),
        "refusing": build(folder / "refusing.gguf", short, template=tiny_models.SYSTEM_REFUSED),
        "thinking": build(folder / "thinking.gguf", short, template=tiny_models.CHATML + "<think>\n"),
    }


@tiny_models.needs("llama_cpp", "gguf", "torch", "transformers")
class TestLlamaCpp(Promises):
    connector = LlamaCppModel
    options: ClassVar[dict[str, Any]] = {"load": {"n_threads": 1, "n_threads_batch": 1}}

    def counter(self, loaded: Any) -> Callable[[], int]:
        return lambda: int(loaded._llama.n_tokens)

    def is_freed(self, loaded: Any) -> bool:
        return loaded._llama._model.model is None

    async def test_a_smaller_window_is_kept(self, make: Make) -> None:
        model = make("endless", options={"context_window": 256})
        offered = await model.offered()
        assert offered is not None and offered[0].context_window == 256
        last = (await collect(model))[-1]
        assert last.usage is not None and last.usage.input_tokens + last.usage.output_tokens == 256

    async def test_a_file_that_is_no_model_is_explained(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "no.gguf").write_bytes(b"not a model")
        with pytest.raises(errors.ConfigurationError, match=r"no\.gguf.*could not be loaded"):
            await collect(make(tmp_path / "no.gguf"))

    async def test_the_same_question_twice_is_answered_twice(self, make: Make) -> None:
        model = make("short")
        first, second = await collect(model), await collect(model)
        assert text_of(first) == text_of(second) == tiny_models.SAYS
        assert first[-1].usage == second[-1].usage


async def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    model = LlamaCppModel.from_spec(ModelSpec("tiny", model="file.gguf"), Resources())
    with pytest.raises(errors.ConfigurationError) as found:
        await model.offered()
    assert 'pip install "switchyard[llama-cpp]"' in str(found.value)


def test_a_file_must_be_named() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"models\.tiny names no model"):
        LlamaCppModel(ModelSpec("tiny"))
