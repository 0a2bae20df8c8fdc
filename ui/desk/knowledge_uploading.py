"""Files that were dropped: kept, after asking where one would be replaced or a collection begun, then synced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from assistant.app import Assistant
from assistant.desk.knowledge import overview
from assistant.desk.knowledge_uploads import Offered, keep, offered, take_in
from assistant.desk.knowledge_work import Jobs
from assistant.knowledge.happenings import Mistake, Tell
from ui.desk.knowledge_asks import Asks, Question
from ui.desk.knowledge_views import listed
from ui.desk.parts import count, notice


@dataclass(slots=True)
class Uploading:
    """Takes files in. ``jobs`` does the sync."""

    assistant: Assistant
    jobs: Jobs
    asks: Asks

    async def begin(self, paths: Sequence[str], collection: str) -> tuple[Markup, Question | None]:
        """Take them in at once, or the question that comes first; with it what cannot be taken. Raises Mistake."""
        if not collection:
            raise Mistake("choose a collection first, or write the name of a new one")
        files = [(Path(path), Path(path).name) for path in paths]
        found = await asyncio.to_thread(offered, self.assistant.settings.data, collection, files)
        good = [each for each in found if not each.trouble]
        note = _troubles([each for each in found if each.trouble])
        if not good:
            return note, None
        views = {each.name: each for each in await overview(self.assistant)}
        taken = [each.name for each in good if each.replaces]
        if not taken and collection in views:
            return note + await self._take(collection, good, True)(), None
        text = Markup("")
        if collection not in views:
            text += Markup("<p>{} begins as a new collection. <b>Everyone may read it</b> until Access says "
                           "otherwise.</p>").format(collection)  # fmt: skip
        if taken:
            text += Markup("<p>These are there already and would be replaced:</p>{}").format(listed(taken))
        title = "Replace what is there?" if taken else "Begin a collection?"
        yes = f"Add {count(len(good))} and replace {count(len(taken))}" if taken else f"Add {count(len(good))}"
        fresh = [each for each in good if not each.replaces]
        other = ("Add only what is new", self._take(collection, fresh, False)) if taken and fresh else None
        return note, Question(title, text, yes, self._take(collection, good, True), other)

    def _take(self, collection: str, files: Sequence[Offered], replace: bool) -> Callable[[], Awaitable[Markup]]:
        async def work(tell: Tell) -> None:
            await asyncio.to_thread(keep, self.assistant.settings.data, collection, files, replace=replace)
            await take_in(self.assistant, collection, tell)

        async def do() -> Markup:
            self.jobs.start(f"{count(len(files))} files into {collection}", work)
            return Markup("")

        return do


def _troubles(bad: Sequence[Offered]) -> Markup:
    if not bad:
        return Markup("")
    told = listed([f"{each.name}: {each.trouble}" for each in bad])
    return notice(Markup("{} of the files cannot be added:").format(count(len(bad))), "warn") + told
