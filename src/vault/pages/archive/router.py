"""Transfers at the archivist's desk: what is due, what runs and how far, what is done; approval, receipt, rejection."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Guard

from vault.errors import Conflict, InvalidInput
from vault.model import TokenSecret
from vault.pages.archive.asked import asked_handlers
from vault.pages.archive.parts import whole
from vault.pages.faults import HANDLERS
from vault.pages.forms import Form, page_guard, read_form
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.services.transfers import Transfers
from vault.web.session import AnyRequest

HOME: Final = "/desk/archive"

STATES: Final[Mapping[str, str]] = {
    "due": N_("Waits for approval"),
    "packaged": N_("Packaged"),
    "sent": N_("Sent, waits for the receipt"),
    "received": N_("Receipt is here"),
    "verified": N_("Read back and verified"),
    "shredded": N_("Archived, active copy destroyed"),
    "beyond-recovery": N_("Archived, beyond recovery also in backups"),
    "rejected": N_("Rejected"),
    "on-hold": N_("On hold"),
    "retained": N_("At the archive, kept here too for now"),
    "cancelled": N_("Cancelled: the case was opened again"),
}
WAITS: Final[Mapping[str, tuple[str, str]]] = {
    "approvals": (N_("Two archivists must approve"), ""),
    "receipt": (
        N_("The archive has not signed yet"),
        N_("Receive the package at the archive, and hand in the receipt below."),
    ),
    "hold": (N_("A hold keeps the case here"), N_("Ask who set it. They end it in the case when it is settled.")),
    "restriction": (
        N_("The processing of these records is restricted"),
        N_("The records officer ends the restriction. Then this goes on."),
    ),
    "open-request": (
        N_("Somebody's request for their own records is not answered yet"),
        N_("The records officer answers it. Then this goes on."),
    ),
    "unfinished-upload": (N_("A paper is still being filed"), N_("It ends, or is given up, by itself.")),
    "waiting-time": (N_("The waiting time before destruction runs"), N_("It goes on by itself.")),
    "export": (N_("The client's own copy, which holds its papers, can still be fetched"), N_("It ends by itself.")),
    "key-rotation": (
        N_("Backups of the database could still open it"),
        N_("The operator rotates the keys; then no backup opens it any more."),
    ),
}
REJECTED_IN: Final = ("packaged", "sent", "received", "verified")
HELD: Final = ("hold", "restriction", "open-request", "unfinished-upload")
PHASES: Final[Mapping[str, str]] = {
    "packaging": N_("Making the package"),
    "reading-back": N_("Reading the package back"),
    "removing": N_("Removing the objects"),
}
_GROUPS: Final = (
    (N_("Due"), ("due", "rejected")),
    (N_("Running"), ("packaged", "sent", "received", "verified", "on-hold", "retained")),
    (N_("Done"), ("shredded", "beyond-recovery", "cancelled")),
)
CHECKS: Final[Mapping[str, str]] = {
    "decryption": N_("It opened with the archive's own key"),
    "tar": N_("The tar file is whole"),
    "paths": N_("No file lies outside the package"),
    "bagit": N_("It is a BagIt package"),
    "payload-manifest": N_("Every paper has the digest that stands in the list"),
    "tag-manifest": N_("The lists themselves have the digests that were told"),
    "file-set": N_("No file is missing, and none is too many"),
    "oxum": N_("The number of files and bytes is right"),
    "structure": N_("The folders are as described"),
    "label": N_("The label agrees with the package"),
}
TROUBLES: Final[Mapping[str, str]] = {
    "archive-unavailable": N_("The archive's store does not answer, or does not keep what is put into it as it must."),
    "store-unavailable": N_("The store of the papers does not answer."),
    "keyring-unavailable": N_("The keys cannot be used now."),
    "unavailable": N_("A part of the service does not answer."),
    "facts-changed": N_("Something changed in the case at the same moment."),
    "settings-wrong": N_("The settings of the archive's store are wrong, so nothing can be sent."),
    "object-damaged": N_(
        "A paper of the case cannot be read as it was stored. Nothing was sent. The operator brings it back from a backup."
    ),
    "integrity-broken": N_("Something of the case cannot be read as it was stored. The operator must look."),
    "key-unopenable": N_("A key of the case does not open. The operator must look."),
    "receipt-invalid": N_(
        "The archive's receipt is not signed with a key that counts. Receive the package anew at the archive."
    ),
    "receipt-mismatch": N_("The archive's receipt is for another package. Nothing was destroyed."),
    "transfer-hold": N_("A hold was set on the case meanwhile."),
    "transfer-restriction": N_("The processing of these records was restricted meanwhile."),
    "transfer-open-request": N_("Somebody asked for these records meanwhile."),
    "transfer-unfinished-upload": N_("A paper of the case is still being filed."),
    "transfer-state": N_(
        "The transfer has moved on meanwhile, or waits for something else. How it stands is told above."
    ),
    "internal": N_("A step did not succeed."),
}
"""What stopped a transfer, by the code of the error that the worker met."""
WORDS: Final = {
    "troubles": TROUBLES,
    "rejected_in": REJECTED_IN,
    "states": STATES,
    "waits": WAITS,
    "held": HELD,
    "phases": PHASES,
    "checks": CHECKS,
}

_FAULTS: Final[Mapping[str, str]] = {
    "receipt-invalid": N_(
        "This is not signed with a key of the archive that counts now. Receive the package anew at the archive, with its present key."
    ),
    "receipt-mismatch": N_(
        "The archive signed this for another package. Hand in the receipt of this transfer and its newest package."
    ),
    "transfer-state": N_("Nothing waits for a receipt now. Look at how the transfer stands."),
    "reason": N_("Write the reason."),
}


def archive_router(transfers: Transfers, require_session: Guard) -> Router:
    """Everything under ``/desk/archive``."""
    handlers = [*_looking(transfers), *_acting(transfers), *asked_handlers(transfers)]
    return Router(HOME, route_handlers=handlers, guards=[page_guard(require_session)], exception_handlers=HANDLERS)


async def all_transfers(transfers: Transfers, secret: TokenSecret) -> list[dict[str, Any]]:
    """The newest first."""
    return (await whole(lambda after: transfers.list_transfers(secret, after=after, limit=200)))[::-1]


def _looking(transfers: Transfers) -> list[HTTPRouteHandler]:
    @get("/", name="archive-list", include_in_schema=False)
    async def every(request: AnyRequest) -> Response[bytes]:
        found = await all_transfers(transfers, request.state.session.secret)
        groups = [(name, [one for one in found if one["state"] in states]) for name, states in _GROUPS]
        return render(
            request,
            "archive/list.html",
            groups=groups,
            total=len(found),
            words=WORDS,
            several_archives=len({one["archive"] for one in found}) > 1,
        )

    @get("/transfers/{transfer:uuid}", name="archive-one", include_in_schema=False)
    async def one(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[bytes]:
        return await _page(transfers, request, transfer, Form({}), {})

    @get("/transfers/{transfer:uuid}/approve", name="archive-approve", include_in_schema=False)
    async def approving(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[bytes]:
        item, _ = await transfers.get(request.state.session.secret, transfer)
        return render(request, "archive/approve.html", item=item, words=WORDS)

    @get("/transfers/{transfer:uuid}/reject", name="archive-rejecting", include_in_schema=False)
    async def rejecting(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[bytes]:
        item, _ = await transfers.get(request.state.session.secret, transfer)
        if item["state"] not in REJECTED_IN:
            raise Conflict("nothing of it is at the archive that could be rejected", code="transfer-state")
        return render(request, "archive/reject.html", item=item, form=Form({}), errors={}, words=WORDS)

    return [every, one, approving, rejecting]


async def _page(
    transfers: Transfers,
    request: AnyRequest,
    transfer: uuid.UUID,
    form: Form,
    errors: dict[str, str],
    template: str = "archive/transfer.html",
) -> Response[bytes]:
    item, _ = await transfers.get(request.state.session.secret, transfer)
    return render(
        request,
        template,
        status_code=422 if errors else 200,
        item=item,
        form=form,
        errors=errors,
        words=WORDS,
    )


def _acting(transfers: Transfers) -> list[HTTPRouteHandler]:
    @post("/transfers/{transfer:uuid}/approve", name="archive-approved", include_in_schema=False)
    async def approve(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[Any]:
        await read_form(request)
        await transfers.approve(request.state.session.secret, transfer)
        return redirect(request, f"{HOME}/transfers/{transfer}", said=N_("You have approved the transfer."))

    @post("/transfers/{transfer:uuid}/receipt", name="archive-receipt", include_in_schema=False)
    async def receipt(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            await transfers.receive(request.state.session.secret, transfer, form.text("receipt"))
        except (InvalidInput, Conflict) as refused:
            said = _FAULTS.get(refused.narrow, _FAULTS["receipt-invalid"])
            return await _page(transfers, request, transfer, form, {"receipt": said})
        return redirect(request, f"{HOME}/transfers/{transfer}", said=N_("The receipt is taken."))

    @post("/transfers/{transfer:uuid}/reject", name="archive-reject", include_in_schema=False)
    async def reject(request: AnyRequest, transfer: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            await transfers.reject(request.state.session.secret, transfer, form.text("reason"))
        except InvalidInput:
            return await _page(transfers, request, transfer, form, {"reason": _FAULTS["reason"]}, "archive/reject.html")
        return redirect(
            request, f"{HOME}/transfers/{transfer}", said=N_("The transfer is rejected. Nothing was destroyed.")
        )

    return [approve, receipt, reject]
