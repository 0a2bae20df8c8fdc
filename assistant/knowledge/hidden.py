"""What a page holds and no reader sees: hidden elements, by their own attributes and styles.

Style sheets and scripts are not followed. Panels that a click opens count as seen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import Tag

_ZERO = r"[-+]?0*(?:\.0+)?"
_UNSHOWN = re.compile(
    rf"(?:^|;|\s)(?:display:none|visibility:(?:hidden|collapse)|content-visibility:hidden|opacity:{_ZERO}%?(?:;|$|!)"
    rf"|font-size:(?:{_ZERO}|[01]?\.\d+(?:px|pt)|1(?:px|pt|%))(?:;|$|!)|font-size:{_ZERO}(?:px|pt|em|rem|%)(?:;|$|!)"
    r"|(?:left|right|top|bottom|text-indent|margin-left|margin-top):-\d{3,}|clip:rect\((?:0|1px)|clip-path:inset\((?:50|100)%"
    rf"|transform:scale[xy]?\({_ZERO}\)|(?:max-)?(?:height|width):{_ZERO}(?:px)?;(?:.*;)?overflow:hidden"
    rf"|overflow:hidden;(?:.*;)?(?:max-)?(?:height|width):{_ZERO}(?:px)?(?:;|$|!)|color:transparent)"
)
_COLOUR = re.compile(r"(?:^|;)color:([^;!]+)")
_GROUND = re.compile(r"(?:^|;)background(?:-color)?:([^;!]+)")
_WHITE = re.compile(r"(?:white|#f{3,4}|#f{6}(?:f{2})?|rgba?\(255,255,255(?:,1(?:\.0)?)?\)|hsla?\(.*,100%\))")
OPENING = re.compile(
    r"<(?P<name>[a-z][\w-]*)\b(?:[^<>\"']|\"[^\"<>]*\"|'[^'<>]*')*?\s"
    r"(?:hidden(?=[\s>=/])|style\s*=\s*(?:\"[^\"<>]*|'[^'<>]*)"
    r"(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d]*[1-9])))[^<>]*>",
    re.IGNORECASE,
)
"""The same in Markdown, by pattern: the opening tag of an element that is hidden by its own attributes."""


def remove_hidden(element: Tag) -> None:
    """Take out of ``element`` what it hides."""
    for tag in element.find_all(True):
        if not tag.decomposed and _hidden(tag):
            tag.decompose()


def _hidden(tag: Tag) -> bool:
    if tag.has_attr("hidden") and tag.get("hidden") != "until-found" and tag.get("role") != "tabpanel":
        return True
    style = re.sub(r"\s+|/\*.*?\*/", "", str(tag.get("style") or "")).lower()
    if _UNSHOWN.search(style) and tag.get("role") != "tabpanel":
        return True
    colour = _COLOUR.search(style)
    said = colour[1] if colour else str(tag.get("color") or "").lower()
    return bool(said) and _unread(said, style, tag)


def _unread(colour: str, style: str, tag: Tag) -> bool:
    """Whether text of this colour is lost on its ground: the same, or white where nothing says that it is not."""
    ground = _GROUND.search(style)
    if ground:
        return ground[1] == colour or bool(_WHITE.fullmatch(ground[1]) and _WHITE.fullmatch(colour))
    painted = [*tag.parents, tag]
    if any(each.get("class") or each.get("id") or each.get("bgcolor") for each in painted):
        return False
    return bool(_WHITE.fullmatch(colour)) and not any("background" in str(each.get("style") or "") for each in painted)
