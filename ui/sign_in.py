"""Signing in on our pages with an account of the organisation: OpenID Connect, authorization code with PKCE."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from assistant.app import Assistant
from assistant.config_access import SignIn
from assistant.records.repository import RecordsError
from ui.security import from_here
from ui.sign_in_attempts import Attempts, local, set_cookie
from ui.sign_in_pages import page
from ui.sign_in_pages import who_html as who_html
from ui.sign_in_provider import Attempt, Provider, ProviderDown, Untrusted
from ui.words import Words, language_of, words

log = logging.getLogger(__name__)
COOKIE = "switchyard-session"
PATH, OUT = "/sign-in", "/sign-out"
PORTAL = "portal"
LONGEST = 4096
"""Characters of a code, a state or an error that a provider may send."""
SAID = 200
"""Characters of the provider's own words that are shown."""
Trouble = Literal["denied", "down", "expired", "foreign", "not_here", "not_local", "wrong"]
STATUS: dict[Trouble, int] = {
    "denied": 403,
    "down": 503,
    "expired": 400,
    "foreign": 403,
    "not_here": 404,
    "not_local": 400,
    "wrong": 502,
}


class Door:
    """Begins and ends sign-ins, by the settings as they are now."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._provider: tuple[SignIn, Provider, Attempts] | None = None

    async def begin(self, request: Request, to: str) -> Response:
        """To the provider, and from there back to ``to``, a path below our root."""
        await self._follow()
        found = self._now()
        if found is None:
            return self.trouble(request, "not_here")
        if not local(to):
            return self.trouble(request, "not_local")
        provider, attempts = found
        to = "/" if to.startswith(("/sign-in", "/sign-out")) else to
        attempt = attempts.begin(to, self._url(request, f"{PATH}/callback"))
        try:
            address = await provider.address(attempt)
        except ProviderDown:
            return self.trouble(request, "down", again=attempt.to)
        response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
        attempts.keep(response, request, attempt)
        return response

    async def finish(self, request: Request) -> Response:
        """What the browser brings back from the provider: a session, or a page that says why there is none."""
        await self._follow()
        found = self._now()
        if found is None:
            return self.trouble(request, "not_here")
        provider, attempts = found
        given = {name: value[:LONGEST] for name, value in request.query_params.items()}
        state = given.get("state", "")
        attempt = attempts.take(request, state)
        response = await self._finished(request, given, provider, attempt)
        attempts.forget(response, request, state)
        return response

    async def _finished(
        self, request: Request, given: dict[str, str], provider: Provider, attempt: Attempt | None
    ) -> Response:
        if attempt is None:
            return self.trouble(request, "expired")
        try:
            await provider.check_issuer(given.get("iss"))
            if "error" in given or not given.get("code"):
                said = _plain(given.get("error_description") or given.get("error", "no code"))
                log.warning("the identity provider does not let somebody in: %s", said)
                return self.trouble(request, "denied", again=attempt.to, said=said)
            claims = await provider.claims(given["code"], attempt)
            return await self._signed_in(request, claims, attempt)
        except ProviderDown as error:
            log.error("a sign-in failed, since the identity provider did not answer: %s", error)
            return self.trouble(request, "down", again=attempt.to)
        except (Untrusted, ValueError) as error:
            log.error("a sign-in was refused: %s", error)
            return self.trouble(request, "wrong", again=attempt.to)

    async def _signed_in(self, request: Request, claims: dict[str, Any], attempt: Attempt) -> Response:
        cookie = await self._assistant.sessions.begin(claims, in_place_of=request.cookies.get(COOKIE))
        # Checked once more: it has been in the browser.
        to = attempt.to if local(attempt.to) else "/"
        response = RedirectResponse(
            f"{request.scope.get('root_path', '')}{to}", 303, headers={"Cache-Control": "no-store"}
        )
        sign_in = self._assistant.settings.access.sign_in
        self._session(response, request, cookie, int(float(sign_in.hours) * 3600) if sign_in else 0)
        return response

    async def leave(self, request: Request) -> Response:
        """End the session here, then at the provider where it offers that."""
        if not from_here(request.headers):
            return self.trouble(request, "foreign")
        await self._follow()
        await self._assistant.sessions.end(request.cookies.get(COOKIE, ""))
        found = self._now()
        end = await found[0].leaving(self._url(request, PATH + "/out")) if found else None
        response = self.left(request, end)
        self._session(response, request, "", 0)
        return response

    def left(self, request: Request, end: str | None = None) -> Response:
        """That nobody is signed in any more; ``end`` is where the provider ends its own session."""
        said = self._words(request)
        text = said["sign_in.leaving" if end else "sign_in.out_text"]
        again = [(said["sign_in.again"], f"{PATH}?to=/")] if self._now() else []
        return page(request, said, 200, said["sign_in.out_title"], [text], again, end)

    def trouble(self, request: Request, what: Trouble, *, again: str | None = None, said: str = "") -> Response:
        """A page that says why nobody was signed in. ``again`` is where a new attempt would lead, ``said`` what the
        provider says in its own words."""
        texts, found = self._words(request), self._now()
        shown = [texts(f"sign_in.{what}", host=found[0].host if found else "")]
        if said:
            shown.append(texts("sign_in.said", text=said[:SAID]))
        ways = [(texts["sign_in.chat"], "/")]
        if found and what != "foreign":
            ways.insert(0, (texts["sign_in.again"], f"{PATH}?to={quote(again or '/')}"))
        return page(request, texts, STATUS[what], texts["sign_in.failed"], shown, ways)

    def _session(self, response: Response, request: Request, cookie: str, seconds: int) -> None:
        path, https = request.scope.get("root_path") or "/", request.scope["scheme"] == "https"
        set_cookie(response, COOKIE, cookie, seconds, path, https or self._https)

    @property
    def _https(self) -> bool:
        """Whether people come by https where a request does not say so."""
        return str(self._assistant.settings.server.public_url or "").startswith("https:")

    async def _follow(self) -> None:
        # Nothing else may come before a sign-in that was just set up.
        with suppress(RecordsError):
            await self._assistant.follow()

    def _now(self) -> tuple[Provider, Attempts] | None:
        settings = self._assistant.settings.access.sign_in
        if settings is None:
            return None
        if self._provider is None or self._provider[0] != settings:
            secret = settings.client_secret
            attempts = Attempts(secret.get_secret_value() if secret else None, self._https)
            self._provider = (settings, Provider(settings), attempts)
        return self._provider[1:]

    def _words(self, request: Request) -> Words:
        surface = self._assistant.settings.surfaces[PORTAL]
        return words(language_of(request.headers.get("accept-language"), surface.language))

    def _url(self, request: Request, path: str) -> str:
        """An address of ours as the browser sees it. Whom a Host header may name is checked before any route."""
        if public := self._assistant.settings.server.public_url:
            return f"{str(public).rstrip('/')}{path}"
        host = request.headers.get("host", "")
        return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '')}{path}"


def add_sign_in_routes(app: FastAPI, assistant: Assistant) -> None:
    """Add them to ``app``; none needs an identity."""
    door = Door(assistant)

    @app.get(PATH, include_in_schema=False)
    async def begin(request: Request, to: str = "/") -> Response:
        return await door.begin(request, to)

    @app.get(f"{PATH}/callback", include_in_schema=False)
    async def callback(request: Request) -> Response:
        return await door.finish(request)

    @app.get(f"{PATH}/out", include_in_schema=False)
    async def out(request: Request) -> Response:
        return door.left(request)

    @app.post(OUT, include_in_schema=False)
    async def leave(request: Request) -> Response:
        return await door.leave(request)


def _plain(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:SAID]
