"""The settings of collections: where their documents come from, and who may read them."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from assistant.access.policy import EVERYONE
from assistant.config_types import (
    Finding,
    GitAddress,
    PositiveWhole,
    Section,
    WebUrl,
    findings,
    mask_url,
    mask_user,
)

if TYPE_CHECKING:
    from assistant.knowledge.sources import SourceSpec

DEMO_PATH = "demo:"

DEMO_DOCUMENTS = Path(__file__).resolve().parent / "demo" / "documents"
KINDS = ("folder", "file", "url", "sitemap", "git", "reader")
_USERS: Mapping[str, tuple[str, ...]] = {
    "include": ("folder", "sitemap", "git"),
    "exclude": ("folder", "sitemap", "git"),
    "limit": ("sitemap",),
    "ref": ("git",),
    "arguments": ("reader",),
    "load": ("reader",),
}
_REMOTE_GIT = re.compile(r"[a-z][a-z0-9+.-]*://|[\w.-]+@[\w.-]+:")


def _fits(pattern: str, predicate: str, fix: str) -> AfterValidator:
    """Checks a text against a pattern, with words of its own."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise findings(Finding((), predicate, fix))
        return value

    return AfterValidator(check)


_GROUP = _fits(r"\S(.{0,253}\S)?", "must be the name of a group.", "Write it without blanks around it, as in staff.")
_READER = _fits(
    r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+",
    "must be the dotted name of a class.",
    "Write it as in llama_index.readers.web.RssReader.",
)
_REF = _fits(r"[^-\s]\S*", "must be a branch, a tag or a commit.", "Write it as in main or v1.2.")

Group = Annotated[str, _GROUP]


class Source(Section):
    """A place that documents come from. In short: the path of a file or folder, or the address of a page."""

    path: Path | None = Field(default=None, description="A file or folder: what the text alone stands for.")
    folder: Path | None = Field(
        default=None, description="A folder with all below it. Beside git: the folder of the repository to read."
    )
    file: Path | None = Field(default=None, description="One file.")
    url: WebUrl | None = Field(default=None, description="One page.")
    sitemap: WebUrl | None = Field(default=None, description="A sitemap.xml: the pages that it names.")
    git: GitAddress | None = Field(default=None, description="A git repository: path of a checkout, or its address.")
    reader: Annotated[str, _READER] | None = Field(
        default=None, description="A LlamaIndex reader, by the dotted name of its class."
    )
    include: list[str] | None = Field(
        default=None, description="folder, sitemap, git: take only what fits one of these patterns: guides/**/*.md."
    )
    exclude: list[str] | None = Field(
        default=None, description="folder, sitemap, git: leave out what fits one of these patterns."
    )
    limit: PositiveWhole | None = Field(default=None, description="sitemap: most pages to take.")
    ref: Annotated[str, _REF] | None = Field(
        default=None, description="git: branch, tag or commit. Without one: what is checked out, or the main branch."
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="reader: arguments of the class; keys as ${NAME}."
    )
    load: dict[str, Any] = Field(default_factory=dict, repr=False, description="reader: arguments of load_data.")

    @model_validator(mode="before")
    @classmethod
    def _text(cls, data: Any) -> Any:
        if isinstance(data, str | Path):
            return _from_text(str(data))
        if isinstance(data, dict | cls):
            return data
        if isinstance(data, bool | int | float):
            raise findings(Finding((), "must be text or a section, got a number.", "Put it in quotes."))
        kind = "a list" if isinstance(data, list) else "nothing"
        fix = "Write a path, a web address, or a section such as `folder: path`."
        raise findings(Finding((), f"must be text or a section, got {kind}.", fix))

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if found := list(self._findings()):
            raise findings(*found)
        return self

    @property
    def kind(self) -> str:
        """Which of the places is set; ``path`` until the disk is asked which it is."""
        return next((name for name in ("path", *KINDS) if name != "folder" and self._set(name)), "folder")

    @property
    def place(self) -> str:
        """What people wrote to say where it is; passwords in addresses are masked."""
        return mask_user(mask_url(str(getattr(self, self.kind))))

    def anchored(self, anchor: Callable[[Path], Path]) -> Self:
        """The same with the paths on this machine made absolute."""
        changes: dict[str, Any] = {}
        if self.kind in ("path", "folder", "file"):
            changes[self.kind] = anchor(getattr(self, self.kind))
        elif self.kind == "git" and not _REMOTE_GIT.match(str(self.git)):
            changes["git"] = str(anchor(Path(str(self.git))))
        return self.model_copy(update=changes)

    def spec(self) -> "SourceSpec":
        """As the sources take it; looks on the disk whether a path is a file or a folder."""
        from assistant.knowledge.sources import SourceSpec

        kind, location = self.kind, str(getattr(self, self.kind))
        if kind == "path":
            kind = _kind_of(Path(location))
            location = str(DEMO_DOCUMENTS) if location == DEMO_PATH else location
        options = {name: getattr(self, name) for name, users in _USERS.items() if kind in users}
        if kind == "git" and self.folder:
            options["folder"] = self.folder.as_posix()
        return SourceSpec(kind, location, {name: value for name, value in options.items() if value})

    def _set(self, name: str) -> bool:
        return getattr(self, name) is not None

    def _findings(self) -> Iterator[Finding]:
        kinds = [name for name in ("path", *KINDS) if self._set(name)]
        if self.git is not None and self.folder is not None:
            kinds.remove("folder")
            if self.folder.is_absolute() or ".." in self.folder.parts:
                yield Finding(("folder",), "must lie in the repository.", "Write it as in docs/guides.")
        if not kinds:
            yield Finding((), "names no place.", f"Write one of {', '.join(KINDS)}.")
            return
        for second in kinds[1:]:
            yield Finding((second,), f"is set beside {kinds[0]}.", "Make it an entry of its own.")
        for name, users in _USERS.items():
            if kinds[0] not in users and getattr(self, name):
                used_by = " or ".join(users)
                predicate = f"is set, but a source of the kind {kinds[0]} does not use it."
                yield Finding((name,), predicate, f"Remove it; it belongs to {used_by}.")


