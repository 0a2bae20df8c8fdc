"""Every setting, its default and its meaning: a frozen tree that `assistant.config_file.load` fills."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from assistant.config_access import Access, PublicUrl, surface_findings
from assistant.config_answers import Both, Grounding, Links
from assistant.config_collections import DEMO_DOCUMENTS, DEMO_PATH, Collection, Source, demo
from assistant.config_documents import Chunking, Embedder, Store, Sync
from assistant.config_limits import Amounts
from assistant.config_models import Model, Roles, SurfaceRoles, unknown_names
from assistant.config_surfaces import Surface
from assistant.config_types import (
    AnyCase,
    DatabaseUrl,
    Finding,
    HostName,
    Loc,
    Name,
    Number,
    RootPath,
    Section,
    Whole,
    did_you_mean,
    findings,
    with_entry,
    without_unset,
)

__all__ = [
    "DEMO_DOCUMENTS",
    "DEMO_PATH",
    "Chunking",
    "Collection",
    "Embedder",
    "Model",
    "Roles",
    "Settings",
    "Source",
    "Store",
    "Sync",
]

BUILTIN = "builtin"
PORTAL = "portal"
ENV_PREFIX = "ASSISTANT__"


class Server(Section):
    """Where the page and the API are served."""

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 is every network.")
    port: Whole = Field(default=7860, ge=1, le=65535, description="Port to listen on.")
    root_path: RootPath = Field(default="", description="Path prefix behind a proxy: /assistant.")
    public_url: PublicUrl | None = Field(
        default=None,
        description="Address that people open, where the server cannot tell it from a request: "
        "https://chat.example.com/assistant. The sign-in comes back to it.",
    )
    metrics: bool = Field(
        default=False,
        description="Whether everybody who can reach the server may read /metrics (Prometheus). Without it: who shows "
        "the token of server.json.",
    )
    desk: bool = Field(
        default=True, description="Whether there is a page for those who run this, at /desk: see `assistant desk`."
    )
    allowed_hosts: list[HostName] = Field(
        default_factory=list,
        description="Host names under which browsers may call, besides server.host, loopback names and IP addresses: "
        'chat.example.com; "*.example.com" for every name below it; "*" for all. Others are refused, so that no page '
        "of another site can reach this server by pointing a name of its own at it (DNS rebinding).",
    )


class Voice(Section):
    """How the organisation speaks."""

    examples: Path | None = Field(
        default=None,
        description="JSONL file of exchanges that show it, in OpenAI's fine-tuning form; demo: is the demo's. "
        "Without one: the demo's while the demo is the only collection, else none.",
    )


class Records(Section):
    """Where conversations, feedback and corrections are kept."""

    url: DatabaseUrl | None = Field(
        default=None,
        description="SQLAlchemy URL with an asynchronous driver: postgresql+asyncpg://user:${DB_PASSWORD}@host/name "
        'after pip install "switchyard[postgres]", which brings the driver. Without one: SQLite below data.',
    )


class Costs(Section):
    """What a wrong decision costs. Only the ratio matters; the router's threshold follows from it."""

    missed_lookup: Number = Field(default=4.0, gt=0, description="Cost of skipping a lookup that was needed.")
    needless_lookup: Number = Field(default=1.0, gt=0, description="Cost of a lookup that was not needed.")


class Router(Section):
    """How the route of a turn is decided."""

    costs: Costs = Costs()
    voice_threshold: Number = Field(default=0.5, ge=0, le=1, description="P(voice) that calls the voice model.")
    ask: bool = Field(
        default=False,
        description="Ask back what is meant where a turn is too vague to look up; needs a language model.",
    )
    ask_threshold: Number = Field(default=0.5, ge=0, le=1, description="P(too vague) from which it is asked back.")
    second_opinion: bool = Field(
        default=False,
        description="Ask the main model whether to look up, where the router is unsure; one more call for such turns.",
    )


