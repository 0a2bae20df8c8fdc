"""The server engine: a Qdrant server or cluster, with the vectors and queries of the embedded one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from qdrant_client import AsyncQdrantClient, models

from assistant.knowledge.store import StoreError
from assistant.knowledge.store import payload as shared
from assistant.knowledge.store.options import ServerOptions
from assistant.knowledge.store.server_config import Layout, creation
from assistant.knowledge.store.server_index import Connection, ServerIndex

_PREFIX = re.compile(r"[a-z0-9][a-z0-9-]*")


class ServerStore:
    """Indexes are collections named ``<prefix>_<name>``; a given ``client`` is used and not closed."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 30,
        options: ServerOptions | None = None,
        prefix: str = "switchyard",
        client: AsyncQdrantClient | None = None,
    ) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise StoreError(f"{prefix!r} cannot be a prefix; use a-z, 0-9 and '-'")
        self._url = url
        self._api_key = api_key
        self._timeout = timeout
        self._prefix = prefix
        self._options = options or ServerOptions()
        self._known: dict[str, ServerIndex] = {}
        self._lent = client
        self._open: Connection | None = None

    async def open(self) -> None:
        if self._open is not None:
            return
        client = self._lent or self._connect()
        connection = Connection(client, self._url, self._timeout)
        try:
            with connection.explained():
                await client.get_collections()
        except BaseException:
            await self._release(client)
            raise
        self._open = connection

    async def close(self) -> None:
        if self._open is not None:
            connection, self._open = self._open, None
            self._known.clear()
            await self._release(connection.client)

    async def create(self, name: str, dimension: int) -> ServerIndex:
        collection = self._full(name)
        if name in await self.aliases():
            raise StoreError(f"{name!r} is an alias; choose another name for the index")
        with self._connection.explained() as client:
            if not await client.collection_exists(collection):
                arguments = creation(dimension, self._options, await self._clustered())
                await client.create_collection(collection, **arguments)
        self._known.pop(name, None)
        index = await self._index(name)
        shared.check_dimension(name, index.dimension, dimension)
        await self._make_places(collection, index.layout)
        await self._index_payload(collection)
        return index

    async def index(self, name_or_alias: str) -> ServerIndex:
        name = (await self.aliases()).get(name_or_alias, name_or_alias)
        if name not in self._known and not await self._exists(name):
            raise StoreError(f"there is no index {name!r} on the Qdrant server; run `assistant ingest`")
        return await self._index(name)

    async def indexes(self) -> list[str]:
        with self._connection.explained() as client:
            found = (await client.get_collections()).collections
        return sorted(name for name in map(self._bare, (item.name for item in found)) if name)

    async def drop(self, name: str) -> None:
        held_by = sorted(alias for alias, target in (await self.aliases()).items() if target == name)
        if held_by:
            raise StoreError(f"index {name!r} is live as {held_by[0]!r}; switch that alias first")
        if not await self._exists(name):
            raise StoreError(f"there is no index {name!r} on the Qdrant server")
        self._known.pop(name, None)
        with self._connection.explained() as client:
            await client.delete_collection(self._full(name))

    async def aliases(self) -> Mapping[str, str]:
        with self._connection.explained() as client:
            found = (await client.get_aliases()).aliases
        pairs = ((self._bare(item.alias_name), self._bare(item.collection_name)) for item in found)
        return {alias: name for alias, name in pairs if alias and name}

    async def switch(self, alias: str, name: str) -> None:
        if alias in await self.indexes():
            raise StoreError(f"{alias!r} is an index; choose another name for the alias")
        if not await self._exists(name):
            raise StoreError(f"there is no index {name!r} to switch {alias!r} to")
        old = models.DeleteAlias(alias_name=self._full(alias))
        new = models.CreateAlias(alias_name=self._full(alias), collection_name=self._full(name))
        steps: list[models.AliasOperations] = [
            models.DeleteAliasOperation(delete_alias=old),
            models.CreateAliasOperation(create_alias=new),
        ]
        with self._connection.explained() as client:
            await client.update_collection_aliases(steps)

    @property
    def _connection(self) -> Connection:
        if self._open is None:
            raise StoreError("the document base is not open; call open() first")
        return self._open

    def _connect(self) -> AsyncQdrantClient:
        try:
            return AsyncQdrantClient(
                url=self._url,
                api_key=self._api_key,
                timeout=math.ceil(self._timeout),
                check_compatibility=False,  # it would ask the server in the constructor, blocking
            )
        except ValueError as error:
            raise StoreError("the address of the Qdrant server is not one; write http://host:6333") from error

    async def _release(self, client: AsyncQdrantClient) -> None:
        if client is not self._lent:
            await client.close()

    def _full(self, name: str) -> str:
        return f"{self._prefix}_{shared.checked_name(name)}"

    def _bare(self, full: str) -> str | None:
        prefix, _, name = full.partition("_")
        return name if prefix == self._prefix else None

    async def _exists(self, name: str) -> bool:
        return name in await self.indexes()

    async def _index(self, name: str) -> ServerIndex:
        """Asked for once: neither the dimension nor the layout of a collection changes."""
        if name in self._known:
            return self._known[name]
        collection = self._full(name)
        with self._connection.explained() as client:
            config = (await client.get_collection(collection)).config
        vectors = config.params.vectors
        if not isinstance(vectors, dict) or shared.DENSE not in vectors:
            raise StoreError(f"collection {collection!r} on the Qdrant server is not Switchyard's; rename it")
        dimension, layout = vectors[shared.DENSE].size, Layout(config)
        self._known[name] = ServerIndex(name, dimension, collection, self._connection, layout)
        return self._known[name]

    async def _clustered(self) -> bool:
        """Whether documents can be given a shard; asked only where there are several."""
        if self._options.shards == 1:
            return False
        with self._connection.explained() as client:
            return (await client.cluster_status()).status == "enabled"

    async def _make_places(self, collection: str, layout: Layout) -> None:
        if not layout.keys:
            return
        with self._connection.explained() as client:
            there = {each.key for each in (await client.list_shard_keys(collection)).shard_keys or ()}
            for key in layout.keys:
                if key not in there:
                    await client.create_shard_key(collection, key)

    async def _index_payload(self, collection: str) -> None:
        keyword = models.KeywordIndexType.KEYWORD
        for field in shared.KEYWORDS:
            schema = models.KeywordIndexParams(type=keyword, is_tenant=field == shared.KEYWORDS[0] or None)
            with self._connection.explained() as client:
                await client.create_payload_index(collection, field, schema, wait=True)
