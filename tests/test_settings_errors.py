# ruff: noqa: E501 - a table of messages reads best with each message whole
import json
import string
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.config_errors import ConfigError, setting_keys
from assistant.config_file import Loaded, load
from assistant.config_schema import explain

SECRET = "planted-s3cret"
TOP = (
    "organisation, data, log_level, log_format, server, access, models, roles, voice, embedder, chunking, store, records, collections, sync, surfaces, router, "
    "retrieval, both, grounding, links, limits"
)

Read = Callable[..., Loaded]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str | bytes = "", **environ: str) -> Loaded:
        file = tmp_path / "assistant.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(file, environ=environ)

    return read


def problems(read: Read, text: str | bytes, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **environ)
    return [str(problem) for problem in caught.value.problems]


BAD_FILES = [
    # keys that are no settings
    ("models:\n  gpt:\n    api_kye: x", "assistant.yaml:3: models.gpt.api_kye is not a setting. Did you mean api_key?"),
    ("\n\nServer: {}", "assistant.yaml:3: Server is not a setting. Did you mean server?"),
    ("port: 1", "assistant.yaml:1: port is not a setting. Did you mean server.port?"),
    ("router: {missed_lookup: 1}", "assistant.yaml:1: router.missed_lookup is not a setting. Did you mean router.costs.missed_lookup?"),
    ("surprise: 1", f"assistant.yaml:1: surprise is not a setting. The settings here are: {TOP}."),
    ("_env_file: x", f"assistant.yaml:1: _env_file is not a setting. The settings here are: {TOP}."),
    ("server:\n  7: 1", "assistant.yaml:2: server.7 is not a setting. The settings here are: host, port, root_path, public_url, metrics, desk, allowed_hosts."),
    ("collections: {hr: {description: x}}", "assistant.yaml:1: collections.hr.description is not a setting. The settings here are: title, sources, readers."),
    # values of the wrong kind
    ("server:\n  port: abc", "assistant.yaml:2: server.port must be a whole number from 1 to 65535, got 'abc'. The default is 7860."),
    ("server: {port: true}", "assistant.yaml:1: server.port must be a whole number from 1 to 65535, got true. The default is 7860."),
    ("server: {port: '${P}'}", "assistant.yaml:1: server.port must be a whole number from 1 to 65535, got the value of ${P}. The default is 7860."),
    ("limits: {turn_characters: 1.5}", "assistant.yaml:1: limits.turn_characters must be a whole number of 1 or more, got 1.5. The default is 20000."),
    ("models: {gpt: {temperature: 3}}", "assistant.yaml:1: models.gpt.temperature must be a number from 0 to 2, got 3. Remove it to do without."),
    ("models: {gpt: {timeout: .inf}}", "assistant.yaml:1: models.gpt.timeout must be a number above 0, got text. The default is 60.0."),
    ("models: {gpt: {model: 4}}", "assistant.yaml:1: models.gpt.model must be text, got 4. Put it in quotes."),
    ("models: {gpt: {api_key: 4}}", "assistant.yaml:1: models.gpt.api_key must be text. Put it in quotes."),
    ("log_level: warnings", "assistant.yaml:1: log_level must be debug, info, warning or error, got 'warnings'. Did you mean warning?"),
    ("surfaces: {portal: {voice: no}}", "assistant.yaml:1: surfaces.portal.voice must be always, on_request or never, got 'no'. The default is \"on_request\"."),
    ("surfaces:\n  shop:\n    suggestions:\n    - a\n    - 5", "assistant.yaml:5: surfaces.shop.suggestions[1] must be text, got 5. Put it in quotes."),
    ("surfaces: {portal: {greeting: {fr: Salut}}}", "assistant.yaml:1: surfaces.portal.greeting.fr is no language of the page. The languages are: en, de."),
    ("surfaces: {portal: {greeting: {}}}", "assistant.yaml:1: surfaces.portal.greeting names no language. The languages are: en, de."),
    ("surfaces: {portal: {title: {de: 5}}}", "assistant.yaml:1: surfaces.portal.title.de must be text, got 5. Put it in quotes."),
    ("surfaces: {portal: {title: [a]}}", "assistant.yaml:1: surfaces.portal.title must be text, got a list. The default is \"Switchyard\"."),
    ("surfaces: {portal: {suggestions: {de: a}}}", "assistant.yaml:1: surfaces.portal.suggestions.de must be a list, got text. Write it on indented lines below the key, each `- value`."),
    ("surfaces: {portal: {suggestions: {de: [1]}}}", "assistant.yaml:1: surfaces.portal.suggestions.de[0] must be text, got 1. Put it in quotes."),
    ("surfaces: {portal: {logo: logo.exe}}", "assistant.yaml:1: surfaces.portal.logo must be an image file. Name one that ends in .svg, .png, .webp or .jpg."),
    ("surfaces: {portal: {accent: red}}", "assistant.yaml:1: surfaces.portal.accent must be a colour as # and three or six hexadecimal digits. Write it in quotes, as in \"#0a7d5c\": outside them # begins a comment."),
    ("surfaces: {portal: {language: fr}}", "assistant.yaml:1: surfaces.portal.language must be auto, en or de, got 'fr'. The default is \"auto\"."),
    ("surfaces: {shop: {collections: demo}}", "assistant.yaml:1: surfaces.shop.collections must be a list, got text. Write it on indented lines below the key, each `- value`."),
    ("server: 5", "assistant.yaml:1: server must be a section, got a number. Write it on indented lines below the key, each `key: value`."),
    ("models: []", "assistant.yaml:1: models must be a section, got a list. Write it on indented lines below the key, each `key: value`."),
    ("models:\n  GPT 4: {}", "assistant.yaml:2: models.GPT 4 has a name that cannot be used. Use up to 64 lower-case letters, digits, - and _, for example gpt-4."),
    ("models: {gpt: {base_url: localhost}}", "assistant.yaml:1: models.gpt.base_url must start with http:// or https:// and a host. Write for example http://localhost:8000."),
    ("records: {url: db}", 'assistant.yaml:1: records.url must be a database URL. Write for example postgresql+asyncpg://user:password@host/name; the driver comes with pip install "switchyard[postgres]".'),
    ("records: {url: 'postgresql://ada:p@h/n'}", 'assistant.yaml:1: records.url has a driver that is not asynchronous. Begin it with postgresql+asyncpg://; the driver comes with pip install "switchyard[postgres]".'),
    ("records: {url: 'postgres://h/n'}", 'assistant.yaml:1: records.url has a driver that is not asynchronous. Begin it with postgresql+asyncpg://; the driver comes with pip install "switchyard[postgres]".'),
    ("records: {url: 'postgresql+psycopg2://h/n'}", 'assistant.yaml:1: records.url has a driver that is not asynchronous. Begin it with postgresql+asyncpg://; the driver comes with pip install "switchyard[postgres]".'),
    ("records: {url: 'sqlite:///r.db'}", "assistant.yaml:1: records.url has a driver that is not asynchronous. Begin it with sqlite+aiosqlite:/// instead."),
    ("records: {url: 'mysql://h/n'}", 'assistant.yaml:1: records.url has a driver that is not asynchronous. Use postgresql+asyncpg://, whose driver comes with pip install "switchyard[postgres]", or sqlite+aiosqlite:///.'),
    ("server: {allowed_hosts: ['https://x']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got 'https://x'. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {allowed_hosts: ['x:7860']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got 'x:7860'. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {allowed_hosts: ['x/chat']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got 'x/chat'. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {allowed_hosts: ['::1']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got '::1'. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {allowed_hosts: ['']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got ''. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {allowed_hosts: ['x.*']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got 'x.*'. Write * alone for all names, or first for those below a name: *.example.com."),
    ("server: {allowed_hosts: ['*x']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got '*x'. Write * alone for all names, or first for those below a name: *.example.com."),
    ("server: {allowed_hosts: ['ü.example']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got 'ü.example'. Write the name as browsers send it, in ASCII: xn--…"),
    ("server: {allowed_hosts: [a, 'https://${P}']}", "assistant.yaml:1: server.allowed_hosts[1] must be a host name without https://, port or path, got the value of ${P}. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {allowed_hosts: ['https://ada:p@x']}", "assistant.yaml:1: server.allowed_hosts[0] must be a host name without https://, port or path, got 'https://ada:••••@x'. Write the name alone, as in chat.example.com. IP addresses need no entry."),
    ("server: {root_path: chat}", "assistant.yaml:1: server.root_path must start with a slash. Write for example /assistant."),
    ("access: {sign_in: {client_id: x}}", "assistant.yaml:1: access.sign_in.issuer is needed. Address of the identity provider, as it names itself: https://login.example.com/realms/staff."),
    # values that do not go together
    ("models: {gpt: }\nroles:\n  main: gtp", "assistant.yaml:3: roles.main names a model that does not exist: 'gtp'. Did you mean gpt? The models are: gpt, builtin."),
    ("models: {gpt: }\nroles:\n  main: [gpt, gtp]", "assistant.yaml:3: roles.main[1] names a model that does not exist: 'gtp'. Did you mean gpt? The models are: gpt, builtin."),
    ("models: {gpt: }\nroles:\n  main: [gpt, builtin, gpt]", "assistant.yaml:3: roles.main[2] names 'gpt' a second time. Remove one of the two."),
    ("roles:\n  main: []", "assistant.yaml:2: roles.main names no model. Name one, or leave the key out."),
    ("roles:\n  main: {a: b}", "assistant.yaml:2: roles.main must be the name of a model, or a list of names. Write gpt, or [gpt, local]."),
    ("surfaces:\n  shop:\n    roles: {main: gtp}", "assistant.yaml:3: surfaces.shop.roles.main names a model that does not exist: 'gtp'. The models are: builtin."),
    ("models:\n  m: {price: {input: -1, output: 1}}", "assistant.yaml:2: models.m.price.input must be a number of 0 or more, got -1. Remove it to do without."),
    ("models: {gpt: }\nroles:\n  voice: gtp", "assistant.yaml:3: roles.voice names a model that does not exist: 'gtp'. Did you mean gpt? The models are: gpt, builtin."),
    ("models:\n  builtin:\n    connector: openai", "assistant.yaml:3: models.builtin.connector must stay builtin. Give your own model another name."),
    ("surfaces:\n  portal:\n    collections:\n      - dmo", "assistant.yaml:4: surfaces.portal.collections[0] names a collection that does not exist: 'dmo'. Did you mean demo? The collections are: demo."),
    ("surfaces: {portal: {collections: [demo, demo]}}", "assistant.yaml:1: surfaces.portal.collections[1] names 'demo' a second time. Remove one of the two."),
    ("collections: {hr: {sources: [a, a]}}", "assistant.yaml:1: collections.hr.sources[1] names 'a' a second time. Remove one of the two."),
    # sources and readers
    ("collections:\n  hr:\n    paths: [a]", "assistant.yaml:3: collections.hr.paths is now called sources. Write sources instead, with the same list."),
    ("collections:\n  hr:\n    sources:\n    - a\n    - {}", "assistant.yaml:5: collections.hr.sources[1] names no place. Write one of folder, file, url, sitemap, git, reader."),
    ("collections: {hr: {sources: [7]}}", "assistant.yaml:1: collections.hr.sources[0] must be text or a section, got a number. Put it in quotes."),
    ("collections: {hr: {sources: [[a]]}}", "assistant.yaml:1: collections.hr.sources[0] must be text or a section, got a list. Write a path, a web address, or a section such as `folder: path`."),
    ("collections: {hr: {sources: a}}", "assistant.yaml:1: collections.hr.sources must be a list, got text. Write it on indented lines below the key, each `- value`."),
    ("collections: {hr: {sources: [{fodler: a}]}}", "assistant.yaml:1: collections.hr.sources[0].fodler is not a setting. Did you mean folder?"),
    ("collections: {hr: {sources: [{folder: a, url: 'http://h'}]}}", "assistant.yaml:1: collections.hr.sources[0].url is set beside folder. Make it an entry of its own."),
    ("collections: {hr: {sources: [{folder: a, ref: x}]}}", "assistant.yaml:1: collections.hr.sources[0].ref is set, but a source of the kind folder does not use it. Remove it; it belongs to git."),
    ("collections: {hr: {sources: [{url: 'http://h', arguments: {a: b}}]}}", "assistant.yaml:1: collections.hr.sources[0].arguments is set, but a source of the kind url does not use it. Remove it; it belongs to reader."),
    ("collections: {hr: {sources: [{sitemap: h}]}}", "assistant.yaml:1: collections.hr.sources[0].sitemap must start with http:// or https:// and a host. Write for example http://localhost:8000."),
    ("collections: {hr: {sources: [{git: x, folder: ../x}]}}", "assistant.yaml:1: collections.hr.sources[0].folder must lie in the repository. Write it as in docs/guides."),
    ("collections: {hr: {sources: [{git: x, ref: --x}]}}", "assistant.yaml:1: collections.hr.sources[0].ref must be a branch, a tag or a commit. Write it as in main or v1.2."),
    ("collections: {hr: {sources: [{git: 7}]}}", "assistant.yaml:1: collections.hr.sources[0].git must be text. Put it in quotes."),
    ("collections: {hr: {sources: [{reader: x}]}}", "assistant.yaml:1: collections.hr.sources[0].reader must be the dotted name of a class. Write it as in llama_index.readers.web.RssReader."),
    ("collections: {hr: {sources: [{sitemap: 'http://h', limit: 0}]}}", "assistant.yaml:1: collections.hr.sources[0].limit must be a whole number above 0, got 0. Remove it to do without."),
    ("collections: {hr: {sources: ['ssh://x']}}", "assistant.yaml:1: collections.hr.sources[0] must be a path or a web address. For a repository write `git:` before it; pages begin with http:// or https://."),
    ("collections: {hr: {readers: [everyone, staff]}}", "assistant.yaml:1: collections.hr.readers names everyone and groups, so the groups change nothing. Remove everyone, or the groups."),
    ("collections: {hr: {readers: [staff, staff]}}", "assistant.yaml:1: collections.hr.readers[1] names 'staff' a second time. Remove one of the two."),
    ("collections: {hr: {readers: everyone}}", "assistant.yaml:1: collections.hr.readers must be a list, got text. Write it on indented lines below the key, each `- value`."),
    ("collections: {hr: {readers: [' staff']}}", "assistant.yaml:1: collections.hr.readers[0] must be the name of a group. Write it without blanks around it, as in staff."),
    ("sync: {watch: maybe}", "assistant.yaml:1: sync.watch must be true or false, got 'maybe'. The default is true."),
    ("sync: {every: -1}", "assistant.yaml:1: sync.every must be a whole number of 0 or more, got -1. The default is 60."),
    ("store: {shards: 2}", "assistant.yaml:1: store.shards is set, but store.engine is embedded, which does not use it. Set engine: server, or remove it."),
    ("store:\n  engine: server", "assistant.yaml:2: store.engine is server, which needs store.url. Add url: http://localhost:6333 below store, or set engine: embedded."),
    ("embedder: {provider: openai}", "assistant.yaml:1: embedder.provider is openai, which needs embedder.model and embedder.dimension. Add model and dimension below embedder, or set provider: builtin."),
    ("embedder:\n  model: m", "assistant.yaml:2: embedder.model is set, but embedder.provider is builtin, which does not use it. Set provider: fastembed or openai, or remove it."),
    ("embedder:\n  base_url: http://h", "assistant.yaml:2: embedder.base_url is set, but embedder.provider is builtin, which does not use it. Set provider: openai, or remove it."),
    ("embedder:\n  api_key: k", "assistant.yaml:2: embedder.api_key is set, but embedder.provider is builtin, which does not use it. Set provider: openai, or remove it."),
    ("embedder:\n  dimension: 8", "assistant.yaml:2: embedder.dimension is set, but embedder.provider is builtin, which does not use it. Set provider: fastembed or openai, or remove it."),
    ("embedder:\n  max_tokens: 8", "assistant.yaml:2: embedder.max_tokens is set, but embedder.provider is builtin, which does not use it. Set provider: fastembed or openai, or remove it."),
    ("embedder:\n  provider: fastembed\n  model: m\n  base_url: http://h", "assistant.yaml:4: embedder.base_url is set, but embedder.provider is fastembed, which does not use it. Set provider: openai, or remove it."),
    ("embedder:\n  provider: fastembed\n  model: m\n  api_key: k", "assistant.yaml:4: embedder.api_key is set, but embedder.provider is fastembed, which does not use it. Set provider: openai, or remove it."),
    ("store: {url: 'http://q'}", "assistant.yaml:1: store.url is set, but store.engine is embedded, which does not use it. Set engine: server, or remove it."),
    ("store: {api_key: 'k'}", "assistant.yaml:1: store.api_key is set, but store.engine is embedded, which does not use it. Set engine: server, or remove it."),
    ("retrieval: {candidates: 3}", "assistant.yaml:1: retrieval.candidates is 3, fewer than retrieval.passages (6). Write 6 or more."),
    # references
    ("\nmodels: {gpt: {api_key: '${NOPE}'}}", "assistant.yaml:2: models.gpt.api_key needs the environment variable NOPE, which is not set. Set it (export NOPE=…), or write ${NOPE:-default}."),
    ("data: ${file:/no/such}", "assistant.yaml:1: data needs the file /no/such, which cannot be read (no such file or directory). Create the file, or correct the path after file:."),
    ("data: ${A:-${B}}", "assistant.yaml:1: data has a ${ that names no variable. Write ${NAME}, ${NAME:-default} or ${file:/path}; for a plain ${ write $${."),
    # YAML
    ("server:\n\tport: 1", "assistant.yaml:2: this is not valid YAML: found a tab at column 1. Indent with spaces."),
    ("data: a: b", "assistant.yaml:1: this is not valid YAML: found a ':' inside a value at column 8. Quote it, or mend the indentation."),
    ("server:\n  port: 1\n oops: 2", "assistant.yaml:3: this is not valid YAML: found a line that does not line up at column 2. Indent the keys of a section alike."),
    ("server:\n  port: 1\n  oops\ndata: x", "assistant.yaml:3: this is not valid YAML: found a line without ':' at column 3. Write `key: value`."),
    ('data: "x', "assistant.yaml:1: this is not valid YAML: found no closing quote at column 7. Add the quote that is missing."),
    ("data: [x", "assistant.yaml:1: this is not valid YAML: found no ',' or ']' at column 9. Close the bracket, or put the value in quotes."),
    ("data: @x", "assistant.yaml:1: this is not valid YAML: found '@' at the start of a value at column 7. Put the value in quotes."),
    ("data: *x", "assistant.yaml:1: this is not valid YAML: found a * that YAML reads as a reference at column 7. Put the value in quotes."),
    ("server:\n  allowed_hosts:\n    - *.example.com", "assistant.yaml:3: this is not valid YAML: found a *, & or % that YAML reads as its own at column 8. Put it in quotes."),
    ("data: !x y", "assistant.yaml:1: data has a YAML tag (!), which means nothing here. Put the value in quotes."),
    ("a: 1\n---\nb: 1", "assistant.yaml:2: this is not valid YAML: found a second document after --- at column 1. Keep one document."),
    ("data: a\n\n\x00", "assistant.yaml:3: this is not valid YAML: found the control character 0x00. Remove it."),
    ("[" * 5000, "assistant.yaml: this is nested too deeply. Settings need at most five levels."),
    ("server: &a {port: *a}", "assistant.yaml:1: server.port refers to itself. Write the value out."),
    ("data: a\ndata: b", "assistant.yaml:2: data is written twice, first on line 1. Keep one of the two."),
    ("store:\n  timeout: 1\n  timeout: 2", "assistant.yaml:3: store.timeout is written twice, first on line 2. Keep one of the two."),
    ("? [a]\n: 1", "assistant.yaml: this file has a key on line 1 that is not text. Write `key: value`."),
    ("\n- a", "assistant.yaml:2: this file must hold `key: value` lines, but it holds a list. Start from assistant/assistant.example.yaml."),
    (b"data: a\ndata2: \xe9", "assistant.yaml:2: this file is not UTF-8: found the byte 0xe9. Save it as UTF-8."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), BAD_FILES)
