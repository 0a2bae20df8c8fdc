"""Who is signed in on the pages: what the identity provider said of somebody once, behind a cookie until it ends."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from assistant.access.identity import Identity, Role
from assistant.config_access import Access
from assistant.records.repository import Repository
from assistant.records.sign_ins import SignedIn, SignInRows
from assistant.settings import Settings

log = logging.getLogger(__name__)
SECONDS = 5.0
"""So long a session counts as it was read: one that another process has ended is known here after that."""
GRACE = timedelta(minutes=1)
"""So long a session outlives its renewal: another tab of the same browser may be in the middle of loading with it."""
MOST = 10_000
"""Sessions that are remembered as they were read."""
MOST_GROUPS = 2000
LONGEST_SUB = 200
"""Longer ones are kept as their hash: the records have 255 characters for a person."""
_COOKIE = re.compile(r"[\w-]{43}", re.ASCII)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class SignIns:
    """The sign-ins in the records. Roles, the issuer and the hours are those that the settings say as it is asked."""

    def __init__(self, records: Repository, settings: Callable[[], Settings]) -> None:
        self._rows = SignInRows(records)
        self._settings = settings
        self._read: dict[str, tuple[float, SignedIn]] = {}

    async def begin(self, claims: Mapping[str, Any], in_place_of: str | None = None) -> str:
        """Sign in whom an issuer's checked claims describe; returns what the cookie says. ``in_place_of`` is the
        cookie that the browser had until now: its session ends, after ``GRACE`` where it is the same person's. Raises
        ValueError for claims that name nobody, and RecordsError."""
        access = self._settings().access
        if access.sign_in is None:
            raise ValueError("nobody can sign in by these settings")
        person = f"{_issued(access.sign_in.issuer)}{_subject(claims.get('sub'))}"
        groups, now = _groups(claims.get(access.sign_in.groups_claim)), datetime.now(UTC)
        signed_in = SignedIn(person, _name(claims), groups, now, now + timedelta(hours=float(access.sign_in.hours)))
        cookie = secrets.token_urlsafe(32)
        old = _id(in_place_of) if in_place_of else None
        await self._rows.add(_id(cookie), signed_in, old, now + GRACE)
        if old:
            self._read.pop(old, None)
        return cookie

    async def of(self, cookie: str) -> Identity | None:
        """Who is signed in by a cookie; None where nobody is, or no more. Raises RecordsError."""
        access = self._settings().access
        if access.sign_in is None or not _COOKIE.fullmatch(cookie):
            return None
        found = await self._found(_id(cookie))
        if found is None or not found.person.startswith(_issued(access.sign_in.issuer)):
            return None
        # What the settings say now may end it sooner, never later.
        ends = min(found.expires_at, found.created_at + timedelta(hours=float(access.sign_in.hours)))
        if ends <= datetime.now(UTC):
            return None
        role = role_of(access, found.groups)
        return Identity(
            found.person, "sign_in", name=found.name, groups=found.groups, role=role, expires=ends.timestamp()
        )

    async def end(self, cookie: str) -> None:
        """End a session; nothing where there is none. Raises RecordsError."""
        if _COOKIE.fullmatch(cookie):
            await self._rows.remove(_id(cookie))
            self._read.pop(_id(cookie), None)

    async def _found(self, id: str) -> SignedIn | None:
        known = self._read.pop(id, None)
        if known is None or time.monotonic() - known[0] >= SECONDS:
            found = await self._rows.find(id)
            if found is None:
                return None
            known = (time.monotonic(), found)
        self._read[id] = known
        while len(self._read) > MOST:
            del self._read[next(iter(self._read))]
        return known[1]


def role_of(access: Access, groups: Collection[str]) -> Role:
    """The highest role that one of these groups has."""
    mine = set(groups)
    if not mine.isdisjoint(access.roles.admin):
        return "admin"
    return "user" if mine.isdisjoint(access.roles.editor) else "editor"


def _id(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


def _issued(issuer: str) -> str:
    """How every person of an issuer begins: another issuer may use the same subjects for others."""
    return f"sign_in:{hashlib.sha256(str(issuer).rstrip('/').encode()).hexdigest()[:8]}:"


def _subject(sub: object) -> str:
    if not isinstance(sub, str) or not sub or _CONTROLS.search(sub):
        raise ValueError("the identity provider names no subject")
    return sub if len(sub) <= LONGEST_SUB else f"sha256-{hashlib.sha256(sub.encode()).hexdigest()}"


def _name(claims: Mapping[str, Any]) -> str:
    """What a person is called on our pages; it decides nothing."""
    named = (claims.get(key) for key in ("name", "preferred_username", "email"))
    found = next((each for each in named if isinstance(each, str) and each.strip()), "")
    return " ".join(_CONTROLS.sub(" ", found).split())[:200]


def _groups(claim: object) -> frozenset[str]:
    """The groups of a claim: a list of names, or a single one. What is neither counts as none."""
    given = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    named = [each for each in given if isinstance(each, str) and each and not _CONTROLS.search(each)]
    if len(named) > MOST_GROUPS:
        log.warning("somebody who signs in has %d groups; only the first %d count", len(named), MOST_GROUPS)
    return frozenset(named[:MOST_GROUPS])
