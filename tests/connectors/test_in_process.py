"""Hugging Face models in the process, on tiny real ones."""

from __future__ import annotations

import asyncio
import sys
import types
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import ModelSpec, Resources, errors
from connectors.in_process import TextOf, TransformersModel
from tests.conftest import ROOT
from tests.connectors import tiny_models
from tests.connectors.in_process_promises import Make, Promises, collect, text_of

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    build = tiny_models.build_transformers
    short = build(folder / "short")
    return {
        "short": short,
        "endless": build(folder / "endless", endless=True),
        "plain": build(folder / "plain", template=None),
        "refusing": build(folder / "refusing", template=tiny_models.SYSTEM_REFUSED),
        "thinking": build(folder / "thinking", template=tiny_models.CHATML + "<think>\n"),
        "adapter": tiny_models.build_adapter(folder / "adapter", short),
    }


@tiny_models.needs("torch", "transformers", "peft")
class TestTransformers(Promises):
    connector = TransformersModel

    def counter(self, loaded: Any) -> Callable[[], int]:
        steps: list[int] = []
        loaded._model.register_forward_hook(lambda *_: steps.append(1))
        return lambda: len(steps)

    def is_freed(self, loaded: Any) -> bool:
        return sum(tensor.untyped_storage().nbytes() for tensor in loaded._model.parameters()) == 0

    async def test_an_adapter_changes_the_answer(self, make: Make, models: dict[str, Path]) -> None:
        adapted = make("short", options={"adapter": str(models["adapter"])})
        assert text_of(await collect(adapted)) == tiny_models.ADAPTED
        assert text_of(await collect(make("short"))) == tiny_models.SAYS

    async def test_an_adapter_that_is_not_there_is_explained(self, make: Make) -> None:
        with pytest.raises(errors.ConfigurationError, match=r"models\.tiny\.options"):
            await collect(make("short", options={"adapter": "/nowhere/at-all"}))

    @pytest.mark.parametrize("path", ["/nowhere/at-all", "~/no/where", "not/on/hub"])
    async def test_a_folder_that_is_not_there_is_named_and_nobody_else_is_asked(self, make: Make, path: str) -> None:
        model = make(Path(path))
        for ask in (model.offered(), collect(model)):
            with pytest.raises(errors.ConfigurationError, match="there is no folder"):
                await ask

    async def test_options_reach_the_libraries(self, make: Make) -> None:
        never = tiny_models.tokenizer().encode(" goes").ids
        model = make("endless", options={"dtype": "bfloat16", "generate": {"suppress_tokens": never}})
        text = text_of(await collect(model))
        assert text.startswith(" and round it") and "goes" not in text
        assert model._worker is not None and str(model._worker._loaded._model.dtype) == "torch.bfloat16"
        with pytest.raises(errors.ConfigurationError, match="float33"):
            await collect(make("short", options={"dtype": "float33"}))
        with pytest.raises(errors.ConfigurationError, match="no repetiton_penalty"):
            await collect(make("short", options={"generate": {"repetiton_penalty": 9.0}}))

    async def test_a_template_that_passes_over_the_system_still_gets_its_rules(
        self, make: Make, tmp_path: Path
    ) -> None:
        ignoring = tiny_models.build_transformers(tmp_path / "ignoring", template=tiny_models.SYSTEM_IGNORED)
        refusing = await collect(make("refusing"))
        assert (await collect(make(ignoring)))[-1].usage == refusing[-1].usage

    async def test_a_broken_template_is_explained(self, make: Make, tmp_path: Path) -> None:
        broken = tiny_models.build_transformers(tmp_path / "broken", template="{{ raise_exception('not for chat') }}")
        with pytest.raises(errors.ConfigurationError, match="not for chat"):
            await collect(make(broken))

    async def test_two_models_may_be_loaded_at_once_in_a_fresh_process(self, models: dict[str, Path]) -> None:
        code = (
            "import asyncio, sys\nfrom connectors import ModelSpec\n"
            "from connectors.in_process import TransformersModel\n"
            "from tests.connectors.in_process_promises import collect, text_of\n"
            "async def main():\n"
            "    models = [TransformersModel(ModelSpec('tiny', model=path)) for path in sys.argv[1:] * 3]\n"
            "    print({text_of(answer) for answer in await asyncio.gather(*map(collect, models))})\n"
            "    await asyncio.gather(*(model.aclose() for model in models))\n"
            "asyncio.run(main())"
        )
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(models["short"]), cwd=ROOT, stdout=PIPE, stderr=STDOUT
        )
        output, _ = await run.communicate()
        assert output.decode().strip() == str({tiny_models.SAYS})


@pytest.mark.parametrize("missing", ["torch", "transformers", "peft"])
async def test_what_is_missing_is_named_with_the_command_that_installs_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("torch", "transformers", "peft"):
        stub = types.ModuleType(package)
        stub.__spec__ = ModuleSpec(package, None)
        monkeypatch.setitem(sys.modules, package, None if package == missing else stub)
    model = TransformersModel.from_spec(ModelSpec("tiny", model="x", options={"adapter": "y"}), Resources())
    for ask in (model.offered(), collect(model)):
        with pytest.raises(errors.ConfigurationError) as found:
            await ask
        assert f"'{missing}'" in str(found.value) and 'pip install "switchyard[transformers]"' in str(found.value)


def test_a_model_must_be_named() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"models\.tiny names no model"):
        TransformersModel(ModelSpec("tiny"))


@given(st.text(max_size=40), st.integers(1, 4))
def test_text_comes_out_whole_wherever_its_bytes_are_cut(text: str, size: int) -> None:
    data = text.replace("\ufffd", "").encode()
    cuts = [data[at : at + size] for at in range(0, len(data), size)]
    text_of_cuts = TextOf(lambda ids: b"".join(cuts[index] for index in ids).decode(errors="replace"))
    pieces = [text_of_cuts.add(index) for index in range(len(cuts))]
    assert "".join(pieces).encode() == data
