"""``assistant eval …``: measure on files of one's own. Each command imports what it needs inside itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.router_app import ConfigOption, JsonOption

eval_app = typer.Typer(help="Measure on passages and labelled turns of your own.", no_args_is_help=True)

PassagesOption = Annotated[Path, typer.Option(help="JSONL file of passages: id, text and, if there is one, title.")]
TurnsOption = Annotated[Path, typer.Option(help="JSONL file of turns: turn, history, relevant, answerability.")]
AnswersArgument = Annotated[
    Path, typer.Argument(help="JSONL file of answers: id, passages, sentences.", show_default=False)
]


@eval_app.command("retrieval")
def eval_retrieval(
    passages: PassagesOption, turns: TurnsOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """How well the right passages are found: nDCG@5, recall, MRR, hit@1, and how long a search takes."""
    from assistant.cli.evaluate import run

    run(config, "retrieval", passages, turns, as_json)


@eval_app.command("evidence")
def eval_evidence(
    passages: PassagesOption, turns: TurnsOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """How well turns that the passages can answer are told from those that they cannot (AUC)."""
    from assistant.cli.evaluate import run

    run(config, "evidence", passages, turns, as_json)


@eval_app.command("answers")
def eval_answers(
    passages: PassagesOption, turns: TurnsOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """How close answers come to references, what they cite and what they refuse, by route."""
    from assistant.cli.eval_answers import run

    run(config, passages, turns, as_json)


@eval_app.command("grounding")
def eval_grounding(file: AnswersArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Which planted errors the check of answers catches, and which true sentences it flags."""
    from assistant.cli.eval_grounding import run

    run(config, file, as_json)
