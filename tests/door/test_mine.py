"""What a client, and who stands for one, is shown and may decide: asked at the door, with the clock at the days that matter."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import secrets
import uuid
from typing import Any

import pytest

from tests.door.test_statements import BOTH, called_by, written_by
from tests.support.database import Database
from tests.support.recorded import Asker
from tests.support.scene import DAY, NOON, NURSE, TODAY, Scene, permit, plain_world, set_scene
from tests.support.strategies import LONG_AGO
from tests.support.worlds import World
from vault.rules.catalogue import DOCUMENT_TYPES

NOWHERE = uuid.UUID("01980000-0000-7000-8000-000000000000")
LISTS = ("my-cases", "my-documents", "my-consents", "my-prohibitions", "my-readers")
DOOR = "CALL vault.door($1, $2, $3, $4, $5)"


def client_of(scene: Scene) -> Asker:
    return Asker("client", client=scene.client)


async def listed(
    scene: Scene, secret: bytes, target: str, *, case: Any = None, document: Any = None, **about: Any
) -> Any:
    service = await scene.service()
    return await service.fetchrow(DOOR, secret, "list", case, document, {"target": target, **about})


async def items(scene: Scene, secret: bytes, target: str, **about: Any) -> list[dict[str, Any]]:
    row = await listed(scene, secret, target, **about)
    assert row["status"] == "permit", row
    return list(row["facts"]["items"])


async def act(scene: Scene, secret: bytes, call: str, *arguments: Any) -> str:
    service = await scene.service()
    return str((await service.fetchrow(f"SELECT * FROM vault.{call}", secret, *arguments))["status"])


async def readers(scene: Scene, secret: bytes) -> set[str]:
    """The agencies that could open something on a consent now."""
    told = (await listed(scene, secret, "my-readers"))["facts"]["readers"]
    return {r["party"]["agency"] for r in told if any(w["basis"] == "consent" for w in r["ways"])}


def grown_up_tomorrow() -> World:
    """The plain world, whose consent a guardian signed for a client who turns eighteen tomorrow."""
    world = plain_world()
    signed = dataclasses.replace(world.consents[0], capacity="guardian")
    return dataclasses.replace(world, adult_on=TODAY + DAY, consents=(signed,))


@pytest.fixture
async def young(vault_db: Database) -> Scene:
    return await set_scene(vault_db, grown_up_tomorrow())


async def test_what_a_guardian_signed_is_confirmed_by_the_client_from_the_birthday_on(young: Scene) -> None:
    hers = await young.token(client_of(young))
    [consent] = await items(young, hers, "my-consents")
    assert (consent["can_confirm"], consent["provisions"][0]["in_force"]) == (False, True)
    assert await readers(young, hers) == {"kela", "pirha"}
    assert await act(young, hers, "consent_confirm($1, $2)", young.consent) == "nothing-to-confirm"
    told = (await listed(young, hers, "my-readers"))["facts"]["readers"]
    assert {w["until"] for r in told for w in r["ways"] if w["basis"] == "consent"} == {TODAY.isoformat()}
    await young.set_now(NOON + DAY)
    hers = await young.token(client_of(young))
    [consent] = await items(young, hers, "my-consents")
    assert (consent["can_confirm"], consent["provisions"][0]["faults"]) == (True, ["guardian-consent-lapsed"])
    assert await readers(young, hers) == set()
    other = await young.token(Asker("client", client=uuid.uuid4()))
    assert await act(young, other, "consent_confirm($1, $2)", young.consent) == "hidden"
    for _ in range(2):
        assert await act(young, hers, "consent_confirm($1, $2)", young.consent) == "done"
    assert await readers(young, hers) == {"kela", "pirha"}
    [consent] = await items(young, hers, "my-consents")
    assert [event["what"] for event in consent["history"]] == ["recorded", "confirmed"]


async def authority(scene: Scene, **about: Any) -> uuid.UUID:
    """A recorded authority for somebody; a guardian's, to act, unless said otherwise."""
    row = {
        "id": uuid.uuid4(), "client": scene.client, "case_id": None, "kind": "guardian", "scope": "act", "protected_classes": [],
        "representative_mac": bytes(32), "from_day": TODAY, "until_day": None, "sealed_about": b"\1who", "given_by_client": False,
        "entry": uuid.UUID(int=0), "recorded_at": NOON - DAY,
    } | about  # fmt: skip
    await scene.database.insert("authority", [row])
    return uuid.UUID(str(row["id"]))


async def session(scene: Scene, under: uuid.UUID) -> bytes:
    """The session of who acts under an authority."""
    secret = secrets.token_bytes(32)
    row = {
        "secret_sha256": hashlib.sha256(secret).digest(), "actor": "representative", "client": scene.client, "authority": under,
        "assertion": bytes(32), "issued_at": scene.now, "expires_at": scene.now + dt.timedelta(minutes=5),
    }  # fmt: skip
    await scene.database.insert("token", [row])
    return secret


