"""Who is asking, of the API: one function, for the day that people sign in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from assistant.conversation.service import API_PERSON


def person() -> str:
    """The person whose conversations a request may see and change."""
    return API_PERSON


Person = Annotated[str, Depends(person)]
