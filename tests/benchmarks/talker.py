"""A model at the pace at which people are answered: an answer of two hundred words that cites its first passages.

``python -m tests.benchmarks.talker --port 8100`` is ``upstream.py`` with time in between: ``POST /pace/0.3/0.02`` waits
0.3 s before the first word and 0.02 before each of the others; ``GET /ended`` is when the newest answer sent its last
word (Unix time), and how many were asked for. No two answers are alike, so that nobody can answer from a cache.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from contextlib import suppress

from tests.benchmarks.upstream import _STREAMED, FIRST, Upstream, choice, closing, completion, plain

OPENING, LAST = "Herewith-", "Evermore."
"""How an answer begins, its number behind it, and its last word: nothing else on the page has them."""
SENTENCES = (
    "You can carry over up to 5 days of annual leave, and they must be used by 30 June [1].",
    "Managers cannot extend that date, but the People Team looks at long illness case by case [1].",
    "Please book in Cairn and wait until the request shows as approved before you pay for travel [2].",
    "For ten days or more in a row, ask at least 8 weeks ahead [2].",
    "**Headquarters** shuts from 25 December to 1 January, and three days are set aside for this [1].",
    "The window for buying and selling days is open from 1 to 28 February [3].",
    "Part-time staff get the same allowance in proportion to their contracted days [2].",
    "Your manager has five working days to answer, and must give the reason for a no [1].",
    "Everyone also has one paid Trail Day each leave year for outdoor volunteering [3].",
    "If you cannot agree, write to people@fernhill.example [1].",
)
WORDS = 200


def said(number: int) -> Sequence[str]:
    """The words of an answer, each with the space after it; paragraphs of four sentences."""
    turned = itertools.cycle(SENTENCES[number % len(SENTENCES) :] + SENTENCES[: number % len(SENTENCES)])
    text = f"{OPENING}{number}, as you asked. "
    for count in itertools.count(1):
        text += next(turned) + ("\n\n" if count % 4 == 0 else " ")
        if len(text.split()) >= WORDS:
            break
    words = text.replace("\n\n", " \n\n").split(" ")
    return [f"{word} " for word in [*words[: WORDS - 1], LAST]]


class Talker(Upstream):
    """One connection of a model that takes its time."""

    before, between = 0.0, 0.0
    ended = 0.0
    asked = 0

    def _answer(self, path: str) -> None:
        if path.startswith("/pace/"):
            Talker.before, Talker.between = (float(each) for each in path.split("/")[2:])
        if path == "/ended":
            self._transport.write(plain(json.dumps([Talker.ended, Talker.asked])))
            return
        super()._answer(path)

    async def _stream(self, chunks: int) -> None:
        Talker.asked += 1
        words = said(Talker.asked)
        self._transport.write(_STREAMED + FIRST)
        for number, word in enumerate(words):
            await asyncio.sleep(Talker.between if number else Talker.before)
            await self._may_write.wait()
            if self._transport.is_closing():
                return
            self._transport.write(completion(choice({"content": word})))
        Talker.ended = time.time()
        self._transport.write(closing(len(words)))


async def serve(port: int) -> None:
    """Answer until stopped."""
    server = await asyncio.get_running_loop().create_server(Talker, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().port))
