"""`assistant models list | test | detect`, against servers on loopback."""

import json
import os
import socket
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from assistant.__main__ import app
from assistant.cli import models_detect
from assistant.config_file import load
from assistant.model_health import Answer, Health
from connectors.base import Offered
from connectors.detect import PROVIDERS, LocalServer, Provider, providers
from tests.conftest import ROOT
from tests.connectors.test_detect import KINDS, answering, listing
from tests.serving import free_port, write_settings

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASSISTANT") or name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def models(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": "80"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert KEY not in result.output
    return result


def listed(result: Result) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(result.stdout)["models"]}


def chunk(text: str | None = None, **more: Any) -> str:
    choices = (
        [] if text is None else [{"index": 0, "delta": {"content": text}, "finish_reason": more.pop("stop", None)}]
    )
    return json.dumps(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": choices} | more
    )


USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
ANSWER = [chunk("Welcome "), chunk("aboard!", stop="stop"), chunk(usage=USAGE), "[DONE]"]


def test_list_says_of_every_model_how_it_is_and_what_to_do(tmp_path: Path) -> None:
    closed = f"http://127.0.0.1:{free_port()}/v1"
    vllm = {"/v1/models": listing("llama-3-8b", "other", owned_by="vllm", max_model_len=8192)}
    with answering(vllm) as good, answering({"/v1/models": {"error": {"message": KEY}}}, status=401) as locked:
        priced = {"input": 1, "output": 2, "currency": "EUR"}
        write_settings(
            tmp_path,
            models={
                "good": {"connector": "vllm", "base_url": good, "model": "llama-3-8b", "price": priced},
                "misspelt": {"connector": "vllm", "base_url": good, "model": "lama-3-8b"},
                "unnamed": {"connector": "vllm", "base_url": good},
                "elsewhere": {"connector": "openai-compatible", "base_url": good, "model": "gpt-5-mini"},
                "locked": {"base_url": locked, "model": "gpt-5-mini", "api_key": KEY},
                "down": {"connector": "ollama", "base_url": closed, "model": "llama3.2", "context_window": 4096},
                "quiet": {"connector": "scripted", "options": {"answers": ["hi"]}},
                "strange": {"connector": "no.such:thing"},
            },
            roles={"main": ["good", "down"], "voice": "good"},
            surfaces={"shop": {"roles": {"main": "quiet"}}},
        )
        result = models("list", "--json")
        text = models("list")
    found = listed(result)
    assert result.exit_code == text.exit_code == 1, "a model with a role is down"
    states = {name: each["state"] for name, each in found.items()}
    assert states == {
        "good": "ok", "misspelt": "wrong", "unnamed": "wrong", "elsewhere": "unclear", "locked": "wrong",
        "down": "wrong", "quiet": "unclear", "strange": "wrong", "builtin": "ok",
    }  # fmt: skip
    assert found["good"]["roles"] == ["main", "voice"] and found["down"]["roles"] == ["main, fallback 1"]
    assert found["quiet"]["roles"] == ["shop: main"] and found["builtin"]["roles"] == []
    assert (found["good"]["context_window"], found["down"]["context_window"]) == (8192, 4096)
    assert found["good"]["price"]["currency"] == "EUR" and found["good"]["price_date"] is None
    assert found["elsewhere"]["context_window"] and found["good"]["address"] == good
    assert "Did you mean llama-3-8b?" in found["misspelt"]["says"]
    assert "models.misspelt.model" in found["misspelt"]["says"]
    assert "llama-3-8b, other" in found["unnamed"]["says"]
    assert found["locked"]["code"] == "model_authentication" and "models.locked.api_key" in found["locked"]["says"]
    assert found["down"]["code"] == "model_unavailable" and closed in found["down"]["says"]
    assert found["strange"]["code"] == "model_configuration"
    assert all(len(line) <= 80 or " " not in line.strip() for line in text.output.splitlines()), text.output
    assert "EUR for a million tokens: 1 read, 2 written" in text.output
    assert "window 8,192 tokens" in text.output


def test_list_ends_well_where_only_models_without_a_role_are_wrong(tmp_path: Path) -> None:
    write_settings(tmp_path, models={"down": {"connector": "ollama", "base_url": f"http://127.0.0.1:{free_port()}/v1"}})
    result = models("list", "--json")
    assert result.exit_code == 0 and listed(result)["builtin"]["roles"] == ["main"]


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.model_health.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        write_settings(tmp_path, models={"mute": {"connector": "vllm", "base_url": address, "model": "m"}})
        found = listed(models("list", "--json"))["mute"]
    assert (found["state"], found["code"]) == ("wrong", "model_timeout")


def test_the_shipped_price_comes_with_its_date(tmp_path: Path) -> None:
    with answering({"/v1/models": listing("gpt-5-mini")}) as address:
        write_settings(tmp_path, models={"gpt": {"model": "gpt-5-mini", "base_url": address, "api_key": KEY}})
        found = listed(models("list", "--json"))["gpt"]
        text = models("list").output
    assert found["price"]["input"] > 0 and found["context_window"] > 100_000
    assert f"list price of {found['price_date']}" in " ".join(text.split())


def test_a_model_of_ollama_needs_no_tag_and_one_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with (
        answering(KINDS["ollama"][0]) as full,
        answering({"/v1/models": {"data": None}, "/api/ps": {"models": []}}) as empty,
    ):
        write_settings(
            tmp_path,
            models={
                "tagless": {"connector": "ollama", "base_url": full, "model": "llama3.2"},
                "missing": {"connector": "ollama", "base_url": empty, "model": "qwen3"},
            },
        )
        found = listed(models("list", "--json"))
    assert found["tagless"]["state"] == "ok" and found["tagless"]["context_window"] == 131072
    assert found["missing"]["state"] == "wrong" and "ollama pull qwen3" in found["missing"]["says"]


