"""What may not be seen answers as what does not exist, behind the answer too; and how the database finds what it decides on."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.support.authorities import insert_authority
from tests.support.database import Database
from tests.support.recorded import Asker
from tests.support.scene import COORDINATOR, NURSE, PHYSICIAN, Scene, plain_world, set_scene
from tests.support.strategies import LONG_AGO, professionals
from tests.support.worlds import Agency, World
from vault.adapters.postgres.migrate import functions_sql

BOTH = pytest.mark.parametrize("vault_db", ["18", pytest.param("15", marks=pytest.mark.long)], indirect=True)
TABLES = "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'vault'::regnamespace AND c.relkind IN ('r', 'p')"
STRANGER = Asker("professional", "ulko", None, professionals("ulko")[0], "nurse", "care")
AUTHORITY = uuid.UUID("01970000-0000-7000-8000-00000000a117")
NOWHERE = uuid.UUID("01980000-0000-7000-8000-000000000000")
ABOUT = {"type": "saate", "language": "fi", "dated": "2026-03-01", "protected_classes": [], "third_persons": False,
         "check_before_client": False, "original": True, "media_type": "text/plain"}  # fmt: skip


def with_a_stranger() -> World:
    """The plain world and an agency that has no place in it."""
    world = plain_world()
    return dataclasses.replace(world, agencies=(*world.agencies, Agency("ulko", (), LONG_AGO, suspended=False)))


@pytest.fixture
async def crowd(vault_db: Database) -> Scene:
    scene = await set_scene(vault_db, with_a_stranger())
    await insert_authority(scene, id=AUTHORITY)
    return scene


def calls(scene: Scene, *, exists: bool) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Every way to ask about a thing by its id: for the one that exists and may not be seen, and for one that does not."""
    case, paper = (scene.case, scene.paper) if exists else (NOWHERE, NOWHERE)
    consent, client = (scene.consent, scene.client) if exists else (NOWHERE, NOWHERE)
    member = scene.world.members[0].id if exists else NOWHERE
    authority = AUTHORITY if exists else NOWHERE
    new = uuid.uuid4()
    key = ("document", str(new), f"case:{case}", b"\1" * 61)
    door = "CALL vault.door($1, $2, $3, $4, $5)"
    listing = {
        f"list {t}": (door, ("list", case, None, {"target": t}))
        for t in ("case", "documents", "consents", "log", "authorities", "authority-register")
    }
    return listing | {
        "list registered": (door, ("list", None, None, {"target": "registered", "client": str(client)})),
        "client_change": ("SELECT * FROM vault.client_change($1, $2, 1, $3, $3, $4, $4, 'sv', true)", (client, b"\1", bytes(32))),
        "open": (door, ("open", None, paper, {})),
        "list document": (door, ("list", None, paper, {"target": "document"})),
        "file": (door, ("file", case, None, {"type": "saate"})),
        "file content": (door, ("file", None, paper, {"for": "content", "object": new.hex})),
        "document_add": ("SELECT * FROM vault.document_add($1, $2, $3, $4, $5, $6)", (case, new, ABOUT, b"\1", key)),
        "document_filed": ("SELECT * FROM vault.document_filed($1, $2, $3, $4, $5)", (paper, new.hex, 1, b"\1")),
        "document_mark": ("SELECT * FROM vault.document_mark($1, $2, 'misfiled')", (paper,)),
        "case_refer": ("SELECT * FROM vault.case_refer($1, $2, $3)", (case, b"\1")),
        "member_add": ("SELECT * FROM vault.member_add($1, $2, $3, 'kela', 'nurse', NULL, NULL)", (new, case)),
        "member_end": ("SELECT * FROM vault.member_end($1, $2, $3)", (case, member)),
        "case_close": ("SELECT * FROM vault.case_close($1, $2, $3, NULL)", (case, b"\1")),
        "case_reopen": ("SELECT * FROM vault.case_reopen($1, $2, $3)", (case, b"\1")),
        "hold_add": ("SELECT * FROM vault.hold_add($1, $2, $3, $4)", (new, case, b"\1")),
        "hold_end": ("SELECT * FROM vault.hold_end($1, $2, $3)", (case, new)),
        "consent_record": ("SELECT * FROM vault.consent_record($1, $2, $3, $4, '[]', $5, $6)",
                           (new, case, {"form": str(new)}, bytes(32), b"\1")),
        "consent_withdraw": ("SELECT * FROM vault.consent_withdraw($1, $2, $3, NULL, NULL, NULL)", (new, consent)),
        "client_died": ("SELECT * FROM vault.client_died($1, $2, '2026-03-01'::date)", (client,)),
        "authority_record": ("SELECT * FROM vault.authority_record($1, $2, $3, $3, $4, $5, $6)",
                             (new, case, {"kind": "authorised", "scope": "see", "classes": []}, bytes(32), b"\1")),
        "authority_end": ("SELECT * FROM vault.authority_end($1, $2)", (authority,)),
        "authority_bar": ("SELECT * FROM vault.authority_bar($1, $2, true)", (authority,)),
        "identity_link": ("SELECT * FROM vault.identity_link($1, $2, $3)", (case, bytes(32))),
        "explain": ("SELECT * FROM vault.explain($1, $2, 'ulko', NULL, 'nurse', NULL, 'read', 'care', NULL)", (paper,)),
    }  # fmt: skip


