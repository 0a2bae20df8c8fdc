"""Sign-ins on a real database."""

from datetime import timedelta

from sqlalchemy import func, select, text

from assistant.access.sign_in import GRACE, SignIns, role_of
from assistant.records.models import now
from assistant.records.repository import Repository
from assistant.records.sign_ins import SignedIn, SignInRow, SignInRows
from assistant.settings import Settings


def settings(issuer: str = "https://login.example.com", **roles: list[str]) -> Settings:
    return Settings(access={"sign_in": {"issuer": issuer, "client_id": "switchyard"}, "roles": roles})


async def rows(database: Repository) -> int:
    async with database.session() as session:
        return (await session.execute(select(func.count()).select_from(SignInRow))).scalar_one()


async def test_a_sign_in_is_found_by_its_cookie_until_it_ends(database: Repository) -> None:
    sessions = SignIns(database, lambda: settings(admin=["boss"]))
    claims = {"sub": "a" * 200, "name": "  Ada\n Lovelace ", "groups": ["staff", "boss"]}
    cookie = await sessions.begin(claims)
    for reader in (sessions, SignIns(database, lambda: settings(admin=["boss"]))):
        found = await reader.of(cookie)
        assert found is not None and found.via == "sign_in" and found.role == "admin"
        assert found.name == "Ada Lovelace" and found.groups == {"staff", "boss"} and len(found.person) <= 255
    await sessions.end(cookie)
    assert await sessions.of(cookie) is None and await rows(database) == 0
    await sessions.end(cookie)


async def test_no_cookie_stands_in_the_records(database: Repository) -> None:
    sessions = SignIns(database, settings)
    cookie = await sessions.begin({"sub": "ada"})
    async with database.session() as session:
        kept = (await session.execute(text("SELECT * FROM sign_ins"))).all()
    assert cookie not in str(kept) and len(kept) == 1


async def test_the_same_subject_of_another_issuer_is_somebody_else(database: Repository) -> None:
    people = set()
    for issuer in ("https://login.example.com", "https://login.example.org", "https://login.example.com/other"):
        sessions = SignIns(database, lambda issuer=issuer: settings(issuer))
        found = await sessions.of(await sessions.begin({"sub": "ada"}))
        assert found is not None
        people.add(found.person)
    assert len(people) == 3


async def test_very_long_subjects_stay_apart(database: Repository) -> None:
    sessions, people = SignIns(database, settings), set()
    for sub in ("x" * 200, "x" * 201, "x" * 202, "x" * 5000):
        found = await sessions.of(await sessions.begin({"sub": sub}))
        assert found is not None and len(found.person) <= 255
        people.add(found.person)
    assert len(people) == 4


async def test_what_has_expired_goes_with_the_next_sign_in(database: Repository) -> None:
    kept, past = SignInRows(database), now() - timedelta(hours=1)
    await kept.add("0" * 64, SignedIn("sign_in:x", "", frozenset(), past, past))
    found = await kept.find("0" * 64)
    assert found is not None and found.expires_at == past
    await SignIns(database, settings).begin({"sub": "ada"})
    assert await kept.find("0" * 64) is None and await rows(database) == 1


async def test_one_takes_the_place_of_another_persons_at_once(database: Repository) -> None:
    sessions = SignIns(database, settings)
    first = await sessions.begin({"sub": "ada"})
    assert await sessions.of(first) is not None
    second = await sessions.begin({"sub": "bob"}, in_place_of=first)
    assert await sessions.of(first) is None and await sessions.of(second) is not None and await rows(database) == 1


async def test_one_that_is_renewed_ends_a_minute_later_and_never_later_than_it_would_have(database: Repository) -> None:
    """Three tabs that a browser opens at once sign in three times; each goes on loading with the session it began."""
    sessions = SignIns(database, settings)
    first = await sessions.begin({"sub": "ada"})
    for _ in range(2):
        assert await sessions.begin({"sub": "ada"}, in_place_of=first) != first
        found = await sessions.of(first)
        assert found is not None and found.expires is not None
        assert 50 < found.expires - now().timestamp() <= GRACE.total_seconds()
    kept, soon = SignInRows(database), now() + timedelta(seconds=5)
    gone = SignedIn("sign_in:x", "", frozenset(), now(), soon)
    await kept.add("0" * 64, gone)
    await kept.add("1" * 64, gone, "0" * 64, now() + GRACE)
    assert (found_again := await kept.find("0" * 64)) is not None and found_again.expires_at == soon


def test_the_highest_role_counts() -> None:
    access = settings(editor=["e"], admin=["a"]).access
    assert [role_of(access, each) for each in ([], ["x"], ["e"], ["a"], ["e", "a"])] == [
        "user", "user", "editor", "admin", "admin",
    ]  # fmt: skip
