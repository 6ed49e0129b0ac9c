"""The error answers of the authorization server (RFC 6749 §5.2, RFC 9449 §5), as one class under the vault's tree.

A description is plain English in printable ASCII without quotation marks or backslashes, as RFC 6749 §5.2 demands, and
never repeats what the caller sent.
"""

from __future__ import annotations

from enum import StrEnum

from vault.errors import InvalidInput


class Fault(StrEnum):
    """The ``error`` codes that are given, each with its source."""

    INVALID_REQUEST = "invalid_request"  # RFC 6749 §5.2
    INVALID_CLIENT = "invalid_client"  # RFC 6749 §5.2
    INVALID_GRANT = "invalid_grant"  # RFC 6749 §5.2, RFC 7521 §4.1.1
    INVALID_SCOPE = "invalid_scope"  # RFC 6749 §5.2
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"  # RFC 6749 §5.2
    INVALID_TARGET = "invalid_target"  # RFC 8707 §2
    INVALID_DPOP_PROOF = "invalid_dpop_proof"  # RFC 9449 §5
    USE_DPOP_NONCE = "use_dpop_nonce"  # RFC 9449 §8


class OAuthRefused(InvalidInput):
    """Raised when the token or revocation endpoint refuses; ``narrow`` is the RFC's error code."""

    def __init__(self, fault: Fault, detail: str, *, status: int | None = None, nonce: str | None = None) -> None:
        # RFC 6749 §5.2: 401 belongs to a failed client authentication, 400 to everything else.
        usual = 401 if fault is Fault.INVALID_CLIENT else 400
        super().__init__(detail, code=fault.value, status=status or usual)
        self.fault = fault
        self.nonce = nonce
