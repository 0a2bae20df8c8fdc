import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from assistant.config_errors import dotted, setting_keys
from assistant.config_file import Loaded, leaves, load
from assistant.config_schema import SCHEMA_FILE, explain, json_schema, schema_text
from assistant.settings import Model, Settings

EXAMPLE = SCHEMA_FILE.with_name("assistant.example.yaml")
SECRET = "planted-s3cret"
Read = Callable[..., Loaded]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str | bytes = "", **environ: str) -> Loaded:
        file = tmp_path / "assistant.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, environ=environ)

    return read


def test_variables_win_over_the_file_and_the_file_over_defaults(read: Read) -> None:
    text = """
server: {host: a, port: 1}
models:
  gpt-4o: {model: x, options: {seed: 1, stop: [a]}}
surfaces: {portal: {suggestions: [a, b]}}
"""
    loaded = read(
        text,
        ASSISTANT__SERVER__PORT="8000",
        ASSISTANT__MODELS='{"local": {"connector": "ollama"}}',
        ASSISTANT__MODELS__LOCAL__MODEL="llama",
        ASSISTANT__MODELS__GPT_4O__TIMEOUT="5",
        ASSISTANT__MODELS__GPT_4O__OPTIONS='{"seed": 2}',
        assistant__log_level="DEBUG",
        ASSISTANT__SURFACES__PORTAL__SUGGESTIONS='["c"]',
        ASSISTANT__SURFACES__PORTAL__TITLE="",
    )
    got, origin = loaded.settings, loaded.origins
    assert (got.server.host, got.server.port, got.server.root_path) == ("a", 8000, "")
    assert got.models["gpt-4o"].options == {"seed": 2, "stop": ["a"]}
    assert (got.models["gpt-4o"].model, got.models["gpt-4o"].timeout) == ("x", 5.0)
    assert (got.models["local"].connector, got.models["local"].model) == ("ollama", "llama")
    assert got.surfaces["portal"].suggestions == ["c"]
    assert (got.log_level, got.surfaces["portal"].title) == ("debug", "Switchyard")
    assert origin["server.host"] == "assistant.yaml:2"
    assert origin["server.port"] == "environment ASSISTANT__SERVER__PORT"
    assert origin["server.root_path"] == "default"
    assert origin["models.gpt-4o.model"] == "assistant.yaml:4"
    assert origin["models.gpt-4o.timeout"] == "environment ASSISTANT__MODELS__GPT_4O__TIMEOUT"
    assert origin["models.gpt-4o.options.seed"] == "environment ASSISTANT__MODELS__GPT_4O__OPTIONS"
    assert origin["models.local.connector"] == "environment ASSISTANT__MODELS"
    assert origin["surfaces.portal.suggestions"] == "environment ASSISTANT__SURFACES__PORTAL__SUGGESTIONS"
    assert origin["log_level"] == "environment assistant__log_level"
    assert origin["models.builtin.connector"] == "default"
    assert list(origin) == [dotted(loc) for loc, _ in leaves(got)]


@pytest.mark.parametrize(
    "text", ["", "# nothing", "---", "~", "server:\nmodels:\n  gpt:\nsurfaces: {portal: }", "\ufeffdata:"]
)
def test_what_has_no_value_keeps_its_default(read: Read, text: str) -> None:
    loaded = read(text)
    assert loaded.settings.server == Settings().server
    assert set(loaded.settings.models) - {"gpt"} == {"builtin"}
    assert set(loaded.settings.surfaces) == {"portal"}
    assert set(loaded.origins.values()) == {"default"}


