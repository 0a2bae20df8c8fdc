"""Figures of the running program, in the Prometheus format: turns, answers, fallbacks, tokens, costs, times.

Nothing here holds a word that anybody wrote: labels are names of the settings, routes and stable codes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from assistant.conversation.events import Checked, Event, Failed, Finished, Retrieved, Routed, TextDelta
from assistant.conversation.turn import Turn

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Resting = Callable[[], Mapping[str, bool]]
"""Names of models, and whether they are left alone for now."""


class Metrics:
    """Counts what passes through the service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: Any = {"registry": self.registry, "namespace": "switchyard"}
        self.turns = Counter("turns", "Turns by how they ended", ["surface", "route", "outcome"], **made)
        self.running = Gauge("turns_running", "Turns that are being answered", **made)
        self.evidence = Counter("evidence", "Looked-up turns by evidence state", ["surface", "state"], **made)
        self.claims = Counter("claims", "Claims of answers by what their sources say", ["surface", "state"], **made)
        self.failures = Counter("failures", "Turns without a full answer", ["code"], **made)
        self.answers = Counter("answers", "Answers by model of the settings", ["model"], **made)
        self.fallbacks = Counter("fallbacks", "Models that failed where another answered", ["model", "code"], **made)
        self.first = Histogram("first_token_seconds", "Until the first word", ["model"], buckets=SECONDS, **made)
        self.whole = Histogram("turn_seconds", "Until the end of the answer", ["route"], buckets=SECONDS, **made)
        self.tokens = Counter("tokens", "Tokens by model", ["model", "direction"], **made)
        self.refused = Counter("refused_turns", "Turns that a limit did not let in", ["reason", "surface"], **made)
        self.away = Gauge("limits_store_away", "1 while limits.store does not answer", **made)
        self.cost = Counter("cost", "Cost of answers, in the currency of the price", ["model", "currency"], **made)

    def turn(self, turn: Turn) -> Watched:
        """What sees the events of a turn."""
        self.running.inc()
        return Watched(self, turn)

    def refused_turn(self, reason: str, surface: str) -> None:
        """Count a turn that was not let in."""
        self.refused.labels(reason, surface).inc()

    def limits_away(self, away: bool) -> None:
        """Whether the store of the limits does not answer."""
        self.away.set(away)

    def watch(self, resting: Resting) -> None:
        """Tell of the circuit breakers, too."""
        self.registry.register(_Breakers(resting))

    def text(self) -> bytes:
        """All of it, as ``CONTENT_TYPE``."""
        return generate_latest(self.registry)


class Watched:
    """One turn; ``end`` is called once, however it ends."""

    __slots__ = ("_began", "_ended", "_metrics", "_route", "_turn")

    def __init__(self, metrics: Metrics, turn: Turn) -> None:
        self._metrics, self._turn = metrics, turn
        self._began = time.perf_counter()
        self._route = ""
        self._ended: Finished | Failed | None = None

    def take(self, event: Event) -> None:
        """Take one event in."""
        if isinstance(event, TextDelta):
            return
        if isinstance(event, Routed):
            self._route = event.decision.route
        elif isinstance(event, Retrieved):
            self._metrics.evidence.labels(self._turn.surface, event.evidence.state).inc()
        elif isinstance(event, Checked):
            for mark in event.marks:
                self._metrics.claims.labels(self._turn.surface, mark.state).inc()
        elif isinstance(event, Finished | Failed):
            self._ended = event

    def end(self) -> None:
        """Count the turn."""
        metrics, ended = self._metrics, self._ended
        outcome = "stopped" if ended is None else "finished" if isinstance(ended, Finished) else "failed"
        metrics.running.dec()
        metrics.turns.labels(self._turn.surface, self._route, outcome).inc()
        metrics.whole.labels(self._route).observe(time.perf_counter() - self._began)
        if isinstance(ended, Failed):
            metrics.failures.labels(ended.code).inc()
        elif ended is not None:
            self._answered(ended)

    def _answered(self, ended: Finished) -> None:
        metrics, model = self._metrics, ended.backend
        metrics.answers.labels(model).inc()
        for fault in ended.faults:
            metrics.fallbacks.labels(fault.model, fault.code).inc()
        if "first_token" in ended.timings:
            metrics.first.labels(model).observe(ended.timings["first_token"])
        for direction in ("input", "output", "cached"):
            metrics.tokens.labels(model, direction).inc(ended.usage.get(f"{direction}_tokens", 0))
        if ended.cost is not None:
            metrics.cost.labels(model, ended.cost.currency).inc(ended.cost.amount)


class _Breakers(Collector):
    def __init__(self, resting: Resting) -> None:
        self._resting = resting

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "switchyard_model_resting",
            "1 while a model is not asked, because it failed again and again",
            None,
            ["model"],
        )
        for name, resting in self._resting().items():
            family.add_metric([name], float(resting))
        yield family