class Retrieval(Section):
    """How passages are found."""

    passages: Whole = Field(default=6, ge=1, le=20, description="Passages that the model reads.")
    candidates: Whole = Field(default=40, ge=1, le=200, description="Passages that the best are chosen from.")
    history_turns: Whole = Field(default=3, ge=0, le=10, description="Earlier turns that the search heeds.")
    read_in_doubt: bool = Field(
        default=True,
        description="Whether a small model reads the best passages together with the turn where the search alone "
        "leaves in doubt whether they answer it. It takes some 20 ms of such a turn.",
    )
    rewrite: bool = Field(
        default=False,
        description="Whether the main model rewrites a follow-up before it is searched. It costs a call to the model "
        "before each such answer; without it the conversation is mixed into the search.",
    )
    reranker: str | None = Field(
        default=None,
        description="A cross-encoder of fastembed that reads the candidates once more and orders them, such as "
        "Xenova/ms-marco-MiniLM-L-6-v2 (downloaded once). It adds some tenths of a second to a search.",
    )
    reranker_folder: Path | None = Field(
        default=None, description="Folder with the reranker's files, so that nothing is downloaded."
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.candidates < self.passages:
            predicate = f"is {self.candidates}, fewer than retrieval.passages ({self.passages})."
            raise findings(Finding(("candidates",), predicate, f"Write {self.passages} or more."))
        return self


class Limits(Amounts):
    """What may be sent, asked and spent."""

    turn_characters: Whole = Field(default=20_000, ge=1, description="Longest turn, in characters.")
    conversation_turns: Whole = Field(default=200, ge=1, description="Most turns in one conversation.")
    attachment_megabytes: Whole = Field(
        default=20, ge=1, le=500, description="Largest file that may be attached to a conversation, in megabytes."
    )


class Settings(BaseSettings):
    """All settings of a Switchyard. `Settings()` is the defaults: it reads neither file nor environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,
        case_sensitive=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
    )

    organisation: str = Field(
        default="this organisation", min_length=1, description="Name of the organisation, for the prompts."
    )
    data: Path = Field(default=Path("data"), description="Folder for index, records and server file.")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = Field(
        default="info", description="How much is logged: debug, info, warning or error."
    )
    log_format: Annotated[Literal["text", "json"], AnyCase] = Field(
        default="text", description="How a line of the log looks: text, or json: an object with the id of the request."
    )
    server: Server = Server()
    access: Access = Access()
    models: dict[Name, Model] = Field(
        default_factory=dict, description="Chat models by name. One, builtin, needs no language model."
    )
    roles: Roles = Roles()
    voice: Voice = Voice()
    embedder: Embedder = Embedder()
    chunking: Chunking = Chunking()
    store: Store = Store()
    records: Records = Records()
    collections: dict[Name, Collection] = Field(
        default_factory=demo, description="Named sets of documents. Without this key: the demo collection."
    )
    sync: Sync = Sync()
    surfaces: dict[Name, Surface] = Field(
        default_factory=dict,
        description="Places where people chat, by name. portal is the chat page; each has a widget, and programs say "
        "which to the API.",
    )
    router: Router = Router()
    retrieval: Retrieval = Retrieval()
    both: Both = Both()
    grounding: Grounding = Grounding()
    links: Links = Links()
    limits: Limits = Limits()

    def roles_on(self, surface: str) -> Roles:
        """Which models do what on a surface."""
        return self.surfaces[surface].roles.over(self.roles)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `config_file.load` merges file and environment, to know which said what."""
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _unset(cls, data: Any) -> Any:
        return without_unset(cls, data)

    @field_validator("models", mode="before")
    @classmethod
    def _with_builtin(cls, models: Any) -> Any:
        return with_entry(models, BUILTIN, {"connector": BUILTIN})

    @field_validator("surfaces", mode="before")
    @classmethod
    def _with_portal(cls, surfaces: Any) -> Any:
        return with_entry(surfaces, PORTAL, {})

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        anonymous = [(name, each.anonymous) for name, each in self.surfaces.items()]
        guests = surface_findings(self.access.mode, anonymous)
        if found := [*self._model_findings(), *self._collection_findings(), *guests]:
            raise findings(*found)
        return self

    def _model_findings(self) -> Iterator[Finding]:
        if self.models[BUILTIN].connector != BUILTIN:
            yield Finding(("models", BUILTIN, "connector"), "must stay builtin.", "Give your own model another name.")
        places: list[tuple[Loc, Roles | SurfaceRoles]] = [(("roles",), self.roles)]
        places += [(("surfaces", name, "roles"), each.roles) for name, each in self.surfaces.items()]
        for place, roles in places:
            for key, name in unknown_names(roles, self.models):
                fix = f"{did_you_mean(name, self.models)} The models are: {', '.join(self.models)}.".strip()
                yield Finding((*place, *key), "names a model that does not exist: {value}.", fix, name)
        for name in ("ask", "second_opinion"):
            if getattr(self.router, name) and self.roles.chain("main") == (BUILTIN,):
                fix = "Name a language model as roles.main, or leave it out."
                yield Finding(("router", name), "needs a language model, and roles.main is builtin.", fix)
        if self.grounding.check == "model" and self.roles.chain("main") == (BUILTIN,):
            fix = "Name a language model as roles.main, or write check: own."
            yield Finding(("grounding", "check"), "needs a language model, and roles.main is builtin.", fix)

    def _collection_findings(self) -> Iterator[Finding]:
        known = ", ".join(self.collections) or "none"
        for surface, policy in self.surfaces.items():
            names = policy.collections or []
            for index, name in enumerate(names):
                key = ("surfaces", surface, "collections", index)
                if name not in self.collections:
                    fix = f"{did_you_mean(name, self.collections)} The collections are: {known}.".strip()
                    yield Finding(key, "names a collection that does not exist: {value}.", fix, name)
                elif name in names[:index]:
                    yield Finding(key, "names {value} a second time.", "Remove one of the two.", name)
