import asyncio
import gc
import random
from collections import Counter
from contextlib import aclosing

import pytest
from tenacity import wait_none

from connectors import ChatMessage, ChatModel, ChatRequest, Delta, ModelSpec, Resources, retry
from connectors.backend import Backend, Policy, make_backend
from connectors.breaker import BreakerState
from connectors.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectorError,
    ContextTooLong,
    EmptyAnswer,
    RateLimited,
    Resting,
    Unavailable,
)
from connectors.fallback import FallbackModel
from connectors.scripted import ScriptedModel, Step

REQUEST = ChatRequest((ChatMessage.of("user", "hi"),))


@pytest.fixture
def without_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_JITTER", wait_none())


def backend(*steps: Step, name: str = "gpt", policy: Policy | None = None, seconds: float = 20.0) -> Backend:
    spec = ModelSpec(name, timeout=seconds, first_token_timeout=seconds)
    return Backend("scripted", spec, policy or Policy(), ScriptedModel(list(steps), name=name, loop=True))


async def deltas(model: ChatModel) -> list[Delta]:
    async with aclosing(model.stream(REQUEST)) as stream:
        return [delta async for delta in stream]


async def test_a_configured_model_answers_in_all_its_policies() -> None:
    spec = ModelSpec("mine", options={"answers": [["Hello ", "you"]]})
    model = make_backend("scripted", spec, Policy(retries=0, concurrency=2), Resources())
    assert (model.name, model.connector, model.spec) == ("mine", "scripted", spec)
    assert isinstance(model.inner, ScriptedModel)
    assert "".join(delta.text for delta in await deltas(model)) == "Hello you"
    assert (model.breaker, model.busy, model.waiting, model.retried) == (BreakerState(), 0, 0, 0)
    assert await model.offered() is None
    await model.aclose()


def test_what_cannot_be_built_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"models\.mine\.connector"):
        make_backend("nobody", ModelSpec("mine"), Policy(), Resources())
    with pytest.raises(ConfigurationError, match=r"models\.mine\.concurrency"):
        make_backend("scripted", ModelSpec("mine", options={"answers": ["a"]}), Policy(concurrency=0), Resources())


async def test_a_connector_without_a_name_goes_by_the_configured_one() -> None:
    model = Backend("mine.own", ModelSpec("mine"), Policy(retries=0), ScriptedModel([Step([])], name="model"))
    with pytest.raises(EmptyAnswer, match="mine answered without a word"):
        await deltas(model)


async def test_the_whole_way_down(without_jitter: None) -> None:
    """Retried, then counted once a turn, then left alone; a place for each try and none kept."""
    model = backend(Step([], Unavailable("down")), policy=Policy(retries=2, concurrency=1, failures=2))
    for _ in range(2):
        with pytest.raises(Unavailable, match="down"):
            await deltas(model)
    with pytest.raises(Resting):
        await deltas(model)
    assert len(model.inner.requests) == 6
    assert (model.retried, model.busy, model.waiting, model.breaker.state) == (4, 0, 0, "open")


async def test_closing_closes_the_connector() -> None:
    class Closed(ScriptedModel):
        async def aclose(self) -> None:
            self.steps.clear()

    inner = Closed([Step(["a"])])
    model = Backend("scripted", ModelSpec("mine"), Policy(), inner)
    await model.aclose()
    await model.aclose()
    assert inner.steps == []


FAULTS = (
    Step([], Unavailable("down")),
    Step([], RateLimited("busy")),
    Step([], RateLimited("busy", retry_after=99)),
    Step([], AuthenticationFailed("no")),
    Step([], ContextTooLong("long")),
    Step([], ValueError("broken")),
    Step([""], OSError("broken")),
    Step([]),
    Step(["", " "]),
    Step([], hangs=True),
    Step([""] * 50, delay=0.001),
    Step(["a", "b"], Unavailable("cut")),
    Step(["a", "b"], hangs=True),
    Step(["a"], KeyError("broken")),
    Step(["a", "b", "c"]),
)


@pytest.mark.parametrize("spare", [False, True])
async def test_a_thousand_faulty_turns_end_and_leave_nothing_behind(spare: bool, without_jitter: None) -> None:
    moments = random.Random(11)
    policy = Policy(retries=1, concurrency=50, failures=10**6)
    faulty = backend(*moments.choices(FAULTS, k=400), policy=policy, seconds=0.02)
    chain = FallbackModel([faulty, backend(Step(["z"]), name="spare")] if spare else [faulty], "main")
    ends: Counter[str] = Counter()

    async def turn(n: int) -> None:
        text, first = "", None
        asked = asyncio.timeout(moments.random() * 0.05 if n % 5 == 0 else 60)
        try:
            async with asked, aclosing(chain.stream(REQUEST)) as stream:
                async for delta in stream:
                    first = first or delta
                    text += delta.text
            assert first is not None and first.backend == ("spare" if text == "z" else "gpt")
            assert bool(first.faults) is (text == "z")
            ends["answer"] += 1
        except TimeoutError:
            assert n % 5 == 0
            ends["left"] += 1
        except ConnectorError as error:
            assert text or not spare, error
            ends["failed late" if text else type(error).__name__] += 1

    await asyncio.gather(*(turn(n) for n in range(1000)))
    assert ends["answer"] and ends["failed late"] and ends["left"] and sum(ends.values()) == 1000
    assert spare or (ends["TimedOut"] and ends["ProtocolError"] and ends["EmptyAnswer"] and ends["Unavailable"])
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (faulty.busy, faulty.waiting) == (0, 0)
    gc.collect()  # a stream that nobody closed would warn here, and a warning is an error
