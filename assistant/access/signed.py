"""Signed tokens: taken apart strictly, and verified by the one key and the one algorithm that our side says."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Algorithm = Literal["HS256", "RS256", "ES256"]
MOST = 8_192
"""Characters of a token: what fits a header that proxies let through."""
LEEWAY = 30
"""Seconds by which the clocks of two machines may differ."""
LATEST = 1e11
"""Seconds since 1970: the year 5138."""
KID_CHARACTERS = 200
RSA_BITS = 2_048
"""RFC 7518, 3.3."""
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HEADER = frozenset({"alg", "typ", "kid", "x5t", "x5t#S256"})
"""What a header may say. The rest names keys of the sender's choice (jwk, jku, x5c, x5u) or another reading of what
follows (crit, b64, zip, enc, cty)."""


class Refused(Exception):
    """A token that does not count; the reason is for the log and holds nothing of the token."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the algorithm that it is for: no token has a say in that."""

    algorithm: Algorithm
    material: Any


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A token that was read and not verified: what it claims only says whom to ask."""

    token: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def kid(self) -> str | None:
        """Which key it says it was signed with."""
        kid = self.header.get("kid")
        if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= KID_CHARACTERS and kid.isprintable()):
            raise Refused("its kid is none")
        return kid


def usable(key: Any) -> Algorithm | None:
    """The algorithm of a public key; None for kinds and sizes that are not used here."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS:
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    return None


def looks_like_one(token: str) -> bool:
    """Whether it has the form of a signed token."""
    return len(token) <= MOST and _SHAPE.fullmatch(token) is not None


def opened(token: str) -> Opened:
    """What a token says, unverified. Raises Refused for what is not written as it must be."""
    if not looks_like_one(token):
        raise Refused("not a signed token, or too long")
    first, second, third = token.split(".")
    header, claims = _object(first), _object(second)
    _bytes(third)
    if strange := header.keys() - _HEADER:
        raise Refused(f"its header says {len(strange)} things that it may not")
    if "typ" in header and str(header["typ"]).upper() not in ("JWT", "AT+JWT"):
        raise Refused("it is of another type")
    return Opened(token, header, claims)


def verified(token: Opened, key: Key, *, audience: str | None = None, issuer: str | None = None) -> dict[str, Any]:
    """The claims of a token that this key signed, that is valid now and is meant for us. Raises Refused."""
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token.token,
            key.material,
            algorithms=[key.algorithm],
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "sub", *(["aud"] if audience else []), *(["iss"] if issuer else [])]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise Refused(f"it is not valid: {type(error).__name__}") from None
    for name in ("exp", "nbf", "iat"):
        if name in claims and not _is_time(claims[name]):
            raise Refused(f"its {name} is no time")
    return claims


def check_life(claims: Mapping[str, Any], seconds: float) -> None:
    """Raises Refused for a token that lives longer than that, from its ``iat`` on, or from now on without one."""
    since = claims.get("iat", time.time() + LEEWAY)
    if claims["exp"] - since > seconds:
        raise Refused("it lives longer than the settings allow")


def text(value: Any, most: int) -> str:
    """A claim that is one line of text. Raises Refused."""
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable() or value != value.strip():
        raise Refused("a claim is no text, or too long")
    return value


def _is_time(value: Any) -> bool:
    # The bounds leave out what is no number, has no end, or is too large to be reckoned with.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LATEST


def _object(segment: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(segment), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused("it holds no JSON") from None
    if not isinstance(found, dict):
        raise Refused("it holds no JSON object")
    return found


def _bytes(segment: str) -> bytes:
    """Of base64url as RFC 7515 writes it: there is one way to write the same bytes."""
    try:
        found = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise Refused("it is not written in base64url") from None
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != segment:
        raise Refused("it is not written in base64url")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("it says the same thing twice")
    return found


def _no_number(_: str) -> Any:
    raise Refused("it holds a number that is none")
