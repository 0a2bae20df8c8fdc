"""How a surface looks: its texts by language, its logo, and an accent that can be read whatever was chosen."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from assistant.config_file import load
from assistant.settings import Settings
from ui.colours import DARK, LIGHT, READABLE, WHITE, contrast, readable, surface_css
from ui.look import LARGEST_LOGO, add_look_routes, look

FILE = """
surfaces:
  portal:
    title: {en: Our assistant, de: Unser Assistent}
    disclaimer: {de: Ohne Gewähr}
    suggestions: {en: [a, b], de: [c]}
    logo: brand/logo.svg
    accent: "#FD0"
limits: {attachment_megabytes: 5}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "assistant.yaml").write_text(FILE, encoding="utf-8")
    return load(tmp_path / "assistant.yaml", environ={}).settings


def test_a_look_speaks_the_language_and_falls_back_to_what_there_is(settings: Settings) -> None:
    en, de = look(settings, "portal", "en"), look(settings, "portal", "de")
    assert (en.title, de.title) == ("Our assistant", "Unser Assistent")
    assert (en.disclaimer, de.disclaimer) == ("Ohne Gewähr", "Ohne Gewähr")
    assert (en.suggestions, de.suggestions) == (("a", "b"), ("c",))
    assert (en.greeting, de.placeholder) == ("Hello! What would you like to know?", "Stellen Sie eine Frage")
    assert (en.attachment, en.language, en.contact) == (5, "en", None)
    plain = look(Settings(), "portal", "de")
    assert (plain.title, plain.disclaimer, plain.logo, plain.attachment) == ("Switchyard", None, None, 20)


async def get(settings: Settings, path: str) -> httpx.Response:
    app = FastAPI()
    add_look_routes(app, lambda: settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path)


async def test_the_logo_is_served_as_an_image_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    address = f"/{look(settings, 'portal', 'en').logo}"
    assert (await get(settings, address)).status_code == 404
    file = tmp_path / "brand" / "logo.svg"
    file.parent.mkdir()
    file.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    found = await get(settings, address)
    assert (found.status_code, found.headers["content-type"]) == (200, "image/svg+xml") and "svg" in found.text
    file.write_bytes(b"x" * (LARGEST_LOGO + 1))
    assert (await get(settings, address)).status_code == 404
    assert (await get(settings, "/look/shop/logo")).status_code == 404
    assert (await get(Settings(), address)).status_code == 404


async def test_the_colours_are_css_of_the_settings_in_force(settings: Settings) -> None:
    found = await get(settings, f"/{look(settings, 'portal', 'en').colours}")
    assert found.headers["content-type"].startswith("text/css") and found.text == surface_css("#ffdd00") != ""
    assert (await get(Settings(), "/look/portal/colours.css")).text == ""


COLOUR = st.tuples(*[st.integers(0, 255)] * 3).map(lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb))


def rgb(written: str) -> tuple[float, float, float]:
    red, green, blue = (int(written[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


@given(COLOUR)
def test_any_accent_can_be_read_in_both_themes(colour: str) -> None:
    blocks = surface_css(colour).strip().splitlines()
    assert len(blocks) == 2 and all(re.fullmatch(r"[^{}<]+ \{( --[\w-]+: #[0-9a-f]{6};)+ \}", each) for each in blocks)
    for block, behind in zip(blocks, (LIGHT, DARK), strict=True):
        found = {name: rgb(value) for name, value in re.findall(r"--([\w-]+): (#\w+);", block)}
        # A little below: a written colour has 256 steps.
        assert contrast(found["color-accent"], behind) >= READABLE - 0.1
        assert contrast(found["link-text-color"], found["color-accent-soft"]) >= READABLE - 0.1
        for fill in ("button-primary-background-fill", "button-primary-background-fill-hover"):
            assert contrast(found["button-primary-text-color"], found[fill]) >= 3
        assert contrast(found["button-primary-text-color"], found["button-primary-background-fill"]) >= READABLE - 0.1


def test_a_colour_that_can_be_read_stays_as_it_is() -> None:
    assert readable(rgb("#0a5c44"), LIGHT) == pytest.approx(rgb("#0a5c44"))
    assert contrast(WHITE, rgb("#000000")) == pytest.approx(21)
