"""What LangChain's providers raise, as our errors: one table, read from the top, the first row that fits wins.

Nothing is imported here: every provider raises its SDK's own classes, so they are known by name, HTTP status and code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors import errors
from connectors.base import ModelSpec
from connectors.openai_errors import pause


@dataclass(frozen=True, slots=True)
class _Row:
    """An error of ours and what stands for it. ``classes`` are names in an exception's ancestry, ``codes`` what the
    provider calls it, ``words`` stand in its message (in lower case)."""

    error: type[errors.ConnectorError]
    says: str
    statuses: frozenset[int] = frozenset()
    classes: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()

    def fits(self, status: int | None, names: frozenset[str], said: str) -> bool:
        return bool(
            status in self.statuses
            or names & (self.classes | self.codes)
            or (status != 429 and any(word in said for word in self.words))
        )


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ROWS = (
    _Row(
        errors.ContextTooLong,
        "{name}: the conversation and its sources do not fit model '{model}'. Start a new conversation, or set "
        "fewer retrieval.passages",
        frozenset({413}),
        _set("ContextOverflowError"),
        _set("context_length_exceeded string_above_max_length request_too_large model_context_window_exceeded"),
        ("context length", "context window", "maximum context", "prompt is too long", "input is too long"),
    ),
    _Row(
        errors.ContentFiltered,
        "{name}: the provider's content filter stopped this turn. Put it in other words",
        codes=_set("content_filter content_policy_violation"),
        words=("content management policy",),
    ),
    _Row(
        errors.QuotaExceeded,
        "{name}: the account has no credit left. Check the provider's billing page",
        frozenset({402}),
        _set("ServiceQuotaExceededException"),
        _set("insufficient_quota billing_error ServiceQuotaExceededException"),
        ("credit balance is too low",),
    ),
    _Row(
        errors.AuthenticationFailed,
        "{name}: the provider refuses the API key for model '{model}'. Check {setting}.api_key",
        frozenset({401}),
        _set("ModelAuthenticationError AuthenticationError UnauthorizedError NoCredentialsError")
        | _set("PartialCredentialsError DefaultCredentialsError RefreshError Unauthenticated"),
        _set("authentication_error invalid_api_key UnrecognizedClientException ExpiredTokenException API_KEY_INVALID"),
        ("could not resolve authentication method", "api key not valid"),
    ),
    _Row(
        errors.PermissionRefused,
        "{name}: the key is right, but may not use model '{model}'. Ask the provider's administrator to allow it, or "
        "name another {setting}.model",
        frozenset({403}),
        _set("ModelPermissionDeniedError PermissionDeniedError PermissionDenied ForbiddenError"),
        _set("permission_error AccessDeniedException"),
    ),
    _Row(
        errors.RateLimited,
        "{name} asks for a pause; try again in a moment",
        frozenset({429}),
        _set("ModelRateLimitError RateLimitError TooManyRequestsError TooManyRequests ResourceExhausted"),
        _set("rate_limit_error rate_limit_exceeded ThrottlingException TooManyRequestsException RESOURCE_EXHAUSTED"),
    ),
    _Row(
        errors.TimedOut,
        "{name} kept silent for too long ({timeout:g} seconds, {connect:g} while connecting). Try again, or raise "
        "{setting}.timeout",
        frozenset({408}),
        _set("ModelTimeoutError APITimeoutError TimeoutException TimeoutError ReadTimeoutError ConnectTimeoutError")
        | _set("DeadlineExceeded ServerTimeoutError Timeout"),
        _set("timeout_error ModelTimeoutException DEADLINE_EXCEEDED"),
    ),
    _Row(
        errors.ConfigurationError,
        "{name}: {address} knows no model '{model}', or there is no such path. Check {setting}.model and "
        "{setting}.base_url",
        frozenset({404}),
        _set("ModelNotFoundError NotFoundError NotFound InvalidURL UnsupportedProtocol"),
        _set("not_found_error model_not_found ResourceNotFoundException NOT_FOUND"),
    ),
    _Row(
        errors.Unavailable,
        "{name}: the provider is down, overloaded or cannot be reached at {address}. Try again in a moment",
        frozenset(range(500, 600)),
        _set("ModelConnectionError ModelAPIError APIConnectionError InternalServerError TransportError")
        | _set("ConnectionError EndpointConnectionError ClientConnectionError ServiceUnavailable ServerError OSError")
        | _set("BotoConnectionError HTTPClientError ConnectionClosedError"),
        _set("overloaded_error api_error server_error internal_error ServiceUnavailableException UNAVAILABLE")
        | _set("InternalServerException ModelNotReadyException INTERNAL"),
    ),
    _Row(
        errors.BadRequest,
        "{name} did not accept the request: {said}",
        frozenset(range(400, 500)),
        _set("ModelInvalidRequestError BadRequestError InvalidArgument ParamValidationError"),
        _set("invalid_request_error ValidationException INVALID_ARGUMENT"),
    ),
)


def mapped(error: Exception, spec: ModelSpec) -> errors.ConnectorError:
    """Our error for ``error``; what it says of itself is shown only where the provider refused a request."""
    if isinstance(error, errors.ConnectorError):
        return error
    message = str(getattr(error, "message", "") or error)
    status = _status(error)
    names = frozenset((*(each.__name__ for each in type(error).__mro__), *_codes(error)))
    facts = {
        "name": spec.name,
        "model": spec.model or spec.options.get("class"),
        "setting": f"models.{spec.name}",
        "address": errors.redact(spec.base_url or "the provider", *secrets(spec)),
        "timeout": max(spec.timeout, spec.first_token_timeout),
        "connect": spec.connect_timeout,
        "said": errors.redact(message, *secrets(spec))[:300],
    }
    for row in _ROWS:
        if row.fits(status, names, message.lower()):
            return row.error(row.says.format(**facts), retry_after=_pause(error))
    return errors.ProtocolError(
        f"{spec.name}: LangChain could not read what the provider sent ({type(error).__name__}). Try another model, "
        "or a newer version of the provider's LangChain package"
    )


def clean(error: BaseException | None, spec: ModelSpec) -> None:
    """Take the secrets out of an error and of all that caused it: whoever logs ours logs them too."""
    seen: set[int] = set()
    hidden = secrets(spec)
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.args = tuple(errors.redact(each, *hidden) if isinstance(each, str) else each for each in error.args)
        error = error.__cause__ or error.__context__


def secrets(spec: ModelSpec) -> tuple[str, ...]:
    """What must never be shown: the key, and those of the options whose name says that they are secret."""
    hidden = re.compile(r"key|secret|token|passw|credential", re.IGNORECASE)
    named = (value for name, value in spec.options.items() if hidden.search(name) and isinstance(value, str))
    return tuple(value for value in (spec.api_key, *named) if value)


def _status(error: Exception) -> int | None:
    """The HTTP status: of openai's and anthropic's errors, of httpx's response, of google's code, of botocore's."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        response = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    found = (getattr(error, "status_code", None), getattr(response, "status_code", response))
    for value in (*found, getattr(error, "code", None)):
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _codes(error: Exception) -> Iterator[str]:
    """What the provider calls it: ``code``, ``type`` and ``status`` of the error and of the body it came with, or the
    word before the message where LangChain passes on no more than that."""
    body: Any = getattr(error, "body", None) or getattr(error, "details", None)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        body = {"code": response.get("Error", {}).get("Code")}
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    if type(error) is ValueError and (said := re.match(r"(\w+): |\w*Error\(code='(\w+)'", str(error))):
        yield said.group(1) or said.group(2)
    for source in (vars(error), inner if isinstance(inner, Mapping) else {}):
        yield from (str(source[key]) for key in ("code", "type", "status") if source.get(key))


def _pause(error: Exception) -> float | None:
    """How long the provider asks to wait, in seconds, by header or by Google's retryDelay."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    named = re.search(r"retryDelay\W+(\d+(?:\.\d+)?)s", str(error))
    asked = pause(headers) if headers is not None else None
    return float(named.group(1)) if asked is None and named else asked
