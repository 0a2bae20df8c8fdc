"""Settings of how much people may ask and spend: of one person, of guests, of an API key, of a whole surface."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, PlainSerializer

from assistant.config_types import Finding, MaskedUrl, Number, PositiveWhole, Section, Whole, findings, mask_url


def _store_url(value: str) -> MaskedUrl:
    if not re.match(r"(rediss?://[^/]|unix:///)", value):
        fix = "Write for example redis://:${REDIS_PASSWORD}@localhost:6379/0, or leave it out to count in this process."
        raise findings(Finding((), "must be the address of a Redis.", fix))
    return MaskedUrl(value)


StoreUrl = Annotated[
    str,
    AfterValidator(_store_url),
    PlainSerializer(mask_url, return_type=str, when_used="json"),
    Field(json_schema_extra={"writeOnly": True}),
]


UsualT = TypeVar("UsualT", bound="Allowance")


class Allowance(Section):
    """What may be asked and spent. What is left out is not bounded."""

    turns_per_minute: PositiveWhole | None = Field(default=None, description="Most turns in any minute.")
    turns_per_day: PositiveWhole | None = Field(default=None, description="Most turns in any 24 hours.")
    tokens_per_day: PositiveWhole | None = Field(
        default=None, description="Tokens in any 24 hours, read and written; then no further turn begins."
    )
    cost_per_day: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Cost in any 24 hours, in limits.currency; then no further turn begins. Only models whose price is "
        "known have a cost.",
    )
    at_once: PositiveWhole | None = Field(default=None, description="Most turns that are answered at the same time.")

    def over(self, usual: UsualT) -> UsualT:
        """These values, and the usual ones where none is given."""
        return usual.model_copy(update=self.model_dump(exclude_none=True))


class GuestAllowance(Allowance):
    """Nobody knows who guests are, so that they alone are bounded unasked."""

    turns_per_minute: PositiveWhole | None = Field(default=20, description="Most turns in any minute.")
    turns_per_day: PositiveWhole | None = Field(default=300, description="Most turns in any 24 hours.")
    at_once: PositiveWhole | None = Field(default=3, description="Most turns that are answered at the same time.")


class GuestsAllowance(Allowance):
    """Who is refused as one guest can come back as another: this bounds them together."""

    turns_per_minute: PositiveWhole | None = Field(default=120, description="Most turns in any minute.")
    turns_per_day: PositiveWhole | None = Field(default=5_000, description="Most turns in any 24 hours.")


class SurfaceLimits(Section):
    """How much may be asked on a surface, where it differs from limits of the same name."""

    person: Allowance = Field(default=Allowance(), description="One person on this surface.")
    guest: Allowance = Field(default=Allowance(), description="One guest on this surface.")
    guests: Allowance = Field(default=Allowance(), description="All guests of this surface together.")
    key: Allowance = Field(default=Allowance(), description="All that comes with one API key to this surface.")
    everybody: Allowance = Field(default=Allowance(), description="All people on this surface together.")


class Amounts(Section):
    """How much may be asked and spent, on each surface by itself. ``Limits`` of the settings begins with it."""

    person: Allowance = Field(
        default=Allowance(),
        description="One person on one surface: signed in, with a portal's token, or named by a key.",
    )
    guest: GuestAllowance = Field(default=GuestAllowance(), description="One guest on one surface.")
    guests: GuestsAllowance = Field(default=GuestsAllowance(), description="All guests of one surface together.")
    key: Allowance = Field(default=Allowance(), description="All that comes with one API key to one surface.")
    everybody: Allowance = Field(default=Allowance(), description="All people on one surface together.")
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="Currency of every cost_per_day: USD, EUR.")
    wrong_credentials_per_minute: Whole = Field(
        default=20,
        ge=1,
        description="Wrong keys and tokens from one network address in a minute; more are answered with 429. Right "
        "ones are always let in.",
    )
    new_guests_per_minute: Whole = Field(
        default=30, ge=1, description="Guests that may begin from one network address in a minute."
    )
    store: StoreUrl | None = Field(
        default=None,
        description="Redis that counts for all replicas together: redis://:${REDIS_PASSWORD}@host:6379/0, after pip "
        'install "switchyard[redis]". Without one, every process counts for itself.',
    )

    def on(self, surface: SurfaceLimits) -> "Amounts":
        """What counts on a surface: its own values, and these where it has none."""
        names: dict[str, Any] = {
            name: getattr(surface, name).over(getattr(self, name)) for name in SurfaceLimits.model_fields
        }
        return self.model_copy(update=names)
