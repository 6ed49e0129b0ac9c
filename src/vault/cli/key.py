"""`vault key …`: makes the keyring, and says which root and epoch keys hold what."""

from __future__ import annotations

from typing import Any

import click

from vault.cli.show import as_json


@click.group()
def key() -> None:
    """The keyring, and what stands under its keys."""


@key.command()
def create() -> None:
    """Make a keyring of files.

    With database_url_owner set, the lookup key is installed in the database too; without it, run this again later.
    """
    from vault.adapters.keyring.file import FileKeyring, open_keyring
    from vault.cli.owner import run
    from vault.errors import Conflict
    from vault.settings import load_settings, require

    settings = load_settings()
    directory = require(settings.keyring, "keyring")
    existed = directory.is_dir() and any(directory.iterdir())
    keyring = open_keyring(directory) if existed else FileKeyring.create_new(directory)
    if not existed:
        click.echo(f"the keyring {directory} is made; copy it now to where two people keep the recovery copy")
    if settings.database_url_owner is None:
        if existed:
            raise Conflict(f"there is a keyring at {directory} already; nothing was changed")
        click.echo("the lookup key is not installed yet: set database_url_owner and run vault key create again")
        return
    if run(_install(settings, keyring)):
        click.echo("the lookup key is installed")
    elif existed:
        raise Conflict(f"there is a keyring at {directory} already, and a lookup key is installed; nothing was changed")
    else:
        click.echo("the database has a lookup key from another keyring; see: vault key status", err=True)


async def _install(settings: Any, keyring: Any) -> bool:
    """Install a lookup key where there is none; whether one was installed."""
    from vault.adapters.postgres.overview import Overview
    from vault.adapters.postgres.registry import Registry
    from vault.cli.owner import owner

    async with owner(settings) as connection:
        if await Overview(connection).has_lookup_key():
            return False
        await Registry(connection, keyring).install_key(keyring.new_lookup_key())
        return True


@key.command()
@as_json
def status(*, as_json: bool) -> None:
    """Show the root keys, and what stands under them.

    Exit code 1 when the keyring lacks a root key that the database names.
    """
    import msgspec

    from vault.adapters.keyring.file import open_keyring
    from vault.cli.owner import overview, run
    from vault.errors import KeyringUnavailable
    from vault.settings import load_settings, require

    async def work() -> dict[str, list[dict[str, Any]]]:
        async with overview() as seen:
            return await seen.keys()

    keyring = open_keyring(require(load_settings().keyring, "keyring"))
    counted, current = run(work()), keyring.current_root.removeprefix("root:")
    held = {row["root"]: row["keys"] for row in counted["roots"]}
    roots = [
        {
            "root": root,
            "current": root == current,
            "own": root == keyring.own_root,
            "in_keyring": root in keyring.root_ids(),
            "keys": held.get(root, 0),
        }
        for root in sorted({*keyring.root_ids(), *held})
    ]
    found = {
        "roots": roots,
        "epochs": counted["epochs"],
        "kinds": counted["kinds"],
        "issuer_keys": [kid for kid, _ in keyring.issuer_keys()],
        "promise_key": keyring.promise_public()[0],
    }
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() if as_json else _told(found))
    lost = [root["root"] for root in roots if not root["in_keyring"]]
    if lost:
        raise KeyringUnavailable(f"the keyring lacks the root key {lost[0]}, under which keys stand: restore its copy")


def _told(found: dict[str, Any]) -> str:
    lines = []
    for root in found["roots"]:
        notes = [
            *(["current"] if root["current"] else []),
            *(["seals what belongs to no case"] if root["own"] else []),
            *([] if root["in_keyring"] else ["NOT IN THE KEYRING"]),
        ]
        lines.append(f"root {root['root']}: {root['keys']} keys under it" + (f" ({', '.join(notes)})" if notes else ""))
    lines += [
        f"epoch {epoch['epoch']}: {epoch['cases']} cases, {epoch['clients']} clients, under root {epoch['root']}"
        for epoch in found["epochs"]
    ]
    lines += [f"{row['kind']} keys under {row['parent']} keys: {row['keys']}" for row in found["kinds"]]
    lines.append(f"token-signing keys: {', '.join(found['issuer_keys'])} (the first signs)")
    lines.append(f"promise key: {found['promise_key']}")
    return "\n".join(lines)


