"""The manifest on a real database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from assistant.knowledge.sources import SourceSpec
from assistant.records.database import migrate
from assistant.records.manifest import Manifest
from assistant.records.models import Base
from assistant.records.repository import Repository

FOLDER = SourceSpec("folder", "/srv/docs", {"include": ["*.md"]})
PAGE = SourceSpec("url", "https://example.org/a")


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Repository]:
    records = Repository(f"sqlite+aiosqlite:///{tmp_path / 'records.db'}")
    await records.open()
    yield records
    await records.close()


@pytest.fixture
def manifest(records: Repository) -> Manifest:
    return Manifest(records)


async def test_sources_come_back_in_the_order_in_which_they_were_added(manifest: Manifest) -> None:
    for collection, spec in (("one", PAGE), ("two", FOLDER), ("one", FOLDER), ("one", PAGE)):
        await manifest.add(collection, spec, "command")
    assert [(each.collection, each.spec) for each in await manifest.sources()] == [
        ("one", PAGE),
        ("two", FOLDER),
        ("one", FOLDER),
    ]
    one = await manifest.sources("one")
    assert [each.spec.id for each in one] == [PAGE.id, FOLDER.id]
    assert one[0].added_at.tzinfo is not None and one[0].synced_at is None and one[0].outcome == ""


async def test_the_settings_take_a_source_over_and_a_command_does_not(manifest: Manifest) -> None:
    for origin in ("command", "settings", "command"):
        await manifest.add("one", PAGE, origin)  # type: ignore[arg-type]
    assert [each.origin for each in await manifest.sources()] == ["settings"]


async def test_how_a_sync_ended_is_noted_and_its_numbers_stay(manifest: Manifest) -> None:
    await manifest.add("one", PAGE, "command")
    await manifest.add("two", PAGE, "command")
    await manifest.note("one", PAGE.id, "ok", "", {"added": 3})
    await manifest.note("one", PAGE.id, "refused", "it looks empty")
    one, two = await manifest.sources()
    assert (one.outcome, one.message, one.report) == ("refused", "it looks empty", {"added": 3})
    assert one.synced_at is not None and one.synced_at >= one.added_at
    assert (two.outcome, two.synced_at) == ("", None)


async def test_versions_are_kept_by_index_collection_and_source(manifest: Manifest) -> None:
    await manifest.remember("index", "one", "s", {"a": "1", "b": "1"})
    await manifest.remember("other", "one", "s", {"a": "2"})
    await manifest.remember("index", "two", "s", {"a": "3"})
    await manifest.remember("index", "one", "s", {"b": "4", "c": "4"}, gone=["a"])
    assert await manifest.versions("index", "one", "s") == {"b": "4", "c": "4"}
    assert await manifest.versions("other", "one", "s") == {"a": "2"}
    await manifest.drop_index("other")
    assert await manifest.versions("other", "one", "s") == {}
    await manifest.forget("two")
    assert await manifest.versions("index", "two", "s") == {}


async def test_any_name_and_any_number_of_documents(manifest: Manifest) -> None:
    versions = {f"{'x' * 3000}/{number} 'ü\n%_😀": str(number) for number in range(1200)}
    await manifest.remember("index", "one", "s", versions)
    await manifest.remember("index", "one", "s", versions)
    assert await manifest.versions("index", "one", "s") == versions
    await manifest.remember("index", "one", "s", {}, gone=list(versions))
    assert await manifest.versions("index", "one", "s") == {}


async def test_a_forgotten_source_is_forgotten_with_what_was_read_of_it(manifest: Manifest) -> None:
    await manifest.add("one", PAGE, "command")
    await manifest.add("one", FOLDER, "command")
    for spec in (PAGE, FOLDER):
        await manifest.remember("index", "one", spec.id, {"a": "1"})
    await manifest.forget("one", PAGE.id)
    assert [each.spec for each in await manifest.sources()] == [FOLDER]
    assert await manifest.versions("index", "one", PAGE.id) == {}
    assert await manifest.versions("index", "one", FOLDER.id) == {"a": "1"}
    await manifest.forget("one")
    assert await manifest.sources() == []


def test_a_migration_that_is_cut_off_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'records.db'}")
    with engine.connect() as connection:
        migrate(connection)
        connection.rollback()
    assert inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        migrate(connection)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    engine.dispose()


def test_the_migrations_make_the_tables_that_the_models_describe(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = create_engine(f"sqlite:///{tmp_path / 'records.db'}")
    with engine.begin() as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()
