"""Prompts as strict Jinja files. A missing or an unused variable fails when the prompt is loaded, not in a chat;
the content hash is the prompt's version and goes out with every answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, meta

VARIABLES: dict[str, frozenset[str]] = {
    "voice": frozenset({"organisation", "today", "contact", "examples"}),
    "retrieve": frozenset({"organisation", "today", "contact", "evidence"}),
    "both": frozenset({"organisation", "today", "contact", "examples", "evidence"}),
    "restyle": frozenset({"organisation", "today", "examples"}),
    "check": frozenset(),
    "ask": frozenset({"organisation", "today"}),
    "rewrite": frozenset(),
    "route": frozenset({"organisation"}),
}
"""The variables of every prompt that is shipped; the files must use exactly these."""


class PromptError(Exception):
    """A prompt file does not fit the variables that it is given."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A loaded prompt; ``version`` is the first 12 hex digits of the SHA-256 of its text."""

    name: str
    version: str
    variables: frozenset[str]
    template: Template

    def render(self, **values: object) -> str:
        """The prompt with its variables filled in. Raises PromptError if one is missing or not used by it."""
        given = frozenset(values)
        if given != self.variables:
            missing, unused = sorted(self.variables - given), sorted(given - self.variables)
            raise PromptError(f"prompt '{self.name}': missing {missing}, not used {unused}")
        return self.template.render(**values).strip()


def parse(name: str, text: str, variables: frozenset[str]) -> Prompt:
    """A prompt from its text. Raises PromptError unless the text uses exactly ``variables``."""
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    try:
        used = meta.find_undeclared_variables(environment.parse(text))
    except TemplateSyntaxError as error:
        raise PromptError(f"prompts/{name}.md, line {error.lineno}: {error.message}") from error
    if used != variables:
        raise PromptError(
            f"prompts/{name}.md: unknown variables {sorted(used - variables)}, unused {sorted(variables - used)}"
        )
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Prompt(name, version, variables, environment.from_string(text))


@cache
def load(name: str) -> Prompt:
    """The shipped prompt of that name. Raises PromptError if there is none or its variables do not fit."""
    if name not in VARIABLES:
        raise PromptError(f"there is no prompt '{name}'; there are {', '.join(sorted(VARIABLES))}")
    return parse(name, files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8"), VARIABLES[name])
