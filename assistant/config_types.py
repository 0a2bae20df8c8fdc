"""What settings are made of: sections, names, numbers, URLs that hide their passwords, findings."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

MASK = "••••"

Loc = tuple[str | int, ...]

POSTGRES = "postgresql+asyncpg://"
SQLITE = "sqlite+aiosqlite:///"
POSTGRES_DRIVER = 'pip install "switchyard[postgres]"'

_BLOCKING_DRIVERS = re.compile(
    r"|psycopg2(cffi)?|pg8000|pysql(ite|cipher)|pymysql|mysqldb|(mysql|mariadb)connector|pyodbc|pymssql|cx_oracle"
)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"\*|(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_URL_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@?#]*:)\S*@")
_URL_PARAMETER = re.compile(r"(?i)([?&](?:[\w-]*password|[\w-]*key|[\w-]*token|[\w-]*secret)=)[^&\s#]+")


def mask_url(text: str) -> str:
    """`text` with the password of every URL in it masked, and parameters such as `?api_key=` too.

    Masks up to the last `@`, because people write passwords with `/` and `@` unescaped.
    """
    return _URL_PARAMETER.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1{MASK}@", text))


def mask_user(text: str) -> str:
    """`text` with whoever signs in masked wholly: addresses of repositories carry a token in place of a name."""
    return re.sub(r"(?<=://)[^/\s]*@", f"{MASK}@", text)


class MaskedUrl(str):
    """A URL that may carry a password: complete as text, masked wherever its repr is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(mask_url(str(self)))


class MaskedAddress(MaskedUrl):
    """One whose user name may be a token, so that it is masked too."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(mask_user(mask_url(str(self))))


def nearest_name(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` was probably meant to be, heedless of case and of - for _."""
    by_plain = {name.lower().replace("-", "_"): name for name in known}
    nearest = get_close_matches(word.lower().replace("-", "_"), by_plain, n=1)
    return by_plain[nearest[0]] if nearest else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The question that names the nearest of `known`, or nothing when none is near."""
    name = nearest_name(word, known)
    return f"Did you mean {name}?" if name else ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a validator found at `key`, relative to the section it checks; `predicate` follows the key.

    `value` takes the place of `{value}` in the predicate, unless it came from a `${NAME}` and may be secret.
    """

    key: Loc
    predicate: str
    fix: str
    value: str = ""

    def words(self, value: str | None = None) -> str:
        """The predicate, naming `value` or else the value itself."""
        return self.predicate.replace("{value}", value or repr(self.value))


def findings(*found: Finding) -> PydanticCustomError:
    """One error that carries all of `found` to whoever words it for people."""
    text = " ".join(f"{'.'.join(map(str, f.key))} {f.words()} {f.fix}".strip() for f in found)
    return PydanticCustomError("findings", "{text}", {"text": text, "findings": found})


def unused(section: BaseModel, choice: str, users: Mapping[str, str]) -> Iterator[Finding]:
    """What is set in `section` though what `choice`, a dotted key of it, is set to does not use it.

    `users` says for each such name what does use it: "fastembed or openai".
    """
    key = choice.rpartition(".")[2]
    chosen = getattr(section, key)
    for name, used_by in users.items():
        if getattr(section, name) is not None and chosen not in used_by.split(" or "):
            predicate = f"is set, but {choice} is {chosen}, which does not use it."
            yield Finding((name,), predicate, f"Set {key}: {used_by}, or remove it.")


def _not_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number, not true or false")
    return value


def _web_url(value: str) -> MaskedUrl:
    if not re.match(r"https?://[^/]", value):
        fix = "Write for example http://localhost:8000."
        raise findings(Finding((), "must start with http:// or https:// and a host.", fix))
    return MaskedUrl(value)


def _database_url(value: str) -> MaskedUrl:
    scheme = re.match(r"([a-z0-9_]+)(?:\+([a-z0-9_]+))?://", value)
    if not scheme:
        fix = f"Write for example {POSTGRES}user:password@host/name; the driver comes with {POSTGRES_DRIVER}."
        raise findings(Finding((), "must be a database URL.", fix))
    if _BLOCKING_DRIVERS.fullmatch(scheme[2] or ""):
        postgres = f"Begin it with {POSTGRES}; the driver comes with {POSTGRES_DRIVER}."
        fixes = {"postgresql": postgres, "postgres": postgres, "sqlite": f"Begin it with {SQLITE} instead."}
        other = f"Use {POSTGRES}, whose driver comes with {POSTGRES_DRIVER}, or {SQLITE}."
        raise findings(Finding((), "has a driver that is not asynchronous.", fixes.get(scheme[1], other)))
    return MaskedUrl(value)


def _host_name(value: str) -> str:
    name = value.lower()
    if _HOST_NAME.fullmatch(name):
        return name
    if not name.isascii():
        fix = "Write the name as browsers send it, in ASCII: xn--…"
    elif "*" in name:
        fix = "Write * alone for all names, or first for those below a name: *.example.com."
    else:
        fix = "Write the name alone, as in chat.example.com. IP addresses need no entry."
    predicate = "must be a host name without https://, port or path, got {value}."
    raise findings(Finding((), predicate, fix, mask_url(value)))


def _root_path(value: str) -> str:
    if not re.fullmatch(r"(/[^/\s]+)*/?", value):
        raise findings(Finding((), "must start with a slash.", "Write for example /assistant."))
    return value.rstrip("/")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


_masked_json = PlainSerializer(mask_url, return_type=str, when_used="json")
_write_only = Field(json_schema_extra={"writeOnly": True})

Whole = Annotated[int, BeforeValidator(_not_bool)]
Number = Annotated[float, BeforeValidator(_not_bool)]
PositiveWhole = Annotated[int, Field(gt=0), BeforeValidator(_not_bool)]
Temperature = Annotated[float, Field(ge=0, le=2), BeforeValidator(_not_bool)]
WebUrl = Annotated[str, AfterValidator(_web_url), _masked_json, _write_only]
GitAddress = Annotated[
    str,
    AfterValidator(MaskedAddress),
    PlainSerializer(lambda value: mask_user(mask_url(value)), return_type=str, when_used="json"),
    _write_only,
]
DatabaseUrl = Annotated[str, AfterValidator(_database_url), _masked_json, _write_only]
HostName = Annotated[str, AfterValidator(_host_name)]
RootPath = Annotated[str, AfterValidator(_root_path)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
AnyCase = BeforeValidator(_lower)


def without_unset(cls: type[BaseModel], data: Any) -> Any:
    """Take a key without a value as not written; also an empty text (`${NAME:-}`) where None is usual."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        return data
    optional = {name for name, field in cls.model_fields.items() if field.default is None}
    return {
        key: value
        for key, value in data.items()
        if key not in cls.model_fields or not (value is None or (value == "" and key in optional))
    }


def with_entry(given: Any, name: str, fixed: dict[str, Any]) -> Any:
    """The mapping `given` with `name` always in it, and `fixed` as the defaults of that entry."""
    if not isinstance(given, dict):
        return given
    entry = given.get(name)
    entry = {} if entry is None else entry
    return {**given, name: {**fixed, **entry} if isinstance(entry, dict) else entry}


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know and shows no input in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, data: Any) -> Any:
        return without_unset(cls, data)
