"""Opening a package: verified to its end first, then extracted; the reason is in the journal before the first byte.

Source: docs/spec/archive-package.md §10.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from vault.archive.files import read_small, sync_folder
from vault.archive.journal import append_entry
from vault.archive.receive import check_package
from vault.errors import Conflict, InvalidInput, ObjectTampered, SettingsWrong, VaultError
from vault.formats.bagcheck import Bag, Member
from vault.formats.label import MAX_LABEL, Label, parse_label

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def open_package(
    package: Path,
    identities: Sequence[str],
    *,
    into: Path | None,
    reason: str,
    opened_by: str,
    journal: Path,
    label: Path | None = None,
) -> Bag:
    """Verify a package whole and, unless ``into`` is None, extract it into that folder, below its transfer's id.

    Files get mode 0600, folders 0700; nothing is overwritten. The journal tells of the opening before anything is read,
    and of how it ended.
    Raises: InvalidInput for no reason given; Conflict when the place is taken; SettingsWrong when the journal or a file
    cannot be written; otherwise as ``check_package``.
    """
    if not reason.strip():
        raise InvalidInput("an opening needs a reason", field="reason")
    told = parse_label(read_small(label, MAX_LABEL)) if label else None
    act = {"package": package.name, "reason": reason, "by": opened_by}
    append_entry(journal, "open" if into else "list", **act)
    try:
        bag = _open(package, identities, into, told)
    except (VaultError, OSError) as error:
        append_entry(journal, "ended", package=package.name, outcome="failed", why=type(error).__name__)
        raise error if isinstance(error, VaultError) else SettingsWrong(f"{into}: {error.strerror}") from None
    append_entry(journal, "ended", package=package.name, outcome="done", transfer=str(bag.transfer))
    return bag


def _open(package: Path, identities: Sequence[str], into: Path | None, label: Label | None) -> Bag:
    bag, _ = check_package(package, identities, label=label)
    if into is None:
        return bag
    # The file could be another by now: what is extracted is held against what was verified.
    target = _new_folder(into, str(bag.transfer))
    extractor = _Extractor(into, bag)
    try:
        check_package(package, identities, label=label, beside=extractor)
    except BaseException:
        extractor.close()
        shutil.rmtree(target)
        raise
    sync_folder(target)
    return bag


def _new_folder(into: Path, name: str) -> Path:
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        (into / name).mkdir(mode=0o700)
    except FileExistsError:
        raise Conflict(f"{into / name} is there already; nothing was overwritten") from None
    return into / name


class _Extractor:
    """Writes the files of a bag that was verified, and stops at the first that is another by now."""

    def __init__(self, into: Path, bag: Bag) -> None:
        self._into = into
        self._expected: dict[str, Member] = {f"{bag.transfer}/{member.path}": member for member in bag.members}
        self._path = ""
        self._fd = -1
        self._hash = hashlib.sha512()

    def begin(self, path: str, size: int) -> None:
        if path not in self._expected or self._expected[path].size != size:
            raise ObjectTampered(f"the package changed while it was opened: {path!a}")
        target = self._into / path
        for folder in reversed(target.relative_to(self._into).parents[:-1]):
            (self._into / folder).mkdir(mode=0o700, exist_ok=True)
        self._path, self._hash = path, hashlib.sha512()
        self._fd = os.open(target, _NEW_FILE, 0o600)

    def data(self, piece: bytes | memoryview) -> None:
        self._hash.update(piece)
        left = memoryview(piece)
        while left:
            left = left[os.write(self._fd, left) :]

    def end(self) -> None:
        os.fsync(self._fd)
        self.close()
        if self._hash.hexdigest() != self._expected[self._path].sha512:
            raise ObjectTampered(f"the package changed while it was opened: {self._path}")

    def close(self) -> None:
        """Close the file that is being written, if there is one."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
