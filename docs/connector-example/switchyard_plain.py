"""`connector: plain`: a server that takes {"prompt": …} and streams its answer as plain text."""

import httpx

from connectors import ChatModel, ChatRequest, Delta, DocumentPart, errors
from connectors.openai_compat import render_document


class PlainModel(ChatModel):
    def __init__(self, spec, resources):  # what stands under `models:`, and what the host lends; no I/O here
        self.name, self.spec = spec.name, spec

    async def stream(self, request: ChatRequest):
        parts = [part for message in request.messages for part in message.parts]
        prompt = "\n\n".join(render_document(part) if isinstance(part, DocumentPart) else part.text for part in parts)
        try:
            async with (
                httpx.AsyncClient(timeout=self.spec.timeout) as client,
                client.stream("POST", self.spec.base_url, json={"prompt": prompt}) as answer,
            ):
                answer.raise_for_status()
                async for text in answer.aiter_text():
                    yield Delta(text=text)
        except httpx.HTTPError as error:  # only ConnectorErrors may come out: they say what to do, and show no key
            raise errors.Unavailable(f"{self.name} does not answer at {self.spec.base_url}. Is it running?") from error
        yield Delta(finish="stop", model=self.name)
