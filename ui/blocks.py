"""Gradio's Blocks, made for answers that stream to many people at once, on a server of ours."""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlocksConfig

LOOK_AGAIN = 0.005
"""Seconds between looks whether somebody has asked. Gradio's own are a thousand a second, more than half of what a
server does that idles."""


class StreamedBlocks(gr.Blocks):
    """Blocks for which ``gr.skip()`` costs nothing, and a new session little. Gradio would build each skipped component
    anew at every step of a stream, which took a third of the server's time with 40 people at once."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.default_config = _Config(self)

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """What the browser is sent for each output."""
        outputs = block_fn.outputs
        if not isinstance(predictions, list | tuple) or not 1 < len(outputs) == len(predictions):
            return await super().postprocess_data(block_fn, predictions, state)
        given = [at for at, each in enumerate(predictions) if not (isinstance(each, dict) and each == gr.skip())]
        sent: list[Any] = [gr.skip() for _ in outputs]
        if given:
            fewer = copy(block_fn)
            fewer.outputs = [outputs[at] for at in given]
            values = [predictions[at] for at in given]
            made = await super().postprocess_data(fewer, values if len(values) > 1 else values[0], state)
            for at, value in zip(given, made, strict=True):
                sent[at] = value
        return sent


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
