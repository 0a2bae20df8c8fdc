"""``assistant models list`` and ``assistant models test``: how the configured models are, and what they answer."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from assistant.cli.common import FAILED, friendly, load_settings, stop
from assistant.cli.models_output import print_answer, print_health
from assistant.config_types import did_you_mean
from assistant.model_health import Answer, all_health, answer_of, roles_of
from assistant.settings import Settings
from connectors import Resources


def show(config: Path | None, as_json: bool) -> None:
    """Ask all providers at once what they list, and print it; ends with 1 if a model with a role is wrong."""
    settings = load_settings(config, level="error").settings
    with friendly():
        found = asyncio.run(all_health(settings, _resources(settings)))
    if as_json:
        print(json.dumps({"models": [asdict(each) for each in found]}, ensure_ascii=False, indent=2))
    else:
        print_health(found)
    if any(each.state == "wrong" and each.roles for each in found):
        sys.exit(FAILED)


def test(config: Path | None, names: list[str], every: bool, as_json: bool) -> None:
    """Ask each model in turn, so that they do not slow each other down; ends with 1 if one does not answer."""
    settings = load_settings(config, level="error").settings
    for name in names:
        if name not in settings.models:
            known_names = f"The models are: {', '.join(settings.models)}"
            stop(f"there is no model '{name}'. {did_you_mean(name, settings.models)} {known_names}".replace("  ", " "))
    chosen = names or [name for name in settings.models if every or roles_of(settings).get(name)]
    with friendly():
        found = asyncio.run(_all_answers(settings, chosen, quiet=as_json))
    if as_json:
        print(json.dumps({"models": [asdict(each) for each in found]}, ensure_ascii=False, indent=2))
    if any(each.error for each in found):
        sys.exit(FAILED)


async def _all_answers(settings: Settings, names: list[str], *, quiet: bool) -> list[Answer]:
    resources = _resources(settings)
    found = []
    for name in names:
        answer = await answer_of(name, settings.models[name], resources)
        found.append(answer)
        if not quiet:
            print_answer(answer)
    return found


def _resources(settings: Settings) -> Resources:
    from assistant.knowledge.embedder import FastEmbedder
    from assistant.parts import Voice, voice_examples

    return Voice.of(voice_examples(settings), FastEmbedder()).resources
