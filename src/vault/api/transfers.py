"""Routes of transfers to the archive, for archivists: states, sizes and digests, no content (design.md §4)."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, listed, require_token, secret_of
from vault.api.strict import read_strictly, require_plain
from vault.services.cases import Page
from vault.services.transfer_views import ArchiveRequestView, TransferView, WholeTransfer
from vault.services.transfers import Transfers


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``receipt`` is the compact JWS that the archive signed."""

    receipt: str


class Rejection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``outcome`` is ``given``, ``refused`` or ``not-found``."""

    outcome: str


def transfers_router(transfers: Transfers) -> Router:
    """All routes below /v1/transfers."""
    return Router(
        "/v1/transfers",
        guards=[require_token, require_plain],
        before_request=read_strictly,
        tags=["transfers"],
        route_handlers=[*_read_handlers(transfers), *_act_handlers(transfers)],
    )


def archive_requests_router(transfers: Transfers) -> Router:
    """All routes below /v1/archive-requests."""

    @get("/")
    async def list_requests(
        request: AnyRequest, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[ArchiveRequestView]]:
        """What people asked for that the caller's archive has, with the day by which each is answered."""
        page = await transfers.list_requests(secret_of(request), after=cursor, limit=limit)
        return listed(Page(msgspec.convert(page.items, list[ArchiveRequestView]), page.next, page.promise))

    @post("/{asked:uuid}/answer", status_code=200)
    async def answer(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[Answer]
    ) -> Response[dict[str, Any]]:
        """Note how the archive answered; once."""
        return _answer(await transfers.answer_request(secret_of(request), asked, data.outcome))

    return Router(
        "/v1/archive-requests",
        guards=[require_token, require_plain],
        before_request=read_strictly,
        tags=["transfers"],
        route_handlers=[list_requests, answer],
    )


def _read_handlers(transfers: Transfers) -> list[HTTPRouteHandler]:
    @get("/")
    async def list_transfers(
        request: AnyRequest, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[TransferView]]:
        """The transfers of the caller's archive."""
        page = await transfers.list_transfers(secret_of(request), after=cursor, limit=limit)
        return listed(Page(msgspec.convert(page.items, list[TransferView]), page.next, page.promise))

    @get("/{transfer:uuid}")
    async def get_transfer(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[WholeTransfer]:
        """One transfer with its history and its receipt."""
        view, promise = await transfers.get(secret_of(request), transfer)
        return Response(msgspec.convert(view, WholeTransfer), headers={"Vault-Log-Entry": promise})

    return [list_transfers, get_transfer]


def _act_handlers(transfers: Transfers) -> list[HTTPRouteHandler]:
    @post("/{transfer:uuid}/approve", status_code=200)
    async def approve(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[dict[str, Any]]:
        """Approve the transfer with all that follows from it, the destruction of the active copy too."""
        return _answer(await transfers.approve(secret_of(request), transfer))

    @post("/{transfer:uuid}/receipt", status_code=200)
    async def receipt(
        request: AnyRequest, transfer: FromPath[uuid.UUID], data: JSONBody[Receipt]
    ) -> Response[dict[str, Any]]:
        """Hand in the archive's signed receipt."""
        return _answer(await transfers.receive(secret_of(request), transfer, data.receipt))

    @post("/{transfer:uuid}/reject", status_code=200)
    async def reject(
        request: AnyRequest, transfer: FromPath[uuid.UUID], data: JSONBody[Rejection]
    ) -> Response[dict[str, Any]]:
        """Refuse what was sent; nothing is destroyed."""
        return _answer(await transfers.reject(secret_of(request), transfer, data.reason))

    return [approve, receipt, reject]


def _answer(answered: tuple[dict[str, Any], str]) -> Response[dict[str, Any]]:
    body, promise = answered
    return Response(body, headers={"Vault-Log-Entry": promise})
