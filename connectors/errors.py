"""What can go wrong with a provider, as a small tree. Every message says what to do next and none holds a key.

ConnectorError
├── ConfigurationError      not asked at all: something is missing or misspelt
├── AuthenticationFailed    the key is missing or wrong
├── PermissionRefused       the key is right, but may not use this model or come from here
├── QuotaExceeded           out of credit
├── RateLimited             too many requests; ``retry_after`` in seconds where the provider says
├── ContextTooLong          the conversation and its documents do not fit the model's window
├── ContentFiltered         the provider refused the content
├── BadRequest              the provider did not understand the request
├── Unavailable             no connection, or the provider is down
│   ├── TimedOut            silence for longer than the model's timeout
│   └── Resting             not asked: it failed again and again just now, or has as much to do as it may
└── ProtocolError           what came back is not what the provider promises
    └── EmptyAnswer         an answer without a word
"""

from __future__ import annotations

import re

_KEYS = re.compile(
    r"(?i)(bearer\s+\S+|\b(?:sk|pk|rk)-[a-z0-9_*-]{6,}|"
    r"(?<=key)[\"']?\s*[=:]\s*[\"']?(?!\[key\])[^\s\"'`$]{8,})"
)
_USER = re.compile(r"(?<=://)[^\s/?#\"'<>]+@")
_PARAMETER = re.compile(
    r"([?&][\w.\[\]%-]{0,40}?(?:key|token|secret|passw|pwd|signature)[\w.\[\]%-]{0,40}=)[^\s&#\"'<>]+", re.IGNORECASE
)


def redact(text: str, *secrets: str | None) -> str:
    """``text`` without the given secrets, without the user part and the secret parameters of addresses, and without
    anything that looks like a key."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    return _KEYS.sub("[key]", _PARAMETER.sub(r"\1[key]", _USER.sub("[key]@", text)))


class ConnectorError(Exception):
    """A provider did not answer. ``code`` is stable and goes out in ``Failed``."""

    code = "model_error"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(redact(message))
        self.retry_after = retry_after


class ConfigurationError(ConnectorError):
    """The model cannot be asked as it is configured."""

    code = "model_configuration"


class AuthenticationFailed(ConnectorError):
    """The provider does not accept the key."""

    code = "model_authentication"


class PermissionRefused(ConnectorError):
    """The provider knows the key, but does not let it use this model."""

    code = "model_permission"


class QuotaExceeded(ConnectorError):
    """The account behind the key has no credit left."""

    code = "model_quota"


class RateLimited(ConnectorError):
    """The provider asks for a pause."""

    code = "model_rate_limit"


class ContextTooLong(ConnectorError):
    """The request does not fit the model's context window."""

    code = "model_context_length"


class ContentFiltered(ConnectorError):
    """The provider's content filter stopped the request or the answer."""

    code = "model_content_filter"


class BadRequest(ConnectorError):
    """The provider refused the request as malformed."""

    code = "model_bad_request"


class Unavailable(ConnectorError):
    """The provider cannot be reached or is down."""

    code = "model_unavailable"


class TimedOut(Unavailable):
    """The provider was silent for too long."""

    code = "model_timeout"


class Resting(Unavailable):
    """The model is not asked for now: it failed again and again, or all its places are taken."""

    code = "model_resting"


class ProtocolError(ConnectorError):
    """The provider's answer cannot be read."""

    code = "model_protocol"


class EmptyAnswer(ProtocolError):
    """The provider answered without a word."""

    code = "model_empty"
