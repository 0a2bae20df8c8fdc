"""Which addresses of an answer are links: those of the turn's passages, whole, and those of the surface's hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it.common.normalize_url import normalizeLink

from ui.links import Links, nowhere

TEXT = """The form is at https://Files.test/form_(new).pdf, the site [https://a.test](https://b.test/x) or
(see https://c.test/?q=1&r=2#top). Ask hr@northwind.example; IT is [here](mailto:it@northwind.example?subject=VPN).
Umlauts: https://köln.test/größe. A sign-on: <https://sso.test/a>."""
PASSAGES = [{"text": TEXT, "document": "https://docs.test/page"}, {"text": "nothing", "document": "a.md"}]
HOSTS = ["www.northwind.example", "*.ours.test", "intranet"]


@pytest.mark.parametrize(
    "url",
    [
        "https://files.test/form_(new).pdf",
        "HTTPS://FILES.TEST/form_(new).pdf",
        "https://a.test",
        "https://a.test/",
        "https://b.test/x",
        "https://c.test/?q=1&r=2#top",
        "mailto:hr@northwind.example",
        "mailto:it@northwind.example?subject=VPN",
        "https://köln.test/größe",
        "https://sso.test/a",
        "https://docs.test/page",
        "https://www.northwind.example/any?thing=1",
        "https://WWW.northwind.example:8443/",
        "http://x.y.ours.test",
        "http://intranet/wiki",
        "mailto:someone@www.northwind.example",
    ],
)
def test_allowed(url: str) -> None:
    assert Links(PASSAGES, HOSTS).allow(normalizeLink(url))


@pytest.mark.parametrize(
    "url",
    [
        "https://files.test/form_(new).pdf?leak=1",
        "https://files.test/",
        "https://files.test/FORM_(new).pdf",
        "http://files.test/form_(new).pdf",
        "https://c.test/?q=1&r=2",
        "https://c.test/?q=secret&r=2#top",
        "https://sso.test/a#secret",
        "mailto:hr@northwind.example?body=secret",
        "mailto:hr@northwind.example,a@evil.test",
        "mailto:a@evil.test?cc=someone@www.northwind.example",
        "mailto:a@evil.test,b@www.northwind.example",
        "https://northwind.example/",
        "https://www.northwind.example.evil.test/",
        "https://www.northwind.example@evil.test/",
        "https://evil.test/https://www.northwind.example/",
        "https://evil.test\\@www.northwind.example/",
        "https://evil.test%5C@www.northwind.example/",
        "https://evil.test/?www.northwind.example",
        "https://evil.test#.ours.test",
        "https://ours.test/",
        "https://notours.test/",
        "https://www.nоrthwind.example/",
        "https://[::1/",
        "https://",
        "javascript:alert(1)//www.northwind.example",
        "",
    ],
)
def test_refused(url: str) -> None:
    assert not Links(PASSAGES, HOSTS).allow(normalizeLink(url))
    assert not Links(PASSAGES, HOSTS).allow(url)


@given(st.text(min_size=1, max_size=20).filter(lambda text: text != "/"))
def test_whatever_is_added_to_an_address_of_a_passage_makes_it_another(more: str) -> None:
    links = Links([{"text": "At https://c.test/a?q=1 it is."}])
    assert links.allow("https://c.test/a?q=1") and not links.allow("https://c.test/a?q=1" + more)


def test_without_passages_and_hosts_nothing_is_allowed() -> None:
    assert not Links([]).allow("https://a.test") and not nowhere("https://a.test")
