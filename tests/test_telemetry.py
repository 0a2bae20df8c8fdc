"""What `/metrics` says of turns that ran."""

import re

from assistant.app import Assistant
from connectors import errors
from connectors.backend import Policy
from connectors.scripted import ScriptedModel, Step
from tests.conftest import answer_with

LEAVE = "How many days of annual leave can I carry over?"


async def ask(assistant: Assistant, text: str, route: str, stop: bool = False) -> None:
    turn = await assistant.service.prepare(text, person="guest-1", route=route)
    async for _ in (events := assistant.service.run(turn)):
        if stop:
            await events.aclose()
            break


def figures(assistant: Assistant) -> dict[str, float]:
    lines = assistant.metrics.text().decode().splitlines()
    found = (re.fullmatch(r"switchyard_(\S+) (\S+)", line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}


async def test_turns_are_counted_by_how_they_ended(demo: Assistant) -> None:
    broken = Step(["par"], errors.Unavailable("down"))
    answer_with(demo, ScriptedModel([Step(["You can carry over up to 5 days [1]."]), broken]))
    await ask(demo, LEAVE, "retrieve")
    await ask(demo, "hello", "voice")
    await ask(demo, "hello", "voice", stop=True)
    found = figures(demo)
    assert found['turns_total{outcome="finished",route="retrieve",surface="portal"}'] == 1
    assert found['turns_total{outcome="failed",route="voice",surface="portal"}'] == 1
    assert found['turns_total{outcome="stopped",route="voice",surface="portal"}'] == 1
    assert found['failures_total{code="model_unavailable"}'] == 1
    assert found['evidence_total{state="supported",surface="portal"}'] == 1
    assert found['claims_total{state="supported",surface="portal"}'] == 1
    assert found['tokens_total{direction="output",model="scripted"}'] == 1
    assert found['first_token_seconds_count{model="scripted"}'] == 1
    assert found["turns_running"] == 0
    assert "hello" not in demo.metrics.text().decode()


async def test_fallbacks_costs_and_resting_models_are_told(demo: Assistant) -> None:
    settings = type(demo.settings)(
        models={
            "down": {"connector": "openai-compatible", "model": "m", "base_url": "http://127.0.0.1:9/v1", "retries": 0},
            "paid": {"connector": "scripted", "options": {"answers": ["Hi."]}, "price": {"input": 1000, "output": 1e6}},
        },
        roles={"main": ["down", "paid"]},
    )
    demo.backends.use(demo.backends.chains(settings))
    for _ in range(Policy().failures):
        await ask(demo, "hello", "voice")
    assert figures(demo)['model_resting{model="down"}'] == 1
    await ask(demo, "hello", "voice")
    found = figures(demo)
    assert found['fallbacks_total{code="model_unavailable",model="down"}'] == 5
    assert found['fallbacks_total{code="model_resting",model="down"}'] == 1
    assert found['answers_total{model="paid"}'] == 6 and found['model_resting{model="paid"}'] == 0
    assert found['cost_total{currency="USD",model="paid"}'] > 5
