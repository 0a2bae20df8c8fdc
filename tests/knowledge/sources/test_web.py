"""Pages and sitemaps from a real server, also one that behaves badly."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import docx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assistant.knowledge import loading
from assistant.knowledge.documents import Document
from assistant.knowledge.loading import ReadError
from assistant.knowledge.sources import Fetched, Gone, Listed, NotModified, SourceError, SourceSpec
from assistant.knowledge.sources.http import Patience
from assistant.knowledge.sources.web import PageSource, SitemapSource
from tests.knowledge.sources.site import Answer, Site, serving

HASTY = Patience(connect=2, read=0.5, whole=2, pause=0.01, longest_pause=1)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


async def page(address: str, known: str | None = None) -> Fetched:
    async with PageSource(SourceSpec("url", address), HASTY) as source:
        (each,) = (await source.list()).documents
        return await source.fetch(each, known)


async def read(site: Site, answer: Answer, path: str = "/page") -> Document:
    site.answers[path] = answer
    return (await page(site.url + path)).document


async def uris(site: Site, path: str = "/sitemap.xml", **options: Any) -> list[str]:
    async with SitemapSource(SourceSpec("sitemap", site.url + path, options), HASTY) as source:
        return [each.uri.removeprefix(site.url) for each in (await source.list()).documents]


async def test_a_page_that_is_not_modified_is_not_sent_again(site: Site) -> None:
    site.answers["/a"] = Answer("<h1>One</h1><p>text</p>", tagged=True)
    first = await page(f"{site.url}/a")
    assert first.version is not None
    with pytest.raises(NotModified):
        await page(f"{site.url}/a", first.version)
    site.answers["/a"] = Answer("<h1>Two</h1><p>text</p>", tagged=True)
    second = await page(f"{site.url}/a", first.version)
    assert second.document.title == "Two" and second.version != first.version


async def test_a_date_of_change_is_a_version_only_when_it_is_past(site: Site) -> None:
    old, now = formatdate(1_700_000_000, usegmt=True), formatdate(usegmt=True)
    site.answers["/old"] = Answer("<p>x</p>", headers={"Last-Modified": old})
    site.answers["/now"] = Answer("<p>x</p>", headers={"Last-Modified": now})
    found = await page(f"{site.url}/old")
    assert (found.version, found.document.modified) == (f"date {old}", date(2023, 11, 14))
    await page(f"{site.url}/old", found.version)
    assert site.asked[-1][1]["if-modified-since"] == old
    fresh = await page(f"{site.url}/now")
    assert (fresh.version, fresh.document.modified) == (None, None)


async def test_304_though_nothing_was_known_is_an_error(site: Site) -> None:
    with pytest.raises(ReadError, match="status 304"):
        await read(site, Answer(status=304))


def word_file() -> bytes:
    import io

    file, source = io.BytesIO(), docx.Document()
    source.add_heading("Charter", 1)
    source.save(file)
    return file.getvalue()


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("path", "kind", "body", "text"),
    [
        ("/a", "text/html", "<h1>Hi</h1>", "# Hi"),
        ("/a.aspx", "text/html; charset=utf-8", "<h1>Hi</h1>", "# Hi"),
        ("/a.pdf", "text/html", "<h1>Hi</h1>", "# Hi"),
        ("/index.php", "text/html", "<h1>Hi</h1>", "# Hi"),
        ("/a", "text/markdown", "# Hi <!-- x -->", "# Hi"),
        ("/a", "text/plain", "# Hi", "# Hi"),
        ("/a.md", "text/plain", "# Hi <!-- x -->", "# Hi"),
        ("/a.csv", "text/plain", "a,b\n1,2", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("/a", "text/csv", "a,b\n1,2", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ("/a.py", "text/x-python", "x = 1", "```py\nx = 1\n```"),
        ("/a.md", "application/octet-stream", "# Hi <!-- x -->", "# Hi"),
        ("/a.md?raw=1", "", "# Hi <!-- x -->", "# Hi"),
        ("/a", "", "<h1>Hi</h1>", "# Hi"),
        ("/a", "application/json", '{"a": 1}', '```json\n{"a": 1}\n```'),
        ("/a", WORD, word_file(), "# Charter"),
        ("/a.docx", "application/octet-stream", word_file(), "# Charter"),
        ("/a", "text/html; charset=shift_jis", "<p>日本</p>".encode("shift_jis"), "日本"),
        ("/a", "text/html; charset=nonsense", "<p>Straße</p>", "Straße"),
        ("/a", "text/plain; charset=iso-8859-1", "Straße".encode("latin-1"), "Straße"),
    ],
)
async def test_the_content_type_says_what_a_page_is(
    site: Site, path: str, kind: str, body: str | bytes, text: str
) -> None:
    assert (await read(site, Answer(body, kind), path)).text == text


@pytest.mark.parametrize("kind", ["image/png", "video/mp4", "application/zip", "application/octet-stream", ""])
async def test_what_is_no_document_says_so(site: Site, kind: str) -> None:
    with pytest.raises(ReadError, match="not a format that can be read"):
        await read(site, Answer(b"\x89PNG\0", kind))


async def test_title_and_date_come_from_the_page_first(site: Site) -> None:
    head = '<title>Leave</title><meta property="article:modified_time" content="2024-03-02">'
    old = {"Last-Modified": formatdate(1_700_000_000, usegmt=True)}
    document = await read(site, Answer(f"<html><head>{head}</head><body><p>x</p></body></html>", headers=old))
    assert (document.title, document.modified) == ("Leave", date(2024, 3, 2))


async def test_the_sitemaps_date_is_the_last_resort(site: Site) -> None:
    site.answers["/a"] = Answer("<p>x</p>")
    site.answers["/b"] = Answer("<p>x</p>", headers={"Last-Modified": formatdate(1_700_000_000, usegmt=True)})
    site.answers["/sitemap.xml"] = site.sitemap("/a", "/b", lastmod="2022-05-06T10:00:00+02:00")
    async with SitemapSource(SourceSpec("sitemap", f"{site.url}/sitemap.xml"), HASTY) as source:
        found = [await source.fetch(each, None) for each in (await source.list()).documents]
    assert [each.document.modified for each in found] == [date(2022, 5, 6), date(2023, 11, 14)]


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "not public"), (403, "not public"), (500, "status 500"), (204, "status 204")]
)
async def test_a_refusal_is_no_deletion(site: Site, status: int, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        await read(site, Answer("x" if status != 204 else "", status=status))


@pytest.mark.parametrize("status", [404, 410])
async def test_a_page_that_is_gone(site: Site, status: int) -> None:
    with pytest.raises(Gone):
        await read(site, Answer("gone", status=status))


@pytest.mark.parametrize("wait", ["0", formatdate(0, usegmt=True), "", "nonsense"])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again(site: Site, status: int, wait: str) -> None:
    answers = iter([Answer("busy", status=status, headers={"Retry-After": wait}), Answer("<p>here</p>")])
    site.answers["/page"] = lambda: next(answers)
    assert (await page(f"{site.url}/page")).document.text == "here"


async def test_a_server_that_stays_busy_is_left_alone(site: Site) -> None:
    with pytest.raises(ReadError, match="too busy"):
        await read(site, Answer("busy", status=503))
    assert len(site.asked) == HASTY.tries
    with pytest.raises(ReadError, match="too busy"):
        await read(site, Answer("busy", status=429, headers={"Retry-After": "3600"}), "/long")
    assert len(site.asked) == HASTY.tries + 1


async def test_redirects_are_followed_on_the_same_site(site: Site) -> None:
    site.answers["/old"] = Answer(status=301, headers={"Location": "/mid"})
    site.answers["/mid"] = Answer(status=307, headers={"Location": f"{site.url}/new"})
    site.answers["/new"] = Answer("<p>here</p>")
    found = (await page(f"{site.url}/old")).document
    assert (found.text, found.uri) == ("here", f"{site.url}/old")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://login.example.org/?SAMLRequest=abc", "redirects to another site .http://login.example.org/."),
        ("file:///etc/passwd", "not a web page"),
        ("http://[bad", "not a valid web address|another site"),
        ("/login?next=/page", "sign in on"),
        ("/oauth2/start", "sign in on"),
        ("/page", "in circles"),
        ("", "status 302|in circles"),
    ],
)
async def test_a_redirect_that_leads_away_is_an_error(site: Site, location: str, reason: str) -> None:
    site.answers["/login?next=/page"] = Answer("<p>Please sign in</p>")
    with pytest.raises(ReadError, match=reason) as caught:
        await read(site, Answer(status=302, headers={"Location": location}))
    assert "SAMLRequest" not in str(caught.value)


async def test_a_server_that_hangs(site: Site) -> None:
    with pytest.raises(ReadError, match=r"no answer within 0\.5 seconds"):
        await read(site, Answer("x", hang=1.5))


async def test_a_server_that_drips_for_ever() -> None:
    """Every byte comes in time, the whole never does."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999\r\n\r\n")
            while not stop.wait(0.05):
                connection.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(ReadError, match="no whole answer within 2 seconds"):
            await page(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    finally:
        stop.set()
        thread.join()
        listener.close()


async def test_a_body_without_end_is_cut_off(site: Site) -> None:
    with pytest.raises(ReadError, match="larger than 50 MB"):
        await read(site, Answer("x", endless=True))


async def test_a_gzip_bomb_is_cut_off(site: Site) -> None:
    bomb = gzip.compress(b"x" * (loading.MAX_BYTES + 1))
    with pytest.raises(ReadError, match="larger than 50 MB"):
        await read(site, Answer(bomb, headers={"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"])
async def test_a_server_that_breaks_off(said: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def speak() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(said)

    thread = threading.Thread(target=speak)
    thread.start()
    with pytest.raises(ReadError, match="the connection broke"):
        await page(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    thread.join()
    listener.close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9/", "no connection"),
        ("https://127.0.0.1:{port}/", "no secure connection|no connection|broke"),
        ("http://localhost:99999/", "not a valid web address"),
        ("http:///nowhere", "not a valid web address"),
        ("http://surely-not-there.invalid/", "host name is not known"),
    ],
)
async def test_no_connection_at_all(site: Site, address: str, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        await page(address.format(port=site.port))


async def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file = tmp_path / "both.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with serving(context) as site, pytest.raises(ReadError, match="certificate is not trusted"):
        await page(f"https://localhost:{site.port}/")


async def test_user_and_password_are_sent_and_never_shown(site: Site) -> None:
    site.answers["/sitemap.xml"] = site.sitemap("/a", "/b?token=s3cret")
    site.answers["/a"] = Answer("<p>x</p>")
    site.answers["/b?token=s3cret"] = Answer(status=500)
    spec = SourceSpec("sitemap", f"http://ann:hunter2@127.0.0.1:{site.port}/sitemap.xml")
    async with SitemapSource(spec, HASTY) as source:
        a, b = (await source.list()).documents
        assert (await source.fetch(a, None)).document.uri == f"{site.url}/a"
        with pytest.raises(ReadError) as caught:
            await source.fetch(b, None)
    assert {headers["authorization"] for _, headers in site.asked} == {"Basic YW5uOmh1bnRlcjI="}
    assert site.paths()[-1] == "/b?token=s3cret"
    seen = f"{a} {b} {spec.label} {spec!r} {caught.value}"
    assert "hunter2" not in seen and "s3cret" not in seen
    site.answers["/sitemap.xml"] = Answer(status=403)
    with pytest.raises(SourceError) as failed:
        async with SitemapSource(spec, HASTY) as source:
            await source.list()
    assert "hunter2" not in str(failed.value)


async def test_passwords_do_not_travel_to_another_site(site: Site) -> None:
    with serving() as other:
        other.answers["/a"] = Answer("<p>x</p>")
        site.answers["/page"] = Answer(status=302, headers={"Location": f"{other.url}/a"})
        with pytest.raises(ReadError, match="another site"):
            await page(f"http://ann:hunter2@127.0.0.1:{site.port}/page")
        assert other.asked == []


async def test_a_sitemap_names_pages_of_its_own_site_once(site: Site) -> None:
    site.answers["/sitemap.xml"] = site.sitemap(
        "/a",
        "/b#part",
        "/b",
        "http://other.example.org/c",
        "ftp://127.0.0.1/d",
        "file:///etc/passwd",
        "javascript://alert",
        "/e.png",
        "/f.pdf",
        "http://[bad",
        "/g?x=1&amp;y=2",
    )
    assert await uris(site) == ["/a", "/b", "/f.pdf", "/g?x=1&y=2"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": ["/guides/"]}, ["/guides/a", "/guides/b.pdf"]),
        ({"exclude": ["*.pdf", "/blog/"]}, ["/guides/a", "/c"]),
        ({"limit": 2}, ["/guides/a", "/guides/b.pdf"]),
        ({"limit": 1, "include": ["/c"]}, ["/c"]),
        ({"exclude": ["über"]}, ["/guides/a", "/guides/b.pdf", "/c"]),
    ],
)
async def test_sitemap_options(site: Site, options: dict[str, Any], expected: list[str]) -> None:
    site.answers["/sitemap.xml"] = site.sitemap("/guides/a", "/guides/b.pdf", "/blog/%C3%BCber", "/c")
    assert await uris(site, **options) == expected


def index(site: Site, *paths: str) -> Answer:
    rows = "".join(f"<sitemap><loc>{site.url}{path}</loc></sitemap>" for path in paths)
    return Answer(
        f"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{rows}</sitemapindex>", "text/xml"
    )


async def test_an_index_of_sitemaps_and_packed_ones(site: Site) -> None:
    site.answers["/sitemap.xml"] = index(site, "/one.xml.gz", "/two.txt", "/one.xml.gz", "/sitemap.xml")
    site.answers["/one.xml.gz"] = Answer(gzip.compress(str(site.sitemap("/a").body).encode()), "application/gzip")
    site.answers["/two.txt"] = Answer(f"{site.url}/b\n\n{site.url}/a\n", "text/plain")
    assert await uris(site) == ["/a", "/b"]


async def test_an_index_with_a_sitemap_that_fails_is_an_error(site: Site) -> None:
    site.answers["/sitemap.xml"] = index(site, "/one.xml", "/two.xml")
    site.answers["/one.xml"] = site.sitemap("/a")
    with pytest.raises(SourceError, match=r"two\.xml cannot be read: status 404"):
        await uris(site)


async def test_an_index_without_end_is_an_error(site: Site) -> None:
    for number in range(9):
        site.answers[f"/{number}.xml"] = index(site, f"/{number + 1}.xml")
    with pytest.raises(SourceError, match="too many of them"):
        await uris(site, "/0.xml")


LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><urlset><url><loc>&j;</loc></url></urlset>"
)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer("<urlset><url>", "text/xml"), "not valid XML"),
        (Answer("", "text/xml"), "not valid XML"),
        (Answer("<html><body>Please sign in</body></html>"), "no sitemap: it begins with <html>"),
        (Answer(LAUGHS, "text/xml"), "not valid XML|document type"),
        (
            Answer('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>'),
            "document type",
        ),
        (Answer(b"\x1f\x8bnonsense"), "not a valid gzip file"),
        (Answer(gzip.compress(b"<" * 100)[:-20]), "not a valid gzip file"),
        (Answer(gzip.compress(b" " * (loading.MAX_BYTES + 1))), "unpacks to more than 50 MB"),
        (Answer(status=500), "status 500"),
        (Answer(status=302, headers={"Location": "http://login.example.org/"}), "another site"),
        (Answer("x", hang=1.5), "no answer"),
        (Answer("x", endless=True), "larger than 50 MB"),
    ],
)
async def test_a_sitemap_that_is_none_is_an_error(site: Site, answer: Answer, reason: str) -> None:
    site.answers["/sitemap.xml"] = answer
    with pytest.raises(SourceError, match=reason):
        await uris(site)


