"""Puts the parts together, once, from the settings. Nothing else knows all of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from assistant.conversation.engine import Engine, SurfacePolicy
from assistant.conversation.routes import Role
from assistant.conversation.service import ChatService, Limits
from assistant.knowledge.embedder import LOCAL_BATCH, Embedder, FastEmbedder, OpenAIEmbedder
from assistant.knowledge.ingest import Ingestion, NothingToIngest, Progress, Report, Source, sources
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.roots import Roots
from assistant.knowledge.store import Index, Store, StoreError
from assistant.knowledge.store.factory import build_store
from assistant.records.repository import Repository
from assistant.routing.classifier import LinearClassifier
from assistant.routing.router import Costs, Router
from assistant.settings import BUILTIN, DEMO_PATH, Settings, Surface
from assistant.voice.examples import VoiceExample, VoiceExamples
from assistant.voice.examples import read as read_examples
from connectors import ChatModel, ModelSpec, Resources, build

VERSION = version("switchyard")
LIVE = "live"
"""The alias of the index that is searched."""
SETTINGS_FILE = "assistant.yaml"
COLLECTIONS_SECONDS = 2.0
DEMO = Path(__file__).parent / "demo"


@dataclass(slots=True)
class Assistant:
    """A running assistant; ``async with`` opens and closes it. ``collections`` maps names to numbers of chunks.

    With ``rebuild`` it opens an index for the present settings beside the live one, for ``make_live`` to switch to.
    """

    settings: Settings
    store: Store
    records: Repository
    embedder: Embedder
    router_embedder: FastEmbedder
    models: dict[Role, ChatModel]
    examples: VoiceExamples
    roots: Roots
    collections: dict[str, int] = field(default_factory=dict)
    rebuild: bool = False
    _index: Index | None = None
    _counted: float = 0.0
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    _service: ChatService | None = None

    @property
    def index(self) -> Index:
        """The live index; only while open."""
        if self._index is None:
            raise RuntimeError("the assistant is not open")
        return self._index

    @property
    def service(self) -> ChatService:
        """The front door of chat; only while open."""
        if self._service is None:
            raise RuntimeError("the assistant is not open")
        return self._service

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            await self.store.open()
            opened.push_async_callback(self.store.close)
            self._index = await self._open_index()
            await self.records.open()
            opened.push_async_callback(self.records.close)
            opened.push_async_callback(self.embedder.aclose)
            for model in {id(each): each for each in self.models.values()}.values():
                opened.push_async_callback(model.aclose)
            await self._count()
            self._service = self._build_service(self._index)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def warm_up(self) -> None:
        """Load what is otherwise loaded by the first turn."""
        vectors = await self.router_embedder.embed(["warm up"])
        await self.examples.nearest(vectors[0], 1)

    async def find(self, paths: Sequence[Path], collection: str) -> list[Source]:
        """The files that ``ingest`` would read, without this program's own: its data and its settings hold keys and
        what people said. Raises NothingToIngest."""
        found = await asyncio.to_thread(sources, paths, self.roots.paths(collection))
        data = self.settings.data.resolve()
        kept = [each for each in found if not each.path.is_relative_to(data) and each.path.name != SETTINGS_FILE]
        if not kept:
            raise NothingToIngest(f"{paths[0]} holds nothing but the settings and data of this program")
        return kept

    async def ingest(self, paths: Sequence[Path], collection: str, on_progress: Callable[[Progress], None]) -> Report:
        """Files and folders into a collection. Raises NothingToIngest before anything is changed."""
        found = await self.find(paths, collection)
        named = self.settings.collections.get(collection)
        self.roots.add(collection, paths, "settings" if named and set(paths) <= set(named.paths) else "command")
        ingestion = Ingestion(self.index, self.embedder, collection, self.settings.chunking.max_tokens)
        report = await ingestion.run(found, on_progress)
        await self._count()
        return report

    async def remove(self, collection: str) -> bool:
        """Delete a collection and forget where it came from; False if there is none."""
        known = collection in self.collections or collection in self.roots.read()
        await self.index.delete_collection(collection)
        self.roots.remove(collection)
        await self._count()
        return known

    async def readable(self, surface: str) -> list[str]:
        """The collections that may be searched on a surface: those it names, else all but those that have left the
        settings. Another process may fill a shared store, so the list is read again after a while."""
        if time.monotonic() - self._counted >= COLLECTIONS_SECONDS:
            await self._count()
        named = self.settings.surfaces[surface].collections
        left = {
            name
            for name, entry in self.roots.read().items()
            if entry.origin == "settings" and name not in self.settings.collections
        }
        return [name for name in self.collections if name not in left and (named is None or name in named)]

    def work(self) -> list[tuple[str, list[Path]]]:
        """Each collection of the settings with its paths, and with ``rebuild`` those that commands have filled too."""
        configured = {name: list(each.paths) for name, each in self.settings.collections.items() if each.paths}
        if self.rebuild:
            for name, entry in self.roots.read().items():
                if entry.origin == "command" or name in configured:
                    configured[name] = list(dict.fromkeys([*configured.get(name, []), *entry.paths]))
        return list(configured.items())

    async def make_live(self) -> None:
        """Switch to the index that was built beside. The one before stays in the store, older ones go."""
        before = (await self.store.aliases()).get(LIVE)
        await self.store.switch(LIVE, self.index.name)
        for name in await self.store.indexes():
            if name not in (before, self.index.name):
                await self.store.drop(name)

    async def _count(self) -> None:
        self.collections = dict(await self.index.collections())
        self._counted = time.monotonic()

    async def _open_index(self) -> Index:
        base = index_name(self.embedder, self.settings)
        live = (await self.store.aliases()).get(LIVE)
        if self.rebuild or live is None:
            taken = await self.store.indexes()
            name = next(f"{base}-v{n}" for n in count(1) if f"{base}-v{n}" not in taken)
            index = await self.store.create(name, self.embedder.dimension)
            if live is None:
                await self.store.switch(LIVE, name)
            return index
        if live.rpartition("-v")[0] != base:
            raise StoreError(
                f"the document base was built as '{live}', and the settings of embedder and chunking now ask for "
                f"'{base}'. Put them back, or build it anew: assistant ingest --rebuild"
            )
        return await self.store.create(live, self.embedder.dimension)

    def _build_service(self, index: Index) -> ChatService:
        settings = self.settings
        costs = settings.router.costs
        router = Router(
            LinearClassifier(self.router_embedder),
            Costs(costs.missed_lookup, costs.needless_lookup),
            settings.router.voice_threshold,
            voice_model=settings.roles.voice is not None or settings.roles.main == BUILTIN,
        )
        retriever = Retriever(
            index,
            self.embedder,
            passages=settings.retrieval.passages,
            candidates=settings.retrieval.candidates,
            history_turns=settings.retrieval.history_turns,
        )
        policies = {name: _policy(settings, surface) for name, surface in settings.surfaces.items()}
        engine = Engine(router, retriever, self.models, policies, self.examples)
        readable = {name: partial(self.readable, name) for name in settings.surfaces}
        limits = Limits(settings.limits.turn_characters, settings.limits.conversation_turns)
        return ChatService(engine, self.records, readable, limits)


def build_assistant(settings: Settings, *, rebuild: bool = False) -> Assistant:
    """The assistant that the settings describe, not yet opened. Raises ConnectorError for a model that cannot be
    built and VoiceExamplesError for voice examples that cannot be read."""
    shipped = FastEmbedder()
    examples = _voice_examples(settings)
    resources = Resources(
        embed=shipped.embed_now, exchanges=[(each.said, each.answer) for each in examples if each.verbatim]
    )
    records_url = settings.records.url or f"sqlite+aiosqlite:///{settings.data / 'records.db'}"
    return Assistant(
        settings=settings,
        store=build_store(
            engine=settings.store.engine,
            path=settings.data / "index",
            url=settings.store.url,
            api_key=_secret(settings.store.api_key),
            timeout=settings.store.timeout,
        ),
        records=Repository(records_url),
        embedder=_embedder(settings, shipped),
        router_embedder=shipped,
        models=_models(settings, resources),
        examples=VoiceExamples(examples, shipped),
        roots=Roots(settings.data),
        rebuild=rebuild,
    )


def index_name(embedder: Embedder, settings: Settings) -> str:
    """Names an index by what its vectors depend on: the embedding model and how documents are cut."""
    size = min(settings.chunking.max_tokens, embedder.max_tokens)
    name = f"{embedder.name}-d{embedder.dimension}-c{size}"
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")


def _voice_examples(settings: Settings) -> list[VoiceExample]:
    path = settings.voice.examples
    if path is None and [list(each.paths) for each in settings.collections.values()] == [[Path(DEMO_PATH)]]:
        path = Path(DEMO_PATH)
    if path is None:
        return []
    return read_examples(DEMO / "voice.jsonl" if str(path) == DEMO_PATH else path)


def _embedder(settings: Settings, shipped: FastEmbedder) -> Embedder:
    chosen = settings.embedder
    batch = chosen.batch_size or LOCAL_BATCH
    if chosen.provider == "builtin":
        return shipped if batch == LOCAL_BATCH else FastEmbedder(batch_size=batch)
    model, limit = str(chosen.model), chosen.max_tokens or 512
    if chosen.provider == "fastembed":
        return FastEmbedder(model, folder=None, dimension=chosen.dimension, max_tokens=limit, batch_size=batch)
    return OpenAIEmbedder(
        model,
        base_url=chosen.base_url,
        api_key=_secret(chosen.api_key),
        dimension=int(chosen.dimension or 0),
        max_tokens=limit,
        batch_size=chosen.batch_size or 64,
    )


def _models(settings: Settings, resources: Resources) -> dict[Role, ChatModel]:
    made: dict[str, ChatModel] = {}
    roles: dict[Role, str] = {"main": settings.roles.main, "voice": settings.roles.voice or settings.roles.main}
    for name in roles.values():
        if name not in made:
            chosen = settings.models[name]
            spec = ModelSpec(
                name=name,
                model=chosen.model,
                base_url=chosen.base_url,
                api_key=_secret(chosen.api_key),
                temperature=chosen.temperature,
                max_tokens=chosen.max_tokens,
                timeout=chosen.timeout,
                options=chosen.options,
            )
            made[name] = build(chosen.connector, spec, resources)
    return {role: made[name] for role, name in roles.items()}


def _policy(settings: Settings, surface: Surface) -> SurfacePolicy:
    return SurfacePolicy(surface.voice, settings.organisation, surface.contact)


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None
