"""Sessions as the database keeps them: begun once, ended by time, by their owner, and by everything that ends a right."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import secrets
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.support.authorities import MAC, insert_authority
from tests.support.scene import DAY, NOON, NURSE, Scene

BOTH = pytest.mark.parametrize("vault_db", ["18", "15"], indirect=True)
MINUTE = dt.timedelta(minutes=1)
ABOUT = {"acr": "loa3", "language": "fi", "idle_s": 900, "lasts_s": 3600, "identified_at": NOON.isoformat()}
TOUCH = "SELECT vault.session_touch($1)"
CODE, IDENTITY = b"c" * 32, b"i" * 32


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.fixture
async def providers(scene: Scene) -> Scene:
    """The scene with a provider for clients and one for pirha's staff."""
    owner = await scene.owner()
    for name, kind, application in (("strong", "client", None), ("own", "staff", "app-pirha")):
        await owner.execute(
            "SELECT vault.provider_register($1, $2, 'https://x.example', 'vault', $3, $4)",
            name,
            kind,
            application,
            {"acr": ["loa3"]},
        )
    return scene


async def visit(scene: Scene, token: bytes | None = None) -> tuple[str, bytes]:
    tokens, visitor = await scene.database.as_role("tokens"), secrets.token_bytes(32)
    digest = token or secrets.token_bytes(32)
    return await tokens.fetchval(
        "SELECT vault.visitor_record($1, 'strong', $2, $3)", sha(visitor), digest, b"\1"
    ), visitor


async def begin(scene: Scene, *, code: bytes | None = CODE, identity: bytes = IDENTITY, **about: Any) -> bytes:
    """A client's session."""
    tokens, secret = await scene.database.as_role("tokens"), secrets.token_bytes(32)
    _, visitor = await visit(scene)
    outcome = await tokens.fetchval(
        "SELECT vault.session_record($1, $2, 'strong', $3, $4, $5)",
        sha(visitor),
        sha(secret),
        code,
        identity,
        ABOUT | about,
    )
    assert outcome == "recorded"
    return secret


async def begin_staff(
    scene: Scene, subject: str = str(NURSE.professional), role: str | None = "nurse"
) -> tuple[str, bytes]:
    tokens, secret = await scene.database.as_role("tokens"), secrets.token_bytes(32)
    outcome = await tokens.fetchval(
        "SELECT vault.session_record_staff($1, 'own', $2, $3, NULL, 'care', $4, $5, $6, $7)",
        sha(secret), subject, role, secrets.token_bytes(32), b"\1", IDENTITY, ABOUT,
    )  # fmt: skip
    return outcome, secret


async def touch(scene: Scene, secret: bytes) -> Any:
    return await (await scene.database.as_role("tokens")).fetchval(TOUCH, sha(secret))


@BOTH
async def test_an_identification_opens_one_session(providers: Scene) -> None:
    tokens, signed = await providers.database.as_role("tokens"), secrets.token_bytes(32)
    outcome, visitor = await visit(providers, signed)
    assert outcome == "recorded"
    assert (await visit(providers, signed))[0] == "replayed"
    call = "SELECT vault.session_record($1, $2, 'strong', NULL, $3, $4)"
    assert await tokens.fetchval(call, sha(visitor), sha(b"1"), IDENTITY, ABOUT) == "recorded"
    assert await tokens.fetchval(call, sha(visitor), sha(b"2"), IDENTITY, ABOUT) == "no-visitor"
    _, late = await visit(providers)
    await providers.set_now(NOON + 2 * MINUTE)
    assert await tokens.fetchval(call, sha(late), sha(b"3"), IDENTITY, ABOUT) == "no-visitor"


@BOTH
async def test_a_person_is_found_by_code_or_by_identity_or_not_at_all(providers: Scene) -> None:
    assert "client" not in await touch(providers, await begin(providers))
    noted = {"client": providers.client, "recorded_at": NOON - DAY}
    await providers.database.insert("client_identity", [{"identity_mac": IDENTITY, "entry": uuid.UUID(int=0), **noted}])
    assert (await touch(providers, await begin(providers, code=None)))["client"] == str(providers.client)
    await providers.database.insert("client_code", [{"code_mac": CODE, **noted}])
    found = await touch(providers, await begin(providers, identity=b"o" * 32))
    assert (found["client"], found["acr"], found["actor"]) == (str(providers.client), "loa3", "client")


