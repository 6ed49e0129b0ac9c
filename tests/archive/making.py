"""Closed cases to archive, and packages of them that are wrong in one way each."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import tarfile
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from vault.formats.ageformat import Digest, encrypt_stream, new_identity
from vault.formats.bag import BagStream, Totals, item_of, plan_bag
from vault.formats.casefacts import CaseFacts, ClientFacts, ConsentFacts, PaperFacts
from vault.formats.label import Label, LabelRecipient, Names, encode_label, label_text, make_label, seal_descriptor

AT = dt.datetime(2026, 3, 2, 8, 30, tzinfo=dt.UTC)
IDENTITY, RECIPIENT = new_identity()
RECOVERY_IDENTITY, RECOVERY = new_identity()
RECIPIENTS = (("archive", RECIPIENT), ("recovery", RECOVERY))
NAMES = {"ayr": {"fi": "Kuntoutuksen asiakasyhteistyöryhmä", "en": "Rehabilitation client cooperation group"},
         "muistio": {"fi": "muistio", "en": "memo"}, "read": {"fi": "asiakirjan lukeminen", "en": "reading a document"},
         "physician": {"fi": "lääkäri", "en": "physician"}, "care": {"fi": "hoito", "en": "care"}}  # fmt: skip


class Case(msgspec.Struct):
    """A closed case's facts, and the bytes of its papers by id."""

    facts: CaseFacts
    content: dict[uuid.UUID, bytes]
    entries: list[dict[str, object]] = []
    """Those of the log, each with a proof; the file of them is the same for all cases."""

    def stream(self, pieces: Callable[[bytes], Iterable[bytes]] = lambda content: [content]) -> BagStream:
        log = [item_of("data/log/entries.jsonl", b'{"act":"open"}\n{"act":"close"}\n')]
        log += [item_of(f"data/log/proofs/{entry['entry']}.tlog-proof", b"c2sp.org") for entry in self.entries]
        rules = {"codes.json": b"{}", "process.json": b'{"code":"ayr"}'}
        items = plan_bag(self.facts, lambda paper: pieces(self.content[paper]), log=log, rules=rules)
        return BagStream(self.facts, items, NAMES, self.entries)

    def tar(self) -> bytes:
        return b"".join(self.stream())


class Made(msgspec.Struct):
    """A package in a folder as it is sent: with its label and descriptor."""

    folder: Path
    facts: CaseFacts
    label: Label
    package: Digest
    totals: Totals

    def path(self, kind: str) -> Path:
        return self.folder / str(getattr(Names(self.facts.transfer), kind))


def make_case(*papers: tuple[bytes, str], name: str = "Maija Mallikas", code: str | None = "010203A9020") -> Case:
    """A case with one document per pair of content and media type, and one consent with its form."""
    content: dict[uuid.UUID, bytes] = {}
    documents = tuple(_paper(content, *paper) for paper in papers or ((b"one", "application/pdf"), (b"", "text/html")))
    form = _paper(content, b"the signed form", "application/pdf")
    consent = ConsentFacts(
        id=uuid.uuid4(),
        signed_on=dt.date(2025, 3, 2),
        valid_from=dt.date(2025, 3, 2),
        valid_until=None,
        withdrawn_at=None,
        form=form,
        more={"provisions": [{"effect": "permit", "actions": ["handle", "read"]}]},
    )
    facts = CaseFacts(
        transfer=uuid.uuid4(),
        made_at=AT,
        case=uuid.uuid4(),
        process="ayr",
        client=ClientFacts(name=name, personal_identity_code=code, born=dt.date(1998, 2, 1), language="fi"),
        opened_at=AT - dt.timedelta(days=400),
        closed_at=AT - dt.timedelta(days=10),
        closing_reason="the plan was carried out",
        retention_ends=dt.date(2036, 2, 20),
        retention_source="ten years from the end of handling",
        secrecy_source="FI 703/2023 § 6",
        controller_from="the cooperation group",
        controller_to="the health-centre archive",
        documents=documents,
        consents=(consent,),
        more={"coordinator": "pirha"},
    )
    return Case(facts, content)


def _paper(content: dict[uuid.UUID, bytes], filed: bytes, media_type: str) -> PaperFacts:
    paper = uuid.uuid4()
    content[paper] = filed
    return PaperFacts(
        id=paper,
        type="muistio",
        title="Maija <Mallikas> & muut",
        language="fi",
        dated=dt.date(2026, 1, 15),
        filed_at=AT - dt.timedelta(days=30),
        filed_by="pirha",
        filename="Maija Mallikas muistio.pdf",
        media_type=media_type,
        size=len(filed),
        sha256=hashlib.sha256(filed).hexdigest(),
    )


def send(case: Case, folder: Path) -> Made:
    """Make the package with its label and descriptor, as it would be sent."""
    names, stream = Names(case.facts.transfer), case.stream()
    with (folder / names.package).open("wb") as file:
        package = encrypt_stream(stream, file, [key for _, key in RECIPIENTS])
    label = make_label(case.facts, package, stream.totals, RECIPIENTS)
    (folder / names.label).write_bytes(encode_label(label))
    (folder / names.label_text).write_text(label_text(label))
    (folder / names.descriptor).write_bytes(seal_descriptor(case.facts, [key for _, key in RECIPIENTS]))
    return Made(folder, case.facts, label, package, stream.totals)


def send_tar(case: Case, tar: bytes, folder: Path) -> Made:
    """A package of any bytes, with a label that tells truly of them: what is wrong is inside."""
    made = send(case, folder)
    with made.path("package").open("wb") as file:
        package = encrypt_stream([tar], file, [RECIPIENT])
    totals = Totals(Digest(len(tar), hashlib.sha256(tar).hexdigest()), made.totals.files, made.totals.payload_bytes)
    label = msgspec.structs.replace(
        made.label, package=package, tar=totals.tar, recipients=(LabelRecipient("archive", "0" * 64),)
    )
    made.path("label").write_bytes(encode_label(label))
    return Made(folder, case.facts, label, package, totals)


Files = dict[str, bytes]


def unpack(tar: bytes) -> Files:
    """Path below the bag's folder to content, in order, read by somebody else's reader."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name.partition("/")[2]: _content(archive, member) for member in archive}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def pack(root: str, files: Files, *, extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """A tar of these files, and then of members without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{root}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member)
    return out.getvalue()


def list_again(files: Files) -> Files:
    """The files with both manifests made anew, as a forger would."""
    kept = {path: content for path, content in files.items() if "manifest-" not in path}
    payload = _manifest({path: content for path, content in kept.items() if path.startswith("data/")})
    tags = {path: content for path, content in kept.items() if not path.startswith("data/")}
    tag_manifest = _manifest({**tags, "manifest-sha512.txt": payload})
    return {**kept, "manifest-sha512.txt": payload, "tagmanifest-sha512.txt": tag_manifest}


def _manifest(files: Files) -> bytes:
    return "".join(f"{hashlib.sha512(content).hexdigest()}  {path}\n" for path, content in files.items()).encode()
