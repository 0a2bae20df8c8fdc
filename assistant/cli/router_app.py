"""``assistant router …``: the commands of the router. Each imports what it needs inside itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

router_app = typer.Typer(help="Measure the router, and see why it decides as it does.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file.", envvar="ASSISTANT_CONFIG", show_default="assistant.yaml"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
LabelledArgument = Annotated[
    Path, typer.Argument(help="JSONL file of labelled turns: turn, history, information, voice.", show_default=False)
]


class VerdictChoice(StrEnum):
    """What can be said of the route of a turn."""

    look_up = "look_up"
    no_lookup = "no_lookup"
    in_voice = "in_voice"
    plainly = "plainly"


@router_app.command("eval")
def router_eval(file: LabelledArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """How well labelled turns are sent: lookups, voice, calibration, cost, latency, and the wrong ones with reasons."""
    from assistant.cli.router import evaluate

    evaluate(config, file, as_json)


@router_app.command("explain")
def router_explain(
    text: Annotated[str, typer.Argument(help="The turn, as it would be typed into the chat.")],
    history: Annotated[
        Path | None,
        typer.Option(
            help="The messages before it: a JSON file of {role, content} objects; - reads them from the pipe."
        ),
    ] = None,
    surface: Annotated[str, typer.Option(help="The surface whose policy counts.")] = "portal",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """How one turn would be sent, why, and which of its words decide."""
    from assistant.cli.router import explain

    explain(config, text, history, surface, as_json)


@router_app.command("correct")
def router_correct(
    turn: Annotated[str, typer.Argument(help="The turn's id, as `assistant ask` prints it.")],
    verdict: Annotated[VerdictChoice | None, typer.Argument(help="What it should have been.")] = None,
    take_back: Annotated[bool, typer.Option("--take-back", help="Forget what was said of the turn instead.")] = False,
    group: Annotated[
        list[str] | None, typer.Option(help="Run it again as somebody of this group; may be given more than once.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say that a turn went the wrong way, and run it at once the way it should have gone."""
    from assistant.cli import corrections

    if take_back == (verdict is not None):
        raise typer.BadParameter("give a verdict, or --take-back without one")
    if verdict is None:
        corrections.take_back(config, turn)
    else:
        corrections.run(config, turn, str(verdict), group or [], as_json)


@router_app.command("corrections")
def router_corrections(
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one labelled turn a line.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show what people have said of the route of turns."""
    from assistant.cli.corrections import show

    show(config, as_jsonl)


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say how it would be; install nothing.")]
ShadowOption = Annotated[
    bool, typer.Option("--shadow", help="Run it silently beside the version in use instead of using it.")
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", help='A slice that may fall, such as "kind doubt"; may be given more than once.'),
]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the new version.")]
VersionArgument = Annotated[str, typer.Argument(help="Name of a version.", show_default=False)]


@router_app.command("retrain")
def router_retrain(
    dry_run: DryRunOption = False,
    shadow: ShadowOption = False,
    accept: AcceptOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Learn from the corrections: new heads, used only if they are better and no slice falls."""
    from assistant.cli.router_learning import retrain

    retrain(config, dry_run, shadow, accept or [], as_json)


@router_app.command("train-heads")
def router_train_heads(
    file: LabelledArgument,
    name: NameOption = None,
    dry_run: DryRunOption = False,
    shadow: ShadowOption = False,
    accept: AcceptOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Learn from your own labelled turns: new heads, used only if they are better on a fifth of them."""
    from assistant.cli.router_learning import train_heads

    train_heads(config, file, name, dry_run, shadow, accept or [], as_json)


@router_app.command("train")
def router_train(
    files: Annotated[
        list[Path] | None, typer.Argument(help="JSONL files of labelled turns of your own.", show_default=False)
    ] = None,
    name: NameOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fine-tune the whole router on the shipped turns and your own; needs the extra finetune, and many minutes."""
    from assistant.cli.router_learning import train

    train(config, files or [], name, as_json)


@router_app.command("versions")
def router_versions(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the versions of the router: what they learnt from, their figures, which is in use."""
    from assistant.cli.router_versions import show

    show(config, as_json)


@router_app.command("compare")
def router_compare(
    old: VersionArgument,
    new: VersionArgument,
    file: Annotated[
        Path | None, typer.Argument(help="Labelled turns; without it, the shipped ones held apart.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Compare two versions on labelled turns: figures, slices that fall, turns that change."""
    from assistant.cli.router_versions import compare

    compare(config, old, new, file, as_json)


@router_app.command("use")
def router_use(name: VersionArgument, config: ConfigOption = None) -> None:
    """Decide with this version from now on."""
    from assistant.cli.router_versions import use

    use(config, name)


@router_app.command("rollback")
def router_rollback(config: ConfigOption = None) -> None:
    """Go back to the version that was used before."""
    from assistant.cli.router_versions import rollback

    rollback(config)


@router_app.command("remove")
def router_remove(name: VersionArgument, config: ConfigOption = None) -> None:
    """Delete a version that is not in use."""
    from assistant.cli.router_versions import remove

    remove(config, name)


shadow_app = typer.Typer(help="Try a version silently beside the one in use.", no_args_is_help=True)
router_app.add_typer(shadow_app, name="shadow")


@shadow_app.command("start")
def router_shadow_start(name: VersionArgument, config: ConfigOption = None) -> None:
    """Run a version beside the one in use, from the next turn on."""
    from assistant.cli.router_versions import shadow_start

    shadow_start(config, name)


@shadow_app.command("stop")
def router_shadow_stop(config: ConfigOption = None) -> None:
    """End it; the report stays."""
    from assistant.cli.router_versions import shadow_stop

    shadow_stop(config)


@shadow_app.command("report")
def router_shadow_report(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """How many turns it saw, and which it would send another way."""
    from assistant.cli.router_versions import shadow_report

    shadow_report(config, as_json)
