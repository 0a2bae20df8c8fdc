"""Settings of who may come in: sign-in, roles, and what a surface lets in from its portal."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from assistant.access.policy import EVERYONE
from assistant.config_collections import Group
from assistant.config_types import Finding, Number, Section, WebUrl, Whole, findings

SECRET_BYTES = 32
"""RFC 7518, 3.2: a key of HS256 has at least as many bits as its hash."""
OUR_ISSUER = "switchyard"
"""What our own tokens for guests say as iss: no portal's may."""
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ORIGIN = re.compile(rf"(https?)://((?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(\d{{1,5}}))?")
_USUAL = {"http": "80", "https": "443"}


def loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(value: str) -> str:
    """As browsers send it: lower case, without the usual port."""
    text = value.lower()
    if text in ("*", "null"):
        fix = "Name each site: https://portal.example.com, or https://*.example.com for all below a name."
        raise findings(Finding((), "would let any site in.", fix))
    if text.rstrip("/") != text and _ORIGIN.fullmatch(text.rstrip("/")):
        raise findings(Finding((), "must be scheme, host and port alone.", f"Write {text.rstrip('/')}."))
    if (found := _ORIGIN.fullmatch(text)) is None:
        fix = "Write scheme, host and port alone, in ASCII: https://portal.example.com, http://localhost:8000."
        raise findings(Finding((), "must be the origin of a site.", fix))
    scheme, host, port = found.groups()
    if host.startswith("*.") and host.count(".") < 2:
        raise findings(
            Finding((), "would let far too many sites in.", "Name a domain of yours: https://*.example.com.")
        )
    if (port and not 0 < int(port) < 65536) or (host.startswith("[") and not _is_ipv6(host[1:-1])):
        raise findings(Finding((), "must be the origin of a site.", "Its host or its port cannot be."))
    return f"{scheme}://{host}" + (f":{int(port)}" if port and port != _USUAL[scheme] else "")


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _public(value: str) -> str:
    """An address that people open."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise findings(Finding((), "must be a web address.", "Write for example https://chat.example.com/assistant."))
    if parts.query or parts.fragment:
        raise findings(Finding((), "must end with its path.", "Leave out what stands after ? or #."))
    return value.rstrip("/")


def _guarded(value: str) -> str:
    """An address that nobody between here and there can change the answers of."""
    parts = urlsplit(value)
    if parts.scheme != "https" and not loopback(parts.hostname or ""):
        raise findings(Finding((), "must start with https://, or be on this machine.", "Write https://…"))
    if parts.username is not None or parts.password is not None:
        raise findings(Finding((), "must be an address without a user.", "Leave out what stands before @."))
    return value


def _secret(value: SecretStr) -> SecretStr:
    if (size := len(value.get_secret_value().encode())) < SECRET_BYTES:
        fix = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(32))".'
        raise findings(Finding((), f"has {size} bytes, and HS256 needs at least {SECRET_BYTES}.", fix))
    return value


def _public_key(value: str) -> str:
    """A PEM that is a public key of a kind and a size that can be verified with."""
    # What it loads takes its time, and most settings name no key.
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from assistant.access.signed import RSA_BITS, usable

    if "PRIVATE KEY" in value:
        fix = "Name the public one, and leave the private one with the portal: openssl pkey -in key.pem -pubout."
        raise findings(Finding((), "is a private key.", fix))
    try:
        key = load_pem_public_key(value.encode())
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        fix = "Write ${file:portal.pem}; of a certificate: openssl x509 -in cert.pem -pubkey -noout."
        raise findings(Finding((), "must be a public key in PEM.", fix)) from error
    if usable(key) is not None:
        return value
    fix = f"Use RSA of {RSA_BITS} bits or more for RS256, or P-256 for ES256."
    raise findings(Finding((), "is a key of another kind or size.", fix))


PublicUrl = Annotated[str, AfterValidator(_public)]
Origin = Annotated[str, AfterValidator(_origin)]
GuardedUrl = Annotated[WebUrl, AfterValidator(_guarded)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
PublicKey = Annotated[str, AfterValidator(_public_key)]


class SurfaceToken(Section):
    """The JWTs by which a portal says who its people are: signed with one of secret, public_key and jwks."""

    secret: Secret | None = Field(
        default=None,
        description="Secret of at least 32 bytes that the portal signs with (HS256); write ${PORTAL_SECRET}.",
    )
    public_key: PublicKey | None = Field(
        default=None, description="Its public key in PEM: RSA (RS256) or P-256 (ES256); write ${file:portal.pem}."
    )
    jwks: GuardedUrl | None = Field(
        default=None,
        description="Address of its public keys as a JWKS (RS256, ES256): https, or http on this machine.",
    )
    audience: str = Field(default="switchyard", min_length=1, description="What the token must say as aud.")
    issuer: str | None = Field(
        default=None, description="What it must say as iss. Without a value: anything but switchyard."
    )
    minutes: Whole = Field(default=60, ge=1, le=1440, description="Longest life of a token that is accepted.")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.issuer == OUR_ISSUER:
            raise findings(
                Finding(("issuer",), "is how our own tokens for guests begin.", "Let the portal say another.")
            )
        given = [name for name in ("secret", "public_key", "jwks") if getattr(self, name) is not None]
        if not given:
            raise findings(Finding((), "has nothing to verify with.", "Add one of secret, public_key and jwks."))
        if len(given) > 1:
            fix = "Keep the one that the portal signs with: which it is must never be the token's choice."
            raise findings(*(Finding((name,), f"stands beside {given[0]}.", fix) for name in given[1:]))
        return self


class SignIn(Section):
    """Sign-in on our pages with an account of the organisation, by OpenID Connect."""

    issuer: GuardedUrl = Field(
        description="Address of the identity provider, as it names itself: https://login.example.com/realms/staff."
    )
    client_id: str = Field(min_length=1, description="Name under which this server is registered there.")
    client_secret: SecretStr | None = Field(
        default=None, description="Its secret there; write ${CLIENT_SECRET}. Without one: PKCE alone."
    )
    scopes: list[str] = Field(default_factory=lambda: ["openid", "profile", "email"], description="What is asked for.")
    groups_claim: str = Field(
        default="groups", min_length=1, description="Where the provider says the groups of a person: groups, roles."
    )
    hours: Number = Field(default=12, gt=0, le=720, description="Hours until somebody must sign in again.")

    @model_validator(mode="after")
    def _asks_who(self) -> Self:
        if "openid" not in self.scopes:
            raise findings(Finding(("scopes",), "lack openid, without which nobody says who it is.", "Add openid."))
        return self


class AccessRoles(Section):
    """What groups of signed-in people may do beyond chatting. People of a portal's token are always users."""

    editor: list[Group] = Field(
        default_factory=list, description="Groups that keep sources, corrections and gaps in order."
    )
    admin: list[Group] = Field(
        default_factory=list, description="Groups that may do all: rebuild, models, metrics, settings."
    )

    @model_validator(mode="after")
    def _not_everyone(self) -> Self:
        named = [(role, groups.index(EVERYONE)) for role, groups in self if EVERYONE in groups]
        if named:
            raise findings(*(Finding(key, "would give this role to all.", "Name a group of yours.") for key in named))
        return self


