"""Identifiers are found by their parts and whole, and prose ranks as it did before there were any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_edge import Bm25, Bm25Config

from assistant.knowledge.documents import Chunk
from assistant.knowledge.identifiers import LONGEST, identifiers
from assistant.knowledge.store import HybridQuery, Index, Point
from assistant.knowledge.store.bm25 import AVERAGE_WORDS, document_vector, query_vector
from assistant.knowledge.store.embedded import EmbeddedStore

TEXTS = {
    "camel": "Call getUserName before the page is drawn; it may be empty for a guest.",
    "camel-parts": "To get a name badge, a user asks at the desk: the user gets it with the name on it, the user name.",
    "snake": "The client waits retry_backoff_seconds between two calls.",
    "snake-parts": "After a retry there is a backoff of some seconds; each retry has a longer backoff, in seconds.",
    "pascal": "It raises HTTPServerError when the upstream is away.",
    "pascal-parts": "An error of the server over HTTP is shown as it is.",
    "code": "E1042 means that the badge was not read.",
    "code-next": "E1043 means that the badge has expired.",
    "number": "We sold 1042 badges in the year of the fair.",
    "error": "The upload stops with ERR_CONN_RESET on slow lines.",
    "error-other": "The upload stops with ERR_CONN_REFUSED behind a firewall.",
    "checksum": "Verify the download with sha256sum before it is installed.",
    "checksum-parts": "The sum of all invoices is 256 and goes to accounting.",
    "option": "With --dry-run nothing is written.",
    "option-parts": "A dry run of the ceremony is on Friday, and a second run is possible.",
    "path": "Send a list to /api/v2/users and page through the answer.",
    "path-old": "The users of the old API, v1, have to move.",
    "dotted": "Settings live in app.config.loader and are read once.",
    "dotted-parts": "The app has a config; its loader is described elsewhere. App and loader share the config.",
    "namespace": "Use geo::distance for two points on a map.",
    "namespace-parts": "The distance on a geo map is a straight line; distance is not travel time.",
    "kebab": "Set the header x-request-id on every call.",
    "kebab-parts": "A request needs an id, and a second request another id; x marks the spot.",
    "file": "Put it into docker-compose.override.yml beside the project.",
    "version": "Python3.11 is the oldest that works.",
    "version-other": "Python31.1 does not exist.",
    "brand": "The calendar is in OpenShift and the mail in PostFix.",
    "hyphen": "The e-mail of the help-desk is on the first page.",
    "plural": "All PDFs and FAQs are in the archive.",
    "umlaut": "Das Feld größeÄndern ist gesperrt.",
    "rust": "The impl of PathBuf::push_str lives in path_buf.rs for now.",
    "prose": "Holidays are booked in the portal and confirmed by the lead.",
}
FIRST = [
    ("getUserName", "camel"),
    ("why is getUserName empty?", "camel"),
    ("getusername", "camel"),
    ("get_user_name", "camel"),
    ("get-user-name", "camel"),
    ("retry_backoff_seconds", "snake"),
    ("retryBackoffSeconds", "snake"),
    ("RetryBackoffSeconds", "snake"),
    ("HTTPServerError", "pascal"),
    ("http_server_error", "pascal"),
    ("E1042", "code"),
    ("what does e1042 mean", "code"),
    ("error E1043", "code-next"),
    ("1042", "number"),
    ("ERR_CONN_RESET", "error"),
    ("conn reset", "error"),
    ("errConnRefused", "error-other"),
    ("conn refused", "error-other"),
    ("sha256sum", "checksum"),
    ("sha 256", "checksum"),
    ("--dry-run", "option"),
    ("dryRun", "option"),
    ("/api/v2/users", "path"),
    ("api v2", "path"),
    ("app.config.loader", "dotted"),
    ("geo::distance", "namespace"),
    ("geoDistance", "namespace"),
    ("X-Request-ID", "kebab"),
    ("xRequestId", "kebab"),
    ("docker-compose.override.yml", "file"),
    ("docker compose", "file"),
    ("python3.11", "version"),
    ("Python31.1", "version-other"),
    ("openshift", "brand"),
    ("open shift", "brand"),
    ("email", "hyphen"),
    ("helpdesk", "hyphen"),
    ("FAQ", "plural"),
    ("größeÄndern", "umlaut"),
    ("grösse ändern", "umlaut"),
    ("PathBuf::push_str", "rust"),
    ("push str", "rust"),
    ("path buf", "rust"),
    ("path_buf.rs", "rust"),
]
FOUND = [
    ("get user name", "camel"),
    ("user name", "camel"),
    ("retry backoff", "snake"),
    ("server error", "pascal"),
    ("config loader", "dotted"),
    ("request id", "kebab"),
    ("dry run", "option"),
]
MISSED = [
    ("E1042", {"code-next", "number"}),
    ("E104", {"code", "code-next"}),
    ("username", {"camel", "camel-parts"}),
    ("ttp", {"pascal"}),
    ("conn reset", {"prose", "option"}),
    ("v2", {"path-old"}),
    ("PD", {"plural"}),
    ("311", {"version", "version-other"}),
]


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    store = EmbeddedStore(tmp_path / "base")
    await store.open()
    index = await store.create("docs", 4)
    points = [
        Point(Chunk("all", name, "Notes", (), text, 0, len(text), 0, 1, "1" * 64), (1.0, 0.0, 0.0, 0.0))
        for name, text in TEXTS.items()
    ]
    await index.upsert(points)
    yield index
    await store.close()


async def found(index: Index, words: str) -> list[str]:
    """The names of the texts that BM25 alone finds, best first."""
    query = HybridQuery((1.0, 0.0, 0.0, 0.0), [(words, 1.0)], frozenset({"all"}), limit=40, weights=(0.0, 1.0))
    return [hit.chunk.document for hit in await index.search(query)]


async def test_an_identifier_leads_however_it_is_written(index: Index) -> None:
    firsts = {words: (await found(index, words))[:1] for words, _ in FIRST}
    assert firsts == {words: [name] for words, name in FIRST}


async def test_its_parts_find_it(index: Index) -> None:
    assert [words for words, name in FOUND if name not in await found(index, words)] == []


async def test_what_is_only_like_it_is_not_found(index: Index) -> None:
    assert [words for words, names in MISSED if names & set(await found(index, words))] == []


def test_a_text_of_many_identifiers_is_not_taken_for_a_longer_one() -> None:
    """Both hold `badge` once among twelve words, the one among identifiers, the other among plain words."""
    names = " ".join(f"firstOf{each}Second" for each in ("Red", "Blue", "Green", "Pink", "Grey", "Black") * 2)
    words = " ".join(f"w{each}" for each in range(12))
    weights = [dict(zip(*document_vector(f"badge {text}"), strict=True)) for text in (names, words)]
    token = query_vector([("badge", 1.0)])[0][0]
    assert weights[0][token] == pytest.approx(weights[1][token])


QDRANT = Bm25(Bm25Config(k=1.2, b=0.75, avg_len=AVERAGE_WORDS, language="english", ascii_folding=True))
WORDS = st.lists(
    st.sampled_from("the leave of absence Anna USA 25 days, was (paid). Tagesgeld £165 and café? no: yes".split()),
    max_size=80,
).map(" ".join)


@given(WORDS)
def test_prose_has_the_vectors_of_qdrants_own_bm25(text: str) -> None:
    vector, query = QDRANT.embed_document(text), QDRANT.embed_query(text)
    assert document_vector(text) == (vector.indices, vector.values)
    assert query_vector([(text, 1.0)]) == (sorted(query.indices), [1.0] * len(query.indices))


@given(WORDS, st.sampled_from(["getUserName", "get_user_name", "a.bc::de"]))
def test_the_words_around_an_identifier_keep_their_weights(text: str, name: str) -> None:
    vector = QDRANT.embed_document(f"{text} {name}")
    plain = dict(zip(vector.indices, vector.values, strict=True))
    parts = set(query_vector([(name, 1.0)])[0])
    ours = dict(zip(*document_vector(f"{text} {name}"), strict=True))
    assert {token: ours[token] for token in plain.keys() - parts} == pytest.approx(
        {token: plain[token] for token in plain.keys() - parts}, rel=1e-5
    )
    assert plain.keys() | parts == ours.keys()


@pytest.mark.parametrize(
    ("text", "wholes"),
    [
        ("Holidays are booked in May, e.g. in the U.S., 24/7 or 1,234.56 or 2026-11-21", []),
        ("E1042 18F 401k v2 3rd PDFs FAQs USA I", []),
        ("getHTTPResponse2xx", ["gethttpresponse2xx"]),
        ("__init__ _private x_1 __", []),
        ("a1b2c3d4e5f60718293a4b5c", []),
        ("a.b_cd.efGh", ["abcdefgh", "bcd", "efgh"]),
        ("x" * LONGEST + "Yz", []),
        ("iPhone", ["iphone"]),
    ],
)
def test_what_is_an_identifier(text: str, wholes: list[str]) -> None:
    assert [each.whole for each in identifiers(text)] == wholes


@given(st.text(max_size=200))
def test_any_text_has_a_vector_that_its_own_words_find(text: str) -> None:
    tokens, weights = document_vector(text)
    assert tokens == sorted(set(tokens)) and all(weight > 0 for weight in weights)
    assert set(query_vector([(text, 1.0)])[0]) <= set(tokens)
    assert all(1 < len(each.whole) <= 2 * LONGEST for each in identifiers(text))
