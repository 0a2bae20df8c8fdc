"""What a model wrote, what a person wrote and what a document says, as HTML that shows words and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from ui.highlighting import compiled
from ui.links import nowhere
from ui.marks import START, passed, planted, underlined, unplanted

Wire = Mapping[str, Any]
RENDERED = 32_000
"""Characters of an answer that are read as Markdown; the rest is shown as it is. Rendering is linear, but it runs on
the event loop, and the worst input takes some 20 µs a character, common text 1.5."""
NESTING = 20
"""Levels of lists and quotes (a list is two), below which markdown-it would drop what is written."""
ADDRESS = 80
"""Characters that are shown of an address that is no link."""
_TASK = re.compile(rf"({START}?)\[([ xX])\]\s+")
_CITATION = re.compile(r"\[(\d{1,2})\](?!\()")
_LINKED = re.compile(r"(?:https?://|mailto:)(?!.*#cite-)", re.IGNORECASE | re.DOTALL)
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")
_PRE = re.compile(r"(<pre[ >].*?</pre>)", re.DOTALL)
_LINE = re.compile(r"\r\n|\r|\n")
_OWN_DIRECTION = frozenset(("bullet_list_open", "ordered_list_open", "blockquote_open", "table_open"))
"""What stands on the side from which its own words are read."""
_UNPRINTABLE = re.compile("[\ud800-\udfff]")


def answer(
    text: str,
    turn: str,
    numbers: set[int],
    allowed: Callable[[str], bool] = nowhere,
    marks: Sequence[Wire] = (),
    say: Callable[[str], str] = str,
) -> str:
    """The model's Markdown as one line of HTML: raw HTML is shown as text, an image as its description, a link to an
    address that is not ``allowed`` as its text and address, citations that a passage answers to lead to it, and claims
    with a mark against them are underlined; ``say`` puts their reasons into the reader's language."""
    text, shown = planted(text, marks, say)
    text = text.strip()
    if not text:
        return ""
    cut = len(text)
    if cut > RENDERED:
        cut = text.rfind("\n", RENDERED // 2, RENDERED) + 1 or RENDERED
    html = _html(_answers(), text[:cut], {"turn": turn, "numbers": numbers, "allowed": allowed, "marks": shown})
    rest = _plain(text[cut:]) if cut < len(text) else ""
    html, rest = unplanted(html), unplanted(rest)
    return literal(f'<div class="answer" dir="auto">{html}{rest}</div>')


def block(
    text: str,
    turn: str,
    numbers: set[int],
    allowed: Callable[[str], bool] = nowhere,
    marks: Sequence[Wire] = (),
    say: Callable[[str], str] = str,
) -> str:
    """One block of an answer as it stands there: as ``answer``, without anything around it, indentation kept."""
    text, shown = planted(text, marks, say)
    env = {"turn": turn, "numbers": numbers, "allowed": allowed, "marks": shown}
    return literal(unplanted(_html(_answers(), text, env)))


def plain(text: str) -> str:
    """Text that is not read as Markdown."""
    return literal(_plain(text))


def blocks_of(text: str) -> list[int]:
    """Where the blocks of an answer begin that stand next to one another, in characters. Only that is found out."""
    lines = [0, *(line.end() for line in _LINE.finditer(text))]
    tokens = _outline().parse(text)
    return [lines[token.map[0]] for token in tokens if token.level == 0 and token.map and token.nesting >= 0]


def said(text: str) -> str:
    """What a person wrote, as they wrote it, as one line of HTML."""
    lines = "<br>".join(escape(line) for line in _LINE.split(text.strip()))
    return literal(f'<div class="said" dir="auto">{lines}</div>')


@cache
def _answers() -> MarkdownIt:
    """Line breaks are kept, as in an address or below a greeting. Reference definitions are not read: ``[1]: …``
    would take the citations over, and many uses of a long one would swell the page."""
    rich = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING, "breaks": True})
    rich.enable(["table", "strikethrough"]).disable("reference")
    rich.validateLink = lambda url: True  # type: ignore[method-assign]  # _harmless decides, and keeps the label
    rich.core.ruler.after("inline", "harmless", _harmless)
    rich.add_render_rule("fence", _code)
    rich.add_render_rule("code_block", _code)
    return compiled(rich)


@cache
def _outline() -> MarkdownIt:
    """Reads blocks as ``_answers`` does, and nothing in them."""
    outline = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING}).enable("table").disable("reference")
    outline.core.ruler.enableOnly(["normalize", "block"])
    return compiled(outline)


