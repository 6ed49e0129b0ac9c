"""The request body of the token and revocation endpoints: one strict form (RFC 6749 §3.2 and appendix B)."""

from __future__ import annotations

from urllib.parse import parse_qsl

from vault.oauth.faults import Fault, OAuthRefused

FORM = "application/x-www-form-urlencoded"
LIMIT_BYTES = 65536
FIELDS = 32

Form = dict[str, str]


def parse_form(content_type: str, body: bytes) -> Form:
    """Parse the body; a parameter without a value counts as absent, an unknown one is kept and later ignored.

    Raises: OAuthRefused(invalid_request) for another content type, broken encoding, or a parameter given twice.
    Source: RFC 6749 §3.1, §3.2.
    """
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != FORM or parameters.strip().lower().replace('"', "") not in ("", "charset=utf-8"):
        raise OAuthRefused(Fault.INVALID_REQUEST, f"the content type must be {FORM}")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=FIELDS
        )
    except ValueError as error:
        raise OAuthRefused(Fault.INVALID_REQUEST, "the body is not a form in UTF-8 with percent-encoding") from error
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise OAuthRefused(Fault.INVALID_REQUEST, "a parameter is given twice")
    return {name: value for name, value in pairs if value}


def require(form: Form, name: str) -> str:
    """The parameter's value. Raises: OAuthRefused(invalid_request) when it is missing."""
    if name not in form:
        raise OAuthRefused(Fault.INVALID_REQUEST, f"the parameter {name} is missing")
    return form[name]
