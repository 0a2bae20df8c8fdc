"""The token of this machine as a dependency, for routes that no identity is asked for."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Header, HTTPException


class Token:
    """Checks that a request shows the token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    def __call__(self, authorization: Annotated[str, Header()] = "") -> None:
        """Raises HTTPException."""
        if not hmac.compare_digest(authorization.encode(), self._expected):
            raise HTTPException(401, "This needs the token in server.json in the data folder.")