@BOTH
async def test_a_session_ends_when_it_is_not_used_and_at_its_last_end(providers: Scene) -> None:
    unused, used = await begin(providers), await begin(providers)
    for minutes in (10, 20, 30, 40, 50):
        await providers.set_now(NOON + minutes * MINUTE)
        assert await touch(providers, used) is not None, minutes
    assert await touch(providers, unused) is None
    assert (await providers.door(unused))["status"] == "unauthenticated"
    await providers.set_now(NOON + 61 * MINUTE)
    assert await touch(providers, used) is None


@BOTH
async def test_signing_out_ends_it_at_the_door_too(providers: Scene) -> None:
    secret, tokens = await begin(providers), await providers.database.as_role("tokens")
    assert await tokens.fetchval("SELECT vault.session_end($1)", sha(secret))
    assert not await tokens.fetchval("SELECT vault.session_end($1)", sha(secret))
    assert await touch(providers, secret) is None
    assert (await providers.door(secret))["status"] == "unauthenticated"
    assert {"sign-in", "sign-out"} <= {e["act"] for e in await providers.entries()}


@pytest.mark.parametrize(
    "ending",
    [
        "suspend('pirha', NULL, true)", "suspend('pirha', 'app-pirha', true)", f"professional_role_end('pirha', '{NURSE.professional}', 'nurse')",
        "provider_end('own')",
    ],
)  # fmt: skip
async def test_p06_a_professionals_session_ends_with_their_right(providers: Scene, ending: str) -> None:
    outcome, secret = await begin_staff(providers)
    assert outcome == "recorded"
    entry = await providers.ask(secret)
    await (await providers.owner()).execute(f"SELECT vault.{ending}")
    assert await touch(providers, secret) is None
    assert await providers.take(secret, entry) == []
    assert (await providers.door(secret))["status"] == "unauthenticated"


@pytest.mark.parametrize("ending", ["time", "sign-out", "provider_end('own')", "suspend('pirha', NULL, true)"])
async def test_an_ended_session_is_not_written_to(providers: Scene, ending: str) -> None:
    _, secret = await begin_staff(providers)
    tokens, owner = await providers.database.as_role("tokens"), await providers.owner()
    speak = "SELECT vault.session_language($1, $2)"
    assert await tokens.fetchval(speak, sha(secret), "sv")
    if ending == "time":
        await providers.set_now(NOON + 16 * MINUTE)
    elif ending == "sign-out":
        await tokens.execute("SELECT vault.session_end($1)", sha(secret))
    else:
        await owner.execute(f"SELECT vault.{ending}")
    assert not await tokens.fetchval(speak, sha(secret), "en")
    assert await owner.fetchval("SELECT language FROM vault.session WHERE secret_sha256 = $1", sha(secret)) == "sv"


@BOTH
@pytest.mark.parametrize("ending", ["provider_end('own')", "session_end($1)"])
async def test_p06_what_runs_under_a_session_loses_its_lease_with_it(providers: Scene, ending: str) -> None:
    """Though no fact about case, client or agency has moved: an ended provider is nobody's fact."""
    _, secret = await begin_staff(providers)
    entry, service, process = await providers.ask(secret), await providers.service(), uuid.uuid4()
    assert await providers.take(secret, entry)
    renew = "SELECT vault.renew($1, $2)"
    assert await service.fetchval(renew, process, [entry]) == [entry]
    await (await providers.owner()).execute(f"SELECT vault.{ending}", *([sha(secret)] if "$1" in ending else []))
    assert await service.fetchval(renew, process, [entry]) == []


async def test_an_ended_provider_begins_and_carries_on_nothing(providers: Scene) -> None:
    """Nor does what had begun when it ended: who was just identified, who would act for another."""
    tokens, session = await providers.database.as_role("tokens"), await begin(providers)
    _, visitor = await visit(providers)
    await (await providers.owner()).execute("SELECT vault.provider_end('strong')")
    record = "SELECT vault.session_record($1, $2, 'strong', NULL, $3, $4)"
    assert await tokens.fetchval(record, sha(visitor), sha(b"1"), IDENTITY, ABOUT) == "unknown-provider"
    assert await tokens.fetchval("SELECT vault.session_act_for($1, $2, NULL)", sha(session), sha(b"2")) == "no-session"
    assert (await visit(providers))[0] == "unknown-provider"


