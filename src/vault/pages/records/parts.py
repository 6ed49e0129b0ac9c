"""What the records officer's pages are made of, the words for their codes, and faults beside their fields."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from litestar import Response

from vault.errors import Conflict, InvalidInput
from vault.model import DocumentId, TokenSecret
from vault.pages.common import Sending
from vault.pages.forms import Form
from vault.pages.handed_words import HANDED
from vault.pages.texts import N_
from vault.services.desk import Desk, Judge
from vault.services.documents import Documents
from vault.services.exports import Exports
from vault.services.handing import HandingDesk
from vault.services.misfiled import MisfiledDesk
from vault.services.restrictions import Restrictions
from vault.services.withholding import Withholding
from vault.web.session import AnyRequest

HOME: Final = "/desk/records"


class Releasing(Protocol):
    """Decides one release and streams it; ``who`` is whose share of running downloads it counts to."""

    async def __call__(
        self, request: AnyRequest, documents: Documents, document: DocumentId, *, who: str, inline: bool, on_error: Any
    ) -> Response[Any]: ...


class RecordsParts(msgspec.Struct, frozen=True):
    """The services behind the records officer's pages."""

    desk: Desk
    withholding: Withholding
    misfiled: MisfiledDesk
    restrictions: Restrictions
    documents: Documents
    releasing: Releasing
    handing: HandingDesk
    exports: Exports
    sending: Sending


KINDS: Final[Mapping[str, str]] = {
    "export-review": N_("Check papers that wait"),
    "self-access": N_("Own records"),
    "correction": N_("Correct something"),
    "restriction": N_("Restriction of processing"),
    "explanation": N_("Explain an opening"),
    "log-names": N_("Names from the log"),
    "log-older": N_("Log older than two years"),
    "feedback": N_("Feedback"),
}
STATES: Final[Mapping[str, str]] = {
    "received": N_("Received"),
    "identified": N_("Person identified"),
    "under-way": N_("Under way"),
    "extended": N_("More time taken"),
    "answered": N_("Answered"),
    "partly-refused": N_("Partly refused"),
    "refused": N_("Refused"),
}
RECEIVED: Final[Mapping[str, str]] = {
    "own-pages": N_("On the client's own pages"),
    "paper": N_("On paper"),
    "phone": N_("By phone"),
    "in-person": N_("In person"),
}
IDENTIFIED: Final[Mapping[str, str]] = {
    "strong-identification": N_("Strong identification"),
    "identity-document": N_("Identity document seen"),
    "signature": N_("Signature on the request"),
    "known-in-person": N_("Known in person"),
}
RECEIVER: Final[Mapping[str, str]] = {
    "identity-document": N_("Identity document seen"),
    "known-in-person": N_("Known in person"),
    "receipt-of-delivery": N_("The post's receipt that the person got it"),
}
STANDS: Final[Mapping[str, str]] = {
    "open": N_("Open to the client"),
    "waiting": N_("Waits for your decision"),
    "withheld": N_("Withheld"),
    "pages-withheld": N_("Pages withheld"),
    "misfiled": N_("Another person's paper"),
}
WORDS: Final = {
    "kinds": KINDS,
    "states": STATES,
    "received": RECEIVED,
    "identified": IDENTIFIED,
    "stands": STANDS,
    "handed": HANDED,
    "receiver": RECEIVER,
}

