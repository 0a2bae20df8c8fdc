"""A whole server in the test's own process, whose documents not everybody may read: each holds words that are nowhere
else, and people of every kind ask for them. What each may read is worked out here anew, from the settings alone."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
from anyio.from_thread import BlockingPortal, start_blocking_portal

from assistant.access.api_keys import ApiKeys
from assistant.access.guests import Guests
from assistant.app import Assistant, build_assistant
from assistant.settings import Settings
from ui.api import create_app
from ui.front_door import COOKIE

QUESTION = "What is the hotel cap per night in London?"
MACHINE = "the-token-of-this-machine-planted"
SECRETS = {"portal": "the-secret-of-the-portal-planted-01", "shop": "the-secret-of-the-shop-planted-0123"}
GROUPS = ("amber", "birch", "cedar")
OURS = {"Sec-Fetch-Site": "same-origin"}
PATIENCE = 60
"""Seconds: only what hangs takes so long."""


def words(chance: random.Random, number: int) -> list[str]:
    """Words that are nowhere else."""
    return ["".join(chance.choice("bdfgklmprtvz") + chance.choice("aeiou") for _ in range(6)) for _ in range(number)]


@dataclass(frozen=True)
class Kept:
    """A collection: who may read it, and the words that only its documents, their titles and its own names hold."""

    name: str
    title: str
    readers: tuple[str, ...]
    documents: tuple[tuple[str, str, str], ...]

    @property
    def secrets(self) -> frozenset[str]:
        return frozenset({self.name, self.title, *(each for three in self.documents for each in three)})


@dataclass
class Person:
    """Somebody: what they show, and where and what their issuer lets them read. ``known`` is whether it counts."""

    name: str
    headers: dict[str, str]
    groups: frozenset[str] = frozenset()
    surfaces: frozenset[str] | None = None
    held: frozenset[str] | None = None
    known: bool = True
    editor: bool = False
    conversations: list[str] = field(default_factory=lambda: list[str]())
    turns: list[str] = field(default_factory=lambda: list[str]())
    attachments: list[str] = field(default_factory=lambda: list[str]())
    own: set[str] = field(default_factory=lambda: set[str]())


@dataclass
class Hall:
    """The server, its collections and its people. ``call`` is one request of somebody."""

    portal: BlockingPortal
    client: httpx.AsyncClient
    assistant: Assistant
    kept: Mapping[str, Kept]
    people: dict[str, Person] = field(default_factory=lambda: dict[str, Person]())
    functions: dict[str, int] = field(default_factory=lambda: dict[str, int]())

    def call(self, who: Person | None, method: str, path: str, **given: Any) -> httpx.Response:
        headers = (who.headers if who else {}) | given.pop("headers", {})
        return self.portal.call(self._call, method, path, headers, given)

    async def _call(self, method: str, path: str, headers: dict[str, str], given: dict[str, Any]) -> httpx.Response:
        async with asyncio.timeout(PATIENCE):
            return await self.client.request(method, path, headers=headers, **given)

    def readable(self, who: Person, surface: str) -> frozenset[str]:
        """The collections that somebody may search on a surface: the rule of docs/access.md, written down once more."""
        place = self.assistant.settings.surfaces.get(surface)
        if place is None or not who.known or (who.surfaces is not None and surface not in who.surfaces):
            return frozenset()
        mine = {"everyone", *who.groups, *place.groups}
        found = {name for name, each in self.kept.items() if mine & set(each.readers)}
        bounds = [set(each) for each in (place.collections, who.held) if each is not None]
        return frozenset(found.intersection(*bounds))

    def anywhere(self, who: Person) -> frozenset[str]:
        return frozenset().union(*(self.readable(who, each) for each in self.assistant.settings.surfaces))

    def forbidden(self, who: Person, readable: Collection[str]) -> set[str]:
        """The words that must not reach somebody who may read these collections."""
        named = {each for each in (who.held or ()) if who.editor}
        found = {word for name, each in self.kept.items() if name not in readable for word in each.secrets}
        for name in named - set(readable):  # editors manage what they may not read: they know what it is called
            each = self.kept[name]
            found -= {each.name, each.title, *(file for file, _, _ in each.documents)}
        mine = who.own
        return found | {word for other in self.people.values() if other is not who for word in other.own - mine}

    def gradio(self, who: Person | None, function: str, *values: Any) -> httpx.Response:
        """What a function of the page answers, whether or not the page itself would queue it."""
        number = self.functions[function]
        body = {"data": values, "fn_index": number, "session_hash": f"of{who.name if who else 'nobody'}"}
        joined = self.call(who, "POST", "/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            return joined
        return self.call(who, "GET", f"/gradio_api/queue/data?session_hash={body['session_hash']}")

    def tool(self, who: Person | None, name: str, **arguments: Any) -> httpx.Response:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        accept = {"Accept": "application/json, text/event-stream"}
        return self.call(who, "POST", "/mcp", json=call, headers=accept)


def told(answer: httpx.Response) -> str:
    """All that an answer says: headers, body, and the text that its events put together, in small letters."""
    headers = " ".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
    pieces = re.findall(r'"(?:text|content)": ?"((?:[^"\\]|\\.)*)"', answer.text)
    plain = re.sub(r"<[^>]*>", "", answer.text)
    return "\n".join([headers, answer.text, "".join(pieces), plain]).casefold()


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]


def token(surface: str, groups: Collection[str], secret: str | None = None, **more: Any) -> dict[str, str]:
    now = int(time.time())
    claims = {"sub": f"sub-{'-'.join(sorted(groups))}", "groups": sorted(groups), "surface": surface}
    claims = claims | {"aud": "switchyard", "iat": now, "exp": now + 600} | more
    return bearer(jwt.encode(claims, secret or SECRETS[surface], "HS256"))


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def collections(folder: Path, chance: random.Random) -> dict[str, Kept]:
    """Collections of two documents each, which say the same but for their own words; one is everyone's, one nobody's,
    the others whoever's chance has it."""
    readers = [("everyone",), (), *(tuple(each for each in GROUPS if chance.random() < 0.5) for _ in range(5))]
    found = {}
    for allowed in readers:
        name, title, *own = words(chance, 8)
        documents = (tuple(own[:3]), tuple(own[3:]))
        (folder / name).mkdir(parents=True)
        for file, heading, word in documents:
            text = f"# Travel {heading}\n\nThe hotel cap per night in London is 165 pounds. The code word is {word}.\n"
            (folder / name / f"{file}.md").write_text(text, encoding="utf-8")
        found[name] = Kept(name, title, allowed, cast(Any, documents))
    return found


