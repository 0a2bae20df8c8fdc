"""The identity provider: what it says of itself, where it is asked, and what its ID token says once it is checked."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assistant.config_access import SignIn, loopback

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client
    from joserfc.jwk import KeySet

log = logging.getLogger(__name__)
TIMEOUT = 10.0
"""Seconds for one request to the provider, however slowly it answers."""
LARGEST = 1_000_000
"""Bytes of what the provider may answer."""
FRESH = 3600.0
"""Seconds after which what the provider says of itself is read again. Keys are also read again for a token that none
of them fits."""
RESTS = 2.0
"""Seconds in which a provider that did not answer is not asked again: those who wait for it would do so in a row."""
LEEWAY = 60
"""Seconds that clocks may differ by."""
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Those with a public key. Neither `none` nor a shared secret ever counts, whatever a token's header says."""


class ProviderDown(Exception):
    """The provider does not answer, or not so that it could be used."""


class Untrusted(Exception):
    """What the provider answered is not what this sign-in asked for; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one sign-in keeps in the browser between our two requests: the secrets that the answer must fit, where it
    goes on (a path of ours) and the redirect URI."""

    state: str
    nonce: str
    verifier: str
    to: str
    back: str


class Provider:
    """The provider of these settings. What it says of itself is read when it is first needed."""

    def __init__(self, settings: SignIn) -> None:
        self.settings = settings
        self.host = urlsplit(str(settings.issuer)).netloc
        self._found: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._next = 0.0
        self._reading = asyncio.Lock()

    async def metadata(self) -> Mapping[str, Any]:
        """Its discovery document. Raises ProviderDown."""
        async with self._reading:
            if self._found is not None and time.monotonic() < self._next:
                return self._found
            if self._found is None and time.monotonic() < self._next:
                raise ProviderDown("it did not answer just now")
            try:
                self._found, self._keys = await self._discover(), None
                self._next = time.monotonic() + FRESH
            except ProviderDown as error:
                log.error("the identity provider cannot be used: %s", error)
                self._next = time.monotonic() + RESTS
                if self._found is None:
                    raise
            return self._found

    async def address(self, attempt: Attempt) -> str:
        """Where the browser goes to sign in. Raises ProviderDown."""
        found = await self.metadata()
        async with self._client(attempt.back) as client:
            address, _ = client.create_authorization_url(
                found["authorization_endpoint"],
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
                scope=" ".join(self.settings.scopes),
            )
        return str(address)

    async def leaving(self, back: str) -> str | None:
        """Where the browser goes to end the provider's own session; None where it offers nothing or does not
        answer."""
        from authlib.common.urls import add_params_to_uri

        try:
            end = (await self.metadata()).get("end_session_endpoint")
        except ProviderDown:
            return None
        if end is None:
            return None
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        return str(add_params_to_uri(end, asked))

    async def check_issuer(self, iss: str | None) -> None:
        """RFC 9207: an answer that says who gives it must be this provider's. Raises Untrusted and ProviderDown."""
        found = await self.metadata()
        if iss is None and found.get("authorization_response_iss_parameter_supported") is True:
            raise Untrusted("its answer lacks the issuer that it promises (iss)")
        if iss is not None and iss != found["issuer"]:
            raise Untrusted("the answer comes from another issuer (iss)")

    async def claims(self, code: str, attempt: Attempt) -> dict[str, Any]:
        """Who signed in, for a code: the checked claims of the ID token, with what only the userinfo endpoint says.
        Raises ProviderDown and Untrusted."""
        found = await self.metadata()
        token = await self._exchange(found["token_endpoint"], code, attempt)
        if not isinstance(token.get("id_token"), str):
            raise Untrusted("it gave no ID token")
        claims = await self._checked(token, attempt.nonce)
        if "userinfo_endpoint" in found and not {self.settings.groups_claim, "name"} <= claims.keys():
            claims = await self._more(found["userinfo_endpoint"], token.get("access_token"), claims)
        return claims

    async def _exchange(self, endpoint: str, code: str, attempt: Attempt) -> Mapping[str, Any]:
        from authlib.integrations.base_client import OAuthError

        async with self._client(attempt.back) as client:
            try:
                token: Mapping[str, Any] = await client.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=attempt.verifier
                )
            except OAuthError as error:
                said = ": ".join(filter(None, (error.error, error.description)))
                raise Untrusted(f"it gives no token: {said}"[:300]) from error
        return token

    async def _checked(self, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError

        try:
            try:
                header, claims = self._verified(token["id_token"], await self._key_set())
            except (InvalidKeyIdError, BadSignatureError):  # its keys may be new ones by now
                header, claims = self._verified(token["id_token"], await self._key_set(anew=True))
            asked = {"nonce": nonce, "client_id": self.settings.client_id, "access_token": token.get("access_token")}
            must = {
                "iss": {"essential": True, "value": (await self.metadata())["issuer"]},
                "aud": {"essential": True, "value": self.settings.client_id},
            }
            CodeIDToken(claims, header, must, asked).validate(leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            said = f"{type(error).__name__} {error}".rstrip(": ")
            raise Untrusted(f"its ID token is wrong: {said}") from error
        return claims

    def _verified(self, token: str, keys: KeySet) -> tuple[dict[str, Any], dict[str, Any]]:
        from joserfc import jwt
        from joserfc.jws import JWSRegistry

        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        found = jwt.decode(token, keys, registry=registry)
        return found.header, found.claims

    async def _more(self, endpoint: str, access: object, claims: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(access, str):
            return claims
        more = await self._get(endpoint, {"Authorization": f"Bearer {access}"})
        # OpenID Connect Core, 5.3.2: without this anybody's userinfo could be put in the place of theirs.
        if more.get("sub") != claims["sub"]:
            log.warning("what the identity provider's userinfo says is of another subject, so it does not count")
            return claims
        return {**more, **claims}

    async def _key_set(self, anew: bool = False) -> KeySet:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        found = await self.metadata()
        keys = None if anew else self._keys
        if keys is None:
            given: Any = await self._get(found["jwks_uri"])
            try:
                keys = KeySet.import_key_set(given)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise ProviderDown(f"its keys cannot be read: {type(error).__name__}") from error
            self._keys = keys
        return keys

    async def _discover(self) -> dict[str, Any]:
        issuer = str(self.settings.issuer).rstrip("/")
        found = await self._get(f"{issuer}/.well-known/openid-configuration")
        if str(found.get("issuer")).rstrip("/") != issuer:
            raise ProviderDown(
                f"it calls itself {str(found.get('issuer'))[:200]}, not {issuer}: see access.sign_in.issuer"
            )
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not self._may_be_asked(found.get(name)):
                raise ProviderDown(f"what it names as {name} is no address with https")
        for name in ("userinfo_endpoint", "end_session_endpoint"):
            if not self._may_be_asked(found.get(name)):
                found.pop(name, None)
        return found

    def _may_be_asked(self, address: object) -> bool:
        """https, or this machine where the issuer itself is on it."""
        if not isinstance(address, str):
            return False
        try:
            to, host = urlsplit(address), urlsplit(address).hostname or ""
        except ValueError:
            return False
        here = loopback(urlsplit(str(self.settings.issuer)).hostname or "")
        if loopback(host):
            return here and to.scheme in ("http", "https")
        return bool(host) and to.scheme == "https"

    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        async with (
            self._client() as client,
            client.stream("GET", address, withhold_token=True, auth=None, headers=dict(headers or {})) as answer,
        ):
            answer.raise_for_status()
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > LARGEST:
                    raise ProviderDown(f"{address} answers with more than {LARGEST:,} bytes")
        return _json_object(body, address)

    @asynccontextmanager
    async def _client(self, back: str | None = None) -> AsyncIterator[AsyncOAuth2Client]:
        """For one request, which follows no redirect; its faults are ProviderDown."""
        import httpx2
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        secret = self.settings.client_secret
        made = AsyncOAuth2Client(
            client_id=self.settings.client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method=self._method(),
            code_challenge_method="S256",
            redirect_uri=back,
            timeout=TIMEOUT,
        )
        try:
            async with made as client, asyncio.timeout(TIMEOUT):
                yield client
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
            raise ProviderDown(f"{type(error).__name__}: {error}"[:300]) from error

    def _method(self) -> str:
        """How we show our secret: as OpenID Connect has it unless the provider takes it in the body alone."""
        if self.settings.client_secret is None:
            return "none"
        taken = (self._found or {}).get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        post = "client_secret_basic" not in taken and "client_secret_post" in taken
        return "client_secret_post" if post else "client_secret_basic"


def _json_object(body: bytes, address: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderDown(f"{address} answers with something else than a JSON object")
    return found
