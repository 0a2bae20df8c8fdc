"""How indexes are kept on a Qdrant server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from assistant.knowledge.store import StoreError


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Applies to indexes when they are made; `assistant ingest --rebuild` makes a new one.

    ``shards`` spread an index over the nodes of a cluster, and ``replicas`` are the copies of each shard; a write is
    acknowledged by more than half of them. ``quantization`` keeps vectors small in memory, a quarter of the size
    ("scalar") or a thirty-second ("binary", for 1,000 dimensions and more), and ranks what they find by the full ones.
    ``on_disk`` leaves the full vectors and the graph on disk, ``on_disk_payload`` the texts.
    """

    shards: int = 1
    replicas: int = 1
    quantization: Literal["none", "scalar", "binary"] = "none"
    on_disk: bool = False
    on_disk_payload: bool = True

    def __post_init__(self) -> None:
        if self.shards < 1 or self.replicas < 1:
            raise StoreError("an index on a Qdrant server needs at least one shard and one replica")
        if self.quantization not in ("none", "scalar", "binary"):
            raise StoreError(f"there is no quantization {self.quantization!r}; choose none, scalar or binary")
