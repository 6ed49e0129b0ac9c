"""The only file that knows every concrete class: settings become a running vault here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey
from litestar import Litestar, Router

from vault.adapters.deposits.directory import DirectoryDeposit
from vault.adapters.deposits.s3 import BucketDeposit
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.pdf_process import PdfProcess
from vault.adapters.postgres.checks import require_modest
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.exports import PostgresExportClaims
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog
from vault.adapters.postgres.sessions import PostgresSessionRegister
from vault.adapters.postgres.tokens import PostgresTokenRegister
from vault.adapters.postgres.transfers import PostgresClaims
from vault.adapters.stores.directory import DirectoryStore
from vault.adapters.stores.s3 import S3Store
from vault.api.admission import Limits
from vault.api.app import create_app
from vault.api.authorities import authorities_router
from vault.api.cases import cases_router
from vault.api.closing import closing_router
from vault.api.consents import consents_router
from vault.api.documents import documents_router
from vault.api.exports import exports_router, send_export
from vault.api.handing import handing_routers
from vault.api.health import health_router
from vault.api.log import log_router
from vault.api.me import me_router
from vault.api.metrics import LogGauges, MeasuredDoor, Metrics, metrics_router
from vault.api.openings import my_log_router, openings_router
from vault.api.release import release_to
from vault.api.requests import desk_router, my_requests_router
from vault.api.transfers import archive_requests_router, transfers_router
from vault.oauth.dpop import Nonces
from vault.oauth.relying_party import RelyingParty, SignInKeys, keys_router
from vault.oauth.remote_keys import HttpRemoteKeys
from vault.oauth.resource import ResourceGuard, challenge_headers
from vault.oauth.routes import oauth_router
from vault.oauth.server import OAuthParts
from vault.oauth.tokens import IssuerKeys
from vault.pages.about import about_router
from vault.pages.archive.router import archive_router
from vault.pages.common import common_routers
from vault.pages.coordinator.router import CoordinatorParts, coordinator_router
from vault.pages.exports.router import export_pages
from vault.pages.faults import HANDLERS
from vault.pages.my.parts import MyParts
from vault.pages.my.router import my_router
from vault.pages.records.parts import RecordsParts
from vault.pages.records.router import records_router
from vault.pages.shell import Shell
from vault.pages.sign_in.routes import sign_in_routers
from vault.ports import Door, ObjectStore
from vault.rules.catalogue import PURPOSES
from vault.services.authorities import Authorities
from vault.services.cases import Cases
from vault.services.closing import ClosingActs
from vault.services.consents import Consents
from vault.services.deposit import Deposit
from vault.services.desk import Desk
from vault.services.documents import Documents
from vault.services.export_log import LogKeys
from vault.services.export_worker import ExportWorker
from vault.services.exports import Exports
from vault.services.handing import HandingDesk
from vault.services.idempotency import Idempotency
from vault.services.mine import Mine
from vault.services.misfiled import MisfiledDesk
from vault.services.openings import Openings
from vault.services.persons import Persons
from vault.services.proofs import Prover
from vault.services.requests import Requests
from vault.services.restrictions import Restrictions
from vault.services.sequencer import log_vkey
from vault.services.sessions import Sessions, SessionTimes
from vault.services.sign_in import IdentityProviders, SignIn
from vault.services.transfer_worker import TransferWorker
from vault.services.transfers import Transfers
from vault.services.transparency import Transparency
from vault.services.withholding import Withholding
from vault.settings import DatabaseRole, Settings, StoreBucket, StoreDirectory, require
from vault.web.session import SessionGate, require_client, require_session


def sign_in_keys(keyring: FileKeyring) -> SignInKeys:
    """Our keys at the providers, as joserfc takes them; an id is a thumbprint (RFC 7638)."""
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signing = ECKey.import_key(keyring.sign_in_key().private_bytes(*pem))
    held = keyring.sign_in_open_key()
    opening = None if held is None else RSAKey.import_key(held.private_bytes(*pem))
    return SignInKeys(
        signing=ECKey.import_key(signing.as_dict(private=True) | {"kid": signing.thumbprint()}),
        opening=opening and RSAKey.import_key(opening.as_dict(private=True) | {"kid": opening.thumbprint()}),
    )


WARM = 4
"""Connections to the database that are open before the first request."""


class Parts(msgspec.Struct, frozen=True):
    """A vault put together, without its HTTP side."""

    settings: Settings
    keyring: FileKeyring
    store: ObjectStore
    service: Pool
    tokens: Pool
    leases: Pool
    door: Door
    cases: Cases
    persons: Persons
    documents: Documents
    consents: Consents
    closing: ClosingActs
    transfers: Transfers
    exports: Exports
    oauth: OAuthParts
    sessions: Sessions
    http: httpx.AsyncClient
    metrics: Metrics

    async def warm(self) -> None:
        """Open connections, so that the first callers do not wait for them."""
        await asyncio.gather(self.service.warm(WARM), self.tokens.warm(2), self.leases.warm(1))

    async def close(self) -> None:
        """Close every connection."""
        await self.service.close()
        await self.tokens.close()
        await self.leases.close()
        await self.http.aclose()


def make_store(settings: Settings) -> ObjectStore:
    """The object store that the settings name."""
    store = settings.store
    if isinstance(store, StoreBucket):
        access = require(settings.store_access_key, "store_access_key")
        return S3Store(store, access, require(settings.store_secret_key, "store_secret_key"))
    return DirectoryStore(require(store, "store").path)


def build(settings: Settings) -> Parts:
    """Put the parts together; nothing is connected yet. Raises: SettingsWrong, KeyringUnavailable."""
    issuer = require(settings.issuer, "issuer")
    keyring = FileKeyring(require(settings.keyring, "keyring"))
    store = make_store(settings)
    service = Pool(settings.database_url(DatabaseRole.SERVICE), size=settings.pool_size, wait_s=settings.log_wait_s)
    tokens = Pool(
        settings.database_url(DatabaseRole.TOKENS), size=max(2, settings.pool_size // 4), wait_s=settings.log_wait_s
    )
    metrics = Metrics()
    leases = Pool(settings.database_url(DatabaseRole.SERVICE), size=1, wait_s=1.0)
    door = MeasuredDoor(PostgresDoor(service, leases, keyring), metrics)
    http = httpx.AsyncClient(timeout=5, follow_redirects=False, trust_env=False)
    oauth = OAuthParts(
        issuer=issuer,
        keys=_issuer_keys(keyring),
        register=PostgresTokenRegister(tokens),
        keyring=keyring,
        purposes=frozenset(PURPOSES),
        ttl_s=settings.token_ttl_s,
        remote_keys=HttpRemoteKeys(http),
        nonces=Nonces(partial(keyring.own_mac, "dpop.nonce")),
    )
    documents = Documents(door, keyring, store, max_bytes=settings.max_document_bytes)
    metrics.watch("running_downloads", "Releases whose bytes are under way", documents.leases.running)
    metrics.watch("pool_in_use", "Busy connections of the service's database role", service.in_use)
    metrics.watch("pool_tokens_in_use", "Busy connections of the tokens' database role", tokens.in_use)
    return Parts(
        settings=settings, keyring=keyring, store=store, service=service, tokens=tokens,
        leases=leases, door=door, cases=Cases(door, keyring), persons=Persons(door, keyring),
        documents=documents, consents=Consents(door, keyring), closing=ClosingActs(door, keyring),
        transfers=Transfers(door, PostgresClaims(service), keyring),
        exports=Exports(door, keyring, store, documents.leases), oauth=oauth, http=http, metrics=metrics,
        sessions=Sessions(PostgresSessionRegister(tokens), door, keyring, _times(settings)),
    )  # fmt: skip


def _issuer_keys(keyring: FileKeyring) -> IssuerKeys:
    def held() -> list[Ed25519PrivateKey]:
        return [key for _, key in keyring.issuer_keys()]

    return IssuerKeys(held(), again=held)


def make_deposit(settings: Settings) -> Deposit | None:
    """The store where the archive reads packages; None where none is set."""
    match settings.archive_store:
        case None:
            return None
        case StoreDirectory(path):
            return DirectoryDeposit(path)
        case bucket:
            access = require(settings.archive_access_key, "archive_access_key")
            return BucketDeposit(bucket, access, require(settings.archive_secret_key, "archive_secret_key"))


def make_transfer_worker(settings: Settings, pool: Pool) -> TransferWorker | None:
    """The worker of transfers over the worker role's pool; None where no archive's store is set."""
    deposit = make_deposit(settings)
    if deposit is None or settings.keyring is None:
        return None
    keyring = FileKeyring(settings.keyring)
    prover = Prover(PostgresLog(pool), log_vkey(keyring, settings.origin()))
    return TransferWorker(
        PostgresDoor(pool, pool, keyring), PostgresClaims(pool), keyring, make_store(settings), deposit, prover
    )


def make_export_worker(settings: Settings, pool: Pool) -> ExportWorker | None:
    """The worker of the clients' exports over the worker role's pool; None where it has no keyring."""
    if settings.keyring is None:
        return None
    keyring = FileKeyring(settings.keyring)
    keys = LogKeys(log_vkey(keyring, settings.origin()), settings.witness_key)
    return ExportWorker(
        PostgresDoor(pool, pool, keyring),
        PostgresExportClaims(pool),
        keyring,
        make_store(settings),
        PostgresLog(pool),
        keys,
        keep_days=settings.export_days,
    )


def _times(settings: Settings) -> SessionTimes:
    return SessionTimes(
        idle_s=settings.session_idle_s, client_s=settings.session_client_s, staff_s=settings.session_staff_s
    )


class Desks(msgspec.Struct, frozen=True):
    """What requests and the desks that answer them are made of."""

    requests: Requests
    desk: Desk
    withholding: Withholding
    misfiled: MisfiledDesk
    restrictions: Restrictions


def make_desks(parts: Parts) -> Desks:
    """The services of requests and of the records officer's desk."""
    door, keyring, store = parts.door, parts.keyring, parts.store
    return Desks(
        requests=Requests(door, keyring),
        desk=Desk(door, keyring),
        withholding=Withholding(door, keyring, store, parts.documents, PdfProcess()),
        misfiled=MisfiledDesk(door, keyring, store),
        restrictions=Restrictions(door, keyring),
    )


