"""The questions before something is deleted, forced, rebuilt or opened to others: each names what goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from assistant.access.policy import EVERYONE
from assistant.app import Assistant
from assistant.desk.knowledge import SourceView, overview, would_go
from assistant.desk.knowledge_access import access, set_readers
from assistant.desk.knowledge_uploads import delete_document, drop, remove_source
from assistant.desk.knowledge_work import Jobs
from assistant.knowledge.base import PREVIOUS
from assistant.knowledge.happenings import Mistake, Tell
from ui.desk.knowledge_asks import Question
from ui.desk.knowledge_views import listed
from ui.desk.parts import count, notice

ADMINS = frozenset({"drop", "rebuild", "force-rebuild", "rollback"})
NOT_YOURS = "this is for people with the role admin"


@dataclass(slots=True)
class Destroying:
    """Makes the question of each verb; nothing is done before it is answered."""

    assistant: Assistant
    jobs: Jobs
    admin: bool = True

    async def question(self, verb: str, *values: str) -> Question:
        """The question of a verb. Raises Mistake for what there is not, or what only admins may do."""
        verbs: dict[str, Callable[..., Awaitable[Question]]] = {
            "force": self._force,
            "remove": self._remove,
            "drop": self._drop,
            "delete": self._delete,
            "rebuild": self._rebuild,
            "force-rebuild": self._force_rebuild,
            "rollback": self._roll_back,
        }
        if verb not in verbs:
            raise Mistake("there is nothing of that name to do")
        if verb in ADMINS and not self.admin:
            raise Mistake(NOT_YOURS)
        return await verbs[verb](*values)

    async def readers(self, collection: str, readers: Sequence[str]) -> Question:
        """Before who may read a collection is changed. Raises Mistake."""
        if not self.admin:
            raise Mistake(NOT_YOURS)
        now = next((each for each in await access(self.assistant) if each.collection == collection), None)
        if now is None:
            raise Mistake("choose a collection first")
        before, after = (", ".join(each) or "nobody" for each in (now.readers, readers))
        text = Markup("<p>{}: {} → <b>{}</b></p>").format(now.title, before, after)
        if EVERYONE in readers and EVERYONE not in now.readers:
            text += notice("Everyone who reaches a surface that searches it may then read all of it.", "warn")

        async def do() -> Markup:
            return _lines(await set_readers(self.assistant, collection, readers))

        return Question("Change who may read it?", text, "Write it to the settings", do)

    async def _force(self, collection: str, source: str) -> Question:
        gone, stored = await would_go(self.assistant, collection, source)
        view = await self._source(collection, source)
        text = Markup("<p>{}: {} of its {} documents are not there any more and would be deleted, unless they have "
                      "only moved:</p>{}").format(view.name, count(len(gone)), count(stored), listed(gone))  # fmt: skip

        async def work(tell: Tell) -> None:
            now, _ = await would_go(self.assistant, collection, source)
            if more := set(now) - set(gone):
                raise Mistake(f"{_documents(len(more))} more would be deleted than you were asked about: ask again")
            await self.assistant.sync(tell, collection=collection, source=[source], force=True)

        return Question(
            "Sync all the same?", text, f"Delete {_documents(len(gone))}", self._job(f"Sync of {collection}", work)
        )

    async def _remove(self, collection: str, source: str) -> Question:
        view = await self._source(collection, source)
        files = " The uploaded files are deleted, too." if view.uploads else " The files themselves stay."
        text = Markup("<p>{} leaves {} with its {}.{}</p>").format(
            view.name, collection, _documents(view.documents), files
        )

        async def do() -> Markup:
            self._idle()
            removed = await remove_source(self.assistant, collection, source)
            return notice(f"{view.name} is taken out of {collection}: {_documents(removed)} removed.", "good")

        return Question("Remove this source?", text, "Remove the source", do)

    async def _drop(self, collection: str) -> Question:
        view = next((each for each in await overview(self.assistant) if each.name == collection), None)
        if view is None:
            raise Mistake("this collection is not there any more")
        uploads = " Files that were uploaded are deleted, too." if any(each.uploads for each in view.sources) else ""
        text = Markup("<p>{} goes with {} and {} passages.{}</p>{}").format(
            view.title, _documents(view.documents), count(view.passages), uploads,
            listed([each.name for each in view.sources]),
        )  # fmt: skip

        async def do() -> Markup:
            self._idle()
            await drop(self.assistant, collection)
            return notice(f"The collection {collection} is deleted.", "good")

        return Question("Delete this collection?", text, "Delete the collection", do)

    async def _delete(self, collection: str, source: str, uri: str) -> Question:
        view = await self._source(collection, source)
        if not view.uploads:
            return self._instead(view, uri)
        text = Markup("<p>{} is deleted from {}, and so is its file.</p>").format(uri, collection)

        async def do() -> Markup:
            self._idle()
            await delete_document(self.assistant, collection, source, uri)
            return notice(f"{uri} is deleted.", "good")

        return Question("Delete this document?", text, "Delete the document", do)

    def _instead(self, view: SourceView, uri: str) -> Question:
        """For a document that was not uploaded: it would come back, so only its whole source can go."""
        back = f"{uri} comes from the {view.name}: the next sync would bring it back. Delete it there."
        if view.origin == "settings" and not view.left:
            raise Mistake(f"{back} The source is in the settings, below collections.{view.collection}.sources")
        text = Markup("<p>{}</p><p>Or the whole source is removed, with {}.</p>").format(
            back, _documents(view.documents)
        )

        async def do() -> Markup:
            self._idle()
            removed = await remove_source(self.assistant, view.collection, view.id)
            return notice(f"{view.name} is taken out of {view.collection}: {_documents(removed)} removed.", "good")

        return Question("It cannot be deleted alone", text, "Remove the source", do)

    async def _rebuild(self, force: bool = False) -> Question:
        sources = [source for each in await overview(self.assistant) for source in each.sources if not source.left]
        made = self.assistant.build()
        text = Markup("<p>{} of {} sources are read and embedded anew with {}, passages of {} tokens. Searches go on "
                      "meanwhile; the present index is kept for a rollback, an older one is deleted.</p>").format(
            _documents(sum(source.documents for source in sources)), count(len(sources)), made.embedder.name,
            made.max_tokens,
        )  # fmt: skip
        await self.assistant.base.discard(made)
        if force:
            text += notice("What the present index has and the new one lacks is not found any more.", "warn")

        async def work(tell: Tell) -> None:
            await self.assistant.rebuild(tell, force=force)

        yes = "Rebuild and switch all the same" if force else "Rebuild"
        return Question("Rebuild the index?", text, yes, self._job("Rebuild", work, admins=True))

    async def _force_rebuild(self) -> Question:
        return await self._rebuild(force=True)

    async def _roll_back(self) -> Question:
        found = {each.use: each for each in await self.assistant.base.indexes()}
        if PREVIOUS not in found:
            raise Mistake("there is no earlier index to go back to; a rebuild keeps the one before it")
        before = found[PREVIOUS]
        text = Markup("<p>The index before is searched again: {}, {} passages. It is then brought up to date; the "
                      "present one is kept.</p>").format(before.made_with, count(before.chunks))  # fmt: skip

        async def work(tell: Tell) -> None:
            there = {each.use: each.name for each in await self.assistant.base.indexes()}
            if there.get(PREVIOUS) != before.name:
                raise Mistake("the index to go back to is another one meanwhile: ask again")
            await self.assistant.roll_back(tell)

        return Question("Go back to the index before?", text, "Roll back", self._job("Rollback", work, admins=True))

    def _job(
        self, title: str, work: Callable[[Tell], Awaitable[None]], *, admins: bool = False
    ) -> Callable[[], Awaitable[Markup]]:
        async def do() -> Markup:
            self.jobs.start(title, work, admins=admins)
            return Markup("")

        return do

    def _idle(self) -> None:
        if self.jobs.running:
            raise Mistake("work on the documents is still going on: wait for its end, or stop it")

    async def _source(self, collection: str, source: str) -> SourceView:
        for each in await overview(self.assistant):
            for view in each.sources:
                if (view.collection, view.id) == (collection, source):
                    return view
        raise Mistake("this source is not there any more")


def _documents(number: int) -> str:
    return f"{count(number)} document{'' if number == 1 else 's'}"


def _lines(text: str) -> Markup:
    return Markup("").join(notice(line, "good") for line in text.splitlines() if line.strip())