def test_a_bad_file_is_answered_with_key_line_and_fix(read: Read, text: str | bytes, expected: str) -> None:
    assert problems(read, text, P="abc") == [expected]


BAD_VARIABLES = [
    ("SERVER__PROT", "1", "server.prot is not a setting. Did you mean ASSISTANT__SERVER__PORT?"),
    ("SEVER__PORT", "1", "sever.port is not a setting. Did you mean ASSISTANT__SERVER__PORT?"),
    ("PORT", "1", "port is not a setting. Did you mean ASSISTANT__SERVER__PORT?"),
    ("LOG_LEVEL__X", "1", "log_level.x is not a setting. log_level holds a value, no settings."),
    ("", "1", f"'' is not a setting. The settings here are: {TOP}."),
    ("SERVER__PORT", "x", "server.port must be a whole number from 1 to 65535, got 'x'. The default is 7860."),
    ("SERVER__PORT__X", "1", "server.port must be a whole number from 1 to 65535, got a section. The default is 7860."),
    ("MODELS", SECRET, 'models must be JSON. Write JSON, as in {"key": "value"}.'),
    ("COLLECTIONS__HR__SOURCES", "[", 'collections.hr.sources must be JSON. Write JSON, as in ["one", "two"].'),
    ("MODELS__GPT", SECRET, 'models.gpt must be a section, got text. Write JSON, as in {"key": "value"}.'),
    ("ROLES__MAIN", "gpt", "roles.main names a model that does not exist: 'gpt'. The models are: builtin."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), BAD_VARIABLES)
