"""The checks of `vault doctor`; each finding says what was looked at, what was found, and what to do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib import resources

from vault.adapters.keyring.file import open_keyring
from vault.adapters.postgres.facts import ServerFacts, applied_migrations, server_facts
from vault.adapters.postgres.migrate import functions_sql, migration_names
from vault.adapters.postgres.rights import rights, standing
from vault.cli.checks_keys import of_issuer_keys
from vault.cli.checks_standing import of_role, of_schema, of_settings, of_witness
from vault.cli.finding import Finding
from vault.cli.owner import connect
from vault.errors import SettingsWrong, VaultError
from vault.settings import EXPECTED, DatabaseRole, Settings, load_settings
from vault.wiring import make_deposit, make_store

OLDEST_VERSION = 150000
MOST_SKEW_S = 2.0
NEEDED = ("issuer", "database_url_service", "database_url_tokens", "store", "keyring")
NEEDED_BY = {
    DatabaseRole.OWNER: "vault migrate and the registry",
    DatabaseRole.WORKER: "vault worker",
    DatabaseRole.SEQUENCER: "the log's sequencer",
    DatabaseRole.MONITOR: "the log's monitor",
}
MIGRATE = "run: vault migrate"
ROLES = "make the roles anew: an administrator runs the SQL of vault migrate --roles"


async def examine() -> list[Finding]:
    """Look at everything that the settings of the environment name."""
    try:
        settings = load_settings()
    except SettingsWrong as error:
        return [Finding("wrong", "setting", reason, "mend it, and run vault doctor again") for reason in error.reasons]
    findings = [*_settings(settings), *of_settings(settings, os.environ)]
    facts: dict[DatabaseRole, ServerFacts] = {}
    for role in DatabaseRole:
        findings += await _role(settings, role, facts)
    if facts:
        findings += _server(next(iter(facts.values())), settings)
    findings += _keyring(settings)
    findings += await _store(settings)
    findings += await _deposit(settings)
    findings += await of_witness(settings)
    return findings


def _settings(settings: Settings) -> Iterator[Finding]:
    # Settings of another account alone (the worker's, the log's) lack what only the service needs.
    of_another = any(getattr(settings, f"database_url_{role.value}") is not None for role in NEEDED_BY)
    serves = settings.database_url_service is not None or settings.database_url_tokens is not None or not of_another
    for name in NEEDED:
        if getattr(settings, name) is None and not serves:
            yield Finding("note", name, "is not set; vault serve would need it")
        elif getattr(settings, name) is None:
            yield Finding("wrong", name, "is not set", f"give VAULT_{name.upper()}; expected {EXPECTED[name]}")
    if settings.issuer is not None:
        yield Finding("ok", "issuer", settings.issuer)
    yield Finding("ok", "listen", f"{settings.listen_host} port {settings.listen_port}")


async def _role(settings: Settings, role: DatabaseRole, facts: dict[DatabaseRole, ServerFacts]) -> list[Finding]:
    """Connect as the role and look at its rights; the owner also tells of the schema."""
    name = f"database_url_{role.value}"
    if getattr(settings, name) is None:
        return [Finding("note", name, f"is not set; {NEEDED_BY[role]} would need it")] if role in NEEDED_BY else []
    try:
        connection = await connect(settings, role)
    except VaultError as error:
        text = error.detail.removeprefix(f"{name}: ")
        return [Finding("wrong", name, text, "check the URL, the password, and that the server runs")]
    try:
        facts[role] = await server_facts(connection)
        applied = await applied_migrations(connection) if role is DatabaseRole.OWNER else {}
        findings = [*_rights(name, role, facts[role]), *([_schema(applied)] if role is DatabaseRole.OWNER else [])]
        if facts[role].name == f"vault_{role.value}" and not facts[role].superuser:
            findings += of_role(name, role, await rights(connection))
        if applied and findings[-1].state == "ok":
            findings += of_schema(await standing(connection), settings)
    finally:
        await connection.close()
    return findings


def _rights(name: str, role: DatabaseRole, facts: ServerFacts) -> Iterator[Finding]:
    expected = f"vault_{role.value}"
    if facts.name != expected:
        yield Finding("wrong", name, f"logs in as {facts.name}", f"log in as {expected}: the grants are for that role")
        return
    allowed = ["vault_door"] if role is DatabaseRole.OWNER else []
    mighty = [
        word
        for word, is_so in (
            ("a superuser", facts.superuser),
            ("free of row security", facts.bypasses),
            ("able to make roles", facts.creates_roles),
            ("a member of " + ", ".join(facts.member_of), facts.member_of != allowed),
            ("the database's owner", facts.owner and role is not DatabaseRole.OWNER),
        )
        if is_so
    ]
    if mighty:
        yield Finding("wrong", name, f"{facts.name} is {' and '.join(mighty)}", ROLES)
    elif facts.synchronous_commit == "off":
        remedy = f"ALTER ROLE {facts.name} RESET synchronous_commit, and set it on for the server"
        yield Finding("wrong", name, "synchronous_commit is off: a log entry would not be durable", remedy)
    else:
        yield Finding("ok", name, f"connects as {facts.name}, which may do no more than it needs")
    if abs(facts.skew_s) > MOST_SKEW_S:
        found = f"the database's clock is {abs(facts.skew_s):.1f} s {'ahead' if facts.skew_s > 0 else 'behind'}"
        yield Finding("wrong", name, found, "keep both machines on the same time (chrony or systemd-timesyncd)")


def _schema(applied: dict[str, str]) -> Finding:
    if not applied:
        return Finding("wrong", "schema", "the database has no vault schema", MIGRATE)
    folder = resources.files("vault.adapters.postgres") / "migrations"
    wanted = {name: (folder / name).read_text("utf-8") for name in migration_names()} | {"functions": functions_sql()}
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in wanted.items()}
    newer = sorted(applied.keys() - digests.keys())
    if newer:
        return Finding(
            "wrong", "schema", f"it holds {newer[0]}, which this version does not know", "run the newer version"
        )
    behind = [name for name, digest in digests.items() if applied.get(name) != digest]
    if behind:
        return Finding("wrong", "schema", f"not of this version: {', '.join(behind)}", MIGRATE)
    return Finding("ok", "schema", f"{len(migration_names())} migrations and the functions of this version")


def _server(facts: ServerFacts, settings: Settings) -> Iterator[Finding]:
    version = f"PostgreSQL {facts.version // 10000}.{facts.version % 10000}"
    if facts.version < OLDEST_VERSION:
        yield Finding("wrong", "server", version, "PostgreSQL 15 or newer is needed")
    else:
        yield Finding("ok", "server", version)
    for name, value in (("fsync", facts.fsync), ("full_page_writes", facts.full_page_writes)):
        if value != "on":
            found = f"{name} is {value}: an acknowledged document could be lost in a crash"
            yield Finding("wrong", "server", found, f"set {name} = on in postgresql.conf")
    yield _parameters(facts)
    pools = settings.pool_size + max(2, settings.pool_size // 4) + 4
    if pools > facts.max_connections - 3:
        found = f"{pools} connections may be opened, the server allows {facts.max_connections}"
        yield Finding("wrong", "server", found, "lower pool_size, or raise max_connections")


def _parameters(facts: ServerFacts) -> Finding:
    """The server's log must not keep what statements carry, even though it is ciphertext."""
    statements = facts.log_statement != "none" or facts.log_slow != "-1"
    if facts.log_parameters_on_error != "0":
        remedy = "set log_parameter_max_length_on_error = 0"
        return Finding("wrong", "server log", "parameters of failed statements are logged", remedy)
    if statements and facts.log_parameters != "0":
        remedy = "set log_parameter_max_length = 0, or do not log statements"
        return Finding("wrong", "server log", "statements are logged with their parameters", remedy)
    return Finding("ok", "server log", "keeps no parameters")


