"""Routes of cases, their clients and members, and the agency's inbox (design.md §4)."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, id_for, listed, require_token, secret_of
from vault.api.strict import read_strictly, require_plain
from vault.model import CaseId, ClientId
from vault.services.cases import Cases, CaseView, InboxNotice, MemberView, NewClient
from vault.services.persons import ClientChange, Persons


class OpenCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``process`` is a code of the catalogue; the client is given as the coordinator knows them."""

    process: str
    client: NewClient
    your_reference: str | None = None


class OpenedCase(msgspec.Struct, frozen=True):
    id: uuid.UUID
    state: str


class FindClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    personal_identity_code: str


class ChangeCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    your_reference: str


class NewMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agency's place in a case; both days are included, from today and without an end when missing."""

    agency: str
    role: str
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None


def cases_router(cases: Cases, persons: Persons) -> Router:
    """All routes below /v1 that belong to cases and their clients."""
    handlers = [
        *_case_handlers(cases),
        *_client_handlers(cases, persons),
        *_member_handlers(cases),
        *_inbox_handlers(cases),
    ]
    return Router(
        "/v1",
        guards=[require_token, require_plain],
        before_request=read_strictly,
        tags=["cases"],
        route_handlers=handlers,
    )


def _case_handlers(cases: Cases) -> list[HTTPRouteHandler]:

    @post("/cases", status_code=201)
    async def open_case(request: AnyRequest, data: JSONBody[OpenCase]) -> Response[OpenedCase]:
        """Open a case; the caller becomes its coordinator."""
        opened = await cases.open_case(
            secret_of(request), CaseId(await id_for(request)), data.process, data.client, data.your_reference
        )
        return Response(OpenedCase(id=opened.id, state=opened.state), headers={"Vault-Log-Entry": opened.promise})

    @get("/cases")
    async def list_cases(request: AnyRequest, cursor: Cursor = None, limit: Limit = 50) -> Response[Listed[CaseView]]:
        """The caller's cases, by id."""
        return listed(await cases.list_cases(secret_of(request), after=cursor, limit=limit))

    @get("/cases/{case:uuid}")
    async def get_case(request: AnyRequest, case: FromPath[uuid.UUID]) -> Response[CaseView]:
        view, promise = await cases.get_case(secret_of(request), CaseId(case))
        return Response(view, headers={"Vault-Log-Entry": promise})

    @patch("/cases/{case:uuid}")
    async def change_case(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[ChangeCase]
    ) -> Response[dict[str, Any]]:
        """Set the caller's agency's own reference."""
        done = await cases.refer(secret_of(request), CaseId(case), data.your_reference)
        return Response({"id": case, "your_reference": data.your_reference}, headers={"Vault-Log-Entry": done.promise})

    return [open_case, list_cases, get_case, change_case]


def _client_handlers(cases: Cases, persons: Persons) -> list[HTTPRouteHandler]:
    @post("/clients/find", status_code=200)
    async def find_client(request: AnyRequest, data: JSONBody[FindClient]) -> Response[Listed[CaseView]]:
        """The caller's cases of the person with this code; the code travels in the body, never in a URL."""
        return listed(await cases.find_cases(secret_of(request), data.personal_identity_code))

    @patch("/clients/{client:uuid}")
    async def change_client(
        request: AnyRequest, client: FromPath[uuid.UUID], data: JSONBody[ClientChange]
    ) -> Response[dict[str, Any]]:
        """Record what changed about a client: a coordinator of one of their cases does.

        A case keeps what was given of the client at its opening; the answer repeats what was recorded.
        """
        done = await persons.change(secret_of(request), ClientId(client), data)
        body = {"id": client} | msgspec.to_builtins(data)
        return Response(body, headers={"Vault-Log-Entry": done.promise})

    return [find_client, change_client]


def _member_handlers(cases: Cases) -> list[HTTPRouteHandler]:
    @post("/cases/{case:uuid}/members", status_code=201)
    async def add_member(
        request: AnyRequest, case: FromPath[uuid.UUID], data: JSONBody[NewMember]
    ) -> Response[MemberView]:
        """Give an agency a place in the case, within what the consent names."""
        member, promise = await cases.add_member(
            secret_of(request), CaseId(case), await id_for(request), data.agency, data.role, data.from_, data.until
        )
        return Response(member, headers={"Vault-Log-Entry": promise})

    @delete("/cases/{case:uuid}/members/{member:uuid}", status_code=204)
    async def end_member(request: AnyRequest, case: FromPath[uuid.UUID], member: FromPath[uuid.UUID]) -> Response[None]:
        """End a membership; what it opened closes at once."""
        done = await cases.end_member(secret_of(request), CaseId(case), member)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    return [add_member, end_member]


def _inbox_handlers(cases: Cases) -> list[HTTPRouteHandler]:
    @get("/inbox")
    async def inbox(request: AnyRequest, cursor: Cursor = None, limit: Limit = 50) -> Response[Listed[InboxNotice]]:
        """Notices to the caller's agency, without content."""
        return listed(await cases.inbox(secret_of(request), after=cursor, limit=limit))

    @post("/inbox/{item:uuid}/acknowledge", status_code=200)
    async def acknowledge(request: AnyRequest, item: FromPath[uuid.UUID]) -> Response[dict[str, Any]]:
        done = await cases.acknowledge(secret_of(request), item)
        return Response({"id": item, "acknowledged": True}, headers={"Vault-Log-Entry": done.promise})

    return [inbox, acknowledge]