def _kind_of(path: Path) -> str:
    """What is there decides; of what is missing just now the name does, so that it stays the same source."""
    if path.is_dir() or str(path) == DEMO_PATH:
        return "folder"
    return "file" if path.is_file() or path.suffix else "folder"


def _from_text(text: str) -> dict[str, str]:
    if re.match(r"https?://", text):
        return {"url": text}
    if _REMOTE_GIT.match(text):
        fix = "For a repository write `git:` before it; pages begin with http:// or https://."
        raise findings(Finding((), "must be a path or a web address.", fix))
    return {"path": text}


class Collection(Section):
    """A named set of documents."""

    title: str | None = Field(default=None, description="Name shown to people.")
    sources: list[Source] = Field(
        default_factory=list,
        description="Where its documents come from: paths of files and folders, addresses of pages, or sections for "
        "the other kinds. demo: stands for the demo documents that Switchyard ships.",
    )
    readers: list[Group] = Field(
        default_factory=lambda: [EVERYONE],
        description="Who may read it: everyone, or the names of groups. An empty list is nobody.",
    )

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, data: Any) -> Any:
        if isinstance(data, dict) and "paths" in data:
            raise findings(Finding(("paths",), "is now called sources.", "Write sources instead, with the same list."))
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = [*_repeated("sources", self.sources), *_repeated("readers", self.readers)]
        if EVERYONE in self.readers and len(set(self.readers)) > 1:
            fix = "Remove everyone, or the groups."
            found.append(Finding(("readers",), "names everyone and groups, so the groups change nothing.", fix))
        if found:
            raise findings(*found)
        return self

    def specs(self) -> list["SourceSpec"]:
        """Its sources, as `assistant.knowledge.sources` takes them; asks the disk what plain paths are."""
        return [source.spec() for source in self.sources]


def _repeated(key: str, entries: list[Any]) -> Iterator[Finding]:
    for index, entry in enumerate(entries):
        if entry in entries[:index]:
            shown = entry.place if isinstance(entry, Source) else entry
            yield Finding((key, index), "names {value} a second time.", "Remove one of the two.", shown)


def demo() -> dict[str, Collection]:
    """What the key `collections` stands for when it is not written."""
    return {"demo": Collection(title="Fernhill Outfitters (demo)", sources=[Source(path=Path(DEMO_PATH))])}
