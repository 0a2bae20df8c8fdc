"""Cleaning Markdown sources: what people wrote stays, what only a site generator understands goes."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path

import pytest

from assistant.knowledge import markdown
from assistant.knowledge.readers import read

CLEANED = {
    "pair keeps its text and its title": (
        '{% alert "Heads up!", "warning", "slim" %}\n  Mind the gap.\n{% endalert %}',
        "**Heads up!**\n\n  Mind the gap.",
    ),
    "accordion": ("{% accordion 'How to apply' %}Fill in.{% endaccordion %}", "**How to apply**\n\nFill in."),
    "logic goes, its content stays": ('{% if x == "a b c" %}yes{% else %}no{% endif %}', "yesno"),
    "keyword arguments": ('{% include figure.html src="a/b c.png" caption="Our office" %}', "Our office"),
    "comments": ("a{% comment %}TODO link{% endcomment %}b{# note #}c<!-- hidden\n -->d", "abcd"),
    "channel": (
        'Ask {% slack_channel "people-ops" %} or {% slack_channel "x" "the X team" %}.',
        "Ask #people-ops or the X team (#x).",
    ),
    "image tag": ('{% image "_img/a b.png" "auto-fill of Per Diem" %}', "auto-fill of Per Diem"),
    "link to a page": ('See [the\nguide]({% page\n  "/travel/#faq" %}).', "See the guide."),
    "link by expression": (
        '[a]({{ "/path/" | url }}) [b]({{base.url}}/x) [c]({% link "https://x.org/y" %})',
        "a b [c](https://x.org/y)",
    ),
    "Hugo": (
        '{{% notice tip "Good to know" %}}Text{{% /notice %}} {{< ref "page.md" >}}',
        "**Good to know**\n\nText",
    ),
    "expressions": ("Hello {{ site.title }}, {{ 'Dear Sir' | upcase }}", "Hello , Dear Sir"),
    "fenced code keeps tags": (
        "```\n{% raw %}{% alert %}{% endraw %}\n{{ x }}\n```",
        "```\n{% alert %}\n{{ x }}\n```",
    ),
    "inline code shows tags": (
        '`{{ "{%include%}" }}` `{% raw %}{% page "x" %}{% endraw %}` `{"a": {"b": 1}}`',
        '`include` `page "x"` `{"a": {"b": 1}}`',
    ),
    "links": (
        "[t](#anchor) [u](../b.md) [v](https://e.org/a_(b)) <https://f.org>",
        "t u [v](https://e.org/a_(b)) <https://f.org>",
    ),
    "mail addresses": ("[x@y.z](mailto:x@y.z) [N](mailto:n@y.z)", "x@y.z [N](mailto:n@y.z)"),
    "sign-on requests": (f"[a](https://e.org/x?q={'y' * 400})", "[a](https://e.org/x)"),
    "reference links": (
        '[a][1], [b], [c][]: and [d]\n\n[1]: https://e.org "T"\n[b]:\n  /local\n[c]: <https://c.org>',
        "[a](https://e.org), b, [c](https://c.org): and [d]",
    ),
    "footnotes stay": ("Text[^1].\n\n[^1]:\n    The note.", "Text[^1].\n\n[^1]:\n    The note."),
    "images": ("![A *map*](m.png) [![logo](l.png)](https://e.org)", "A *map* [logo](https://e.org)"),
    "attributes": (
        '## Title {#title-id}\n\nText\n{:.note}\n\n[a](https://b.org){:target="_blank"}\n\nKeep {this}.',
        "## Title\n\nText\n\n[a](https://b.org)\n\nKeep {this}.",
    ),
    "HTML": (
        '<div class="x"><h3 id="a"><button\n type="button">Step 1</button></h3>\n<p>One<br/>two &amp; '
        '<strong>three</strong> <a href="https://e.org">four</a></p></div>',
        "### Step 1\n\nOne\ntwo & **three** [four](https://e.org)",
    ),
    "details": ("<details markdown=1><summary> More </summary>\n\n- item\n</details>", "**More**\n\n- item"),
    "names in angle brackets": ("<app-name> to <your branch>, x < y", "<app-name> to <your branch>, x < y"),
    "scripts": ("a<script>let x = '<p>';</script>b<style>p {}</style>", "ab"),
    "HTML table": (
        "<table><tr><td><b>Where</b></td><td>Main St.<br>NY</td></tr><tr><td>Who</td><td>"
        '<a href="mailto:a@b.c">Ann</a></td></tr></table>',
        "| **Where** | Main St. NY |\n| --- | --- |\n| Who | [Ann](mailto:a@b.c) |",
    ),
    "table padding": (
        "| a    | b |\n|:-----|------------:|\n| 1    | `x|y` \\| z |",
        "| a | b |\n| --- | --- |\n| 1 | `x|y` \\| z |",
    ),
    "line breaks": (
        "| a<br><br>b | c |\n|---|---|\n| d | e |\n\n> One<br>Two",
        "| a b | c |\n| --- | --- |\n| d | e |\n\n> One\n> Two",
    ),
    "invisible characters": ("a\u200bb\xadc\u202ed\xa0e\x00f\U000e0041 &#8203;&shy;.", "abcd ef ."),
    "joiners that shape letters": ("\u0645\u06cc\u200c\u062e a\u200cb", "\u0645\u06cc\u200c\u062e ab"),
    "rules and blank lines": ("a\n\n---\n\n\n\n***\nb\n\nTitle\n---\n", "a\n\nb\n\nTitle\n---"),
    "escapes": ("a \\- b \\= c\\. \\*d\\* 5 \\< 6", "a - b = c. \\*d\\* 5 \\< 6"),
    "unclosed tags stay text": ("100 {% of it, {{ and <b>bold", "100 {% of it, {{ and bold"),
    "no forged marks": ("`code` \ue0000\ue001 &#xE000;0&#xE001; &#xE000;7&#xE001;.", "`code` 0 `code` ."),
}


@pytest.mark.parametrize("name", CLEANED)
def test_markdown_is_cleaned(name: str) -> None:
    source, expected = CLEANED[name]
    assert markdown.cleaned(source) == expected


def read_markdown(folder: Path, source: str, uri: str = "some-page.md") -> tuple[str, str, date | None]:
    path = folder / "page.md"
    path.write_text(source)
    os.utime(path, (0, datetime(2000, 1, 2, 12).timestamp()))
    document = read(path, uri)
    return document.title, document.text, document.modified


def test_front_matter_gives_title_date_and_what_it_says_to_people(tmp_path: Path) -> None:
    source = """---
