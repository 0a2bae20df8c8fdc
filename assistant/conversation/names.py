"""Names in a text: capitalised words that no rule of spelling asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.conversation.facts_words import NOT_NAMES

_TOKEN = re.compile(r"[^\W\d_](?:[\w’'&-]*\w)?(?:\.(?=[A-Z]\.)[A-Z]\.)*")
_WORD = re.compile(r"[^\W_]+")
_STARTS = re.compile(r"(?:^|[.!?:;]['\")\]]*\s|[\n|•]|[-*>]\s)[\s*_\"'“„(\[|>#-]*$")


def names_in(text: str, *, german: bool = False) -> Iterator[tuple[str, int, int]]:
    """Each name with its place. A capitalised word that begins a sentence is one only with another after it, or where
    its letters say so (``IBM``, ``MacOS``). In German, where nouns are capitalised, a name has two capitalised words
    or such letters."""
    run: list[re.Match[str]] = []
    for token in [*_TOKEN.finditer(text), None]:
        if token is not None and _continues(run, token, text):
            run.append(token)
            continue
        yield from _named(run, text, german)
        run = [token] if token is not None and _capital(token[0]) else []


def odd_letters(word: str) -> bool:
    """Whether a word is written as only names are: IBM, iPhone, McCartney, eBay."""
    return sum(map(str.isupper, word)) > 1 or word[1:] != word[1:].casefold()


def name_words(name: str) -> list[str]:
    """The words of a name in lower case, without a genitive."""
    return _WORD.findall(re.sub(r"['’]s\b", "", name.casefold()))


def _capital(word: str) -> bool:
    return not word.islower() and (word[0].isupper() or odd_letters(word))


def _continues(run: list[re.Match[str]], token: re.Match[str], text: str) -> bool:
    if not run or not re.fullmatch(r"[ \xa0]|\. |, (?=Jr)|-", text[run[-1].end() : token.start()]):
        return False
    if text[run[-1].end()] == "." and len(run[-1][0]) > 2:
        return False
    return _capital(token[0])


def _named(run: list[re.Match[str]], text: str, german: bool) -> Iterator[tuple[str, int, int]]:
    first = bool(run) and bool(_STARTS.search(text[max(0, run[0].start() - 12) : run[0].start()]))
    while run and run[0][0].casefold() in NOT_NAMES and not (len(run[0][0]) > 1 and run[0][0].isupper()):
        run = run[1:]
        first = False
    while run and run[-1][0].casefold() in NOT_NAMES and not (len(run[-1][0]) > 1 and run[-1][0].isupper()):
        run = run[:-1]
    if not run:
        return
    alone = len(run) == 1 and not odd_letters(run[0][0].removesuffix("'s").removesuffix("’s"))
    if alone and (first or german):
        return
    name = text[run[0].start() : run[-1].end()]
    name = re.sub(r"['’]s?$", "", name)
    if len(name) > 1:
        yield name, run[0].start(), run[0].start() + len(name)
