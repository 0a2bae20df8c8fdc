import time

import pytest

import connectors
from connectors import ModelSpec, Resources
from connectors.errors import ConfigurationError, ConnectorError, redact
from connectors.registry import Connector, register
from connectors.scripted import ScriptedModel


def made_here(spec: ModelSpec, resources: Resources) -> ScriptedModel:
    return ScriptedModel([], name=spec.name)


def test_presets_know_their_address() -> None:
    model = connectors.build("ollama", ModelSpec("local", model="llama3.2"))
    assert model.connect().base_url.host == "127.0.0.1" and model.connect().base_url.port == 11434


def test_a_dotted_name_is_a_connector() -> None:
    assert connectors.build(f"{__name__}:made_here", ModelSpec("mine")).name == "mine"
    assert connectors.build(f"{__name__}.made_here", ModelSpec("mine")).name == "mine"


@pytest.mark.parametrize(
    ("connector", "says"),
    [
        ("opneai", r"models\.m\.connector: there is no connector 'opneai'.*openai"),
        ("no_such_package.thing:build", r"'no_such_package', which is not installed"),
        ("connectors.base:nothing", r"connectors\.base has no 'nothing'"),
        ("connectors.base:__name__", r"cannot be called"),
        ("openai", r"has no api_key.*OPENAI_API_KEY"),
        ("openai-compatible", r"has no base_url"),
        ("scripted", r"options\.answers"),
        ("builtin", r"needs an embedder"),
        ("os:system", r"models\.m could not be built by 'os:system'"),
    ],
)
def test_what_is_wrong_with_a_connector_is_said(connector: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        connectors.build(connector, ModelSpec("m", model="x"))


def test_a_missing_package_comes_with_its_install_hint() -> None:
    register("needs-more", Connector("no_such_package:build", install="pip install no-such-package"))
    with pytest.raises(ConfigurationError, match="pip install no-such-package"):
        connectors.build("needs-more", ModelSpec("m"))


@pytest.mark.parametrize(
    "text", ["Bearer abc.def.ghi", "sk-proj-abcdef123456", "api_key=hunter2hunter2", "my own secret value"]
)
def test_redaction_leaves_no_key(text: str) -> None:
    shown = redact(f"it said {text} there", "my own secret value")
    assert text.split("=")[-1].split()[-1] not in shown and "[key]" in shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:hunter2@host:8000/v1?token=abc", "https://[key]@host:8000/v1?token=[key]"),
        ("https://hunter2@host/v1", "https://[key]@host/v1"),
        ("https://user:hunt@er2@host/v1", "https://[key]@host/v1"),
        ("https://host/v1?api_key=hunter2hunter2&x=1", "https://host/v1?api_key=[key]&x=1"),
        ("https://host/v1?x=1&X-Amz-Security-Token=hunter2", "https://host/v1?x=1&X-Amz-Security-Token=[key]"),
        ("https://host/v1?client_secret=a&password=b;", "https://host/v1?client_secret=[key]&password=[key]"),
        ("https://host:8000/v1?version=2026", "https://host:8000/v1?version=2026"),
        ("ask me@host or https://host/~me@here", "ask me@host or https://host/~me@here"),
    ],
)
def test_redaction_masks_the_secrets_of_an_address_and_leaves_the_rest(address: str, shown: str) -> None:
    once = redact(f"at {address} it is")
    assert once == f"at {shown} it is"
    assert redact(once) == once


@pytest.mark.parametrize(
    "text", ["?" * 20_000, "?key" * 5_000, "&" + "key" * 7_000, "://" * 7_000, "://" + "a" * 20_000]
)
def test_redaction_takes_little_time(text: str) -> None:
    started = time.perf_counter()
    redact(text)
    assert time.perf_counter() - started < 0.5


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [ConnectorError, *ConnectorError.__subclasses__()]
    assert len({kind.code for kind in kinds}) == len(kinds)
