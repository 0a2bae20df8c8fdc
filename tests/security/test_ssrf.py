"""What people elsewhere can make the server read: an editor names addresses, and none of them, nor where they redirect
or what their names come to mean later, is one within the network. Each row is refused before anything is asked."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from assistant.knowledge.loading import ReadError
from assistant.knowledge.sources import OUTWARD, SourceError, SourceSpec
from assistant.knowledge.sources.http import Patience, Web
from assistant.knowledge.sources.outward import is_public, leads_outward
from assistant.knowledge.sources.registry import build
from tests.knowledge.sources.site import Answer, Site, serving
from tests.security.hall import MACHINE, Hall, Person, bearer, events, running

PUBLIC = "93.184.216.34"
HERE = "127.0.0.1"
HASTY = Patience(connect=5, read=5, whole=10, tries=1)


@dataclass
class Net:
    """A network in which names mean what a test says, one answer after the other, the last for good; at ``PUBLIC`` is
    the site of the test. ``asked`` are the names that were looked up, ``reached`` the addresses connected to."""

    site: Site
    names: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    look_up, connect = socket.getaddrinfo, socket.socket.connect
    with serving() as site:
        made = Net(site)

        def getaddrinfo(host: Any, port: Any, *given: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name not in made.names:
                return look_up(host, port, *given, **named)
            made.asked.append(name)
            answers = made.names[name]
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            families = [(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in found]
            return [(family, socket.SOCK_STREAM, 6, "", (each, int(port or 0))) for family, each in families]

        def connected(self: socket.socket, address: Any) -> None:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                made.reached.append(address[0])
                if address[0] == PUBLIC:
                    address = (HERE, site.port)
            connect(self, address)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket.socket, "connect", connected)
        yield made


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with running(tmp_path_factory.mktemp("ssrf")) as found:
        yield found


def ingest(hall: Hall, *addresses: str, who: Person | None = None) -> httpx.Response:
    editor = hall.people["editor"]
    (collection,) = editor.held or ()
    body = {"paths": addresses, "collection": collection}
    return hall.call(who or editor, "POST", "/api/v1/ingest", json=body)


REFUSED = [
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "ftp://8.8.8.8/", "dict://127.0.0.1:11211/stats",
    "data:text/html,x", "jar:http://8.8.8.8!/x", "git://8.8.8.8/x.git", "ssh://8.8.8.8/x", "git@8.8.8.8:x.git",
    "/etc/passwd", "../../etc/passwd", "~/.ssh/id_rsa", "demo:", "data/server.json", "", " ",
    "http://127.0.0.1/", "http://localhost/", "http://localhost.localdomain/", "http://127.1/", "http://127.0.1/",
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/",
    "http://0/", "http://0.0.0.0/", "http://[::]/", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:a9fe:a9fe]/", "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::7f00:1]/", "http://[2002:7f00:1::]/", "http://[2002:a00:1::1]/",
    "http://[2001:0:7f00:1::]/", "http://[fe80::1]/", "http://[fe80::1%25lo]/", "http://[fd00:ec2::254]/", "http://[ff02::1]/",
    "http://169.254.169.254/latest/meta-data/", "http://100.100.100.200/", "http://10.0.0.1/", "http://172.16.0.1/",
    "http://192.168.0.1/", "http://100.64.0.1/", "http://192.0.0.192/", "http://198.18.0.1/", "http://224.0.0.1/",
    "http://239.255.255.250:1900/", "http://240.0.0.1/", "http://255.255.255.255/",
    "http://user:word@8.8.8.8/", "http://8.8.8.8@127.0.0.1/", "http://127.0.0.1#@8.8.8.8/", "http://8.8.8.8\\@[::1]/",
    "http://127.0.0.1\\.8.8.8.8/", "http://8.8.8.8\t@127.0.0.1/", "http://8.8.8.8\r\nHost: x/", "http://8.8.8.8 .x/",
    " http://8.8.8.8/../../../../../../../etc/passwd", "HTTP://8.8.8.8/../../../../../../../etc/passwd",
    "\thttp://8.8.8.8/../../etc/passwd", "ht\ntp://8.8.8.8/../../etc/passwd", "http:/8.8.8.8/../../etc/passwd",
    "http:8.8.8.8/../../etc/passwd", "http:///etc/passwd", "https:etc/passwd", "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/", "http://127.0.0.1:99999/", "http://[::1/", "http://%31%32%37.0.0.1/", "http://inner.test/",
    "http://mixed.test/", "http://mixed6.test/", "http://nowhere.invalid/", "http://" + "a" * 300 + ".test/",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_on_the_public_web_is_not_added(hall: Hall, net: Net, address: str) -> None:
    net.names = {"inner.test": [["10.1.2.3"]], "mixed.test": [[PUBLIC, HERE]], "mixed6.test": [[PUBLIC, "::1"]]}
    for given in ([address], ["http://public.test/", address]):
        net.names["public.test"] = [[PUBLIC]]
        answer = ingest(hall, *given)
        assert answer.status_code == 403, answer.text
        assert answer.json()["error"] == {
            "code": "forbidden",
            "message": "Only commands on this machine may add what is on it or beside it.",
        }
    assert net.reached == [] and net.site.asked == []


def test_what_is_on_the_public_web_is_read_where_it_was_looked_up(hall: Hall, net: Net) -> None:
    net.names = {"public.test": [[PUBLIC]]}
    net.site.answers["/page"] = Answer("<h1>Public</h1><p>Something that everybody may know.</p>")
    told = events(ingest(hall, "http://public.test/page"))
    assert told[-1]["type"] == "done" and any(each.get("outcome") == "added" for each in told)
    assert set(net.reached) == {PUBLIC} and net.site.asked[0][1]["host"] == "public.test"


REDIRECTS = [
    "http://127.0.0.1:PORT/secret", "http://localhost:PORT/secret", "//127.0.0.1:PORT/secret", "http://[::1]:PORT/secret",
    "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "gopher://127.0.0.1:PORT/secret",
    "http://inner.test:PORT/secret", "http://public.test@127.0.0.1:PORT/secret", "http://www.public.test/secret",
    "https://2130706433/secret", "\thttp://127.0.0.1:PORT/secret", "http:127.0.0.1:PORT/secret",
]  # fmt: skip


@pytest.mark.parametrize("to", REDIRECTS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_inside(hall: Hall, net: Net, to: str, status: int) -> None:
    net.names = {"public.test": [[PUBLIC]], "inner.test": [[HERE]], "www.public.test": [[HERE]]}
    net.site.answers["/secret"] = Answer("<h1>Inside</h1><p>inside-secret</p>")
    net.site.answers["/go"] = Answer(status=status, headers={"Location": to.replace("PORT", str(net.site.port))})
    told = ingest(hall, "http://public.test/go")
    assert "inside-secret" not in told.text and not any(each.get("outcome") == "added" for each in events(told))
    assert net.site.paths() == ["/go"] and set(net.reached) == {PUBLIC}


@pytest.mark.parametrize("later", [[HERE], ["::1"], ["10.0.0.1"], [PUBLIC, HERE], ["::ffff:127.0.0.1"]])
def test_a_name_that_comes_to_mean_something_inside_is_not_followed(hall: Hall, net: Net, later: list[str]) -> None:
    """Rebinding, between the check and the request, and between two syncs: by whomever they are asked for."""
    net.names = {"public.test": [[PUBLIC], later]}
    net.site.answers["/page"] = net.site.answers["/again"] = Answer("<h1>Public</h1><p>Something.</p>")
    told = ingest(hall, "http://public.test/page")
    assert "its host is not on the public web" in told.text and net.reached == []
    net.names = {"public.test": [[PUBLIC]]}
    assert any(each.get("outcome") == "added" for each in events(ingest(hall, "http://public.test/again")))
    net.names, seen = {"public.test": [later]}, len(net.site.asked)
    editor = hall.people["editor"]
    (collection,) = editor.held or ()
    for who in (editor, Person("machine", bearer(MACHINE))):
        told = hall.call(who, "POST", "/api/v1/sources/sync", json={"collection": collection, "force": True})
        assert "its host is not on the public web" in told.text
    assert len(net.site.asked) == seen and set(net.reached) == {PUBLIC}
    body = {"collection": collection, "source": ["http://public.test/again"]}
    assert hall.call(editor, "POST", "/api/v1/sources/remove", json=body).status_code == 200


async def test_what_is_looked_up_is_what_is_connected_to(net: Net) -> None:
    """No second look between the check and the connection, which could find another answer."""
    net.names = {"public.test": [[PUBLIC], [HERE]]}
    net.site.answers["/page"] = Answer("<p>public</p>")
    async with Web("http://public.test/", HASTY, outward=True) as web:
        assert (await web.get("http://public.test/page")).url == "http://public.test/page"
        with pytest.raises(ReadError, match="not on the public web"):
            await web.get("http://public.test/page")
    assert net.asked == ["public.test"] * 2 and net.reached == [PUBLIC]


async def test_the_pages_of_a_sitemap_are_looked_up_one_by_one(net: Net) -> None:
    net.names = {"public.test": [[PUBLIC], [HERE]]}
    net.site.answers["/sitemap.xml"] = net.site.sitemap("http://public.test/a", "http://127.0.0.1/b")
    net.site.answers["/a"] = Answer("<p>inside</p>")
    async with build(SourceSpec("sitemap", "http://public.test/sitemap.xml", {OUTWARD: True})) as source:
        (only,) = (await source.list()).documents
        with pytest.raises(ReadError, match="not on the public web"):
            await source.fetch(only, None)
    assert net.site.paths() == ["/sitemap.xml"]


async def test_a_nested_sitemap_is_looked_up_anew(net: Net) -> None:
    net.names = {"public.test": [[PUBLIC], [HERE]]}
    index = '<sitemapindex xmlns="x"><sitemap><loc>http://public.test/more.xml</loc></sitemap></sitemapindex>'
    net.site.answers["/sitemap.xml"] = Answer(f'<?xml version="1.0"?>{index}', "application/xml")
    async with build(SourceSpec("sitemap", "http://public.test/sitemap.xml", {OUTWARD: True})) as source:
        with pytest.raises(SourceError, match="not on the public web"):
            await source.list()
    assert net.site.paths() == ["/sitemap.xml"]


def test_who_runs_the_server_may_read_what_is_inside(hall: Hall, net: Net) -> None:
    net.site.answers["/wiki"] = Answer("<h1>Wiki</h1><p>Something of our own.</p>")
    machine = Person("machine", bearer(MACHINE))
    told = events(ingest(hall, f"{net.site.url}/wiki", who=machine))
    assert any(each.get("outcome") == "added" for each in told)
    assert net.site.paths() == ["/wiki"]


async def test_proxies_of_the_environment_are_not_asked(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{net.site.port}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{net.site.port}")
    net.names = {"public.test": [[PUBLIC]]}
    net.site.answers["/page"] = Answer("<p>public</p>")
    async with Web("http://public.test/", HASTY, outward=True) as web:
        await web.get("http://public.test/page")
    assert net.reached == [PUBLIC]


async def test_tls_is_of_the_name_and_not_of_the_address(net: Net) -> None:
    """The server is told the name, and its certificate must be of that name, though an address is connected to."""
    seen: list[str | None] = []
    net.names = {"public.test": [[PUBLIC]]}
    listener = socket.create_server((HERE, 0))
    net.site.port = listener.getsockname()[1]
    async with Web("https://public.test/", HASTY, outward=True) as web:
        asking = web.get("https://public.test/page")
        seen.append(await first_name(listener, asking))
    assert seen == ["public.test"] and net.reached == [PUBLIC]


async def first_name(listener: socket.socket, asking: Any) -> str | None:
    """The server name in the first words of a TLS client, whom nobody answers."""
    import asyncio

    named: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _, name, __: named.append(name)
    listener.setblocking(False)
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(asking)
    there, _ = await loop.sock_accept(listener)
    hello = ssl.MemoryBIO()
    hello.write(await loop.sock_recv(there, 65536))
    with pytest.raises(ssl.SSLError):  # there is no certificate to go on with
        context.wrap_bio(hello, ssl.MemoryBIO(), server_side=True).do_handshake()
    there.close()
    listener.close()
    with pytest.raises(ReadError):
        await task
    return named[0] if named else None


@pytest.mark.parametrize("place", ["8.8.8.8", PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"])
async def test_addresses_of_the_internet_are_public(place: str) -> None:
    assert is_public(place)
    host = f"[{place}]" if ":" in place else place
    assert await leads_outward(f"https://{host}/a?b#c")
