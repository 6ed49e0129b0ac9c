"""My documents: what is there, what waits for a check and until when, what is withheld and why; read and download."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from vault.model import CaseId, DocumentId
from vault.pages.faults import on_vault_error
from vault.pages.my.parts import MyParts, everything, secret_of
from vault.pages.shell import render
from vault.services.mine_views import MyCase, MyDocument
from vault.web.session import AnyRequest

# What a browser shows without running anything of it; all else is only downloaded.
SHOWN = frozenset({"application/pdf", "image/gif", "image/jpeg", "image/png", "image/webp", "text/plain"})


def document_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    mine = parts.mine

    @get("/documents", include_in_schema=False)
    async def list_documents(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        cases = await everything(MyCase, lambda after: mine.cases(secret, after=after))
        documents = await everything(MyDocument, lambda after: mine.documents(secret, after=after))
        grouped = [(case, newest_first([d for d in documents if d.case == case.id])) for case in cases]
        return render(request, "my/documents.html", grouped=grouped, several=len(cases) > 1, total=len(documents))

    @get("/documents/{document:uuid}", include_in_schema=False)
    async def one_document(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[bytes]:
        secret = secret_of(request)
        view, _ = await mine.document(secret, DocumentId(document))
        case, _ = await mine.case(secret, CaseId(view.case))
        return render(request, "my/document.html", document=view, case=case, shown=view.media_type in SHOWN)

    @get("/documents/{document:uuid}/read", include_in_schema=False)
    async def read(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[Any]:
        return await _release(parts, request, document, inline=True)

    @get("/documents/{document:uuid}/download", include_in_schema=False)
    async def download(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[Any]:
        return await _release(parts, request, document, inline=False)

    return [list_documents, one_document, read, download]


def newest_first(documents: list[MyDocument]) -> list[MyDocument]:
    """By the day on the paper, then by when it came."""
    return sorted(documents, key=lambda one: (one.dated, str(one.id)), reverse=True)


async def _release(parts: MyParts, request: AnyRequest, document: uuid.UUID, *, inline: bool) -> Response[Any]:
    who = f"session {hashlib.sha256(secret_of(request)).hexdigest()}"
    return await parts.releasing(
        request, parts.documents, DocumentId(document), who=who, inline=inline, on_error=on_vault_error
    )
