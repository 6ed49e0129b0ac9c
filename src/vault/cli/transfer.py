"""`vault transfer …`: which archive a controller's closed cases go to, and how their transfers stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vault.cli.show import as_json


@click.group()
def transfer() -> None:
    """Transfers of closed cases to an archive."""


@transfer.command()
@click.argument("archive", metavar="ARCHIVE")
@click.option("--agency", required=True, help="The controller whose closed cases go there.")
@click.option("--fi", required=True, help="The archive's name in Finnish.")
@click.option("--sv", help="Its name in Swedish; the Finnish one if missing.")
@click.option("--en", help="Its name in English; the Finnish one if missing.")
@click.option("--recipient", "recipients", required=True, multiple=True, metavar="NAME=age1…", help="A key that opens.")
@click.option("--receipt-keys", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--wait-days",
    type=click.IntRange(0, 366),
    default=14,
    show_default=True,
    help="Days between the reading back and the destruction of the active copy.",
)
@click.option("--contact", help="How a person reaches the archive, told to clients whose case is there.")
def archive(
    archive: str, agency: str, fi: str, sv: str | None, en: str | None, recipients: tuple[str, ...], receipt_keys: Path,
    wait_days: int, contact: str | None,
) -> None:  # fmt: skip
    """Set up, or change, the archive of an agency's closed cases.

    Recipients and receipt keys are those that `vault archive keygen` printed and made. Give at least two recipients, one of them
    a recovery key that is kept offline. Transfers that are under way keep the archive that they began with.
    """
    import msgspec

    from vault.cli.owner import registry, run
    from vault.errors import SettingsWrong
    from vault.formats.ageformat import require_recipient
    from vault.formats.receipt import load_public_keys

    named = [dict(zip(("name", "recipient"), text.split("=", 1), strict=False)) for text in recipients]
    if any(set(item) != {"name", "recipient"} for item in named):
        raise SettingsWrong("a recipient is given as NAME=age1…", field="recipient")
    if len({item["recipient"] for item in named}) < 2:
        raise SettingsWrong("give at least two different recipients, one of them a recovery key that is kept offline")
    checked = [{"name": item["name"], "recipient": require_recipient(item["recipient"], "recipient")} for item in named]
    try:
        keys = msgspec.json.decode(receipt_keys.read_bytes())
    except msgspec.DecodeError:
        raise SettingsWrong(f"{receipt_keys} is no JWK set") from None
    load_public_keys(keys)

    async def work() -> None:
        async with registry() as (writer, _):
            told = {"fi": contact, "sv": contact, "en": contact} if contact else None
            await writer.archive(
                archive,
                agency,
                {"fi": fi, "sv": sv or fi, "en": en or fi},
                checked,
                keys,
                wait_days=wait_days,
                contact=told,
            )

    run(work())
    click.echo(f"closed cases of {agency} go to {archive}, encrypted to {', '.join(item['name'] for item in checked)}")


# A key's id may begin with a hyphen.
@transfer.command("retire-receipt-key", context_settings={"ignore_unknown_options": True})
@click.argument("archive", metavar="ARCHIVE")
@click.argument("kid", metavar="KEY-ID")
def retire_receipt_key(archive: str, kid: str) -> None:
    """Count an archive's receipt key no more, also for transfers that are under way."""
    from vault.cli.owner import registry, run

    async def work() -> None:
        async with registry() as (writer, _):
            await writer.retire_receipt_key(archive, kid)

    run(work())
    click.echo(f"receipts signed with {kid} are refused from now on")


@transfer.command()
@click.argument("transfer", metavar="[TRANSFER]", required=False, type=click.UUID)
@as_json
def status(transfer: Any, *, as_json: bool) -> None:
    """Show how far transfers are: all that are under way, or one of them.

    For a shredded case it says until when a backup of the database could still hold the wrapped key, and what is left to do
    until nothing opens it.
    """
    import msgspec

    from vault.cli.owner import overview, run
    from vault.cli.transfer_status import told
    from vault.settings import load_settings

    days = load_settings().backup_days

    async def work() -> list[dict[str, Any]]:
        async with overview() as seen:
            return await seen.transfers(transfer)

    found = run(work())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for item in found:
        for line in told(item, days):
            click.echo(line)
    if not found:
        click.echo("no transfer is under way" if transfer is None else "there is no such transfer")
