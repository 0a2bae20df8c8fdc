"""What a body of JSON may hold, and what is said of one that cannot be read."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from assistant.config_types import did_you_mean

NAME_CHARACTERS = 60
_NO_OBJECT = ("model_attributes_type", "dict_type", "missing")


class Body(BaseModel):
    """A body, or a part of one, that refuses fields that it does not know: one that is misspelt would go unheeded."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        strange = [name for name in given if name not in cls.model_fields] if isinstance(given, dict) else []
        if strange:
            known = f"The fields are: {', '.join(cls.model_fields)}."
            fix = did_you_mean(str(strange[0]), cls.model_fields) or known
            name = str(strange[0])[:NAME_CHARACTERS]
            raise PydanticCustomError("unknown_field", "there is no such field. {fix}", {"fix": fix, "field": name})
        return given


def wrong(error: RequestValidationError) -> tuple[str, str | None]:
    """What is wrong with a request, in words, and which part of it; None where it is the whole."""
    first = error.errors()[0]
    kind, told = first["type"], first.get("ctx", {})
    if kind == "json_invalid":
        return f"The body is not JSON: {told['error']} at character {first['loc'][-1] + 1}.", None
    parts = [str(part) for part in first["loc"] if part != "body"]
    if not parts and kind in _NO_OBJECT:
        typed = " Send it as Content-Type: application/json." if isinstance(first["input"], bytes) else ""
        return f"The body must be an object of JSON.{typed}", None
    if kind == "unknown_field":
        parts.append(told["field"])
    place = ".".join(parts)
    return f"{place or 'the body'}: {first['msg'].removeprefix('Value error, ')}", place or None