@key.command()
@as_json
def rotate(*, as_json: bool) -> None:
    """Replace root and epoch keys; no document is touched.

    All epoch keys, and the root key above them.

    What lives on is wrapped anew; then the old epoch keys and the old root keys are destroyed, and what was shredded under
    them is beyond recovery. Stopped half-way, it goes on when it is run again. Copy the keyring at once to where two people
    keep the recovery copy, and destroy the copies of the root keys that it names. Needs database_url_owner and
    database_url_worker.
    """
    import msgspec

    from vault.adapters.keyring.file import open_keyring
    from vault.adapters.postgres.door import PostgresDoor
    from vault.adapters.postgres.pool import Pool
    from vault.adapters.postgres.rotation import PostgresRotations
    from vault.cli.owner import owner, run
    from vault.services.rotation import Rotated, Rotation
    from vault.settings import DatabaseRole, load_settings, require

    settings = load_settings()
    keyring = open_keyring(require(settings.keyring, "keyring"))

    async def work() -> Rotated:
        pool = Pool(settings.database_url(DatabaseRole.WORKER), size=2, wait_s=30)
        try:
            async with owner(settings) as connection:
                rotations = PostgresRotations(connection, pool)
                return await Rotation(PostgresDoor(pool, pool, keyring), rotations, keyring, _tell(as_json)).run()
        finally:
            await pool.close()

    done = run(work())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(done), indent=2).decode())
        return
    for root in done.kept:
        click.echo(
            f"{root} also seals what belongs to no case, and stays: what was shredded under it is not beyond recovery",
            err=True,
        )
    click.echo(f"{done.forgotten} shredded cases are beyond recovery from now on")
    if done.destroyed:
        click.echo(f"destroy every copy of: {', '.join(done.destroyed)}")


@key.command()
@click.option("--now", "at_once", is_flag=True, help="It signs at once: after a leak, or on one machine alone.")
def issuer(*, at_once: bool) -> None:
    """Make a new key that signs access tokens.

    It is published within ten seconds and signs an hour later, by itself: until then copy its file to every machine that has
    a copy of the keyring, or that machine refuses what it signs. Running services need no restart. What the earlier ones signed
    stays good: end them five minutes after that with `vault key end-issuer`.
    """
    import datetime as dt

    from vault.adapters.keyring.file import open_keyring
    from vault.adapters.keyring.files import signs_from
    from vault.settings import load_settings, require

    keyring = open_keyring(require(load_settings().keyring, "keyring"))
    present = dt.datetime.now(dt.UTC)
    earlier = [kid for kid, _ in keyring.issuer_keys() if signs_from(kid) <= present]
    kid = keyring.new_issuer_key(dt.timedelta() if at_once else dt.timedelta(hours=1))
    since = signs_from(kid)
    click.echo(
        f"{kid} is published and signs access tokens from {'now' if at_once else f'{since:%Y-%m-%d %H:%M} UTC'} on"
    )
    if not at_once:
        click.echo(f"copy issuer-{kid}.key to every machine that has a copy of the keyring, before that")
    for one in earlier:
        click.echo(f"end the earlier one five minutes after that, with: vault key end-issuer {one}")


@key.command("end-issuer")
@click.argument("kid", metavar="ID")
def end_issuer(kid: str) -> None:
    """Destroy a key that signed access tokens.

    Within ten seconds no running service accepts a token that it signed. `vault key status` lists the keys.
    """
    from vault.adapters.keyring.file import open_keyring
    from vault.settings import load_settings, require

    open_keyring(require(load_settings().keyring, "keyring")).end_issuer_key(kid)
    click.echo(f"{kid} is destroyed; destroy its copies too")


def _tell(silent: bool) -> Any:
    return (lambda _: None) if silent else click.echo


@key.command()
@click.argument("copy", type=click.Path(exists=True, file_okay=False))
def rehearse(copy: str) -> None:
    """Prove that a recovery COPY of the keyring opens.

    Each root key's id is derived from the key itself, so a copy that holds all root keys that the database and the keyring
    name is one that opens. Exit code 1 when one is missing.
    """
    from pathlib import Path

    from vault.adapters.keyring.file import open_keyring
    from vault.cli.owner import overview, run
    from vault.errors import KeyringUnavailable
    from vault.settings import load_settings

    async def work() -> list[str]:
        async with overview() as seen:
            return [str(row["root"]) for row in (await seen.keys())["roots"]]

    held, settings = open_keyring(Path(copy)), load_settings()
    wanted = {*run(work())}
    if settings.keyring is not None:
        own = open_keyring(settings.keyring)
        wanted |= {own.own_root, own.current_root.removeprefix("root:")}
    missing = sorted(wanted - {*held.root_ids()})
    if missing:
        raise KeyringUnavailable(f"the copy lacks the root key {missing[0]}: make a new copy of the keyring now")
    click.echo(f"the copy opens: it holds {', '.join(sorted(wanted))}")
