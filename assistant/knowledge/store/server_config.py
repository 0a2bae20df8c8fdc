"""What an index is on a Qdrant server: the arguments that make its collection, and how its documents are placed."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from qdrant_client import models

from assistant.knowledge.store import Point
from assistant.knowledge.store import payload as shared
from assistant.knowledge.store.options import ServerOptions

_PLACES = "switchyard_places"
"""Collection metadata: the number of shard keys, fixed when the collection is made."""


def creation(dimension: int, options: ServerOptions, cluster: bool) -> dict[str, Any]:
    """Arguments of create_collection. On a cluster each shard has a key, so that we choose a document's shard."""
    dense = models.VectorParams(size=dimension, distance=models.Distance.COSINE, on_disk=options.on_disk or None)
    index = models.SparseIndexParams(on_disk=True) if options.on_disk else None
    arguments: dict[str, Any] = {
        "vectors_config": {shared.DENSE: dense},
        "sparse_vectors_config": {shared.SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF, index=index)},
        "on_disk_payload": options.on_disk_payload,
    }
    if options.on_disk:
        arguments["hnsw_config"] = models.HnswConfigDiff(on_disk=True)
    if options.quantization == "scalar":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        arguments["quantization_config"] = models.ScalarQuantization(scalar=scalar)
    if options.quantization == "binary":
        binary = models.BinaryQuantizationConfig(always_ram=True)
        arguments["quantization_config"] = models.BinaryQuantization(binary=binary)
    if options.replicas > 1:
        arguments["replication_factor"] = options.replicas
        arguments["write_consistency_factor"] = options.replicas // 2 + 1
    return arguments | _sharding(options.shards, cluster)


def _sharding(shards: int, cluster: bool) -> dict[str, Any]:
    if shards == 1:
        return {}
    if not cluster:
        return {"shard_number": shards}
    return {
        "shard_number": 1,
        "sharding_method": models.ShardingMethod.CUSTOM,
        "metadata": {_PLACES: shards},
    }


class Layout:
    """How a collection that is there was made: where its documents go, and how its vectors are searched."""

    def __init__(self, config: models.CollectionConfig) -> None:
        custom = config.params.sharding_method == models.ShardingMethod.CUSTOM
        self.places = int((config.metadata or {}).get(_PLACES, 0)) if custom else 0
        self.params = models.SearchParams(hnsw_ef=shared.HNSW_EF, quantization=_rescoring(config.quantization_config))

    @property
    def keys(self) -> list[str]:
        """All shard keys; none where the server spreads points by itself."""
        return [_key(place) for place in range(self.places)]

    def key(self, point: Point) -> str | None:
        """The shard key of a point's document, the same for all its versions. It never changes: ids are unique within
        one shard only."""
        chunk = point.chunk
        identity = "\0".join((chunk.collection, chunk.source, chunk.document))
        return _key(crc32(identity.encode()) % self.places) if self.places else None


def _key(place: int) -> str:
    return f"place-{place}"


def _rescoring(quantization: models.QuantizationConfig | None) -> models.QuantizationSearchParams | None:
    """The small vectors find more candidates than are asked for, the full ones keep the best."""
    if quantization is None:
        return None
    more = 4.0 if isinstance(quantization, models.BinaryQuantization) else 2.0
    return models.QuantizationSearchParams(rescore=True, oversampling=more)