def settings(folder: Path, kept: Mapping[str, Kept], **more: Any) -> Settings:
    names = list(kept)
    surfaces = {
        "portal": {"token": {"secret": SECRETS["portal"]}, "origins": ["https://portal.example.com"]},
        "shop": {"token": {"secret": SECRETS["shop"]}, "anonymous": True, "origins": ["https://shop.example.com"],
                 "groups": ["cedar"], "collections": names[:4]},
        "back": {"collections": names[2:]},
        "small": {"collections": names[:1], "limits": {"person": {"turns_per_minute": 3}}},
    }  # fmt: skip
    plenty = {"turns_per_minute": 10_000, "turns_per_day": 10_000, "at_once": 100}
    given: dict[str, Any] = {
        "data": folder / "data",
        "access": {
            "mode": "required",
            "sign_in": {"issuer": "http://127.0.0.1:9", "client_id": "switchyard"},
            "roles": {"editor": ["delta"], "admin": ["epsilon"]},
        },
        "surfaces": surfaces,
        "collections": {
            name: {"title": each.title, "readers": list(each.readers), "sources": [str(folder / "files" / name)]}
            for name, each in kept.items()
        },
        "limits": {"guest": plenty, "guests": plenty, "wrong_credentials_per_minute": 100_000},
    }
    return Settings.model_validate(given | more)


@asynccontextmanager
async def opened(folder: Path, portal: BlockingPortal, seed: int) -> AsyncIterator[Hall]:
    chance = random.Random(seed)
    kept = collections(folder / "files", chance)
    async with build_assistant(settings(folder, kept)) as assistant:
        await assistant.sync()
        app = create_app(assistant, MACHINE)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            hall = Hall(portal, client, assistant, kept)
            hall.people = {each.name: each for each in await people(hall, chance)}
            await client.get("/gradio_api/startup-events", headers=hall.people["victim"].headers)
            config = (await client.get("/config", headers=hall.people["victim"].headers)).json()
            hall.functions = functions(config)
            yield hall


