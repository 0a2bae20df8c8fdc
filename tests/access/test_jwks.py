"""Keys that an issuer publishes: which are taken, how often it is asked, and what it cannot have us do."""

from __future__ import annotations

import asyncio
import gc
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from assistant.access.identity import Denied
from assistant.access.jwks import MOST_BYTES, KeySets, NotFetched, Rhythm, keys_of
from assistant.access.signed import Refused
from tests.access.issuer import Issuer, publishing
from tests.access.portals import by_hand, claims, ec_key, gates, jwk, pem, rsa_key, settings, token

ALWAYS = Rhythm(fresh=0, between=0)
ONCE = Rhythm(fresh=1e9, between=1e9)


def of(issuer: Issuer, folder: Path, rhythm: Rhythm = ONCE) -> Any:
    return gates(settings(folder, jwks=issuer.url), KeySets(rhythm))


def branch(kid: str | None = "a", key: Any = None, **more: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return token(claims("branch", **more), key or rsa_key(), headers)


async def refused(gate: Any, shown: str) -> bool:
    try:
        await gate.bearer(shown)
    except Denied as error:
        assert (error.status, error.code) == (401, "invalid_token")
        return True
    return False


async def test_tokens_are_verified_by_the_key_of_their_id_and_its_algorithm(tmp_path: Path) -> None:
    keys = (jwk(rsa_key(), "a"), jwk(ec_key(), "b"), jwk(rsa_key("old"), "c", alg="RS256", use="sig"))
    async with publishing(*keys) as issuer, of(issuer, tmp_path) as (gate, _):
        for good in (branch(), branch("b", ec_key()), branch("c", rsa_key("old"))):
            assert (await gate.bearer(good)).person == "token:branch:ada"
        attacks = {
            "another key of the set": branch("b"),
            "a key that it does not publish": branch("a", rsa_key("attacker")),
            "an unknown id": branch("d"),
            "no id where there are several": branch(None),
            "HS256 by the public key": by_hand({"alg": "HS256", "kid": "a"}, claims("branch"), pem(rsa_key())),
            "HS256 by the key as JSON": by_hand(
                {"alg": "HS256", "kid": "a"}, claims("branch"), json.dumps(jwk(rsa_key(), "a"))
            ),
            "RS512": jwt.encode(claims("branch"), rsa_key(), algorithm="RS512", headers={"kid": "a"}),
            "jku of its own": token(claims("branch"), rsa_key("attacker"), {"kid": "a", "jku": issuer.url}),
        }
        for name, attack in attacks.items():
            assert await refused(gate, attack), name
        assert len(issuer.asked) == 1, "an unknown id does not have the issuer asked at every token"


async def test_a_token_without_an_id_is_verified_where_there_is_one_key(tmp_path: Path) -> None:
    async with publishing(jwk(rsa_key())) as issuer, of(issuer, tmp_path) as (gate, _):
        assert (await gate.bearer(branch(None))).person == "token:branch:ada"
        assert await refused(gate, branch("a"))


async def test_a_new_key_counts_once_it_is_asked_for_and_an_old_one_no_more(tmp_path: Path) -> None:
    async with publishing(jwk(rsa_key(), "a")) as issuer, of(issuer, tmp_path, Rhythm(1e9, 0)) as (gate, _):
        assert not await refused(gate, branch())
        issuer.keys = [jwk(ec_key(), "b")]
        assert not await refused(gate, branch("b", ec_key()))
        assert await refused(gate, branch())
        assert len(issuer.asked) == 3


async def test_many_unknown_ids_are_one_request(tmp_path: Path) -> None:
    async with publishing(jwk(rsa_key(), "a")) as issuer, of(issuer, tmp_path, Rhythm(1e9, 60)) as (gate, _):
        found = await asyncio.gather(*(refused(gate, branch(f"x{number}")) for number in range(50)))
        assert all(found) and len(issuer.asked) == 1


async def test_whoever_leaves_does_not_have_it_begin_anew(tmp_path: Path) -> None:
    async with publishing(jwk(rsa_key(), "a")) as issuer, of(issuer, tmp_path, Rhythm(1e9, 60)) as (gate, _):
        for _ in range(5):
            asking = asyncio.create_task(gate.bearer(branch()))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert (await gate.bearer(branch())).person == "token:branch:ada" and len(issuer.asked) == 1


@pytest.mark.parametrize("fault", ["status", "body", "empty", "hangs", "large"])
async def test_the_old_keys_stay_where_the_new_ones_cannot_be_read(
    tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    rhythm = Rhythm(fresh=0, between=0, patience=0.3)
    async with publishing(jwk(rsa_key(), "a")) as issuer, of(issuer, tmp_path, rhythm) as (gate, _):
        assert not await refused(gate, branch())
        match fault:
            case "status":
                issuer.status = "503 Away"
            case "body":
                issuer.body = b"<html>"
            case "empty":
                issuer.keys = []
            case "hangs":
                issuer.hangs = True
            case "large":
                issuer.body = json.dumps({"keys": [jwk(rsa_key(), "b")]}).encode() + MOST_BYTES * b" "
        async with asyncio.timeout(15):
            assert await refused(gate, branch("b")), "it was asked, and had nothing"
        assert not await refused(gate, branch())
        assert "were not read" in caplog.text and issuer.url not in caplog.text


async def test_keys_that_are_too_old_count_no_more(tmp_path: Path) -> None:
    async with publishing(jwk(rsa_key(), "a")) as issuer, of(issuer, tmp_path, Rhythm(0, 0, longest=0.2)) as (gate, _):
        assert not await refused(gate, branch())
        issuer.status = "503 Away"
        await asyncio.sleep(0.3)
        assert await refused(gate, branch())


async def test_an_odd_key_shuts_nobody_out(tmp_path: Path) -> None:
    odd = [jwk(rsa_key(), "odd", key_ops=None), jwk(rsa_key(), "also", key_ops=5)]
    async with publishing(*odd, jwk(rsa_key(), "a")) as issuer, of(issuer, tmp_path) as (gate, _):
        assert not await refused(gate, branch())
        assert await refused(gate, branch("odd"))


async def test_whatever_goes_wrong_with_an_address_is_told_and_leaves_nothing_behind(caplog: Any) -> None:
    lost: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    async with aclosing(KeySets(ALWAYS)) as sets:
        with pytest.raises(Refused):  # a name that is too long to be looked up
            await sets.key(f"https://{'a' * 70}.example/keys", "a")
    gc.collect()
    assert lost == [] and "were not read: UnicodeError" in caplog.text


async def test_it_is_asked_where_the_settings_say_and_nowhere_else(tmp_path: Path) -> None:
    key = jwk(rsa_key(), "a")
    async with publishing(key) as other, publishing(key) as issuer, of(issuer, tmp_path, ALWAYS) as (gate, _):
        for status in ("301 Moved", "302 Found", "307 There", "308 There"):
            issuer.status, issuer.headers = status, f"Location: {other.url}\r\n"
            assert await refused(gate, branch())
        assert len(issuer.asked) == 4 and other.asked == []
        assert "authorization" not in "".join(issuer.asked).lower()


@pytest.mark.parametrize(
    "place",
    ["169.254.169.254", "127.1", "0.0.0.0", "[::]", "[::ffff:169.254.169.254]", "[::ffff:127.0.0.1]", "224.0.0.1"],
)
async def test_names_that_lead_to_this_machine_or_a_clouds_are_not_asked(place: str) -> None:
    async with publishing() as issuer, aclosing(KeySets(ALWAYS)) as sets:
        port = issuer.url.split(":")[2]
        with pytest.raises(Refused):
            await sets.key(f"https://{place}:{port}", "a")
        assert issuer.connections == 0


async def test_closing_ends_a_request_that_runs() -> None:
    sets = KeySets(ONCE)
    async with publishing() as issuer:
        issuer.hangs = True
        asking = asyncio.create_task(sets.key(issuer.url, "a"))
        while not issuer.asked:
            await asyncio.sleep(0.01)
        await sets.aclose()
        with pytest.raises(asyncio.CancelledError):
            await asking


def test_only_public_keys_for_signatures_of_the_right_size_are_taken() -> None:
    private = {**jwk(rsa_key(), "private"), "d": "AQAB"}
    small, curve = rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())
    edwards = jwt.algorithms.OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True)
    given = [
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"},
        private,
        jwk(small, "small"),
        jwk(curve, "curve"),
        {**edwards, "kid": "edwards"},
        jwk(rsa_key(), "encryption", use="enc"),
        jwk(rsa_key(), "another algorithm", alg="RS512"),
        jwk(rsa_key(), "an algorithm of secrets", alg="HS256"),
        jwk(rsa_key(), "to sign", key_ops=["sign"]),
        jwk(rsa_key(), "for nothing", key_ops=None),
        jwk(rsa_key(), "for a number", key_ops=5),
        jwk(rsa_key(), "for a word", key_ops="verify"),
        jwk(rsa_key(), "for anything", alg=["RS256"]),
        {"kty": "RSA", "kid": "half"},
        {"kty": "RSA", "kid": "odd", "n": 5, "e": []},
        {**jwk(rsa_key()), "kid": 7},
        "key",
        None,
        jwk(rsa_key(), "good"),
        jwk(rsa_key("attacker"), "good"),
    ]
    found = keys_of(json.dumps({"keys": given}).encode())
    assert list(found) == ["good"] and found["good"].algorithm == "RS256"
    assert found["good"].material.public_numbers() == rsa_key().public_key().public_numbers(), "the first counts"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": []}', b"\xff", 100_000 * b"["])
def test_what_is_no_jwks_is_none(body: bytes) -> None:
    with pytest.raises(NotFetched):
        keys_of(body)
