"""Routes of documents and their content (design.md §4)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import Response, Router, get, post, put
from litestar.datastructures import ResponseHeader
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from vault.api.asking import (
    AnyRequest,
    Cursor,
    Limit,
    Listed,
    confirmed_classes,
    id_for,
    listed,
    require_token,
    secret_of,
)
from vault.api.release import ReleaseResponse, release_to
from vault.api.strict import read_strictly, require_plain
from vault.errors import InvalidInput
from vault.model import CaseId, DocumentId
from vault.services.documents import Documents, DocumentView
from vault.services.incoming import NewDocument, bare_media_type, parse_content_digest

TypeFilter = Annotated[str | None, QueryParameter(name="type", required=False)]


class Registered(msgspec.Struct, frozen=True):
    id: uuid.UUID
    state: str


class FiledContent(msgspec.Struct, frozen=True):
    """``sha256`` is the hex SHA-256 of the content; ``log_entry`` the entry that filed it."""

    id: uuid.UUID
    state: str
    size: int
    sha256: str
    log_entry: uuid.UUID


def documents_router(documents: Documents) -> Router:
    """All routes below /v1 that belong to documents."""
    handlers = [*_paper_handlers(documents), *_content_handlers(documents)]
    return Router(
        "/v1",
        guards=[require_token, require_plain],
        before_request=read_strictly,
        tags=["documents"],
        route_handlers=handlers,
    )


def _paper_handlers(documents: Documents) -> list[HTTPRouteHandler]:

    @post("/cases/{case:uuid}/documents", status_code=201)
    async def register(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[NewDocument]
    ) -> Response[Registered]:
        """Register a document; its content is put afterwards."""
        document, promise = await documents.register(
            secret_of(request), CaseId(case), DocumentId(await id_for(request)), data
        )
        return Response(Registered(id=document, state="awaiting-content"), headers={"Vault-Log-Entry": promise})

    @get("/cases/{case:uuid}/documents")
    async def list_documents(
        request: AnyRequest,
        case: FromPath[uuid.UUID],
        cursor: Cursor = None,
        limit: Limit = 50,
        kind: TypeFilter = None,
    ) -> Response[Listed[DocumentView]]:
        """The documents that the caller may read now, and those it filed; nothing else is counted."""
        return listed(
            await documents.list_documents(secret_of(request), CaseId(case), after=cursor, limit=limit, kind=kind)
        )

    @get("/documents/{document:uuid}")
    async def get_document(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[DocumentView]:
        view, promise = await documents.get(secret_of(request), DocumentId(document))
        return Response(view, headers={"Vault-Log-Entry": promise})

    @post("/documents/{document:uuid}/retract", status_code=200)
    async def retract(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[Registered]:
        """Take a document back: it opens to nobody but the client."""
        done = await documents.mark(secret_of(request), DocumentId(document), "retracted")
        return Response(Registered(id=document, state="retracted"), headers={"Vault-Log-Entry": done.promise})

    @post("/documents/{document:uuid}/misfiled", status_code=200)
    async def misfiled(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[Registered]:
        """Say that this is the wrong person's paper: it closes to everyone at once."""
        done = await documents.mark(secret_of(request), DocumentId(document), "misfiled")
        return Response(Registered(id=document, state="misfiled"), headers={"Vault-Log-Entry": done.promise})

    return [register, list_documents, get_document, retract, misfiled]


def _content_handlers(documents: Documents) -> list[HTTPRouteHandler]:
    @put("/documents/{document:uuid}/content", request_max_body_size=None, status_code=200)
    async def put_content(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[FiledContent]:
        """The raw bytes. Answered when the ciphertext is durable and its row is committed."""
        filed = await documents.file(
            secret_of(request),
            DocumentId(document),
            _body(request),
            length=_length(request),
            digests=parse_content_digest(request.headers.get("content-digest")),
            media_type=_media_type(request),
        )
        body = FiledContent(
            id=filed.id, state=filed.state, size=filed.size, sha256=filed.sha256, log_entry=filed.log_entry
        )
        return Response(body, headers={"Vault-Log-Entry": filed.promise})

    @get(
        "/documents/{document:uuid}/content",
        responses={
            200: ResponseSpec(
                None, description="The document's bytes", media_type="application/octet-stream", generate_examples=False
            )
        },
        response_headers=[
            ResponseHeader(
                name="Vault-Log-Entry", description="The signed promise of the log entry", documentation_only=True
            )
        ],
    )
    async def get_content(request: AnyRequest, document: FromPath[uuid.UUID]) -> ReleaseResponse:
        """Release a document, if the consents permit it now."""
        who = request.state.token.client_id
        return await release_to(request, documents, DocumentId(document), who=who, confirmed=confirmed_classes(request))

    return [put_content, get_content]


async def _body(request: AnyRequest) -> AsyncIterator[bytes]:
    """The request's bytes as they arrive. Raises: InvalidInput when the caller goes away half-way."""
    try:
        async for chunk in request.stream():
            yield chunk
    except HTTPException as error:
        raise InvalidInput("the body stopped before its end", code="incomplete-body", status=400) from error


def _length(request: AnyRequest) -> int | None:
    header = request.headers.get("content-length")
    if header is None:
        return None
    if not header.isdecimal():
        raise InvalidInput("Content-Length is a number of bytes", field="Content-Length", status=400)
    return int(header)


def _media_type(request: AnyRequest) -> str | None:
    """The Content-Type without its parameters; octet-stream says nothing and is not compared."""
    header = bare_media_type(request.headers.get("content-type", ""))
    return header if header and header != "application/octet-stream" else None
