"""A backend's budget: what is sent, what is refused, and which window and price count."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import (
    ChatMessage,
    ChatModel,
    ChatRequest,
    Delta,
    DocumentPart,
    ModelSpec,
    Offered,
    TextPart,
    Usage,
)
from connectors import tokens as encodings
from connectors.budget import BudgetedModel
from connectors.errors import ConnectorError, ContextTooLong, Unavailable
from connectors.prices import Price
from connectors.scripted import ScriptedModel, Step
from connectors.tokens import Counter, family

SPEC = ModelSpec("ours", model="our-own")
SYSTEM = ChatMessage.of("system", "Answer from the documents.")
TURN = ChatMessage.of("user", "How many days?")
PRICE = Price(input=2.0, output=8.0, cached_input=0.5)
HELLO = (Delta(text="Hel"), Delta(text="lo"))
COUNTER = Counter(family("our-own"))


class Provider(ChatModel):
    """A provider that sends ``deltas``, then raises ``error`` if there is one; ``refusals`` are requests that it first
    refuses as too long. Lists ``models``, or raises what stands there instead."""

    name = "ours"

    def __init__(
        self,
        *deltas: Delta,
        error: Exception | None = None,
        refusals: int = 0,
        models: Sequence[Offered] | ConnectorError | None = None,
        listing: asyncio.Event | None = None,
    ) -> None:
        self.deltas, self.error, self.refusals = deltas, error, refusals
        self.models, self.listing = models, listing
        self.requests: list[ChatRequest] = []
        self.listed = self.closed = 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        self.requests.append(request)
        if len(self.requests) <= self.refusals:
            raise ContextTooLong("the conversation does not fit")
        try:
            for delta in self.deltas:
                yield delta
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    async def offered(self) -> tuple[Offered, ...] | None:
        self.listed += 1
        if self.listing is not None:
            await self.listing.wait()
        if isinstance(self.models, ConnectorError):
            raise self.models
        return None if self.models is None else tuple(self.models)


def history(exchanges: int, words: int = 40) -> list[ChatMessage]:
    return [
        ChatMessage.of(role, f"{role} {number} " + "word " * words)
        for number in range(exchanges)
        for role in ("user", "assistant")
    ]


def request(exchanges: int = 0, **options: int) -> ChatRequest:
    return ChatRequest((SYSTEM, *history(exchanges), TURN), **options)


async def collect(target: ChatModel, asked: ChatRequest) -> list[Delta]:
    return [delta async for delta in target.stream(asked)]


def tokens(asked: ChatRequest) -> int:
    return COUNTER.messages(asked.messages)


async def test_what_fits_passes_untouched() -> None:
    inner = Provider(*HELLO)
    await collect(BudgetedModel(inner, SPEC, context_window=8000), request(4))
    assert inner.requests == [request(4)]


async def test_openais_encoding_is_loaded_only_when_a_request_comes_near_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encodings, "_encodings", loaded := {})
    inner = Provider(*HELLO, Delta(usage=Usage(10, 5)), models=[])
    target = BudgetedModel(inner, ModelSpec("gpt", model="gpt-4"), context_window=1200)
    await collect(target, request(4))
    assert loaded == {}
    await collect(target, request(12))
    assert list(loaded) == ["cl100k_base"]
    assert len(inner.requests[1].messages) < len(request(12).messages)


async def test_old_history_goes_and_room_is_left_for_the_answer() -> None:
    inner = Provider(*HELLO)
    await collect(target := BudgetedModel(inner, SPEC, context_window=1000), request(12))
    sent = inner.requests[0]
    assert tokens(sent) <= 750
    assert sent.messages[0] == SYSTEM and sent.messages[-1] == TURN
    assert [message.role for message in sent.messages[1:3]] == ["user", "assistant"]
    assert sent.messages[-3:-1] == tuple(history(12)[-2:])
    assert target.trimmed == 1


@pytest.mark.parametrize(("spec", "options"), [(None, {"max_tokens": 600}), (600, {}), (1, {"max_tokens": 600})])
async def test_the_longest_answer_is_what_is_kept_free(spec: int | None, options: dict[str, int]) -> None:
    inner = Provider(*HELLO)
    target = BudgetedModel(inner, ModelSpec("ours", model="our-own", max_tokens=spec), context_window=1000)
    await collect(target, request(12, **options))
    assert tokens(inner.requests[0]) <= 400
    assert inner.requests[0].max_tokens == options.get("max_tokens")


async def test_what_cannot_be_trimmed_is_refused_before_anything_is_sent() -> None:
    inner = Provider(*HELLO)
    document = DocumentPart(1, "Leave", "", "Thirty days of annual leave. " * 200)
    asked = ChatRequest((SYSTEM, *history(2), ChatMessage("user", (document, TextPart("How many?")))))
    with pytest.raises(ContextTooLong, match=r"ours: .* about [\d,]+ tokens too long for a window of 1,000") as caught:
        await collect(BudgetedModel(inner, SPEC, context_window=1000), asked)
    assert "retrieval.passages" in str(caught.value) and "larger window" in str(caught.value)
    assert inner.requests == []


@given(st.integers(0, 8), st.integers(1, 300), st.integers(0, 4), st.integers(20, 4000))
def test_a_request_fits_or_is_refused(exchanges: int, words: int, documents: int, window: int) -> None:
    parts = [DocumentPart(number, "Leave", "Claims", "Thirty days. " * 20) for number in range(documents)]
    last = ChatMessage("user", (*parts, TextPart("How many?")))
    asked = ChatRequest((SYSTEM, *history(exchanges, words), last))
    inner = Provider(*HELLO)
    room = window - min(4096, window // 4)
    try:
        asyncio.run(collect(BudgetedModel(inner, SPEC, context_window=window), asked))
    except ContextTooLong:
        assert tokens(ChatRequest((SYSTEM, last))) > room
        assert inner.requests == []
    else:
        assert tokens(inner.requests[0]) <= room
        assert inner.requests[0].messages[0] == SYSTEM
        assert inner.requests[0].messages[-1] == last


async def test_a_refused_request_goes_once_more_with_half_the_history() -> None:
    inner = Provider(*HELLO, refusals=1)
    deltas = await collect(BudgetedModel(inner, SPEC), request(8))
    assert "".join(delta.text for delta in deltas) == "Hello"
    first, second = inner.requests
    bare = tokens(request())
    assert tokens(second) - bare <= (tokens(first) - bare) / 2
    assert second.messages[1:-1] == first.messages[-len(second.messages) + 1 : -1]


@pytest.mark.parametrize(("exchanges", "refusals", "calls"), [(8, 2, 2), (0, 1, 1)])
async def test_it_is_refused_for_good_the_second_time_or_without_history(
    exchanges: int, refusals: int, calls: int
) -> None:
    inner = Provider(*HELLO, refusals=refusals)
    with pytest.raises(ContextTooLong, match="the conversation does not fit"):
        await collect(BudgetedModel(inner, SPEC), request(exchanges))
    assert len(inner.requests) == calls


async def test_nothing_is_asked_again_once_text_is_out() -> None:
    inner = Provider(*HELLO, error=ContextTooLong("the answer grew too long"))
    seen: list[str] = []
    with pytest.raises(ContextTooLong, match="grew"):
        async for delta in BudgetedModel(inner, SPEC).stream(request(8)):
            seen.append(delta.text)
    assert seen == ["Hel", "lo"]
    assert len(inner.requests) == 1


async def test_the_estimate_learns_from_what_the_provider_counts() -> None:
    asked = request(12)
    inner = Provider(*HELLO, Delta(usage=Usage(2 * tokens(asked), 2), finish="stop"))
    target = BudgetedModel(inner, SPEC, context_window=2 * tokens(asked))
    for _ in range(12):
        await collect(target, asked)
    assert tokens(inner.requests[0]) == tokens(asked)
    assert tokens(inner.requests[-1]) < tokens(asked)


async def test_a_refusal_within_the_known_window_says_that_the_count_was_too_low() -> None:
    asked = request(12)
    inner = Provider(*HELLO, refusals=1)
    target = BudgetedModel(inner, SPEC, context_window=int(1.8 * tokens(asked)))
    for _ in range(2):
        await collect(target, asked)
    assert tokens(inner.requests[2]) < tokens(inner.requests[0])


@pytest.mark.parametrize(
    ("models", "window"),
    [
        ([Offered("other", 5), Offered("our-own", 900)], 900),
        ([Offered("other", 5), Offered("our-own:latest", 900)], 900),
        ([Offered("/models/file.gguf", 900)], 900),
        ([Offered("other", 5), Offered("another", 900)], None),
        ([Offered("our-own")], None),
        ([], None),
        (None, None),
        (Unavailable("no list"), None),
    ],
)
async def test_the_window_comes_from_the_list_after_the_first_answer(
    models: Sequence[Offered] | ConnectorError | None, window: int | None
) -> None:
    inner = Provider(*HELLO, models=models)
    target = BudgetedModel(inner, SPEC)
    async with aclosing(target.stream(request())) as stream:
        await anext(stream)
        assert inner.listed == 0
    assert inner.listed == 0
    await collect(target, request())
    await asyncio.sleep(0)
    assert target.window == window
    await collect(target, request(2))
    await target.aclose()
    assert inner.listed == 1


async def test_a_list_that_never_comes_holds_up_nothing_and_is_left_behind_on_closing() -> None:
    inner = Provider(*HELLO, listing=asyncio.Event())
    target = BudgetedModel(inner, SPEC)
    for exchanges in (0, 2):
        await collect(target, request(exchanges))
        await asyncio.sleep(0)
    assert inner.listed == 1
    async with asyncio.timeout(5):
        await target.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_setting_goes_before_what_is_shipped_and_that_before_the_list() -> None:
    inner = Provider(*HELLO, models=[Offered("gpt-4", 5)])
    spec = ModelSpec("gpt", model="gpt-4")
    assert BudgetedModel(inner, spec, context_window=99, price=PRICE).window == 99
    assert BudgetedModel(inner, spec, context_window=99, price=PRICE).price == PRICE
    shipped = BudgetedModel(inner, spec)
    await collect(shipped, request())
    assert shipped.window == 8192 and inner.listed == 0
    assert shipped.price is not None
    local = BudgetedModel(inner, spec, connector="vllm")
    assert local.price is None and local.window is None


async def test_closed_early_it_closes_what_it_asked_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    inner = Provider(*HELLO, Delta(usage=Usage(10, 5)))
    with caplog.at_level(logging.DEBUG, logger="connectors.budget"):
        async with aclosing(BudgetedModel(inner, SPEC).stream(request())) as stream:
            assert (await anext(stream)).text == "Hel"
    assert inner.closed == 1
    assert caplog.messages == ["ours: ended early, 3 characters into its answer"]


async def test_a_failure_passes_and_closes_what_it_asked() -> None:
    inner = Provider(*HELLO, error=Unavailable("cut off"))
    with pytest.raises(Unavailable, match="cut off"):
        await collect(BudgetedModel(inner, SPEC), request())
    assert inner.closed == 1


async def test_a_very_long_history_is_trimmed_beside_the_loop() -> None:
    inner = ScriptedModel([Step(["Hi"])])
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    asked = ChatRequest((SYSTEM, *history(40, words=4000), TURN))
    task = asyncio.create_task(tick())
    await collect(BudgetedModel(inner, SPEC, context_window=16_000), asked)
    task.cancel()
    assert ticks > 10
    assert tokens(inner.requests[0]) <= 12_000
