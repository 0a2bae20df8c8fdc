"""The settings of the document base: what makes vectors, how documents are cut, where the index lives, how it is kept
in step."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from assistant.config_types import Finding, Number, PositiveWhole, Section, WebUrl, Whole, findings, unused


class Embedder(Section):
    """What turns text into vectors for the search."""

    provider: Literal["builtin", "fastembed", "openai"] = Field(
        default="builtin",
        description="builtin: the shipped one, MiniLM fine-tuned for questions as people ask them at work. "
        "fastembed: any model of that library. openai: any OpenAI-compatible embedding endpoint.",
    )
    model: str | None = Field(default=None, description="Name of the model, for fastembed and openai.")
    base_url: WebUrl | None = Field(default=None, description="Address of the endpoint, for openai.")
    api_key: SecretStr | None = Field(default=None, description="Key for it; write ${OPENAI_API_KEY}.")
    batch_size: Whole | None = Field(
        default=None, ge=1, description="Texts embedded at once. Without a value: 1 here, 64 at an endpoint."
    )
    dimension: PositiveWhole | None = Field(default=None, description="Length of the vectors; openai needs it.")
    max_tokens: PositiveWhole | None = Field(default=None, description="Longest text it reads, in tokens.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"builtin": (), "fastembed": ("model",), "openai": ("model", "dimension")}[self.provider]
        missing = [name for name in needed if getattr(self, name) is None]
        either = "fastembed or openai"
        users = {"model": either, "base_url": "openai", "api_key": "openai", "dimension": either, "max_tokens": either}
        found = list(unused(self, "embedder.provider", users))
        if missing:
            names = " and ".join(f"embedder.{name}" for name in missing)
            fix = f"Add {' and '.join(missing)} below embedder, or set provider: builtin."
            found.append(Finding(("provider",), f"is {self.provider}, which needs {names}.", fix))
        if found:
            raise findings(*found)
        return self


class Chunking(Section):
    """How documents are cut into passages. After a change: assistant ingest --rebuild."""

    max_tokens: Whole = Field(default=240, ge=32, le=8192, description="Longest passage, in tokens.")


class Store(Section):
    """Where the search index lives."""

    engine: Literal["embedded", "server"] = Field(
        default="embedded", description="embedded: in this process, below data. server: a Qdrant server."
    )
    url: WebUrl | None = Field(default=None, description="Address of the Qdrant server.")
    api_key: SecretStr | None = Field(default=None, description="Key for it; write ${QDRANT_API_KEY}.")
    timeout: Number = Field(default=30.0, gt=0, description="Seconds to wait for the server.")
    shards: PositiveWhole | None = Field(
        default=None, description="Parts that an index is spread over, for a cluster. A new index takes it: --rebuild."
    )
    replicas: PositiveWhole | None = Field(
        default=None, description="Copies of each part, on as many machines. A new index takes it: --rebuild."
    )
    quantization: Literal["none", "scalar", "binary"] | None = Field(
        default=None,
        description="Smaller vectors in memory: scalar is a quarter, binary a thirty-second and only for long vectors. "
        "A new index takes it: --rebuild.",
    )
    on_disk: bool | None = Field(
        default=None, description="Keep vectors on disk instead of in memory. A new index takes it: --rebuild."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.engine == "server" and self.url is None:
            fix = "Add url: http://localhost:6333 below store, or set engine: embedded."
            raise findings(Finding(("engine",), "is server, which needs store.url.", fix))
        of_server = ("url", "api_key", "shards", "replicas", "quantization", "on_disk")
        if found := list(unused(self, "store.engine", dict.fromkeys(of_server, "server"))):
            raise findings(*found)
        return self


class Sync(Section):
    """How a running server keeps its collections in step with their sources."""

    watch: bool = Field(default=True, description="Follow changes of folders and files as they happen.")
    every: Whole = Field(
        default=60,
        ge=0,
        description="Minutes between looks at all sources, also those that cannot be watched. 0: never.",
    )