async def counts(owner: Any) -> Counter[str]:
    names = [row[0] for row in await owner.fetch(TABLES)]
    return Counter({name: await owner.fetchval(f"SELECT count(*) FROM vault.{name}") for name in names})


async def written_by(scene: Scene, secret: bytes, query: str, arguments: tuple[Any, ...]) -> tuple[Any, Counter[str]]:
    """The answer, and how many rows each table gained."""
    owner, service = await scene.owner(), await scene.service()
    before = await counts(owner)
    answer = await service.fetchrow(query, secret, *arguments)
    after = await counts(owner)
    after.subtract(before)
    return answer, Counter({name: n for name, n in after.items() if n})


@BOTH
async def test_p10_what_may_not_be_seen_writes_what_the_missing_writes(crowd: Scene) -> None:
    """The same status, the same rows in the same tables, and an entry of the same act with the same fields."""
    secret = await crowd.token(STRANGER)
    hidden, missing = calls(crowd, exists=True), calls(crowd, exists=False)
    for name in hidden:
        seen, seen_rows = await written_by(crowd, secret, *hidden[name])
        nothing, nothing_rows = await written_by(crowd, secret, *missing[name])
        assert seen["status"] == nothing["status"] == "hidden", name
        assert seen_rows == nothing_rows, name
        assert seen_rows["entry"] == seen_rows["entry_pending"] == 1, name
        assert dict(seen).keys() == dict(nothing).keys()
        assert {k for k, v in seen.items() if v is None} == {k for k, v in nothing.items() if v is None}, name


@BOTH
async def test_p10_the_same_functions_run_for_both(crowd: Scene) -> None:
    """As PostgreSQL itself counts calls, whether the thing exists or not."""
    superuser = await crowd.database.connect("superuser")
    await superuser.execute(f"ALTER ROLE vault_service IN DATABASE {crowd.database.name} SET track_functions = 'all'")
    # A clause is looked at once for each clause there is, so the world that is refused has none that names the stranger.
    secret = await crowd.token(STRANGER)
    differing: dict[str, set[str]] = {}
    looked_at = {"names_recipient", "names_source", "names_document", "denies"}
    for name, query, *arguments in [
        (n, q, a, calls(crowd, exists=False)[n][1]) for n, (q, a) in calls(crowd, exists=True).items()
    ]:
        counted = [await called_by(crowd, superuser, secret, query, a) for a in arguments]
        seen, nothing = ({f: n for f, n in c.items() if f not in looked_at} for c in counted)
        assert seen, name
        if seen.keys() != nothing.keys():
            differing[name] = seen.keys() ^ nothing.keys()
    assert differing == {}


async def called_by(
    scene: Scene, superuser: Any, secret: bytes, query: str, arguments: tuple[Any, ...]
) -> Counter[str]:
    connection = await scene.database.connect("service")
    statistics = "SELECT funcname, calls FROM pg_stat_user_functions WHERE schemaname = 'vault'"
    await connection.fetchrow(query, bytes(32), *arguments)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    before = Counter(dict(await superuser.fetch(statistics)))
    await connection.fetchrow(query, secret, *arguments)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.close()
    await wait_for_statistics(superuser)
    after = Counter(dict(await superuser.fetch(statistics)))
    after.subtract(before)
    return Counter({name: n for name, n in after.items() if n > 0})


