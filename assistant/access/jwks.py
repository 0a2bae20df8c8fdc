"""The public keys that an issuer publishes as a JWKS: fetched when they are needed, and no more often than that."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from assistant.access.signed import Algorithm, Key, Refused, usable
from assistant.config_access import loopback

MOST_BYTES = 262_144
MOST_KEYS = 100
_KINDS: Mapping[str, Algorithm] = {"RSA": "RS256", "EC": "ES256"}
log = logging.getLogger(__name__)


class NotFetched(Exception):
    """The keys could not be read; the message says why and holds no address."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds: for which keys count as fresh; between two requests, whatever is asked for; for which keys still count
    where no request succeeds; and that a request may take."""

    fresh: float = 600
    between: float = 10
    longest: float = 86_400
    patience: float = 5


RHYTHM = Rhythm()


@dataclass(slots=True)
class _Set:
    keys: Mapping[str | None, Key] = field(default_factory=dict)
    read: float = float("-inf")
    tried: float = float("-inf")
    fetching: asyncio.Task[None] | None = None


class KeySets:
    """The keys at each address that the settings name. ``aclose`` ends what runs."""

    def __init__(self, rhythm: Rhythm = RHYTHM) -> None:
        self._rhythm = rhythm
        self._sets: dict[str, _Set] = {}

    async def key(self, url: str, kid: str | None) -> Key:
        """The key of an id; without an id the only one. Raises Refused where there is none."""
        found = self._sets.setdefault(url, _Set())
        key = self._known(found, kid)
        if key is None or time.monotonic() - found.read > self._rhythm.fresh:
            await self._refresh(url, found, wait=key is None)
            key = self._known(found, kid)
        if key is None:
            raise Refused("its key is not among those of its issuer")
        return key

    async def aclose(self) -> None:
        """End the requests that run."""
        running = [each.fetching for each in self._sets.values() if each.fetching is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _known(self, found: _Set, kid: str | None) -> Key | None:
        if time.monotonic() - found.read > self._rhythm.longest:
            return None
        if kid is None:
            return next(iter(found.keys.values())) if len(found.keys) == 1 else None
        return found.keys.get(kid)

    async def _refresh(self, url: str, found: _Set, *, wait: bool) -> None:
        """Ask for the keys, unless that was done just now. All who need them wait for the one request, which goes on
        when one of them leaves: else somebody who always leaves could have it begin anew, again and again."""
        if found.fetching is None and time.monotonic() - found.tried >= self._rhythm.between:
            found.tried = time.monotonic()
            found.fetching = asyncio.create_task(self._fetch(url, found))
        if found.fetching is not None and wait:
            await asyncio.shield(found.fetching)

    async def _fetch(self, url: str, found: _Set) -> None:
        try:
            async with asyncio.timeout(self._rhythm.patience):
                found.keys = keys_of(await _get(url))
            found.read = time.monotonic()
        except TimeoutError:
            log.warning("the keys of a portal's tokens were not read: no whole answer in time")
        except NotFetched as error:
            log.warning("the keys of a portal's tokens were not read: %s", error)
        except Exception as error:  # nobody may be waiting who would hear of it
            log.warning("the keys of a portal's tokens were not read: %s", type(error).__name__)
        finally:
            found.fetching = None


def keys_of(body: bytes) -> Mapping[str | None, Key]:
    """The keys of a JWKS that signatures can be verified with, by id. Raises NotFetched."""
    try:
        listed = json.loads(body)["keys"]
        given = [each for each in listed if isinstance(each, dict)][:MOST_KEYS]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NotFetched("what came is no JWKS") from None
    found: dict[str | None, Key] = {}
    for each in given:
        key, kid = _key(each), each.get("kid")
        if key is not None and (kid is None or isinstance(kid, str)):
            found.setdefault(kid, key)
    if not found:
        raise NotFetched("it holds no key that RS256 or ES256 could be verified with")
    return found


def _key(given: Mapping[str, Any]) -> Key | None:
    """A public key for signatures; None for what is something else, a secret or a private one among it."""
    import jwt

    algorithm = _KINDS.get(str(given.get("kty")))
    if algorithm is None or given.get("use", "sig") != "sig":
        return None
    uses = given.get("key_ops", ["verify"])
    if given.get("alg", algorithm) != algorithm or not isinstance(uses, list) or "verify" not in uses:
        return None
    try:
        key = jwt.PyJWK(dict(given), algorithm=algorithm).key
    except Exception:  # whatever an issuer writes into one key, its others count
        return None
    return Key(algorithm, key) if usable(key) == algorithm else None


async def _get(url: str) -> bytes:
    """What is at an address, without following it anywhere else. Raises NotFetched."""
    import httpx

    await _check_place(url)
    try:
        async with (
            httpx.AsyncClient(follow_redirects=False, headers={"Accept-Encoding": "identity"}) as client,
            client.stream("GET", url) as response,
        ):
            if response.status_code != 200:
                raise NotFetched(f"status {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MOST_BYTES:
                    raise NotFetched("larger than a JWKS may be")
            return bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise NotFetched(type(error).__name__) from None


async def _check_place(url: str) -> None:
    """Raises NotFetched where a name that is not this machine's leads to it, or to what machines of a cloud are told.
    Addresses of an organisation's own network are fine: an issuer may well be there, and TLS says that it is."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if loopback(host):
        return
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        return  # behind a proxy names may be unknown here
    for each in found:
        address = ip_address(str(each[4][0]).partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
            raise NotFetched("its name leads to an address where no issuer is")
