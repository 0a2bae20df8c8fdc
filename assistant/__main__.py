"""The command line. Every command imports what it needs inside itself, so that ``--help`` is instant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.eval_app import eval_app
from assistant.cli.keys_app import keys_app
from assistant.cli.models_app import models_app
from assistant.cli.router_app import router_app

app = typer.Typer(
    name="assistant",
    help="Switchyard: a chat assistant that decides on every turn whether to look it up, answer in your voice, "
    "or both.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
config_app = typer.Typer(help="Look at the settings, and change one.", no_args_is_help=True)
app.add_typer(config_app, name="config")
collections_app = typer.Typer(help="The collections of documents.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(collections_app, name="collections")
sources_app = typer.Typer(help="The places that documents come from.", no_args_is_help=True)
app.add_typer(sources_app, name="sources")
app.add_typer(keys_app, name="keys")
app.add_typer(eval_app, name="eval")
app.add_typer(router_app, name="router")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file.", envvar="ASSISTANT_CONFIG", show_default="assistant.yaml"),
]


KeyArgument = Annotated[
    str, typer.Argument(help="The setting: roles.main, models.gpt.temperature.", show_default=False)
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Also follow a source that looks empty or has lost most of its documents.")
]


class Engine(StrEnum):
    """Where documents are split and embedded."""

    local = "local"
    ray = "ray"


class RouteChoice(StrEnum):
    """Ways that a turn can be sent."""

    auto = "auto"
    voice = "voice"
    retrieve = "retrieve"
    both = "both"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"switchyard {version('switchyard')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of server.host.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port, instead of server.port.")] = None,
) -> None:
    """Serve the chat page and the API; first bring the configured collections up to date."""
    from assistant.cli.serve import run

    run(config, host, port)


@app.command()
def desk(
    at: Annotated[
        str | None, typer.Option("--at", help="The address that people use: https://chat.example.com/assistant.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Print a link that opens the desk of the running server: once, within ten minutes."""
    from assistant.cli.desk import run

    run(config, at)


@app.command()
def ingest(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files, folders and web addresses; without any, what the settings name.")
    ] = None,
    collection: Annotated[str, typer.Option(help="The collection to put them in.")] = "documents",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build the index anew, after a change of embedder or chunking.")
    ] = False,
    force: ForceOption = False,
    config: ConfigOption = None,
) -> None:
    """Bring documents into a collection, and keep where they came from as its source."""
    from assistant.cli.ingest import run

    run(config, paths or [], collection, rebuild, force)


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="The question, or whatever you would type into the chat.")],
    route: Annotated[RouteChoice, typer.Option(help="Which way to answer.")] = RouteChoice.auto,
    collection: Annotated[str | None, typer.Option(help="Search this collection only.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Ask as somebody of this group; may be given more than once.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: ConfigOption = None,
) -> None:
    """Ask one question and print the answer with its sources."""
    from assistant.cli.ask import run

    run(config, text, str(route), collection, group or [], as_json)


@config_app.command("explain")
def config_explain(config: ConfigOption = None) -> None:
    """Print every setting with its value and where that came from."""
    from assistant.cli.config import explain

    explain(config)


@config_app.command("check")
def config_check(config: ConfigOption = None) -> None:
    """Check the settings without starting anything."""
    from assistant.cli.config import check

    check(config)


@config_app.command("get")
def config_get(key: KeyArgument, config: ConfigOption = None) -> None:
    """Print the value of a setting, or of every one of a section; secrets are masked."""
    from assistant.cli.config_set import get_key

    get_key(config, key)


@config_app.command("set", context_settings={"ignore_unknown_options": True})
def config_set(
    key: KeyArgument,
    value: Annotated[
        str, typer.Argument(help="Text, a number, true, false, null, or YAML in brackets.", show_default=False)
    ],
    plain: Annotated[bool, typer.Option("--plain", help="Write a secret as it is, instead of ${NAME}.")] = False,
    config: ConfigOption = None,
) -> None:
    """Change a setting in the file: comments and all else stay, and a wrong value changes nothing."""
    from assistant.cli.config_set import set_key

    set_key(config, key, value, plain)


@config_app.command("unset")
def config_unset(key: KeyArgument, config: ConfigOption = None) -> None:
    """Take a setting out of the file, so that its default counts."""
    from assistant.cli.config_set import unset_key

    unset_key(config, key)


@collections_app.command("list")
def collections_list(config: ConfigOption = None) -> None:
    """Show the collections and how many passages each has."""
    from assistant.cli.collections import show

    show(config)


@collections_app.command("remove")
def collections_remove(
    name: Annotated[str, typer.Argument(help="The collection to delete.")], config: ConfigOption = None
) -> None:
    """Delete a collection from the document base. The files it came from stay."""
    from assistant.cli.collections import remove

    remove(config, name)


@collections_app.command("rollback")
def collections_rollback(config: ConfigOption = None) -> None:
    """Search the index before the last rebuild again, and bring it up to date."""
    from assistant.cli.collections import rollback

    rollback(config)


@sources_app.command("list")
def sources_list(
    collection: Annotated[str | None, typer.Argument(help="Those of this collection only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show the sources with what they brought, and how their last syncs ended."""
    from assistant.cli.sources import show

    show(config, collection, as_json)


@sources_app.command("sync")
def sources_sync(
    collection: Annotated[str | None, typer.Argument(help="Those of this collection only.")] = None,
    source: Annotated[str | None, typer.Option(help="This one only, by its id or location.")] = None,
    force: ForceOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, whenever something changes, until Ctrl+C.")] = False,
    every: Annotated[
        str, typer.Option(help="With --watch: how often what cannot be watched is looked at: 30s, 10m, 2h.")
    ] = "10m",
    engine: Annotated[Engine, typer.Option(help="What splits and embeds: this process, or Ray.")] = Engine.local,
    config: ConfigOption = None,
) -> None:
    """Bring collections up to date with their sources: new, changed, moved and deleted documents."""
    from assistant.cli.sources import sync

    sync(config, collection, source, force, str(engine), every if watch else None)


@sources_app.command("remove")
def sources_remove(
    collection: Annotated[str, typer.Argument(help="The collection.")],
    source: Annotated[str, typer.Argument(help="The source, by its id or location.")],
    config: ConfigOption = None,
) -> None:
    """Take a source out of a collection, with its documents. What it holds stays where it is."""
    from assistant.cli.sources import remove

    remove(config, collection, source)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
