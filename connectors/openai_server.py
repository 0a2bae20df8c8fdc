"""One server that speaks OpenAI's API, behind the SDK's client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors import errors
from connectors.base import ModelSpec
from connectors.openai_errors import Explainer
from connectors.presets import is_openai

if TYPE_CHECKING:
    import openai

_WITH_KEY: Any = {"security": {"bearer_auth": True}}


class Server:
    """The client is made on first use, and again after ``aclose``; an ``http_client`` that was lent stays open.

    ``silence`` is how many seconds the server may send nothing; ``retries`` is how often the SDK asks again.
    """

    def __init__(
        self,
        spec: ModelSpec,
        http_client: Any,
        *,
        setting: str,
        silence: float,
        sent: str,
        shorten: str,
        promised: str,
        retries: int = 0,
    ) -> None:
        self.spec = spec
        self.silence = silence
        self._retries = retries
        self._http_client = http_client
        self._client: openai.AsyncOpenAI | None = None
        address = errors.redact(str(spec.base_url), spec.api_key)
        self._facts = (setting, address, sent, shorten, promised)

    def explainer(self, model: str | None = None) -> Explainer:
        """Puts into words what goes wrong with ``model``, or with the configured one."""
        setting, address, sent, shorten, promised = self._facts
        return Explainer(
            name=self.spec.name,
            setting=setting,
            model=model or self.spec.model or "(not named)",
            address=address,
            secret=self.spec.api_key,
            silence=self.silence,
            connecting=self.spec.connect_timeout,
            sent=sent,
            shorten=shorten,
            promised=promised,
        )

    def connect(self) -> openai.AsyncOpenAI:
        """The SDK's client."""
        if self._client is None:
            import httpx2
            import openai

            self._client = openai.AsyncOpenAI(
                api_key=self.spec.api_key or "none",
                base_url=self.spec.base_url,
                timeout=httpx2.Timeout(self.silence, connect=self.spec.connect_timeout),
                max_retries=self._retries,
                http_client=self._http_client,
            )
            if not is_openai(self.spec.base_url):
                # The SDK takes them from the environment; they are nobody else's business.
                self._client.organization = self._client.project = None
        return self._client

    async def get(self, path: str) -> Any:
        """The JSON at a path of the interface, or at a whole address."""
        return await self.connect().get(path, cast_to=object, options=_WITH_KEY)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that answers ``body``."""
        return await self.connect().post(path, cast_to=object, body=body, options=_WITH_KEY)

    async def events(self, path: str, body: Mapping[str, Any]) -> openai.AsyncStream[Any]:
        """The server-sent events that answer ``body``, each as the JSON that came. To be left with ``async with``,
        which gives up the connection whether or not all of them were read."""
        import openai

        return await self.connect().post(
            path,
            cast_to=object,
            body=body,
            options=_WITH_KEY,
            stream=True,
            stream_cls=openai.AsyncStream[object],  # anything else makes the SDK look at each event's type
        )

    async def aclose(self) -> None:
        """Close the client; the next call makes another."""
        client, self._client = self._client, None
        if client is not None and self._http_client is None:
            await client.close()
