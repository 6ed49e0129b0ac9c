"""The demo's world on disk: roles with passwords, keyring, the registered cast with its keys, and `demo.json`.

    DIR/postgres     the embedded database        DIR/keys         the keyring
    DIR/objects      the documents, encrypted     DIR/roles.json   the database roles' passwords
    DIR/demo.json    for callers: addresses, applications with private keys, professionals
    DIR/walk.json    ids of what the walk left behind
    DIR/witness      the key and memory of the log's witness, a process of its own

Every step can be stopped and done again: what is there already is kept. Nothing here is fit for real data: the keyring
and the applications' private keys lie beside the database.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import msgspec
from joserfc.jwk import ECKey, Key, OKPKey

from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.keyring.file import FileKeyring, open_keyring
from vault.adapters.postgres.bootstrap import LOGIN_ROLES, make_database, make_roles
from vault.adapters.postgres.migrate import migrate
from vault.adapters.postgres.overview import Overview
from vault.adapters.postgres.pool import prepare
from vault.adapters.postgres.registry import Registry
from vault.demo import cast
from vault.demo.caller import DEMO_FILE, DemoAgency, DemoApplication, DemoFile, DemoProfessional, load_demo
from vault.demo.sign_in import make_links, register_providers
from vault.errors import SettingsWrong
from vault.settings import DatabaseRole, Secret, Settings, StoreDirectory

DATABASE = "vault"
LOG_ORIGIN = "demo.vault.example/log"
"""The log keeps its name when the demo starts on another port."""
T = TypeVar("T")


class Walked(msgspec.Struct, frozen=True):
    """What a walk left: ids only. ``documents`` goes from a paper's key to its document."""

    case: str
    consent: str
    documents: dict[str, str]


class Folder:
    """The demo's directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Make the directory, for this account alone. Raises: SettingsWrong when it cannot be made or used.

        Root's is made so that others may pass through it: PostgreSQL may run under another account there.
        """
        try:
            self.path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsWrong(f"{self.path} cannot be made ({error.strerror}); choose another with --data") from None
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise SettingsWrong(f"{self.path} cannot be written; choose another with --data")

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def witness(self) -> Path:
        return self.path / "witness"

    @property
    def demo_file(self) -> Path:
        return self.path / DEMO_FILE

    def passwords(self) -> dict[str, str]:
        """The database roles' passwords, made at the first start."""
        path = self.path / "roles.json"
        kept = _read(path, dict[str, str]) or {}
        passwords = {role: kept.get(role) or secrets.token_urlsafe(24) for role in LOGIN_ROLES}
        if passwords != kept:
            write_private(path, passwords)
        return passwords

    def keyring(self) -> FileKeyring:
        """The keyring, made at the first start. Raises: SettingsWrong when it is gone and the data are not."""
        path = self.path / "keys"
        if path.exists():
            return open_keyring(path)
        if (self.postgres / "cluster").exists():
            raise SettingsWrong(f"{path} is missing: without it nothing in {self.path} can be opened")
        return FileKeyring.create_new(path)

    def walked(self) -> Walked | None:
        return _read(self.path / "walk.json", Walked)

    def keep_walk(self, walked: Walked) -> None:
        write_private(self.path / "walk.json", walked)

    def earlier(self) -> DemoFile | None:
        """The demo file of an earlier start, whose applications keep their keys."""
        return load_demo(self.path) if self.demo_file.exists() else None


def write_private(path: Path, content: object) -> None:
    """Write a JSON file that only this account may read, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsWrong(f"{path} cannot be read ({error.strerror})") from None
    except msgspec.MsgspecError:
        raise SettingsWrong(f"{path} is damaged; restore it, or start the demo on another directory") from None


def settings_for(folder: Folder, postgres: EmbeddedPostgres, passwords: dict[str, str], port: int) -> Settings:
    """The service's settings, as an operator would write them."""
    address = f"http://127.0.0.1:{port}"
    urls: dict[str, Any] = {
        f"database_url_{role.value}": Secret(
            postgres.url(f"vault_{role.value}", passwords[f"vault_{role.value}"], DATABASE)
        )
        for role in DatabaseRole
    }
    return Settings(
        issuer=address,
        listen_port=port,
        store=StoreDirectory((folder.path / "objects").absolute()),
        keyring=(folder.path / "keys").absolute(),
        log_origin=LOG_ORIGIN,
        **urls,
    )


