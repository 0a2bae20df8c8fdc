"""How the models of the settings are: what their providers list, and what they answer when asked a few words."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from assistant.backends import ROLES, policy_of, spec_of
from assistant.config_types import did_you_mean
from assistant.settings import Model, Settings
from connectors import ChatMessage, ChatModel, ChatRequest, ConnectorError, ModelSpec, Offered, Resources, build
from connectors.backend import make_backend
from connectors.errors import redact
from connectors.presets import PRESETS, is_openai
from connectors.prices import known
from connectors.wrapper import Closing

if TYPE_CHECKING:
    from connectors import Usage
    from connectors.base import Cost

SECONDS, CONNECT_SECONDS = 6.0, 3.0
"""How long a list of models is waited for."""
PROMPT = "Say hello to a new colleague in one short sentence."
MAX_TOKENS = 400
"""Little, and yet enough for models that think before they speak."""
MEASURABLE = 0.05
"""Seconds of writing below which tokens a second mean nothing: the answer came in one piece."""
SHOWN = 6
COMPLETE = ("ollama", "vllm", "lmstudio")
"""Servers that have no other models than those that they list."""
ONE_MODEL = ("llamacpp", "tgi")
"""Servers that answer with their one model, whatever it is called."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a model is. ``state`` is `ok`, `wrong` (``code`` is the error's where it is one), or `unclear` where only
    asking it would tell; ``price`` is for a million tokens, and ``price_date`` the day of one that is shipped."""

    name: str
    connector: str
    model: str | None
    address: str | None
    roles: tuple[str, ...]
    state: Literal["ok", "wrong", "unclear"]
    says: str
    code: str | None
    context_window: int | None
    price: dict[str, Any] | None
    price_date: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, and how fast in seconds and tokens a second; or the error's code and words."""

    name: str
    text: str = ""
    model: str | None = None
    first_token: float | None = None
    total: float | None = None
    tokens_per_second: float | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    note: str | None = None
    code: str | None = None
    error: str | None = None


def roles_of(settings: Settings) -> dict[str, tuple[str, ...]]:
    """What each model plays, in words: ``main``, ``voice, fallback 1``, ``shop: main``."""
    found: dict[str, list[str]] = {}

    def note(names: tuple[str, ...], label: str) -> None:
        for place, name in enumerate(names):
            found.setdefault(name, []).append(f"{label}, fallback {place}" if place else label)

    for role in ROLES:
        if role == "main" or settings.roles.voice is not None:
            note(settings.roles.chain(role), role)
    for surface, policy in settings.surfaces.items():
        for role in ROLES:
            if getattr(policy.roles, role) is not None:
                note(settings.roles_on(surface).chain(role), f"{surface}: {role}")
    return {name: tuple(labels) for name, labels in found.items()}


async def all_health(settings: Settings, resources: Resources) -> list[Health]:
    """Every model's, all providers asked at once."""
    roles = roles_of(settings)
    asked = [_health(name, each, resources, roles.get(name, ())) for name, each in settings.models.items()]
    return list(await asyncio.gather(*asked))


async def _health(name: str, chosen: Model, resources: Resources, roles: tuple[str, ...]) -> Health:
    spec = spec_of(name, chosen)
    spec = replace(spec, timeout=min(spec.timeout, SECONDS), connect_timeout=min(spec.connect_timeout, CONNECT_SECONDS))
    offered: tuple[Offered, ...] | None = None
    code = None
    try:
        offered = await _offered(chosen.connector, spec, resources)
        state, says = _judged(chosen.connector, spec, offered)
    except ConnectorError as error:
        state, says, code = "wrong", str(error), error.code
    except TimeoutError:
        state, says, code = "wrong", _silent(name), "model_timeout"
    except Exception as error:  # a connector of somebody else's
        state, says = "wrong", f"{name}: its connector failed with {type(error).__name__} when asked for its models"
    facts = known(spec.model, chosen.connector)
    price = policy_of(chosen).price or (facts.price if facts else None)
    shipped = facts.date if facts and price is facts.price else None
    window = chosen.context_window or (facts.context_window if facts else None) or _window(spec, offered)
    address = _address(chosen.connector, spec)
    costs = asdict(price) if price else None
    return Health(name, chosen.connector, spec.model, address, roles, state, says, code, window, costs, shipped)


