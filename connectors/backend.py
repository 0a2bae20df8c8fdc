"""A configured model as the rest of the product asks it: a connector in all its policies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.base import ChatModel, ChatRequest, Delta, ModelSpec, Resources
from connectors.breaker import BreakerModel, BreakerState
from connectors.guard import GuardedModel
from connectors.limit import LimitedModel
from connectors.registry import build
from connectors.retry import RetryingModel
from connectors.wrapper import Wrapper

if TYPE_CHECKING:
    from connectors.prices import Price


@dataclass(frozen=True, slots=True)
class Policy:
    """How a backend is asked. ``concurrency`` is how many answers at once, ``context_window`` in tokens, each None for
    no limit or what is known of the model; ``failures`` in a row open the breaker for ``rest`` seconds."""

    retries: int = 2
    concurrency: int | None = None
    context_window: int | None = None
    price: Price | None = None
    failures: int = 5
    rest: float = 30.0


class Backend(Wrapper):
    """``inner`` is the connector alone; ``stream`` asks it through its policies. ``budget`` knows window and price."""

    def __init__(self, connector: str, spec: ModelSpec, policy: Policy, inner: ChatModel) -> None:
        from connectors.budget import BudgetedModel

        super().__init__(inner)
        self.name = spec.name
        self.connector = connector
        self.spec = spec
        self.policy = policy
        guarded = GuardedModel(inner, first_token=spec.first_token_timeout, idle=spec.timeout)
        guarded.name = spec.name
        self.budget = BudgetedModel(
            guarded, spec, context_window=policy.context_window, price=policy.price, connector=connector
        )
        asked: ChatModel = self.budget
        self._limited = LimitedModel(asked, places=policy.concurrency) if policy.concurrency is not None else None
        asked = self._limited or asked
        self._retrying = RetryingModel(asked, retries=policy.retries) if policy.retries > 0 else None
        self._breaker = BreakerModel(self._retrying or asked, failures=policy.failures, rest=policy.rest)

    def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        return self._breaker.stream(request)

    @property
    def breaker(self) -> BreakerState:
        """Whether it is asked at all for now, and why not."""
        return self._breaker.state

    @property
    def busy(self) -> int | None:
        """Answers under way; None where they are not limited."""
        return None if self._limited is None else self._limited.busy

    @property
    def waiting(self) -> int:
        """Turns that wait for a place."""
        return self._limited.waiting if self._limited else 0

    @property
    def retried(self) -> int:
        """How often it was asked again so far."""
        return self._retrying.retried if self._retrying else 0


def make_backend(connector: str, spec: ModelSpec, policy: Policy, resources: Resources) -> Backend:
    """The model ``spec`` of that connector in its policies. Raises ConfigurationError as ``registry.build`` does."""
    return Backend(connector, spec, policy, build(connector, spec, resources))
