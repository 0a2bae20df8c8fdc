"""Puts the parts together, once, from the settings. Nothing else knows all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assistant.access.api_keys import ApiKeys
from assistant.access.gate import Gate
from assistant.access.guests import Guests
from assistant.access.jwks import KeySets
from assistant.access.limits import Limiter
from assistant.access.readers import Readers
from assistant.access.sign_in import SignIns
from assistant.backends import Backends, CurrentModel
from assistant.conversation.attachments import Attachments
from assistant.conversation.correct import voiced_by
from assistant.conversation.engine import Engine
from assistant.conversation.service import ChatService, Front, Limits
from assistant.knowledge import legacy
from assistant.knowledge.base import Build, DocumentBase
from assistant.knowledge.collections import Collections, row
from assistant.knowledge.embedder import Embedder, FastEmbedder
from assistant.knowledge.happenings import Tell
from assistant.knowledge.ingesting import ingest
from assistant.knowledge.private import PrivateCollections
from assistant.knowledge.rebuild import rebuild, roll_back
from assistant.knowledge.sources.registry import build as build_source
from assistant.knowledge.store import Index
from assistant.parts import (
    Voice,
    embedder_elsewhere,
    make_checker,
    make_embedder,
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
from assistant.settings_file import SettingsFile, taken, tell_what_changed
from assistant.settings_following import Following
from assistant.telemetry import Metrics

VERSION = version("switchyard")
SETTINGS_FILE = "assistant.yaml"


@dataclass(slots=True)
class Assistant:
    """A running assistant; ``async with`` opens and closes it.

    ``file`` is where its settings come from: what changes there is taken over as it runs. With ``whatever`` it opens
    also where the index does not fit the settings, for a rebuild or a rollback; it cannot chat then.
    """

    settings: Settings
    base: DocumentBase
    collections: Collections
    records: Repository
    router_embedder: FastEmbedder
    backends: Backends
    voice: Voice
    make_embedder: Callable[[Settings], Embedder]
    file: SettingsFile | None = None
    whatever: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    attachments: Attachments = field(init=False)
    sessions: SignIns = field(init=False)
    _following: Following = field(init=False)
    _keys: KeySets = field(default_factory=KeySets)
    _api_keys: ApiKeys = field(init=False)
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    _service: ChatService | None = None
    _versions: Versions = field(init=False)
    _shadow: Shadow = field(init=False)
    _readers: Readers = field(init=False)

    def __post_init__(self) -> None:
        self._following = Following(self.file, self._take)
        self.sessions = SignIns(self.records, lambda: self.settings)
        self._api_keys = ApiKeys(self.records)
        self._readers = Readers(self.base, self.collections)
        private = PrivateCollections(self.base, self.collections.manifest)
        folder, alone = self.settings.data / "attachments", self.settings.store.engine == "embedded"
        self.attachments = Attachments(private, self.records, folder, self._megabytes, alone=alone)
        self.collections.carry = self.attachments.carry
        self.metrics.watch(self.backends.resting)
        self._versions = Versions(self.settings.data)
        self._shadow = Shadow(
            self._versions, lambda ready: make_router(self.settings, self.router_embedder, ready=ready)
        )

    @property
    def problem(self) -> str | None:
        """What is wrong with the settings file as it is now."""
        return self._following.problem

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
            opened.push_async_callback(self.backends.aclose)
            opened.push_async_callback(self._keys.aclose)
            opened.push_async_callback(self.base.close)
            await self.base.open(self.build(), whatever=self.whatever)
            await self.records.open()
            opened.push_async_callback(self.records.close)
            opened.push_async_callback(self._api_keys.aclose)
            await legacy.take_over(self.settings.data, self.collections.manifest)
            await self._name_collections(self.settings)
            await self.attachments.open()
            opened.push_async_callback(self.attachments.close)
            self._service = self._build_service()
            opened.push_async_callback(self._service.aclose)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    def gate(self, machine: str) -> Gate:
        """What knows people by what they show; ``machine`` is the token of this machine's commands."""
        guests, keys, sets = Guests(self.settings.data), self._api_keys, self._keys
        return Gate(lambda: self.settings, keys, machine, guests, self.sessions, sets=sets, before=self.follow)

    async def warm_up(self) -> None:
        """Load what is otherwise loaded by the first turn."""
        await self.service.engine.warm_up()
        vectors = await self.router_embedder.embed(["warm up"])
        await self.voice.examples.nearest(vectors[0], 1)

    async def warm_up_for_doubt(self) -> None:
        """Load what is otherwise loaded by the first turn whose evidence is in doubt: nobody need wait for it."""
        if self.base.open_for_search:
            await self.base.live.retriever.warm_up()

    async def follow(self) -> None:
        """Take over the settings if their file has changed, or wait for whoever is about to. What is wrong with it is
        logged, kept as ``problem``, and changes nothing."""
        await self._following.follow()

    async def refresh(self) -> None:
        """Take over what the settings file now says of all that can change while it runs; embedder and chunking count
        from the next rebuild on. Raises Mistake for a file that is wrong."""
        await self._following.refresh()

    async def _take(self, given: Settings) -> None:
        """Exchange every part that these settings change: first all that can fail, then the exchange at one go."""
        before, new = self.settings, taken(self.settings, given)
        voice = self.voice
        if (new.voice, new.collections) != (before.voice, before.collections):
            voice = self.voice.renewed(await asyncio.to_thread(voice_examples, new))
        chains = self.backends.chains(new, voice.resources)
        front = self._front(new, voice)
        making = retriever_maker(new, CurrentModel(self.backends))
        await self._name_collections(new)
        self.settings, self.voice = new, voice
        self.backends.use(chains, voice.resources)
        if (new.retrieval, new.roles) != (before.retrieval, before.roles):
            self.base.use(making)
        if self._service is not None:
            self._service.use(front)
        tell_what_changed(before, new, given)

    async def ingest(
        self,
        given: Sequence[Path | str],
        collection: str,
        tell: Tell = lambda _: None,
        *,
        force: bool = False,
        outward: bool = False,
    ) -> None:
        """Files, folders and addresses into a collection; with ``outward`` only addresses of the public web. Raises
        Mistake before anything is changed."""
        await ingest(self.collections, [str(each) for each in given], collection, tell, force=force, outward=outward)

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
        passages = await self.collections.passages()
        readers = await self._readers.who_reads(self.settings, {*passages, *self.settings.collections})
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
        """The collections that somebody of these groups may search on a surface."""
        return await self._readers.of(self.settings, surface, groups)

    async def _name_collections(self, settings: Settings) -> None:
        named = settings.collections.items()
        await self.collections.name(await asyncio.to_thread(lambda: {name: each.specs() for name, each in named}))

    def build(self) -> Build:
        """What the settings ask an index to be."""
        elsewhere = partial(embedder_elsewhere, plain_embedder(self.settings))
        return Build(self.make_embedder(self.settings), self.settings.chunking.max_tokens, elsewhere)

    def _megabytes(self) -> int:
        return self.settings.limits.attachment_megabytes

    def _build_service(self) -> ChatService:
        return ChatService(
            self._front(self.settings, self.voice),
            self.records,
            before=self.follow,
            metrics=self.metrics,
            attached=self.attachments.searchable,
            on_delete=self.attachments.forget,
            limiter=Limiter.of(self.settings.limits.store, self.metrics),
        )

    def _front(self, settings: Settings, voice: Voice) -> Front:
        """What a turn needs, by these settings."""
        main = CurrentModel(self.backends)
        router = make_router(settings, self.router_embedder, main, versions=self._versions)
        policies = {name: policy_of(settings, surface) for name, surface in settings.surfaces.items()}
        return Front(
            Engine(
                router,
                self.base,
                self.backends,
                policies,
                voice.examples,
                make_checker(settings, self.router_embedder, main),
                self._shadow,
                self.attachments.of_turn,
            ),
            {name: partial(self.readable, name) for name in settings.surfaces},
            Limits(settings.limits.turn_characters, settings.limits.conversation_turns),
            voiced_by({name: each.voice for name, each in policies.items()}, settings.router.voice_threshold),
            {name: settings.limits.on(each.limits) for name, each in settings.surfaces.items()},
        )


def build_assistant(
    settings: Settings,
    *,
    embedder: Callable[[Settings], Embedder] | None = None,
    file: SettingsFile | None = None,
    own_files: Sequence[Path] = (),
    whatever: bool = False,
) -> Assistant:
    """The assistant that the settings describe, not yet opened. ``embedder`` makes one of the settings in place of our
    own way. ``own_files`` are never read as documents, beside the
    data folder and every assistant.yaml: they hold keys and what people said. Raises ConnectorError for a model that
    cannot be built and VoiceExamplesError for voice examples that cannot be read."""
    shipped = FastEmbedder()
    voice = Voice.of(voice_examples(settings), shipped)
    records = Repository(settings.records.url or f"sqlite+aiosqlite:///{settings.data / 'records.db'}")
    backends = Backends(voice.resources)
    backends.use(backends.chains(settings))
    making = retriever_maker(settings, CurrentModel(backends))
    base = DocumentBase(make_store(settings), making, keep=lambda embedder: embedder is shipped)
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
        router_embedder=FastEmbedder(cores=1),  # many turns and checks at once share the cores as it is
        backends=backends,
        voice=voice,
        make_embedder=embedder or partial(make_embedder, shipped=shipped),
        file=file,
        whatever=whatever,
    )