def _keyring(settings: Settings) -> list[Finding]:
    if settings.keyring is None:
        return []
    try:
        keyring = open_keyring(settings.keyring)
    except VaultError as error:
        remedy = "mend it, or restore the recovery copy; a first one is made with: vault key create"
        return [Finding("wrong", "keyring", error.detail, remedy)]
    count = len(keyring.root_ids())
    found = f"{settings.keyring}: {count} root {'key' if count == 1 else 'keys'}, private"
    return [Finding("ok", "keyring", found), *of_issuer_keys([kid for kid, _ in keyring.issuer_keys()])]


async def _deposit(settings: Settings) -> list[Finding]:
    """Whether the archive's store keeps what is put into it as it must; nothing is written."""
    deposit = make_deposit(settings)
    if deposit is None:
        return []
    try:
        await deposit.check()
    except VaultError as error:
        remedy = "see docs/howto/archive.md, and check that this account may use it"
        return [Finding("wrong", "archive_store", error.detail.removeprefix("archive_store: "), remedy)]
    return [Finding("ok", "archive_store", "keeps what is put into it")]


async def _store(settings: Settings) -> list[Finding]:
    if settings.store is None:
        return []
    try:
        await make_store(settings).check()
    except VaultError as error:
        remedy = "check that it exists, is reachable, and that this account may write there"
        return [Finding("wrong", "store", error.detail, remedy)]
    return [Finding("ok", "store", "can be written and read")]
