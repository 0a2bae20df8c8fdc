"""Sources are built by their kind, say what is wrong with a spec, and never show a secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assistant.knowledge.sources import SourceError, SourceSpec
from assistant.knowledge.sources.registry import KINDS, build
from assistant.knowledge.sources.urls import masked, masked_text, path_of, same_site, uri_of
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("ftp", {}, "no kind of source 'ftp': it is one of folder, file, url, sitemap, git, reader"),
        ("file", {"include": ["*"]}, "does not take include: it takes no options"),
        ("url", {"limit": 3}, "does not take limit"),
        ("folder", {"ref": "x", "limit": 1}, "does not take limit, ref: it takes exclude, include"),
        ("git", {"exclude": ["!"]}, "means nothing"),
        ("sitemap", {"include": ["!https://x.org/a"]}, "write the path only"),
    ],
)
def test_what_is_wrong_with_a_spec_is_said(kind: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        build(SourceSpec(kind, "/x", options))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_built_from_its_own_options(kind: str) -> None:
    values: dict[str, Any] = {"include": ["*.md"], "exclude": [], "limit": 3, "ref": "main", "folder": "docs"}
    options = {name: values.get(name, {}) for name in KINDS[kind].options}
    spec = SourceSpec(kind, "https://x.org/" if kind in ("url", "sitemap") else "/x", options)
    assert build(spec, avoid=[Path("assistant.yaml")], cache=Path("/cache")).spec is spec


def test_the_registry_is_cheap_to_import() -> None:
    heavy = "httpx lxml llama_index pathspec bs4 yaml"
    code = (
        "import sys; from assistant.knowledge.sources.registry import build, SourceSpec\n"
        "build(SourceSpec('folder', '/x')); build(SourceSpec('git', '/x')); build(SourceSpec('url', 'https://x'))\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://x.org/a?b=1#c", "https://x.org/a?b=1"),
        ("https://ann:pw@x.org:8443/a", "https://x.org:8443/a"),
        ("https://ghp_token@github.com/x.git", "https://github.com/x.git"),
        ("https://x.org/?token=abc&page=2", "https://x.org/?token=***&page=2"),
        (
            "https://x.org/?X-Amz-Signature=abc&api_key=d&Sig=e",
            "https://x.org/?X-Amz-Signature=***&api_key=***&Sig=***",
        ),
        ("https://x.org/?keyword=monkey&author=ann&code=7", "https://x.org/?keyword=monkey&author=ann&code=7"),
        ("https://ann:p/w@x.org/a", "https://x.org/a"),
        ("https://ann:pw@[bad/a?token=b", "https://[bad/a"),
        ("https://ann:pw@x.org:99999/a", "https://x.org:99999/a"),
        ("ssh://git:pw@x.org/a", "ssh://x.org/a"),
        ("git@x.org:a.git", "git@x.org:a.git"),
        ("/srv/docs", "/srv/docs"),
    ],
)
def test_secrets_in_addresses_are_not_shown(address: str, shown: str) -> None:
    assert masked(address) == shown
    spec = SourceSpec("url", address)
    assert spec.label == f"url {shown}" and repr(spec) == f"SourceSpec('url {shown}')"


def test_addresses_that_differ_in_a_secret_keep_apart() -> None:
    one, other = uri_of("https://x.org/?token=a"), uri_of("https://x.org/?token=b")
    assert one != other and "token=a" not in one
    assert uri_of("https://x.org/?page=1") == "https://x.org/?page=1"


@given(st.text(min_size=1).filter(lambda text: not set(text) & set("*")), st.text())
@example("@", "")
@example("://", "")
def test_no_secret_survives_in_a_message(secret: str, around: str) -> None:
    said = masked_text(f"{around} {secret} https://ann:{'pw'}@host/ {secret}!r", secret)
    assert "ann:pw" not in said
    if len(secret) > 3 and secret not in f"{around} https://host/ ***":
        assert secret not in said


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    masked(text)
    masked(f"https://{text}")
    assert masked_text(text) == masked_text(masked_text(text)) or "://" in text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://x.org/a", "http://www.x.org/b", True),
        ("https://x.org/a", "https://x.org:443/b", True),
        ("https://x.org/a", "https://docs.x.org/b", False),
        ("https://x.org/a", "https://x.org.evil.org/b", False),
        ("https://x.org/a", "https://x.org@evil.org/b", False),
        ("https://x.org:8443/a", "https://x.org/a", False),
        ("https://x.org/a", "https://[bad", False),
    ],
)
def test_what_one_site_is(one: str, other: str, same: bool) -> None:
    assert same_site(one, other) is same


def test_what_patterns_are_matched_with() -> None:
    assert path_of("https://x.org/guides/a?b=1#c") == "guides/a?b=1"
