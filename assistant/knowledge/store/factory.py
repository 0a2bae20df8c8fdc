"""The store that the settings name, imported only when it is the one."""

from __future__ import annotations

from pathlib import Path

from assistant.knowledge.store import Store, StoreError
from assistant.knowledge.store.options import ServerOptions


def build_store(
    *,
    engine: str,
    path: Path,
    url: str | None,
    api_key: str | None,
    timeout: float,
    server: ServerOptions | None = None,
) -> Store:
    """An ``embedded`` store in ``path``, or the ``server`` at ``url``; nothing is opened yet."""
    if engine == "embedded":
        from assistant.knowledge.store.embedded import EmbeddedStore

        return EmbeddedStore(path)
    if engine == "server":
        if not url:
            raise StoreError("the store engine 'server' needs the address of a Qdrant server, e.g. http://qdrant:6333")
        from assistant.knowledge.store.server import ServerStore

        return ServerStore(url, api_key=api_key, timeout=timeout, options=server)
    raise StoreError(f"there is no store engine {engine!r}; choose 'embedded' or 'server'")
