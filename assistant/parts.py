"""The parts of an assistant, each from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from assistant.backends import has_language_model
from assistant.config_surfaces import Surface
from assistant.conversation.answering import SurfacePolicy
from assistant.conversation.checking import Checker
from assistant.conversation.model_check import ModelCheck
from assistant.conversation.rewrite import ModelRewriter
from assistant.knowledge.answerability import Answerability
from assistant.knowledge.base import Build, MakeRetriever
from assistant.knowledge.embedder import LOCAL_BATCH, Embedder, FastEmbedder, OpenAIEmbedder
from assistant.knowledge.happenings import Mistake
from assistant.knowledge.rerank import CrossEncoder
from assistant.knowledge.retrieve import Retriever
from assistant.knowledge.store import Index, Store
from assistant.knowledge.store.factory import build_store
from assistant.knowledge.store.options import ServerOptions
from assistant.knowledge.sync import Sync
from assistant.records.manifest import Manifest
from assistant.routing.classifier import Classifier, LearnedClassifier
from assistant.routing.current import CurrentClassifier
from assistant.routing.router import Costs, Router
from assistant.routing.second_opinion import ModelOpinion
from assistant.routing.versions import Ready, Versions
from assistant.settings import DEMO_PATH, Settings, Source
from assistant.voice.examples import VoiceExample, VoiceExamples
from assistant.voice.examples import read as read_examples
from connectors import ChatModel, Resources

DEMO = Path(__file__).parent / "demo"


def make_store(settings: Settings) -> Store:
    """Where the indexes are."""
    chosen = settings.store
    server = ServerOptions(
        chosen.shards or 1, chosen.replicas or 1, chosen.quantization or "none", bool(chosen.on_disk)
    )
    return build_store(
        engine=settings.store.engine,
        path=settings.data / "index",
        url=settings.store.url,
        api_key=_secret(settings.store.api_key),
        timeout=settings.store.timeout,
        server=server if settings.store.engine == "server" else None,
    )


def retriever_maker(settings: Settings, main: ChatModel) -> MakeRetriever:
    """What makes the search of an index. Its reranker is loaded once for all; the builtin model rewrites nothing."""
    chosen = settings.retrieval
    writes = chosen.rewrite and has_language_model(settings.roles.chain("main"))
    return partial(
        Retriever,
        passages=chosen.passages,
        candidates=chosen.candidates,
        history_turns=chosen.history_turns,
        reranker=CrossEncoder(chosen.reranker, folder=chosen.reranker_folder) if chosen.reranker else None,
        rewriter=ModelRewriter(main) if writes else None,
        reading=_answerability() if chosen.read_in_doubt else None,
    )


@cache
def _answerability() -> Answerability:
    """One in a process, whatever the settings become."""
    return Answerability()


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice examples, and what of them is lent to models that run in this process."""

    examples: VoiceExamples
    resources: Resources
    embedder: FastEmbedder

    @classmethod
    def of(cls, examples: Sequence[VoiceExample], embedder: FastEmbedder) -> Voice:
        """Of these examples; the embedder finds the nearest."""
        exchanges = [(each.said, each.answer) for each in examples if each.verbatim]
        return cls(VoiceExamples(examples, embedder), Resources(embedder.embed_now, exchanges), embedder)

    def renewed(self, examples: Sequence[VoiceExample]) -> Voice:
        """Of other examples, or the same one where they are the same."""
        return self if list(examples) == list(self.examples) else Voice.of(examples, self.embedder)


def voice_examples(settings: Settings) -> list[VoiceExample]:
    """How the organisation speaks; the demo's examples while the demo is all there is."""
    path = settings.voice.examples
    if path is None and [each.sources for each in settings.collections.values()] == [[Source(path=Path(DEMO_PATH))]]:
        path = Path(DEMO_PATH)
    if path is None:
        return []
    return read_examples(DEMO / "voice.jsonl" if str(path) == DEMO_PATH else path)


