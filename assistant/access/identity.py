"""Who asks: what every entrance makes of what a caller shows, and all that anything behind it needs to know of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

Role = Literal["user", "editor", "admin"]
Via = Literal["nobody", "guest", "token", "key", "sign_in", "machine"]
"""How somebody is known: not at all; as a guest with an id of ours; by the token of a portal; by an API key; signed
in on the pages; by the token of this machine's commands."""
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    ``person`` is whom the records know: conversations, feedback and corrections belong to it. It begins with the way
    they are known, so that no issuer can name somebody of another: ``token:SURFACE:SUB``, ``key:ID``,
    ``key:ID:USER``, ``sign_in:SUB``, ``guest-…``. ``groups`` are those that the issuer vouches for, beside the
    surface's own. ``surfaces`` and ``collections`` are what the caller is held to; None is no bound. ``key`` is the id
    of an API key. ``expires`` is in seconds since 1970, None for never.
    """

    person: str
    via: Via = "nobody"
    name: str = ""
    groups: frozenset[str] = frozenset()
    role: Role = "user"
    surfaces: frozenset[str] | None = None
    collections: frozenset[str] | None = None
    key: str | None = None
    expires: float | None = None

    @classmethod
    def of(cls, who: str | Identity, groups: Collection[str] = ()) -> Identity:
        """Somebody of whom only the name is known, or who is known already; ``groups`` are added to theirs."""
        known = cls(who) if isinstance(who, str) else who
        return replace(known, groups=known.groups | frozenset(groups)) if groups else known

    def may(self, role: Role) -> bool:
        """Whether they have a role, or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def on(self, surface: str) -> bool:
        """Whether they may use a surface."""
        return self.surfaces is None or surface in self.surfaces

    def within(self, readable: Collection[str]) -> frozenset[str]:
        """Of the collections that their groups may read, those that they may search."""
        return frozenset(readable) if self.collections is None else self.collections.intersection(readable)

    def default_surface(self, usual: str) -> str:
        """The surface of a request that names none: the only one, if they are held to one."""
        return next(iter(self.surfaces)) if self.surfaces is not None and len(self.surfaces) == 1 else usual

    def user(self, name: str) -> Self:
        """Somebody for whom a program asks, each with conversations of their own."""
        return replace(self, person=f"{self.person}:{name}")


class Denied(Exception):
    """A request that is not let in: ``status`` is 401 or 403, ``code`` is stable, the message is for whoever wrote the
    caller and says nothing of what there is."""

    def __init__(self, status: Literal[401, 403], code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
