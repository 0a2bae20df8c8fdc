"""Documents through a real Ray of this machine; `pip install "switchyard[ray]"` brings it."""

import os
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from assistant.knowledge.documents import Document, PageStart
from assistant.knowledge.embedder import EmbedderError
from assistant.knowledge.outcome import Report
from assistant.knowledge.sync import Sync
from tests.conftest import ROOT
from tests.knowledge.syncing import Base, MemorySource, SmallEmbedder, opened, page

ray = pytest.importorskip("ray")
pytest.importorskip("llama_index.ingestion.ray")

from assistant.knowledge.ray_engine import RayTransform, from_json, to_node  # noqa: E402

# Ray Data sets options of its own that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Broken(SmallEmbedder):
    """Fails in the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.fails_after = 0


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_AUTH_MODE", "disabled")  # it would leave a token in the home folder
        environment.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
        yield
        ray.shutdown()


@pytest.mark.usefixtures("cluster")
async def test_a_sync_on_ray_leaves_what_a_local_one_does(tmp_path: Path) -> None:
    async with opened(tmp_path) as base:
        base.sync = on_ray(base, SmallEmbedder)
        source = MemorySource({f"p{number}.md": page("one", f"word{number}") for number in range(40)})
        assert await base.run(source) == Report(added=40, chunks=80)
        await base.is_true_to(source)
        source.texts["p0.md"] = page("one", "zero")
        source.texts["moved.md"] = source.texts.pop("p1.md")
        assert await base.run(source) == Report(changed=1, moved=1, unchanged=38, chunks=4, reused=3)
        await base.is_true_to(source)
        assert base.embedder.embedded == 0


@pytest.mark.usefixtures("cluster")
async def test_what_a_worker_says_is_passed_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as base:
        base.sync = on_ray(base, Broken)
        with pytest.raises(EmbedderError, match=r"on Ray: .*the endpoint is down"):
            await base.run(MemorySource({"a.md": page("one")}))


def test_a_document_travels_as_it_is() -> None:
    pages = (PageStart(0, "1"), PageStart(9, "2"))
    document = Document("a/ü.pdf", "A", "Text", "0" * 64, date(2026, 1, 2), pages, "go")
    assert from_json(to_node(0, document, {}).metadata["document"]) == document


def on_ray(base: Base, embedder: type[SmallEmbedder]) -> Sync:
    return Sync(base.index, base.embedder, base.manifest, 240, transform=partial(RayTransform, embedder, workers=2))