def test_a_bad_variable_is_answered_with_its_name_and_a_fix(read: Read, name: str, value: str, expected: str) -> None:
    name = f"ASSISTANT__{name}"
    assert problems(read, "", **{name: value}) == [f"environment {name}: {expected}"]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(read: Read) -> None:
    found = problems(read, "server:\n  port: ${NOPE}\n  prot: 1\ndata: 5\ndata: 6", ASSISTANT__NOPE="1")
    assert [line.split(" ")[0] for line in found] == [
        "assistant.yaml:2:", "assistant.yaml:3:", "assistant.yaml:5:", "environment",
    ]  # fmt: skip


def test_every_setting_that_is_not_used_is_told(read: Read) -> None:
    text = "embedder:\n  provider: fastembed\n  base_url: http://h\n  api_key: k\nstore:\n  url: http://q\n  api_key: k"
    assert [line.split(" ")[1] for line in problems(read, text)] == [
        "embedder.provider", "embedder.base_url", "embedder.api_key", "store.url", "store.api_key",
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(path: Path, **environ: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load(path if not environ else None, environ=environ)
        assert caught.value.exit_code == 2
        return str(caught.value)

    gone = tmp_path / "gone.yaml"
    missing = f"{gone}: this file does not exist. Correct the path, or copy assistant/assistant.example.yaml there."
    assert message(gone) == missing
    assert message(gone, ASSISTANT_CONFIG=str(gone)) == missing
    assert message(tmp_path).startswith(f"{tmp_path}: this is a folder, not a file. Put a file in its place.")
    assert "cannot be read: not a file name" in message(Path("a\0b"))
    monkeypatch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(PermissionError(13, "denied")))
    assert message(gone) == f"{gone}: this file may not be read. Allow it: chmod u+r {gone}, as its owner."


@pytest.mark.parametrize(
    "text",
    [
        f"models: {SECRET}",
        f"models: {{gpt: {SECRET}}}",
        f"models: {{gpt: {{api_key: [{SECRET}]}}}}",
        f"models: {{gpt: {{api_key: {{a: {SECRET}}}}}}}",
        f"models: {{gpt: {{api_kye: {SECRET}}}}}",
        f"models: {{gpt: {{api_key: {SECRET}, timeout: soon}}}}",
        f"models: {{gpt: {{base_url: {SECRET}, max_tokens: {SECRET}}}}}",
        f"models:\n  gpt:\n    api_key: '{SECRET}",
        f"models:\n  gpt:\n    api_key: *{SECRET}",
        f"models:\n  gpt:\n    api_key: !{SECRET} x",
        f"models:\n  gpt:\n    api_key: {SECRET}: x",
        f"records: {{url: 'ada:{SECRET}@host'}}",
        f"store: {{engine: {SECRET}}}",
        "roles: {main: '${PLANTED}'}",
        "server: {port: '${PLANTED}'}",
        f"server: {{port: '${{NOPE:-{SECRET}}}'}}",
        f"server: {{port: 'http://ada:{SECRET}@host'}}",
        "surfaces: {portal: {collections: ['${PLANTED}']}}",
        "server: {allowed_hosts: ['https://${PLANTED}']}",
        f"server: {{allowed_hosts: ['https://ada:{SECRET}@host']}}",
        f"records: {{url: 'postgresql://ada:{SECRET}@host/name'}}",
        f"embedder: {{api_key: {SECRET}, base_url: 'http://ada:{SECRET}@host'}}",
        f"store: {{api_key: {SECRET}, url: 'http://ada:{SECRET}@host'}}",
        f"collections: {{hr: {{sources: [{{url: {SECRET}}}]}}}}",
        f"collections: {{hr: {{sources: ['ftp://ada:{SECRET}@host']}}}}",
        f"collections: {{hr: {{sources: [{{reader: {SECRET}, arguments: [{SECRET}]}}]}}}}",
        f"collections: {{hr: {{sources: [{{reader: a.b, arguments: {{key: {SECRET}}}, ref: {SECRET}}}]}}}}",
        f"collections: {{hr: {{sources: ['http://ada:{SECRET}@h', 'http://ada:{SECRET}@h']}}}}",
    ],
)
def test_a_secret_shows_in_no_error(read: Read, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, PLANTED=SECRET)
    error: BaseException | None = caught.value
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.problems)
    while error := error.__context__ if error else None:
        assert SECRET not in repr(error)