def _code(_: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A block of code, which scrolls, below its language; the page's script puts a button for copying beside that."""
    token = tokens[index]
    kind = f' class="language-{escape(token.info)}"' if token.info else ""
    label = f'<span class="code-language">{escape(token.info)}</span>' if token.info else ""
    code = f'<pre tabindex="0"><code{kind}>{escape(token.content)}</code></pre>'
    return f'<div class="code" dir="ltr"><p class="code-head">{label}</p>{code}</div>'


def _html(markdown: MarkdownIt, text: str, env: dict[str, Any]) -> str:
    """Rendered on one line; as plain text where it is nested so deep that something would be lost."""
    tokens = markdown.parse(text, env)
    if any(token.level >= NESTING - 1 and token.nesting == 1 for token in tokens):
        return _plain(text)
    return _one_line(markdown.renderer.render(tokens, markdown.options, env))


def _harmless(state: StateCore) -> None:
    """A core rule of markdown-it, before escaped characters are joined to the text around them, so that an escaped
    citation is none."""
    _tasks(state.tokens)
    for token in state.tokens:
        if token.type in _OWN_DIRECTION:
            token.attrSet("dir", "auto")
        if token.type == "table_open":
            token.attrSet("tabindex", "0")  # it scrolls where it is wide
        if token.type in ("fence", "code_block") and "marks" in state.env:
            passed(token.content, state.env)
        if token.type == "fence":
            language = _LANGUAGE.match(token.info.strip())
            token.info = language[0] if language else ""
        elif token.children:
            token.children = list(underlined(list(_inlines(token.children, state.env)), state.env))


def _tasks(tokens: Sequence[Token]) -> None:
    """A list item that begins with ``[ ]`` or ``[x]`` begins with an empty or a ticked box."""
    for item, _, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        children = inline.children or []
        if item.type != "list_item_open" or not children or children[0].type != "text":
            continue
        if found := _TASK.match(children[0].content):
            box = f'<span class="task">{"☐" if found[2] == " " else "☑"}</span>'
            children[0].content = found[1] + children[0].content[found.end() :]
            inline.children = [Token("html_inline", "", 0, content=box), *children]


def _inlines(tokens: Sequence[Token], env: Mapping[str, Any]) -> Iterator[Token]:
    """Images as their description, citations as links, links that may not be followed as text."""
    links: list[str | None] = []
    for token in tokens:
        if token.type == "image":
            yield _text(_description(token.children or ()))
        elif token.type == "link_open":
            before, after = _link(token, not any(each is None for each in links), env["allowed"])
            links.append(after)
            yield before
        elif token.type == "link_close":
            after = links.pop()
            yield token if after is None else _text(after)
        elif token.type == "text" and None not in links:
            yield from _cited(token.content, env["turn"], env["numbers"])
        else:
            yield token


def _link(token: Token, outermost: bool, allowed: Callable[[str], bool]) -> tuple[Token, str | None]:
    """What stands in place of a link's beginning, and what in place of its end where it is none."""
    href = str(token.attrs.get("href", ""))
    web, written_out = _LINKED.match(href) is not None, token.markup == "autolink"
    if web and outermost and allowed(href):
        token.attrs = {"href": href, "rel": "noopener noreferrer nofollow", "target": "_blank"}
        return token, None
    if written_out:
        return _text(""), ""
    if not web:
        return _text("["), "]"
    return _text(""), f" ({href if len(href) <= ADDRESS else href[:ADDRESS] + '…'})"


def _cited(text: str, turn: str, numbers: set[int]) -> Iterator[Token]:
    pieces = _CITATION.split(text)
    for index, piece in enumerate(pieces):
        if index % 2 and int(piece) in numbers:
            yield Token("link_open", "a", 1, attrs={"href": f"#cite-{turn}-{int(piece)}"})
            yield _text(f"[{int(piece)}]")
            yield Token("link_close", "a", -1)
        else:
            yield _text(f"[{piece}]" if index % 2 else piece)


def _description(tokens: Sequence[Token]) -> str:
    return "".join(
        _description(token.children) if token.children else " " if token.type.endswith("break") else token.content
        for token in tokens
    )


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _plain(text: str) -> str:
    return _one_line(f'<pre class="plain">{escape(text)}</pre>')


def _one_line(html: str) -> str:
    pieces = _PRE.split(html)
    for index, piece in enumerate(pieces):
        pieces[index] = _LINE.sub("&#10;" if index % 2 else " ", piece)
    return "".join(pieces).strip()


def literal(html: str) -> str:
    """Without what Gradio treats before it looks for HTML: tabs, the marks of its formulas; and without halves of
    characters, which it cannot send."""
    return _UNPRINTABLE.sub("\ufffd", html).replace("\t", "&#9;").replace("%LATEX_", "%LATEX&#95;")


def in_line(text: str) -> str:
    return escape(" ".join(text.split()))
