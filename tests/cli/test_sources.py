"""`assistant sources`: list, sync, remove, watch; and a server that keeps its collections true."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from assistant.knowledge.embedder import FastEmbedder
from assistant.parts import embedder_elsewhere, plain_embedder
from assistant.settings import Settings
from tests.serving import CLI, environment, run, run_anew, serving, write_settings


def page(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"# {name}\n\n{text}\n")


def listed(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(folder, "sources", "list", "--json").stdout)
    return found


def wait_for(true: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.3)


def found(folder: Path, text: str) -> str:
    return run(folder, "ask", text, "--route", "retrieve", "--json").stdout


def test_a_sync_follows_new_changed_moved_and_deleted_documents(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    for name, text in (("a.md", "Ants nap."), ("b.md", "Bees hum."), ("c.md", "Cats purr."), ("d.md", "Dogs bark.")):
        page(docs, name, text)
    write_settings(tmp_path, collections={"zoo": {"sources": ["docs"]}})
    assert "zoo: 4 added; 4 passages written" in run(tmp_path, "sources", "sync").stdout
    page(docs, "a.md", "Ants never nap.")
    (docs / "b.md").rename(docs / "bees.md")
    (docs / "c.md").unlink()
    page(docs, "e.md", "Eels swim.")
    done = run(tmp_path, "sources", "sync", "zoo")
    assert done.returncode == 0, done.stderr
    assert "zoo: 1 added, 1 changed, 1 moved, 1 deleted, 1 unchanged" in done.stdout
    assert "Cats" not in found(tmp_path, "cats purr") and "bees.md" in found(tmp_path, "bees hum")
    (source,) = listed(tmp_path)
    assert (source["collection"], source["kind"], source["outcome"], source["documents"]) == ("zoo", "folder", "ok", 4)
    shown = run(tmp_path, "sources", "list").stdout
    assert "folder docs" in shown and "ok" in shown


def test_a_source_that_looks_empty_is_refused_unless_forced(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    page(docs, "a.md", "Ants nap.")
    write_settings(tmp_path, collections={"zoo": {"sources": ["docs"]}})
    assert run(tmp_path, "ingest").returncode == 0
    (docs / "a.md").unlink()
    for command in (["ingest"], ["sources", "sync"], ["sources", "sync", "zoo", "--source", "docs"]):
        done = run(tmp_path, *command)
        assert done.returncode == 1 and "refused" in done.stdout and "--force" in done.stdout
    assert "Ants nap" in found(tmp_path, "ants nap")
    assert "refused" in run(tmp_path, "sources", "list").stdout
    docs.rmdir()
    done = run(tmp_path, "sources", "sync", "--force")
    assert done.returncode == 1 and "there is no folder" in done.stdout, "what cannot be read is never empty"
    assert "Ants nap" in found(tmp_path, "ants nap")
    docs.mkdir()
    done = run(tmp_path, "sources", "sync", "--force")
    assert done.returncode == 0 and "1 deleted" in done.stdout
    assert "Ants nap" not in found(tmp_path, "ants nap")


def test_one_broken_source_stops_no_other(tmp_path: Path) -> None:
    page(tmp_path / "docs", "a.md", "Ants nap.")
    write_settings(tmp_path, collections={"zoo": {"sources": ["nowhere", "docs", {"reader": "no.such.Reader"}]}})
    done = run(tmp_path, "sources", "sync")
    assert done.returncode == 1
    assert "zoo: 1 added" in done.stdout and "nowhere" in done.stdout and "no.such.Reader" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    states = {source["location"].rpartition("/")[2]: source["outcome"] for source in listed(tmp_path)}
    assert states == {"nowhere": "failed", "docs": "ok", "no.such.Reader": "failed"}


def test_a_source_that_leaves_the_settings_goes_after_the_others_came_through(tmp_path: Path) -> None:
    page(tmp_path / "a", "a.md", "Ants nap.")
    page(tmp_path / "b", "b.md", "Bees hum.")
    write_settings(tmp_path, collections={"zoo": {"sources": ["a", "b"]}})
    assert run(tmp_path, "ingest").returncode == 0
    write_settings(tmp_path, collections={"zoo": {"sources": ["b", "c"]}})
    done = run(tmp_path, "ingest")
    assert done.returncode == 1 and "Ants nap" in found(tmp_path, "ants nap"), "c could not be read, so a stays"
    assert [source["left"] for source in listed(tmp_path)] == [False, False, True]
    page(tmp_path / "c", "c.md", "Cats purr.")
    done = run(tmp_path, "ingest")
    assert done.returncode == 0 and "left the settings: 1 document removed" in done.stdout
    assert "Ants nap" not in found(tmp_path, "ants nap") and len(listed(tmp_path)) == 2


def test_what_commands_add_stays_and_can_be_taken_out(tmp_path: Path) -> None:
    page(tmp_path / "a", "a.md", "Ants nap.")
    page(tmp_path / "b", "b.md", "Bees hum.")
    write_settings(tmp_path, collections={"zoo": {"sources": ["a"]}})
    assert "zoo: 1 added" in run(tmp_path, "ingest", "b", "--collection", "zoo").stdout
    assert run(tmp_path, "ingest").returncode == 0
    assert [source["origin"] for source in listed(tmp_path)] == ["settings", "command"]
    done = run(tmp_path, "sources", "remove", "zoo", "a")
    assert done.returncode == 2 and "collections.zoo.sources" in done.stderr
    done = run(tmp_path, "sources", "remove", "zoo", "nowhere")
    assert done.returncode == 2 and "there is no source 'nowhere'" in done.stderr
    shutil.rmtree(tmp_path / "b")
    done = run(tmp_path, "sources", "remove", "zoo", "b")
    assert done.returncode == 0 and "1 document removed" in done.stdout
    assert "Bees hum" not in found(tmp_path, "bees hum") and len(listed(tmp_path)) == 1


def test_paths_below_known_folders_are_synced_with_them(tmp_path: Path) -> None:
    page(tmp_path / "docs", "a.md", "Ants nap.")
    page(tmp_path / "docs" / "more", "b.md", "Bees hum.")
    write_settings(tmp_path, collections={})
    assert run(tmp_path, "ingest", "docs/a.md").returncode == 0
    done = run(tmp_path, "ingest", "docs/more")
    assert done.returncode == 0 and [source["kind"] for source in listed(tmp_path)] == ["file", "folder"]
    done = run(tmp_path, "ingest", "docs")
    assert done.returncode == 0 and "now part of folder" in done.stdout
    (source,) = listed(tmp_path)
    assert source["documents"] == 2 and source["location"] == str(tmp_path / "docs")
    page(tmp_path / "docs", "c.md", "Cats purr.")
    assert "1 added, 2 unchanged" in run(tmp_path, "ingest", "docs/c.md").stdout
    assert len(listed(tmp_path)) == 1


def test_what_was_mistyped_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run(tmp_path, "ingest", "empty", "--collection", "zoo").returncode == 2
    assert run(tmp_path, "ingest", "http://127.0.0.1:9/x", "--collection", "zoo").returncode == 1
    assert [source["collection"] for source in listed(tmp_path)] == ["demo"]


def test_mistakes_are_said(tmp_path: Path) -> None:
    for arguments, says in (
        (["sources", "sync", "nowhere"], "there is no collection 'nowhere'"),
        (["sources", "sync", "demo", "--source", "x"], "there is no source 'x'"),
        (["sources", "sync", "--watch", "--every", "soon"], "--every"),
        (["sources", "sync", "--engine", "abacus"], "--engine"),
    ):
        done = run(tmp_path, *arguments)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_readers_are_kept_out_and_let_in_by_their_groups(tmp_path: Path) -> None:
    page(tmp_path / "pay", "pay.md", "The board earns ninety lagoons.")
    collections = {"demo": {"sources": ["demo:"]}, "pay": {"sources": ["pay"], "readers": ["board"]}}
    write_settings(tmp_path, collections=collections)
    assert run(tmp_path, "ingest").returncode == 0
    asked = ["ask", "how many lagoons does the board earn?", "--route", "retrieve", "--json"]
    assert "lagoons." not in run(tmp_path, *asked).stdout
    assert "lagoons." in run(tmp_path, *asked, "--group", "board").stdout
    refused = [run(tmp_path, "ask", "hi", "--collection", name).stderr for name in ("pay", "nix")]
    assert refused[0].replace("pay", "X") == refused[1].replace("nix", "X") and "There is: demo." in refused[0]
    listing = run(tmp_path, "collections", "list").stdout
    assert next(line.split() for line in listing.splitlines() if line.startswith("pay")) == ["pay", "1", "board"]


def test_watching_follows_changes_and_ends_cleanly(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    page(docs, "a.md", "Ants nap.")
    page(tmp_path, "single.md", "Snails crawl.")
    write_settings(tmp_path, collections={"zoo": {"sources": ["docs", "single.md"]}})
    log = tmp_path / "watch.log"
    with log.open("w") as out:
        watching = subprocess.Popen(
            [*CLI, "sources", "sync", "--watch"], cwd=tmp_path, env=environment(), stdout=out, stderr=out, text=True
        )
    try:
        wait_for(lambda: "Watching" in log.read_text(), "it never began")
        time.sleep(1.5)
        page(docs, "b.md", "Bees hum.")
        wait_for(lambda: "zoo: 1 added" in log.read_text(), "a new file was not seen")
        page(tmp_path, "single.md", "Snails crawl slowly.")
        wait_for(lambda: "zoo: 1 changed" in log.read_text(), "a changed single file was not seen")
        (docs / "a.md").unlink()
        (docs / "b.md").unlink()
        wait_for(lambda: "refused" in log.read_text(), "an emptied folder was not seen")
        page(docs, "c.md", "Cats purr.")
        wait_for(lambda: "2 deleted" in log.read_text(), "watching did not go on after a refusal")
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=60) == 130
    assert "Traceback" not in log.read_text()


def test_a_server_keeps_its_collections_true_and_outlives_broken_sources(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    page(docs, "a.md", "Ants nap.")
    sources = ["docs", "nowhere", {"url": "http://127.0.0.1:9/none.html"}, {"git": "norepo"}]
    with serving(tmp_path, collections={"zoo": {"sources": sources}}) as server:
        assert "nowhere" in server.log and "none.html" in server.log
        time.sleep(1.5)
        page(docs, "b.md", "Bees hum loudly.")
        wait_for(lambda: "Bees hum loudly" in found(tmp_path, "bees hum"), "the server did not follow the folder")
        done = run(tmp_path, "sources", "sync", "zoo", "--source", "docs")
        assert done.returncode == 0 and "2 unchanged" in done.stdout
        assert len(listed(tmp_path)) == 4
        assert run(tmp_path, "sources", "remove", "zoo", "docs").returncode == 2
        page(tmp_path / "more", "m.md", "Moths flutter.")
        assert "house: 1 added" in run(tmp_path, "ingest", "more", "--collection", "house").stdout
        assert "1 document removed" in run(tmp_path, "sources", "remove", "house", "more").stdout
    assert "Traceback" not in server.log, server.log


def test_a_running_server_takes_over_changed_settings_of_collections(tmp_path: Path) -> None:
    page(tmp_path / "docs", "a.md", "Ants nap.")
    page(tmp_path / "more", "m.md", "Moths flutter.")
    with serving(tmp_path, collections={"zoo": {"sources": ["docs"]}}) as server:
        port = int(server.url.rpartition(":")[2])
        both = {"zoo": {"sources": ["docs"], "readers": ["keepers"]}, "moths": {"sources": ["more"]}}
        write_settings(tmp_path, server={"port": port}, collections=both)
        assert "moths: 1 added" in run(tmp_path, "sources", "sync").stdout
        assert "Moths" in found(tmp_path, "moths flutter") and "Ants" not in found(tmp_path, "ants nap")
        (tmp_path / "assistant.yaml").write_text("collections: 7")
        done = run(tmp_path, "sources", "sync", "--config", str(write_settings(tmp_path / "other", data="../data")))
        assert done.returncode == 2 and "cannot be taken over" in done.stderr and "collections" in done.stderr


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_their_terminal(tmp_path: Path, width: int) -> None:
    deep = tmp_path / "a-folder-with-quite-a-long-name" / "and-another-one-below-it"
    deep.mkdir(parents=True)
    page(deep, "a.md", "Ants nap.")
    run(tmp_path, "ingest", str(deep), "--collection", "a-collection-with-a-long-name")
    for command in (["sources", "list"], ["collections", "list"]):
        done = run(tmp_path, *command, COLUMNS=str(width))
        assert done.returncode == 0
        assert max(len(line) for line in done.stdout.splitlines()) <= width, done.stdout


def test_an_embedder_is_made_once_more_in_another_process() -> None:
    chosen = {"provider": "openai", "model": "m", "dimension": 3, "base_url": "http://127.0.0.1:9", "api_key": "k"}
    plain = plain_embedder(Settings(embedder=chosen))
    made = pickle.loads(pickle.dumps(partial(embedder_elsewhere, plain)))()
    assert (made.name, made.dimension, made.max_tokens) == ("m", 3, 512)
    assert partial(embedder_elsewhere, plain_embedder(Settings()))().name == FastEmbedder().name


def test_ray_is_asked_for_where_it_is_not_installed_and_used_where_it_is(tmp_path: Path) -> None:
    page(tmp_path / "docs", "a.md", "Ants nap.")
    write_settings(tmp_path, collections={"zoo": {"sources": ["docs"]}})
    done = run_anew(tmp_path, "sources", "sync", "--engine", "ray")
    if importlib.util.find_spec("ray") is None:
        assert done.returncode == 2 and 'pip install "switchyard[ray]"' in done.stderr
    else:
        assert done.returncode == 0 and "zoo: 1 added" in done.stdout, done.stderr