async def wait_for_statistics(connection: Any) -> None:
    """A connection that ends hands in its statistics; wait until it has ended (the scene's own one stays)."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'vault_service' AND datname = current_database()"
    for _ in range(500):
        if await connection.fetchval(others) <= 1:
            break
        await asyncio.sleep(0.01)
    await connection.execute("SELECT pg_stat_clear_snapshot()")


# ---------------------------------------------------------------- two thousand cases

CASES = 2000
BIG = 500

MULTIPLY = """
CREATE TEMP TABLE copy AS SELECT n, gen_random_uuid() AS case_id, gen_random_uuid() AS client, gen_random_uuid() AS document,
    gen_random_uuid() AS consent, gen_random_uuid() AS form FROM generate_series(1, {cases}) n;
INSERT INTO vault.client SELECT c.client, x.adult_on, x.recorded_at FROM copy c, vault.client x;
INSERT INTO vault.client_case SELECT c.case_id, c.client, x.process, x.controller, x.language, NULL, x.sealed_about, x.entry,
    x.recorded_at FROM copy c, (SELECT * FROM vault.client_case LIMIT 1) x;
INSERT INTO vault.fact_version SELECT 'case:' || c.case_id, 1 FROM copy c UNION ALL SELECT 'client:' || c.client, 1 FROM copy c;
INSERT INTO vault.member SELECT gen_random_uuid(), c.case_id, m.agency, m.role, m.from_day, m.until_day, NULL, m.entry,
    m.recorded_at FROM copy c, (SELECT * FROM vault.member WHERE case_id = '{case}') m;
INSERT INTO vault.member_end SELECT id, entry, recorded_at FROM vault.member WHERE case_id <> '{case}' AND random() < 0.3;
CREATE TEMP TABLE paper AS SELECT * FROM vault.document WHERE case_id = '{case}';
UPDATE paper SET id = id;
INSERT INTO vault.document SELECT (jsonb_populate_record(NULL::vault.document, to_jsonb(p) || jsonb_build_object('case_id', c.case_id,
    'id', CASE p.type WHEN 'suostumus' THEN c.form ELSE c.document END,
    'series', CASE p.type WHEN 'suostumus' THEN c.form ELSE c.document END))).* FROM copy c, paper p;
INSERT INTO vault.attempt SELECT replace(id::text, '-', ''), id, entry, recorded_at FROM vault.document WHERE case_id <> '{case}';
INSERT INTO vault.filing SELECT id, replace(id::text, '-', ''), 7, '\\x01', entry, recorded_at FROM vault.document
    WHERE case_id <> '{case}';
INSERT INTO vault.document_mark SELECT id, 'retracted', entry, recorded_at FROM vault.document WHERE case_id <> '{case}' AND random() < 0.3;
INSERT INTO vault.known SELECT id, 'pirha', recorded_at FROM vault.document WHERE case_id <> '{case}';
INSERT INTO vault.consent OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(NULL::vault.consent, to_jsonb(x)
    || jsonb_build_object('id', c.consent, 'case_id', c.case_id, 'form', c.form, 'n', 1000000 + c.n))).*
    FROM copy c, (SELECT * FROM vault.consent LIMIT 1) x;
INSERT INTO vault.provision SELECT (jsonb_populate_record(NULL::vault.provision, to_jsonb(p) || jsonb_build_object('consent', c.consent))).*
    FROM copy c, (SELECT * FROM vault.provision) p;