title: "Leave &amp; <em>time off</em>"
subtitle: "Travel guide:"
description: All about leave.
keywords: [vacation, sick]
last-reviewed: 5 August 2021
date: 2019-01-01
outdated: true
questions:
  - people-ops
  - text: HR
    url: https://hr.org
redirect_from: /old
---
# Heading

Body.
"""
    assert read_markdown(tmp_path, source) == (
        "Travel guide: Leave & time off",
        "All about leave.\n\nThis page is marked as outdated.\n\nKeywords: vacation, sick\n\n"
        "Contact: people-ops, HR https://hr.org\n\n# Heading\n\nBody.",
        date(2021, 8, 5),
    )


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("---\ntitle: Broken: yaml: [\nother: x\n---\n", "Broken: yaml: ["),
        ("+++\ntitle = 'From Hugo'\ndate = 2020-05-06\n+++\n", "From Hugo"),
        ("---js\n{ title: 'x' }\n---\n", "Main"),
        ('---json\n{"title": "Json"}\n---\n', "Json"),
        ("---\n---\n", "Main"),
        ("---\ntitle: {{ page.x }}\n---\n", "Main"),
        ("---\ntitle: Untitled document\n---\n", "Main"),
        ("", "Main"),
    ],
)
def test_any_front_matter_leaves_the_page_readable(tmp_path: Path, head: str, title: str) -> None:
    assert read_markdown(tmp_path, f"{head}# Main\n\nBody.")[:2] == (title, "# Main\n\nBody.")


def test_front_matter_made_to_harm_is_harmless(tmp_path: Path) -> None:
    lists = "\n".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12))
    unfolds = f"a0: &a0 [x]\n{lists}\ntitle: *a11\nkeywords: *a11"
    for fields in (unfolds, "a: " + "[" * 50_000, "a: " + "{a: " * 50_000, "- " * 50_000):
        assert read_markdown(tmp_path, f"---\n{fields}\n---\nBody.")[1].endswith("Body.")


def test_a_text_that_starts_with_a_rule_loses_nothing(tmp_path: Path) -> None:
    assert "Not fields." in read_markdown(tmp_path, "---\nNot fields.\n\n---\nBody.")[1]


@pytest.mark.parametrize(
    ("uri", "title"),
    [
        ("a/leave-and_travel.md", "Leave and travel"),
        ("hr/benefits/index.md", "Benefits"),
        ("https://x.org/a%20b/Über-uns.md?x=1", "Über uns"),
        ("a/2024 - plan.md", "2024 - plan"),
        ("README.md", "README"),
    ],
)
def test_the_file_name_is_the_last_resort_for_a_title(tmp_path: Path, uri: str, title: str) -> None:
    assert read_markdown(tmp_path, "## No level one\n\ntext", uri)[0] == title


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2021-08-05T10:11:12Z", date(2021, 8, 5)),
        ("August 5th, 2021", date(2021, 8, 5)),
        ("Aug 5, 2021 at 10:30", date(2021, 8, 5)),
        ("05.08.2021", date(2021, 8, 5)),
        ("08/05/2021", date(2021, 8, 5)),
        ("25/12/2021", date(2021, 12, 25)),
        ("Thu, 05 Aug 2021 10:00:00 GMT", date(2021, 8, 5)),
        ("0001-01-01", None),
        ("soon", None),
    ],
)
def test_dates_in_front_matter_or_of_the_file(tmp_path: Path, value: str, expected: date | None) -> None:
    assert read_markdown(tmp_path, f"---\nupdated: {value}\n---\ntext")[2] == (expected or date(2000, 1, 2))


def test_a_page_that_moved_says_where_to(tmp_path: Path) -> None:
    source = "---\ntitle: VPN\nredirect_to: https://x.org\n---\n"
    assert read_markdown(tmp_path, source)[:2] == ("VPN", "This page has moved: https://x.org")