def test_without_a_file_everything_is_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSISTANT__SERVER__PORT", "1")
    loaded = load(environ={})
    assert loaded.path is None
    assert loaded.settings.model_copy(update={"data": Path("data")}) == Settings()
    assert loaded.settings.data == tmp_path / "data"
    assert load().settings.server.port == 1
    (tmp_path / "assistant.yaml").write_text("log_level: error")
    assert load(environ={}).path == Path("assistant.yaml")
    (tmp_path / "other.yaml").write_text("log_level: warning")
    assert load(environ={"ASSISTANT_CONFIG": "other.yaml"}).settings.log_level == "warning"
    assert load(Path("assistant.yaml"), environ={"ASSISTANT_CONFIG": "other.yaml"}).settings.log_level == "error"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${NAME}", "ada"),
        ("a ${NAME}-${NAME} b", "a ada-ada b"),
        ("${NAME:-eve}", "ada"),
        ("${NONE:-eve}", "eve"),
        ("${EMPTY:-eve}", "eve"),
        ("x${EMPTY}", "x"),
        ("${file:key}", "from file"),
        ("<${file:key}>", "<from file>"),
        ("$${NAME}", "${NAME}"),
        ("$$$$ $5 $NAME", "$$ $5 $NAME"),
        ("$$${NAME}", "$ada"),
    ],
)
def test_references(read: Read, tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "key").write_text("from file\r\n")
    loaded = read(f"surfaces: {{portal: {{title: '{text}'}}}}", NAME="ada", EMPTY="")
    assert loaded.settings.surfaces["portal"].title == value


def test_references_stand_for_numbers_choices_and_list_items(read: Read) -> None:
    text = """
server: {port: '${P}'}
log_level: ${L}
models: {gpt: {api_key: '${K:-}', max_tokens: '${M:-}'}}
surfaces: {portal: {suggestions: ['${L}']}}
"""
    got = read(text, P="81", L="error").settings
    assert (got.server.port, got.log_level, got.surfaces["portal"].suggestions) == (81, "error", ["error"])
    assert (got.models["gpt"].api_key, got.models["gpt"].max_tokens) == (None, None)


def test_what_is_used_may_be_set(read: Read) -> None:
    text = """
server: {allowed_hosts: [Chat.Example.com, "*.my_shop.example", localhost, "*"]}
models: {fern: {connector: ollama}}
roles: {voice: fern}
embedder: {provider: fastembed, model: m, dimension: 8, max_tokens: 9}
store: {engine: server, url: "http://q", api_key: k}
records: {url: "postgresql+psycopg://host/name"}
"""
    got = read(text).settings
    assert got.server.allowed_hosts == ["chat.example.com", "*.my_shop.example", "localhost", "*"]
    assert (got.roles.main, got.roles.voice, Settings().roles.voice) == ("builtin", "fern", None)
    assert read("embedder: {provider: openai, model: m, dimension: 8, base_url: 'http://h', api_key: k}")
    assert read("embedder: {model: , api_key: '${K:-}'}\nstore: {url: '${U:-}', api_key: ''}\nroles: {voice: }")
    assert read(ASSISTANT__SERVER__ALLOWED_HOSTS='["a"]').settings.server.allowed_hosts == ["a"]


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/assistant.yaml").write_text(
        "collections: {hr: {sources: [docs, ../more, /abs, ~/own, 'demo:', {folder: docs, include: ['*.md']},"
        " {git: repo, folder: docs}, {git: 'git@host:a/b'}, {file: a.md}]}}"
    )
    got = load(Path("etc/assistant.yaml"), environ={"ASSISTANT__DATA": "state"}).settings
    assert got.data == tmp_path / "etc/state"
    expected = [tmp_path / "etc/docs", tmp_path / "more", Path("/abs"), Path.home() / "own", Path("demo:")]
    sources = got.collections["hr"].sources
    assert [source.path for source in sources[:5]] == expected
    assert sources[5].folder == tmp_path / "etc/docs" and sources[8].file == tmp_path / "etc/a.md"
    assert (sources[6].git, sources[6].folder) == (str(tmp_path / "etc/repo"), Path("docs"))
    assert sources[7].git == "git@host:a/b"


