"""Whatever happens to a source between syncs, and to syncs on the way, a sync that ends leaves its documents."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.knowledge.embedder import EmbedderError
from tests.knowledge.syncing import COLLECTION, MemorySource, opened, page

NAMES = st.sampled_from([f"{folder}{name}.md" for folder in ("", "sub/") for name in "abcd"])
WORDS = st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=4)
STEPS = st.one_of(
    st.tuples(st.just("write"), NAMES, WORDS),
    st.tuples(st.just("move"), NAMES, NAMES),
    st.tuples(st.just("delete"), NAMES, st.none()),
    st.tuples(st.just("swap"), NAMES, NAMES),
    st.tuples(st.just("sync"), st.booleans(), st.none()),
    st.tuples(st.just("break"), st.integers(0, 6), st.none()),
    st.tuples(st.just("cancel"), st.integers(1, 40), st.none()),
    st.tuples(st.just("forget"), st.none(), st.none()),
)


def edit(texts: dict[str, str], what: str, name: str, other: object) -> None:
    if what == "write" and isinstance(other, list):
        texts[name] = page(*other)
    elif what == "delete":
        texts.pop(name, None)
    elif name in texts and name != other and isinstance(other, str):
        moved = texts.pop(name)
        if what == "swap" and other in texts:
            texts[name] = texts[other]
        texts[other] = moved


async def follow(steps: list[tuple[str, object, object]], folder: Path) -> None:
    source = MemorySource()
    async with opened(folder) as base:

        async def synced(*, tokens: bool = True) -> None:
            source.tokens = tokens
            await base.run(source, force=True)
            await base.is_true_to(source)

        for what, value, other in steps:
            if what == "sync":
                await synced(tokens=bool(value))
            elif what == "break" and isinstance(value, int):
                base.embedder.fails_after = value
                with contextlib.suppress(EmbedderError):
                    await base.run(source, force=True)
                base.embedder.fails_after = None
            elif what == "cancel" and isinstance(value, int):
                running = asyncio.ensure_future(base.run(source, force=True))
                for _ in range(value):
                    await asyncio.sleep(0.001)
                running.cancel()
                await asyncio.wait([running])
            elif what == "forget":
                await base.manifest.drop_index(base.index.name)
            else:
                edit(source.texts, what, str(value), other)
        await synced()
        await synced()
        assert source.fetched == []
        assert await base.index.count() == sum(each.chunks for each in await base.index.documents(COLLECTION))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=14))
def test_a_sync_that_ends_leaves_the_documents_of_its_source(steps: list[tuple[str, object, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(follow(steps, Path(folder)))