async def test_a_representative_sees_and_does_what_the_authority_says(young: Scene) -> None:
    owner = await young.owner()
    await owner.execute("UPDATE vault.document SET protected_classes = '{mental-health}' WHERE id = $1", young.paper)
    seeing = await session(young, await authority(young, scope="see"))
    acting = await session(young, await authority(young, protected_classes=["mental-health"]))
    assert [d["signed_form"] for d in await items(young, seeing, "my-documents")] == [True]
    assert len(await items(young, acting, "my-documents")) == 2
    assert (await listed(young, seeing, "my-documents", document=young.paper))["status"] == "hidden"
    [case] = await items(young, seeing, "my-cases")
    assert case["documents"] == 1
    for call in ("pause($1, gen_random_uuid())", "resume($1)", "prohibition_record($1, gen_random_uuid(), NULL, '{}')"):
        assert await act(young, seeing, call) == "hidden"
        assert await act(young, acting, call) == "done"
    # What a guardian signed is for nobody but the client to confirm, whoever else may act for them.
    await young.set_now(NOON + DAY)
    acting = await session(young, await authority(young, kind="authorised"))
    assert await act(young, acting, "consent_confirm($1, $2)", young.consent) == "hidden"


async def test_23_a_minor_bars_a_guardian_who_then_sees_and_does_nothing(young: Scene) -> None:
    guardian = await authority(young)
    theirs = await session(young, guardian)
    assert len(await items(young, theirs, "my-cases")) == 1
    barred = {"authority": guardian, "barred": True, "entry": uuid.UUID(int=0), "recorded_at": NOON}
    await young.database.insert("authority_bar", [barred])
    for target in LISTS:
        row = await listed(young, theirs, target)
        assert (row["facts"]["items"], row["facts"].get("readers", [])) == ([], []), target
    assert (await young.door(theirs))["status"] == "hidden"
    assert await act(young, theirs, "pause($1, gen_random_uuid())") == "hidden"


async def test_an_authority_for_one_case_opens_nothing_that_is_registered_of_the_person(scene: Scene) -> None:
    await scene.database.insert("client_about", [
        {"client": scene.client, "n": 1, "sealed": b"\1person", "name_mac": b"\1", "born_mac": b"\1", "language": "fi",
         "address_protected": True, "recorded_at": NOON}
    ])  # fmt: skip
    of_case = await session(scene, await authority(scene, kind="authorised", case_id=scene.case))
    of_all = await session(scene, await authority(scene, kind="authorised"))
    assert [(await items(scene, who, "my-self"))[0]["about"] for who in (of_case, of_all)] == [None, "AXBlcnNvbg=="]
    assert len(await items(scene, of_case, "my-cases")) == 1
    assert await act(scene, of_case, "pause($1, gen_random_uuid())") == "hidden"


async def test_professionals_and_systems_are_shown_no_clients_own(scene: Scene) -> None:
    nurse = await scene.token(NURSE)
    for target in ("my-self", *LISTS):
        row = await listed(scene, nurse, target, case=scene.case)
        assert (row["status"], row["keys"]) == ("hidden", None), target


@BOTH
async def test_p10_anothers_own_and_nothing_run_the_same_and_write_the_same(vault_db: Database) -> None:
    scene = await set_scene(vault_db, plain_world())
    other = uuid.uuid4()
    await scene.database.insert("client", [{"id": other, "adult_on": dt.date(2000, 1, 1), "recorded_at": NOON}])
    secret = await scene.token(Asker("client", client=other))
    superuser = await scene.database.connect("superuser")
    await superuser.execute(f"ALTER ROLE vault_service IN DATABASE {scene.database.name} SET track_functions = 'all'")
    pairs: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [
        (DOOR, ("list", real, None, {"target": t}), ("list", NOWHERE, None, {"target": t})) for t in LISTS for real in [scene.case]
    ]  # fmt: skip
    pairs += [
        (DOOR, ("list", None, scene.paper, {"target": "my-documents"}), ("list", None, NOWHERE, {"target": "my-documents"})),
        (DOOR, ("list", None, None, {"target": "my-consents", "one": scene.consent}), ("list", None, None, {"target": "my-consents", "one": NOWHERE})),
        ("SELECT * FROM vault.consent_withdraw($1, gen_random_uuid(), $2, NULL, NULL, NULL)", (scene.consent,), (NOWHERE,)),
        ("SELECT * FROM vault.consent_confirm($1, $2)", (scene.consent,), (NOWHERE,)),
        ("SELECT * FROM vault.prohibition_record($1, gen_random_uuid(), $2, '{}')", (scene.case,), (NOWHERE,)),
    ]  # fmt: skip
    for query, real, nothing in pairs:
        answers = [await written_by(scene, secret, query, arguments) for arguments in (real, nothing)]
        assert [a["status"] for a, _ in answers] == ["hidden", "hidden"], (query, real)
        assert answers[0][1] == answers[1][1], (query, real)
        ran = [set(await called_by(scene, superuser, secret, query, arguments)) for arguments in (real, nothing)]
        assert ran[0] == ran[1], (query, real)