async def test_an_empty_sitemap_is_empty(site: Site) -> None:
    site.answers["/sitemap.xml"] = site.sitemap()
    assert await uris(site) == []


async def test_few_pages_are_asked_for_at_once(site: Site) -> None:
    import asyncio

    paths = [f"/{number}" for number in range(16)]
    for path in paths:
        site.answers[path] = Answer(f"<p>{path}</p>", hang=0.02)
    site.answers["/sitemap.xml"] = site.sitemap(*paths)
    async with SitemapSource(SourceSpec("sitemap", f"{site.url}/sitemap.xml"), HASTY) as source:
        documents = (await source.list()).documents
        await asyncio.gather(*(source.fetch(each, None) for each in documents))
    assert 2 <= site.most_at_once <= HASTY.at_once


async def test_a_sitemap_larger_than_allowed_asks_for_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.knowledge.sources.web.MOST_PAGES", 3)
    site.answers["/sitemap.xml"] = site.sitemap(*(f"/{number}" for number in range(5)))
    with pytest.raises(SourceError, match="set a limit"):
        await uris(site)
    assert len(await uris(site, limit=2)) == 2


async def test_a_page_that_was_never_listed_can_be_read(site: Site) -> None:
    site.answers["/a"] = Answer("<p>x</p>")
    async with SitemapSource(SourceSpec("sitemap", f"{site.url}/sitemap.xml"), HASTY) as source:
        assert (await source.fetch(Listed(f"{site.url}/a"), None)).document.text == "x"
