"""Template tags in page sources (Liquid, Nunjucks, Jinja, Hugo): replaced by what a reader of the page sees.

Nothing is evaluated. Text between paired tags stays, texts given as arguments (titles, labels, alternative
texts) stay, addresses stay where they are a link's target, everything else goes.
"""

from __future__ import annotations

import re

from assistant.knowledge.spans import replace_spans

_BODY = r"(?:(?!\{[%{]).)*?"
_TAG = re.compile(
    rf"\{{%[-+~]?\s*(?P<tag>{_BODY})\s*[-+~]?%\}}"
    rf"|\{{\{{[<%]\s*(?P<short>{_BODY})\s*[>%]\}}\}}"
    r"|\{\{\{?-?\s*(?P<out>(?:(?!\{\{).)*?)\s*-?\}?\}\}",
    re.DOTALL,
)
_UNSEEN = re.compile(r"\{%[-+~]?\s*(comment|stylesheet|javascript|style|schema|css|js)\b[^%{}]*%\}")
_UNSEEN_END = r"\{%[-+~]?\s*end{name}\s*[-+~]?%\}"
_NOTE = re.compile(r"\{#(?:(?!\{#).)*?#\}", re.DOTALL)
_LOGIC = frozenset(
    [
        "if",
        "elsif",
        "elseif",
        "elif",
        "else",
        "unless",
        "case",
        "when",
        "for",
        "set",
        "assign",
        "capture",
        "extends",
        "block",
        "import",
        "from",
        "macro",
        "call",
        "filter",
        "with",
        "include",
        "render",
        "layout",
        "increment",
        "decrement",
        "cycle",
        "tablerow",
        "break",
        "continue",
        "raw",
        "verbatim",
        "autoescape",
        "paginate",
        "partial",
        "load",
        "url",
        "static",
        "trans",
        "blocktrans",
        "csrf_token",
        "ref",
        "relref",
    ]
)
_SEEN_KEYS = frozenset(
    [
        "title",
        "label",
        "caption",
        "alt",
        "text",
        "heading",
        "summary",
        "description",
        "content",
        "message",
        "name",
    ]
)
_NAME = re.compile(r"/?\s*([\w-]*)(.*)", re.DOTALL)
_STRING = re.compile(r"""(?:([\w-]+)\s*[=:]\s*)?(?:"([^"]*)"|'([^']*)')""")
_OPENS_ADDRESS = re.compile(r"""(?:\]\(\s*<?|\]:\s*|=\s*["']?)$""")
_LITERAL = re.compile(r"""\A(["'])([^"']*)\1\Z""")
_CLOSER = re.compile(r"\{%[-+~]?\s*end(\w+)|\{\{[<%]\s*/\s*([\w-]+)")
_RAW = re.compile(r"\{%[-+~]?\s*(?:end)?(?:raw|verbatim)\s*[-+~]?%\}")
_CODE_TAG = re.compile(r"\{\{\s*(.*?)\s*\}\}|\{%[-+~]?\s*(.*?)\s*[-+~]?%\}", re.DOTALL)


def render(text: str) -> str:
    """Text without template tags; code must have been taken out before."""
    if "{%" not in text and "{{" not in text and "{#" not in text:
        return text
    text = _NOTE.sub("", replace_spans(text, _UNSEEN, _UNSEEN_END, lambda _, inside: ""))
    paired = {first or second for first, second in _CLOSER.findall(text)}

    def seen(match: re.Match[str]) -> str:
        address = bool(_OPENS_ADDRESS.search(text, max(0, match.start() - 8), match.start()))
        if match["out"] is not None:
            return _output(match["out"], address)
        return _tag(match["tag"] if match["tag"] is not None else match["short"], address, paired)

    return _TAG.sub(seen, text)


def _tag(content: str, address: bool, paired: set[str]) -> str:
    name, arguments = _NAME.findall(content)[0]
    strings = [(key, double or single) for key, double, single in _STRING.findall(arguments)]
    if address:
        return next((value for _, value in strings), "")
    if name.endswith("channel") and strings:
        label = next((value for _, value in strings[1:] if value), "")
        channel = "#" + strings[0][1].lstrip("#")
        return f"{label} ({channel})" if label else channel
    shown = [value.strip() for key, value in strings if _is_seen(key, value, name in _LOGIC)]
    if name in paired and shown:
        return f"\n\n**{' '.join(shown)}**\n\n"
    return " ".join(shown)


def _output(expression: str, address: bool) -> str:
    literal = re.match(r"""["']([^"']*)["']""", expression)
    if literal and (address or _is_seen("", literal[1], False)):
        return literal[1]
    return ""


def _is_seen(key: str, value: str, logic: bool) -> bool:
    """Whether a string argument is text for people rather than a path, a class or a variable."""
    if key:
        return key.lower() in _SEEN_KEYS
    if logic or re.search(r"/[^/]*\.\w{2,5}$|^[\w.-]*/\S*$", value):
        return False
    return bool(re.search(r"\w\s+\w", value)) or bool(re.fullmatch(r"[^\W\d_a-z][^\W\d_]+[.!?:]?", value))


def shown_inline(code: str) -> str:
    """Inline code that shows template tags, without their braces: nobody takes it for a left-over tag."""
    if "{%" not in code and "{{" not in code:
        return code
    code = _RAW.sub("", code)
    for _ in range(2):
        code = _CODE_TAG.sub(lambda m: _LITERAL.sub(r"\2", m[1] if m[1] is not None else m[2]), code)
    return code.replace("{%", "").replace("{{", "").strip()


def shown_fenced(code: str) -> str:
    """Fenced code as the page shows it: only the marks that say "do not run these tags" are gone."""
    return _RAW.sub("", code)
