"""The widget's script, page and files as they are served: their size, their policy, and what they say."""

import gzip
import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.builtin_text import nothing_fits
from tests.security.hostile import CORPUS
from tests.serving import Serving
from tests.serving import serving as serve
from ui.answer_blocks import Reading, answer_blocks
from ui.widget import FOLDER
from ui.words import words

LOADER_BYTES = 5 * 1024
"""Before the bubble is opened, compressed."""
PAGE_BYTES = 30 * 1024
"""HTML, CSS and module together, compressed."""
HOSTILE = "".join(each.text for each in CORPUS if each.kind in ("script", "attribute breakout", "unclosed", "template"))
WRITTEN = HOSTILE.replace("$", "$$")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("widget")
    (folder / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    surfaces: dict[str, Any] = {
        "portal": {
            "title": {"en": "Portal <&>", "de": "Portal „de“"}, "accent": "#0a7d5c", "logo": str(folder / "logo.svg"),
            "origins": ["https://portal.example.com", "https://*.example.org"], "disclaimer": "Small print",
        },
        "hostile": {
            **{name: WRITTEN for name in ("title", "greeting", "placeholder", "disclaimer", "contact")},
            "suggestions": [WRITTEN],
        },
        "deutsch": {"language": "de", "anonymous": True, "token": {"secret": "x" * 32}},
    }  # fmt: skip
    with serve(folder, collections={}, access={"mode": "required"}, surfaces=surfaces) as running:
        yield running


def get(server: Serving, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.url}{path}", headers=headers)


def boot(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'<script type="application/json" id="boot">(.*?)</script>', page, re.DOTALL)
    read: dict[str, Any] = json.loads(found)
    return read


def files(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="(\.\./[^"]+)"', page)


