"""Markdown sources made readable: front matter apart; template tags, HTML and local links become text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

from assistant.knowledge import blocks, markup, tables, templates
from assistant.knowledge.characters import readable, without_payload

_FRONT = re.compile(
    r"\A\s*(?:---(?P<kind>\w*)[ \t]*\n(?P<yaml>.*?)^---|\+\+\+[ \t]*\n(?P<toml>.*?)^\+\+\+)[ \t]*(?:\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_FIELD = re.compile(r"^([A-Za-z_][\w-]*)[ \t]*[:=][ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.MULTILINE)
_CODE = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n).)+?)(?<!`)\1(?!`)", re.DOTALL)
_OPEN, _CLOSE = "\ue000", "\ue001"
_MASK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_ATTRIBUTES = re.compile(
    r"(?<![ \t])[ \t]*\{:[^{}\n]*\}|(?<=[)\]`])\{(?:[#.]|\w+=)[^{}\n]*\}"
    r"|(?<![ \t])[ \t]+\{[#.]#?[^\s{}%#][^{}\n]*\}(?=[ \t]*$)",
    re.MULTILINE,
)
_LABEL = r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"
_TARGET = r"\(\s*<?((?:[^\s()<>]|<[\w -]+>|\([^\s()]*\))*)>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
_IMAGE = re.compile(rf"!{_LABEL}(?:{_TARGET}|\[[^\[\]\n]*\])")
_LINK = re.compile(_LABEL + _TARGET)
_REFERENCE = re.compile(rf"{_LABEL}(?:\[([^\[\]\n]*)\])?(?!\()")
_COMMENT = re.compile(r"^ {0,3}\[[^\]^\n]+\]:[ \t]*<>[^\n]*$", re.MULTILINE)
"""A definition that leads nowhere: the usual way to write what is not to be shown."""
_DEFINITION = re.compile(
    r"^ {0,3}\[([^\]^\n][^\]\n]*)\]:[ \t]*\n?[ \t]*<?([^\s<>]*[/#.:@][^\s<>]*)>?"
    r"(?:[ \t]+[\"'(][^\n]*[\"')])?[ \t]*$",
    re.MULTILINE,
)
_ABSOLUTE = re.compile(r"(?:https?|mailto|tel|ftps?|sms|slack|msteams):|//", re.IGNORECASE)
_ESCAPED = re.compile(r"(?<=\S)([ \t]*)\\([-+=.,:;&'\"/()~$%@#])")
_NAMED = (("Keywords", ("keywords", "tags")), ("Contact", ("questions", "contact", "contacts", "owner")))
_RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_CONTENTS = re.compile(r"\s*(?:\[\[?_?toc_?\]\]?|\$\{toc\})\s*$", re.IGNORECASE)


def front_matter(text: str) -> tuple[dict[str, object], str]:
    """The fields of a YAML or TOML front matter, named in lower case with underscores, and the text below.

    Of broken front matter, the lines that still look like fields are used. A text that merely starts with a
    rule has none.
    """
    match = _FRONT.match(text)
    if not match:
        return {}, text
    kind = "toml" if match["toml"] is not None else match["kind"]
    fields = _fields(match["toml"] or match["yaml"] or "", kind)
    if fields is None:
        return {}, text
    return {str(key).lower().replace("-", "_"): value for key, value in fields.items()}, text[match.end() :]


def _fields(source: str, kind: str) -> dict[str, object] | None:
    import yaml

    try:
        if kind not in ("", "yaml", "json"):
            return tomllib.loads(source) if kind == "toml" else {}
        fields = yaml.safe_load(source)  # not the loader in C: it crashes the process on deep nesting
    except Exception:  # whatever a parser makes of somebody's broken header, the page below it counts
        fields = dict(_FIELD.findall(source))
    return fields if isinstance(fields, dict) else {} if fields is None else None


def lead(fields: dict[str, object]) -> str:
    """What front matter says to people and the page does not repeat: summary, key words, contacts, state."""
    said = (words(fields.get(key)) for key in ("subtitle", "description", "summary"))
    lines = [text for text in dict.fromkeys(said) if not text.endswith(":")]
    if fields.get("outdated") is True or fields.get("deprecated") is True:
        lines.append("This page is marked as outdated.")
    if moved := words(fields.get("redirect_to")):
        lines.append(f"This page has moved: {moved}")
    for label, keys in _NAMED:
        if named := ", ".join(filter(None, (words(fields.get(key)) for key in keys))):
            lines.append(f"{label}: {named}")
    return "\n\n".join(filter(None, lines))


def words(value: object, depth: int = 2) -> str:
    """A front matter value as text: a list by commas, a link as its text and address, no deeper than that."""
    if isinstance(value, list) and depth:
        return ", ".join(filter(None, (words(each, depth - 1) for each in value[:50])))
    if isinstance(value, dict) and depth:
        keys = ("name", "text", "title", "email", "url", "href")
        return " ".join(filter(None, (words(value.get(key), depth - 1) for key in keys)))
    return " ".join(templates.render(str(value)).split()) if isinstance(value, str | int | float) else ""


def cleaned(source: str) -> str:
    """A Markdown source without its front matter as plain Markdown: no tags, HTML, local links."""

    def convert(text: str) -> str:
        text = templates.render(_ATTRIBUTES.sub("", text))
        return _tidied(readable(markup.without_html(text)))

    return _outside_code(source, convert)


def tidied(text: str) -> str:
    """Markdown with links reduced to what leads somewhere, compact tables and no superfluous blank lines."""
    return _outside_code(text, _tidied)


def _outside_code(text: str, convert: Callable[[str], str]) -> str:
    """Applies ``convert`` with all code replaced by marks, so that what shows code stays as it is shown."""
    codes: list[str] = []

    def hide(code: str) -> str:
        codes.append(code)
        return f"{_OPEN}{len(codes) - 1}{_CLOSE}"

    def inline(match: re.Match[str]) -> str:
        return hide(match[1] + templates.shown_inline(match[2]) + match[1])

    text = text.replace(_OPEN, "").replace(_CLOSE, "")
    text = "".join(hide(templates.shown_fenced(part)) if code else part for part, code in blocks.masked(text))
    text = convert(_CODE.sub(inline, text))
    return _MASK.sub(lambda m: codes[int(m[1])] if int(m[1]) < len(codes) else "", text)


def _tidied(text: str) -> str:
    text = _IMAGE.sub(lambda m: " ".join(m[1].split()), text)
    text = _LINK.sub(lambda m: _link(m[1], m[2]), text)
    targets: dict[str, str] = {}

    def define(match: re.Match[str]) -> str:
        targets[_key(match[1])] = match[2]
        return ""

    text = _DEFINITION.sub(define, _COMMENT.sub("", text))
    if targets:
        text = _REFERENCE.sub(lambda m: _referenced(m, targets), text)
    return _lines(tables.compacted(_ESCAPED.sub(r"\1\2", text)))


def _key(label: str) -> str:
    return " ".join(label.split()).casefold()


def _referenced(match: re.Match[str], targets: dict[str, str]) -> str:
    target = targets.get(_key(match[2] or match[1]))
    return match[0] if target is None else _link(match[1], target)


def _link(label: str, target: str) -> str:
    """People need addresses that lead somewhere from anywhere; a path within the site tells them nothing."""
    label = " ".join(label.split())
    if not _ABSOLUTE.match(target):
        return label
    if not label or label in (target, target.removeprefix("mailto:").removeprefix("tel:")):
        return label or target
    return f"[{label}]({without_payload(target)})"


def _lines(text: str) -> str:
    """Without rules, marks for a table of contents, trailing blanks and runs of blank lines."""
    out = [""]
    for line in text.split("\n"):
        line = line.rstrip()
        rule = _RULE.match(line) and (not out[-1] or line.lstrip()[0] != "-")
        if (rule or _CONTENTS.match(line) or not line) and not out[-1]:
            continue
        out.append("" if rule or _CONTENTS.match(line) else line)
    return "\n".join(out).strip()
