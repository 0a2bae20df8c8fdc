"""Settings of the chat models: what speaks to them, how patient it is, and which ones play a role."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr

from assistant.config_types import Finding, Number, PositiveWhole, Section, Temperature, WebUrl, Whole, findings

Api = Literal["auto", "chat", "responses"]


def _chain(value: Any) -> Any:
    """One name, or names in order: anything else has no errors of its own worth reading."""
    names = value if isinstance(value, list) else [value]
    if not names:
        raise findings(Finding((), "names no model.", "Name one, or leave the key out."))
    if not all(isinstance(name, str) and name for name in names):
        raise findings(Finding((), "must be the name of a model, or a list of names.", "Write gpt, or [gpt, local]."))
    for index, name in enumerate(names):
        if name in names[:index]:
            raise findings(Finding((index,), "names {value} a second time.", "Remove one of the two.", name))
    return value


Chain = Annotated[str | list[str], BeforeValidator(_chain)]


class Price(Section):
    """What a model's tokens cost. Without it, the price that Switchyard ships for the model, if it knows one."""

    input: Number = Field(ge=0, description="A million tokens of what the model reads.")
    output: Number = Field(ge=0, description="A million tokens of what it writes.")
    cached_input: Number | None = Field(
        default=None, ge=0, description="A million tokens that it had read before. Without it: as input."
    )
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="Currency of the prices: USD, EUR.")


class Model(Section):
    """A chat model, under the name that roles use."""

    connector: str = Field(
        default="openai",
        min_length=1,
        description="What speaks to the model: openai (also any OpenAI-compatible server through base_url); "
        "ollama, vllm, llamacpp, lmstudio, tgi or transformers-serve, which know their usual address; langchain; "
        "transformers or llama-cpp, which run it in this process; builtin; or the dotted name of a connector of your "
        "own.",
    )
    model: str | None = Field(default=None, description="The provider's name for the model.")
    base_url: WebUrl | None = Field(default=None, description="Address of the API, if not the usual one.")
    api_key: SecretStr | None = Field(default=None, description="Key for the API; write ${OPENAI_API_KEY}.")
    api: Api = Field(
        default="auto",
        description="Which of OpenAI's interfaces is spoken: chat (Chat Completions), responses, or auto, by model.",
    )
    temperature: Temperature | None = Field(default=None, description="0: steady; 2: wild.")
    max_tokens: PositiveWhole | None = Field(default=None, description="Longest answer, in tokens.")
    timeout: Number = Field(default=60.0, gt=0, description="Seconds to wait between two pieces of an answer.")
    connect_timeout: Number = Field(default=5.0, gt=0, description="Seconds to wait for a connection.")
    first_token_timeout: Number = Field(default=60.0, gt=0, description="Seconds to wait for the first word.")
    retries: Whole = Field(
        default=2, ge=0, le=10, description="How often a request is repeated that fails before the first word."
    )
    concurrency: PositiveWhole | None = Field(
        default=None, description="Most answers that it writes at once; others wait. Without it: no limit."
    )
    context_window: PositiveWhole | None = Field(
        default=None,
        description="Tokens that the model can read and write in one request. Without it: what is known of the model, "
        "or what its server says.",
    )
    price: Price | None = Field(default=None, description="What its tokens cost, for the cost of a turn.")
    options: dict[str, Any] = Field(default_factory=dict, repr=False, description="Passed on as it is.")


class Roles(Section):
    """Which models do what: a name, or a list of names that are asked in order until one answers."""

    main: Chain = Field(
        default="builtin", description="The model that answers from documents, or several: [gpt, local]."
    )
    voice: Chain | None = Field(
        default=None,
        description="The model that speaks in the organisation's voice, or several. Without one: main does that too.",
    )

    def chain(self, role: Literal["main", "voice"]) -> tuple[str, ...]:
        """The names of the models of a role, in the order in which they are asked."""
        given = self.voice if role == "voice" and self.voice is not None else self.main
        return (given,) if isinstance(given, str) else tuple(given)


class SurfaceRoles(Section):
    """The same for one surface, where it differs."""

    main: Chain | None = Field(default=None, description="Models that answer from documents here, in order.")
    voice: Chain | None = Field(default=None, description="Models that speak in the organisation's voice here.")

    def over(self, roles: Roles) -> Roles:
        """What counts on the surface: a main of its own also speaks, where neither names a voice."""
        given = {name: value for name in ("main", "voice") if (value := getattr(self, name)) is not None}
        return roles.model_copy(update=given)


def unknown_names(
    roles: Roles | SurfaceRoles, models: Mapping[str, object]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Keys within the roles, with the name there, of models that do not exist."""
    for role in ("main", "voice"):
        given = getattr(roles, role)
        for index, name in enumerate([given] if isinstance(given, str) else given or ()):
            if name not in models:
                yield ((role,) if isinstance(given, str) else (role, index)), name
