"""Both interfaces of the connector against a real server on loopback that misbehaves in every way we know of."""

import asyncio
import gc
from contextlib import aclosing

import pytest

from connectors import ChatMessage, ChatRequest, Delta, ModelSpec, errors
from connectors.openai_compat import OpenAICompatModel
from tests.connectors.misbehaving import ANSWER, FAULTS, MODEL, RETRY_AFTER, USAGE, Upstream, misbehaving

KEY = "sk-planted-secret-0123456789"
REQUEST = ChatRequest((ChatMessage.of("system", "Be brief."), ChatMessage.of("user", "Wie viele Tage? 你好")))


def model(upstream: Upstream, fault: str, api: str, **changes: object) -> OpenAICompatModel:
    values = {"model": "m-1", "api_key": KEY, "timeout": 0.4, "first_token_timeout": 0.4, "api": api} | changes
    return OpenAICompatModel(ModelSpec("gpt", base_url=upstream.at(fault), **values))


async def asked(target: OpenAICompatModel) -> tuple[list[Delta], errors.ConnectorError | None]:
    found: list[Delta] = []
    async with aclosing(target.stream(REQUEST)) as deltas:
        try:
            async for delta in deltas:
                found.append(delta)
        except errors.ConnectorError as error:
            return found, error
    return found, None


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("fault", [name for name, ends in FAULTS.items() if ends.alone])
async def test_every_fault_ends_in_the_answer_or_in_its_error(fault: str, api: str) -> None:
    ends = FAULTS[fault]
    async with misbehaving(fault) as upstream:
        target = model(upstream, fault, api)
        async with asyncio.timeout(20):
            deltas, error = await asked(target)
            await target.aclose()
            assert await upstream.settled() == 0
    text = "".join(delta.text for delta in deltas)
    if ends.error is None:
        assert error is None and text == ANSWER
        usage = [delta.usage for delta in deltas if delta.usage]
        assert [(one.input_tokens, one.output_tokens, one.cached_tokens) for one in usage] == [USAGE]
        assert deltas[-1].finish == "stop" and deltas[-1].model == MODEL
    else:
        assert type(error) is ends.error, repr(error)
        assert ANSWER.startswith(text) and bool(text) is ends.text
        says = str(error)
        assert KEY not in says and says.startswith(("gpt", "models.gpt")) and len(says.split()) > 7
        assert KEY not in repr(error.__cause__)
    assert len(asyncio.all_tasks()) == 1


async def test_the_pause_that_the_server_asks_for_goes_on() -> None:
    async with misbehaving("limited") as upstream:
        target = model(upstream, "limited", "chat")
        _, error = await asked(target)
        await target.aclose()
    assert error is not None and error.retry_after == RETRY_AFTER
    assert len(upstream.asked) == 1, "retrying is for the layer above"


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("fault", ["chatters", "comments_for_ever", "silent", "silent_midway", "well"])
async def test_a_reader_who_stops_ends_the_servers_work(fault: str, api: str) -> None:
    async with misbehaving(fault) as upstream:
        target = model(upstream, fault, api, timeout=60.0, first_token_timeout=60.0)
        seen = asyncio.Event()

        async def read() -> None:
            async with aclosing(target.stream(REQUEST)) as deltas:
                async for delta in deltas:
                    if delta.text:
                        seen.set()
                        await asyncio.Event().wait()

        reader = asyncio.create_task(read())
        while not upstream.asked or (FAULTS[fault].text and not seen.is_set()):
            await asyncio.sleep(0.005)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        assert await upstream.settled() == 0, "the connection was given up before the model was closed"
        await target.aclose()


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_closing_early_leaves_no_task(api: str) -> None:
    async with misbehaving("chatters") as upstream:
        target = model(upstream, "chatters", api)
        before = asyncio.all_tasks()
        for _ in range(20):
            async with aclosing(target.stream(REQUEST)) as deltas:
                assert (await anext(deltas)).text
        assert await upstream.settled() == 0
        gc.collect()
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before
        await target.aclose()


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_many_at_once_do_not_mix_and_use_connections_again(api: str) -> None:
    async with misbehaving() as upstream:
        target = model(upstream, "well", api, timeout=20.0)
        for _ in range(2):
            answers = await asyncio.gather(*(asked(target) for _ in range(20)))
            assert {"".join(delta.text for delta in deltas) for deltas, _ in answers} == {ANSWER}
            assert 0 < upstream.open <= 20
        await target.aclose()
        assert await upstream.settled() == 0
        answer, error = await asked(target)
        assert answer and error is None, "a closed model can be used again"
        await target.aclose()


async def test_what_is_sent_to_each_interface() -> None:
    async with misbehaving() as upstream:
        for api in ("chat", "responses"):
            target = model(upstream, "well", api, temperature=0.5, max_tokens=9, options={"seed": 3})
            await asked(target)
            await target.aclose()
    chat, responses = (request.body for request in upstream.asked)
    assert {request.headers["authorization"] for request in upstream.asked} == {f"Bearer {KEY}"}
    assert [message["role"] for message in chat["messages"]] == ["system", "user"]
    assert (chat["max_tokens"], chat["temperature"], chat["seed"]) == (9, 0.5, 3)
    assert chat["stream_options"] == {"include_usage": True}
    assert responses["instructions"] == "Be brief." and responses["store"] is False
    assert responses["input"] == [{"role": "user", "content": "Wie viele Tage? 你好"}]
    assert (responses["max_output_tokens"], responses["temperature"], responses["seed"]) == (9, 0.5, 3)


@pytest.mark.parametrize("fault", ["unauthorised", "page", "silent", "refuses", "hangs_up", "not_http", "broken"])
async def test_a_list_of_models_fails_in_words_too(fault: str) -> None:
    async with misbehaving(fault) as upstream:
        target = model(upstream, fault, "chat")
        with pytest.raises(errors.ConnectorError) as caught:
            await target.offered()
        await target.aclose()
        assert await upstream.settled() == 0
    assert type(caught.value) is FAULTS[fault].error and KEY not in str(caught.value)


async def test_nobody_takes_the_connection() -> None:
    """A listener whose queue is full: on Linux a further connection then gets no answer at all."""
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            waiting.append(one)
        spec = ModelSpec("gpt", model="m", base_url=f"http://127.0.0.1:{address[1]}/v1", connect_timeout=0.2)
        target = OpenAICompatModel(spec)
        async with asyncio.timeout(10):
            _, error = await asked(target)
        await target.aclose()
        for one in waiting:
            one.close()
    assert type(error) is errors.Unavailable and "within 0.2 seconds" in str(error)
