"""The language in which a reader is told things; the words stand in ``ui/words.yaml``."""

from assistant.config_surfaces import Language

__all__ = ["Language"]
