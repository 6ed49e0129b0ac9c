"""Hidden beside unknown: can a caller tell them apart by the time that the answer takes?

Pairs of requests, one for a document that exists and may not be seen, one for an id of nothing, in an order drawn anew for
each pair. Told is the AUC: how often the hidden one took longer, ties half; 0.5 is a coin.
"""

from __future__ import annotations

import bisect
import random
import time
import uuid
from collections.abc import Sequence

import msgspec

from benchmarks.caller import Connection, head
from benchmarks.figures import percentile, table
from benchmarks.place import Place
from benchmarks.world import Filed, reader_tokens

WITHIN = 0.05
HIDDEN = "SELECT id FROM vault.document WHERE case_id = ANY ($1) AND id <> ALL ($2)"
PATHS = {"content": "/v1/documents/{}/content", "metadata": "/v1/documents/{}"}


class Alike(msgspec.Struct, frozen=True):
    """One route: the AUC, and the median milliseconds of both."""

    route: str
    pairs: int
    auc: float
    hidden_ms: float
    unknown_ms: float


async def measure_alike(place: Place, cases: list[Filed], *, pairs: int) -> list[Alike]:
    tokens = await reader_tokens(place)
    opened = [document for case in cases for document in case.opened]
    async with place.connection("owner") as owner:
        rows = await owner.fetch(HIDDEN, [case.case for case in cases], opened)
    told = []
    async with place.service("vault") as service:
        connection = await Connection.open(service.port)
        hidden = [row["id"] for row in rows if await _is_hidden(connection, row["id"], tokens[0].jwt)]
        for route, path in PATHS.items():
            for _ in range(50):
                await _timed(connection, path, uuid.uuid4(), tokens[0].jwt)
            told.append(await _compare(connection, route, hidden, [one.jwt for one in tokens], pairs))
        connection.close()
    rows_told = [
        [one.route, str(one.pairs), f"{one.auc:.3f}", f"{one.hidden_ms:.2f}", f"{one.unknown_ms:.2f}"] for one in told
    ]
    table(
        f"hidden beside unknown (AUC within 0.5 ± {WITHIN})",
        ["route", "pairs", "AUC", "hidden ms", "unknown ms"],
        rows_told,
    )
    return told


async def _compare(connection: Connection, route: str, hidden: list[uuid.UUID], tokens: list[str], pairs: int) -> Alike:
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(pairs):
        # The same caller for both of a pair, and each pair another one, so that no rate is met.
        token = tokens[number % len(tokens)]
        for exists in random.sample((True, False), 2):
            asked = random.choice(hidden) if exists else uuid.uuid4()
            times[exists].append(await _timed(connection, PATHS[route], asked, token))
    return Alike(
        route,
        pairs,
        auc(times[True], times[False]),
        percentile(times[True], 50) * 1000,
        percentile(times[False], 50) * 1000,
    )


async def _is_hidden(connection: Connection, document: uuid.UUID, token: str) -> bool:
    answers = [await connection.request(head("GET", path.format(document), token=token)) for path in PATHS.values()]
    return all(answer.status == 404 for answer in answers)


async def _timed(connection: Connection, path: str, document: uuid.UUID, token: str) -> float:
    request = head("GET", path.format(document), token=token)
    start = time.perf_counter()
    answer = await connection.request(request)
    if answer.status != 404:
        raise RuntimeError(f"the answer was {answer.status}")
    return time.perf_counter() - start


def auc(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How often one of ours is larger than one of theirs; ties count half (Mann and Whitney's U by its range)."""
    theirs = sorted(theirs)
    below = sum(bisect.bisect_left(theirs, one) + bisect.bisect_right(theirs, one) for one in ours)
    return below / 2 / (len(ours) * len(theirs))
