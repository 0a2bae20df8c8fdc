"""Gradio's Blocks, made for answers that stream to many people at once, on a server of ours."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from copy import copy
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.utils
from gradio.blocks import Block, BlocksConfig
from gradio.components import _Keywords
from gradio.data_classes import GradioModel, GradioRootModel
from gradio.helpers import special_args
from gradio.state_holder import SessionState
from gradio.utils import get_function_with_locals, is_prop_update

LOOK_AGAIN = 0.005
"""Seconds between looks whether somebody has asked. Gradio's own are a thousand a second, more than half of what a
server does that idles."""


class StreamedBlocks(gr.Blocks):
    """Blocks for which ``gr.skip()`` costs nothing, and a new session or a new event little. Gradio would build each
    skipped component anew at every step of a stream, which took a third of the server's time with 40 people at once;
    and it sends an event to a thread and back for each of its inputs, for its handler and for each output, which took
    0.1 s of everybody's first word then, 0.35 s at the worst (p95)."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.default_config = _Config(self)
        if find_spec("matplotlib") is None:
            # Gradio looks for it on the disk before and after every step, to set up plots that there are none of.
            gradio.utils.MatplotlibBackendMananger = nullcontext  # type: ignore[misc,assignment]

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """What the handler is given for each input. Plain values, such as words and choices, are checked here and
        now; what has a model of its own, such as files, is as Gradio does it."""
        modelled = any(getattr(each, "data_model", None) for each in block_fn.inputs)
        if modelled or block_fn.component_prop_inputs or not block_fn.preprocess:
            given: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
            return given
        state = state or SessionState(self)
        unchecked = copy(block_fn)
        unchecked.preprocess = False
        given = await super().preprocess_data(unchecked, inputs, state, explicit_call)
        pairs = zip(block_fn.inputs, given, strict=True)
        return [value if each.stateful else state[each._id].preprocess(value) for each, value in pairs]

    async def call_function(
        self,
        block_fn: Any,
        processed_input: list[Any],
        iterator: Any = None,
        requests: Any = None,
        event_id: str | None = None,
        event_data: gr.EventData | None = None,
        in_event_listener: bool = False,
        state: SessionState | None = None,
        oauth_token: Any = None,
    ) -> Any:
        """The handler's next step. One that streams is begun here, which runs nothing of it yet; it may take a request
        and an event, and no progress bar."""
        if iterator is None and inspect.isasyncgenfunction(block_fn.fn):
            handler = get_function_with_locals(block_fn.fn, self, event_id, in_event_listener, requests, state)
            iterator = handler(*special_args(block_fn.fn, processed_input, requests, event_data)[0])
        return await super().call_function(
            block_fn, processed_input, iterator, requests, event_id, event_data, in_event_listener, state, oauth_token
        )

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: SessionState | None) -> list[Any]:
        """What the browser is sent for each output. Values are made ready here and now; updates are Gradio's."""
        outputs = block_fn.outputs
        values = [predictions] if len(outputs) == 1 else predictions
        if not isinstance(values, list | tuple) or len(outputs) != len(values) or not block_fn.postprocess:
            given: list[Any] = await super().postprocess_data(block_fn, predictions, state)
            return given
        state = state or SessionState(self)
        sent: list[Any] = [gr.skip() for _ in outputs]
        for at, (block, value) in enumerate(zip(outputs, values, strict=True)):
            if isinstance(value, dict) and value == gr.skip():
                continue
            one = copy(block_fn)
            one.outputs = [block]
            if _is_value(block, value):
                value = ready(state.get(block._id, block), value)
                one.postprocess = False
            sent[at] = (await super().postprocess_data(one, value, state))[0]
        return sent


def ready(block: Any, value: Any) -> Any:
    """A component's value as its browser takes it. Of a chat Gradio would read all messages at every step of the last
    one, for the indentation of their lines; ours have none."""
    if isinstance(block, gr.Chatbot) and value and all(_is_message(each) for each in value):
        return [_message(each["role"], each["content"]) for each in value]
    value = block.postprocess(value)
    return value.model_dump() if isinstance(value, GradioModel | GradioRootModel) else value


def _is_message(given: Any) -> bool:
    return isinstance(given, dict) and given.keys() == {"role", "content"} and isinstance(given["content"], str)


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "metadata": None, "content": [{"text": content, "type": "text"}], "options": None}


def _is_value(block: Any, given: Any) -> bool:
    """Whether a handler has given a component its value, and not an update of it, or nothing more."""
    is_update = isinstance(given, Block | SimpleNamespace) or is_prop_update(given)  # type: ignore[no-untyped-call]
    return not (is_update or block.stateful or given is _Keywords.FINISHED_ITERATING)


class _Config(BlocksConfig):
    """Asks each component of the page once what it is. Gradio asks all of them, down to the JSON schema of a file, for
    every session, while everybody waits: 4 ms."""

    def __init__(self, root_block: gr.Blocks) -> None:
        super().__init__(root_block)
        self._said: dict[int, tuple[Block, dict[str, Any]]] = {}

    def __copy__(self) -> BlocksConfig:
        new: _Config = BlocksConfig.__copy__(self)  # type: ignore[no-untyped-call]
        new.__class__, new._said = _Config, self._said
        return new

    def config_for_block(  # type: ignore[override]  # Gradio calls its static method on instances only
        self, _id: int, rendered_ids: list[int], block: Block, renderable: Any = None
    ) -> dict[str, Any]:
        """As Gradio's; what an update has put in a component's place is another one, and asked."""
        if renderable is not None or self.root_block.blocks.get(_id) is not block:
            return BlocksConfig.config_for_block(_id, rendered_ids, block, renderable)
        known = self._said.get(_id)
        if known is None or known[0] is not block:
            known = self._said[_id] = block, BlocksConfig.config_for_block(_id, rendered_ids, block)
        # A session writes the value of a component into its own.
        return known[1] | {"props": dict(known[1]["props"])}


def for_many(demo: gr.Blocks) -> None:
    """Let as many as come use a page at once, mounted on a server that is not Gradio's."""
    demo.max_threads = 200
    demo.state_session_capacity = 500
    demo.queue(default_concurrency_limit=None)
    demo._queue.sleep_when_free = LOOK_AGAIN
    # Gradio checks the file paths in what browsers send only for apps that it has launched itself; this one is
    # mounted. Without the flag any file of this machine could be named in a request and fetched.
    demo.has_launched = True
