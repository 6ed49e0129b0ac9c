"""What a records officer decides of one paper: open to the client, withheld, or a copy with pages withheld.

The copy is made in bounded memory and sealed as a document of its own, for that client and the records officer alone.
Source: design.md §3.3; GDPR Art. 15(4); FI 1050/2018 § 34; FI 621/1999 § 11, § 25.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from vault.errors import InvalidInput, VaultError
from vault.formats.sealed import Sealer
from vault.formats.withheld_pdf import Marking
from vault.model import Act, CaseId, Clearance, DocumentId, KeyKind, Outcome, TokenSecret
from vault.ports import Done, Door, Keyring, ObjectStore
from vault.rules.requests import OMBUDSMAN, Provision, Words, require_provision
from vault.services.cases import unbase64
from vault.services.desk import Judge, require_judge, require_one, require_text
from vault.services.documents import DocumentAbout, Documents, Release
from vault.services.ids import new_id
from vault.services.incoming import bare_media_type
from vault.services.requests import items_of

MAX_COPIED = 64 * 1024 * 1024
"""The largest PDF that is taken apart; a larger one is withheld as a whole, or filed anew in parts."""
PIECE = 256 * 1024

_HEADING = Words("Sivu {page} on jätetty pois", "Sida {page} har utelämnats", "Page {page} is withheld")
_BASIS = Words("Peruste: {law}.", "Grund: {law}.", "On the basis of: {law}.")
_MORE = Words(
    "Päätös ja sen perustelut ovat palvelussa tietopyyntösi kohdalla.",
    "Beslutet och dess motivering finns i tjänsten vid din begäran.",
    "The decision and its reasons stand in the service beside your request.",
)


class PageWithholder(Protocol):
    """Makes a copy of a PDF without some of its pages."""

    async def withhold(self, content: bytes, pages: list[int], marking: Marking, language: str) -> bytes:
        """The copy. Raises: InvalidInput for what is no PDF or has no such page, Unavailable when it takes too long."""
        ...


class DocumentDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``how`` is ``open``, ``withheld`` or ``pages-withheld`` (with ``pages``, from 1).

    ``told`` False keeps the reason from the client, where telling it would defeat the restriction. ``judge`` is needed where
    the provision leaves it to a professional whether somebody's health is at stake.
    """

    how: str
    provision: str | None = None
    reason: str = ""
    told: bool = True
    pages: list[int] = []
    judge: Judge | None = None


