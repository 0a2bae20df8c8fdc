"""What the commands share: settings, logging, and errors as messages with an exit code.

Exit codes: 0 done; 1 it could not be done, or not wholly; 2 a mistake in what was asked or configured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console

    from assistant.config_file import Loaded

FAILED, MISTAKE = 1, 2


def console(*, stderr: bool = False) -> Console:
    """A console that keeps to plain text where its output is not a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def stop(message: str, code: int = MISTAKE) -> NoReturn:
    """End the program with a message on stderr."""
    print(f"assistant: {message}", file=sys.stderr)
    sys.exit(code)


@contextmanager
def friendly() -> Iterator[None]:
    """Turns the errors that people can do something about into a message and an exit code."""
    from assistant.cli.remote import RemoteError
    from assistant.conversation.service import TurnRejected
    from assistant.knowledge.embedder import EmbedderError
    from assistant.knowledge.happenings import Mistake, NotDone
    from assistant.knowledge.store import StoreError, StoreLocked, StoreUnavailable
    from assistant.records.repository import RecordsError
    from assistant.routing.encoder import EncoderError
    from assistant.routing.heads import HeadsError
    from assistant.voice.examples import VoiceExamplesError
    from connectors.errors import ConfigurationError, ConnectorError

    try:
        yield
    except RemoteError as error:
        stop(str(error), MISTAKE if error.mistake else FAILED)
    except (StoreLocked, StoreUnavailable, NotDone) as error:
        stop(str(error), FAILED)
    except (Mistake, TurnRejected, ConfigurationError, VoiceExamplesError, StoreError, RecordsError) as error:
        stop(str(error))
    except (ConnectorError, EmbedderError, EncoderError, HeadsError) as error:
        stop(str(error), FAILED)
    except KeyboardInterrupt:
        stop("stopped", 130)


def load_settings(path: Path | None, *, level: str | None = None) -> Loaded:
    """The settings; their problems are printed one a line and end the program. ``level`` overrides log_level."""
    from assistant.config_errors import ConfigError
    from assistant.config_file import load
    from assistant.logs import set_up

    try:
        loaded = load(path)
    except ConfigError as error:
        print(str(error), file=sys.stderr)
        sys.exit(MISTAKE)
    set_up(level or loaded.settings.log_level, loaded.settings.log_format)
    return loaded


def prepare_data(folder: Path) -> None:
    """Make the data folder, for this user alone: it holds what people said. Ends the program if it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        stop(f"cannot write to the data folder {folder}: {error.strerror}. Set `data` to a folder of yours")
