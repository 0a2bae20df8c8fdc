"""Who may see and do what by the native API: everybody what is theirs, and nobody what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ui.people import LONDON, SECRET, People, code

PAY = "What is the salary of the chief executive?"
EVERYBODY = ("nobody", "user", "other", "hr", "held", "shop", "editor", "demo editor", "admin", "machine")


def names(people: People, who: str, **params: Any) -> set[str]:
    return {each["name"] for each in people.get(who, "collections", **params)["collections"]}


def test_everybody_sees_the_collections_that_they_may_search(people: People) -> None:
    found = {who: names(people, who) for who in EVERYBODY}
    assert {who for who in EVERYBODY if "pay" in found[who]} == {"hr", "editor", "admin", "machine"}
    assert all("demo" in each for each in found.values())
    assert names(people, "hr", surface="shop") == {"demo"}
    (plain,) = people.get("user", "collections")["collections"]
    assert plain == {"name": "demo", "title": "Handbook"}
    full = people.get("editor", "collections")
    assert [set(each) for each in full["collections"]] == [{"name", "title", "passages", "readers"}] * 2
    assert full["indexes"][0]["use"] == "live"
    assert code(people("shop", "GET", "collections", params={"surface": "portal"})) == (404, "unknown_surface")


def test_lists_come_in_parts_that_join_to_the_whole(people: People) -> None:
    whole = people.get("user", "collections/demo/documents", limit=200)
    assert len(whole["documents"]) == 12 and whole["next"] is None
    parts, cursor = [], None
    while True:
        part = people.get("user", "collections/demo/documents", limit=5, **({"cursor": cursor} if cursor else {}))
        parts += part["documents"]
        assert len(part["documents"]) <= 5
        if (cursor := part["next"]) is None:
            break
    assert parts == whole["documents"]
    for path in ("collections", "collections/demo/documents", "sources", "corrections", "models", "conversations"):
        assert code(people("admin", "GET", path, params={"limit": 0})) == (422, "invalid_request")
        assert code(people("admin", "GET", path, params={"limit": 201})) == (422, "invalid_request")
        assert code(people("admin", "GET", path, params={"cursor": "nonsense"})) == (422, "invalid_request"), path


def test_commands_read_lists_whole(people: People) -> None:
    import asyncio

    from assistant.cli import remote

    running = remote.Running(people.server.url, people.keys["machine"])
    whole = people.get("machine", "collections")
    remote.MOST, before = 1, remote.MOST
    try:
        assert asyncio.run(running.call("GET", "/api/v1/collections")) == {
            name: value for name, value in whole.items() if name != "next"
        }
    finally:
        remote.MOST = before


def test_a_document_is_read_by_those_who_may_and_is_none_for_others(people: People) -> None:
    (row,) = people.get("hr", "collections/pay/documents")["documents"]
    assert SECRET in people.get("hr", "documents", collection="pay", document=row["document"])["text"]
    away = {"collection": "pay", "document": row["document"]}
    nowhere = {"collection": "nowhere", "document": "nothing"}
    said = {people(who, "GET", "documents", params=away).text for who in ("nobody", "user", "held", "shop")}
    said |= {people(who, "GET", "documents", params=nowhere).text for who in ("nobody", "hr", "admin")}
    for name in ("../pay/pay.md", "/etc/passwd", "..\\..\\x", "demo:../../x", "\x00", "%2e%2e/"):
        said.add(people("hr", "GET", "documents", params={"collection": "demo", "document": name}).text)
    assert len(said) == 1 and json.loads(said.pop())["error"]["code"] == "unknown_document"
    lists = [people(who, "GET", "collections/pay/documents") for who in ("nobody", "user", "held", "shop")]
    lists.append(people("hr", "GET", "collections/nowhere/documents"))
    assert {(each.status_code, each.text) for each in lists} == {(404, lists[0].text)}


def test_a_search_finds_what_a_turn_would_and_no_more(people: People) -> None:
    found = people("user", "POST", "search", json={"query": LONDON}).json()
    assert any("£165" in each["text"] for each in found["passages"]) and found["searched"] == ["demo"]
    assert len(people("user", "POST", "search", json={"query": LONDON, "limit": 1}).json()["passages"]) == 1
    assert SECRET in people("hr", "POST", "search", json={"query": PAY}).text
    for who in ("nobody", "user", "held", "shop", "editor", "admin", "machine"):
        assert "417,211" not in people(who, "POST", "search", json={"query": PAY}).text, who
    body = {"query": PAY, "collection": "pay"}
    there, missing = (
        people("user", "POST", "search", json={**body, "collection": name}).text.replace(name, "X")
        for name in ("pay", "nowhere")
    )
    assert there == missing and code(people("user", "POST", "search", json=body)) == (404, "unknown_collection")
    assert SECRET in people("machine", "POST", "search", json={**body, "groups": ["hr"]}).text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat", {"message": PAY}),
        ("search", {"query": PAY}),
        ("turns/x/again", {}),
        ("turns/x/edit", {"message": PAY}),
        ("turns/x/correction", {"verdict": "look_up"}),
    ],
)
def test_only_commands_of_this_machine_name_groups(people: People, path: str, body: dict[str, Any]) -> None:
    body = {**body, "groups": ["hr"]}
    assert code(people("nobody", "POST", path, json=body)) == (401, "sign_in")
    for who in ("user", "editor", "admin"):
        assert code(people(who, "POST", path, json=body)) == (403, "forbidden")


ROLES = [
    ("GET", "sources", "editor"),
    ("POST", "sources/sync", "editor"),
    ("POST", "sources/remove", "editor"),
    ("POST", "ingest", "editor"),
    ("GET", "corrections", "editor"),
    ("DELETE", "collections/nowhere", "admin"),
    ("POST", "collections/rebuild", "admin"),
    ("POST", "collections/rollback", "admin"),
]


@pytest.mark.parametrize(("method", "path", "role"), ROLES)
def test_what_changes_or_shows_things_needs_a_role(people: People, method: str, path: str, role: str) -> None:
    body = {"collection": "nowhere", "source": ["x"], "paths": ["/etc/passwd"]}
    given = {"json": body} if method == "POST" else {}
    assert code(people("nobody", method, path, **given)) == (401, "sign_in")
    below = ("user", "hr") if role == "editor" else ("user", "editor")
    for who in below:
        assert code(people(who, method, path, **given)) == (403, "forbidden")


def test_editors_are_held_to_their_collections_and_to_the_web(people: People) -> None:
    assert {each["collection"] for each in people.get("editor", "sources")["sources"]} == {"demo", "pay"}
    assert {each["collection"] for each in people.get("demo editor", "sources")["sources"]} == {"demo"}
    for path, body in (
        ("sources/sync", {"collection": "pay"}),
        ("sources/sync", {"collections": ["demo", "pay"]}),
        ("sources/remove", {"collection": "pay", "source": ["pay"]}),
        ("ingest", {"collection": "pay", "paths": ["https://wiki.example/x"]}),
    ):
        assert code(people("demo editor", "POST", path, json=body)) == (404, "unknown_collection")
    text = people("demo editor", "POST", "sources/sync", json={}).text
    assert '"collection": "pay"' not in text and '"collection": "demo"' in text
    for address in (
        "/etc/passwd", "pay", "file:///etc/passwd", "http://127.0.0.1/x", "http://[::1]/x", "http://169.254.169.254/",
        "http://localhost:7860/metrics", "http://10.0.0.1/", "http://0x7f000001/", "https://user@127.0.0.1/", "ftp://x/",
        "http://", "http://\ud800.example".encode("utf-8", "replace").decode(), "http://[::ffff:127.0.0.1]/", "demo:",
    ):  # fmt: skip
        body = {"collection": "fetched", "paths": ["https://93.184.215.14/", address]}
        for who in ("editor", "admin"):
            assert code(people(who, "POST", "ingest", json=body)) == (403, "forbidden"), address
    assert "fetched" not in names(people, "admin")


def test_people_read_who_they_are(people: People) -> None:
    nobody, held = people.get("nobody", "me"), people.get("held", "me")
    assert (nobody["person"], nobody["via"], nobody["role"], nobody["groups"]) == ("api", "nobody", "user", [])
    assert (held["name"], held["via"], held["groups"]) == ("held", "key", ["hr"])
    assert {each["name"]: each["collections"] for each in held["surfaces"]} == {"portal": ["demo"], "shop": ["demo"]}
    assert [each["name"] for each in people.get("shop", "me")["surfaces"]] == ["shop"]
    assert nobody["limits"]["attachment_megabytes"] == 1


def test_models_and_router_tell_more_to_admins(people: People) -> None:
    plain, full = people.get("user", "models")["models"], people.get("admin", "models")["models"]
    assert {"builtin", "slow"} <= {each["name"] for each in plain}
    assert {key for each in plain for key in each} == {"name", "roles"}
    assert {each["name"]: each["health"]["state"] for each in full}["slow"] in ("ok", "unclear")
    router = people.get("user", "router")
    assert router["threshold"] == pytest.approx(0.2) and "versions" not in router
    assert people.get("admin", "router")["versions"][0]["shipped"] is True


def test_a_person_keeps_and_deletes_all_that_is_theirs_and_nothing_else(people: People) -> None:
    mine = [people.chat("other", route="retrieve")[0] for _ in range(3)]
    theirs = people.chat("user", route="retrieve")[0]
    people("other", "PUT", f"turns/{mine[0]['turn']}/feedback", json={"thumb": "up", "comment": "fine"})
    whole = people.get("other", "me/export")
    found = {each["id"]: each for each in whole["conversations"]}
    assert found.keys() == {each["conversation"] for each in mine}
    assert found[mine[0]["conversation"]]["turns"][0]["feedback"]["comment"] == "fine"
    assert people("other", "DELETE", "me/conversations").json() == {"deleted": 3}
    assert people.get("other", "me/export")["conversations"] == []
    assert people.get("user", f"conversations/{theirs['conversation']}")["id"] == theirs["conversation"]


def test_somebody_held_to_a_surface_is_not_let_into_what_was_said_on_another(people: People) -> None:
    """Where a key is held to a surface after it has been used on others."""
    import sqlite3

    asked = people.chat("hr", route="retrieve")[0]
    person = people.get("shop", "me")["person"]
    with sqlite3.connect(people.server.folder / "data" / "records.db", timeout=20) as records:
        records.execute("update conversations set person = ? where id = ?", (person, asked["conversation"]))
    conversation, turn = asked["conversation"], asked["turn"]
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"conversations/{conversation}", None),
        ("GET", f"conversations/{conversation}/export", None),
        ("GET", f"conversations/{conversation}/attachments", None),
        ("PATCH", f"conversations/{conversation}", {"title": "x"}),
        ("DELETE", f"conversations/{conversation}", None),
        ("POST", f"turns/{turn}/again", {}),
        ("POST", f"turns/{turn}/edit", {"message": "x"}),
        ("POST", f"turns/{turn}/show", {}),
        ("PUT", f"turns/{turn}/feedback", {"thumb": "up"}),
        ("POST", f"turns/{turn}/correction", {"verdict": "look_up"}),
        ("DELETE", f"turns/{turn}/correction", None),
    ]
    for method, path, body in calls:
        given = {} if body is None else {"json": body}
        assert people("shop", method, path, **given).status_code == 404, path
    assert people.get("shop", "conversations")["conversations"] == []
    assert people.get("shop", "me/export")["conversations"] == []