INSERT INTO vault.withdrawal SELECT gen_random_uuid(), consent, NULL, now(), NULL, consent, now() FROM copy;
INSERT INTO vault.consent_confirmation SELECT consent, consent, now() FROM copy;
INSERT INTO vault.prohibition (id, client, entry, recorded_at) SELECT gen_random_uuid(), client, client, now() FROM copy;
INSERT INTO vault.prohibition_end SELECT id, id, now() FROM vault.prohibition;
INSERT INTO vault.client_death SELECT client, current_date, client, now() FROM copy;
INSERT INTO vault.case_state (case_id, n, state, entry, recorded_at) SELECT case_id, 1, 'closed', case_id, now() FROM copy;
INSERT INTO vault.wrapped_key SELECT 'case', case_id::text, 'epoch:2026-03', '\\x01', now() FROM copy;
INSERT INTO vault.wrapped_key SELECT 'document', document::text, 'case:' || case_id, '\\x01', now() FROM copy;
INSERT INTO vault.entry (id, at, act, actor, case_id, document, leaf) SELECT vault.uuid7(now()), now(), 'open', 'professional',
    case_id, document, '\\x01' FROM copy;
INSERT INTO vault.clearance (entry, asker, act, xid, asked_at, day, keys) SELECT case_id, '\\x01', 'open', pg_current_xact_id(),
    now(), current_date, '{{}}' FROM copy;
INSERT INTO vault.participant SELECT c.case_id, p.id, p.id, now() FROM copy c, (SELECT id FROM vault.professional LIMIT 1) p;
INSERT INTO vault.token SELECT sha256(uuid_send(case_id)), 'client', NULL, NULL, NULL, NULL, NULL, NULL, client, NULL, NULL, '\\x01',
    NULL, now(), now() FROM copy;
ANALYZE;
"""


@pytest.mark.parametrize("vault_db", ["18", pytest.param("15", marks=pytest.mark.long)], indirect=True)
async def test_decisions_read_big_tables_by_their_indexes(scene: Scene) -> None:
    """With two thousand cases beside it, no call about one case reads a table that grows with cases from end to end."""
    owner = await scene.database.connect("superuser")
    await owner.execute(MULTIPLY.format(cases=CASES, case=scene.case))
    big = {r[0] for r in await owner.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1", BIG)}
    assert {"client_case", "member", "document", "consent", "provision", "withdrawal", "prohibition", "wrapped_key",
            "fact_version", "token", "filing", "known", "clearance", "client_death", "case_state"} <= big  # fmt: skip
    asks: list[tuple[Asker, str, tuple[Any, ...]]] = [
        (NURSE, *calls(scene, exists=True)["open"]),
        (PHYSICIAN, *calls(scene, exists=True)["open"]),
        (NURSE._replace(purpose="benefit-decision"), *calls(scene, exists=True)["open"]),
        (NURSE, *calls(scene, exists=False)["open"]),
        (PHYSICIAN, *calls(scene, exists=True)["file"]),
        (Asker("client", client=scene.client), *calls(scene, exists=True)["open"]),
        *[
            (
                Asker("client", client=scene.client),
                "CALL vault.door($1, $2, $3, $4, $5)",
                ("list", None, None, {"target": t}),
            )
            for t in ("my-self", "my-cases", "my-documents", "my-consents", "my-prohibitions", "my-readers")
        ],
        *[
            (COORDINATOR, *calls(scene, exists=True)[f"list {t}"])
            for t in ("case", "documents", "consents", "log", "document")
        ],
        *[
            (COORDINATOR, *calls(scene, exists=True)[n])
            for n in ("explain", "member_add", "document_add", "consent_withdraw")
        ],
    ]
    for asker, query, arguments in asks:
        secret = await scene.token(asker)
        await flush(scene)
        before = await scans(owner)
        # Six times: the sixth is planned without looking at the arguments.
        connection = await scene.database.connect("service")
        for _ in range(7):
            await connection.fetchrow(query, secret, *arguments)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        await connection.close()
        await wait_for_statistics(owner)
        after = await scans(owner)
        after.subtract(before)
        read = {name for name, n in after.items() if n > 0 and name in big}
        assert read == set(), (query, arguments, asker)


async def flush(scene: Scene) -> None:
    for role in ("owner", "service", "tokens"):
        await (await scene.database.as_role(role)).execute("SELECT pg_stat_force_next_flush()")


async def scans(owner: Any) -> Counter[str]:
    return Counter(
        dict(await owner.fetch("SELECT relname, seq_scan FROM pg_stat_user_tables WHERE schemaname = 'vault'"))
    )


def test_what_is_registered_about_a_client_is_appended_in_one_place() -> None:
    """A new column is then carried over by every act, and none of them loses it."""
    assert functions_sql().count("INSERT INTO vault.client_about") == 1