def test_bytes_before_and_after_it_is_opened(server: Serving) -> None:
    with httpx.stream("GET", f"{server.url}/widget.js", headers={"Accept-Encoding": "gzip"}) as answer:
        loader = b"".join(answer.iter_raw())
    assert len(loader) <= LOADER_BYTES
    assert gzip.decompress(loader) == (FOLDER / "widget.js").read_bytes()
    total = 0
    paths = ["/widget/portal", *(f"/widget/{each}" for each in files(get(server, "/widget/portal").text))]
    assert sum("switchyard/widget/" in each for each in paths) == 2
    for path in paths:
        if "/look/" in path or "favicon" in path:
            continue
        with httpx.stream("GET", f"{server.url}{path}", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            total += len(b"".join(answer.iter_raw()))
    assert total <= PAGE_BYTES


def test_the_script_may_be_loaded_by_any_site_and_is_kept_a_while(server: Serving) -> None:
    answer = get(server, "/widget.js", Origin="https://anywhere.example")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "set-cookie" not in answer.headers
    again = get(server, "/widget.js", **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = get(server, "/widget.js", **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.text == answer.text


def test_the_page_of_a_surface_and_nothing_else_may_be_framed_by_its_sites(server: Serving) -> None:
    framed = {
        "/widget/portal": "'self' https://portal.example.com https://*.example.org",
        "/widget/portal/": "'self'",
        "/widget/portal/full": "'self'",
        "/widget/deutsch": "'self'",
        "/widget/none": "'self'",
        "/widget/portal/x": "'self'",
    }
    for path, ancestors in framed.items():
        answer = get(server, path)
        policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
        assert policy["frame-ancestors"] == ancestors, path
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
        assert (answer.status_code == 404) == (path not in ("/widget/portal", "/widget/portal/full", "/widget/deutsch"))
    assert "x-frame-options" not in get(server, "/widget/portal").headers


def test_its_files_are_kept_for_ever_under_the_name_of_their_version(server: Serving) -> None:
    page = get(server, "/widget/portal").text
    style, module = (next(each for each in files(page) if each.endswith(end)) for end in (".css", ".js"))
    for each in (style, module):
        answer = get(server, f"/widget/{each}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        older = get(server, f"/widget/{re.sub('widget/[0-9a-f]+/', 'widget/0123/', each)}")
        assert (older.headers["cache-control"], older.text) == ("no-cache", answer.text)
    version = re.findall(r"widget/([0-9a-f]+)/", style)[0]
    for name in ("page.html", "nothing.js", "..%2f..%2fapi.py", "%2e%2e/answer.css", "page.css%00"):
        assert get(server, f"/switchyard/widget/{version}/{name}").status_code in (400, 404), name
    assert "import " not in re.sub(r"//.*", "", get(server, f"/widget/{module}").text)


def test_all_addresses_are_relative(server: Serving) -> None:
    for path, root in (("/widget/portal", "../"), ("/widget/portal/full", "../../")):
        page = get(server, path).text
        assert re.findall(r'(?:href|src)="(?!#|\.\./)([^"]*)"', page) == []
        told = boot(page)
        assert (told["root"], told["full"]) == (root, path.endswith("full"))
        assert told["logo"] == f"{root}look/portal/logo"
        for each in files(page):
            assert get(server, str(httpx.URL(f"{server.url}{path}").join(each).raw_path, "ascii")).status_code == 200


def test_what_it_starts_with(server: Serving) -> None:
    told = boot(get(server, "/widget/portal", **{"Accept-Language": "de-AT,de"}).text)
    assert (told["surface"], told["language"], told["title"]) == ("portal", "de", "Portal „de“")
    assert told["origins"] == ["https://portal.example.com", "https://*.example.org"]
    assert (told["guests"], told["tokens"]) == (False, False)
    assert (
        told["words"]["send"] == "Senden"
        and told["greeting_html"] == '<div dir="auto"><p>Hallo! Was möchten Sie wissen?</p></div>'
    )
    english = boot(get(server, "/widget/portal?lang=en", **{"Accept-Language": "de"}).text)
    assert (english["language"], english["title"]) == ("en", "Portal <&>")
    deutsch = boot(get(server, "/widget/deutsch?lang=en").text)
    assert (deutsch["language"], deutsch["guests"], deutsch["tokens"]) == ("de", True, True)
    assert "x" * 32 not in json.dumps(deutsch)


def test_a_line_without_a_value_is_left_out(server: Serving) -> None:
    assert "Small print" in get(server, "/widget/portal").text and 'id="logo"' in get(server, "/widget/portal").text
    plain = get(server, "/widget/deutsch").text
    assert 'id="disclaimer"' not in plain and 'id="logo"' not in plain and "colours.css" not in plain


class Elements(HTMLParser):
    """All elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def test_no_text_of_the_settings_gets_out_of_its_place(server: Serving) -> None:
    page = get(server, "/widget/hostile").text
    assert boot(page)["title"] == HOSTILE and html.escape(HOSTILE[:200]) in page
    elements = Elements()
    elements.feed(page.replace("\u2028", " "))
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 2 and not {"img", "iframe", "form", "style"} & set(tags) - {"form"}
    assert tags.count("form") == 1
    assert not [name for _, names in elements.found for name in names if name.startswith("on") or name == "style"]


def test_every_text_of_the_page_is_used() -> None:
    texts = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("page.html", "page.js"))
    mine = [key.partition(".")[2] for key in words("en") if key.startswith("widget.")]
    assert [key for key in mine if not re.search(rf'"{key}"|words\.{key}\b|words\.widget\.{key}\b', texts)] == []
    asked = set(re.findall(r'word\("(\w+)"', texts)) | set(re.findall(r"words\.widget\.(\w+)", texts))
    assert asked <= set(mine)


def test_readers_of_a_site_are_not_told_what_its_operators_may_do() -> None:
    shown = "".join(answer_blocks(nothing_fits("please shorten this"), Reading("turn")))
    assert "without a language model" in shown and "assistant.yaml" not in shown and "Whoever" not in shown
    shown = "".join(answer_blocks(nothing_fits("das ist zu viel"), Reading("turn")))
    assert "Ohne Sprachmodell" in shown and "assistant.yaml" not in shown


def test_what_was_recorded_with_a_figure_below_nought_is_said_in_german_too() -> None:
    assert words("de").say("the closest passage is only -2% alike") == "die nächste Stelle gleicht nur zu -2 %"


def test_what_is_in_the_folder_is_served(server: Serving) -> None:
    assert {each.name for each in Path(FOLDER).iterdir()} == {"widget.js", "page.html", "page.css", "page.js"}
