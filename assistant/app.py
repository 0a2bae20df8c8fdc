"""Puts the parts together, once, from the settings. Nothing else knows all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assistant.access.policy import EVERYONE, readable
from assistant.config_errors import ConfigError
from assistant.conversation.correct import voiced_by
from assistant.conversation.engine import Engine
from assistant.conversation.routes import Role
from assistant.conversation.service import ChatService, Limits
from assistant.knowledge import legacy
from assistant.knowledge.base import Build, DocumentBase
from assistant.knowledge.collections import Collections, row
from assistant.knowledge.embedder import Embedder, FastEmbedder
from assistant.knowledge.happenings import Mistake, Tell
from assistant.knowledge.ingesting import ingest
from assistant.knowledge.rebuild import rebuild, roll_back
from assistant.knowledge.sources.registry import build as build_source
from assistant.knowledge.store import Index
from assistant.parts import (
    QUERY_THREADS,
    embedder_elsewhere,
    make_embedder,
    make_models,
    make_router,
    make_store,
    make_sync,
    plain_embedder,
    policy_of,
    retriever_maker,
    voice_examples,
)
from assistant.records.manifest import Manifest
from assistant.records.repository import Repository
from assistant.routing.shadow import Shadow
from assistant.routing.versions import Versions
from assistant.settings import Settings
from assistant.voice.examples import VoiceExamples
from connectors import ChatModel, Resources

VERSION = version("switchyard")
SETTINGS_FILE = "assistant.yaml"
READERS_SECONDS = 2.0


@dataclass(slots=True)
class Assistant:
    """A running assistant; ``async with`` opens and closes it.

    ``reload`` reads the settings anew. With ``whatever`` it opens also where the index does not fit the settings, for
    a rebuild or a rollback; it cannot chat then.
    """

    settings: Settings
    base: DocumentBase
    collections: Collections
    records: Repository
    router_embedder: FastEmbedder
    models: dict[Role, ChatModel]
    examples: VoiceExamples
    make_embedder: Callable[[Settings], Embedder]
    reload: Callable[[], Settings] | None = None
    whatever: bool = False
    _readers: Mapping[str, Collection[str]] = field(default_factory=dict)
    _read: tuple[float, int] = (0.0, -1)
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    _service: ChatService | None = None

    @property
    def index(self) -> Index:
        """The live index; only while open."""
        return self.base.live.index

    @property
    def service(self) -> ChatService:
        """The front door of chat; only while open."""
        if self._service is None:
            raise RuntimeError("the assistant is not open")
        return self._service

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            for model in {id(each): each for each in self.models.values()}.values():
                opened.push_async_callback(model.aclose)
            opened.push_async_callback(self.base.close)
            await self.base.open(self.build(), whatever=self.whatever)
            await self.records.open()
            opened.push_async_callback(self.records.close)
            await legacy.take_over(self.settings.data, self.collections.manifest)
            await self._name_collections()
            self._service = self._build_service()
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def warm_up(self) -> None:
        """Load what is otherwise loaded by the first turn."""
        await self.service.engine.warm_up()
        vectors = await self.router_embedder.embed(["warm up"])
        await self.examples.nearest(vectors[0], 1)

    async def refresh(self) -> None:
        """Take over what the settings file now says of collections, embedder and chunking; the last two count from
        the next rebuild on. Raises Mistake for a file that is wrong."""
        if self.reload is None:
            return
        try:
            new = await asyncio.to_thread(self.reload)
        except ConfigError as error:
            raise Mistake(f"the settings cannot be read anew: {error}") from error
        taken = {name: getattr(new, name) for name in ("collections", "embedder", "chunking")}
        self.settings = self.settings.model_copy(update=taken)
        await self._name_collections()

    async def ingest(
        self, given: Sequence[Path | str], collection: str, tell: Tell = lambda _: None, *, force: bool = False
    ) -> None:
        """Files, folders and addresses into a collection. Raises Mistake before anything is changed."""
        await ingest(self.collections, [str(each) for each in given], collection, tell, force=force)

    async def sync(
        self,
        tell: Tell = lambda _: None,
        *,
        collections: Sequence[str] | None = None,
        collection: str | None = None,
        source: Sequence[str] = (),
        force: bool = False,
        engine: str = "local",
    ) -> None:
        """Bring sources up to date: all, those of some collections, of one, or by id, location or label. Raises
        Mistake for what there is not."""
        await self.refresh()
        if collections is None:
            due = await self.collections.due(collection, source)
        else:
            due = [state for name in collections for state in await self.collections.due(name)]
        await self.collections.sync(due, tell, force=force, engine=engine)

    async def rebuild(self, tell: Tell, *, force: bool = False) -> None:
        """Build an index for the settings as the file now says, and switch to it. Raises NotDone."""
        await self.refresh()
        build = self.build()
        try:
            await rebuild(self.collections, build, tell, force=force)
        except BaseException:
            await self.base.discard(build)
            raise

    async def roll_back(self, tell: Tell) -> None:
        """Switch to the index before. Raises StoreError where the settings do not fit it."""
        await self.refresh()
        build = self.build()
        try:
            await roll_back(self.collections, build, tell)
        except BaseException:
            await self.base.discard(build)
            raise

    async def list_sources(self) -> dict[str, Any]:
        """Every source with its state, as JSON, for whoever runs this."""
        return {"sources": [row(known) for known in await self.collections.known()]}

    async def list_collections(self) -> dict[str, Any]:
        """Every collection with its readers, and the indexes that are kept, as JSON, for whoever runs this."""
        index = await self.base.searched()
        passages = dict(await index.collections()) if index else {}
        readers = await self._who_reads({*passages, *self.settings.collections})
        return {
            "collections": [
                {"name": name, "passages": passages.get(name, 0), "readers": list(readers[name])}
                for name in sorted(readers)
            ],
            "indexes": [
                {"name": each.name, "use": each.use, "passages": each.chunks, "made_with": each.made_with}
                for each in await self.base.indexes()
            ],
        }

    async def readable(self, surface: str, groups: Collection[str]) -> frozenset[str]:
        """The collections that somebody of these groups may search on a surface. Another process may fill a shared
        store, so what there is is read again after a while."""
        at, changes = self._read
        if changes != self.collections.changes or time.monotonic() - at >= READERS_SECONDS:
            self._read = (time.monotonic(), self.collections.changes)
            await self.base.look_again()
            self._readers = await self._who_reads(await self.index.collections())
        place = self.settings.surfaces[surface]
        found = readable(self._readers, [*place.groups, *groups])
        return found if place.collections is None else found & frozenset(place.collections)

    async def _who_reads(self, present: Collection[str]) -> Mapping[str, Collection[str]]:
        """Who may read each collection that there is: as the settings say, else everyone where a command made it. One
        that has left the settings, or that nobody knows the origin of, is nobody's."""
        made = await self.collections.of_commands()
        named = self.settings.collections
        return {name: named[name].readers if name in named else [EVERYONE] if name in made else [] for name in present}

    async def _name_collections(self) -> None:
        named = self.settings.collections.items()
        await self.collections.name(await asyncio.to_thread(lambda: {name: each.specs() for name, each in named}))

    def build(self) -> Build:
        """What the settings ask an index to be."""
        elsewhere = partial(embedder_elsewhere, plain_embedder(self.settings))
        return Build(self.make_embedder(self.settings), self.settings.chunking.max_tokens, elsewhere)

    def _build_service(self) -> ChatService:
        settings = self.settings
        versions = Versions(settings.data)
        router = make_router(settings, self.router_embedder, self.models["main"], versions=versions)
        shadow = Shadow(versions, lambda ready: make_router(settings, self.router_embedder, ready=ready))
        policies = {name: policy_of(settings, surface) for name, surface in settings.surfaces.items()}
        engine = Engine(router, self.base, self.models, policies, self.examples, shadow)
        readers = {name: partial(self.readable, name) for name in settings.surfaces}
        limits = Limits(settings.limits.turn_characters, settings.limits.conversation_turns)
        voiced = voiced_by({name: each.voice for name, each in policies.items()}, settings.router.voice_threshold)
        return ChatService(engine, self.records, readers, limits, voiced)


