"""What a sign-in keeps in the browser while the identity provider asks who it is: a cookie for each attempt, signed,
so that several tabs may sign in at once and only the browser that began an attempt can end it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from ui.sign_in_provider import Attempt

SECONDS = 600
"""So long somebody may take at the provider."""
MOST = 5
"""Attempts of one browser at the same time; the oldest go first, since all of them travel with each request here."""
LONGEST_PATH = 300
PREFIX = "switchyard-sign-in-"
_USED = 10_000
_NEVER = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
_LOCAL = re.compile(r"/[\w.~!$&'()*+,;=:@%/?-]*", re.ASCII)


class Attempts:
    """Seals attempts into cookies and opens them, each once. ``secret`` is shared by all processes of a server; without
    one a restart ends what has been begun. ``https`` is whether browsers are known to come by it."""

    def __init__(self, secret: str | None, https: bool = False) -> None:
        self._https = https
        seed = secret.encode() if secret else secrets.token_bytes(32)
        self._key = hmac.digest(seed, b"switchyard: attempts to sign in", "sha256")
        self._used: dict[str, float] = {}

    def begin(self, to: str, back: str) -> Attempt:
        """A new one; ``to`` is a path that ``local`` has passed."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return Attempt(state, nonce, verifier, to, back)

    def keep(self, response: Response, request: Request, attempt: Attempt) -> None:
        """Put it into the browser; of too many the oldest go."""
        kept = sorted(self._there(request), key=lambda each: -each[1])
        for name, _ in kept[MOST - 1 :]:
            self._cookie(response, request, name, "", 0)
        self._cookie(response, request, _name(attempt.state), self._sealed(attempt), SECONDS)

    def take(self, request: Request, state: str) -> Attempt | None:
        """The one of this state, if this browser began it and it was not taken yet."""
        found = self._open(request.cookies.get(_name(state), ""))
        if found is None or not hmac.compare_digest(str(found["state"]).encode(), state.encode("utf-8", "replace")):
            return None
        now = time.time()
        if state in self._used:
            return None
        self._used = {each: ends for each, ends in list(self._used.items())[-_USED:] if ends > now}
        self._used[state] = now + SECONDS
        return Attempt(**{name: found[name] for name in Attempt.__dataclass_fields__})

    def forget(self, response: Response, request: Request, state: str) -> None:
        """Take it out of the browser."""
        if _name(state) in request.cookies:
            self._cookie(response, request, _name(state), "", 0)

    def _there(self, request: Request) -> Iterator[tuple[str, float]]:
        for name, value in request.cookies.items():
            if name.startswith(PREFIX):
                found = self._open(value)
                yield name, float(found["ends"]) if found else 0.0

    def _sealed(self, attempt: Attempt) -> str:
        from joserfc import jwt

        claims: dict[str, Any] = {**asdict(attempt), "ends": time.time() + SECONDS}
        return jwt.encode({"alg": "HS256"}, claims, self._jwk(), algorithms=["HS256"])

    def _open(self, value: str) -> Mapping[str, Any] | None:
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            claims = jwt.decode(value, self._jwk(), algorithms=["HS256"]).claims
        except (JoseError, ValueError, TypeError):
            return None
        return claims if float(claims["ends"]) > time.time() else None

    def _cookie(self, response: Response, request: Request, name: str, value: str, seconds: int) -> None:
        path = f"{request.scope.get('root_path', '')}/sign-in"
        set_cookie(response, name, value, seconds, path, self._https or request.scope["scheme"] == "https")

    def _jwk(self) -> Any:
        from joserfc.jwk import OctKey

        return OctKey.import_key(self._key)


def local(to: str) -> bool:
    """Whether a text can only be a path of this server, below its root, however often a browser or a proxy decodes
    it."""
    if len(to) > LONGEST_PATH or not _LOCAL.fullmatch(to):
        return False
    while (decoded := unquote(to)) != to:
        to = decoded
    path = to.partition("?")[0]
    return "//" not in path and {".", ".."}.isdisjoint(path.split("/")) and not _NEVER.search(to)


def _name(state: str) -> str:
    return PREFIX + hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]


def set_cookie(response: Response, name: str, value: str, seconds: int, path: str, secure: bool) -> None:
    """Our cookies: no script reads them, and no other site has them sent but by leading somebody here."""
    response.set_cookie(name, value, max_age=seconds, path=path, secure=secure, httponly=True, samesite="lax")