def test_sources_become_specs_of_their_kind(read: Read, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "note.md").write_text("x")
    text = """
collections:
  hr:
    sources:
      - docs
      - note.md
      - gone.md
      - gone
      - https://h/page?a=b
      - {folder: docs, include: ["*.md"], exclude: [x/**]}
      - {file: note.md}
      - {sitemap: "https://h/sitemap.xml", include: ["*/a/*"], limit: 5}
      - {git: "https://h/r.git", ref: main, folder: a/b, exclude: ["*.txt"]}
      - {reader: llama_index.readers.web.RssReader, arguments: {html: true}, load: {urls: [x]}}
      - "demo:"
"""
    specs = read(text).settings.collections["hr"].specs()
    assert [(spec.kind, spec.location, dict(spec.options)) for spec in specs[:-1]] == [
        ("folder", str(tmp_path / "docs"), {}),
        ("file", str(tmp_path / "note.md"), {}),
        ("file", str(tmp_path / "gone.md"), {}),
        ("folder", str(tmp_path / "gone"), {}),
        ("url", "https://h/page?a=b", {}),
        ("folder", str(tmp_path / "docs"), {"include": ["*.md"], "exclude": ["x/**"]}),
        ("file", str(tmp_path / "note.md"), {}),
        ("sitemap", "https://h/sitemap.xml", {"include": ["*/a/*"], "limit": 5}),
        ("git", "https://h/r.git", {"ref": "main", "folder": "a/b", "exclude": ["*.txt"]}),
        ("reader", "llama_index.readers.web.RssReader", {"arguments": {"html": True}, "load": {"urls": ["x"]}}),
    ]
    assert specs[-1].kind == "folder" and (Path(specs[-1].location) / "annual-leave.md").is_file()
    assert type(specs[4].location) is str, "as it is stored"


SECRETIVE = f"""
models:
  gpt:
    api_key: {SECRET}
    base_url: http://ada:{SECRET}@host/v1?api_key={SECRET}
    options:
      seed: 7
      headers: {{X-Api-Key: {SECRET}}}
      extra: ${{PLANTED}}
      stop: [end, "${{PLANTED}}"]
      of: [{{token: {SECRET}}}]
embedder: {{provider: openai, model: m, dimension: 8, api_key: "${{PLANTED}}"}}
store: {{engine: server, url: "http://q", api_key: "${{PLANTED:-{SECRET}}}"}}
records: {{url: "postgresql+asyncpg://ada:pa/ss@{SECRET}@host/db"}}
collections:
  hr:
    sources:
      - https://ada:{SECRET}@host/page?token={SECRET}
      - {{git: "https://{SECRET}@host/r.git"}}
      - reader: a.B
        arguments: {{api_token: {SECRET}, url: "${{PLANTED}}", of: [{{key: {SECRET}}}, "${{PLANTED}}"], n: 7}}
"""


def test_a_secret_shows_nowhere_but_where_it_is_used(read: Read) -> None:
    loaded = read(SECRETIVE, PLANTED=SECRET, ASSISTANT__MODELS__TWO__API_KEY=SECRET)
    rows = {row.key: row.value for row in explain(loaded)}
    shown = [
        repr(loaded),
        str(loaded),
        str(loaded.settings),
        str(rows),
        loaded.settings.model_dump_json(exclude={"models": {"gpt": {"options"}}, "collections": True}),
    ]
    assert not [text for text in shown if SECRET in text]
    assert rows["models.gpt.api_key"] == rows["embedder.api_key"] == rows["models.two.api_key"] == "••••"
    assert rows["models.gpt.base_url"] == "http://ada:••••@host/v1?api_key=••••"
    assert rows["records.url"] == "postgresql+asyncpg://ada:••••@host/db"
    assert (rows["models.gpt.options.seed"], rows["models.gpt.options.extra"]) == ("7", "••••")
    assert (rows["models.builtin.api_key"], rows["models.gpt.options.of"]) == (
        "not set",
        '[{"token": "••••"}]',
    )
    assert json.loads(rows["collections.hr.sources"]) == [
        {"url": "https://••••@host/page?token=••••"},
        {"git": "https://••••@host/r.git"},
        {"reader": "a.B", "arguments": {"api_token": "••••", "url": "••••", "of": [{"key": "••••"}, "••••"], "n": 7}},
    ]
    key = loaded.settings.models["gpt"].api_key
    assert key and key.get_secret_value() == SECRET
    assert loaded.settings.models["gpt"].base_url == f"http://ada:{SECRET}@host/v1?api_key={SECRET}"


