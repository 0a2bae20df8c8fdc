"""Who comes in: a credential becomes an identity here, or is refused, for every entrance alike."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from assistant.access import tokens
from assistant.access.api_keys import PREFIX, ApiKeys
from assistant.access.guests import Guests
from assistant.access.identity import Denied, Identity
from assistant.access.jwks import KeySets
from assistant.access.origins import listed
from assistant.access.signed import Refused, opened
from assistant.config_access import OUR_ISSUER
from assistant.settings import Settings

NOBODY = "api"
MACHINE = "machine"
log = logging.getLogger(__name__)


class Sessions(Protocol):
    """Whom the sign-in of the pages knows."""

    async def of(self, cookie: str) -> Identity | None:
        """Who is signed in by a cookie; None where nobody is, or no more."""


class Gate:
    """Knows people by what they show, by the settings as they are now: ``before`` brings them up to date, so that a
    secret that was exchanged counts no more, nor a role that was taken away. ``machine`` is the token of this machine's
    commands."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        keys: ApiKeys,
        machine: str,
        guests: Guests,
        sessions: Sessions | None = None,
        sets: KeySets | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._machine = machine.encode()
        self._guests = guests
        self._sessions = sessions
        self._sets = sets or KeySets()
        self._before = before

    async def bearer(self, token: str) -> Identity:
        """Whom a token or a key names. Raises Denied, in the same words whatever is wrong, and RecordsError."""
        await self._follow()
        try:
            if secrets.compare_digest(token.encode(errors="replace"), self._machine):
                return Identity(MACHINE, "machine", role="admin")
            return await self._of_key(token) if token.startswith(PREFIX) else await self._of_token(token)
        except Refused as reason:
            log.info("a credential was refused: %s", reason)
            raise Denied(401, "invalid_token", "This credential is wrong, has expired or was revoked.") from None

    def needs(self, token: str) -> bool:
        """Whether a bearer must be right. Clients of OpenAI's insist on a key, so that people write anything where none
        is needed: that counts as nothing, unless it has the form of a credential of ours."""
        return self._settings().access.mode != "none" or token.startswith(PREFIX) or token.count(".") == 2

    async def session(self, cookie: str) -> Identity | None:
        """Who is signed in on the pages by a cookie; None where nobody is, or no more. Raises RecordsError."""
        if self._sessions is None:
            return None
        await self._follow()
        return await self._sessions.of(cookie)

    def nobody(self) -> Identity:
        """Who shows nothing, where the settings let anybody in. Raises Denied."""
        if self._settings().access.mode == "none":
            return Identity(NOBODY)
        raise Denied(401, "sign_in", "This needs a credential: Authorization: Bearer …, or a sign-in on the pages.")

    def guest(self, surface: str) -> tuple[str, Identity]:
        """Somebody new on a surface, and the token that they are known by from now on. Raises Denied."""
        if not self._lets_guests_in(surface):
            raise Denied(403, "not_anonymous", "This surface lets nobody in who is not known.")
        return self._guests.new(surface)

    def renew(self, identity: Identity) -> str:
        """A guest's token anew, for the same person. Raises Denied for who is no guest."""
        surfaces = tuple(identity.surfaces or ())
        if identity.via != "guest" or len(surfaces) != 1 or not self._lets_guests_in(surfaces[0]):
            raise Denied(403, "not_anonymous", "Only a guest's token is renewed here.")
        return self._guests.token(identity.person, surfaces[0])[0]

    def allows(self, origin: str, identity: Identity | None, surface: str | None = None) -> bool:
        """Whether a page of another origin may call: for somebody, on a surface or on any of theirs. Without an
        identity, as a preflight comes: whether it may for anybody. Never with a session, which only our pages use."""
        if identity is not None and identity.via in ("sign_in", "machine"):
            return False
        places = self._settings().surfaces
        names = set(places) if identity is None or identity.surfaces is None else identity.surfaces & set(places)
        wanted = names if surface is None else names & {surface}
        return any(listed(origin, places[name].origins) for name in wanted)

    async def aclose(self) -> None:
        """End what still runs."""
        await self._sets.aclose()
        await self._keys.aclose()

    async def _follow(self) -> None:
        if self._before is not None:
            await self._before()

    def _lets_guests_in(self, surface: str) -> bool:
        settings = self._settings()
        place = settings.surfaces.get(surface)
        return place is not None and (settings.access.mode == "none" or place.anonymous)

    async def _of_key(self, key: str) -> Identity:
        found = await self._keys.find(key)
        if found is None:
            raise Refused("no API key that counts")
        return found.identity

    async def _of_token(self, token: str) -> Identity:
        read = opened(token)
        if read.claims.get("iss") == OUR_ISSUER:
            guest = self._guests.identity(read)
            if not all(map(self._lets_guests_in, guest.surfaces or ())):
                raise Refused("its surface lets no guests in")
            return guest
        surface = read.claims.get("surface")
        place = self._settings().surfaces.get(surface) if isinstance(surface, str) else None
        if not isinstance(surface, str) or place is None or place.token is None:
            raise Refused("it names no surface that takes tokens")
        return await tokens.identity(read, surface, place.token, self._sets)
