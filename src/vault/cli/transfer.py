"""`vault transfer …`: which archive a controller's closed cases go to."""

from __future__ import annotations

from pathlib import Path

import click


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
def archive(
    archive: str, agency: str, fi: str, sv: str | None, en: str | None, recipients: tuple[str, ...], receipt_keys: Path
) -> None:
    """Set up, or change, the archive of an agency's closed cases.

    Recipients and receipt keys are those that `vault archive keygen` printed and made. Give two recipients, one of them a
    recovery key that is kept offline. Transfers that are under way keep the archive that they began with.
    """
    import msgspec

    from vault.cli.owner import registry, run
    from vault.errors import SettingsWrong
    from vault.formats.ageformat import require_recipient
    from vault.formats.receipt import load_public_keys

    named = [dict(zip(("name", "recipient"), text.split("=", 1), strict=False)) for text in recipients]
    if any(set(item) != {"name", "recipient"} for item in named):
        raise SettingsWrong("a recipient is given as NAME=age1…", field="recipient")
    checked = [{"name": item["name"], "recipient": require_recipient(item["recipient"], "recipient")} for item in named]
    try:
        keys = msgspec.json.decode(receipt_keys.read_bytes())
    except msgspec.DecodeError:
        raise SettingsWrong(f"{receipt_keys} is no JWK set") from None
    load_public_keys(keys)

    async def work() -> None:
        async with registry() as (writer, _):
            await writer.archive(archive, agency, {"fi": fi, "sv": sv or fi, "en": en or fi}, checked, keys)

    run(work())
    click.echo(f"closed cases of {agency} go to {archive}, encrypted to {', '.join(item['name'] for item in checked)}")