class Access(Section):
    """Who may come in. Whatever is shown, a token, a key or a session, is checked in both modes."""

    mode: Literal["none", "required"] = Field(
        default="none",
        description="none: whoever reaches the server may ask; for this machine alone. required: everybody shows who "
        "they are, by sign-in, API key or a portal's token.",
    )
    open_to_network: bool = Field(
        default=False,
        description="With mode none: listen also on addresses that other machines reach. Then all of them may read "
        "what everyone may read.",
    )
    sign_in: SignIn | None = Field(default=None, description="Sign-in on the pages. Without it: none.")
    roles: AccessRoles = Field(default=AccessRoles(), description="Groups with more rights.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := list(self._contradictions()):
            raise findings(*found)
        return self

    def _contradictions(self) -> Iterator[Finding]:
        if self.open_to_network and self.mode == "required":
            predicate = "is set, but access.mode is required, which lets nobody in unknown."
            yield Finding(("open_to_network",), predicate, "Remove it: mode required listens on any address.")
        for role, groups in self.roles:
            if groups and self.sign_in is None:
                fix = "Add access.sign_in, or remove it: keys have a role of their own."
                yield Finding(("roles", role), "names groups, but nobody can sign in.", fix)


def surface_findings(mode: str, surfaces: Sequence[tuple[str, bool]]) -> Iterator[Finding]:
    """What is wrong between the mode and surfaces, given as their name and whether they are anonymous."""
    for name, anonymous in surfaces:
        if anonymous and mode == "none":
            predicate = "is set, but access.mode is none, in which everybody is a guest."
            yield Finding(("surfaces", name, "anonymous"), predicate, "Set access.mode: required, or remove it.")
