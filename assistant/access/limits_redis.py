"""What has been asked and spent of late, counted in a Redis for all replicas together.

One script per step, so that a step is one round trip and happens at one go; the time is the server's, so that the
clocks of the replicas need not agree. Names of people are not sent: keys are digests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from assistant.access.limits_ledger import SLOT_WAIT, STEPS, Purse, Shortage, Slots, Window
from assistant.config_types import mask_url
from assistant.knowledge.happenings import Mistake

if TYPE_CHECKING:
    from redis.asyncio import Redis

SECONDS = 1.0
"""How long the server may take to answer; turns wait for it."""
_KEPT = 3_600
_NOW = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
"""
TAKE = f"""
{_NOW}
local lease, hold, windows, steps = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), {STEPS}

local function short(total, takes, most)
  if takes > 0 then return total > most end
  return total >= most
end

local function window(at)
  local given = 5 + 3 * (at - 1)
  return tonumber(ARGV[given]), tonumber(ARGV[given + 1]), tonumber(ARGV[given + 2])
end

local function wait(key, most, grain, takes)
  local first, total, parts = math.floor(now / grain) - steps, takes, {{}}
  local flat = redis.call('HGETALL', key)
  for at = 1, #flat, 2 do
    local part, amount = tonumber(flat[at]), tonumber(flat[at + 1])
    if part < first then
      redis.call('HDEL', key, flat[at])
    else
      parts[#parts + 1] = {{part, amount}}
      total = total + amount
    end
  end
  if not short(total, takes, most) then return 0 end
  table.sort(parts, function(one, other) return one[1] < other[1] end)
  for _, each in ipairs(parts) do
    total = total - each[2]
    if not short(total, takes, most) then return (each[1] + 1 + steps) * grain - now end
  end
  return steps * grain
end

local worst, longest = -1, 0
for at, key in ipairs(KEYS) do
  local waits = 0
  if at <= windows then
    local most, seconds, takes = window(at)
    waits = wait(key, most, seconds / steps, takes)
  else
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if redis.call('ZCARD', key) >= tonumber(ARGV[4 + 2 * windows + at]) then waits = {SLOT_WAIT} end
  end
  if waits > longest then worst, longest = at - 1, waits end
end
if worst >= 0 then return {{worst, tostring(longest)}} end

for at, key in ipairs(KEYS) do
  if at <= windows then
    local most, seconds, takes = window(at)
    if takes > 0 then
      redis.call('HINCRBY', key, math.floor(now / (seconds / steps)), takes)
      redis.call('EXPIRE', key, math.ceil(seconds + seconds / steps) + 1)
    end
  else
    redis.call('ZADD', key, now + hold, lease)
    redis.call('EXPIRE', key, {_KEPT})
  end
end
return {{}}
"""
"""As ``MemoryLedger.take``. KEYS: windows, then slots. ARGV: time or nothing, lease, seconds to hold, how many windows;
most, seconds and takes of each window; most of each slot. Returns the place, from 0, of what there is too much of, and
the seconds to wait; else nothing."""
HOLD = f"""
{_NOW}
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[3], ARGV[2])
  redis.call('EXPIRE', key, {_KEPT})
end
"""
ADD = f"""
{_NOW}
for at, key in ipairs(KEYS) do
  local seconds, amount = tonumber(ARGV[2 * at]), ARGV[2 * at + 1]
  redis.call('HINCRBYFLOAT', key, math.floor(now / (seconds / {STEPS})), amount)
  redis.call('EXPIRE', key, math.ceil(seconds + seconds / {STEPS}) + 1)
end
"""


class LedgerAway(Exception):
    """The Redis does not answer, or not as it should."""


class RedisLedger:
    """Counts in the Redis at ``url``, which may hold a password. ``clock`` stands in for the server's time. Raises
    LedgerAway, and Mistake where there is no client of Redis."""

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        if find_spec("redis") is None:
            raise Mistake('limits.store needs a client of Redis: pip install "switchyard[redis]"')
        self._url = url
        self._clock = clock
        self._redis: Redis | None = None

    async def take(
        self, windows: Sequence[Window], slots: Sequence[Slots], lease: str, seconds: float
    ) -> Shortage | None:
        given: list[Any] = [lease, seconds, len(windows)]
        for each in windows:
            given += [each.most, each.seconds, each.takes]
        keys = [each.key for each in windows] + [each.key for each in slots]
        found = await self._call(TAKE, keys, [*given, *(each.most for each in slots)])
        return Shortage(int(found[0]), float(found[1])) if found else None

    async def hold(self, slots: Sequence[str], lease: str, seconds: float) -> None:
        await self._call(HOLD, slots, [lease, seconds])

    async def free(self, slots: Sequence[str], lease: str) -> None:
        await self._call("for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[2]) end", slots, [lease])

    async def add(self, amounts: Sequence[tuple[Purse, float]]) -> None:
        given = [value for purse, amount in amounts for value in (purse.seconds, repr(float(amount)))]
        await self._call(ADD, [purse.key for purse, _ in amounts], given)

    async def aclose(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
            self._redis = None

    async def _call(self, script: str, keys: Sequence[str], given: Sequence[Any]) -> Any:
        from redis.exceptions import RedisError

        now = "" if self._clock is None else repr(self._clock())
        try:
            return await self._client().register_script(script)(keys=[_digest(key) for key in keys], args=[now, *given])
        except (RedisError, OSError, ValueError) as error:  # ValueError: a URL that only the client finds wrong
            raise LedgerAway(f"{type(error).__name__}: {mask_url(str(error))}") from error

    def _client(self) -> Redis:
        if self._redis is None:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import ConnectionError as Lost

            # Once more where a connection was closed while nobody used it; never where there is no answer in time.
            retry = Retry(NoBackoff(), 1, supported_errors=(Lost,))
            self._redis = Redis.from_url(self._url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=retry)
        return self._redis


def _digest(key: str) -> str:
    return f"switchyard:{blake2b(key.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
