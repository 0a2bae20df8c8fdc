"""Reading from a web server: politely, within limits, and with a plain reason for whatever goes wrong."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

from assistant.knowledge.loading import MAX_BYTES, ReadError
from assistant.knowledge.sources import Gone, NotModified
from assistant.knowledge.sources.outward import Way, way_out
from assistant.knowledge.sources.urls import asks_to_sign_in, is_web, masked, same_site

if TYPE_CHECKING:
    import httpx

_REDIRECTS = 10
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for, in seconds, and how often and how much at once it is asked."""

    connect: float = 10
    read: float = 30
    whole: float = 180
    tries: int = 3
    pause: float = 1
    longest_pause: float = 30
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Page:
    """What a server sent. ``url`` is where it was found in the end."""

    url: str
    headers: Mapping[str, str]
    body: bytes


PATIENT = Patience()


class Web:
    """The client of one site, the one of ``address``, whose user and password are sent with every request to it.
    ``outward`` has every request, redirected ones too, lead to the public web or nowhere.

    ``async with`` opens and closes it.
    """

    def __init__(self, address: str, patience: Patience = PATIENT, *, outward: bool = False) -> None:
        self._address = address
        self._patience = patience
        self._outward = outward
        self._gate = asyncio.Semaphore(patience.at_once)
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        import httpx

        patience = self._patience
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(patience.read, connect=patience.connect),
            limits=httpx.Limits(max_connections=patience.at_once),
            headers={"User-Agent": "switchyard (keeps a document base in step)"},
            trust_env=not self._outward,  # a proxy would look the name up anew
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def get(self, url: str, known: str | None = None) -> Page:
        """What is at an address; with the version token ``known``, only if it is another version by now.

        Raises NotModified, Gone (404, 410) and ReadError, none of them with the address in its text.
        """
        async with self._gate:
            for attempt in range(self._patience.tries):
                try:
                    async with asyncio.timeout(self._patience.whole):
                        return await self._follow(url, known)
                except _Busy as busy:
                    if attempt + 1 == self._patience.tries or busy.wait > self._patience.longest_pause:
                        raise ReadError(f"the server is too busy (status {busy.status}): try again later") from busy
                    await asyncio.sleep(max(busy.wait, self._patience.pause * 2**attempt))
                except TimeoutError as error:
                    raise ReadError(f"no whole answer within {self._patience.whole:g} seconds") from error
        raise AssertionError("the last try raises")

    async def _follow(self, url: str, known: str | None) -> Page:
        at = url
        if not is_web(url):
            raise ReadError("not a valid web address")
        for _ in range(_REDIRECTS):
            answer = await self._ask(at, known)
            if isinstance(answer, Page):
                return answer
            if not is_web(answer):
                raise ReadError("redirects to something that is not a web page")
            if not same_site(url, answer):
                raise ReadError(f"redirects to another site ({masked(answer).split('?')[0]}): is a sign-in needed?")
            if asks_to_sign_in(answer) and not asks_to_sign_in(url):
                raise ReadError("redirects to a page to sign in on: it is not public")
            at = answer
        raise ReadError("redirects in circles")

    async def _ask(self, url: str, known: str | None) -> Page | str:
        """The page, or the address that it redirects to."""
        import httpx

        if self._client is None:
            raise RuntimeError("the source is not open")
        try:
            auth, at = self._auth(url), httpx.URL(url)
            way = await way_out(at) if self._outward else Way(at)
            headers = _conditions(known) | way.headers
            async with self._client.stream(
                "GET", way.url, headers=headers, auth=auth, extensions=way.extensions
            ) as response:
                if response.has_redirect_location:
                    return str(at.join(response.headers["location"]))
                _judge(response, known)
                return Page(str(at), dict(response.headers), await _body(response))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ReadError(_why(error, self._patience)) from error

    def _auth(self, url: str) -> tuple[str, str] | None:
        """The site's user and password, unless they would travel unencrypted though they were not given so."""
        import httpx

        site, page = httpx.URL(self._address), httpx.URL(url)
        safe = page.scheme in ("https", site.scheme) and same_site(url, self._address)
        return (site.username, site.password) if site.userinfo and safe else None


class _Busy(Exception):
    def __init__(self, status: int, wait: float) -> None:
        super().__init__(status)
        self.status = status
        self.wait = wait


def token(page: Page) -> str | None:
    """The version token of a page for the next ``get``: entity tag or date of change, if the server says so."""
    tag, changed = page.headers.get("etag"), last_modified(page.headers)
    if tag and tag.isascii():
        return f"etag {tag}"
    return f"date {page.headers['last-modified']}" if changed else None


def last_modified(headers: Mapping[str, str]) -> float | None:
    """When a page was changed, in seconds since 1970.

    None where the date cannot be told from the moment of the answer: RFC 9110, 8.8.2.2, asks for a minute between
    them; programs that make a page at every request state that very moment.
    """
    changed, now = _seconds(headers.get("last-modified")), _seconds(headers.get("date"))
    return changed if changed is not None and changed + 60 <= (now or time.time()) else None


def _seconds(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError):
        return None


def _conditions(known: str | None) -> dict[str, str]:
    kind, _, value = (known or "").partition(" ")
    name = {"etag": "If-None-Match", "date": "If-Modified-Since"}.get(kind)
    return {name: value} if name else {}


def _judge(response: httpx.Response, known: str | None) -> None:
    status = response.status_code
    if status == 304 and known:
        raise NotModified
    if status in (404, 410):
        raise Gone(f"status {status}")
    if status in (401, 403, 407):
        raise ReadError(f"not public (status {status}): a sign-in or a permission is needed")
    if status in _BUSY:
        raise _Busy(status, _wait(response.headers.get("retry-after")))
    if status != 200:
        raise ReadError(f"the server answers with status {status}")


def _wait(value: str | None) -> float:
    if value and value.strip().isdecimal():
        return float(value)
    until = _seconds(value)
    return max(0.0, until - time.time()) if until is not None else 0.0


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes(65536):
        body += piece
        if len(body) > MAX_BYTES:
            raise ReadError(f"larger than {MAX_BYTES >> 20} MB")
    return bytes(body)


def _why(error: Exception, patience: Patience) -> str:
    import httpx

    causes = list(_causes(error))
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {patience.connect:g} seconds"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {patience.read:g} seconds"
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "its TLS certificate is not trusted here"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "no secure connection (TLS) could be made"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "its host name is not known: check the address and the network"
    if isinstance(error, httpx.ConnectError):
        return "no connection: the server does not answer at this address"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return "not a valid web address"
    return f"the connection broke ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(12):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
