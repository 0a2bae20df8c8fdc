"""``assistant keys …``: the commands of API keys. Each imports what it needs inside itself."""

from __future__ import annotations

from typing import Annotated

import typer

from assistant.cli.models_app import ConfigOption, JsonOption

keys_app = typer.Typer(help="API keys: by them programs may ask, also while the server runs.", no_args_is_help=True)


def _several(name: str, text: str) -> object:
    return typer.Option(name, help=f"{text}; may be given more than once.", show_default=False)


@keys_app.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="What the key is for: the intranet's search.", show_default=False)],
    surface: Annotated[list[str] | None, _several("--surface", "A surface that it may use. Without any: all")] = None,
    collection: Annotated[
        list[str] | None,
        _several("--collection", "A collection that it may search, where its groups may. Without: all"),
    ] = None,
    group: Annotated[list[str] | None, _several("--group", "A group whose documents it may read")] = None,
    role: Annotated[
        str,
        typer.Option(
            metavar="user|editor|admin", help="user: ask. editor: also sources, corrections, gaps. admin: everything."
        ),
    ] = "user",
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it expires. Without: never.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Make a key and print it: this once, since only a hash of it is kept."""
    from assistant.cli.keys import Wanted, add

    add(config, Wanted(name, surface, collection, group or [], role, days), as_json)


@keys_app.command("list")
def keys_list(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show the keys: what each may do, when it was last used, and until when it counts. Never the key itself."""
    from assistant.cli.keys import show

    show(config, as_json)


@keys_app.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as keys list shows it.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """End a key, within seconds also for a running server."""
    from assistant.cli.keys import revoke

    revoke(config, key)
