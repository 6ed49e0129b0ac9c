"""The pages and the client's own routes among 10,000 cases, each in turn with a bare answer of the same server.

Bare is `/health/live` for routes, and for pages `/about`: the same templates and no database. A case that came through the
front door is copied in SQL. One client, and one of each desk's people, asks over one kept connection, as a person does.
"""

from __future__ import annotations

import datetime as dt
import secrets
import statistics
import time
import uuid
from typing import Any

import msgspec

from benchmarks.caller import Connection, head
from benchmarks.copies import copy_case
from benchmarks.figures import Spread, spread, table
from benchmarks.place import Place
from benchmarks.world import PURPOSE, Filed
from vault.adapters.postgres.bootstrap import make_database
from vault.demo import cast
from vault.model import TokenSecret
from vault.web.session import encode_secret

DATABASE = "own_10000"
CASES = 10_000
TARGET_MS = 100
TARGET_KB = 150
BARE_ROUTE, BARE_PAGE = "/health/live", "/about"
ROUTES: dict[str, tuple[str, ...]] = {
    "": (BARE_ROUTE, BARE_PAGE),
    "client": (
        "/v1/me", "/v1/me/readers", "/v1/me/cases", "/v1/me/documents", "/v1/me/consents", "/v1/me/prohibitions", "/v1/me/log",
        "/v1/me/requests", "/v1/me/authorities", "/v1/me/exports",
        "/my", "/my/cases", "/my/cases/{case}", "/my/documents", "/my/documents/{document}", "/my/consents",
        "/my/consents/{consent}", "/my/consents/{consent}/withdraw", "/my/prohibitions", "/my/prohibitions/new", "/my/log",
        "/my/requests", "/my/requests/new?kind=log-names", "/my/representatives", "/my/representatives/new", "/my/exports",
    ),
    "coordinator": ("/desk/coordinator/cases/{case}", "/desk/coordinator/cases/{case}/log"),
    "records-officer": ("/desk/records", "/desk/records/misfiled", "/desk/records/differences"),
    "archivist": ("/desk/archive",),
}  # fmt: skip
"""What each asks for; the case is the one that was copied. The coordinator's list is not here: the copies' keys open nothing."""


class Own(msgspec.Struct, frozen=True):
    """One route: median milliseconds of each repeat, how often the bare answer's, and the answer's size."""

    route: str
    ms: Spread
    ratio: Spread
    kib: float


async def measure_own(place: Place, case: Filed, *, asks: int, repeats: int) -> list[Own]:
    """Make the database, measure every route in turn with the bare answer, print."""
    await make_database(place.postgres.superuser_url, DATABASE, template="vault")
    start = time.perf_counter()
    await copy_case(place, DATABASE, case.case, CASES - 1)
    print(f"  {CASES:,} cases made in {time.perf_counter() - start:.0f} s", flush=True)
    heads = await _heads(place, case)
    async with place.service("vault", DATABASE) as service:
        connection = await Connection.open(service.port)
        try:
            for one in heads.values():
                await _round(connection, one, 3)
            rounds = [
                {route: await _round(connection, one, asks) for route, one in heads.items()} for _ in range(repeats)
            ]
        finally:
            connection.close()
    results = [_summary(route, rounds) for route in heads]
    _show(results)
    return results


def _summary(route: str, rounds: list[dict[str, tuple[float, int]]]) -> Own:
    bare = BARE_PAGE if route.startswith(("/my", "/desk", BARE_PAGE)) else BARE_ROUTE
    return Own(
        route=route, ms=spread([r[route][0] for r in rounds]), ratio=spread([r[route][0] / r[bare][0] for r in rounds]),
        kib=rounds[-1][route][1] / 1024,
    )  # fmt: skip


async def _heads(place: Place, case: Filed) -> dict[str, bytes]:
    """Each route's request, with the cookie of whoever asks it."""
    async with place.connection("owner", DATABASE) as owner:
        consent = await owner.fetchval("SELECT id FROM vault.consent WHERE case_id = $1 LIMIT 1", case.case)
    heads = {}
    for who, routes in ROUTES.items():
        fields = {}
        if who:
            made = client_session(place, case.case, DATABASE) if who == "client" else _staff_session(place, who)
            fields["cookie"] = f"vault={encode_secret(await made)}"
        for route in routes:
            path = route.format(case=case.case, document=case.opened[0], consent=consent)
            heads[route] = head("GET", path, **fields)
    return heads


async def _round(connection: Connection, request: bytes, asks: int) -> tuple[float, int]:
    """Median milliseconds of so many asks, and the size of the last answer."""
    times, size = [], 0
    for _ in range(asks):
        start = time.perf_counter()
        answer = await connection.request(request)
        times.append(time.perf_counter() - start)
        if answer.status != 200:
            raise RuntimeError(f"{request.split(b' ', 2)[1].decode()}: {answer.status}")
        size = answer.size
    return statistics.median(times) * 1000, size


async def client_session(place: Place, case: uuid.UUID, database: str) -> TokenSecret:
    """A session of the case's client, as the sign-in records one."""
    token = (
        "INSERT INTO vault.token (secret_sha256, actor, client, assertion, issued_at, expires_at)"
        " SELECT sha256($1), 'client', c.client, $2, $3, $4 FROM vault.client_case c WHERE c.id = $5"
    )
    return await _session(place, database, token, case)


async def _staff_session(place: Place, role: str) -> TokenSecret:
    """A session of the controller's first professional in that role."""
    token = (
        "INSERT INTO vault.token (secret_sha256, actor, agency, application, professional, role, purpose, assertion, issued_at, expires_at)"
        " SELECT sha256($1), $6, p.agency, $7, p.id, $8, $9, $2, $3, $4 FROM vault.professional p WHERE p.subject = $5"
    )
    actor = role if role == "records-officer" else "professional"
    application = cast.PIRHA.applications[0].client_id
    return await _session(place, DATABASE, token, cast.PIRHA.first(role).sub, actor, application, role, PURPOSE)


async def _session(place: Place, database: str, token: str, *about: Any) -> TokenSecret:
    secret = TokenSecret(secrets.token_bytes(32))
    now = dt.datetime.now(dt.UTC)
    end = now + dt.timedelta(hours=1)
    async with place.connection("owner", database) as owner:
        await owner.execute(token, secret, secrets.token_bytes(32), now, end, *about)
        await owner.execute(
            "INSERT INTO vault.session (secret_sha256, provider, identity_mac, language, idle_s, identified_at, ends_at)"
            " VALUES (sha256($1), 'benchmark', $2, 'fi', 3600, $3, $4)",
            secret, secrets.token_bytes(32), now, end,
        )  # fmt: skip
    return secret


def _show(results: list[Own]) -> None:
    rows: list[list[Any]] = [
        [one.route, one.ms.show(".1f"), one.ratio.show(".1f"), f"{one.kib:.1f}"] for one in results
    ]
    title = f"Pages and own routes among {CASES:,} cases (each should take less than {TARGET_MS} ms and {TARGET_KB} KB)"
    table(title, ["route", "p50 ms", "÷ bare", "KiB"], rows)
