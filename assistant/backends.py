"""The chat models that the settings name, and the chains of them that play a role: exchanged while turns run.

A turn borrows the chains that are in use as it begins and keeps them to its end; what the settings say by then counts
for the next turn. A model whose settings are as before stays as it is, with its connections and what its circuit
breaker has learnt; one that no turn uses any more is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from assistant.conversation.routes import Role
from assistant.settings import BUILTIN, PORTAL, Model, Settings
from connectors import ChatModel, ChatRequest, ConnectorError, Delta, ModelSpec, Resources
from connectors.backend import Backend, Policy, make_backend
from connectors.fallback import FallbackModel
from connectors.prices import Price
from connectors.wrapper import Closing

log = logging.getLogger(__name__)
ROLES: tuple[Role, ...] = ("main", "voice")
LOOK_SECONDS = 10.0


def spec_of(name: str, chosen: Model) -> ModelSpec:
    """What a connector must know of a model."""
    return ModelSpec(
        name=name,
        model=chosen.model,
        base_url=chosen.base_url,
        api_key=chosen.api_key.get_secret_value() if chosen.api_key is not None else None,
        temperature=chosen.temperature,
        max_tokens=chosen.max_tokens,
        timeout=chosen.timeout,
        connect_timeout=chosen.connect_timeout,
        first_token_timeout=chosen.first_token_timeout,
        api=chosen.api,
        options=_options(chosen),
    )


def _options(chosen: Model) -> Mapping[str, Any]:
    """The model's options; one that runs in this process sets up the window that it is given."""
    if chosen.connector != "llama-cpp" or chosen.context_window is None:
        return chosen.options
    return {"context_window": chosen.context_window} | chosen.options


def policy_of(chosen: Model) -> Policy:
    """How patient the layers around a connector are, and what its tokens cost."""
    price = chosen.price
    return Policy(
        retries=chosen.retries,
        concurrency=chosen.concurrency,
        context_window=chosen.context_window,
        price=Price(price.input, price.output, price.cached_input, price.currency) if price else None,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A model with what it was made of."""

    model: ChatModel
    settings: Model | None = None
    resources: Resources | None = None


@dataclass(slots=True, eq=False)
class Chains:
    """Who plays which role on which surface. ``running`` counts the turns that use them."""

    roles: Mapping[tuple[str, Role], ChatModel]
    made: Mapping[str, Made]
    running: int = 0

    @classmethod
    def single(cls, model: ChatModel, surfaces: Iterable[str] = (PORTAL,)) -> Chains:
        """One model for everything."""
        return cls({(surface, role): model for surface in surfaces for role in ROLES}, {model.name: Made(model)})

    @property
    def models(self) -> list[ChatModel]:
        """All models in them, once each."""
        return [each.model for each in self.made.values()]

    def of(self, surface: str, role: Role) -> ChatModel:
        """The model that plays the role there; the portal's where a change of the settings has taken the surface."""
        return self.roles.get((surface, role)) or self.roles[PORTAL, role]


@dataclass(slots=True)
class Backends:
    """Owns the models. ``resources`` are lent to those that run in this process."""

    resources: Resources
    _current: Chains = field(default_factory=lambda: Chains({}, {}))
    _retired: list[Chains] = field(default_factory=list)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def current(self) -> Chains:
        """What the next turn gets."""
        return self._current

    def chains(self, settings: Settings, resources: Resources | None = None) -> Chains:
        """The chains of these settings, not yet in use. Raises ConnectorError for a model that cannot be built."""
        resources = resources or self.resources
        named = {surface: settings.roles_on(surface) for surface in settings.surfaces}
        names = dict.fromkeys(name for roles in named.values() for role in ROLES for name in roles.chain(role))
        made = {name: self._make(name, settings.models[name], resources) for name in names}
        chains: dict[tuple[str, ...], ChatModel] = {}
        roles: dict[tuple[str, Role], ChatModel] = {}
        for surface, each in named.items():
            for role in ROLES:
                chain = each.chain(role)
                chains.setdefault(chain, FallbackModel([made[name].model for name in chain], name=chain[0]))
                roles[surface, role] = chains[chain]
        return Chains(roles, made)

    def use(self, chains: Chains, resources: Resources | None = None) -> None:
        """Give these to every turn that begins from now on."""
        before, self._current = self._current, chains
        self.resources = resources or self.resources
        self._retired.append(before)
        self._sweep()

    @contextmanager
    def lease(self) -> Iterator[Chains]:
        """The chains in use, for as long as a turn needs them."""
        chains = self._current
        chains.running += 1
        try:
            yield chains
        finally:
            chains.running -= 1
            if chains is not self._current and not chains.running:
                self._sweep()

    async def look(self) -> None:
        """See once whether every model can be reached, and log what is wrong; it also loads what the first turn would
        have to."""
        with self.lease() as chains:
            await asyncio.gather(*map(_look, chains.models))

    def resting(self) -> Mapping[str, bool]:
        """Which models are left alone for now, because they kept failing."""
        made = self._current.made.items()
        return {name: each.model.breaker.state == "open" for name, each in made if isinstance(each.model, Backend)}

    async def aclose(self) -> None:
        """Close every model."""
        models = _distinct((*self._retired, self._current))
        self._retired.clear()
        await asyncio.gather(*self._closing, *map(_close, models.values()))

    def _make(self, name: str, chosen: Model, resources: Resources) -> Made:
        known = self._current.made.get(name)
        if known is not None and known.settings == chosen and known.resources is resources:
            return known
        return Made(
            make_backend(chosen.connector, spec_of(name, chosen), policy_of(chosen), resources), chosen, resources
        )

    def _sweep(self) -> None:
        """Close what only chains had that no turn uses any more."""
        done = [chains for chains in self._retired if not chains.running]
        self._retired = [chains for chains in self._retired if chains.running]
        kept = _distinct((*self._retired, self._current))
        for model in (each for key, each in _distinct(done).items() if key not in kept):
            task = asyncio.get_running_loop().create_task(_close(model))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


class CurrentModel(ChatModel):
    """Whatever model plays a role as it is asked, for parts that outlive a change of the settings."""

    def __init__(self, backends: Backends, role: Role = "main", surface: str = PORTAL) -> None:
        self.name = role
        self._backends = backends
        self._key = (surface, role)

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta]:
        with self._backends.lease() as chains:
            async with Closing(chains.of(*self._key).stream(request)) as deltas:
                async for delta in deltas:
                    yield delta


def has_language_model(names: Iterable[str]) -> bool:
    """Whether anything but the builtin model is among them."""
    return any(name != BUILTIN for name in names)


def _distinct(chains: Iterable[Chains]) -> dict[int, ChatModel]:
    return {id(model): model for each in chains for model in each.models}


async def _look(model: ChatModel) -> None:
    try:
        await asyncio.wait_for(model.offered(), LOOK_SECONDS)
    except (ConnectorError, TimeoutError) as error:
        log.warning("model %s: %s", model.name, error or f"no answer within {LOOK_SECONDS:g} seconds")


async def _close(model: ChatModel) -> None:
    try:
        await model.aclose()
    except Exception:  # what a connector of somebody else's makes of being closed must not stop a server
        log.exception("model %s could not be closed", model.name)
