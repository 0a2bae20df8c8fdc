"""What a limit costs a turn: microseconds to let one in, hold its place, and book it, in memory and on a Redis.

python -m tests.benchmarks.bench_limits
"""

from __future__ import annotations

import asyncio
import statistics
import time

from assistant.access.identity import Identity
from assistant.access.limits import Limiter, Spent
from assistant.config_limits import Amounts
from assistant.telemetry import Metrics
from tests.access import redis_server

TURNS = 3_000
BOUNDED = {"turns_per_minute": 10**6, "turns_per_day": 10**6, "tokens_per_day": 10**9, "cost_per_day": 1e6}
AMOUNTS = Amounts(person={**BOUNDED, "at_once": 1_000}, everybody=BOUNDED)


async def measured(limiter: Limiter) -> None:
    admits, ends = [], []
    for number in range(TURNS):
        who = Identity(f"token:portal:{number % 300}", via="token")
        began = time.perf_counter()
        grant = await limiter.admit(who, "portal", AMOUNTS)
        admitted = time.perf_counter()
        await limiter.runs(grant)
        await limiter.ended(grant, Spent(1_000, 0.01, "USD", "gpt"))
        ended = time.perf_counter()
        admits.append(admitted - began)
        ends.append(ended - admitted)
    for name, taken in (("admit", admits), ("run and book", ends)):
        cuts = statistics.quantiles(taken, n=100)
        print(f"  {name:13} median {1e6 * cuts[49]:6.0f} µs, 99 % {1e6 * cuts[98]:6.0f} µs")
    await limiter.aclose()


def main() -> None:
    print(f"{TURNS} turns of 300 people, 9 limits each, one after the other")
    print("in memory")
    asyncio.run(measured(Limiter.of(None, Metrics())))
    with redis_server.running() as server:
        print("on a Redis, by loopback")
        asyncio.run(measured(Limiter.of(server.url, Metrics())))


if __name__ == "__main__":
    main()
