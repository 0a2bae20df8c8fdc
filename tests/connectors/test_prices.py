"""Prices and windows: what is shipped, how a name finds it, and what an answer costs."""

import json
import math
from datetime import date
from pathlib import Path

import pytest

from connectors import Cost, Usage, prices
from connectors.prices import Price, known

SHIPPED = json.loads((Path(prices.__file__).parent / "known_models.json").read_text(encoding="utf-8"))
MODELS = [name for provider in SHIPPED["providers"].values() for name in provider["models"]]


@pytest.mark.parametrize("name", MODELS)
def test_every_shipped_row_is_whole(name: str) -> None:
    found = known(f"{name}:acme::x" if name.startswith("ft:") else name)
    assert found is not None and found.price is not None
    assert 1_000 < found.context_window < 3_000_000
    assert 0 < found.price.input < 1_000
    assert found.price.input <= found.price.output
    assert found.price.cached_input is None or found.price.cached_input <= found.price.input
    assert found.family != "unknown"
    assert date.fromisoformat(found.date) >= date(2026, 11, 1)
    assert found.source.startswith("https://")


def test_a_name_is_in_the_file_once() -> None:
    assert len(MODELS) == len(set(MODELS))


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("gpt-5-mini-2099-01-01", "gpt-5-mini"),
        ("openai:gpt-5-mini", "gpt-5-mini"),
        ("openai/gpt-5-mini", "gpt-5-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic:claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("google_genai:gemini-2.5-flash", "gemini-2.5-flash"),
        ("mistralai:mistral-small-latest", "mistral-small-latest"),
    ],
)
def test_snapshots_and_providers_lead_to_the_model(model: str, same_as: str) -> None:
    found, expected = known(model), known(same_as)
    assert found and expected and found.price
    assert (found.price, found.context_window) == (expected.price, expected.context_window)


def test_a_snapshot_with_a_price_of_its_own_keeps_it() -> None:
    old, new = known("gpt-4o-2024-05-13"), known("gpt-4o")
    assert old and new and old.price and new.price
    assert old.price.input > new.price.input


@pytest.mark.parametrize("model", ["ft:gpt-4.1-mini:acme::x", "ft:gpt-4.1-mini-2025-04-14:acme:name:x"])
def test_a_fine_tuned_model_has_the_price_of_fine_tuned_ones(model: str) -> None:
    tuned, base = known(model), known("gpt-4.1-mini")
    assert tuned and base and tuned.price and base.price
    assert tuned.price.input > base.price.input
    assert tuned.context_window == base.context_window


@pytest.mark.parametrize("model", ["ft:o3-mini:acme::x", "azure_openai:gpt-4o", "openrouter:openai/gpt-4o"])
def test_where_the_price_is_not_known_the_window_is(model: str) -> None:
    found = known(model)
    assert found and found.context_window > 100_000
    assert found.price is None


@pytest.mark.parametrize("model", [None, "", "ft:", "ft:x", ":", "/", "llama3.2:3b", "mistral:7b", "our-own", "gpt"])
def test_an_unknown_name_is_unknown(model: str | None) -> None:
    assert known(model) is None


@pytest.mark.parametrize("connector", ["ollama", "vllm", "llamacpp", "transformers", "builtin"])
def test_a_local_model_that_is_called_like_a_sold_one_has_no_price(connector: str) -> None:
    assert known("mistral-small-latest", connector) is None
    assert known("mistral-small-latest", "langchain") is not None


def test_the_cost_counts_cached_tokens_once() -> None:
    price = Price(input=2.0, output=8.0, cached_input=0.5, currency="EUR")
    assert price.cost(Usage(1_000_000, 500_000)) == Cost(6.0, "EUR")
    assert price.cost(Usage(1_000_000, 0, cached_tokens=400_000)) == Cost(1.4, "EUR")
    assert price.cost(Usage(100, 0, cached_tokens=200)).amount == pytest.approx(0.00005)
    assert Price(2.0, 8.0).cost(Usage(1_000_000, 0, cached_tokens=400_000)) == Cost(2.0)
    assert Price(0, 0).cost(Usage(5, 5)) == Cost(0.0)


@pytest.mark.parametrize("values", [(-1, 1), (1, -0.1), (1, 1, -2), (math.nan, 1), (1, math.inf)])
def test_a_price_is_never_negative(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"price\.\w+ is .*0 or more"):
        Price(*values)