@asynccontextmanager
async def owner_of(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as the schema's owner, for set-up."""
    owner = await asyncpg.connect(url)
    try:
        await prepare(owner)
        yield owner
    finally:
        await owner.close()


async def set_up(folder: Folder, postgres: EmbeddedPostgres, keyring: FileKeyring) -> dict[str, str]:
    """Roles, database, schema and the lookup key; returns the roles' passwords."""
    passwords = folder.passwords()
    await make_roles(postgres.superuser_url, passwords)
    await make_database(postgres.superuser_url, DATABASE)
    async with owner_of(postgres.url("vault_owner", passwords["vault_owner"], DATABASE)) as owner:
        await migrate(owner)
        await Registry(owner, keyring).install_key(keyring.new_lookup_key())
    return passwords


async def register_cast(owner_url: str, keyring: FileKeyring, earlier: DemoFile | None, address: str) -> DemoFile:
    """Register what of the cast is not registered yet, and say in one structure how to call the vault."""
    known = {} if earlier is None else {a.client_id: a for agency in earlier.agencies for a in agency.applications}
    agencies = [_demo_agency(agency, number, known) for number, agency in enumerate(cast.AGENCIES)]
    links = make_links(address, {} if earlier is None else earlier.sign_in)
    demo = DemoFile(base_url=address, issuer=address, agencies=agencies, sign_in=links)
    async with owner_of(owner_url) as owner:
        there = await Overview(owner).registered()
        registrar = _Registrar(Registry(owner, keyring), there)
        for agency in cast.AGENCIES:
            await registrar.agency(agency)
        await register_providers(Registry(owner, keyring), there)
        for shown in agencies:
            for application in shown.applications:
                await registrar.key(application)
    return demo


def _demo_agency(agency: cast.Agency, number: int, known: dict[str, DemoApplication]) -> DemoAgency:
    applications = [
        known.get(one.client_id) or DemoApplication(one.client_id, new_jwk((number + place) % 2 == 1))
        for place, one in enumerate(agency.applications)
    ]
    people = [DemoProfessional(p.sub, p.name, p.role, p.unit) for p in agency.professionals]
    return DemoAgency(agency.id, agency.name.fi, applications, people)


def new_jwk(p256: bool) -> dict[str, Any]:
    """A new private signing key as a JWK; its ``kid`` is the key's thumbprint (RFC 7638)."""
    key: Key = ECKey.generate_key("P-256") if p256 else OKPKey.generate_key("Ed25519")
    return dict(key.as_dict(private=True)) | {"kid": key.thumbprint(), "use": "sig"}


def public_jwk(jwk: dict[str, Any]) -> dict[str, Any]:
    """The public part of a JWK."""
    return {
        name: value for name, value in jwk.items() if name in ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg")
    }


class _Registrar:
    """Registers what is missing, so that a start that was interrupted is completed by the next one."""

    def __init__(self, registry: Registry, there: frozenset[str]) -> None:
        self._registry = registry
        self._there = there

    async def agency(self, agency: cast.Agency) -> None:
        if agency.id not in self._there:
            await self._registry.agency(agency.id, _names(agency.name))
        for unit in agency.units:
            if unit.id not in self._there:
                await self._registry.unit(unit.id, _names(unit.name))
        for application in agency.applications:
            if application.client_id not in self._there:
                await self._registry.application(application.client_id, agency.id, dpop=application.dpop_required)
        for person in agency.professionals:
            if f"{agency.id} {person.sub}" not in self._there:
                await self._registry.professional(agency.id, person.sub, person.name)
            if f"{agency.id} {person.sub} {person.role}" not in self._there:
                await self._registry.role(agency.id, person.sub, person.role, person.unit)

    async def key(self, application: DemoApplication) -> None:
        jwk = application.private_jwk
        if f"{application.client_id} {jwk['kid']}" not in self._there:
            await self._registry.application_key(application.client_id, public_jwk(jwk))


def _names(names: cast.Names) -> dict[str, str]:
    return {"fi": names.fi, "sv": names.sv, "en": names.en}