def _silent(name: str) -> str:
    return f"{name} did not list its models within {SECONDS:g} seconds; `assistant models test {name}` waits longer"


async def _offered(connector: str, spec: ModelSpec, resources: Resources) -> tuple[Offered, ...] | None:
    model = build(connector, spec, resources)
    try:
        async with asyncio.timeout(SECONDS):
            return await model.offered()
    finally:
        await model.aclose()


def _judged(
    connector: str, spec: ModelSpec, offered: tuple[Offered, ...] | None
) -> tuple[Literal["ok", "wrong", "unclear"], str]:
    """Whether the model is among those that are listed, in words that say what to do."""
    if offered is None:
        if connector == "builtin":
            return "ok", "answers without a language model"
        return "unclear", f"has no list of models to look into; `assistant models test {spec.name}` asks it"
    names = [each.name for each in offered]
    listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    wanted = spec.model
    if not names:
        pull = f": ollama pull {wanted or 'llama3.2'}" if connector == "ollama" else "; load one there"
        return "wrong", f"the server answers, but has no model yet{pull}"
    if not wanted:
        if len(names) == 1:
            return "ok", f"answers with {names[0]}, the only model there"
        return "wrong", f"there are several models: name one as models.{spec.name}.model: {listed}"
    if wanted in names or f"{wanted}:latest" in names:
        return "ok", "can be reached, and lists the model"
    if connector in ONE_MODEL and len(names) == 1:
        return "ok", f"can be reached, and answers with {names[0]}"
    says = f"can be reached, but does not list {wanted}. {did_you_mean(wanted, names)}".strip()
    if connector in COMPLETE or is_openai(_address(connector, spec)):
        return "wrong", f"{says} Check models.{spec.name}.model; listed are: {listed}"
    return "unclear", f"{says} Listed are: {listed}. `assistant models test {spec.name}` asks it all the same"


def _address(connector: str, spec: ModelSpec) -> str | None:
    preset = PRESETS.get(connector)
    address = spec.base_url or (preset and preset.base_url)
    return redact(str(address), spec.api_key) if address else None


def _window(spec: ModelSpec, offered: tuple[Offered, ...] | None) -> int | None:
    rows = offered or ()
    if len(rows) == 1:
        return rows[0].context_window
    return next((each.context_window for each in rows if each.name in (spec.model, f"{spec.model}:latest")), None)


async def answer_of(name: str, chosen: Model, resources: Resources) -> Answer:
    """Ask once, as a turn would be asked but for retries: what is wrong must show."""
    model: ChatModel | None = None
    try:
        model = make_backend(chosen.connector, spec_of(name, chosen), replace(policy_of(chosen), retries=0), resources)
        return await _timed(name, model)
    except ConnectorError as error:
        return Answer(name, code=error.code, error=str(error))
    finally:
        if model is not None:
            await model.aclose()


async def _timed(name: str, model: ChatModel) -> Answer:
    request = ChatRequest((ChatMessage.of("user", PROMPT),), max_tokens=MAX_TOKENS)
    began, first, pieces = time.perf_counter(), None, []
    answer = Answer(name)
    async with Closing(model.stream(request)) as deltas:
        async for delta in deltas:
            if delta.text and first is None:
                first = time.perf_counter() - began
            pieces.append(delta.text)
            answer = replace(
                answer,
                model=delta.model or answer.model,
                usage=delta.usage or answer.usage,
                cost=delta.cost or answer.cost,
                note=delta.note or answer.note,
            )
    total = time.perf_counter() - began
    writing = total - first if first is not None else 0.0
    speed = answer.usage.output_tokens / writing if answer.usage and writing >= MEASURABLE else None
    return replace(answer, text="".join(pieces), first_token=first, total=total, tokens_per_second=speed)
