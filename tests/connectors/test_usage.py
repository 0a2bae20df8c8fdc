"""What an answer costs: usage as the provider counts it, or estimated, and its price, once and last."""

import pytest

from connectors import Cost, Delta, ModelSpec, Usage
from connectors.budget import BudgetedModel
from connectors.prices import Price
from tests.connectors.test_budget import HELLO, PRICE, SPEC, Provider, collect, request, tokens


async def closing(*deltas: Delta, price: Price | None = PRICE, spec: ModelSpec = SPEC) -> list[Delta]:
    """What passes of ``deltas``; usage and cost must be on the last one, once."""
    passed = await collect(BudgetedModel(Provider(*deltas), spec, price=price), request())
    assert [index for index, delta in enumerate(passed) if delta.usage or delta.cost] in ([], [len(passed) - 1])
    return passed


async def test_usage_of_the_provider_passes_with_its_cost() -> None:
    facts = Delta(usage=Usage(1000, 500, cached_tokens=400), model="m-1", finish="stop")
    *texts, last = await closing(*HELLO, facts)
    assert texts == list(HELLO)
    assert (last.usage, last.model, last.finish) == (facts.usage, "m-1", "stop")
    assert last.cost == Cost(pytest.approx((600 * 2 + 400 * 0.5 + 500 * 8) / 1e6))


async def test_without_a_price_there_is_no_cost_and_free_is_one() -> None:
    facts = Delta(usage=Usage(10, 5))
    assert (await closing(facts, price=None))[-1].cost is None
    assert (await closing(facts, price=Price(0, 0)))[-1].cost == Cost(0.0)


@pytest.mark.parametrize(
    "deltas",
    [
        (Delta(usage=Usage(10, 0), model="m"), Delta("Hi"), Delta(usage=Usage(0, 5), finish="stop")),
        (Delta("H", usage=Usage(10, 1), model="m"), Delta("i", usage=Usage(10, 5), finish="stop")),
        (Delta("Hi"), Delta(usage=Usage(10, 5), finish="stop"), Delta(model="m"), Delta(usage=Usage(0, 0))),
        (Delta("Hi"), Delta(usage=Usage(10, 5)), Delta(usage=Usage(10, 5), model="m", finish="stop")),
    ],
)
async def test_usage_in_pieces_is_put_together_and_nothing_else_is_lost(deltas: tuple[Delta, ...]) -> None:
    passed = await closing(*deltas)
    assert "".join(delta.text for delta in passed) == "Hi"
    assert passed[-1].usage == Usage(10, 5)
    assert [delta.model for delta in passed if delta.model] == ["m"]
    assert [delta.finish for delta in passed if delta.finish] == ["stop"]


@pytest.mark.parametrize("facts", [Delta(model="m", finish="stop"), Delta(usage=Usage(0, 0), model="m", finish="stop")])
async def test_where_the_provider_counts_nothing_it_is_estimated(facts: Delta) -> None:
    last = (await closing(Delta("word " * 100), facts))[-1]
    assert last.usage is not None and last.usage.estimated
    assert last.usage.input_tokens == tokens(request())
    assert 90 <= last.usage.output_tokens <= 200
    assert last.cost == PRICE.cost(last.usage)


async def test_openais_own_are_counted_exactly_where_it_counts_nothing() -> None:
    last = (await closing(Delta("word " * 100), spec=ModelSpec("gpt", model="gpt-5-mini")))[-1]
    assert last.usage is not None and last.usage.estimated
    assert 100 <= last.usage.output_tokens <= 101


async def test_builtin_has_no_tokens_to_count() -> None:
    target = BudgetedModel(Provider(*HELLO), ModelSpec("builtin"), connector="builtin")
    assert await collect(target, request()) == list(HELLO)
