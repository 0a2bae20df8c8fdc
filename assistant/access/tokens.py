"""What a portal says of its people: a JWT, verified with the key that the settings give for its surface."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from assistant.access.identity import Identity
from assistant.access.jwks import KeySets
from assistant.access.signed import Key, Opened, Refused, check_life, text, usable, verified
from assistant.config_access import SurfaceToken

NAME_CHARACTERS = 200
GROUP_CHARACTERS = 255
MOST_GROUPS = 200
PERSON_CHARACTERS = 255
"""What the records hold of a person."""


async def identity(token: Opened, surface: str, policy: SurfaceToken, sets: KeySets) -> Identity:
    """Whom a portal's token names. Raises Refused."""
    kid = token.kid
    key = await sets.key(policy.jwks, kid) if policy.jwks is not None else _own_key(policy)
    claims = verified(token, key, audience=policy.audience, issuer=policy.issuer)
    check_life(claims, policy.minutes * 60)
    if claims.get("surface") != surface:
        raise Refused("it is for another surface")
    person = f"token:{surface}:{text(claims['sub'], NAME_CHARACTERS)}"
    if len(person) > PERSON_CHARACTERS:
        raise Refused("its sub is too long")
    return Identity(
        person,
        "token",
        text(claims["name"], NAME_CHARACTERS) if claims.get("name") not in (None, "") else "",
        _groups(claims),
        surfaces=frozenset({surface}),
        expires=float(claims["exp"]),
    )


def _own_key(policy: SurfaceToken) -> Key:
    if policy.secret is not None:
        return Key("HS256", policy.secret.get_secret_value())
    return _loaded(str(policy.public_key))


@lru_cache(maxsize=64)
def _loaded(pem: str) -> Key:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if (algorithm := usable(key)) is None:
        raise Refused("the surface's key is of no kind that is used here")
    return Key(algorithm, key)


def _groups(claims: Mapping[str, Any]) -> frozenset[str]:
    given = claims.get("groups")
    if given is None:
        return frozenset()
    if not isinstance(given, list) or len(given) > MOST_GROUPS:
        raise Refused("its groups are no list, or too many")
    return frozenset(text(each, GROUP_CHARACTERS) for each in given)
