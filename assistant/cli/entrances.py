"""Who can come in by the settings, and what `serve` and `config check` say of it."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.settings import Settings


def reached_by_all(settings: Settings, address: str) -> str:
    """What is wrong with listening on an IP address: others could reach what asks nobody who they are. Empty where
    nothing is."""
    access, host = settings.access, address.partition("%")[0]
    if access.mode == "required" or access.open_to_network or ip_address(host).is_loopback:
        return ""
    return (
        f"{host} can be reached by other machines, and access.mode is none, so that whoever reaches it may ask. "
        "Do one of three:\n"
        "  - have people show who they are: access.mode: required, with a sign-in (access.sign_in), API keys "
        "(assistant keys add) or tokens of your portal (surfaces.NAME.token)\n"
        "  - listen on this machine alone: --host 127.0.0.1, or leave server.host out\n"
        "  - let everybody on the network ask: access.open_to_network: true"
    )


def address_of(host: str) -> str:
    """The IP address of a host that is to be listened on; empty where this machine does not know it."""
    try:
        return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return ""


def shut_out(settings: Settings) -> str:
    """What people cannot do by these settings, though nothing is wrong with them; empty where there is nothing."""
    if settings.access.mode == "none" or settings.access.sign_in is not None:
        return ""
    ways = [name for name, each in settings.surfaces.items() if each.token is not None or each.anonymous]
    if not ways:
        return (
            "nobody can come in but programs with an API key (assistant keys add NAME): access.mode is required, and "
            "there is no sign-in (access.sign_in), no portal's token (surfaces.NAME.token) and no surface for guests "
            "(surfaces.NAME.anonymous)"
        )
    return (
        "the chat page is closed, since access.mode is required and there is no sign-in (access.sign_in): people come "
        f"by the widget ({', '.join(ways)}), programs with an API key (assistant keys add NAME)"
    )
