"""`vault archive …`: the archive's side. It needs the archive's own keys, and neither a service nor a network."""

from __future__ import annotations

import datetime as dt
import getpass
import sys
from pathlib import Path

import click

from vault.errors import IntegrityBroken, KeyUnopenable, VaultError

_REJECT = (
    "nothing was signed: reject the transfer in the vault with what is printed here; when two archivists approve it anew, the package"
    " is made anew"
)
_WRONG_KEY = (
    "nothing was signed: give the identity file of one of those keys; if you have none of them, give your recipient to the vault's"
    " operator and reject the transfer"
)

_identity = click.option(
    "--identity", "identities", required=True, multiple=True, type=click.Path(path_type=Path), help="An identity file."
)
_by = click.option("--by", default=None, help="Who acts, for the journal; the login name when not given.")
_journal = click.option(
    "--journal", type=click.Path(path_type=Path), default=None, help="Default: journal.jsonl beside the package."
)
_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def archive() -> None:
    """The archive's side: receive packages, open them, find them."""


@archive.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def keygen(folder: Path) -> None:
    """Make the archive's own keys in FOLDER."""
    from vault.archive.keys import IDENTITY_FILE, PUBLIC_FILE, make_keys

    made = make_keys(folder)
    click.echo(f"recipient: {made.recipient}")
    click.echo(f"receipt key: {made.key_id}")
    click.echo(f"give the recipient and {folder / PUBLIC_FILE} to the vault's operator; nothing else leaves {folder}")
    click.echo(
        f"copy {folder / IDENTITY_FILE} now to where two people keep the recovery copy: without it nothing opens"
    )


@archive.command()
@click.argument("package", type=_file)
@click.option("--label", type=_file, default=None, help="Default: the label beside the package.")
@_identity
@click.option("--signing-key", required=True, type=click.Path(path_type=Path), help="The receipt key, PEM.")
@click.option("--archive-id", required=True, help="The id that the vault knows this archive by.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: beside the package.")
@_by
@_journal
def receive(
    package: Path,
    label: Path | None,
    identities: tuple[Path, ...],
    signing_key: Path,
    archive_id: str,
    out: Path | None,
    by: str | None,
    journal: Path | None,
) -> None:
    """Check PACKAGE whole against its label, and sign a receipt for it."""
    from vault.archive.files import write_new
    from vault.archive.journal import append_entry
    from vault.archive.keys import load_identities, load_signing_key
    from vault.archive.receive import receive_package
    from vault.formats.label import Names

    who, kept = by or getpass.getuser(), journal or package.parent / "journal.jsonl"
    opened, key = load_identities([*identities]), load_signing_key(signing_key)
    try:
        receipt, signed = receive_package(
            package, label or _label_of(package), opened, key, archive=archive_id, received_by=who
        )
    except VaultError as error:
        _tell(error)
        append_entry(kept, "refuse", by=who, package=package.name, why=error.detail)
        if isinstance(error, KeyUnopenable):
            _tell_keys(label or _label_of(package), opened)
        elif isinstance(error, IntegrityBroken):
            click.echo(_REJECT, err=True)
        raise
    append_entry(
        kept, "receive", by=who, package=package.name, transfer=str(receipt.transfer), sha256=receipt.package.sha256
    )
    target = out or package.parent / Names(receipt.transfer).receipt
    write_new(target, signed.encode() + b"\n")
    click.echo(f"received {receipt.transfer}: {receipt.files} files, {receipt.payload_bytes} bytes, all checks passed")
    click.echo(f"receipt: {target}")


@archive.command("open")
@click.argument("package", type=_file)
@_identity
@click.option("--reason", required=True, help="Why it is opened; goes into the journal.")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=None, help="Where to extract it.")
@click.option("--label", type=_file, default=None, help="Default: the label beside the package, if there is one.")
@_by
@_journal
def open_(
    package: Path,
    identities: tuple[Path, ...],
    reason: str,
    into: Path | None,
    label: Path | None,
    by: str | None,
    journal: Path | None,
) -> None:
    """Verify PACKAGE, list what it holds, extract it.

    It is read to its end before the first file is written, with --into. Nothing is overwritten. The journal tells of the opening before the first byte is read.
    """
    from vault.archive.keys import load_identities
    from vault.archive.opening import open_package

    beside = _label_of(package)
    try:
        bag = open_package(
            package,
            load_identities([*identities]),
            into=into,
            reason=reason,
            opened_by=by or getpass.getuser(),
            journal=journal or package.parent / "journal.jsonl",
            label=label or (beside if beside.exists() else None),
        )
    except VaultError as error:
        _tell(error)
        raise
    for member in bag.members:
        click.echo(f"{member.size:>12}  {member.path}")
    click.echo(f"whole and unaltered: {bag.files} files, {bag.payload_bytes} bytes")
    if into:
        click.echo(f"extracted: {into / str(bag.transfer)}; begin with index.html, and remove the folder when done")


