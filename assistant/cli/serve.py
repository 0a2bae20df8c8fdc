"""``assistant serve``: the collections up to date, then the page and the API on one port."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.cli.common import console, friendly, stop
from assistant.cli.desk import link
from assistant.cli.entrances import reached_by_all, shut_out
from assistant.cli.remote import Running
from assistant.cli.work import load

if TYPE_CHECKING:
    from assistant.config_file import Loaded
    from assistant.settings import Settings
    from ui.desk.keys import Keys

log = logging.getLogger(__name__)


def run(config: Path | None, host: str | None, port: int | None) -> None:
    """Serve until stopped."""
    loaded = load(config)
    server = loaded.settings.server
    listener = _listen(host or server.host, port or server.port)
    _check_reach(loaded.settings, listener)
    with friendly():
        asyncio.run(_serve(config, loaded, listener))


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything slow happens, so that a taken one is said at once."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = f"assistant serve --port {port + 1}"
            stop(f"port {port} is taken. Is an assistant running already? Another port: {other}")
        if error.errno == errno.EACCES:
            stop(f"port {port} needs more rights than this user has. Take one above 1023: --port 7860")
        stop(f"cannot listen on {host}:{port}: {error.strerror or error}")
    # asyncio does this itself only for sockets that name their protocol, and create_server names none. Without it the
    # second small piece of an answer waits for the reader's delayed acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    return listener


def _check_reach(settings: Settings, listener: socket.socket) -> None:
    """End the program where others could reach what asks nobody who they are."""
    if problem := reached_by_all(settings, listener.getsockname()[0]):
        listener.close()
        stop(problem)


def _tell(settings: Settings, url: str, keys: Keys) -> None:
    """Where it is and how to get in: as lines of the log where those are for programs."""
    lines = [f"Switchyard is at {url}", *([_desk(url, keys)] if settings.server.desk else [])]
    if closed := shut_out(settings):
        lines.insert(1, closed[0].upper() + closed[1:])
    if settings.log_format == "json":
        for line in lines:
            log.info("%s", line)
        return
    out = console()
    out.print(f"Switchyard is at [bold]{url}[/]  (stop it with Ctrl+C)")
    for line in lines[1:]:
        out.print(line, markup=False)


def _desk(url: str, keys: Keys) -> str:
    """How to get in. Where nobody reads along, what is printed is kept, and holds no code."""
    if not console().is_terminal:
        return "The desk opens with the link that `assistant desk` prints"
    return f"The desk opens once, within ten minutes, at {link(url, keys.code())}"


async def _serve(config: Path | None, loaded: Loaded, listener: socket.socket) -> None:
    import uvicorn

    from assistant.app import build_assistant
    from assistant.cli.keeping import Keeper
    from assistant.config_file import load as read_settings
    from assistant.settings_file import SettingsFile
    from ui.api import create_app
    from ui.desk.keys import Keys
    from ui.slow_clients import OnTime

    class _Server(uvicorn.Server):
        """Leaves signals to the loop: uvicorn would raise them again, and the process end before it has closed."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    own_files = [loaded.path] if loaded.path else []
    file = SettingsFile(lambda: read_settings(config), loaded.watched)
    assistant = build_assistant(loaded.settings, file=file, own_files=own_files)
    async with assistant:
        keeper = Keeper(assistant)
        await keeper.start()
        await assistant.warm_up()
        token, keys = secrets.token_urlsafe(32), Keys()
        host, port = listener.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
        server = _Server(
            uvicorn.Config(
                create_app(assistant, token, keys),
                http=OnTime,
                log_config=None,
                access_log=False,
                root_path=loaded.settings.server.root_path,
                timeout_graceful_shutdown=3,
            )
        )
        # What is there now stays: looked through again at every full collection, it would hold all streams up. So would
        # what many sessions hold, 0.15 s every 12 s with 40 people: such collections come a tenth as often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], 10 * gc.get_threshold()[2])
        # Checks of answers run in threads, and whenever the loop looks for news one of them may take Python's lock: the
        # loop gets it back soon.
        sys.setswitchinterval(0.0005)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
        Running(url, token).write(loaded.settings.data)
        beside = (keeper.keep(), assistant.backends.look(), assistant.warm_up_for_doubt())
        keeping = [asyncio.create_task(each) for each in beside]
        try:
            _tell(loaded.settings, url, keys)
            await server.serve(sockets=[listener])
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            Running.remove(loaded.settings.data)
