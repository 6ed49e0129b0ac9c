"""`vault log …`: keeps the log's tree, watches it, and verifies what it hands out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def log() -> None:
    """The access log as a Merkle tree."""


@log.command()
def key() -> None:
    """Print the log's verifier key, which everyone needs who checks the log."""
    from vault.adapters.keyring.file import open_keyring
    from vault.services.sequencer import log_vkey
    from vault.settings import load_settings, require

    settings = load_settings()
    click.echo(log_vkey(open_keyring(require(settings.keyring, "keyring")), settings.origin()))


@log.command()
def keep() -> None:
    """Put entries into the tree and sign it, until SIGTERM or Ctrl-C.

    Run it in two places if you like: the second waits for the first. With witness_url and witness_key set, each
    checkpoint is taken to that witness.
    """
    import asyncio

    from vault.api.logs import start_logging
    from vault.cli.keeping import keep_log, stop_on_signals
    from vault.settings import load_settings

    settings = load_settings()

    async def work() -> None:
        await keep_log(settings, stop_on_signals())

    start_logging()
    asyncio.run(work())


@log.command()
@click.option(
    "--memory", required=True, type=click.Path(file_okay=False, path_type=Path), help="The monitor's own copy."
)
@click.option("--log", "log_key", required=True, help="The log's verifier key (vault log key).")
@click.option("--witness", "witness_keys", required=True, multiple=True, help="A witness's verifier key.")
@click.option("--once", is_flag=True, help="Check everything once; exit code 1 if anything does not fit.")
def monitor(*, memory: Path, log_key: str, witness_keys: tuple[str, ...], once: bool) -> None:
    """Read the log again and again, and say which entry is not what was committed.

    The copy in --memory is a log directory that anyone can verify; keep it where the database's administrators cannot
    write.
    """
    import asyncio

    from vault.cli.keeping import read_vkey, watch_log
    from vault.errors import IntegrityBroken
    from vault.settings import load_settings

    keys = [read_vkey(text) for text in witness_keys]
    found = asyncio.run(watch_log(load_settings(), memory, read_vkey(log_key), keys, once=once))
    if found:
        raise IntegrityBroken(f"the log does not fit: {found}")
    click.echo("every entry fits")


@log.command()
@click.option("--application", required=True, help="The application's client id.")
@click.option("--from", "since", required=True, help="A day in Finland, or a time with its offset.")
@click.option("--to", "until", required=True, help="The last day, or the time at which it ends.")
@click.option("--form", type=click.Choice(["csv", "json-lines"]), default="csv", show_default=True)
def report(*, application: str, since: str, until: str, form: Literal["csv", "json-lines"]) -> None:
    """Print what an application opened and was denied, for a breach report.

    Ids, codes and times, no names; the report is an entry of the log itself. Runs under the monitor's role. Rows go to
    stdout, the summary to stderr.
    """
    import asyncio

    from vault.cli.keeping import print_report
    from vault.services.reports import parse_moment
    from vault.settings import load_settings

    span = parse_moment(since, "from"), parse_moment(until, "to", end=True)
    click.echo(asyncio.run(print_report(load_settings(), application, span, form)), err=True)


@log.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(*, as_json: bool) -> None:
    """Say how far the log is, and since when no witness has cosigned it.

    Until a cosigned checkpoint covers an entry, only its promise (Vault-Log-Entry) protects it. Runs under the sequencer's
    role.
    """
    import asyncio

    import msgspec

    from vault.cli.keeping import read_window, window_text
    from vault.settings import load_settings

    window = asyncio.run(read_window(load_settings()))
    click.echo(msgspec.json.encode(window).decode() if as_json else window_text(window))


