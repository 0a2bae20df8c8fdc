"""A small OpenID Connect provider on loopback, which signs a chosen person in at once, and misbehaves when told to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form, Header, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.serving import free_port

CLIENT, SECRET = "switchyard", "the-secret-of-the-client-at-its-provider"


@dataclass(frozen=True)
class Person:
    """Somebody with an account there."""

    sub: str
    name: str = ""
    groups: tuple[str, ...] | None = ()


@dataclass
class IdentityProvider:
    """What it is asked and how it answers. ``wrong`` names one way to misbehave; ``asked`` collects the parameters of
    what came to each endpoint."""

    issuer: str
    person: Person = Person("ada", "Ada Lovelace")
    wrong: str = ""
    in_userinfo: bool = False
    asked: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _people: dict[str, Person] = field(default_factory=dict)

    def rotate(self, same_name: bool = False) -> None:
        """Sign with a new key from now on, and publish only that."""
        kid = {"kid": str(self.key.kid)} if same_name else None
        self.key = RSAKey.generate_key(2048, kid, auto_kid=not same_name)

    def metadata(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/leave",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": True,
        }
        changed = {
            "other issuer": {"issuer": "https://elsewhere.example"},
            "plain token endpoint": {"token_endpoint": "http://192.0.2.1/token"},
            "plain keys": {"jwks_uri": "file:///etc/passwd"},
        }
        return {**found, **changed.get(self.wrong, {})}

    def begun(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to, with a code for this person."""
        if self.wrong == "denied":
            back = {"error": "access_denied", "error_description": "<b>Not</b> for you"}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code], self._people[code] = asked, self.person
            back = {"code": code}
        back |= (
            {} if self.wrong == "no iss" else {"iss": "https://evil.example" if self.wrong == "iss" else self.issuer}
        )
        return f"{asked['redirect_uri']}?{urlencode({**back, 'state': asked['state']})}"

    def tokens(self, form: dict[str, str], authorization: str) -> Response:
        """What a code is worth, once, to who began with its challenge."""
        shown = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {shown}":
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = _bare(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or asked.get("code_challenge") != challenge
            or asked.get("code_challenge_method") != "S256"
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return JSONResponse({"error": "invalid_grant", "error_description": "no such code"}, 400)
        person = self._people[form["code"]]
        access = f"access-of-{person.sub}"
        self._people[access] = person
        body = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        if self.wrong != "no id token":
            body["id_token"] = self._id_token(person, asked["nonce"])
        return JSONResponse(body)

    def about(self, person: Person) -> dict[str, Any]:
        """What it says of somebody beside the subject."""
        claims: dict[str, Any] = {"name": person.name} if person.name else {}
        return claims if person.groups is None else {**claims, "groups": list(person.groups)}

    def userinfo(self, authorization: str) -> Response:
        person = self._people.get(authorization.removeprefix("Bearer "))
        if person is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        sub = "somebody-else" if self.wrong == "userinfo of somebody else" else person.sub
        return JSONResponse({"sub": sub, **self.about(person)})

    def _id_token(self, person: Person, nonce: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer, "sub": person.sub, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce,
            **({} if self.in_userinfo else self.about(person)),
        }  # fmt: skip
        claims |= {
            "nonce": {"nonce": "another"},
            "aud": {"aud": "another"},
            "azp": {"aud": [CLIENT, "another"], "azp": "another"},
            "token iss": {"iss": "https://evil.example"},
            "expired": {"iat": now - 4000, "exp": now - 3700},
            "not yet": {"nbf": now + 3600},
            "issued later": {"iat": now + 3600},
            "at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
            "sub of no kind": {"sub": 17},
            "empty sub": {"sub": ""},
            "control in sub": {"sub": "a\x00b"},
        }.get(self.wrong, {})
        for missing in ("nonce", "exp", "aud", "sub", "iss"):
            if self.wrong == f"no {missing} claim":
                del claims[missing]
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        if self.wrong == "alg none":
            return f"{_coded({'alg': 'none'})}.{_coded(claims)}."
        if self.wrong.startswith("hs256"):  # by hand: the library refuses to
            public = self.key.as_pem(private=False)
            secret = public if self.wrong == "hs256 with the public key" else SECRET.encode()
            said = f"{_coded({'alg': 'HS256', 'kid': self.key.kid})}.{_coded(claims)}"
            return f"{said}.{_bare(hmac.digest(secret, said.encode(), 'sha256'))}"
        key = RSAKey.generate_key(2048, auto_kid=True) if self.wrong.startswith("another key") else self.key
        kid = self.key.kid if self.wrong == "another key by its name" else key.kid
        header: dict[str, Any] = {"alg": "RS256", "kid": kid}
        if self.wrong == "key in the header":
            key = RSAKey.generate_key(2048, auto_kid=True)
            header = {"alg": "RS256", "kid": self.key.kid, "jku": "http://192.0.2.1/keys"}
        token = jwt.encode(header, claims, key)
        return token[:-8] + "AAAAAAAA" if self.wrong == "signature" else token


def _coded(value: dict[str, Any]) -> str:
    return _bare(json.dumps(value).encode())


def _bare(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def application(provider: IdentityProvider) -> FastAPI:
    """Its endpoints."""
    app = FastAPI(openapi_url=None)

    def note(endpoint: str, asked: dict[str, str]) -> dict[str, str]:
        provider.asked.setdefault(endpoint, []).append(asked)
        return asked

    def broken(endpoint: str) -> Response | None:
        if provider.wrong == f"{endpoint} slow":
            provider.over.wait(30)
        if provider.wrong == f"{endpoint} fails":
            return Response("<h1>secret-of-the-provider</h1>", 500, media_type="text/html")
        if provider.wrong == f"{endpoint} is no JSON":
            return Response("secret-of-the-provider", media_type="text/plain")
        if provider.wrong == f"{endpoint} is huge":
            return Response('"' + "x" * 3_000_000 + '"', media_type="application/json")
        if provider.wrong == f"{endpoint} redirects":
            return RedirectResponse("http://192.0.2.1/", 302)
        return None

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Any:
        note("discovery", {})
        return broken("discovery") or provider.metadata()

    @app.get("/keys")
    def keys() -> Any:
        note("keys", {})
        return broken("keys") or {"keys": [provider.key.as_dict(private=False, use="sig", alg="RS256")]}

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        return RedirectResponse(provider.begun(note("authorize", dict(request.query_params))), 302)

    @app.post("/token")
    def token(
        grant_type: Annotated[str, Form()],
        code: Annotated[str, Form()] = "",
        code_verifier: Annotated[str, Form()] = "",
        redirect_uri: Annotated[str, Form()] = "",
        authorization: Annotated[str, Header()] = "",
    ) -> Response:
        form = {"grant_type": grant_type, "code": code, "code_verifier": code_verifier, "redirect_uri": redirect_uri}
        return broken("token") or provider.tokens(note("token", form), authorization)

    @app.get("/userinfo")
    def userinfo(authorization: Annotated[str, Header()] = "") -> Response:
        note("userinfo", {})
        return broken("userinfo") or provider.userinfo(authorization)

    @app.get("/leave")
    def leave(request: Request) -> RedirectResponse:
        return RedirectResponse(note("leave", dict(request.query_params))["post_logout_redirect_uri"], 302)

    return app


@contextmanager
def providing(port: int | None = None) -> Iterator[IdentityProvider]:
    """A provider that answers until the block ends."""
    port = port or free_port()
    provider = IdentityProvider(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(
        uvicorn.Config(application(provider), port=port, log_config=None, access_log=False, lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until, "the provider did not start"
        time.sleep(0.02)
    try:
        yield provider
    finally:
        provider.over.set()
        server.should_exit = server.force_exit = True
        thread.join(timeout=30)
