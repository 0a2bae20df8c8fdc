"""Settings of what is done with an answer: how two models share it, how it is checked, which links it may hold."""

from typing import Literal

from pydantic import Field

from assistant.config_types import HostName, Section


class Both(Section):
    """How a turn that needs documents and the organisation's voice is answered."""

    way: Literal["single", "two_pass"] = Field(
        default="single",
        description="single: the voice model answers from the documents. two_pass: the main model drafts from them, "
        "and the voice model says the same in the organisation's voice; two calls.",
    )
    on_violation: Literal["mark", "plain"] = Field(
        default="mark",
        description="Where the voice lost or changed a number, date, amount, name, link or citation: mark names it "
        "below the answer; plain serves the main model's plain answer instead, for which the text is held back until "
        "it is checked.",
    )


class Grounding(Section):
    """How an answer from documents is checked against them, sentence by sentence."""

    check: Literal["own", "model", "off"] = Field(
        default="own",
        description="own: by closeness, words, numbers, dates, names and negation, in some milliseconds. model: the "
        "main model is asked too; one more call for each such answer. off: not at all.",
    )


class Links(Section):
    """Which links in answers may be followed. Others are shown as text."""

    allowed_hosts: list[HostName] = Field(
        default_factory=list,
        description='Hosts of yours: www.example.com; "*.example.com" for every name below it; "*" for all. A link '
        "that stands in a passage which the answer was made from may always be followed.",
    )