WORDS = st.sampled_from([str(part) for key in setting_keys() for part in key] + ["gpt", "demo", "portal", "builtin"])
TYPOS = st.builds(
    lambda word, at, letter: word[:at] + letter + word[at + 1 :],
    WORDS,
    st.integers(0, 9),
    st.sampled_from(["", "_", "e", "A", "é", " "]),
)
KEYS = st.one_of(WORDS, TYPOS, st.text(max_size=5))
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), WORDS,
        st.sampled_from(["${A}", "${B:-1}", "${file:x}", "${", "$$", "http://h", "server", "openai"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
VARIABLES = st.dictionaries(
    st.lists(KEYS, max_size=4).map(lambda keys: "ASSISTANT__" + "__".join(keys).upper()),
    st.one_of(st.text(max_size=8), VALUES.map(json.dumps)),
    max_size=3,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("typos") / "assistant.yaml"


@settings(deadline=None, max_examples=200)
@given(data=st.dictionaries(KEYS, VALUES, max_size=5), environ=VARIABLES)
def test_no_typo_raises_anything_but_a_config_error(file: Path, data: dict[str, Any], environ: dict[str, str]) -> None:
    file.write_text(json.dumps(data))
    try:
        explain(load(file, environ=environ))
    except ConfigError as error:
        assert error.problems and all(problem.message and problem.fix for problem in error.problems)


@settings(deadline=None, max_examples=200)
@given(text=st.text(alphabet=string.printable + "é\u2028") | st.binary())
def test_no_file_raises_anything_but_a_config_error(file: Path, text: str | bytes) -> None:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        load(file, environ={})
    except ConfigError as error:
        assert error.problems and all(problem.message and problem.fix for problem in error.problems)