def make_embedder(settings: Settings, shipped: FastEmbedder) -> Embedder:
    """What embeds documents and queries."""
    chosen = settings.embedder
    batch = chosen.batch_size or LOCAL_BATCH
    if chosen.provider == "builtin":
        return shipped if batch == LOCAL_BATCH else FastEmbedder(batch_size=batch)
    model, limit = str(chosen.model), chosen.max_tokens or 512
    if chosen.provider == "fastembed":
        return FastEmbedder(
            model, folder=None, dimension=chosen.dimension, max_tokens=limit, batch_size=batch, threads=None
        )
    return OpenAIEmbedder(
        model,
        base_url=chosen.base_url,
        api_key=_secret(chosen.api_key),
        dimension=int(chosen.dimension or 0),
        max_tokens=limit,
        batch_size=chosen.batch_size or 64,
    )


def embedder_elsewhere(plain: dict[str, Any]) -> Embedder:
    """What embeds, from the plain settings of `plain_embedder`: in another process too."""
    return make_embedder(Settings(embedder=plain), FastEmbedder())  # type: ignore[arg-type]


def plain_embedder(settings: Settings) -> dict[str, Any]:
    """The settings of the embedder as plain values, its key among them."""
    chosen = settings.embedder
    given = {name: getattr(chosen, name) for name in type(chosen).model_fields}
    plain = {name: str(value) if isinstance(value, str) else value for name, value in given.items()}
    return {**plain, "api_key": _secret(chosen.api_key)}


def make_sync(manifest: Manifest, index: Index, made: Build, engine: str) -> Sync:
    """What brings an index up to date, by an engine: local, or ray. Raises Mistake for one that there is not."""
    if engine == "local":
        return Sync(index, made.embedder, manifest, made.max_tokens)
    if engine != "ray" or made.another is None:
        raise Mistake(f"there is no engine '{engine}' for syncs: use local or ray")
    try:
        import_module("ray.data")
        import_module("llama_index.ingestion.ray")
    except ImportError as error:
        raise Mistake('the engine ray is not installed here: pip install "switchyard[ray]"') from error
    from assistant.knowledge.ray_engine import RayTransform

    transform = partial(RayTransform, made.another)
    return Sync(index, made.embedder, manifest, made.max_tokens, transform=transform)


def make_router(
    settings: Settings,
    embedder: FastEmbedder,
    main: ChatModel | None = None,
    *,
    versions: Versions | None = None,
    ready: Ready | None = None,
) -> Router:
    """The router of the settings, on the version in use or on one that is ``ready``; ``main`` gives the second opinion,
    if that is wanted. Raises HeadsError."""
    chosen = settings.router
    wants_opinion = chosen.second_opinion and main is not None
    if ready is not None:
        classifier: Classifier = LearnedClassifier(embedder, ready.encoder, ready.heads)
    else:
        classifier = CurrentClassifier(versions or Versions(settings.data), embedder)
    return Router(
        classifier,
        Costs(chosen.costs.missed_lookup, chosen.costs.needless_lookup),
        chosen.voice_threshold,
        voice_model=settings.roles.voice is not None or not has_language_model(settings.roles.chain("main")),
        ask_threshold=chosen.ask_threshold if chosen.ask else None,
        opinion=ModelOpinion(main, settings.organisation) if wants_opinion and main is not None else None,
    )


def policy_of(settings: Settings, surface: Surface) -> SurfacePolicy:
    """What the engine must know of a surface."""
    both = settings.both
    return SurfacePolicy(
        surface.voice,
        settings.organisation,
        surface.contact,
        two_pass=both.way == "two_pass",
        plain=both.on_violation == "plain",
    )


def make_checker(settings: Settings, embedder: FastEmbedder, main: ChatModel) -> Checker:
    """What says of a finished answer whether it rests on its passages."""
    chosen = settings.grounding.check
    if chosen == "off":
        return Checker()
    asks = chosen == "model" and has_language_model(settings.roles.chain("main"))
    return Checker(embedder.embed_now, ModelCheck(main) if asks else None)


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None
