"""``assistant models …``: the commands of the chat models. Each imports what it needs inside itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

models_app = typer.Typer(help="The chat models: how they are, what they answer, what there is.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file.", envvar="ASSISTANT_CONFIG", show_default="assistant.yaml"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@models_app.command("list")
def models_list(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Every model: its roles, whether it can be reached, its window and price, and what is wrong with it."""
    from assistant.cli.models import show

    show(config, as_json)


@models_app.command("test")
def models_test(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models by their names; without any, those that play a role.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that play no role.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Ask models a few words: time to the first token, tokens a second, usage and cost, or what went wrong."""
    from assistant.cli.models import test

    test(config, names or [], every, as_json)


@models_app.command("detect")
def models_detect(as_json: JsonOption = False) -> None:
    """Look for servers on this machine and keys in the environment, and print the settings to paste."""
    from assistant.cli.models_detect import detect

    detect(as_json)
