"""P6 for exports: a download that runs is cut within a second of what ends it, and one of many papers is not cut for its size."""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any

from tests.exports.conftest import Scene
from tests.faults.test_p06_cuts import late
from tests.support.caller import must
from tests.support.service import run
from tests.support.sessions import client_session
from tests.support.slow import Slow, SlowReaders, Wanted
from vault.services.leases import PATIENCE_S
from vault.web.session import encode_secret

PAPERS, CASES = 10_000, 20

_GROW = [
    """INSERT INTO vault.client_case (id, client, process, controller, language, interpreter, sealed_about, entry, recorded_at)
    SELECT vault.uuid7(recorded_at), client, process, controller, language, interpreter, sealed_about, entry, recorded_at
    FROM vault.client_case, generate_series(2, {cases}) WHERE client = '{client}'""",
    "INSERT INTO vault.fact_version (scope, n) SELECT 'case:' || id, 1 FROM vault.client_case WHERE client = '{client}' ON CONFLICT DO NOTHING",
    """CREATE TEMP TABLE grown AS SELECT gen_random_uuid() AS id, md5(random()::text || i) AS object, i,
        (ARRAY(SELECT id FROM vault.client_case WHERE client = '{client}'))[1 + i % {cases}] AS case_id FROM generate_series(1, {papers}) i""",
    """INSERT INTO vault.document SELECT (jsonb_populate_record(d, jsonb_build_object('id', g.id, 'case_id', g.case_id, 'series', g.id))).*
    FROM grown g, vault.document d WHERE d.id = (SELECT x.id FROM vault.document x JOIN vault.client_case c ON c.id = x.case_id
        WHERE c.client = '{client}' AND x.key_parent = 'case' LIMIT 1)""",
    """INSERT INTO vault.attempt (object, document, entry, recorded_at)
    SELECT g.object, g.id, d.entry, d.recorded_at FROM grown g JOIN vault.document d ON d.id = g.id""",
    """INSERT INTO vault.filing (document, object, size_bytes, sealed_digest, entry, recorded_at)
    SELECT g.id, g.object, 1000, '\\x01', d.entry, d.recorded_at FROM grown g JOIN vault.document d ON d.id = g.id""",
    "INSERT INTO vault.export_paper (export, document) SELECT '{export}', id FROM grown",
    "ANALYZE",
]


async def _renewals(scene: Scene, secret: bytes, export: str) -> dict[str, float]:
    owner = await scene.service.database.connect("owner")
    service = await scene.service.database.connect("service")
    try:
        client = await owner.fetchval("SELECT client FROM vault.export WHERE id = $1", uuid.UUID(export))
        for statement in _GROW:
            await owner.execute(statement.format(client=client, export=export, papers=PAPERS, cases=CASES))
        process = uuid.uuid4()
        took: dict[str, float] = {}

        async def timed(name: str, query: str, *arguments: Any) -> Any:
            begun = time.perf_counter()
            row = await service.fetchrow(query, *arguments)
            took[name] = min(took.get(name, 60.0), time.perf_counter() - begun)
            return row

        door = "CALL vault.door($1, 'export', NULL, $2, $3)"
        asked = await timed("asked", door, secret, uuid.UUID(export), {"process": str(process)})
        assert asked["status"] == "permit"
        renew = "SELECT vault.renew($1, $2)"
        for name in ("unchanged", "moved") * 3:
            if name == "moved":
                await owner.execute(
                    "UPDATE vault.fact_version SET n = n + 1 WHERE scope = (SELECT 'case:' || max(id::text) FROM vault.client_case WHERE client = $1)",
                    client,
                )
            assert (await timed(name, renew, process, [asked["entry"]]))[0] == [asked["entry"]], name
        return took
    finally:
        await owner.close()
        await service.close()


def test_p06_a_running_export_is_cut_within_a_second(scene: Scene) -> None:
    """By what ends its session, and by a paper inside that closes; a paper that is new in the case cuts nothing."""
    her = scene.person(secrets.token_bytes(16 * 1024 * 1024))
    export, other = scene.ready(her), client_session(scene.service, her.code)
    url = f"{scene.service.url}/v1/me/exports/{export}/content"
    readers = SlowReaders([Wanted(url, f"Cookie: vault={encode_secret(one.secret)}") for one in (her.session, other)])
    [case, paper] = scene.service.sql(
        "SELECT d.case_id, d.id FROM vault.export_paper i JOIN vault.document d ON d.id = i.document WHERE i.export = $1 AND d.key_parent = 'case'",
        uuid.UUID(export),
    )[0]
    scene.caller.file(str(case), content=b"another paper")
    time.sleep(1.2)
    scene.service.sql("SELECT vault.session_end(sha256($1))", her.session.secret)
    signed_out = time.monotonic()
    time.sleep(1.2)
    must(scene.caller.coordinator.post(f"/v1/documents/{paper}/misfiled"))
    misfiled = time.monotonic()
    first, second = readers.join()
    assert late([first], signed_out) == late([second], misfiled) == []
    assert first.last_byte_at > signed_out - 0.5
    assert second.last_byte_at > signed_out + 1
    assert not first.is_complete
    assert not second.is_complete
    assert outcomes(scene, [first, second]) == ["cut", "cut"]


def outcomes(scene: Scene, downloads: list[Slow]) -> list[str]:
    """How the log says that they ended, once it says so."""
    query, entries = (
        "SELECT of_entry::text, outcome FROM vault.entry WHERE of_entry = ANY ($1::uuid[])",
        [d.entry for d in downloads],
    )
    deadline = time.monotonic() + 10
    while len(rows := scene.service.sql(query, entries)) < len(entries) and time.monotonic() < deadline:
        time.sleep(0.05)
    said = {row[0]: row[1] for row in rows}
    return [said.get(entry, "unsaid") for entry in entries]


def test_p06_a_large_export_is_renewed_in_time(scene: Scene) -> None:
    her = scene.person()
    took = run(_renewals(scene, her.session.secret, scene.ready(her)))
    assert took["unchanged"] < PATIENCE_S / 8
    assert took["moved"] < PATIENCE_S
