"""Puts the parts together, once, from the settings. Nothing else knows all of them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from assistant.conversation.engine import Engine, SurfacePolicy
from assistant.conversation.routes import Role
from assistant.conversation.service import ChatService, Limits
from assistant.knowledge.embedder import LOCAL_BATCH, Embedder, FastEmbedder, OpenAIEmbedder
from assistant.knowledge.ingest import Ingestion, Progress, Report, sources
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Index, Store, StoreError
from assistant.knowledge.store.factory import build_store
from assistant.records.repository import Repository
from assistant.routing.classifier import LinearClassifier
from assistant.routing.router import Costs, Router
from assistant.settings import DEMO_PATH, Settings, Surface
from assistant.voice.examples import VoiceExample, VoiceExamples
from assistant.voice.examples import read as read_examples
from connectors import ChatModel, ModelSpec, Resources, build

VERSION = version("switchyard")
LIVE = "live"
"""The alias of the index that is searched."""
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
    collections: dict[str, int]
    rebuild: bool = False
    _index: Index | None = None
    _counted: float = 0.0
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
        await self.store.open()
        try:
            self._index = await self._open_index()
            await self.records.open()
        except BaseException:
            await self.store.close()
            raise
        await self._count()
        self._service = self._build_service(self._index)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            models = {id(model): model for model in self.models.values()}
            await asyncio.gather(*(model.aclose() for model in models.values()), return_exceptions=True)
            await self.records.close()
        finally:
            await self.store.close()

    async def warm_up(self) -> None:
        """Load what is otherwise loaded by the first turn."""
        vectors = await self.router_embedder.embed(["warm up"])
        await self.examples.nearest(vectors[0], 1)

    async def ingest(self, paths: Sequence[Path], collection: str, on_progress: Callable[[Progress], None]) -> Report:
        """Files and folders into a collection. Raises NothingToIngest before anything is changed."""
        found = sources([DEMO / "documents" if str(path) == DEMO_PATH else path for path in paths])
        ingestion = Ingestion(self.index, self.embedder, collection, self.settings.chunking.max_tokens)
        report = await ingestion.run(found, on_progress)
        await self._count()
        return report

    async def readable(self, surface: str) -> list[str]:
        """The collections that may be searched on a surface: those it names, else all there are. Another process
        may fill a shared store, so the list is read again after ``COLLECTIONS_SECONDS``."""
        if time.monotonic() - self._counted >= COLLECTIONS_SECONDS:
            await self._count()
        named = self.settings.surfaces[surface].collections
        return list(self.collections) if named is None else [name for name in named if name in self.collections]

    async def _count(self) -> None:
        self.collections = dict(await self.index.collections())
        self._counted = time.monotonic()

    async def make_live(self) -> None:
        """Switch to the index that was built beside; the one before stays in the store."""
        await self.store.switch(LIVE, self.index.name)

    async def _open_index(self) -> Index:
        wanted = index_name(self.embedder, self.settings)
        live = (await self.store.aliases()).get(LIVE)
        if live not in (None, wanted) and not self.rebuild:
            raise StoreError(
                f"the document base was built as '{live}', and the settings of embedder and chunking now ask for "
                f"'{wanted}'. Put them back, or build it anew: assistant ingest --rebuild"
            )
        index = await self.store.create(wanted, self.embedder.dimension)
        if live is None:
            await self.store.switch(LIVE, wanted)
        return index

    def _build_service(self, index: Index) -> ChatService:
        settings = self.settings
        costs = settings.router.costs
        router = Router(
            LinearClassifier(self.router_embedder),
            Costs(costs.missed_lookup, costs.needless_lookup),
            settings.router.voice_threshold,
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
        collections={},
        rebuild=rebuild,
    )


def index_name(embedder: Embedder, settings: Settings) -> str:
    """Names an index by what its vectors depend on: the embedding model and how documents are cut."""
    name = f"{embedder.name}-d{embedder.dimension}-c{settings.chunking.max_tokens}"
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")


def _voice_examples(settings: Settings) -> list[VoiceExample]:
    path = settings.voice.examples
    if path is None and all(list(each.paths) == [Path(DEMO_PATH)] for each in settings.collections.values()):
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
    roles: dict[Role, str] = {"main": settings.roles.main, "voice": settings.roles.voice}
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
