from contextlib import aclosing

import pytest

from connectors import ChatMessage, ChatModel, ChatRequest, Delta, errors
from connectors.base import Fault
from connectors.breaker import BreakerModel
from connectors.errors import (
    AuthenticationFailed,
    BadRequest,
    ConfigurationError,
    ConnectorError,
    ContentFiltered,
    ContextTooLong,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Resting,
    TimedOut,
    Unavailable,
)
from connectors.fallback import FallbackModel
from connectors.scripted import ScriptedModel, Step

REQUEST = ChatRequest((ChatMessage.of("user", "hi"),))
ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ConnectorError)]


def model(name: str, *steps: Step) -> ScriptedModel:
    return ScriptedModel(list(steps), name=name)


def failing(name: str, error: ConnectorError) -> ScriptedModel:
    return model(name, Step([], error))


async def deltas(chain: ChatModel) -> list[Delta]:
    async with aclosing(chain.stream(REQUEST)) as stream:
        return [delta async for delta in stream]


async def error_of(*members: ScriptedModel) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        await deltas(FallbackModel(members, "main"))
    for member in members:
        member.done()
    return caught.value


async def test_the_first_that_answers_is_named_and_the_others_are_not_asked() -> None:
    first, second = model("a", Step(["x", "y"])), model("b")
    found = await deltas(FallbackModel([first, second], "main"))
    assert [(delta.text, delta.backend, delta.faults) for delta in found] == [
        ("x", "a", ()),
        ("y", None, ()),
        ("", None, ()),
    ]


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not ContentFiltered], ids=lambda kind: kind.__name__)
async def test_every_error_before_the_first_text_lets_the_next_one_try(kind: type[ConnectorError]) -> None:
    members = [failing("a", kind("a is ill")), model("b", Step([""], kind("b is ill"))), model("c", Step(["", "x"]))]
    found = await deltas(FallbackModel(members, "main"))
    assert found[0].text == "x" and found[0].backend == "c"
    assert found[0].faults == (Fault("a", kind.code, "a is ill"), Fault("b", kind.code, "b is ill"))
    assert all(delta.backend is None and not delta.faults for delta in found[1:])


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
async def test_nobody_else_is_asked_after_the_first_text(kind: type[ConnectorError]) -> None:
    error, other, seen = kind("cut"), model("b"), list[str]()
    async with aclosing(FallbackModel([model("a", Step(["x"], error)), other], "main").stream(REQUEST)) as stream:
        with pytest.raises(kind) as caught:
            async for delta in stream:
                seen.append(delta.text)
    assert caught.value is error and seen == ["x"] and not other.requests


async def test_a_filter_is_not_evaded() -> None:
    error, other = ContentFiltered("not this"), model("c")
    members = [failing("a", Unavailable("down")), failing("b", error), other]
    with pytest.raises(ContentFiltered) as caught:
        await deltas(FallbackModel(members, "main"))
    assert caught.value is error and not other.requests


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
async def test_a_chain_of_one_raises_its_own(kind: type[ConnectorError]) -> None:
    error = kind("as it is", retry_after=3)
    assert await error_of(failing("a", error)) is error
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((AuthenticationFailed, Unavailable), Unavailable),
        ((Unavailable, QuotaExceeded), Unavailable),
        ((Resting, TimedOut), TimedOut),
        ((Resting, AuthenticationFailed), Resting),
        ((Resting, Resting), Resting),
        ((ProtocolError, RateLimited), RateLimited),
        ((ContextTooLong, AuthenticationFailed), ContextTooLong),
        ((QuotaExceeded, ContextTooLong), ContextTooLong),
        ((ConfigurationError, AuthenticationFailed), AuthenticationFailed),
        ((BadRequest, ConfigurationError), BadRequest),
    ],
)
async def test_all_failed_is_the_most_useful_error(
    kinds: tuple[type[ConnectorError], type[ConnectorError]], expected: type[ConnectorError]
) -> None:
    first, second = kinds
    error = await error_of(failing("a", first("a is ill.")), failing("b", second("it is ill too")))
    assert type(error) is expected
    assert str(error).startswith("None of the 2 models answered. a is ill; b: it is ill too")


class Vendors(RateLimited):
    """A connector of somebody else's may have errors of its own, made in their own way."""

    def __init__(self) -> None:
        super().__init__("vendor is busy", retry_after=12.3)


async def test_all_failed_says_when_to_try_again() -> None:
    error = await error_of(
        failing("a", Unavailable("a is down", retry_after=40)),
        failing("v", Vendors()),
        failing("c", Resting("c rests")),
    )
    assert type(error) is RateLimited and error.retry_after == 12.3
    assert str(error).endswith("v: vendor is busy; c rests. Try again in 13 seconds")
    assert str(await error_of(failing("a", Unavailable("x")), failing("b", Unavailable("y")))).endswith("in a moment")
    assert "again" not in str(await error_of(failing("a", QuotaExceeded("x")), failing("b", BadRequest("y"))))


async def test_a_member_that_rests_is_passed_over_and_named() -> None:
    ill = failing("a", Unavailable("a is down"))
    chain = FallbackModel([BreakerModel(ill, failures=1), ScriptedModel([Step(["x"])], name="b", loop=True)], "main")
    await deltas(chain)
    found = await deltas(chain)
    assert len(ill.requests) == 1
    assert [(fault.model, fault.code) for fault in found[0].faults] == [("a", "model_resting")]


async def test_a_chain_within_a_chain_names_them_all() -> None:
    within = FallbackModel([failing("b", Unavailable("b is down")), model("c", Step(["x"]))], "spare")
    found = await deltas(FallbackModel([failing("a", Unavailable("a is down")), within], "main"))
    assert found[0].backend == "c" and [fault.model for fault in found[0].faults] == ["a", "b"]


async def test_closes_what_it_opened() -> None:
    first = model("a", Step(["x", "y"], hangs=True))
    async with aclosing(FallbackModel([first], "main").stream(REQUEST)) as stream:
        await anext(stream)
    assert first.closed == 1


def test_a_chain_of_nobody_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match=r"roles\.main names no model"):
        FallbackModel([], "main")
