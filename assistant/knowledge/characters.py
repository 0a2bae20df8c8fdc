"""From bytes to characters that people can see."""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_SYMBOL_IN_WORD = re.compile(r"[^\W\d_][\xa1-\xa9\xab-\xb4\xb6-\xbf\xd7\xf7][^\W\d_]")
_OTHER_LATIN = frozenset(
    ["Polish", "Czech", "Slovak", "Slovene", "Croatian", "Hungarian", "Romanian", "Turkish", "Lithuanian", "Vietnamese"]
)
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    "\U000e01f0-\U000e0fff]"
    # joiners shape Persian, Indic and emoji sequences, one at a time; beside a Latin character they are noise
    "|(?<![^\x00-\u024f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u024f])"
    # selectors choose a form of a symbol, an ideograph or a Mongolian letter; elsewhere they can only carry bytes
    f"|(?<![^\\w\x00-\x7f\u200c\u200d{_SELECTORS}])(?<![\\d#*])[\ufe0e\ufe0f]|(?<=[\\d#*])[\ufe0e\ufe0f](?!\u20e3)"
    "|(?<![\u2200-\u22ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\ufe00-\ufe0d\U000e0100-\U000e01ef]"
    "|(?<![\u1820-\u18af])[\u180b-\u180d\u180f]"
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What ``_INVISIBLE`` may take: most texts hold nothing of it, and this is ten times as quick to say."""
_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]")
_LEADERS = re.compile(r"([._…·=*~-])\1{3,}|(?:[.·_][ \t]){4,}[.·_]?")


def decoded(data: bytes) -> str | None:
    """The text of a file; ``None`` when it is no text.

    A byte order mark decides, then UTF-8, then what HTML or XML declares, then charset-normalizer's guess; of
    the Latin guesses, which often cannot be told apart, Windows-1252 is preferred.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data.decode(encoding, errors="replace")
    if b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = _declared(data) or _guessed(data)
    controls = sum(text.count(chr(code)) for code in range(32) if chr(code) not in "\t\n\r\f\v\x1b")
    return text if controls * 100 <= len(text) else None


def _declared(data: bytes) -> str | None:
    match = _DECLARED.search(data[:2048]) if data.lstrip()[:1] == b"<" else None
    try:
        return data.decode(match[1].decode("ascii")) if match else None
    except (LookupError, UnicodeDecodeError):
        return None


def _guessed(data: bytes) -> str:
    from charset_normalizer import from_bytes

    guess = from_bytes(data, cp_exclusion=["utf_7", "utf_16", "utf_16_le", "utf_16_be", "utf_32"]).best()
    latin = guess is None or not guess.coherence or guess.encoding in ("cp1252", "cp1250", "cp1257", "cp1258")
    if guess is None or (latin and guess.language not in _OTHER_LATIN):
        try:
            western = data.decode("cp1252")
        except UnicodeDecodeError:
            western = data.decode("latin-1") if guess is None else str(guess)
        if guess is None or not _SYMBOL_IN_WORD.search(western):
            return western
    return str(guess)


def readable(text: str) -> str:
    """Text with ``\\n`` line ends and plain spaces, without control, zero-width and direction characters, without
    what else nobody sees and might yet carry words: tags, fillers, selectors and joiners that nothing needs."""
    text = _SPACES.sub(" ", _LINE_ENDS.sub("\n", text))
    while _UNSEEN.search(text) and (left := _INVISIBLE.sub("", text)) != text:
        text = left
    return text


def unruled(text: str) -> str:
    """Text in which dotted leaders and lines to write on are three characters long: each dot is a token."""
    return _LEADERS.sub(lambda m: (m[1] or m[0][0]) * 3, text)


def without_payload(address: str) -> str:
    """An address without its query where it is longer than any a person would share: a sign-on request."""
    return address.partition("?")[0] if len(address) > 300 else address
