"""More of `vault doctor`: what each role may touch, what the schema stands on, and how the parts reach each other."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from vault.adapters.keyring.file import open_keyring
from vault.adapters.postgres.rights import Rights, Standing
from vault.cli.finding import Finding
from vault.cli.keeping import read_vkey
from vault.errors import SettingsWrong, VaultError
from vault.settings import CONFIG, DatabaseRole, Settings, StoreBucket, is_loopback

MOST_CLOCK_S = 1.0
GRANTS = "run the grants of this version again, as the owner: src/vault/adapters/postgres/sql/grants.sql"
_READERS = {DatabaseRole.MONITOR, DatabaseRole.SEQUENCER}
_VERIFIED = {"verify-ca", "verify-full"}


def of_role(name: str, role: DatabaseRole, found: Rights) -> Iterator[Finding]:
    """Findings about what the role could do past the door; none is good."""
    if role is DatabaseRole.OWNER:
        if found.open_to_all:
            yield Finding("wrong", "schema", f"{found.open_to_all} functions may be called by everybody", GRANTS)
        return
    tables = found.writes if role in _READERS else sorted({*found.reads, *found.writes})
    if tables:
        yield Finding("wrong", name, f"may go past the door: it holds rights on {', '.join(tables[:5])}", GRANTS)
    if found.creates or found.temporary:
        remedy = "REVOKE ALL ON DATABASE … FROM PUBLIC, and CREATE ON SCHEMA public; then run the grants again"
        yield Finding("wrong", name, "may make tables of its own", remedy)
    if not found.callable:
        yield Finding("wrong", name, "may call none of the vault's functions", GRANTS)


def of_schema(found: Standing, settings: Settings) -> Iterator[Finding]:
    """Findings about the vault's clock, days, log and keys as the database holds them."""
    if abs(found.clock_off_s) > MOST_CLOCK_S:
        yield Finding(
            "wrong",
            "clock",
            f"vault.clock() is {found.clock_off_s:+.0f} s off the server's own: it was replaced",
            "find out by whom; then run sql/clock.sql of this version as the owner",
        )
    elif not found.knows_helsinki:
        remedy = "install the time zones of the server's system (tzdata)"
        yield Finding("wrong", "clock", "the server does not know Europe/Helsinki, by which days are counted", remedy)
    else:
        yield Finding("ok", "clock", "the vault's clock is the server's, and days are Helsinki's")
    if not found.has_partition:
        remedy = "run: vault migrate; or give the worker database_url_owner, and it makes them"
        yield Finding("wrong", "log partitions", "there is none for the coming month", remedy)
    if not found.has_lookup_key:
        yield Finding("wrong", "keys", "there is no lookup key: nobody can be found by code", "run: vault key create")
    yield from _roots(found, settings)


def _roots(found: Standing, settings: Settings) -> Iterator[Finding]:
    if settings.keyring is None:
        return
    try:
        held = set(open_keyring(settings.keyring).root_ids())
    except VaultError:
        return  # told of the keyring itself
    lost = [root for root in found.roots if root not in held]
    if lost:
        remedy = "restore it from its recovery copy: without it, what was filed under it opens to nobody"
        yield Finding("wrong", "keys", f"the keyring lacks the root key {', '.join(lost)}, which is in use", remedy)


def of_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about how the settings are kept, and about what would travel in clear."""
    yield from _file(environ)
    for role in DatabaseRole:
        secret = getattr(settings, f"database_url_{role.value}")
        if secret is not None and not _is_safe(secret.reveal()):
            yield Finding(
                "wrong",
                f"database_url_{role.value}",
                "another machine's database, whose certificate is not checked",
                "add ?sslmode=verify-full&sslrootcert=… to the URL",
            )
    for name in ("store", "archive_store"):
        where = getattr(settings, name)
        if isinstance(where, StoreBucket):
            address = urlsplit(where.endpoint)
            if address.scheme == "http" and not is_loopback(address.hostname or ""):
                yield Finding("wrong", name, "is reached without TLS, over a network", "give an https endpoint")
    if settings.issuer is not None and settings.issuer.startswith("https:"):
        if not settings.behind_proxy:
            yield Finding("note", "behind_proxy", "is false: the service would not believe its front server")
        if not is_loopback(settings.listen_host):
            yield Finding("note", "listen", "plain HTTP beyond this machine: let nobody but the front server reach it")
    if settings.archive_store is not None and settings.backup_days is None:
        yield Finding("note", "backup_days", "is not set; until when a backup could open what was shredded is not told")


def _file(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The file of settings holds passwords."""
    path = Path(environ.get(CONFIG) or "vault.toml")
    if not path.exists():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("wrong", "settings file", f"{path} has mode {mode:04o}, others can read it", f"chmod 600 {path}")
    else:
        yield Finding("ok", "settings file", f"{path}, private")


def _is_safe(url: str) -> bool:
    """Whether nobody between here and the database can read along, or be the database."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", [""])[0]
    return not host or host.startswith("/") or is_loopback(host) or query.get("sslmode", [""])[0] in _VERIFIED


async def of_witness(settings: Settings) -> list[Finding]:
    """Whether the log's witness can be asked; any answer will do, since it is asked nothing here."""
    if settings.witness_url is None or settings.witness_key is None:
        if settings.database_url_sequencer is None:
            return []
        return [Finding("note", "witness_url", "is not set; the log's heads are seen by nobody else")]
    try:
        read_vkey(settings.witness_key)
    except SettingsWrong as error:
        return [Finding("wrong", "witness_key", error.detail, "give what vault witness create printed there")]
    try:
        async with httpx.AsyncClient(timeout=5, follow_redirects=False, trust_env=False) as client:
            await client.get(settings.witness_url)
    except httpx.HTTPError as error:
        remedy = "check the address, and that the witness runs; until then entries wait for its signature"
        return [Finding("wrong", "witness_url", f"does not answer ({type(error).__name__})", remedy)]
    return [Finding("ok", "witness_url", "answers")]