def test_test_really_asks_and_measures(tmp_path: Path) -> None:
    price = {"input": 1_000_000, "output": 2_000_000}
    with answering({"/v1/chat/completions": ANSWER}) as good:
        write_settings(
            tmp_path,
            models={
                "good": {"connector": "vllm", "base_url": good, "model": "small", "price": price},
                "down": {"connector": "vllm", "base_url": f"http://127.0.0.1:{free_port()}/v1", "model": "small"},
            },
            roles={"main": "good"},
        )
        result, text = models("test", "--json"), models("test")
        both, one = models("test", "--all"), models("test", "down", "--json")
    found = listed(result)["good"]
    assert result.exit_code == 0, result.output
    assert list(listed(result)) == ["good"] and found["text"] == "Welcome aboard!" and found["model"] == "small"
    assert 0 < found["first_token"] <= found["total"] and found["tokens_per_second"] > 0
    assert found["usage"]["input_tokens"] == 12 and found["cost"] == {"amount": 18.0, "currency": "USD"}
    assert "“Welcome aboard!”" in text.output and "12 tokens read, 3 written · 18.000000 USD" in text.output
    assert both.exit_code == 1 and "down  wrong" in both.output and "builtin  ok" in both.output
    assert one.exit_code == 1 and listed(one)["down"]["code"] == "model_unavailable"


def test_what_is_printed_as_json_is_named_in_the_docs() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [each.name for kind in (Health, Answer) for each in fields(kind) if f"`{each.name}`" not in page] == []
    assert [each.variable for each in PROVIDERS if f"`{each.variable}`" not in page] == []


def test_test_of_a_model_that_there_is_not(tmp_path: Path) -> None:
    write_settings(tmp_path, models={"local": {"connector": "scripted"}})
    result = models("test", "lokal")
    assert result.exit_code == 2 and "Did you mean local? The models are: local, builtin" in result.output


def test_wrong_settings_are_said_by_their_line(tmp_path: Path) -> None:
    write_settings(tmp_path, roles={"main": "nobody"})
    result = models("list")
    assert result.exit_code == 2 and "roles.main names a model that does not exist" in result.output


LOCAL = (
    LocalServer(
        "ollama", "http://127.0.0.1:11434/v1", tuple(Offered(name) for name in ("a:1", "b", "c", "d", "e", "f"))
    ),
    LocalServer("vllm", "http://127.0.0.1:8001/v1", (Offered("Org/Model"),)),
    LocalServer("vllm", "http://127.0.0.1:8000/v1", (Offered("*odd: name"),)),
    LocalServer("tgi", "http://127.0.0.1:8080/v1", problem="asks for a key"),
    LocalServer("lmstudio", "http://127.0.0.1:1234/v1"),
)
ABSENT = Provider("NOWHERE_API_KEY", "nowhere", "nowhere:x", "langchain_nowhere_at_all")


def test_what_detect_prints_can_be_pasted(tmp_path: Path) -> None:
    chosen = models_detect.settings_for(LOCAL, [*providers({"OPENAI_API_KEY"}), ABSENT])
    file = tmp_path / "assistant.yaml"
    file.write_text(models_detect.as_yaml(chosen, LOCAL))
    settings = load(file, environ={"OPENAI_API_KEY": KEY}).settings
    assert settings.roles.chain("main") == ("ollama", "vllm", "vllm-2", "gpt", "builtin")
    assert settings.models["ollama"].model == "a:1" and settings.models["ollama"].base_url is None
    assert settings.models["vllm"].base_url == "http://127.0.0.1:8001/v1"
    assert (settings.models["vllm-2"].model, settings.models["vllm-2"].base_url) == ("*odd: name", None)
    assert "also there: b, c, d, e, …" in file.read_text() and "${OPENAI_API_KEY}" in file.read_text()
    assert yaml.safe_load(file.read_text()) == chosen


def test_detect_finds_servers_and_keys_and_shows_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with answering(KINDS["ollama"][0]) as address:
        monkeypatch.setattr("connectors.detect.ADDRESSES", (address,))
        plain, as_json = models("detect"), models("detect", "--json")
    assert plain.exit_code == 0 and f"ollama at {address}: llama3.2:latest" in plain.stderr
    assert "OPENAI_API_KEY: set" in plain.stderr
    (tmp_path / "assistant.yaml").write_text(plain.stdout)
    assert load(environ={"OPENAI_API_KEY": KEY}).settings.roles.chain("main") == ("ollama", "gpt", "builtin")
    found = json.loads(as_json.stdout)
    assert found["settings"] == yaml.safe_load(plain.stdout)
    assert found["servers"][0]["models"] == [{"name": "llama3.2:latest", "context_window": 131072}]
    assert [each["variable"] for each in found["keys"]] == ["OPENAI_API_KEY"]


def test_detect_says_what_to_do_where_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.detect.ADDRESSES", (f"http://127.0.0.1:{free_port()}/v1",))
    result = models("detect")
    assert result.exit_code == 1 and "ollama pull" in result.stderr and "OPENAI_API_KEY" in result.stderr
    assert json.loads(models("detect", "--json").stdout) == {"servers": [], "keys": [], "settings": {}}


def test_a_key_without_its_package_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connectors.detect.ADDRESSES", ())
    monkeypatch.setattr("connectors.detect.PROVIDERS", (*PROVIDERS, ABSENT))
    monkeypatch.setenv(ABSENT.variable, KEY)
    result = models("detect")
    assert result.exit_code == 1 and "pip install langchain langchain-nowhere-at-all" in result.stderr
