"""Receiving a package: everything is checked as it streams by, and only then is a receipt signed.

Source: docs/spec/archive-package.md §7; docs/spec/archive-receipt.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from joserfc.jwk import OKPKey

from vault.archive.files import read_small
from vault.aside import behind
from vault.errors import ObjectTampered, SettingsWrong
from vault.formats.ageformat import Digest, decrypt_stream
from vault.formats.bagcheck import Bag, BagChecker
from vault.formats.label import MAX_LABEL, Label, parse_label
from vault.formats.receipt import FORMAT, REQUIRED_CHECKS, Receipt, sign_receipt
from vault.formats.tarstream import Visitor


def check_package(
    package: Path, identities: Sequence[str], *, label: Label | None, beside: Visitor | None = None
) -> tuple[Bag, Digest]:
    """Read a package once, from beginning to end, in bounded memory; nothing is written.

    Returns the bag that passed every check, and size and SHA-256 of the encrypted file.
    Raises: KeyUnopenable when no identity opens it; ObjectTampered for anything wrong with it, ``reasons`` naming each
    fault; SettingsWrong when the file cannot be read.
    """
    checker = BagChecker(beside)
    try:
        with package.open("rb", buffering=0) as file, behind(checker) as sink:
            encrypted = decrypt_stream(file, sink, identities)
    except OSError as error:
        raise SettingsWrong(f"{error.filename or package}: {error.strerror}") from None
    bag = checker.close()
    if label is not None:
        _require_same(label, bag, encrypted)
    return bag, encrypted


def receive_package(
    package: Path, label: Path, identities: Sequence[str], key: OKPKey, *, archive: str, received_by: str
) -> tuple[Receipt, str]:
    """Check a package against its label and sign for it; returns the receipt and its compact JWS.

    Raises: as ``check_package``; then nothing was signed.
    """
    told = parse_label(read_small(label, MAX_LABEL))
    bag, encrypted = check_package(package, identities, label=told)
    receipt = Receipt(
        format=FORMAT,
        transfer=bag.transfer,
        archive=archive,
        package=encrypted,
        tar=bag.tar,
        files=bag.files,
        payload_bytes=bag.payload_bytes,
        checks=REQUIRED_CHECKS,
        received_by=received_by,
        received_at=dt.datetime.now(dt.UTC).replace(microsecond=0),
    )
    return receipt, sign_receipt(receipt, key)


def _require_same(label: Label, bag: Bag, encrypted: Digest) -> None:
    found = {
        "transfer": bag.transfer,
        "package": encrypted,
        "tar": bag.tar,
        "files": bag.files,
        "payload_bytes": bag.payload_bytes,
    }
    differing = tuple(name for name, value in found.items() if getattr(label, name) != value)
    if differing:
        raise ObjectTampered(
            f"the package is not the one that the label tells of: {', '.join(differing)}", reasons=differing
        )
