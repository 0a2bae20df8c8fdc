"""What goes wrong with a server that speaks OpenAI's API, as our errors: the one place that maps them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from connectors import errors

if TYPE_CHECKING:
    import openai

_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_FILTER = {
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",
    "bio_policy",
    "misalignment_policy_violation",
    "moderation_blocked",
}
_CONTEXT = {"context_length_exceeded", "string_above_max_length", "exceed_context_size_error"}
_CONTEXT_WORDS = re.compile(
    r"context (length|window|size)|maximum context|too many tokens|max_total_tokens|maximum model length|"
    r"prompt is too long|input is too long|longer than the model",
    re.IGNORECASE,
)
_LIMIT = {"rate_limit_exceeded", "rate_limit_error", "too_many_requests", "slow_down"}
_KEY = {"invalid_api_key", "authentication_error", "invalid_authentication"}
_RESPONSES_ONLY = re.compile(r"v1/responses|not a chat model", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server said instead of answering: an HTTP status, or an error inside a stream (``status`` is what that
    error names, or None)."""

    status: int | None
    codes: frozenset[str]
    said: str
    retry_after: float | None = None

    @classmethod
    def inside(cls, found: object) -> Refusal:
        """An error object that came inside a stream."""
        facts = found if isinstance(found, Mapping) else {}
        number = str(facts.get("code") or facts.get("http_status_code") or "")
        status = int(number) if re.fullmatch("[45][0-9][0-9]", number) else None
        return cls(status, _codes(facts.get("code"), facts.get("type")), said_by(found))

    @property
    def needs_responses(self) -> bool:
        """Whether the model is only to be had through the Responses interface."""
        return self.status in (400, 404) and bool(_RESPONSES_ONLY.search(self.said))


def _codes(*found: object) -> frozenset[str]:
    return frozenset(str(code) for code in found if code)


def said_by(body: object) -> str:
    """The words of an error body in any of the shapes that servers use; a page of HTML says nothing."""
    for _ in range(3):
        if not isinstance(body, Mapping):
            break
        body = next((body[key] for key in ("error", "message", "detail") if body.get(key)), "")
    words = " ".join(str(body or "").split())
    return "" if words.startswith("<") else words


def refusal(error: openai.APIStatusError) -> Refusal:
    """The facts of an HTTP error."""
    return Refusal(
        error.status_code, _codes(error.code, error.type), said_by(error.body), pause(error.response.headers)
    )


