import pytest

from connectors import ChatMessage, ChatRequest
from connectors.errors import RateLimited
from connectors.scripted import ScriptedModel, Step

REQUEST = ChatRequest((ChatMessage.of("user", "hi"),))


async def test_plays_its_steps_and_keeps_the_requests() -> None:
    model = ScriptedModel([Step(["a", "b"])])
    assert "".join([delta.text async for delta in model.stream(REQUEST)]) == "ab"
    assert model.requests == [REQUEST]
    model.done()


async def test_refuses_a_call_too_many_and_leftovers() -> None:
    model = ScriptedModel([Step(["a"])])
    with pytest.raises(AssertionError, match="1 steps"):
        model.done()
    [_ async for _ in model.stream(REQUEST)]
    with pytest.raises(AssertionError, match="unexpected call 2"):
        [_ async for _ in model.stream(REQUEST)]


async def test_raises_after_the_pieces() -> None:
    model, seen = ScriptedModel([Step(["a"], RateLimited("wait"))]), []
    with pytest.raises(RateLimited):
        async for delta in model.stream(REQUEST):
            seen.append(delta.text)
    assert seen == ["a"]


async def test_counts_streams_closed_early() -> None:
    model = ScriptedModel([Step(["a", "b"])])
    stream = model.stream(REQUEST)
    await anext(stream)
    await stream.aclose()
    assert model.closed == 1
