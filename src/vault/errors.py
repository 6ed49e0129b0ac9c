"""Every error the vault raises, drawn as one tree; the class says who must act.

    VaultError
    ├─ Refused              a rule said no, and the refusal was logged
    │   ├─ Hidden           the caller may not learn whether the thing exists (404)
    │   ├─ Forbidden        the caller knows the thing exists and is told why (403)
    │   ├─ ConfirmationRequired   a protected class must be confirmed first (428)
    │   └─ IdentificationRequired   the person was identified too long ago for this (403)
    ├─ Unauthenticated      no token, or one that is not good (401)
    │   └─ SessionEnded     no session, or one that has ended: sign in again (401)
    ├─ SignInRefused        who signed in may not come in, and is told why (403)
    ├─ InvalidInput         the caller's bytes are wrong (400, 413, 415 or 422)
    │   └─ RangeNotSatisfiable  no byte of the range exists (416)
    ├─ Conflict             the state of things does not allow it (409)
    ├─ TooMany              the caller asks too often (429)
    ├─ Unavailable          try again later (503)
    │   ├─ DatabaseUnavailable
    │   ├─ FactsChanged
    │   ├─ StoreUnavailable
    │   │   └─ ArchiveUnavailable
    │   └─ KeyringUnavailable
    ├─ IntegrityBroken      a person must look (500)
    │   ├─ ObjectTampered
    │   └─ KeyUnopenable
    └─ SettingsWrong        an operator must mend a setting (command line only)

Messages are lower case without a full stop and never hold personal data: ids, codes, sizes and field names only.
"""

from __future__ import annotations

from typing import ClassVar


class VaultError(Exception):
    """Root of all errors of the vault.

    ``code`` is stable and stands in the problem document; ``detail`` is one sentence for the person who must act.
    """

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str = "", *, field: str | None = None, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.field = field
        self.reasons = reasons


class Refused(VaultError):
    """Raised when a rule said no; ``entry`` is the log entry's header value, which the answer repeats."""

    code = "refused"

    def __init__(self, detail: str = "", *, reasons: tuple[str, ...] = (), promise: str | None = None) -> None:
        super().__init__(detail, reasons=reasons)
        self.promise = promise


class Hidden(Refused):
    """Raised when the answer must be the same as for a thing that does not exist."""

    code = "not-found"


class Forbidden(Refused):
    """Raised when the caller lawfully knows the thing and is told the reasons."""

    code = "forbidden"


class ConfirmationRequired(Refused):
    """Raised when the decision is permit, but the document's protected classes must be confirmed by the reader."""

    code = "confirmation-required"


class IdentificationRequired(Refused):
    """Raised when the person was identified too long ago for what they ask."""

    code = "identification-required"


class Unauthenticated(VaultError):
    """Raised when a request carries no token, or one that is malformed, expired, revoked or of a suspended party."""

    code = "invalid-token"


class SessionEnded(Unauthenticated):
    """Raised when a request needs a session and has none that is alive."""

    code = "session-ended"


class SignInRefused(VaultError):
    """Raised when a sign-in does not end in a session; ``code`` may be narrowed, the detail is for the person."""

    code = "sign-in-refused"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.narrow = code or self.code


class InvalidInput(VaultError):
    """Raised when the caller's input is wrong; ``code`` may be narrowed and ``field`` names where."""

    code = "invalid-input"

    def __init__(self, detail: str, *, field: str | None = None, code: str | None = None, status: int = 422) -> None:
        super().__init__(detail, field=field)
        self.narrow = code or self.code
        self.status = status


class RangeNotSatisfiable(InvalidInput):
    """Raised when no byte of a range exists; ``size`` is the document's, ``promise`` its log entry's header value."""

    def __init__(self, *, size: int, promise: str | None = None) -> None:
        detail = "the document does not reach that far"
        super().__init__(detail, field="Range", code="range-not-satisfiable", status=416)
        self.size = size
        self.promise = promise


class Conflict(VaultError):
    """Raised when the thing is in a state that does not allow the act; ``code`` may be narrowed."""

    code = "conflict"

    def __init__(self, detail: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(detail, field=field)
        self.narrow = code or self.code


class TooMany(VaultError):
    """Raised when a caller is over its rate or its share; ``retry_after_s`` says when to come back."""

    code = "too-many-requests"

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Unavailable(VaultError):
    """Raised when a part that the answer needs cannot be reached in time; nothing was released."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """Raised when the database, and so the log, did not answer within the bounded wait."""

    code = "database-unavailable"


class FactsChanged(Unavailable):
    """Raised when what a decision rested on changed before its first byte; asked again, it is decided by what holds now."""

    code = "facts-changed"


class StoreUnavailable(Unavailable):
    """Raised when the object store did not answer, or could not make an object durable."""

    code = "store-unavailable"


class ArchiveUnavailable(StoreUnavailable):
    """Raised when the archive's store did not answer, or does not keep what is put into it as it must."""

    code = "archive-unavailable"


class KeyringUnavailable(Unavailable):
    """Raised when the keyring cannot be used."""

    code = "keyring-unavailable"


class IntegrityBroken(VaultError):
    """Raised when stored bytes are not what was stored."""

    code = "integrity-broken"


class ObjectTampered(IntegrityBroken):
    """Raised when an object is missing, shortened, lengthened or fails its authentication."""

    code = "object-damaged"


class KeyUnopenable(IntegrityBroken):
    """Raised for every wrapped key or sealed value that does not open; one error for all causes, so no oracle."""

    code = "key-unopenable"


class SettingsWrong(VaultError):
    """Raised when a setting is missing or malformed; the message names it and says what was expected."""

    code = "settings-wrong"


class InvariantViolated(AssertionError):
    """Raised when our own code is wrong; never for bad input."""
