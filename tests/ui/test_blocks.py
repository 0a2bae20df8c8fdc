"""Gradio's Blocks as ours make them lighter: what browsers are sent stays what Gradio would send."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import nullcontext
from copy import copy
from typing import Any

import anyio
import gradio as gr
import gradio.utils
import pytest
from gradio.blocks import BlocksConfig
from gradio.state_holder import SessionState

from assistant.app import Assistant
from ui.blocks import LOOK_AGAIN, StreamedBlocks, for_many, ready
from ui.chat_page import build


def plain(blocks: gr.Blocks) -> dict[int, dict[str, Any]]:
    """What a session would be with Gradio's own."""
    config = blocks.default_config
    return {key: BlocksConfig.config_for_block(key, [], block) for key, block in config.blocks.items()}


async def test_a_session_of_the_chat_page_is_as_gradio_would_make_it_and_asks_no_component_again(
    demo: Assistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = build(demo, "portal")
    wanted = plain(page)
    assert SessionState(page).config_values == wanted and len(wanted) > 20
    asked: list[object] = []
    get_config = gr.blocks.Block.get_config
    monkeypatch.setattr(gr.blocks.Block, "get_config", lambda self, *a: asked.append(self) or get_config(self, *a))
    assert SessionState(page).config_values == wanted and not asked


async def test_sessions_do_not_see_one_anothers_values_and_components() -> None:
    with StreamedBlocks() as page:
        box = gr.Textbox("as built", label="Box")
    one, other = SessionState(page), SessionState(page)
    one._update_value_in_config(box._id, "mine")
    assert one.config_values[box._id]["props"]["value"] == "mine"
    with gr.Blocks():
        one[box._id] = gr.Textbox("updated", label="Mine", render=False)
    one._update_config(box._id)
    assert one.config_values[box._id]["props"]["label"] == "Mine"
    for session in (other, SessionState(page)):
        assert session.config_values[box._id]["props"]["value"] == "as built"
        assert session.config_values[box._id]["props"]["label"] == "Box"
    assert type(copy(page.default_config)) is type(page.default_config)


async def test_an_idle_page_looks_less_often_whether_somebody_has_asked() -> None:
    with StreamedBlocks() as page:
        gr.Textbox()
    before = page._queue.sleep_when_free
    for_many(page)
    assert page._queue.sleep_when_free == LOOK_AGAIN > before


async def test_an_event_with_plain_values_needs_no_thread_and_is_checked_as_gradio_checks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stream(text: str, way: str, request: gr.Request) -> AsyncGenerator[str]:
        yield f"{text} {way}"
        yield f"{text} {way} {request.session_hash}"

    with StreamedBlocks() as page:
        box, way, out = gr.Textbox(), gr.Radio(["up", "down"]), gr.Textbox()
        box.submit(stream, [box, way], out)

    async def no_thread(*_: object, **__: object) -> None:
        raise AssertionError("an event was sent to a thread")

    monkeypatch.setattr(anyio.to_thread, "run_sync", no_thread)
    state, request = SessionState(page), gr.Request(session_hash="somebody")
    first = await page.process_api(0, ["go", "up"], state, request)
    assert first["data"] == ["go up"] and first["is_generating"]
    second = await page.process_api(0, ["go", "up"], state, request, iterator=first["iterator"])
    assert second["data"] == ["go up somebody"]
    with pytest.raises(gr.Error, match="sideways"):
        await page.process_api(0, ["go", "sideways"], state, request)


async def test_what_has_a_model_of_its_own_is_prepared_by_gradio() -> None:
    with StreamedBlocks() as page:
        chat, out = gr.Chatbot(), gr.Textbox()
        chat.change(lambda messages: messages[0]["content"][0]["text"], chat, out)
    said = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    assert (await page.process_api(0, [said], SessionState(page)))["data"] == ["hello"]


async def test_messages_of_a_chat_are_as_gradio_would_make_them_and_keep_their_tabs() -> None:
    with gr.Blocks():
        chat = gr.Chatbot()
    said: list[Any] = [
        {"role": "user", "content": "<p>a</p>"},
        {"role": "assistant", "content": "<p>b</p>\n\n<i>c</i>"},
    ]
    assert ready(chat, said) == chat.postprocess(said).model_dump() and ready(chat, []) == []
    other: list[Any] = [*said, {"role": "assistant", "content": [{"type": "text", "text": "d"}]}]
    assert ready(chat, other) == chat.postprocess(other).model_dump()
    assert ready(chat, [{"role": "user", "content": "a\tb"}])[0]["content"] == [{"text": "a\tb", "type": "text"}]


async def test_gradio_looks_for_no_plots_where_nothing_can_draw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradio.utils, "MatplotlibBackendMananger", before := gradio.utils.MatplotlibBackendMananger)
    monkeypatch.setattr("ui.blocks.find_spec", lambda name: object())
    StreamedBlocks()
    assert gradio.utils.MatplotlibBackendMananger is before
    monkeypatch.setattr("ui.blocks.find_spec", lambda name: None)
    StreamedBlocks()
    with gradio.utils.MatplotlibBackendMananger():
        assert gradio.utils.MatplotlibBackendMananger is nullcontext