async def test_p06_a_provider_ends_after_the_session_that_is_just_beginning(providers: Scene) -> None:
    """Whichever commits first, no session outlives its provider."""
    tokens, owner = await providers.database.as_role("tokens"), await providers.owner()
    _, visitor = await visit(providers)
    async with tokens.transaction():
        record = "SELECT vault.session_record($1, $2, 'strong', NULL, $3, $4)"
        assert await tokens.fetchval(record, sha(visitor), sha(b"1"), IDENTITY, ABOUT) == "recorded"
        ending = asyncio.create_task(owner.execute("SELECT vault.provider_end('strong')"))
        await asyncio.sleep(0.1)
        assert not ending.done()
    await ending
    assert await touch(providers, b"1") is None


async def test_a_suspended_agencys_provider_is_not_offered_and_records_nothing(providers: Scene) -> None:
    await (await providers.owner()).execute("SELECT vault.suspend('pirha', NULL, true)")
    tokens = await providers.database.as_role("tokens")
    assert [p["id"] for p in await tokens.fetchval("SELECT vault.providers()")] == ["strong"]
    assert (await begin_staff(providers))[0] == "unknown-provider"


async def test_a_professional_comes_in_as_their_agency_registered_them(providers: Scene) -> None:
    assert (await begin_staff(providers, subject="nobody"))[0] == "unknown-professional"
    assert (await begin_staff(providers, role="records-officer"))[0] in {"role-not-registered", "recorded"}
    assert (await begin_staff(providers, role=None))[0] == "role-needed"
    assert (await begin_staff(providers, role="no-role"))[0] == "role-not-registered"


async def test_clients_and_staff_come_by_their_own_providers(providers: Scene) -> None:
    tokens = await providers.database.as_role("tokens")
    assert (
        await tokens.fetchval("SELECT vault.visitor_record($1, 'own', $2, $3)", sha(b"x"), bytes(32), b"\1")
        == "unknown-provider"
    )
    outcome = await tokens.fetchval(
        "SELECT vault.session_record_staff($1, 'strong', 'x', 'nurse', NULL, 'care', $2, $3, $4, $5)",
        sha(b"y"),
        bytes(32),
        b"\1",
        IDENTITY,
        ABOUT,
    )
    assert outcome == "unknown-provider"


@BOTH
async def test_p01_acting_for_another_is_a_session_of_its_own(providers: Scene) -> None:
    """Chosen by the person, under an authority of theirs that is in force; the secret changes, and the old one is dead."""
    tokens, own = await providers.database.as_role("tokens"), await begin(providers, code=MAC)
    call = "SELECT vault.session_act_for($1, $2, $3)"
    new, back = secrets.token_bytes(32), secrets.token_bytes(32)
    for wrong in (
        await insert_authority(providers, representative_mac=b"z" * 32),
        uuid.uuid4(),
        await insert_authority(providers, until_day=NOON.date() - DAY),
    ):
        assert await tokens.fetchval(call, sha(own), sha(new), wrong) == "no-authority"
    authority = await insert_authority(providers)
    assert await tokens.fetchval(call, sha(own), sha(new), authority) == "recorded"
    assert await touch(providers, own) is None
    found = await touch(providers, new)
    assert (found["actor"], found["authority"], found["client"]) == (
        "representative",
        str(authority),
        str(providers.client),
    )
    assert await tokens.fetchval(call, sha(own), sha(back), None) == "no-session"
    assert await tokens.fetchval(call, sha(new), sha(back), None) == "recorded"
    again = await touch(providers, back)
    assert again["actor"] == "client"
    assert "authority" not in again
    acts = Counter(e["act"] for e in await providers.entries())
    assert (acts["sign-in"], acts["act-for"]) == (1, 2)


async def test_no_session_lasts_longer_than_half_a_day(providers: Scene) -> None:
    with pytest.raises(Exception, match="no session lasts that long"):
        await begin(providers, lasts_s=13 * 3600)


@BOTH
async def test_a_session_long_over_is_forgotten_and_its_entries_stay(providers: Scene) -> None:
    await begin(providers)
    owner, worker = await providers.owner(), await providers.database.as_role("worker")
    await owner.execute(
        "INSERT INTO vault.identity_offer VALUES ($1, $1, $2, $3)", bytes(32), uuid.UUID(int=0), NOON - 15 * DAY
    )
    await providers.set_now(NOON + 2 * DAY)
    await worker.fetchval("SELECT vault.forget_expired()")
    for table in ("session", "token", "identity_offer"):
        assert await owner.fetchval(f"SELECT count(*) FROM vault.{table}") == 0, table
    assert "sign-in" in {e["act"] for e in await providers.entries()}