PAPERS, AGENCIES = 500, 8


def many_papers() -> World:
    """Eight agencies in two roles each, five hundred papers of eight types and four years, four consents, one of them narrow."""
    world = plain_world()
    slugs = [f"virasto-{n}" for n in range(AGENCIES)]
    types = sorted(DOCUMENT_TYPES)[:AGENCIES]
    papers = [
        dataclasses.replace(
            world.documents[0], id=uuid.uuid4(), type=types[n % AGENCIES], filed_by=slugs[n // 7 % AGENCIES],
            source_agency=slugs[n // 11 % AGENCIES], dated=TODAY - n % 1400 * DAY, protected_classes=("mental-health",) if n % 9 == 0 else (),
        )
        for n in range(PAPERS)
    ]  # fmt: skip
    consents = [
        dataclasses.replace(
            world.consents[0], id=uuid.uuid4(), order=k + 1, signed_on=TODAY - 300 * k * DAY,
            provisions=(
                permit(1, "handle"),
                *(permit(n + 2, "read", recipients=[{"agency": slugs[2 * k + n]}], documents=[{"type": t} for t in types[k : k + 5]],
                         purposes=["care", "benefit-decision"], protected_classes=["mental-health"] if n else []) for n in range(2)),
                {**permit(4), "effect": "deny", "actions": None, "purposes": ["care"], "recipients": [{"agency": slugs[k]}], "sources": None,
                 "documents": [{"type": types[k]}, {"document": str(papers[k].id)}], "protected_classes": None},
            ),
        )
        for k in range(4)
    ]  # fmt: skip
    members = [
        dataclasses.replace(world.members[0], id=uuid.uuid4(), agency=s, role=r)
        for s in slugs
        for r in ("nurse", "physician")
    ]
    agencies = tuple(dataclasses.replace(world.agencies[0], slug=s, units=()) for s in slugs)
    return dataclasses.replace(
        world, agencies=agencies, members=tuple(members), documents=tuple(papers), consents=tuple(consents), document_types=dict.fromkeys(types, LONG_AGO),
    )  # fmt: skip


async def test_five_hundred_papers_and_eight_agencies_are_judged_by_few_decisions(vault_db: Database) -> None:
    """The decision is asked once for all that the clauses cannot tell apart, however many papers and roles there are."""
    scene = await set_scene(vault_db, many_papers())
    superuser = await scene.database.connect("superuser")
    await superuser.execute(f"ALTER ROLE vault_service IN DATABASE {scene.database.name} SET track_functions = 'all'")
    hers = await scene.token(client_of(scene))
    told = (await listed(scene, hers, "my-readers"))["facts"]
    assert told["papers"] == PAPERS + 4
    assert len({r["party"]["agency"] for r in told["readers"] if r["role"]}) == AGENCIES
    counted = await called_by(scene, superuser, hers, DOOR, ("list", None, None, {"target": "my-readers"}))
    assert 2 * AGENCIES < counted["decide"] < 120


@pytest.mark.parametrize("first", [0, 1])
async def test_p09_one_papers_denial_for_one_purpose_hides_nothing_else(vault_db: Database, first: int) -> None:
    """Alike are asks, not papers and purposes each: what is judged for others is never an ask that nobody made."""
    world = plain_world()
    ids = sorted(uuid.uuid4() for _ in range(2))
    plain, denied = (dataclasses.replace(world.documents[0], id=i, type=t) for i, t in zip(
        (ids[first], ids[1 - first]), ("lausunto", "kuntoutuspalaute"), strict=True))  # fmt: skip
    clauses = (
        permit(1, "handle"),
        permit(2, "read", purposes=["benefit-decision", "care"]),
        {**permit(3), "effect": "deny", "actions": None, "purposes": ["benefit-decision"], "recipients": None, "sources": None,
         "documents": [{"type": "kuntoutuspalaute"}], "protected_classes": None},
    )  # fmt: skip
    consent = dataclasses.replace(world.consents[0], provisions=clauses)
    types = {"lausunto": LONG_AGO, "kuntoutuspalaute": LONG_AGO}
    scene = await set_scene(
        vault_db, dataclasses.replace(world, documents=(plain, denied), consents=(consent,), document_types=types)
    )
    hers = await scene.token(client_of(scene))
    told = (await listed(scene, hers, "my-readers"))["facts"]["readers"]
    [nurse] = [r for r in told if (r["party"]["agency"], r["role"]) == ("pirha", "nurse")]
    opens = {(document, purpose) for w in nurse["ways"] for document in w["documents"] for purpose in w["purposes"]}
    papers = {(d, p) for d, p in opens if d in {str(plain.id), str(denied.id)}}
    assert papers == {(str(plain.id), "care"), (str(plain.id), "benefit-decision"), (str(denied.id), "care")}
