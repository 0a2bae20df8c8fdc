"""Addresses as people may see them, and which of them belong to one site."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

HIDDEN = "***"
_CREDENTIALS = re.compile(r"(?<=://)[^\s?#'\"]*@")
_SECRET_NAME = re.compile(
    r"token|secret|passw|pwd|signature|credential|authori[sz]ation|api[-_.]?key|access[-_.]?key|private|cookie"
    r"|(?:^|[-_.])(?:key|sig|auth|jwt|sid|dsn)$",
    re.IGNORECASE,
)
_SIGN_IN = re.compile(
    r"/(?:log-?in|log-?on|sign-?in|sign-?on|sso|saml2?|oauth2?|openid|adfs|cas)(?:[/.]|$)", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Whether a parameter or an argument of this name holds a key or a password, as far as names tell."""
    return bool(_SECRET_NAME.search(name))


def masked(address: str) -> str:
    """An address without user and password, and without the values of secret parameters."""
    if "://" not in address:
        return address
    try:
        _host(urlsplit(address))
        parts = urlsplit(address)
    except ValueError:
        return _CREDENTIALS.sub("", address.partition("?")[0])
    query = parts.query
    if any(is_secret(name) for name, _ in parse_qsl(query, keep_blank_values=True)):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([(name, HIDDEN if is_secret(name) else value) for name, value in pairs], safe="*")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def uri_of(address: str) -> str:
    """A page's identity: its masked address, told apart from others that differ in what is masked only."""
    shown = masked(address)
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    return f"{shown}#{digest}" if f"={HIDDEN}" in shown and HIDDEN not in address else shown


def masked_text(text: str, *secrets: str) -> str:
    """A message without the credentials of any address in it, and without ``secrets``."""
    text = _without_credentials(text)  # before a secret that is an @, say, hides where they end
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), quote(secret), repr(secret)[1:-1]}:
            text = text.replace(form, HIDDEN)
    return _without_credentials(text)


def _without_credentials(text: str) -> str:
    return re.sub(r"\w[\w+.-]*://[^\s'\"<>]+", lambda match: masked(match[0]), text)


def credentials(address: str) -> tuple[str, ...]:
    """What is secret in the address's part before its host: the password, or a lone name, which is a token then."""
    match = re.match(r"[a-z][a-z0-9+.-]*://([^/@]*)@", address, re.IGNORECASE)
    user, _, password = match[1].partition(":") if match else ("", "", "")
    return tuple(filter(None, {password or user, unquote(password or user)}))


def same_site(one: str, other: str) -> bool:
    """Whether two addresses have the same host; with and without ``www.`` counts as one."""
    try:
        return _host(urlsplit(one)) == _host(urlsplit(other))
    except ValueError:
        return False


def is_web(address: str) -> bool:
    """Whether an address can be asked over HTTP at all."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def asks_to_sign_in(address: str) -> bool:
    """Whether an address is that of a page to sign in on, as far as its path tells."""
    return bool(_SIGN_IN.search(urlsplit(address).path))


def path_of(address: str) -> str:
    """What the patterns of a site are matched with: path and query, without the first slash."""
    parts = urlsplit(address)
    return (parts.path + (f"?{parts.query}" if parts.query else "")).lstrip("/")


def _host(parts: SplitResult) -> tuple[str, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = parts.port or default
    return (parts.hostname or "").removeprefix("www."), None if port in (80, 443) else port
