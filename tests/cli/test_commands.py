"""The command line as people use it: real processes, real files, exit codes that mean something."""

import json
import os
import socket
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from tests.serving import run, run_anew, serving, write_settings

LONDON = "What is the hotel cap per night in London?"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo ingested."""
    folder = tmp_path_factory.mktemp("filled")
    done = run_anew(folder, "ingest")
    assert done.returncode == 0, done.stderr
    assert "demo: 12 added" in done.stdout
    return folder


def pdf(path: Path, text: str, password: str | None = None) -> None:
    from fpdf import FPDF

    document = FPDF()
    document.add_page()
    document.set_font("helvetica")
    document.multi_cell(0, text=text)
    document.output(str(path))
    if password:
        writer = PdfWriter(clone_from=PdfReader(path))
        writer.encrypt(password)
        writer.write(path)


def test_version_and_help(tmp_path: Path) -> None:
    assert run_anew(tmp_path, "--version").stdout.startswith("switchyard ")
    shown = run_anew(tmp_path, "--help").stdout
    assert all(command in shown for command in ("serve", "ingest", "ask", "config"))


def test_ask_prints_route_answer_and_sources(filled: Path) -> None:
    done = run_anew(filled, "ask", LONDON)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Looked up") and "£165" in done.stdout
    assert "[1] Travel and expenses › What we pay › Hotel caps · 2026-03-02" in done.stdout


def test_ask_json_is_one_object_with_everything(filled: Path) -> None:
    done = run(filled, "ask", LONDON, "--collection", "demo", "--json")
    found = json.loads(done.stdout)
    assert set(found) == {
        "conversation", "turn", "route", "scores", "threshold", "reasons", "query", "sources", "answer", "evidence",
        "cited", "model", "backend", "faults", "prompt_version", "router_version", "usage", "cost", "timings", "note",
        "error",
    }  # fmt: skip
    assert found["route"] == "retrieve" and found["evidence"] == "supported" and found["error"] is None
    assert found["sources"][0]["document"] == "travel-and-expenses.md" and "£165" in found["answer"]


@pytest.mark.parametrize("route", ["voice", "retrieve", "both"])
def test_ask_takes_a_route(filled: Path, route: str) -> None:
    found = json.loads(run(filled, "ask", "hello", "--route", route, "--json").stdout)
    assert found["route"] == route and bool(found["sources"]) == (route != "voice")


def test_ingesting_again_leaves_all_alone_and_a_change_is_followed(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "canteen.md").write_text("# Canteen\n\nThe canteen opens at 11:30 and serves soup.\n")
    (docs / "parking.md").write_text("# Parking\n\nVisitors park in row K.\n")
    assert "2 added" in run(tmp_path, "ingest", "docs", "--collection", "house").stdout
    assert "2 unchanged; 0 passages written" in run(tmp_path, "ingest", "docs", "--collection", "house").stdout
    (docs / "canteen.md").write_text("# Canteen\n\nThe canteen opens at 12:15 and serves soup.\n")
    assert "1 changed, 1 unchanged" in run(tmp_path, "ingest", "docs", "--collection", "house").stdout
    found = json.loads(run(tmp_path, "ask", "when does the canteen open?", "--json").stdout)
    assert "12:15" in found["answer"] and "11:30" not in json.dumps(found)


def test_broken_files_are_named_with_their_reason_and_stop_nothing(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    pdf(docs / "good.pdf", "The badge office is in building seven.")
    pdf(docs / "locked.pdf", "Secret.", password="x")
    (docs / "broken.docx").write_bytes(b"this is no zip file")
    (docs / "empty.md").write_text("")
    (docs / "noise.txt").write_bytes(os.urandom(5000))
    done = run(tmp_path, "ingest", "docs")
    assert done.returncode == 1
    assert "1 added" in done.stdout and "4 could not be read" in done.stdout
    for name, reason in (
        ("locked.pdf", "password"),
        ("broken.docx", "DOCX"),
        ("empty.md", "empty"),
        ("noise.txt", "text"),
    ):
        line = next(line for line in done.stdout.splitlines() if name in line)
        assert reason in line, line
    assert "building seven" in run(tmp_path, "ask", "where is the badge office?").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ask", ""], "message is empty"),
        (["ask", "x" * 100_000], "100,000 characters; at most 20,000"),
        (["ask", "hi", "--collection", "nowhere"], "There is no collection 'nowhere' here. There is: demo."),
        (["ask", "hi", "--route", "sideways"], "sideways"),
        (["ingest", "no-such-folder"], "there is no file or folder"),
        (["ingest", "empty-folder", "--collection", "My Docs"], "cannot name a collection"),
        (["collections", "remove", "nowhere"], "there is no collection 'nowhere'"),
        (["ingest", "--collection", "x", "empty-folder"], "holds no file of a kind that can be read"),
        (["serve", "--port", "99999"], "--port"),
        (["--config", "x"], "No such option"),
        (["ask", "hi", "--config", "none.yaml"], "does not exist"),
    ],
)
def test_a_mistake_is_said_and_exits_with_2(filled: Path, arguments: list[str], says: str) -> None:
    (filled / "empty-folder").mkdir(exist_ok=True)
    done = run(filled, *arguments)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr and done.stdout == ""


def test_wrong_settings_name_key_line_and_fix(tmp_path: Path) -> None:
    (tmp_path / "assistant.yaml").write_text("server:\n  prot: 8000\nmodels:\n  gpt: {api_key: '${NO_SUCH_KEY}'}\n")
    for command in (["config", "check"], ["config", "explain"], ["ask", "hi"], ["serve"], ["ingest"]):
        done = run(tmp_path, *command)
        assert done.returncode == 2
        assert "assistant.yaml:2: server.prot is not a setting. Did you mean port?" in done.stderr
        assert "assistant.yaml:4" in done.stderr and "NO_SUCH_KEY" in done.stderr


def test_explain_shows_origins_and_no_secret(tmp_path: Path) -> None:
    write_settings(tmp_path, models={"gpt": {"model": "m", "api_key": "${PLANTED}"}}, roles={"main": "gpt"})
    done = run(tmp_path, "config", "explain", PLANTED="planted-secret-1", ASSISTANT__SERVER__PORT="8123")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    assert "environment ASSISTANT__SERVER__PORT" in rows["server.port"] and "8123" in rows["server.port"]
    assert "assistant.yaml:" in rows["roles.main"] and "default" in rows["roles.voice"]
    assert "planted-secret-1" not in done.stdout + done.stderr


def test_check_builds_the_models(tmp_path: Path) -> None:
    write_settings(tmp_path, models={"gpt": {"model": "m"}}, roles={"main": "gpt"})
    done = run(tmp_path, "config", "check")
    assert done.returncode == 2 and "models.gpt has no api_key" in done.stderr and "OPENAI_API_KEY" in done.stderr
    write_settings(tmp_path, models={"local": {"connector": "ollama", "model": "m"}}, roles={"main": "local"})
    done = run(tmp_path, "config", "check")
    assert done.returncode == 0 and "main: answered by local" in done.stdout
    write_settings(tmp_path, collections={"house": {"sources": ["nowhere"]}})
    done = run(tmp_path, "config", "check")
    assert done.returncode == 2 and "collections.house.sources[0]" in done.stderr and "nowhere" in done.stderr


def test_a_model_that_is_down_is_said_and_exits_with_1(filled: Path, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        model = {"connector": "openai-compatible", "model": "m", "base_url": url}
        file = write_settings(tmp_path, data=str(filled / "data"), models={"local": model}, roles={"main": "local"})
        done = run(tmp_path, "ask", LONDON, "--config", str(file))
    assert done.returncode == 1 and "local cannot be reached" in done.stderr and "server running" in done.stderr


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    write_settings(tmp_path, data="file/data")
    for command in (["ask", "hi"], ["ingest"], ["serve"]):
        done = run(tmp_path, *command)
        assert done.returncode == 2 and "cannot write to the data folder" in done.stderr


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "serve", "--port", str(port))
    assert done.returncode == 2 and f"port {port} is taken" in done.stderr and f"--port {port + 1}" in done.stderr


def test_a_change_of_chunking_is_refused_until_the_index_is_rebuilt(tmp_path: Path) -> None:
    assert run(tmp_path, "ingest").returncode == 0
    write_settings(tmp_path, chunking={"max_tokens": 100})
    done = run(tmp_path, "ask", LONDON)
    assert done.returncode == 2 and "assistant ingest --rebuild" in done.stderr
    done = run(tmp_path, "ingest", "--rebuild")
    assert done.returncode == 0 and "12 added" in done.stdout, done.stderr
    assert "£165" in run(tmp_path, "ask", LONDON).stdout


def test_a_rebuild_reads_what_commands_ingested_too_and_drops_what_is_gone(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "canteen.md").write_text("# Canteen\n\nThe canteen opens at 11:30.\n")
    (docs / "gone.md").write_text("# Gone\n\nThis page goes.\n")
    assert run(tmp_path, "ingest", "docs", "--collection", "house").returncode == 0
    (docs / "gone.md").unlink()
    done = run(tmp_path, "ingest", "--rebuild")
    assert done.returncode == 0 and "house: 1 added" in done.stdout and "demo: 12 added" in done.stdout
    found = run(tmp_path, "ask", "when does the canteen open?", "--collection", "house", "--json").stdout
    assert "11:30" in found and "gone.md" not in found


def test_two_folders_of_one_collection_keep_apart(tmp_path: Path) -> None:
    for name, animal in (("a", "aardvark"), ("b", "beaver")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "readme.md").write_text(f"# Limits\n\nThe {animal} limit is 7.\n")
        done = run(tmp_path, "ingest", name, "--collection", "zoo")
        assert "1 added" in done.stdout, done.stdout
    for animal in ("aardvark", "beaver"):
        found = json.loads(run(tmp_path, "ask", f"what is the {animal} limit?", "--json").stdout)
        assert any(f"The {animal} limit" in source["text"] for source in found["sources"])


def test_a_collection_that_leaves_the_settings_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "canteen.md").write_text("# Canteen\n\nThe canteen opens at 11:30.\n")
    assert run(tmp_path, "ingest").returncode == 0
    write_settings(tmp_path, collections={"house": {"sources": ["docs"]}})
    assert run(tmp_path, "ingest").returncode == 0
    found = json.loads(run(tmp_path, "ask", LONDON, "--route", "retrieve", "--json").stdout)
    assert {source["collection"] for source in found["sources"]} == {"house"}


def test_the_programs_own_files_are_never_ingested(tmp_path: Path) -> None:
    write_settings(tmp_path, models={"gpt": {"model": "m", "api_key": "planted-secret-2"}})
    (tmp_path / "note.md").write_text("# Note\n\nA note about nothing in particular.\n")
    assert run(tmp_path, "ingest", ".", "--collection", "here").returncode == 0
    found = run(tmp_path, "ask", "api key of model m", "--route", "retrieve", "--collection", "here", "--json").stdout
    assert "planted-secret-2" not in found and "note.md" in found


def test_a_name_that_is_not_utf8_is_named_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "good.md").write_text("# Good\n\nThis one is fine.\n")
    with open(os.fsencode(tmp_path / "docs") + b"/bad\xff.md", "w") as file:
        file.write("# Bad\n\nname\n")
    done = run(tmp_path, "ingest", "docs")
    assert done.returncode == 1 and "1 added" in done.stdout and "not UTF-8" in done.stdout


def test_while_a_server_runs_commands_go_through_it(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "canteen.md").write_text("# Canteen\n\nThe canteen opens at 11:30 and serves soup.\n")
    (docs / "empty.md").write_text("")
    with serving(tmp_path):
        done = run(tmp_path, "ingest", "docs", "--collection", "house")
        assert done.returncode == 1, done.stderr
        assert "house: 1 added" in done.stdout and "empty.md: empty" in done.stdout
        found = json.loads(run(tmp_path, "ask", "when does the canteen open?", "--json").stdout)
        assert "11:30" in found["answer"]
        done = run(tmp_path, "ask", "hi", "--collection", "nowhere")
        assert done.returncode == 2 and "There are: demo, house." in done.stderr
        done = run(tmp_path, "ingest", "no-such-folder")
        assert done.returncode == 2 and "there is no file or folder" in done.stderr
        done = run(tmp_path, "serve", "--port", "8")
        assert done.returncode == 1 and "in use by another process" in done.stderr
        assert "house" in run(tmp_path, "collections", "list").stdout
        assert run(tmp_path, "collections", "remove", "house").returncode == 0
        assert "house" not in run(tmp_path, "collections", "list").stdout
        assert "12 unchanged" in run(tmp_path, "ingest").stdout, "the demo, named by the settings"
    assert not (tmp_path / "data" / "server.json").exists()


def test_a_killed_server_leaves_nothing_that_stands_in_the_way(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.process.kill()
        server.process.wait()
        assert "£165" in run(tmp_path, "ask", LONDON).stdout
    with serving(tmp_path) as server:
        assert server.process.poll() is None
