"""Every error as application/problem+json: the one table from error to status.

Source: RFC 9457; design.md §4. No title, detail or field ever repeats what the caller sent.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from vault import errors

logger = logging.getLogger("vault.api")

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2

# class -> (status, title); the first class of an error's ancestry that stands here decides
STATUS: Mapping[type[errors.VaultError], tuple[int, str]] = {
    errors.Hidden: (404, "Not found"),
    errors.Forbidden: (403, "Not permitted"),
    errors.ConfirmationRequired: (428, "Confirmation required"),
    errors.IdentificationRequired: (403, "Identification required"),
    errors.Unauthenticated: (401, "Not authenticated"),
    errors.SignInRefused: (403, "Sign-in refused"),
    errors.InvalidInput: (422, "Invalid input"),
    errors.Conflict: (409, "Conflict"),
    errors.TooMany: (429, "Too many requests"),
    errors.Unavailable: (503, "Unavailable"),
    errors.IntegrityBroken: (500, "Stored content is damaged"),
}

# status of a narrower refusal of what the caller sent -> title
_NARROWER: Mapping[int, str] = {
    400: "Malformed request",
    403: "Not permitted",
    413: "Too large",
    416: "Range not satisfiable",
}

# status of the framework's own refusals -> (code, title, sentence)
_PLAIN: Mapping[int, tuple[str, str, str]] = {
    400: ("malformed-request", "Malformed request", "the request cannot be read"),
    404: ("not-found", "Not found", "there is nothing here that you may see"),
    405: ("method-not-allowed", "Method not allowed", "this path does not take this method"),
    413: ("too-large", "Too large", "the body is larger than this path takes"),
    415: ("unsupported-media-type", "Unsupported media type", "send application/json"),
    429: ("too-many-requests", "Too many requests", "ask again later"),
}

_PATH = re.compile(r" - at `\$\.?(?:data\.?)?([^`]*)`")

# What msgspec says of a whole object: (code, sentence, its words with the member's name)
_SHAPES = (
    ("unknown-field", "this field is not known here", re.compile(r"unknown field `([^`]{1,100})`")),
    ("missing-field", "this field is missing", re.compile(r"missing required field `([^`]{1,100})`")),
)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details with the vault's members."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    reasons: tuple[str, ...] | None = None


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    field: str | None = None,
    reasons: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response[Problem]:
    """An answer of that status; ``code`` is stable and makes the type."""
    body = Problem(
        type=f"urn:vault:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        field=field,
        reasons=reasons or None,
    )
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def on_vault_error(request: Request[Any, Any, Any], error: errors.VaultError) -> Response[Problem]:
    """Answer one of the vault's own errors."""
    status, title = next(((s, t) for c, (s, t) in STATUS.items() if isinstance(error, c)), (500, "Internal error"))
    code, headers = error.code, {}
    if isinstance(error, errors.InvalidInput):
        status, code, title = error.status, error.narrow, _NARROWER.get(error.status, title)
        if isinstance(error, errors.RangeNotSatisfiable):
            # RFC 9110 §15.5.17
            headers["Content-Range"] = f"bytes */{error.size}"
            headers |= {} if error.promise is None else {"Vault-Log-Entry": error.promise}
    elif isinstance(error, errors.Conflict | errors.SignInRefused):
        code = error.narrow
    elif isinstance(error, errors.Refused) and error.promise is not None:
        headers["Vault-Log-Entry"] = error.promise
    elif isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.Unauthenticated):
        headers |= request.app.state.challenge_headers(error, request.headers.get("authorization"))
    if status >= 500:
        logger.error("%s: %s", code, error.detail)
    return problem(
        status, code, title, error.detail or title.lower(), field=error.field, reasons=error.reasons, headers=headers
    )


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer a refusal of the framework in the vault's own words; its texts may repeat input and are dropped."""
    if isinstance(error, ValidationException):
        return on_vault_error(request, invalid_shape("" if error.__cause__ is None else str(error.__cause__)))
    status = error.status_code
    if status == 500 and error.detail == "client disconnected prematurely":
        return problem(400, "incomplete-body", "Incomplete body", "the body stopped before its end")
    if status == 400:
        return problem(400, "malformed-json", "Malformed JSON", "the body is not one JSON value in UTF-8")
    code, title, detail = _PLAIN.get(status, ("http-error", "Refused", "the request was refused"))
    allowed = {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
    return problem(status, code, title, detail, headers=allowed)


def invalid_shape(text: str) -> errors.InvalidInput:
    """What msgspec found wrong, as an error of ours; its sentences name types and formats, never values."""
    found = _PATH.search(text)
    field = found.group(1) if found else ""
    message = text[: found.start()] if found else text
    for code, sentence, said in _SHAPES:
        if one := said.search(message):
            field = f"{field}.{one.group(1)}" if field else one.group(1)
            return errors.InvalidInput(sentence, field=field, code=code)
    detail = message[:200].lower() or "this field is not of its type"
    return errors.InvalidInput(detail, field=field or None, code="invalid-type")


def on_any_error(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Our own bug: the class and place are logged, never its text, which may hold what nobody may read."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "unknown"
    logger.critical("unexpected %s at %s", type(error).__name__, place)
    return problem(500, "internal", "Internal error", "something went wrong on our side; nothing was released")
