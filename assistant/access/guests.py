"""Guests: people of whom nothing is known but that they are the same as before. Their tokens are our own."""

from __future__ import annotations

import os
import re
import secrets
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from assistant.access.identity import Identity
from assistant.access.signed import Key, Opened, Refused, check_life, text, verified
from assistant.config_access import OUR_ISSUER
from assistant.files import sync_folder

NAME = "guests.key"
DAYS = 30
_SECONDS = DAYS * 24 * 3600
_GUEST = re.compile(r"guest-[0-9a-f]{32}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(slots=True)
class Guests:
    """Makes and knows guest tokens. Their secret lies in the data folder, for its user alone, made by the first who
    needs it; without that file all guests are strangers again."""

    folder: Path
    clock: Callable[[], float] = time.time
    _secret: str | None = field(default=None, repr=False)

    def new(self, surface: str) -> tuple[str, Identity]:
        """Somebody new on a surface, and their token."""
        return self.token(f"guest-{uuid.uuid4().hex}", surface)

    def token(self, person: str, surface: str) -> tuple[str, Identity]:
        """A new token of a guest."""
        import jwt

        now = int(self.clock())
        expires = now + _SECONDS
        claims = {"iss": OUR_ISSUER, "sub": person, "surface": surface, "iat": now, "exp": expires}
        return jwt.encode(claims, self._key(), algorithm="HS256"), _guest(person, surface, expires)

    def identity(self, token: Opened) -> Identity:
        """Whom a guest token names. Raises Refused."""
        claims = verified(token, Key("HS256", self._key()), issuer=OUR_ISSUER)
        check_life(claims, _SECONDS)
        person = text(claims["sub"], 64)
        if _GUEST.fullmatch(person) is None:
            raise Refused("it names no guest")
        return _guest(person, text(claims.get("surface"), 64), claims["exp"])

    def _key(self) -> str:
        if self._secret is None:
            path = self.folder / NAME
            found = _made_once(path, secrets.token_urlsafe(32))
            if _SECRET.fullmatch(found) is None:
                raise OSError(f"{path} holds no secret: delete it, and a new one is made")
            self._secret = found
        return self._secret


def _guest(person: str, surface: str, expires: float) -> Identity:
    return Identity(person, "guest", surfaces=frozenset({surface}), expires=expires)


def _made_once(path: Path, text: str) -> str:
    """What a file holds that is made, whole, by the first of all processes that come."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(fresh, path)
            sync_folder(path.parent)
        finally:
            fresh.unlink(missing_ok=True)
    return path.read_text(encoding="ascii").strip()