def _relying_party(parts: Parts) -> RelyingParty:
    return RelyingParty(parts.oauth.issuer, parts.http, lambda: sign_in_keys(parts.keyring))


def build_app(
    parts: Parts, also: Sequence[Router] = (), providers: Callable[[RelyingParty], IdentityProviders] = lambda own: own
) -> Litestar:
    """The whole HTTP surface over the parts; ``also`` and ``providers`` are what the demo adds and puts in front."""
    relying = _relying_party(parts)
    sign_in = SignIn(parts.sessions, providers(relying), parts.keyring)
    authorities = Authorities(parts.door, parts.keyring)
    guard = ResourceGuard(parts.oauth)
    checks = {"database": parts.door.check, "store": parts.store.check}
    log = PostgresLog(parts.service)
    desks, handing = make_desks(parts), HandingDesk(parts.door, parts.keyring)
    routers = [
        oauth_router(parts.oauth), cases_router(parts.cases, parts.persons), documents_router(parts.documents), consents_router(parts.consents), closing_router(parts.closing),
        me_router(Mine(parts.door, parts.keyring), parts.documents, parts.consents),
        my_requests_router(desks.requests), desk_router(desks.desk, desks.withholding, desks.misfiled, desks.restrictions),
        transfers_router(parts.transfers), archive_requests_router(parts.transfers), openings_router(Openings(parts.door)), my_log_router(Openings(parts.door)),
        authorities_router(authorities), keys_router(relying),
        exports_router(parts.exports), *handing_routers(handing, desks.desk, parts.exports),
        log_router(Transparency(log)),
        health_router(checks), metrics_router(parts.metrics, LogGauges(parts.metrics, log.window)),
    ]  # fmt: skip
    my_parts = MyParts(
        mine=Mine(parts.door, parts.keyring),
        consents=parts.consents,
        documents=parts.documents,
        openings=Openings(parts.door),
        requests=desks.requests,
        authorities=authorities,
        releasing=release_to,
    )
    records_parts = RecordsParts(
        desk=desks.desk, withholding=desks.withholding, misfiled=desks.misfiled, restrictions=desks.restrictions,
        documents=parts.documents, releasing=release_to,
        handing=handing, exports=parts.exports, sending=send_export,
    )  # fmt: skip
    staff = [
        records_router(records_parts, require_session),
        archive_router(parts.transfers, require_session),
        coordinator_router(CoordinatorParts(parts.cases, my_parts.openings, authorities), require_session),
    ]
    shell = Shell(secure=parts.oauth.issuer.startswith("https:"))
    app = create_app(
        [*routers, *common_routers(shell), *sign_in_routers(sign_in, authorities), my_router(my_parts, require_client), export_pages(parts.exports, send_export, require_client), about_router(_times(parts.settings)), *staff, *also], for_people=HANDLERS, authenticate=guard.authenticate,
        idempotency=Idempotency(parts.door, parts.keyring),
        limits=Limits(), metrics=parts.metrics, challenge_headers=challenge_headers, max_json_bytes=parts.settings.max_json_bytes,
        version=version("consent-vault"), on_startup=[parts.warm], on_shutdown=[parts.close],
    )  # fmt: skip
    app.state.sessions = SessionGate(parts.sessions, parts.oauth.issuer)
    app.state.shell = shell
    return app


async def check_roles(parts: Parts) -> None:
    """Refuse to serve under a database role that could go round the door. Raises: SettingsWrong, DatabaseUnavailable."""
    await require_modest(parts.service, "database_url_service")
    await require_modest(parts.tokens, "database_url_tokens")