@contextmanager
def running(folder: Path, seed: int = 8) -> Iterator[Hall]:
    """The server, in a thread of its own until the block ends."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened(folder, portal, seed)) as hall:
        yield hall


async def people(hall: Hall, chance: random.Random) -> list[Person]:
    """People of every kind, some of whom nobody knows (any more)."""
    every = frozenset(GROUPS)
    keys, guests, names = ApiKeys(hall.assistant.records), Guests(hall.assistant.settings.data), list(hall.kept)

    async def key(name: str, days: float | None = None, **given: Any) -> Person:
        shown, _ = await keys.add(name, days=days, **given)
        sets = {each: given.get(each) and frozenset(given[each]) for each in ("surfaces", "collections")}
        editor = given.get("role") == "editor"
        return Person(
            name, bearer(shown), frozenset(given.get("groups", ())), sets["surfaces"], sets["collections"],
            editor=editor,
        )  # fmt: skip

    async def signed_in(name: str, groups: Collection[str]) -> Person:
        cookie = await hall.assistant.sessions.begin({"sub": name, "groups": sorted(groups)})
        return Person(name, {"Cookie": f"{COOKIE}={cookie}"} | OURS, frozenset(groups))

    found = [await key("victim", groups=GROUPS), await signed_in("she", every), await signed_in("he", ())]
    for surface in ("portal", "shop"):
        for groups in ((), ("amber",), ("birch", "cedar")):
            name = f"token {surface} {' '.join(groups)}"
            found.append(Person(name, token(surface, groups), frozenset(groups), frozenset({surface})))
    for number in range(5):
        groups = [each for each in GROUPS if chance.random() < 0.5]
        bounds: dict[str, Any] = {"surfaces": chance.choice([None, ["shop"], ["portal", "back"]])}
        bounds["collections"] = chance.choice([None, chance.sample(names, 2)])
        found.append(await key(f"key {number}", groups=groups, **bounds))
    user = await key("program", groups=["amber"])
    found.append(Person("user of a program", user.headers | {"X-Switchyard-User": "anna"}, user.groups))
    found.append(user)
    found.append(await key("editor", role="editor", collections=[names[1]]))
    shown, _ = guests.new("shop")
    found.append(Person("guest", bearer(shown), surfaces=frozenset({"shop"})))
    return [*found, *await strangers(hall, key)]


async def strangers(hall: Hall, key: Any) -> list[Person]:
    """People whom nobody knows: what they show is wrong, has ended, or is for somewhere else."""
    every, guests = frozenset(GROUPS), Guests(hall.assistant.settings.data)
    ended = await key("expired key", days=-1.0, groups=GROUPS)
    revoked = await key("revoked key", groups=GROUPS)
    await ApiKeys(hall.assistant.records).revoke(revoked.headers["Authorization"].split("_")[1])
    past = int(time.time()) - 3600
    cookie = await hall.assistant.sessions.begin({"sub": "gone", "groups": list(every)})
    await hall.assistant.sessions.end(cookie)
    left = await hall.assistant.sessions.begin({"sub": "afar", "groups": list(every)})
    shown: dict[str, dict[str, str]] = {
        "nobody": {},
        "expired token": token("portal", every, iat=past, exp=past + 60),
        "token of another key": token("portal", every, SECRETS["shop"]),
        "guest where none are": bearer(guests.new("portal")[0]),
        "signed out": {"Cookie": f"{COOKIE}={cookie}"} | OURS,
        "session from another site": {"Cookie": f"{COOKIE}={left}", "Sec-Fetch-Site": "cross-site"},
    }
    return [
        *(Person(each.name, each.headers, every, known=False) for each in (ended, revoked)),
        *(Person(name, headers, every, known=False) for name, headers in shown.items()),
    ]


def functions(config: dict[str, Any]) -> dict[str, int]:
    """The page's functions by the box and the event that call them."""
    boxes = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
    found: dict[str, int] = {}
    for each in config["dependencies"]:
        for target, event in each["targets"]:
            found.setdefault(f"{boxes.get(target) or 'page'} {event} {len(each['inputs'])}", each["id"])
    return found
