"""What the database's answers mean to the caller: one table from status to error.

Source: design.md §3.3, §4 (a caller learns of nothing that it may not know exists).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vault.errors import (
    ConfirmationRequired,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    Hidden,
    IdentificationRequired,
    InvalidInput,
    InvariantViolated,
    Unauthenticated,
    VaultError,
)

# status -> (code, field, sentence)
_WRONG: Mapping[str, tuple[str, str, str]] = {
    "unknown-agency": ("unknown-agency", "agency", "no agency of this id is registered"),
    "unknown-source": ("unknown-agency", "source", "no agency or unit of this id is registered"),
    "unknown-attachment_of": ("unknown-document", "attachment_of", "there is no such document in this case that you may name"),
    "unknown-replaces": ("unknown-replaces", "replaces", "there is nothing of this id in this case that you may replace"),
    "unknown-form": ("unknown-form", "form", "the form must be a filed document of type suostumus in this case"),
    "unknown-final-assessment": (
        "unknown-document", "final_assessment", "the final assessment must be a filed loppuarvio of your agency in this case",
    ),
    "unknown-provision": ("unknown-provision", "provisions", "the consent has no provision of this number"),
    "signed-in-future": ("invalid-day", "signed_on", "a consent cannot be signed in the future"),
    "given-in-future": ("invalid-time", "given_at", "a withdrawal cannot be given in the future"),
    "unknown-identity": ("unknown-identity", "code", "nobody was given this code, or it is too old; ask the person to sign in again"),
    "own-representative": (
        "own-representative", "representative.personal_identity_code", "nobody is their own representative",
    ),
    "client-of-age": ("client-of-age", "kind", "the client is of age and has no guardian; a continuing power may stand for them"),
    "died-in-future": ("invalid-day", "died_on", "the day lies in the future"),
    "unknown-kind": ("unknown-kind", "kind", "nothing of this kind can be asked for"),
    "unknown-asked-document": ("unknown-document", "document", "there is no such document of this client"),
    "unknown-asked-case": ("unknown-case", "case", "there is no such case of this client"),
    "unknown-entry": ("unknown-entry", "entry", "there is no such entry about this client"),
    "which-case": ("which-case", "case", "more than one organisation answers for this client's records; say which case is meant"),
    "received-in-future": ("invalid-day", "received_on", "a request cannot be received in the future"),
    "unknown-ground": ("unknown-ground", "ground", "a restriction is asked for on one of the four grounds of GDPR Art. 18(1)"),
    "unknown-paper": ("unknown-document", "papers", "where a part of a restriction is refused, name the papers that are restricted"),
    "ends-too-soon": ("invalid-day", "ends_from", "a restriction ends at the earliest a week after the person was told"),
    "unknown-judge": (
        "unknown-professional", "judge", "name a physician, nurse or social worker who is registered now: this is theirs to judge",
    ),
    "unknown-answered-authority": (
        "unknown-authority", "authority", "there is no authority in force that lets somebody act in what this request is about",
    ),
    "handed-unknown": ("unknown-code", "identified_how", "a letter is handed over against its receipt; otherwise say how the receiver was seen to be the right person"),
    "handed-day": ("invalid-day", "on", "a day from the package's making until today"),
    "unknown-name": ("unknown-name", "names", "only a professional who stands in the part of the log that is asked for can be named"),
}  # fmt: skip
_CONFLICT: Mapping[str, tuple[str, str]] = {
    "form-used": ("form-used", "a consent is already recorded for this form"),
    "already-member": ("already-member", "the agency has this role in the case already"),
    "last-coordinator": ("last-coordinator", "a case keeps at least one coordinator; add another one first"),
    "already-filed": ("already-filed", "the document has its content already"),
    "given-up": ("upload-given-up", "this upload took too long and was given up; begin it again"),
    "nothing-to-confirm": (
        "nothing-to-confirm",
        "only what a guardian signed is confirmed, from the 18th birthday on, and once",
    ),
    "transfer-state": (
        "transfer-state",
        "the transfer is in a state that does not allow this: it has moved on, or the case was opened again; look at how it stands now",
    ),
    "transfer-hold": (
        "transfer-hold",
        "a hold keeps the case here: nothing is sent or destroyed until who set it ends it; the transfer's page says who and why",
    ),
    "transfer-open-request": (
        "transfer-open-request",
        "a person's request for these records is not answered yet: nothing is sent or destroyed until the records officer has answered it",
    ),
    "transfer-unfinished-upload": (
        "transfer-unfinished-upload",
        "a paper of the case is still being filed: nothing is packaged until that has ended; one that was given up is cleared by itself",
    ),
    "transfer-restriction": (
        "transfer-restriction",
        "the processing of these records is restricted: nothing is sent or destroyed until the records officer has ended that",
    ),
    "officers-to-end": (
        "officers-to-end",
        "a records officer ends a restriction of processing, after telling the person",
    ),
    "nothing-to-restrict": ("nothing-to-restrict", "the archive has these papers by now; nothing of them is here"),
    "restriction-ended": ("restriction-ended", "the restriction has ended already"),
    "notice-first": (
        "notice-first",
        "tell the person first that the restriction will end; it ends on the told day or after it",
    ),
    "keys-left": ("keys-left", "keys still stand under a key that is to be destroyed; rotate again"),
    "already-answered": ("already-answered", "the request is answered already, in another way"),
    "receipt-mismatch": ("receipt-mismatch", "the receipt is for another package than the one that was sent"),
    "request-state": ("request-state", "the request is in a state that does not allow this"),
    "not-identified": ("not-identified", "say first how the person was identified"),
    "identified-too-weakly": (
        "identified-too-weakly",
        "everything about a person is handed out only after an identity document, a signed request or a meeting in person; say how they are identified by now",
    ),
    "client-deceased": (
        "client-deceased",
        "the person has died: nobody is handed their own export any more; relatives ask for single documents",
    ),
    "fee-not-accepted": ("fee-not-accepted", "a fee was told for this request, and the person has not accepted it"),
    "authority-ended": ("authority-ended", "the authority for which this was made is not in force any more"),
    "export-not-fetched": (
        "export-not-fetched",
        "the package has not been fetched to its last byte; download it first",
    ),
    "no-extension": ("no-extension", "the law allows no more time for this"),
    "extension-too-late": ("extension-too-late", "more time may be taken once, with a notice inside the first time"),
    "documents-wait": ("documents-wait", "papers still wait; decide each of them first"),
    "misfiled-decided": ("misfiled-decided", "this paper has been decided already"),
    "misfiled-restricted": (
        "misfiled-restricted",
        "the processing of this paper is restricted: tell the person, end the restriction, and destroy it then",
    ),
    "birth-day-differs": (
        "birth-day-differs",
        "a birth day is not taken over; have the case opened anew for the right person",
    ),
    "code-differs": ("code-differs", "a code that stands for another person is not taken over; ask whoever gave it"),
    "fee-not-due": (
        "fee-not-due",
        "nothing may be charged: it is the first within a year, or a fee was told already, or it is answered",
    ),
    "export-state": ("export-state", "the export is in a state that does not allow this"),
    "export-not-ready": ("export-not-ready", "the export is not ready yet"),
    "export-changed": ("export-changed", "a paper in this export may no longer be shown; order a new one"),
    "unfiled": ("awaiting-content", "the document has no content yet; upload it first"),
}


def refuse(status: str, reasons: tuple[str, ...], facts: Mapping[str, Any], promise: str | None) -> VaultError:
    """The error that an answer of the database means; never raised here, so that the caller's trace is its own."""
    if status == "hidden":
        return Hidden("there is nothing here that you may see", promise=promise)
    if status == "forbidden":
        return Forbidden("the case's consents do not permit this", reasons=reasons, promise=promise)
    if status == "confirm":
        classes = ", ".join(facts.get("classes", ()))
        return ConfirmationRequired(
            f"confirm that you mean to open specially protected content: Vault-Confirm: {classes}", promise=promise
        )
    if status == "unauthenticated":
        return Unauthenticated(
            "the access token is not in force: it was revoked, has expired, or its agency is suspended"
        )
    if status == "identify":
        return IdentificationRequired(
            "identify yourself again: this opens only within a quarter of an hour of it", promise=promise
        )
    if status == "not-durable":
        return DatabaseUnavailable("the database does not make log entries durable; synchronous_commit must be on")
    if status in {"unknown-member", "unknown-hold"}:
        return Hidden("there is nothing here that you may see", promise=promise)
    if status == "unknown-named":
        return InvalidInput(
            "an agency, unit or document named here is not known in this case",
            field=facts.get("field"),
            code="unknown-named",
        )
    if status in _WRONG:
        code, field, detail = _WRONG[status]
        return InvalidInput(detail, field=field, code=code)
    if status in _CONFLICT:
        code, detail = _CONFLICT[status]
        return Conflict(detail, code=code)
    if status == "again":
        return Conflict("somebody else did the same at this moment; try again", code="try-again")
    raise InvariantViolated(f"the database answered {status}")
