"""The client's own among 10,000 cases: every route below /v1/me and every page below /my, beside a bare answer of the same server.

A case that came through the front door is copied in SQL. One client asks over one kept connection, as a person does.
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
from benchmarks.place import ISSUER, Place
from benchmarks.world import Filed
from vault.adapters.postgres.bootstrap import make_database
from vault.model import TokenSecret
from vault.web.session import encode_secret

DATABASE = "own_10000"
CASES = 10_000
TARGET_MS = 100
TARGET_KB = 150
BARE = "/health/live"
ROUTES = (
    "/v1/me", "/v1/me/readers", "/v1/me/cases", "/v1/me/documents", "/v1/me/consents", "/v1/me/prohibitions", "/v1/me/log",
    "/my", "/my/cases", "/my/documents", "/my/consents", "/my/prohibitions", "/my/log", "/my/requests", "/my/representatives",
)  # fmt: skip


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
    cookie = encode_secret(await client_session(place, case.case, DATABASE))
    async with place.service("vault", DATABASE) as service:
        connection = await Connection.open(service.port)
        try:
            heads = {route: head("GET", route, cookie=f"vault={cookie}") for route in (BARE, *ROUTES)}
            for one in heads.values():
                await _round(connection, one, 3)
            rounds = [
                {route: await _round(connection, one, asks) for route, one in heads.items()} for _ in range(repeats)
            ]
        finally:
            connection.close()
    results = [
        Own(
            route=route, ms=spread([r[route][0] for r in rounds]), ratio=spread([r[route][0] / r[BARE][0] for r in rounds]),
            kib=rounds[-1][route][1] / 1024,
        )
        for route in (BARE, *ROUTES)
    ]  # fmt: skip
    _show(results)
    return results


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
    secret = TokenSecret(secrets.token_bytes(32))
    now = dt.datetime.now(dt.UTC)
    async with place.connection("owner", database) as owner:
        await owner.execute(
            "INSERT INTO vault.token (secret_sha256, actor, client, assertion, issued_at, expires_at)"
            " SELECT sha256($1), 'client', c.client, $2, $3, $4 FROM vault.client_case c WHERE c.id = $5",
            secret, secrets.token_bytes(32), now, now + dt.timedelta(hours=1), case,
        )  # fmt: skip
        await owner.execute(
            "INSERT INTO vault.session (secret_sha256, provider, identity_mac, language, idle_s, identified_at, ends_at)"
            " VALUES (sha256($1), 'benchmark', $2, 'fi', 3600, $3, $4)",
            secret, secrets.token_bytes(32), now, now + dt.timedelta(hours=1),
        )  # fmt: skip
    return secret


def _show(results: list[Own]) -> None:
    rows: list[list[Any]] = [
        [one.route, one.ms.show(".1f"), one.ratio.show(".1f"), f"{one.kib:.1f}"] for one in results
    ]
    table(
        f"The client's own among {CASES:,} cases, one client at {ISSUER} (each should take less than {TARGET_MS} ms"
        f" and {TARGET_KB} KB)",
        ["route", "p50 ms", "÷ bare", "KiB"],
        rows,
    )
