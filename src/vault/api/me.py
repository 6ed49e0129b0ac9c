"""Routes below /v1/me: the signed-in client's own, by session (design.md §4; docs/howto/own-records.md)."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, id_for, listed, secret_of
from vault.api.release import ReleaseResponse, release_to
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId, ConsentId, DocumentId
from vault.services.consents import Consents, Withdrawing
from vault.services.documents import Documents
from vault.services.mine import Mine, NewProhibition
from vault.services.mine_views import Acted, MyCase, MyConsent, MyDocument, MyProhibition, MyReaders, MySelf
from vault.web.session import require_client, session_of

OfCase = Annotated[uuid.UUID | None, QueryParameter(name="case", required=False)]
WithDocuments = Annotated[bool, QueryParameter(name="documents", required=False)]
Shown = Annotated[
    Literal["attachment", "inline"],
    QueryParameter(name="show", required=False, description="inline: a browser shows what it can show safely"),
]


class ChangeMe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the client changes about themselves; today the language in which they are served."""

    language: str


class Ended(msgspec.Struct, frozen=True):
    """What was ended or confirmed, and the entry that says so."""

    id: uuid.UUID
    at: str
    log_entry: uuid.UUID


class Paused(msgspec.Struct, frozen=True):
    paused: bool
    at: str


def me_router(mine: Mine, documents: Documents, consents: Consents) -> Router:
    """All routes below /v1/me that show the client their own and do what they decide by themselves."""
    handlers = [*_self_handlers(mine), *_document_handlers(mine, documents), *_consent_handlers(mine, consents)]
    handlers += _prohibition_handlers(mine)
    return Router(
        "/v1/me",
        guards=[require_client, require_plain],
        before_request=read_strictly,
        tags=["me"],
        security=[{"session": []}],
        route_handlers=handlers,
    )


def _self_handlers(mine: Mine) -> list[HTTPRouteHandler]:
    @get("/")
    async def get_me(request: AnyRequest) -> Response[MySelf]:
        """What is registered about you; `kept` is false when nothing is."""
        view, promise = await mine.about(secret_of(request))
        return _shown(view, promise)

    @patch("/")
    async def change_me(request: AnyRequest, data: JSONBody[ChangeMe]) -> Response[dict[str, Any]]:
        """Choose the language in which you are served."""
        acted = await mine.set_language(secret_of(request), data.language)
        return Response({"language": data.language}, headers={"Vault-Log-Entry": acted.promise})

    @get("/cases")
    async def list_my_cases(request: AnyRequest, cursor: Cursor = None, limit: Limit = 50) -> Response[Listed[MyCase]]:
        """Your cases, archived ones too: how each stands, who answers for it, who takes part."""
        return listed(await mine.cases(secret_of(request), after=cursor, limit=limit))

    @get("/cases/{case:uuid}")
    async def get_my_case(request: AnyRequest, case: FromPath[uuid.UUID]) -> Response[MyCase]:
        """One of your cases."""
        view, promise = await mine.case(secret_of(request), CaseId(case))
        return _shown(view, promise)

    @get("/readers")
    async def who_can_read(
        request: AnyRequest, case: OfCase = None, *, documents: WithDocuments = True
    ) -> Response[MyReaders]:
        """Who can open your papers now, and by which clause: decided as a release would be. Protected classes stand apart."""
        readers = await mine.readers(secret_of(request), case=_case(case), with_documents=documents)
        return _shown(readers, readers.promise)

    return [get_me, change_me, list_my_cases, get_my_case, who_can_read]


