"""Origins: whether the site that a browser names is one that the settings list."""

from __future__ import annotations

from collections.abc import Iterable


def listed(origin: str, allowed: Iterable[str]) -> bool:
    """Whether an origin, as a browser sends it, is one of ``allowed`` or below one that begins with ``*.``."""
    return any(_is(origin, each) for each in allowed)


def _is(origin: str, allowed: str) -> bool:
    scheme, star, name = allowed.partition("://*.")
    if not star:
        return origin == allowed
    start, end = f"{scheme}://", f".{name}"
    if not (origin.startswith(start) and origin.endswith(end)):
        return False
    below = origin[len(start) : -len(end)]
    return bool(below) and all(
        label and all("a" <= letter <= "z" or "0" <= letter <= "9" or letter in "-_" for letter in label)
        for label in below.split(".")
    )
