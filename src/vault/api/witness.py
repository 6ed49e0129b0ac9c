"""The witness over HTTP: `POST /add-checkpoint` and `GET /<origin hash>/checkpoint`.

Source: C2SP tlog-witness, HTTP Interface.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Litestar, Request, Response, get, post
from litestar.params import Parameter

from vault.services.witness import MAX_REQUEST, Answer, Witness


def witness_app(witness: Witness) -> Litestar:
    """The witness as an application of its own; the signature on a checkpoint is all the authentication there is."""

    @post("/add-checkpoint", status_code=200)
    async def add_checkpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        # One durable write of a small file; requests wait for one another anyway.
        return _response(witness.add_checkpoint(await request.body()))

    @get("/{origin_hash:str}/checkpoint")
    async def checkpoint(origin_hash: Annotated[str, Parameter(pattern="^[0-9a-f]{64}$")]) -> Response[bytes]:
        return _response(witness.checkpoint(origin_hash))

    return Litestar(
        [add_checkpoint, checkpoint], request_max_body_size=MAX_REQUEST, openapi_config=None, logging_config=None
    )


def _response(answer: Answer) -> Response[bytes]:
    # As bytes, and the header as it is: other people's logs compare it letter by letter, without a charset.
    return Response(answer.body.encode(), status_code=answer.status, headers={"content-type": answer.media_type})