def _document_handlers(mine: Mine, documents: Documents) -> list[HTTPRouteHandler]:
    @get("/documents")
    async def list_my_documents(
        request: AnyRequest, case: OfCase = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[MyDocument]]:
        """Your papers, received ones too. What waits for a check says until when, what is withheld says by which provision."""
        return listed(await mine.documents(secret_of(request), case=_case(case), after=cursor, limit=limit))

    @get("/documents/{document:uuid}")
    async def get_my_document(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[MyDocument]:
        """One of your papers."""
        view, promise = await mine.document(secret_of(request), DocumentId(document))
        return _shown(view, promise)

    @get(
        "/documents/{document:uuid}/content",
        responses={200: ResponseSpec(None, description="The document's bytes", media_type="application/octet-stream", generate_examples=False)},
        response_headers=[ResponseHeader(name="Vault-Log-Entry", description="The signed promise of the log entry", documentation_only=True)],
    )  # fmt: skip
    async def get_my_content(
        request: AnyRequest, document: FromPath[uuid.UUID], show: Shown = "attachment"
    ) -> ReleaseResponse:
        """Read one of your papers; `Range` and `If-Range` work as for agencies."""
        who = f"client {session_of(request).client}"
        return await release_to(request, documents, DocumentId(document), who=who, inline=show == "inline")

    return [list_my_documents, get_my_document, get_my_content]


def _consent_handlers(mine: Mine, consents: Consents) -> list[HTTPRouteHandler]:
    @get("/consents")
    async def list_my_consents(
        request: AnyRequest, case: OfCase = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[MyConsent]]:
        """Your written consents: every clause, whether it is in force and if not why, and what happened to it."""
        return listed(await mine.consents(secret_of(request), case=_case(case), after=cursor, limit=limit))

    @get("/consents/{consent:uuid}")
    async def get_my_consent(request: AnyRequest, consent: FromPath[uuid.UUID]) -> Response[MyConsent]:
        """One of your consents."""
        view, promise = await mine.consent(secret_of(request), ConsentId(consent))
        return _shown(view, promise)

    @post("/consents/{consent:uuid}/withdraw", status_code=200)
    async def withdraw_my_consent(
        request: AnyRequest, consent: FromPath[uuid.UUID], data: JSONBody[Withdrawing]
    ) -> Response[dict[str, Any]]:
        """Take a consent back, whole or by clause. When this is answered, every later request is denied."""
        body, promise = await consents.withdraw(secret_of(request), ConsentId(consent), await id_for(request), data)
        return Response(body, headers={"Vault-Log-Entry": promise})

    @post("/consents/{consent:uuid}/confirm", status_code=200)
    async def confirm_my_consent(request: AnyRequest, consent: FromPath[uuid.UUID]) -> Response[Ended]:
        """After your 18th birthday: confirm what your guardian signed, so that it holds again."""
        return _ended(await mine.confirm(secret_of(request), ConsentId(consent)))

    return [list_my_consents, get_my_consent, withdraw_my_consent, confirm_my_consent]


def _prohibition_handlers(mine: Mine) -> list[HTTPRouteHandler]:
    @get("/prohibitions")
    async def list_my_prohibitions(
        request: AnyRequest, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[MyProhibition]]:
        """Your prohibitions, ended ones too."""
        return listed(await mine.prohibitions(secret_of(request), after=cursor, limit=limit))

    @post("/prohibitions", status_code=201)
    async def prohibit(request: AnyRequest, data: JSONBody[NewProhibition]) -> Response[Ended]:
        """Deny, whatever the consents say. What you leave out means everybody, everything."""
        return _ended(await mine.prohibit(secret_of(request), await id_for(request), data), status=201)

    @get("/prohibitions/{prohibition:uuid}")
    async def get_my_prohibition(request: AnyRequest, prohibition: FromPath[uuid.UUID]) -> Response[MyProhibition]:
        """One of your prohibitions."""
        view, promise = await mine.prohibition(secret_of(request), prohibition)
        return _shown(view, promise)

    @post("/prohibitions/{prohibition:uuid}/end", status_code=200)
    async def end_prohibition(request: AnyRequest, prohibition: FromPath[uuid.UUID]) -> Response[Ended]:
        """End a prohibition: what your consents permit is permitted again."""
        return _ended(await mine.end_prohibition(secret_of(request), prohibition))

    @post("/pause", status_code=200)
    async def pause(request: AnyRequest) -> Response[Paused]:
        """Pause everything: nobody reads anything on your consents until you resume. Running downloads are cut."""
        acted = await mine.pause(secret_of(request), await id_for(request))
        return _shown(Paused(paused=True, at=_instant(acted)), acted.promise)

    @post("/resume", status_code=200)
    async def resume(request: AnyRequest) -> Response[Paused]:
        """End the pause; withdrawals and other prohibitions stay."""
        acted = await mine.resume(secret_of(request))
        return _shown(Paused(paused=False, at=_instant(acted)), acted.promise)

    return [list_my_prohibitions, prohibit, get_my_prohibition, end_prohibition, pause, resume]


def _shown(view: Any, promise: str) -> Response[Any]:
    return Response(view, headers={"Vault-Log-Entry": promise})


def _ended(acted: Acted, *, status: int = 200) -> Response[Ended]:
    body = Ended(id=acted.id, at=_instant(acted), log_entry=acted.entry)
    return Response(body, status_code=status, headers={"Vault-Log-Entry": acted.promise})


def _instant(acted: Acted) -> str:
    return acted.at.isoformat().replace("+00:00", "Z")


def _case(given: uuid.UUID | None) -> CaseId | None:
    return None if given is None else CaseId(given)