def pause(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks to wait: ``Retry-After-Ms``, or ``Retry-After`` in seconds or as a date
    (RFC 9110, 10.2.3)."""
    wait = headers.get("retry-after", "").strip()
    try:
        if milliseconds := headers.get("retry-after-ms", "").strip():
            seconds = float(milliseconds) / 1000
        else:
            seconds = float(wait)
    except ValueError:
        try:
            until = parsedate_to_datetime(wait)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


@dataclass(frozen=True, slots=True)
class Explainer:
    """Speaks of one configured server: ``name`` as people know it, ``setting`` where it is configured, ``address``
    without secrets, ``secret`` never to be shown; ``sent`` and ``shorten`` say what may be too long and what to do
    then, ``promised`` what the server should send back. Times are in seconds."""

    name: str
    setting: str
    model: str
    address: str
    secret: str | None
    silence: float
    connecting: float
    sent: str
    shorten: str
    promised: str

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise one of our errors for whatever goes wrong inside."""
        import httpx2
        import openai

        try:
            yield
        except openai.OpenAIError as error:
            raise self._mapped(error) from self._clean(error)
        except httpx2.InvalidURL as error:
            raise self._no_address() from error
        except httpx2.TimeoutException as error:
            raise self._silent() from error
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise self._broken(error) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise errors.ProtocolError(
                f"{self.name} sent something that is not {self.promised}. Is {self.setting}.base_url the address of an "
                "OpenAI-compatible interface (on most servers it ends in /v1), and the server up to date?"
            ) from error

    def refused(self, found: Refusal) -> errors.ConnectorError:
        """The error for an answer that a server refused, or broke off with an error of its own."""
        status, codes, model = found.status, found.codes, self.model
        said = errors.redact(found.said, self.secret)[:300]
        shown = f"HTTP {status}" if status else "an error inside the answer"
        if codes & _QUOTA or status == 402:
            return errors.QuotaExceeded(
                f"{self.name}: the account has no credit left. Check the provider's billing page"
            )
        if status != 429 and (codes & _CONTEXT or _CONTEXT_WORDS.search(said)):
            return errors.ContextTooLong(f"{self.name}: {self.sent} not fit model '{model}'. {self.shorten}")
        if codes & _FILTER or "content_filter" in said:
            return errors.ContentFiltered(
                f"{self.name}: the provider's content filter stopped this turn. Put the question in other words"
            )
        if status == 403 or (status == 401 and "insufficient permissions" in said):
            return errors.PermissionRefused(
                f"{self.name}: the provider does not let this key use model '{model}' from here ({shown}): {said}. "
                f"Ask whoever runs the account for access, or name another model in {self.setting}.model"
            )
        if status == 401 or codes & _KEY:
            return errors.AuthenticationFailed(
                f"{self.name}: the provider refuses the API key for model '{model}' ({shown}). "
                f"Check {self.setting}.api_key"
            )
        if status == 429 or codes & _LIMIT:
            wait = "a moment" if found.retry_after is None else f"{found.retry_after:.0f} seconds"
            return errors.RateLimited(
                f"{self.name} asks for a pause; try again in {wait}", retry_after=found.retry_after
            )
        return self._failed(found, said, shown)

    def _failed(self, found: Refusal, said: str, shown: str) -> errors.ConnectorError:
        status = found.status
        if found.needs_responses:
            return errors.ConfigurationError(
                f"{self.name}: model '{self.model}' is only to be had through the Responses interface. "
                f"Set {self.setting}.api to responses"
            )
        if status == 404 or "model_not_found" in found.codes:
            return errors.ConfigurationError(
                f"{self.name}: {self.address} knows no such model or no such path ({shown}). Either there is no model "
                f"'{self.model}' (check {self.setting}.model), or the address is not that of the interface, which on "
                f"most servers ends in /v1 (check {self.setting}.base_url and {self.setting}.api)"
            )
        if status is None:
            return errors.Unavailable(f"{self.name} broke off with an error: {said or shown}. Try again in a moment")
        if status >= 500 or status in (408, 409, 425):
            return errors.Unavailable(
                f"{self.name}: the provider is down or overloaded ({shown}). Try again in a moment; if it stays so, "
                "see its status page or the server's log",
                retry_after=found.retry_after,
            )
        return errors.BadRequest(
            f"{self.name} did not accept the request ({shown}): {said}. Check {self.setting}.model and "
            f"{self.setting}.options against the server's documentation"
        )

    def _mapped(self, error: openai.OpenAIError) -> errors.ConnectorError:
        import httpx2
        import openai

        if isinstance(error, openai.APITimeoutError):
            slow = isinstance(error.__cause__, httpx2.ConnectTimeout)
            return self._unreachable(f" within {self.connecting:g} seconds") if slow else self._silent()
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            if isinstance(cause, httpx2.UnsupportedProtocol):
                return self._no_address()
            if isinstance(cause, httpx2.HTTPError) and not isinstance(cause, httpx2.ConnectError):
                return self._broken(cause)
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(cause)
            return self._unreachable(": its certificate is not trusted here" if untrusted else "")
        if isinstance(error, openai.APIStatusError):
            return self.refused(refusal(error))
        if isinstance(error, openai.APIError) and error.body is not None:
            return self.refused(Refusal.inside(error.body))
        return errors.ProtocolError(
            f"{self.name}: {errors.redact(str(error), self.secret)[:300]}. Check {self.setting} in the configuration"
        )

    def _unreachable(self, how: str = "") -> errors.Unavailable:
        return errors.Unavailable(f"{self.name} cannot be reached at {self.address}{how}. Is the server running?")

    def _silent(self) -> errors.TimedOut:
        return errors.TimedOut(
            f"{self.name} sent nothing for {self.silence:g} seconds. It may be overloaded or still loading its model: "
            f"try again, or raise {self.setting}.timeout"
        )

    def _broken(self, error: Exception) -> errors.Unavailable:
        return errors.Unavailable(
            f"{self.name}: the connection to {self.address} broke off ({type(error).__name__}). Try again; if it stays "
            "so, see the server's log"
        )

    def _no_address(self) -> errors.ConfigurationError:
        return errors.ConfigurationError(
            f"{self.setting}.base_url is not an address: write it like http://host:8000/v1"
        )

    def _clean(self, error: openai.OpenAIError) -> openai.OpenAIError:
        """The cause is kept, and logged by whoever logs ours; some providers repeat the key in it."""
        error.args = tuple(errors.redact(str(part), self.secret) for part in error.args)
        return error