@log.command()
@click.option("--origin", required=True, help="The new log's name, such as vault.example/log/2.")
@click.option("--checkpoint", "note", required=True, type=_FILE, help="The last cosigned checkpoint, from the witness.")
@click.option("--log", "log_key", required=True, help="The verifier key of the log as it was.")
@click.option("--witness", "witness_keys", required=True, multiple=True, help="A witness's verifier key.")
@click.option(
    "--copy",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The monitor's copy, which tells exactly what was lost.",
)
def restart(*, origin: str, note: Path, log_key: str, witness_keys: tuple[str, ...], copy: Path | None) -> None:
    """Begin the log anew under another origin, after a restored backup lost what a witness had cosigned.

    The new log's first leaf holds the last cosigned checkpoint and what was lost; it goes to stdout, as a file that
    "vault log verify proof" takes. Runs as the schema's owner, while no sequencer runs.
    """
    import asyncio

    import msgspec

    from vault.cli.keeping import begin_anew, read_vkey
    from vault.settings import load_settings

    keys = [read_vkey(text) for text in witness_keys]
    shown, record = asyncio.run(begin_anew(load_settings(), note.read_bytes(), read_vkey(log_key), keys, origin, copy))
    click.echo(msgspec.json.encode(shown).decode())
    click.echo(
        f"{record.held} leaves of the cosigned log are held, {record.lost} are lost\n"
        f"now set log_origin to {origin}, give the new key (vault log key) to witness, monitor and whoever verifies, with a"
        f" new --memory, and keep the old copy: it proves the old log",
        err=True,
    )


@log.command()
@click.argument("month", metavar="YYYY-MM")
def prune(month: str) -> None:
    """Let a month of entries go whose twelve years are over; tiles and positions stay, and so does every proof.

    Its table stands apart as vault.entry_pruned_YYYYMM until the owner drops it. Runs as the schema's owner.
    """
    import asyncio

    from vault.cli.keeping import prune_month
    from vault.settings import load_settings

    click.echo(f"{asyncio.run(prune_month(load_settings(), month))} entries of {month} were let go")


@log.group()
def verify() -> None:
    """Verify checkpoints, proofs and whole logs, offline and without settings.

    Exit codes: 0 proved, 1 malformed or unreadable, 2 wrong command, 3 another log's, 4 not signed by a key that was
    given, 5 a wrong signature, 6 not in the tree, 7 a size larger than the tree, 8 an older checkpoint does not fit, 9
    tiles do not fit.

    The same checks are in one file that runs alone: src/vault/verifier.py.
    """


def _keys(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--quorum", type=click.IntRange(0), default=0, help="How many of the witnesses must have cosigned."
        ),
        click.option("--witness", multiple=True, help="A witness's verifier key; may be given again."),
        click.option("--log", required=True, help="The log's verifier key."),
    ):
        command = option(command)
    return command


@verify.command()
@click.argument("note", type=_FILE)
@_keys
def checkpoint(note: Path, **keys: Any) -> None:
    """A checkpoint's signatures."""
    _verify("checkpoint", [note], keys)


@verify.command()
@click.argument("proof_file", metavar="PROOF", type=_FILE)
@click.argument("entry", type=_FILE)
@_keys
def proof(proof_file: Path, entry: Path, **keys: Any) -> None:
    """That an entry stands in the log, and what it says.

    ENTRY is a file {"entry", "digests", "disclosures"}, as an export holds it.
    """
    _verify("proof", [proof_file, entry], keys)


@verify.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.argument("hashes", type=_FILE)
@_keys
def consistency(old: Path, new: Path, hashes: Path, **keys: Any) -> None:
    """That the log of checkpoint NEW begins with all of that of OLD.

    HASHES is the consistency proof, one base64 hash on each line.
    """
    _verify("consistency", [old, new, hashes], keys)


@verify.command()
@click.argument("folder", metavar="DIRECTORY", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("older", nargs=-1, type=_FILE)
@_keys
def directory(folder: Path, older: tuple[Path, ...], **keys: Any) -> None:
    """A whole log: DIRECTORY holds checkpoint and tile/…, as the monitor's copy does.

    OLDER are checkpoints that you kept: the log must begin with the tree of each.
    """
    _verify("directory", [folder, *older], keys)


def _verify(what: str, paths: list[Path], keys: dict[str, Any]) -> None:
    import argparse
    import sys

    from vault import verifier

    given = argparse.Namespace(what=what, paths=[str(path) for path in paths], **keys)
    try:
        click.echo(verifier.run(given))
    except (verifier.Unverified, ValueError) as error:
        click.echo(f"vault: not verified: {error}", err=True)
        sys.exit(getattr(error, "code", verifier.MALFORMED))
