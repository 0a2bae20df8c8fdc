"""The command line. Every command imports what it needs inside itself, so that ``--help`` is instant."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="assistant",
    help="Switchyard: a chat assistant that decides on every turn whether to look it up, answer in your voice, "
    "or both.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")
collections_app = typer.Typer(help="The collections of documents.", no_args_is_help=True)
app.add_typer(collections_app, name="collections")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file.", envvar="ASSISTANT_CONFIG", show_default="assistant.yaml"),
]


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
def ingest(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders; without any, those of the settings.")
    ] = None,
    collection: Annotated[str, typer.Option(help="The collection to put them in.")] = "documents",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build the index anew, after a change of embedder or chunking.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Read documents into a collection. Unchanged files are left alone."""
    from assistant.cli.ingest import run

    run(config, paths or [], collection, rebuild)


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="The question, or whatever you would type into the chat.")],
    route: Annotated[RouteChoice, typer.Option(help="Which way to answer.")] = RouteChoice.auto,
    collection: Annotated[str | None, typer.Option(help="Search this collection only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    config: ConfigOption = None,
) -> None:
    """Ask one question and print the answer with its sources."""
    from assistant.cli.ask import run

    run(config, text, str(route), collection, as_json)


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


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