class Withholding:
    """Decisions on papers; ``door`` decides whether the officer may make them."""

    def __init__(
        self, door: Door, keyring: Keyring, store: ObjectStore, documents: Documents, withholder: PageWithholder
    ) -> None:
        self._door = door
        self._keyring = keyring
        self._store = store
        self._documents = documents
        self._withholder = withholder

    async def decide(
        self,
        secret: TokenSecret,
        decision: uuid.UUID,
        request: uuid.UUID,
        document: DocumentId,
        wanted: DocumentDecision,
    ) -> Done:
        """Decide one paper for the client who asked; it counts from now on, for running downloads too.

        Raises: InvalidInput that names the field; Hidden unless a reason to look at it was given within the day.
        """
        provision = check_decision(wanted)
        listed = await self._door.ask(secret, Act.LIST, about={"target": "request", "request": request})
        [item] = items_of(listed)
        about: dict[str, Any] = {
            "how": wanted.how,
            "provision": wanted.provision,
            "told": wanted.told if provision else None,
            "pages": sorted(set(wanted.pages)) or None,
        }
        if wanted.judge is not None:
            about["judge"] = {"agency": wanted.judge.agency, "professional": wanted.judge.professional}
        sealed = None
        if provision is not None:
            context = f"withholding.reason|{decision}"
            sealed = self._keyring.seal(listed, f"register:{item['client']}", context, wanted.reason.strip().encode())
        if wanted.how == "pages-withheld" and provision is not None:
            marking = _marking(provision, item["language"])
            return await self._with_copy(secret, decision, request, document, about, sealed, marking, item["language"])
        return await self._door.act("withhold", secret, decision, request, document, about, sealed, None)

    async def _with_copy(
        self,
        secret: TokenSecret,
        decision: uuid.UUID,
        request: uuid.UUID,
        document: DocumentId,
        about: dict[str, Any],
        sealed: bytes | None,
        marking: Marking,
        language: str,
    ) -> Done:
        release = await self._documents.open(secret, document, confirmed=[])
        original = await self._read(release)
        made = await self._withholder.withhold(original, about["pages"], marking, language)
        cleared, parent = release.clearance, _parent(release.clearance)
        copy, name = DocumentId(new_id()), secrets.token_hex(16)
        key = self._keyring.create(cleared, KeyKind.DOCUMENT, str(copy), parent=parent)
        named = self._keyring.seal(
            cleared, parent, f"document.about|{copy}", self._about(cleared, parent, document, copy)
        )
        # (1) The copy's row, its key and its object's name. A crash from here on leaves a name that the sweeper finds.
        row = (str(key.kind), key.subject, key.parent, key.wrapped)
        await self._door.act("copy_begin", secret, document, copy, name, named, row)
        sealer = Sealer(
            self._keyring.document_key(cleared, str(copy), beside=[key]),
            CaseId(uuid.UUID(str(cleared.facts["case"]))),
            copy,
        )
        try:
            # (2) The ciphertext; the store returns when it is durable.
            await self._store.put(name, _sealed(sealer, made))
            digest = self._keyring.seal(cleared, parent, f"document.digest|{copy}", hashlib.sha256(made).digest())
            # (3) The decision and the copy's filing, in one transaction.
            about |= {"copy": str(copy), "object": name, "size": len(made)}
            return await self._door.act("withhold", secret, decision, request, document, about, sealed, digest)
        except VaultError:
            if await self._door.give_up(name):
                await self._store.delete(name)
            raise

    async def _read(self, release: Release) -> bytes:
        """The whole document; the log says that the desk read it. Raises: InvalidInput for what has no pages."""
        outcome, read = Outcome.BROKEN, b""
        try:
            _require_taken_apart(release)
            await release.begin()
            read = b"".join([piece async for piece in release.chunks()])
            outcome = Outcome.DELIVERED
        except InvalidInput:
            outcome = Outcome.DELIVERED
            raise
        finally:
            await release.end(outcome, len(read))
        return read

    def _about(self, cleared: Clearance, parent: str, document: DocumentId, copy: DocumentId) -> bytes:
        """The copy's title is the document's; its file name tells nothing."""
        sealed = unbase64(str(cleared.facts["about"]))
        opened = self._keyring.open(cleared, parent, f"document.about|{document}", sealed)
        title = msgspec.json.decode(opened, type=DocumentAbout).title
        return msgspec.json.encode(DocumentAbout(title=title, filename=f"{copy}.pdf"))


def check_decision(wanted: DocumentDecision) -> Provision | None:
    """The provision that a decision rests on; None for one that opens.

    Raises: InvalidInput that names the field.
    """
    require_one("how", wanted.how, ("open", "withheld", "pages-withheld"))
    if (wanted.how == "pages-withheld") != bool(wanted.pages):
        raise InvalidInput("name the pages that are withheld, and only for pages-withheld", field="pages")
    if wanted.how == "open":
        if wanted.provision or wanted.reason.strip() or wanted.judge:
            raise InvalidInput("what is open needs no provision", field="provision")
        return None
    provision = require_provision(wanted.provision or "", for_document=True)
    require_text("reason", wanted.reason)
    require_judge(provision, wanted.judge)
    return provision


def _require_taken_apart(release: Release) -> None:
    if bare_media_type(release.media_type) != "application/pdf":
        detail = "only a PDF has pages that can be withheld; withhold it as a whole"
        raise InvalidInput(detail, field="pages", code="not-a-pdf")
    if release.size > MAX_COPIED:
        raise InvalidInput(f"more than {MAX_COPIED} bytes; withhold it as a whole", field="pages", code="too-large")


def _marking(provision: Provision, language: str) -> Marking:
    law = provision.law.in_language(language)
    said = (
        _BASIS.in_language(language).format(law=law),
        provision.meaning.in_language(language),
        _MORE.in_language(language),
        OMBUDSMAN.in_language(language),
    )
    return Marking(heading=_HEADING.in_language(language), paragraphs=said)


def _parent(cleared: Clearance) -> str:
    facts = cleared.facts
    return f"case:{facts['case']}" if facts["key_parent"] == "case" else f"register:{facts['client']}"


async def _sealed(sealer: Sealer, content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE):
        if sealed := sealer.update(content[start : start + PIECE]):
            yield sealed
    yield sealer.finalize()
