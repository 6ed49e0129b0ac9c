"""Every error as a page, in the reader's language: what happened, what it means for them, and where to go on.

No page repeats what the caller sent or tells of something they may not know of.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from vault import errors
from vault.pages.forms import Form, SignedOut, StaleForm
from vault.pages.shell import render
from vault.pages.texts import N_
from vault.web.session import FORM_TOKEN_FIELD, AnyRequest

logger = logging.getLogger("vault.pages")
RETRY_AFTER_S: Final = "5"


class Fault(NamedTuple):
    """An error as a page tells it."""

    status: int
    title: str
    text: str


NOT_FOUND: Final = Fault(
    404, N_("This page was not found"),
    N_("The page does not exist, or it is not yours to see. Check the address, or go to the first page."),
)  # fmt: skip
BROKEN: Final = Fault(
    500, N_("Something went wrong on our side"),
    N_("Nothing was opened to anybody. Please try again later. If it happens again, tell us."),
)  # fmt: skip

# class -> what is told; the first class of an error's ancestry that stands here decides
_FAULTS: Final[Mapping[type[errors.VaultError], Fault]] = {
    errors.Hidden: NOT_FOUND,
    errors.Forbidden: Fault(
        403, N_("You cannot do this"), N_("This is not allowed for you, or not any more. Nothing was changed.")
    ),
    errors.ConfirmationRequired: Fault(
        428, N_("Please confirm first"), N_("This is specially protected. Go back, and confirm that you mean to open it.")
    ),
    errors.IdentificationRequired: Fault(
        403, N_("Identify yourself once more"),
        N_("This is everything that is kept about you. To be sure that it is you, we ask you to identify yourself once more."),
    ),
    errors.Unauthenticated: Fault(
        401, N_("Please sign in"), N_("You have been signed out, so that nobody else can see your papers on this device.")
    ),
    errors.SignInRefused: Fault(
        403, N_("You cannot sign in here"),
        N_("You were identified, but you have no right to this service, or not in this role."),
    ),
    errors.InvalidInput: Fault(
        422, N_("Something in the form needs mending"), N_("Go back and check what you wrote. Nothing was changed.")
    ),
    errors.Conflict: Fault(
        409, N_("This has changed meanwhile"),
        N_("It was already done, or something changed while you were looking. Look at how things stand now."),
    ),
    errors.TooMany: Fault(429, N_("A moment, please"), N_("There were many requests in a short time. Try again in a while.")),
    errors.Unavailable: Fault(
        503, N_("The service is not available right now"),
        N_("Nothing was lost, and nothing was opened to anybody. Please try again in a few minutes."),
    ),
    errors.IntegrityBroken: Fault(
        500, N_("This document is damaged"),
        N_("What we have stored is not what was stored. We have been alerted. Nothing of it was shown."),
    ),
}  # fmt: skip

_PLAIN: Final[Mapping[int, Fault]] = {
    404: NOT_FOUND,
    405: NOT_FOUND,
    413: Fault(413, N_("This is too large"), N_("What you sent is larger than this page takes. Nothing was changed.")),
}


def on_vault_error(request: AnyRequest, error: errors.VaultError) -> Response[bytes]:
    """One of the vault's own errors."""
    if isinstance(error, StaleForm):
        return _again(request, error.form, signed_out=False, status_code=409)
    if isinstance(error, SignedOut) and error.form is not None:
        return _again(request, error.form, signed_out=True, status_code=401)
    fault = next((told for kind, told in _FAULTS.items() if isinstance(error, kind)), BROKEN)
    status = error.status if isinstance(error, errors.InvalidInput) else fault.status
    if status >= 500:
        logger.error("%s: %s", error.code, error.detail)
    return page_of(request, fault, status)


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """A refusal of the framework; its own texts may repeat input and are dropped."""
    fault = _PLAIN.get(error.status_code)
    if fault is not None:
        return page_of(request, fault, error.status_code)
    return page_of(request, _FAULTS[errors.InvalidInput] if error.status_code < 500 else BROKEN, error.status_code)


def on_any_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Our own bug: the class and place are logged, never its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "unknown"
    logger.critical("unexpected %s at %s", type(error).__name__, place)
    return page_of(request, BROKEN, BROKEN.status)


HANDLERS: Final[ExceptionHandlersMap] = {
    errors.VaultError: on_vault_error,
    HTTPException: on_http_exception,
    Exception: on_any_error,
}
"""For every router of pages."""


def page_of(request: AnyRequest, fault: Fault, status: int) -> Response[bytes]:
    """That fault as a page."""
    to, press = "/", N_("Go to the first page")
    if fault is _FAULTS[errors.IdentificationRequired]:
        to, press = f"/sign-in/again?after={quote(request.url.path)}", N_("Identify yourself")
    elif status == 401:
        to, press = f"/sign-in?after={quote(request.url.path)}", N_("Sign in")
    answer = render(request, "fault.html", status_code=status, fault=fault, to=to, press=press)
    if status in (429, 503):
        answer.headers["Retry-After"] = RETRY_AFTER_S
    return answer


def _again(request: AnyRequest, form: Form, *, signed_out: bool, status_code: int) -> Response[bytes]:
    fields: list[tuple[str, Any]] = [
        (name, value) for name, values in form.fields.items() if name != FORM_TOKEN_FIELD for value in values
    ]
    return render(request, "again.html", status_code=status_code, fields=fields, signed_out=signed_out)
