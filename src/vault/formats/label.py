"""What lies beside a package: the label in clear, and the small encrypted descriptor by which an archive finds it.

The label tells how to open the package and names nobody; only the descriptor says whose case it is.

Source: docs/spec/archive-package.md §8 and §9.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence

import msgspec

from vault.errors import InvalidInput, ObjectTampered
from vault.formats.ageformat import Digest, decrypt_bytes, encrypt_bytes, fingerprint_of
from vault.formats.bag import Totals
from vault.formats.canonical import encode_canonical
from vault.formats.casefacts import CaseFacts

LABEL_FORMAT = "vault/archive-label/v1"
DESCRIPTOR_FORMAT = "vault/archive-descriptor/v1"
MAX_LABEL = 64 * 1024
# A descriptor's plaintext is filled up to a multiple of this, so that its length tells nothing of a name's.
_FILL = 1024


class LabelRecipient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that opens the package: what the archive calls it, and the SHA-256 (hex) of its ``age1…`` text."""

    name: str
    fingerprint: str


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The label; sizes in bytes. ``package`` is the encrypted file, ``tar`` what it opens to."""

    format: str
    transfer: uuid.UUID
    made_at: dt.datetime
    file: str
    package: Digest
    tar: Digest
    files: int
    payload_bytes: int
    retention_ends: dt.date | None
    recipients: tuple[LabelRecipient, ...]
    how_to_open: tuple[str, ...]


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose case a package holds, and when; only the archive's keys open it."""

    format: str
    transfer: uuid.UUID
    case: uuid.UUID
    process: str
    name: str
    personal_identity_code: str | None
    born: dt.date | None
    opened_at: dt.datetime
    closed_at: dt.datetime
    retention_ends: dt.date | None


class Names(msgspec.Struct, frozen=True):
    """The names of a transfer's files; they hold nothing but its id."""

    transfer: uuid.UUID

    @property
    def package(self) -> str:
        return f"{self.transfer}.tar.age"

    @property
    def label(self) -> str:
        return f"{self.transfer}.label.json"

    @property
    def label_text(self) -> str:
        return f"{self.transfer}.label.txt"

    @property
    def descriptor(self) -> str:
        return f"{self.transfer}{DESCRIPTOR_SUFFIX}"

    @property
    def receipt(self) -> str:
        return f"{self.transfer}.receipt.jws"


DESCRIPTOR_SUFFIX = ".descriptor.age"


def make_label(facts: CaseFacts, package: Digest, totals: Totals, recipients: Sequence[tuple[str, str]]) -> Label:
    """The label of a package that was just made; ``recipients`` are pairs of a name and an ``age1…`` text."""
    names = Names(facts.transfer)
    return Label(
        format=LABEL_FORMAT,
        transfer=facts.transfer,
        made_at=facts.made_at,
        file=names.package,
        package=package,
        tar=totals.tar,
        files=totals.files,
        payload_bytes=totals.payload_bytes,
        retention_ends=facts.retention_ends,
        recipients=tuple(LabelRecipient(name, fingerprint_of(text)) for name, text in recipients),
        how_to_open=how_to_open(facts.transfer),
    )


def encode_label(label: Label) -> bytes:
    """The label's JSON, in canonical form."""
    return encode_canonical(msgspec.to_builtins(label))


def parse_label(content: bytes) -> Label:
    """Raises: InvalidInput for anything that is no label of this format."""
    try:
        label = msgspec.json.decode(content[: MAX_LABEL + 1], type=Label)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInput("the label cannot be read", field="label") from None
    if label.format != LABEL_FORMAT or len(content) > MAX_LABEL:
        raise InvalidInput(f"the label is not of the format {LABEL_FORMAT}", field="label")
    return label


def label_text(label: Label) -> str:
    """The label for people, in Finnish and English."""
    keys = "\n".join(f"  {key.fingerprint}  {key.name}" for key in label.recipients)
    commands = "\n".join(f"  {command}" for command in label.how_to_open)
    ends = label.retention_ends
    return (
        f"ARKISTOPAKETTI / ARCHIVE PACKAGE {label.transfer}\n\n"
        f"Tiedosto / File:                 {label.file}\n"
        f"Tehty / Made:                    {label.made_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC\n"
        f"Säilytys päättyy / Keeping ends: {ends or 'ei määräaikaa / no last day'}\n"
        f"Koko / Size:                     {label.package.size} (tar: {label.tar.size})\n"
        f"Sisältö / Content:               {label.files} tiedostoa / files, {label.payload_bytes} tavua / bytes\n"
        f"SHA-256 ({label.file}):\n  {label.package.sha256}\n"
        f"SHA-256 (tar):\n  {label.tar.sha256}\n\n"
        "AVAAMINEN / HOW TO OPEN\n\n"
        "Paketti on salattu age-ohjelmalla (C2SP age v1, X25519). Tarvitaan jokin näistä avaimista;\n"
        "tunniste on vastaanottajan (age1…) SHA-256.\n"
        "The package is encrypted with age (C2SP age v1, X25519). One of these keys is needed;\n"
        "the fingerprint is the SHA-256 of the recipient (age1…).\n\n"
        f"{keys}\n\n{commands}\n\n"
        "Jokainen avaaminen kirjataan perusteineen. / Each opening is recorded with its reason.\n"
    )


def seal_descriptor(facts: CaseFacts, recipients: Sequence[str]) -> bytes:
    """The encrypted descriptor. ``recipients`` are ``age1…`` texts."""
    descriptor = Descriptor(
        format=DESCRIPTOR_FORMAT,
        transfer=facts.transfer,
        case=facts.case,
        process=facts.process,
        name=facts.client.name,
        personal_identity_code=facts.client.personal_identity_code,
        born=facts.client.born,
        opened_at=facts.opened_at,
        closed_at=facts.closed_at,
        retention_ends=facts.retention_ends,
    )
    plain = encode_canonical(msgspec.to_builtins(descriptor))
    return encrypt_bytes(plain + b" " * (-len(plain) % _FILL), recipients)


def open_descriptor(sealed: bytes, identities: Sequence[str]) -> Descriptor:
    """Raises: KeyUnopenable when no identity opens it, ObjectTampered when it is damaged."""
    try:
        found = msgspec.json.decode(decrypt_bytes(sealed, identities), type=Descriptor)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ObjectTampered("the descriptor cannot be read") from None
    if found.format != DESCRIPTOR_FORMAT:
        raise ObjectTampered(f"the descriptor is not of the format {DESCRIPTOR_FORMAT}")
    return found


def how_to_open(transfer: uuid.UUID) -> tuple[str, ...]:
    """How to open a package with common programs alone."""
    package = Names(transfer).package
    return (
        f"sha256sum {package}",
        f"age -d -i IDENTITY-FILE {package} | tar -x",
        f"cd {transfer} && sha512sum -c manifest-sha512.txt && sha512sum -c tagmanifest-sha512.txt",
    )
