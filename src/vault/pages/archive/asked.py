"""What people asked for that the archive has by now: by when each is answered, and how it was."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from vault.errors import Conflict, InvalidInput
from vault.pages.archive.parts import whole
from vault.pages.forms import read_form
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.services.transfers import Transfers
from vault.web.session import AnyRequest

ASKED: Final = "/desk/archive/requests"
OUTCOMES: Final[Mapping[str, str]] = {
    "given": N_("Given to the person"),
    "refused": N_("Not given, by a written decision"),
    "not-found": N_("Not found at the archive"),
}
_FAULTS: Final[Mapping[str, str]] = {
    "unknown-code": N_("Choose how it was answered."),
    "already-answered": N_("It has been answered already, in another way."),
}


def asked_handlers(transfers: Transfers) -> list[HTTPRouteHandler]:
    """The list, and the one act on it."""

    @get("/requests", name="archive-requests", include_in_schema=False)
    async def every(request: AnyRequest) -> Response[bytes]:
        return await _page(transfers, request, {})

    @post("/requests/{asked:uuid}/answer", name="archive-request-answered", include_in_schema=False)
    async def answer(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        form = await read_form(request)
        try:
            await transfers.answer_request(request.state.session.secret, asked, form.text(f"outcome-{asked}"))
        except (InvalidInput, Conflict) as refused:
            return await _page(transfers, request, {f"outcome-{asked}": _FAULTS[refused.narrow]})
        return redirect(request, ASKED, said=N_("The answer is noted."))

    return [every, answer]


async def _page(transfers: Transfers, request: AnyRequest, errors: dict[str, str]) -> Response[bytes]:
    secret = request.state.session.secret
    found = await whole(lambda after: transfers.list_requests(secret, after=after, limit=200))
    waiting = sorted((one for one in found if one["outcome"] is None), key=lambda one: (one["due_on"], one["id"]))
    answered = [one for one in found if one["outcome"] is not None][::-1]
    status = 422 if errors else 200
    return render(
        request, "archive/requests.html", status_code=status, waiting=waiting, answered=answered, outcomes=OUTCOMES, errors=errors
    )  # fmt: skip
