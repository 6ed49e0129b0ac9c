"""A witness reached over HTTP. Source: C2SP tlog-witness."""

from __future__ import annotations

import httpx

from vault.errors import Unavailable
from vault.services.witness import MAX_REQUEST, Answer


class HttpWitness:
    """witness.Submitter for one submission prefix; the client's time limits bound the wait."""

    def __init__(self, client: httpx.AsyncClient, prefix: str) -> None:
        self._client = client
        self._url = f"{prefix.rstrip('/')}/add-checkpoint"

    async def __call__(self, request: bytes) -> Answer:
        try:
            answer = await self._client.post(self._url, content=request, headers={"content-type": "text/plain"})
        except httpx.HTTPError as error:
            raise Unavailable(f"the witness did not answer: {type(error).__name__}") from None
        if answer.status_code >= 500 or len(answer.content) > MAX_REQUEST:
            raise Unavailable(f"the witness answered {answer.status_code}")
        return Answer(answer.status_code, answer.text, answer.headers.get("content-type", ""))