def test_settings_made_in_python_are_checked_alike() -> None:
    with pytest.raises(ValidationError, match=r"roles\.main names a model that does not exist: 'gpt'") as caught:
        Settings.model_validate({"roles": {"main": "gpt"}, "models": {"x": {"api_key": SECRET}}})
    assert SECRET not in str(caught.value)
    field = "port"
    built = Settings(models={"gpt": Model(model="x"), "builtin": Model(connector="builtin")})
    with pytest.raises(ValidationError, match="frozen"):
        setattr(built.server, field, 1)


def test_the_schema_is_current_and_describes_every_setting() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run python -m assistant.config_schema"

    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        parts = {**schema.get("properties", {}), **schema.get("patternProperties", {})}
        here = [] if schema.get("description") else [path]
        return here + [gap for name, part in parts.items() for gap in undescribed(part, f"{path}.{name}")]

    assert undescribed(json_schema(), "") == []


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft7Validator(json_schema())
    good = {
        "server": {"port": "${PORT}", "host": None},
        "log_level": "${L:-info}",
        "models": {"gpt": None},
        "roles": None,
        "surfaces": {"portal": {"suggestions": ["a"], "groups": ["staff"]}},
        "collections": {"hr": {"sources": ["docs", {"git": "x", "ref": "main"}], "readers": ["staff"]}},
        "sync": {"watch": False, "every": 0},
    }
    portal = {"title": "a", "greeting": {"en": "a", "de": "b"}, "disclaimer": None, "suggestions": {"de": ["a"]}}
    assert check.is_valid({"surfaces": {"portal": portal}})
    assert check.is_valid(good)
    wrong: list[dict[str, Any]] = [
        {"sever": {}},
        {"server": {"port": 0}},
        {"models": {"GPT": {}}},
        {"log_level": "loud"},
        {"surfaces": {"portal": {"greeting": {"fr": "a"}}}},
        {"surfaces": {"portal": {"suggestions": {"de": "a"}}}},
        {"store": {"urls": 1}},
        {"collections": {"hr": {"sources": [{"fodler": "x"}]}}},
    ]
    for bad in wrong:
        assert not check.is_valid(bad), bad


DEMO_SETTINGS = {
    "organisation",
    "voice.examples",
    *(f"surfaces.portal.{key}" for key in ("title", "greeting", "disclaimer", "suggestions", "contact")),
}


def test_the_example_names_every_setting_with_its_default(tmp_path: Path) -> None:
    first = EXAMPLE.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./assistant/assistant.schema.json"
    said = {key for key, origin in load(EXAMPLE, environ={}).origins.items() if origin != "default"}
    assert said == DEMO_SETTINGS, "the example sets what makes the demo the demo, and nothing else"
    plain = tmp_path / "assistant.yaml"
    plain.write_text(re.sub(r"(?m)^( *)# (?!yaml-language-server)", r"\1", EXAMPLE.read_text()))
    loaded = load(plain, environ={"OPENAI_API_KEY": "k", "SIGN_IN_SECRET": "s", "PORTAL_SECRET": 32 * "p"})
    of_demo = loaded.settings.model_dump(include={"organisation", "voice", "surfaces", "access"})
    defaults = Settings(data=tmp_path / "data", models={"gpt": loaded.settings.models["gpt"]}, **of_demo)
    assert loaded.settings == defaults
    named = re.sub(r"(?m)^ *(#|$).*\n", "", plain.read_text())
    for key in setting_keys():
        depth = 2 * (len(key) - 1)
        assert key[-1] == "NAME" or re.search(rf"(?m)^ {{{depth}}}{key[-1]}:", named), dotted(key)