_FAULTS: Final[Mapping[str, str]] = {
    "text": N_("Write the answer."),
    "reason": N_("Write the reason."),
    "notice": N_("Write what the person is told."),
    "provision": N_("Choose the provision that this rests on."),
    "pages": N_("Name pages that the document has, as in 2, 5-7. Only a PDF has pages that can be withheld."),
    "judge": N_("Choose who judged it: a physician, nurse or social worker."),
    "personal_identity_code": N_("Check the personal identity code."),
    "received_on": N_("Give a day that has been, as day, month and year."),
    "received_how": N_("Choose how the request came."),
    "identified_how": N_("Choose how the person was identified."),
    "kind": N_("Choose what is asked for."),
    "special_reason": N_("Entries older than two years are given only for a special reason. Write it."),
    "from": N_("Give a day that exists, as day, month and year."),
    "until": N_("Give a day that exists and is not before the first one."),
    "case": N_("There is no such case."),
    "document": N_("There is no such document."),
    "entry": N_("Give the id of the log entry."),
    "names": N_("Choose only from the names on this page."),
    "cents": N_("Give an amount from 0,01 to 1000 euros."),
    "how": N_("Choose what the client gets."),
    "ground": N_("Choose the ground, for a restriction and for nothing else."),
    "papers": N_("Choose the papers that are restricted."),
    "ends_from": N_("Give a day that is at least a week ahead."),
    "decision": N_("Choose one."),
    "outcome": N_("Choose one."),
    "authority": N_("Choose for whom it is made. An authority may have ended."),
    "on": N_("Give the day of the hand-over: not before the package was made, and not in the future."),
}
_CONFLICTS: Final[Mapping[str, str]] = {
    "not-identified": N_("Say first how the person was identified."),
    "documents-wait": N_("Papers still wait. Decide each of them first."),
    "no-extension": N_("The law allows no more time for this."),
    "extension-too-late": N_("More time may be taken only once, and before the first time has passed."),
    "fee-not-due": N_("Nothing may be charged: it is the first within a year, or a fee was told already."),
    "notice-first": N_("Tell the person first. It may end on the told day, and not before."),
    "nothing-to-restrict": N_("The archive has these papers by now. Nothing of them is here."),
    "restriction-ended": N_("The restriction has ended already."),
    "request-state": N_("The request has been answered already, or something changed meanwhile."),
    "misfiled-decided": N_("This paper has been decided already."),
    "misfiled-restricted": N_(
        "Its processing is restricted. Tell the person and end the restriction first; then destroy it."
    ),
    "code-differs": N_("That code stands for another person here by now."),
    "identified-too-weakly": N_("Everything about a person is handed out only to somebody who was identified well."),
    "client-deceased": N_("The person has died. Nobody is handed their package any more."),
    "fee-not-accepted": N_("A fee was told for this request, and the person has not accepted it."),
    "authority-ended": N_("The authority of the person for whom this was made has ended. Do not hand it over."),
    "export-not-fetched": N_("Download the whole package first."),
    "export-changed": N_("A paper in the package may not be shown any more. Do not hand it over; make a new one."),
    "export-state": N_("This package was handed over already, or removed."),
    "birth-day-differs": N_("A birth day is not taken over. Have the case opened anew for the right person."),
}


def faults_of(error: InvalidInput | Conflict, fallback: str) -> dict[str, str]:
    """An error of the services as ``{field: message}``, beside the field that it names or, else, ``fallback``."""
    if isinstance(error, Conflict):
        return {
            fallback: _CONFLICTS.get(error.narrow, N_("Something changed meanwhile. Look at how things stand now."))
        }
    field = (error.field or fallback).split(".")[0].split("[")[0]
    return {field: _FAULTS.get(field, N_("Check this."))}


def secret_of(request: AnyRequest) -> TokenSecret:
    """The secret by which the database knows who asks."""
    secret: TokenSecret = request.state.session.secret
    return secret


def id_in(form: Form, name: str = "id") -> uuid.UUID:
    """The id that a form was given when its page was made: a double press does the same thing once.

    Raises: InvalidInput.
    """
    try:
        return uuid.UUID(form.text(name))
    except ValueError:
        raise InvalidInput("the form lacks its id", field=name, code="missing-field") from None


def judge_in(form: Form) -> Judge | None:
    """Who was chosen as having judged: ``agency professional``; None where nobody was."""
    agency, _, professional = form.text("judge").partition(" ")
    return Judge(agency=agency, professional=professional) if agency else None


def pages_in(text: str) -> list[int]:
    """Page numbers as people write them: ``2, 5-7``. Raises: InvalidInput."""
    pages: list[int] = []
    for part in text.replace("–", "-").split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise InvalidInput("page numbers, apart by commas", field="pages") from None
        if not 0 < low <= high <= 10_000:
            raise InvalidInput("page numbers, apart by commas", field="pages")
        pages += range(low, high + 1)
    return pages
