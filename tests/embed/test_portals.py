"""The portals of docs/embed: each mints a token for whoever is signed in there, and the assistant goes by it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from playwright.async_api import expect

from tests.embed.running import EXAMPLES, portal
from tests.serving import Serving, free_port, serving, wait_until_read
from tests.ui.test_chat_page import pytestmark as needs_chromium
from tests.ui.widget_host import BONUS, Widget, browsing

SECRET = "what the portal and the assistant share"
COMMANDS = {"fastapi": ["uvicorn", "portal_fastapi:app"], "flask": ["flask", "--app", "portal_flask", "run"]}


@dataclass(frozen=True, slots=True)
class Embedded:
    """A portal with the assistant ``server`` in it."""

    url: str
    server: Serving

    @contextmanager
    def signed_in(self, who: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, follow_redirects=True) as client:
            assert client.get(f"/sign-in/{who}").status_code == 200
            yield client


def key_pair() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module", params=list(COMMANDS))
def embedded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "finance").mkdir()
    (folder / "finance" / "bonus.md").write_text("# Harvest team\n\nThe bonus of the harvest team is 4,711 euros.\n")
    port, (private, public) = free_port(), key_pair()
    (folder / "portal.pem").write_text(public)
    token = {"secret": SECRET} if request.param == "fastapi" else {"public_key": "${file:portal.pem}"}
    surface = {"token": token, "origins": [f"http://localhost:{port}"]}
    collection = {"sources": [str(folder / "finance")], "readers": ["finance"]}
    with serving(
        folder, access={"mode": "required"}, surfaces={"portal": surface}, collections={"finance": collection}
    ) as server:
        wait_until_read(server)
        known = {"ASSISTANT": server.url, "PORTAL_SECRET": SECRET, "PORTAL_KEY": private, "SESSION_SECRET": "s" * 32}
        with portal(COMMANDS[request.param], folder, port, **known) as url:
            yield Embedded(url, server)


def found(embedded: Embedded, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Origin": embedded.url}
    body = {"message": BONUS, "surface": "portal"}
    return httpx.post(f"{embedded.server.url}/api/v1/chat", json=body, headers=headers, timeout=30)


def test_the_token_says_who_is_signed_in_there(embedded: Embedded) -> None:
    with embedded.signed_in("ada") as client:
        answer = client.get("/token")
        assert answer.headers["cache-control"] == "no-store"
        assert "4,711" in found(embedded, answer.json()["token"]).text
        page = client.get("/")
        assert "Ada" in page.text and embedded.server.url in page.headers["content-security-policy"]
    with embedded.signed_in("max") as client:
        answer = found(embedded, client.get("/token").json()["token"])
        assert answer.status_code == 200 and "4,711" not in answer.text


def test_nobody_gets_no_token(embedded: Embedded) -> None:
    with embedded.signed_in("stranger") as client:
        assert client.get("/token").status_code == 401
    assert httpx.get(f"{embedded.url}/token").status_code == 401
    assert found(embedded, "x.y.z").status_code == 401


@needs_chromium
async def test_the_widget_works_in_the_portal(embedded: Embedded) -> None:
    async with browsing() as context:
        page = await context.new_page()
        await page.goto(f"{embedded.url}/sign-in/ada")
        language = await page.locator("html").get_attribute("lang")
        name = {"en": "Ask the assistant", "de": "Den Assistenten fragen"}[language or "en"]
        await page.get_by_role("button", name=name).click()
        widget = Widget(page)
        await expect(widget.box).to_be_visible(timeout=15_000)
        await widget.ask(BONUS)
        await expect(widget.answer).to_contain_text("4,711")


@pytest.mark.parametrize("example", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_an_example_is_short(example: Path) -> None:
    if example.is_file():
        lines = example.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 40 and max(map(len, lines)) <= 120
        assert not re.search(r"secret\w* = \"", "\n".join(lines), re.IGNORECASE)
