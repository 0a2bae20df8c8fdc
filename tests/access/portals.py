"""Portals as tests need them: keys of every kind, surfaces that trust them, and tokens written by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from assistant.access.api_keys import ApiKeys
from assistant.access.gate import Gate
from assistant.access.guests import Guests
from assistant.access.jwks import KeySets
from assistant.records.repository import Repository
from assistant.settings import Settings

SECRET, OTHER_SECRET = "portal-secret-planted-0123456789ab", "shop-secret-planted-0123456789abcd"
MACHINE = "machine-token-planted-0123456789abcdef"


@cache
def rsa_key(name: str = "portal") -> rsa.RSAPrivateKey:
    """A private key, the same for the same name."""
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(name: str = "portal") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    """The public half, as settings name it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def jwk(key: Any, kid: str | None = None, **more: Any) -> dict[str, Any]:
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    found: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
    found.pop("key_ops", None)
    return {**found, **({"kid": kid} if kid else {}), **more}


def claims(surface: str = "portal", **more: Any) -> dict[str, Any]:
    """What a good token says; None takes a claim out."""
    now = int(time.time())
    good = {"sub": "ada", "surface": surface, "aud": "switchyard", "iat": now, "exp": now + 300, "groups": ["staff"]}
    return {name: value for name, value in {**good, **more}.items() if value is not None}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def written(value: Any) -> bytes:
    """A header or claims as bytes; text stands for itself, however wrong."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def by_hand(header: Any, payload: Any, secret: bytes | str = SECRET) -> str:
    """A token with the HMAC-SHA256 of whatever it says: libraries would refuse to write most of these."""
    said = f"{encoded(written(header))}.{encoded(written(payload))}"
    secret = secret.encode() if isinstance(secret, str) else secret
    return f"{said}.{encoded(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


def by_rsa(header: Any, payload: Any, key: rsa.RSAPrivateKey | None = None) -> str:
    said = f"{encoded(written(header))}.{encoded(written(payload))}"
    return f"{said}.{encoded((key or rsa_key()).sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def token(payload: dict[str, Any] | None = None, key: Any = SECRET, headers: dict[str, Any] | None = None) -> str:
    """A token as a portal makes it with PyJWT, by the algorithm of the key."""
    kinds = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
    algorithm = next((name for kind, name in kinds.items() if isinstance(key, kind)), "HS256")
    return jwt.encode(claims() if payload is None else payload, key, algorithm=algorithm, headers=headers)


def settings(folder: Path, jwks: str = "https://keys.portal.example/jwks.json", **access: Any) -> Settings:
    """Surfaces of every kind, each with its own key."""
    access = {"mode": "required", **access}
    surfaces = {
        "portal": {"token": {"secret": SECRET}, "origins": ["https://portal.example.com"]},
        "shop": {"token": {"secret": OTHER_SECRET}, "anonymous": access["mode"] == "required"},
        "works": {"token": {"public_key": pem(rsa_key()), "issuer": "https://works.example", "audience": "works"}},
        "lab": {"token": {"public_key": pem(ec_key())}, "origins": ["https://*.lab.example.com"]},
        "branch": {"token": {"jwks": jwks}},
        "closed": {},
    }
    return Settings.model_validate({"data": folder, "surfaces": surfaces, "access": access})


@asynccontextmanager
async def gates(now: Settings, sets: KeySets | None = None) -> AsyncIterator[tuple[Gate, ApiKeys]]:
    """A gate by these settings, with fresh records in their data folder, and its API keys."""
    records = Repository(f"sqlite+aiosqlite:///{now.data / 'records.db'}")
    await records.open()
    keys = ApiKeys(records)
    gate = Gate(lambda: now, keys, MACHINE, Guests(now.data), sets=sets)
    try:
        yield gate, keys
    finally:
        await gate.aclose()
        await records.close()