def build_assistant(
    settings: Settings,
    *,
    embedder: Callable[[Settings], Embedder] | None = None,
    reload: Callable[[], Settings] | None = None,
    own_files: Sequence[Path] = (),
    whatever: bool = False,
) -> Assistant:
    """The assistant that the settings describe, not yet opened. ``embedder`` makes one of the settings in place of our
    own way. ``own_files`` are never read as documents, beside the
    data folder and every assistant.yaml: they hold keys and what people said. Raises ConnectorError for a model that
    cannot be built and VoiceExamplesError for voice examples that cannot be read."""
    shipped = FastEmbedder()
    examples = voice_examples(settings)
    resources = Resources(
        embed=shipped.embed_now, exchanges=[(each.said, each.answer) for each in examples if each.verbatim]
    )
    records = Repository(settings.records.url or f"sqlite+aiosqlite:///{settings.data / 'records.db'}")
    models = make_models(settings, resources)
    base = DocumentBase(
        make_store(settings), retriever_maker(settings, models), keep=lambda embedder: embedder is shipped
    )
    avoid = [settings.data.resolve(), Path(SETTINGS_FILE), *(path.resolve() for path in own_files)]
    manifest = Manifest(records)
    return Assistant(
        settings=settings,
        base=base,
        collections=Collections(
            base,
            manifest,
            partial(build_source, avoid=avoid, cache=settings.data / "sources"),
            partial(make_sync, manifest),
        ),
        records=records,
        router_embedder=FastEmbedder(threads=QUERY_THREADS),
        models=models,
        examples=VoiceExamples(examples, shipped),
        make_embedder=embedder or partial(make_embedder, shipped=shipped),
        reload=reload,
        whatever=whatever,
    )