@archive.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@_identity
@click.option("--name", "what", flag_value="name", help="Find by name, which is asked for or read from standard input.")
@click.option("--code", "what", flag_value="code", help="Find by personal identity code, asked for in the same way.")
@_by
@_journal
def find(folder: Path, identities: tuple[Path, ...], what: str | None, by: str | None, journal: Path | None) -> None:
    """Find a person's packages below FOLDER.

    The name or code is never an argument: arguments stand in process lists and shell histories.
    """
    from vault.archive.finding import find_packages
    from vault.archive.keys import load_identities

    if what is None:
        raise click.UsageError("say --name or --code")
    opened = load_identities([*identities])
    searched = _ask("name" if what == "name" else "personal identity code")
    search = find_packages(
        folder,
        opened,
        name=searched if what == "name" else None,
        code=searched if what == "code" else None,
        searched_by=by or getpass.getuser(),
        journal=journal or folder / "journal.jsonl",
    )
    for hit in search.found:
        d = hit.descriptor
        ends = d.retention_ends or "no last day"
        click.echo(f"{hit.package}  {d.process}  {d.opened_at:%Y-%m-%d}..{d.closed_at:%Y-%m-%d}  kept until {ends}")
    click.echo(f"{len(search.found)} of {search.looked_at} packages", err=True)
    if search.unopened:
        click.echo(f"{len(search.unopened)} descriptors could not be opened, the first: {search.unopened[0]}", err=True)


@archive.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--on", "day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="As of this day; today when not given."
)
def due(folder: Path, day: dt.datetime | None) -> None:
    """List packages below FOLDER whose keeping has ended.

    By their labels alone: nothing is opened, and nothing is removed.
    """
    from vault.archive.due import find_due

    found = find_due(folder, day.date() if day else dt.datetime.now(dt.UTC).astimezone().date())
    for label in found.labels:
        click.echo(f"{label.retention_ends}  {label.file}  {label.package.size} bytes")
    click.echo(f"{len(found.labels)} of {found.looked_at} packages", err=True)
    if found.unread:
        click.echo(f"{len(found.unread)} labels could not be read, the first: {found.unread[0]}", err=True)


@archive.command("journal")
@click.argument("journal", type=_file)
def journal_(journal: Path) -> None:
    """Check JOURNAL, line by line, and print it."""
    from vault.archive.journal import verify_journal

    for entry in verify_journal(journal):
        about = {key: value for key, value in entry.items() if key not in {"n", "at", "act", "previous"}}
        click.echo(f"{entry['n']:>6}  {entry['at']}  {entry['act']}  {about}")


def _tell_keys(label: Path, identities: list[str]) -> None:
    """Which keys open it, by the label in clear, and which were given."""
    from vault.archive.files import read_small
    from vault.formats.ageformat import fingerprint_of, recipient_of
    from vault.formats.label import MAX_LABEL, parse_label

    for one in parse_label(read_small(label, MAX_LABEL)).recipients:
        click.echo(f"  opens it: {one.name}, {one.fingerprint}", err=True)
    for identity in identities:
        click.echo(f"  given:    {fingerprint_of(recipient_of(identity))}", err=True)
    click.echo(_WRONG_KEY, err=True)


def _label_of(package: Path) -> Path:
    """The label beside a package, by their common name."""
    return package.parent / f"{package.name.removesuffix('.tar.age')}.label.json"


def _ask(what: str) -> str:
    """Read one line: from a person, or from a program through standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(what, err=True))
    return sys.stdin.readline().strip()


def _tell(error: VaultError) -> None:
    """Print every fault, of which the error's own sentence names the first few."""
    for reason in error.reasons:
        click.echo(f"  {reason}", err=True)
