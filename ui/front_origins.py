"""Which page of which site a browser asks for, and what that page may read of the answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

METHODS = "GET, POST, PUT, PATCH, DELETE"
HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Mcp-Protocol-Version, Mcp-Session-Id, X-Request-Id, "
    "X-Switchyard-User"
)
EXPOSED = "Idempotency-Replayed, Mcp-Session-Id, Retry-After, X-Request-Id"
PREFLIGHT_SECONDS = 600
_USUAL = {"http": ":80", "https": ":443"}


def from_here(headers: Headers) -> bool:
    """Whether a page of this server asks: by the browser's own word, else by its name for itself. Behind a proxy that
    hides the host only the former counts."""
    if "sec-fetch-site" in headers:
        return headers["sec-fetch-site"] == "same-origin"
    found = urlsplit(headers.get("origin", ""))
    hosts = {found.netloc, found.netloc + _USUAL.get(found.scheme, ":")}
    return bool(found.netloc) and headers.get("host", "").lower() in hosts


def navigates(method: str, headers: Headers) -> bool:
    """Whether a browser opens the address in a tab of its own."""
    if method not in ("GET", "HEAD"):
        return False
    if "sec-fetch-mode" in headers:
        return headers["sec-fetch-mode"] == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    return "sec-fetch-site" not in headers and "text/html" in headers.get("accept", "")


def of_ours(method: str, headers: Headers) -> bool:
    """Whether a cookie that came along counts: a page of ours asks, or somebody opened the address. Browsers say
    nothing of where they are for reading over plain HTTP; what they send then is kept from other sites by SameSite."""
    if "origin" in headers or "sec-fetch-site" in headers:
        return from_here(headers) or ("origin" not in headers and navigates(method, headers))
    return method in ("GET", "HEAD")


def smuggled(method: str, headers: Headers) -> bool:
    """Whether a page of another site asks without an ``Origin``: as an image, a script, a frame."""
    site = headers.get("sec-fetch-site", "none")
    return site not in ("same-origin", "none") and "origin" not in headers and not navigates(method, headers)


def cors(origin: str) -> list[tuple[str, str]]:
    """What lets a page of ``origin`` read the answer; never with cookies."""
    return [("access-control-allow-origin", origin), ("access-control-expose-headers", EXPOSED)]


def preflight(origin: str) -> list[tuple[str, str]]:
    """The answer to a browser that asks whether a page of ``origin`` may ask."""
    return [
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", METHODS),
        ("access-control-allow-headers", HEADERS),
        ("access-control-max-age", str(PREFLIGHT_SECONDS)),
        ("vary", "Origin"),
    ]
