"""One closed case as an encrypted stream: opened paper by paper, packed and encrypted on the way, never in clear at rest.

The package's formats pull their input in a thread of their own; papers come from, and ciphertext goes to, the event loop.
Source: docs/spec/archive-package.md; promises P5 and P8.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from vault.aside import ahead
from vault.errors import ObjectTampered
from vault.formats.ageformat import Digest, encrypt_stream
from vault.formats.bag import CASE_FILE, BagStream, PackageItem, Totals, plan_bag
from vault.formats.bagcheck import Bag
from vault.formats.casefacts import CaseFacts, ClientFacts, ConsentFacts, PaperFacts
from vault.formats.sealed import ChunkReader, sealed_size
from vault.model import CaseId, Clearance, DocumentId
from vault.ports import Keyring, ObjectStore
from vault.rules.catalogue import PROCESSES, VOCABULARIES
from vault.rules.reasons import EXPLANATIONS
from vault.services.cases import unbase64
from vault.services.piping import Pipe, gathered, packed, pulled
from vault.services.reading import read_plaintext

_ENTRIES = "data/log/entries.jsonl"
SECRECY = "FI 703/2023 § 6; FI 621/1999 § 24"


class Progress:
    """How far a long step is; counted by whoever does it, told by whoever watches. Units: bytes."""

    def __init__(self) -> None:
        self._phase = ""
        self._bytes = self._bytes_all = self._documents = self._documents_all = 0

    def begin(self, phase: str, bytes_all: int, documents_all: int) -> None:
        self._phase, self._bytes_all, self._documents_all = phase, bytes_all, documents_all
        self._bytes = self._documents = 0

    def add(self, count: int) -> None:
        """So many bytes more."""
        self._bytes += count

    def next_document(self) -> None:
        """One more document is whole."""
        self._documents += 1

    def told(self) -> dict[str, Any]:
        """What is told of it; nothing before it has begun."""
        if not self._phase:
            return {}
        return {
            "phase": self._phase,
            "bytes": self._bytes,
            "bytes_all": self._bytes_all,
            "documents": self._documents,
            "documents_all": self._documents_all,
        }


class Package:
    """One case on its way out: ``chunks`` is the encrypted package, once; afterwards the digests are known.

    ``log`` are the files below ``data/log/``. The facts of the clearance are those of the transfer's draft.
    """

    def __init__(
        self,
        clearance: Clearance,
        keyring: Keyring,
        store: ObjectStore,
        *,
        transfer: uuid.UUID,
        archive_name: str,
        log: Sequence[PackageItem] = (),
        progress: Progress | None = None,
    ) -> None:
        self._clearance, self._keyring, self._store = clearance, keyring, store
        self._log, self._progress = log, progress or Progress()
        self._facts: dict[str, Any] = dict(clearance.facts)
        self._case = CaseId(uuid.UUID(self._facts["case"]))
        self.facts = self._case_facts(transfer, archive_name)
        self._objects = {uuid.UUID(item["id"]): item["object"] for item in self._facts["documents"]}
        self.sealed: Digest | None = None
        self.totals: Totals | None = None

    async def chunks(self, recipients: Sequence[str]) -> AsyncIterator[bytes]:
        """The encrypted package in pieces of about a mebibyte.

        Raises: ObjectTampered when a paper is not what was filed; then what was yielded opens for nobody.
        """
        plan = self._plan(asyncio.get_running_loop())
        self._progress.begin("packaging", sum(item.size for item in plan), len(self._objects))
        stream = BagStream(self.facts, plan, _names(), self._facts["entries"])

        def pack(pipe: Pipe) -> None:
            # Papers are read, opened and hashed in a thread of their own while this one encrypts.
            with ahead(stream) as pieces:
                self.sealed = encrypt_stream(pieces, pipe, recipients)

        async for piece in packed(pack):
            yield piece
        self.totals = stream.totals

    def is_held_by(self, bag: Bag) -> bool:
        """Whether a bag that passed every check is of this case as it is to be packaged.

        All papers, what is told of them, the entries and the rules must be the same; proofs may rest on another checkpoint.
        """
        planned = {
            (item.path, item.size, item.sha256)
            for item in self._plan(None)
            if item.path != CASE_FILE and (not item.path.startswith("data/log/") or item.path == _ENTRIES)
        }
        return bag.transfer == self.facts.transfer and planned <= {(m.path, m.size, m.sha256) for m in bag.members}

    def _plan(self, loop: asyncio.AbstractEventLoop | None) -> list[PackageItem]:
        """Without a loop, to be looked at and not streamed."""

        def content(paper: uuid.UUID) -> Iterator[bytes]:
            return iter(()) if loop is None else pulled(gathered(self._plaintext(paper)), loop)

        process = PROCESSES[self._facts["process"]]
        rules = {
            "process.json": msgspec.json.encode(process),
            "codes.json": msgspec.json.encode({kind: dict(codes) for kind, codes in VOCABULARIES.items()}),
            "reasons.json": msgspec.json.encode(dict(EXPLANATIONS)),
        }
        return plan_bag(self.facts, content, log=self._log, rules=rules)

    async def _plaintext(self, paper: uuid.UUID) -> AsyncIterator[bytes]:
        """A paper's bytes; when its end does not verify, the whole package is thrown away.

        Raises: ObjectTampered, naming the document and its object: whoever mends it must know which.
        """
        document, name = DocumentId(paper), str(self._objects[paper])
        size = next(item["size"] for item in self._facts["documents"] if item["id"] == str(paper))
        key = self._keyring.document_key(self._clearance, str(document))
        reader = ChunkReader(key, self._case, document, sealed_size(size))
        try:
            async for plain in read_plaintext(self._store, name, reader, 0, size):
                self._progress.add(len(plain))
                yield plain
        except ObjectTampered as damage:
            raise ObjectTampered(
                f"document {document} cannot be packaged: {damage.detail or 'its object is damaged'}; restore the object {name}"
                " from a backup of the store; nothing was sent, and it is tried again by itself"
            ) from None
        self._progress.next_document()

    def _case_facts(self, transfer: uuid.UUID, archive_name: str) -> CaseFacts:
        facts, case = self._facts, f"case:{self._case}"
        about = msgspec.json.decode(self._open(case, f"case.about|{self._case}", facts["about"]))
        papers = {item["id"]: self._paper(item) for item in facts["documents"]}
        forms = {item["form"] for item in facts["consents"]}
        sign_offs = [self._sign_off(item) for item in facts["sign_offs"] or []]
        client = ClientFacts(
            name=about["name"],
            personal_identity_code=about["personal_identity_code"],
            born=dt.date.fromisoformat(about["born"]),
            language=facts["language"],
        )
        return CaseFacts(
            transfer=transfer,
            made_at=_time(facts["draft"]["made_at"]),
            case=self._case,
            process=facts["process"],
            client=client,
            opened_at=_time(facts["opened_at"]),
            closed_at=_time(facts["closed_at"]),
            closing_reason=str(sign_offs[0]["reason"]) if sign_offs else "",
            retention_ends=dt.date.fromisoformat(facts["retention_ends"]),
            retention_source=_law(PROCESSES[facts["process"]].retention.source),
            secrecy_source=SECRECY,
            controller_from=facts["controller"],
            controller_to=archive_name,
            documents=tuple(paper for key, paper in papers.items() if key not in forms),
            consents=tuple(self._consent(item, papers.get(item["form"])) for item in facts["consents"]),
            more={
                "sign_offs": sign_offs,
                "members": facts["members"] or [],
                "left_out": facts["left_out"],
                "agencies": facts["agencies"],
            },
        )

    def _sign_off(self, item: Mapping[str, Any]) -> dict[str, Any]:
        reason = self._open(f"case:{self._case}", f"case.closing|{self._case}", item["reason"]).decode()
        return {**item, "reason": reason}

    def _paper(self, item: Mapping[str, Any]) -> PaperFacts:
        parent = f"case:{self._case}" if item["key_parent"] == "case" else f"register:{item['client']}"
        about = msgspec.json.decode(self._open(parent, f"document.about|{item['id']}", item["about"]))
        kept = ("source", "filed_by_unit", "attachment_of", "replaces", "series", "valid_until", "protected_classes",
                "third_persons", "check_before_client", "original", "state", "registered_at")  # fmt: skip
        return PaperFacts(
            id=uuid.UUID(item["id"]),
            type=item["type"],
            title=about["title"],
            language=item["language"],
            dated=dt.date.fromisoformat(item["dated"]),
            filed_at=_time(item["filed_at"]),
            filed_by=item["filed_by"],
            filename=about["filename"],
            media_type=item["media_type"],
            size=item["size"],
            sha256=self._open(parent, f"document.digest|{item['id']}", item["digest"]).hex(),
            more={name: item[name] for name in kept},
        )

    def _consent(self, item: Mapping[str, Any], form: PaperFacts | None) -> ConsentFacts:
        about = msgspec.json.decode(
            self._open(f"register:{self._facts['client']}", f"consent.about|{item['id']}", item["about"])
        )
        kept = ("language", "capacity", "verified_how", "replaces", "recorded_at", "provisions")
        return ConsentFacts(
            id=uuid.UUID(item["id"]),
            signed_on=dt.date.fromisoformat(item["signed_on"]),
            valid_from=_day(item["valid_from"]),
            valid_until=_day(item["valid_until"]),
            withdrawn_at=_time(item["withdrawn_at"]) if item["withdrawn_at"] else None,
            form=form,
            more={**{name: item[name] for name in kept}, "signed_by": about["signed_by"]},
        )

    def _open(self, key: str, context: str, sealed: str) -> bytes:
        return self._keyring.open(self._clearance, key, context, unbase64(sealed))


def _names() -> dict[str, dict[str, str]]:
    """Every code's name in Finnish and English."""
    codes: Iterable[Mapping[str, Any]] = VOCABULARIES.values()
    return {code: {"fi": named.fi, "en": named.en} for kind in codes for code, named in kind.items()}


def _law(source: str) -> str:
    """The provisions of a rule's source, without our own documents, which nobody has in ten years."""
    return "; ".join(part for part in source.split("; ") if not part.startswith("design.md"))


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _day(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None
