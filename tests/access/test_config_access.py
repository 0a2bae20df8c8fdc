"""Settings of access: what is wrong with them is said with the key and what to do, and never shows a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assistant.config_errors import ConfigError
from assistant.config_file import load
from assistant.config_schema import explain
from assistant.settings import Settings
from tests.access.portals import SECRET, ec_key, pem, rsa_key

Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(**settings: Any) -> Settings:
        file = tmp_path / "assistant.yaml"
        file.write_text(yaml.safe_dump(settings))
        return load(file, environ={}).settings

    return read


def private() -> str:
    form = serialization.PrivateFormat.PKCS8
    kept = rsa_key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return kept.decode()


def portal(**of_surface: Any) -> dict[str, Any]:
    return {"surfaces": {"portal": of_surface}}


def with_token(**token: Any) -> dict[str, Any]:
    return portal(token=token)


SIGN_IN = {"issuer": "https://login.example.com", "client_id": "switchyard"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no key": (
        with_token(),
        "surfaces.portal.token has nothing to verify with. Add one of secret, public_key and jwks",
    ),
    "two keys": (
        with_token(secret=SECRET, jwks="https://a.example"),
        "surfaces.portal.token.jwks stands beside secret",
    ),
    "three keys": (
        with_token(secret=SECRET, jwks="https://a.example", public_key=pem(ec_key())),
        "surfaces.portal.token.public_key stands beside secret",
    ),
    "a short secret": (with_token(secret=SECRET[:31]), "token.secret has 31 bytes, and HS256 needs at least 32"),
    "an empty secret": (with_token(secret=""), "surfaces.portal.token has nothing to verify with"),
    "a private key": (with_token(public_key=private()), "token.public_key is a private key"),
    "a text as key": (with_token(public_key=SECRET), "token.public_key must be a public key in PEM"),
    "a small key": (
        with_token(public_key=pem(rsa.generate_private_key(65537, 1024))),
        "token.public_key is a key of another kind or size",
    ),
    "another curve": (
        with_token(public_key=pem(ec.generate_private_key(ec.SECP384R1()))),
        "token.public_key is a key of another kind or size",
    ),
    "keys by http": (
        with_token(jwks="http://keys.example.com"),
        "token.jwks must start with https://, or be on this machine",
    ),
    "keys by http at a name of ours": (
        with_token(jwks="http://localhost.example.com/k"),
        "token.jwks must start with https",
    ),
    "keys with a user": (
        with_token(jwks="https://a:b@keys.example.com"),
        "token.jwks must be an address without a user",
    ),
    "keys from a file": (with_token(jwks="file:///etc/passwd"), "token.jwks must start with http:// or https://"),
    "our issuer": (
        with_token(secret=SECRET, issuer="switchyard"),
        "token.issuer is how our own tokens for guests begin",
    ),
    "no audience": (with_token(secret=SECRET, audience=""), "surfaces.portal.token.audience"),
    "a life without end": (
        with_token(secret=SECRET, minutes=100_000),
        "token.minutes must be a whole number from 1 to 1440",
    ),
    "any origin": (portal(origins=["*"]), "surfaces.portal.origins[0] would let any site in"),
    "origin null": (portal(origins=["null"]), "origins[0] would let any site in"),
    "an origin with a path": (
        portal(origins=["https://a.example.com/portal"]),
        "origins[0] must be the origin of a site",
    ),
    "an origin with a slash": (portal(origins=["https://a.example.com/"]), "Write https://a.example.com."),
    "a host alone": (portal(origins=["a.example.com"]), "origins[0] must be the origin of a site"),
    "an origin with a user": (portal(origins=["https://u@a.example.com"]), "origins[0] must be the origin of a site"),
    "a whole country": (portal(origins=["https://*.com"]), "origins[0] would let far too many sites in"),
    "a star within": (portal(origins=["https://a.*.example.com"]), "origins[0] must be the origin of a site"),
    "another scheme": (portal(origins=["file://a"]), "origins[0] must be the origin of a site"),
    "a port that there is not": (
        portal(origins=["https://a.example.com:99999"]),
        "origins[0] must be the origin of a site",
    ),
    "other letters": (portal(origins=["https://müller.example"]), "in ASCII"),
    "guests in mode none": (portal(anonymous=True), "surfaces.portal.anonymous is set, but access.mode is none"),
    "open though required": (
        {"access": {"mode": "required", "open_to_network": True}},
        "access.open_to_network is set, but access.mode is required",
    ),
    "roles for nobody": (
        {"access": {"roles": {"admin": ["it"]}}},
        "access.roles.admin names groups, but nobody can sign in",
    ),
    "roles for everyone": (
        {"access": {"sign_in": SIGN_IN, "roles": {"editor": ["staff", "everyone"]}}},
        "access.roles.editor[1] would give this role to all",
    ),
    "a sign-in by http": (
        {"access": {"sign_in": {**SIGN_IN, "issuer": "http://login.example.com"}}},
        "access.sign_in.issuer must start with https",
    ),
    "a sign-in without openid": (
        {"access": {"sign_in": {**SIGN_IN, "scopes": ["profile"]}}},
        "access.sign_in.scopes lack openid",
    ),
    "half a sign-in": ({"access": {"sign_in": {"issuer": "https://i.example"}}}, "access.sign_in.client_id"),
    "another mode": ({"access": {"mode": "open"}}, "access.mode must be none or required"),
    "a public address with a query": (
        {"server": {"public_url": "https://a.example/?b"}},
        "public_url must end with its path",
    ),
    "a public address without a scheme": ({"server": {"public_url": "a.example"}}, "public_url must be a web address"),
}


@pytest.mark.parametrize(("given", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_with_its_key_and_shows_no_secret(read: Read, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(**given)
    assert says in str(error.value)
    assert SECRET[:31] not in str(error.value) and private().splitlines()[1] not in str(error.value)


def test_what_is_right_is_taken(read: Read) -> None:
    found = read(
        access={"mode": "required", "sign_in": {**SIGN_IN, "client_secret": "c"}, "roles": {"admin": ["it"]}},
        server={"public_url": "https://chat.example.com/assistant/"},
        surfaces={
            "portal": {
                "token": {"secret": SECRET},
                "origins": [
                    "HTTPS://Portal.Example.com:443",
                    "http://localhost:8000",
                    "https://*.example.com",
                    "http://[::1]:80",
                ],
                "anonymous": True,
            },
            "shop": {"token": {"public_key": pem(rsa_key()), "minutes": 5}},
            "lab": {"token": {"public_key": pem(ec_key()), "issuer": "https://lab.example"}},
            "branch": {"token": {"jwks": "https://keys.example.com/jwks.json"}},
            "near": {"token": {"jwks": "http://127.0.0.1:9/jwks.json"}},
        },
    )
    assert found.surfaces["portal"].origins == [
        "https://portal.example.com",
        "http://localhost:8000",
        "https://*.example.com",
        "http://[::1]",
    ]
    assert found.server.public_url == "https://chat.example.com/assistant"
    assert read().access.mode == "none" and read().surfaces["portal"].token is None


def test_secrets_are_masked_wherever_settings_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "assistant.yaml"
    sign_in = {**SIGN_IN, "client_secret": "planted-client-secret"}
    file.write_text(yaml.safe_dump({"access": {"sign_in": sign_in}, **with_token(secret=SECRET)}))
    loaded = load(file, environ={})
    shown = f"{loaded.settings!r} {loaded.settings} {loaded.settings.model_dump_json()} {explain(loaded)}"
    assert "surfaces.portal.token.secret" in shown and SECRET not in shown and "planted-client" not in shown
