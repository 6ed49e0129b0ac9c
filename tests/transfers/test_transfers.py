"""P8: a closed case is shredded only after the archive has signed for exactly what was sent, and it was read back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import bagit
import pytest

from tests.support.caller import KELA, must
from tests.support.service import run
from tests.transfers.conftest import ARCHIVE, FIRST, ORIGIN, SECOND, Scene
from vault import verifier
from vault.archive.opening import open_package
from vault.archive.receive import check_package
from vault.errors import DatabaseUnavailable, Hidden, ObjectTampered
from vault.formats.ageformat import new_identity
from vault.formats.checkpoint import LOG_SIGNATURE, encode_vkey
from vault.model import TokenSecret
from vault.rules.catalogue import PROCESSES
from vault.rules.transfer import TRANSITIONS, Event, State

STATES = ["due", "packaged", "sent", "received", "verified", "shredded"]


def test_p08_the_whole_way_to_the_archive(scene: Scene, tmp_path) -> None:
    papers = (b"the first paper", b"\x00\xff" * 200_000)
    case, transfer = scene.due(*papers)
    told = scene.work(2)
    assert "packaged" in told[0]
    assert "sent" in told[1]
    assert scene.state(transfer) == "sent"
    assert must(scene.caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "in-transfer"
    keys = scene.case_keys(case)
    assert keys == 1 + len(papers)

    scene.leave_receipt(transfer)
    told = scene.work()
    assert [line.partition(": ")[2].partition(",")[0] for line in told] == [
        "the archive has signed for it", "read back",  "shredded", "2 objects removed"]  # fmt: skip
    assert scene.case_keys(case) == 0
    assert must(scene.caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "archived"
    seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
    assert [step["state"] for step in seen["history"]] == [*STATES[:5], "verified", "shredded"]

    bag = open_package(scene.deposit / f"{transfer}.tar.age", scene.identities, into=tmp_path, reason="test",
                       opened_by="A", journal=tmp_path / "journal.jsonl")  # fmt: skip
    folder = tmp_path / transfer
    told_case = json.loads((folder / "data/case.json").read_text())
    assert told_case["client"]["name"] == "Maija Mallikas"
    assert told_case["closing_reason"] == "suunnitelma on toteutunut"
    held = {path.read_bytes() for path in (folder / "data/documents").iterdir() if path.suffix == ".txt"}
    assert held == set(papers)
    assert len(told_case["consents"]) == 2
    assert all(consent["form"] for consent in told_case["consents"])
    acts = [json.loads(line)["act"] for line in (folder / "data/log/entries.jsonl").read_text().splitlines()]
    assert {"case-open", "consent-record", "case-close", "transfer-approve"} <= set(acts)
    assert bag.files == seen["package"]["files"]
    stranger = bagit.Bag(str(folder))
    stranger.validate(fast=False)
    _every_entry_is_proved(scene, folder)
    index = (folder / "index.html").read_text()
    assert "Käyttöloki" in index
    assert index.count("tlog-proof</a>") == len(acts)


def _every_entry_is_proved(scene: Scene, folder: Path) -> None:
    """With the one file that lies in the package, and the log's key as it was published elsewhere."""
    key = encode_vkey(ORIGIN, LOG_SIGNATURE, scene.service.keyring.log_public())
    assert (folder / "data/log/log-key.txt").read_text().strip() == key
    assert (folder / "data/log/verifier.py.txt").read_bytes() == Path(verifier.__file__).read_bytes()
    log = verifier.parse_vkey(key)
    head = verifier.verify_checkpoint((folder / "data/log/checkpoint").read_text(), log)
    for line in (folder / "data/log/entries.jsonl").read_text().splitlines():
        told = json.loads(line)
        stem = folder / "data/log/proofs" / told["entry"]
        leaf, fields = verifier.verify_entry(json.loads(stem.with_suffix(".json").read_text()))
        assert leaf.hex() == told["leaf"]
        assert (fields["act"], fields["at"], fields["case"]) == (told["act"], told["at"], fields["case"])
        assert verifier.verify_proof(stem.with_suffix(".tlog-proof").read_text(), leaf, log).size == head.size


def test_p08_no_object_of_the_case_is_left_and_the_signed_forms_are(scene: Scene) -> None:
    case, transfer = scene.due()
    objects = {row["key_parent"]: row["object"] for row in scene.service.sql(
        "SELECT key_parent, object FROM vault.filing f JOIN vault.document d ON d.id = f.document WHERE case_id = $1::uuid", case)}  # fmt: skip
    scene.work(2)
    scene.leave_receipt(transfer)
    scene.work()
    assert not scene.object_path(objects["case"]).exists()
    assert scene.object_path(objects["register"]).exists()


def test_p08_every_step_is_in_the_log(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(2)
    scene.leave_receipt(transfer)
    scene.work()
    entries = scene.service.sql("SELECT act, actor, decision, facts, of_entry, id FROM vault.entry WHERE case_id = $1::uuid"
                                " AND (act LIKE 'transfer%' OR act IN ('package', 'destroy', 'shred')) ORDER BY id", case)  # fmt: skip
    assert [row["act"] for row in entries] == [
        "transfer-due", "transfer-approve", "transfer-approve", "package", "transfer-prepare", "package", "transfer-package",
        "transfer-send", "transfer-receipt",
        "transfer-verify", "transfer-verify", "destroy", "shred"]  # fmt: skip
    assert {row["decision"] for row in entries} == {"permit"}
    assert entries[-1]["of_entry"] == entries[-2]["id"]
    assert entries[-1]["facts"] == "3 keys"


class Stop(DatabaseUnavailable):
    pass


class Crashing:
    """Stands before a part and stops the worker at its n-th call, before or after the call is made."""

    def __init__(self, part: Any, at: int, after: bool, count: list[int]) -> None:
        self._part, self._at, self._after, self._count = part, at, after, count

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        if name in {"promise", "fetch", "size", "keep", "take_up", "find", "tell"}:
            return real

        async def call(*arguments: Any, **more: Any) -> Any:
            self._count[0] += 1
            mine = self._count[0]
            if mine == self._at and not self._after:
                raise Stop("stopped before")
            answer = await real(*arguments, **more)
            if mine == self._at and self._after:
                raise Stop("stopped after")
            return answer

        return call


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_p08_stopped_anywhere_it_goes_on_and_holds_the_case_until_the_archive_has_signed(
    stride: int, scene: Scene
) -> None:
    stopped = 0
    for after in (False, True):
        for at in range(1, 60, stride):
            case, transfer = scene.due(b"paper")
            count = [0]
            wrap = {
                name: (lambda part: Crashing(part, at, after, count))  # noqa: B023 (used within this turn)
                for name in ("door", "claims", "store", "deposit")
            }
            signed = False
            crashed = False
            for _ in range(20):
                state = scene.state(transfer)
                if state == "sent" and not signed and (scene.deposit / f"{transfer}.label.json").exists():
                    scene.leave_receipt(transfer)
                    signed = True
                assert scene.case_keys(case) > 0 or signed
                if state == "shredded" and not scene.service.sql("SELECT vault.shredded_objects($1::uuid)", case):
                    break
                try:
                    scene.work(1, **wrap)
                except DatabaseUnavailable:
                    crashed = True
            assert scene.state(transfer) == "shredded"
            assert scene.case_keys(case) == 0
            check_package(scene.deposit / f"{transfer}.tar.age", scene.identities, label=None)
            if not crashed:
                break
            stopped += 1
    assert stopped > 30 // stride


def test_p08_without_two_different_archivists_nothing_is_packaged(scene: Scene) -> None:
    _case, transfer = scene.due(approved=False)
    assert scene.work() == []
    for _ in range(2):
        must(scene.archivist(FIRST).post(f"/v1/transfers/{transfer}/approve"))
    assert scene.work() == []
    assert must(scene.archivist(SECOND).post(f"/v1/transfers/{transfer}/approve"))["approvals"] == 2
    assert "packaged" in scene.work(1)[0]


def test_p08_only_the_worker_at_it_gets_the_keys(scene: Scene) -> None:
    """No archivist, no coordinator, no older job, and no job of another case."""
    from vault.adapters.postgres.pool import Pool

    case, transfer = scene.due()

    async def attempt() -> None:
        async with scene.worker() as worker:
            claims = worker._claims
            first = await claims.take_up()
            await asyncio.to_thread(scene.free)
            second = await claims.take_up()
            assert first.transfer == second.transfer == uuid.UUID(transfer)
            pool = Pool(scene.service.database.url("worker"), size=1, wait_s=20)
            door = "CALL vault.door($1, $2, $3, NULL, '{}')"
            for secret, act, a_case, status in (
                (first.secret, "package", case, "unauthenticated"),
                (second.secret, "package", str(uuid.uuid4()), "forbidden"),
                (second.secret, "destroy", case, "forbidden"),
                (second.secret, "open", case, "hidden"),
                (second.secret, "package", case, "permit"),
            ):
                row = await pool.row(door, secret, act, uuid.UUID(a_case))
                assert row["status"] == status, (act, row["status"])
                assert bool(row["keys"]) == (status == "permit")
            await pool.close()
            with pytest.raises(Hidden):
                await worker._door.act("transfer_done", TokenSecret(second.secret), uuid.uuid4(), "send", None)

    run(attempt())


@pytest.mark.parametrize("event", ["package", "send", "verify", "reject", "receipt", "shred"])
def test_p08_a_worker_that_was_overtaken_can_record_nothing(event: str, scene: Scene) -> None:
    _, transfer = scene.due()

    async def attempt() -> None:
        async with scene.worker() as worker:
            old = await worker._claims.take_up()
            await asyncio.to_thread(scene.free)
            assert await worker._claims.take_up() is not None
            acts: dict[str, tuple[Any, ...]] = {
                "receipt": ("transfer_receive", bytes(32), bytes(32), b"x"), "shred": ("case_shred", uuid.uuid4())}  # fmt: skip
            name, *more = acts.get(event, ("transfer_done", event, {}))
            with pytest.raises(Exception, match="token is not in force"):
                await worker._door.act(name, old.secret, old.transfer, *more)

    run(attempt())
    assert scene.state(transfer) == "due"


def test_p08_a_receipt_for_anything_else_shreds_nothing(scene: Scene) -> None:
    from joserfc.jwk import OKPKey

    case, transfer = scene.due()
    _, other = scene.due()
    scene.work()
    assert scene.state(transfer) == scene.state(other) == "sent"
    wrong = {
        scene.sign(other): "receipt-mismatch",
        scene.sign(transfer, archive="another"): "receipt-mismatch",
        scene.sign(transfer, key=OKPKey.generate_key("Ed25519")): "receipt-invalid",
        "a.b.c": "receipt-invalid",
        "x" * 20_000: "receipt-invalid",
    }
    for receipt, code in wrong.items():
        answer = scene.hand_in(transfer, receipt)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    (scene.deposit / f"{transfer}.receipt.jws").write_text(scene.sign(other))
    scene.work(4)
    assert scene.state(transfer) == "sent"
    assert scene.case_keys(case) == 3
    for _ in range(2):
        assert must(scene.hand_in(transfer, scene.sign(transfer)))["state"] == "received"


def test_p08_a_receipt_for_an_earlier_package_is_refused(scene: Scene) -> None:
    _, transfer = scene.due()
    scene.work(2)
    old = scene.sign(transfer)
    must(scene.archivist().post(f"/v1/transfers/{transfer}/reject", {"reason": "väärä arkisto"}))
    scene.approve(transfer)
    scene.work(2)
    assert scene.state(transfer) == "sent"
    assert scene.hand_in(transfer, old).json()["code"] == "receipt-mismatch"
    must(scene.hand_in(transfer, scene.sign(transfer)))


@pytest.mark.parametrize("when", ["packaged", "received", "verified"])
def test_p08_a_package_that_is_not_there_any_more_is_noticed(when: str, scene: Scene) -> None:
    case, transfer = scene.due()
    package = scene.deposit / f"{transfer}.tar.age"
    scene.work(1)
    if when != "packaged":
        scene.work(1)
        must(scene.hand_in(transfer, scene.sign(transfer)))
        scene.work(1 if when == "verified" else 0)
    assert scene.state(transfer) == when
    content = bytearray(package.read_bytes())
    content[len(content) // 2] ^= 1
    package.write_bytes(content)
    [told] = scene.work(1)
    assert scene.case_keys(case) == 3
    if when == "packaged":
        assert "packaged" in told  # it is made anew
        assert scene.state(transfer) == "packaged"
    else:
        assert "REJECTED" in told
        assert scene.state(transfer) == "rejected"
        assert must(scene.caller.coordinator.get(f"/v1/cases/{case}"))["state"] == "closed"


def test_p08_a_damaged_document_stops_the_package(scene: Scene) -> None:
    case, transfer = scene.due(b"x" * 100_000)
    document = scene.service.one("SELECT id FROM vault.document WHERE case_id = $1::uuid AND key_parent = 'case'", case)
    path = scene.object_path(scene.service.object_of(document))
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[50_000] ^= 1
    path.write_bytes(content)
    [told] = scene.work()
    assert "put off" in told
    assert scene.state(transfer) == "due"
    assert not (scene.deposit / f"{transfer}.tar.age").exists()
    assert not list(scene.deposit.glob(".*"))


@pytest.mark.parametrize("when", ["due", "packaged", "sent", "received", "verified"])
def test_p08_a_hold_stops_it_and_nothing_is_destroyed(when: str, scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(min(STATES.index(when), 2))
    if when in {"received", "verified"}:
        must(scene.hand_in(transfer, scene.sign(transfer)))
        scene.work(1 if when == "verified" else 0)
    assert scene.state(transfer) == when
    hold = must(scene.caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "oikaisuvaatimus"}))["id"]
    if when == "sent":
        scene.leave_receipt(transfer)
    for _ in range(3):
        scene.work(4)
    assert scene.state(transfer) == ("on-hold" if when in {"due", "packaged"} else "retained")
    assert scene.case_keys(case) == 3
    assert scene.caller.coordinator.delete(f"/v1/cases/{case}/holds/{hold}").status_code == 204
    scene.work(0)
    if when in {"due", "packaged"}:
        assert scene.state(transfer) == "due"
        scene.approve(transfer)
        scene.work(2)
        scene.leave_receipt(transfer)
    scene.work()
    assert scene.state(transfer) == "shredded"


def test_p08_a_hold_between_the_doors_permit_and_the_shredding_wins(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(2)
    must(scene.hand_in(transfer, scene.sign(transfer)))
    scene.work(1)

    class Holding:
        def __init__(self, door: Any) -> None:
            self._door = door

        def __getattr__(self, name: str) -> Any:
            return getattr(self._door, name)

        async def act(self, name: str, *arguments: Any) -> Any:
            if name == "case_shred":
                await asyncio.to_thread(
                    lambda: must(scene.caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "viime hetki"}))
                )
            return await self._door.act(name, *arguments)

    assert "put off" in scene.work(1, door=Holding)[0]
    assert scene.case_keys(case) == 3


def test_a_case_opened_again_before_it_was_sent_cancels_its_transfer(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(1)
    assert must(scene.caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": "uusi tieto"}))["state"] == "open"
    assert scene.state(transfer) == "cancelled"
    assert scene.work() == []
    must(scene.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "nyt"}))
    assert run(scene.find()) == 1
    assert scene.service.one("SELECT count(*) FROM vault.transfer WHERE case_id = $1::uuid", case) == 2


def test_a_case_that_was_sent_cannot_be_opened_again(scene: Scene) -> None:
    case, _ = scene.due()
    scene.work(2)
    answer = scene.caller.coordinator.post(f"/v1/cases/{case}/reopen", {"reason": "uusi tieto"})
    assert answer.status_code == 403
    assert answer.json()["reasons"] == ["case-archived"]


def test_an_archived_case_answers_its_members_without_its_content(scene: Scene) -> None:
    case, transfer = scene.due()
    [document] = scene.service.sql(
        "SELECT id FROM vault.document WHERE case_id = $1::uuid AND key_parent = 'case' LIMIT 1", case
    )
    scene.work(2)
    scene.leave_receipt(transfer)
    scene.work()
    coordinator = scene.caller.coordinator
    seen = must(coordinator.get(f"/v1/cases/{case}"))
    assert seen["state"] == "archived"
    assert seen.get("client") is None
    assert must(coordinator.get(f"/v1/cases/{case}/documents"))["items"] == []
    assert must(scene.caller.system("pirha").get(f"/v1/cases/{case}/documents"))["items"] == []
    assert len(must(coordinator.get(f"/v1/cases/{case}/consents"))["items"]) == 2
    assert any(item["id"] == case for item in must(coordinator.get("/v1/cases?limit=200"))["items"])
    for acting in (coordinator, scene.caller.by(KELA)):
        for path in (f"/v1/documents/{document['id']}", f"/v1/documents/{document['id']}/content"):
            assert acting.get(path).status_code in {403, 404}
    run(scene.find())
    assert scene.service.one("SELECT count(*) FROM vault.transfer WHERE case_id = $1::uuid", case) == 1


def test_archivists_see_states_and_digests_and_no_content(scene: Scene) -> None:
    case, transfer = scene.due()
    scene.work(2)
    text = (
        scene.archivist().get(f"/v1/transfers/{transfer}").text + scene.archivist().get("/v1/transfers?limit=200").text
    )
    assert transfer in text
    assert "Mallikas" not in text
    assert "title" not in text
    assert scene.archivist().get(f"/v1/cases/{case}").status_code == 404
    for path in ("", "/approve", "/receipt", "/reject"):
        for acting in (scene.caller.coordinator, scene.caller.by(KELA)):
            for one in (transfer, uuid.uuid4()):
                method = acting.get if not path else acting.post
                body = {"/receipt": {"receipt": "a.b.c"}, "/reject": {"reason": "x"}}.get(path)
                answer = method(f"/v1/transfers/{one}{path}", **({} if body is None else {"json": body}))
                assert answer.status_code == (403 if path in {"", "/receipt"} else 404), (path, answer.text)
    assert scene.caller.coordinator.get("/v1/transfers").status_code == 403
    assert scene.archivist().get(f"/v1/transfers/{uuid.uuid4()}").status_code == 404


def test_p05_neither_package_nor_receipt_nor_reason_stands_in_clear(scene: Scene) -> None:
    _, transfer = scene.due(b"zyxwvutsyy paper")
    scene.work(2)
    must(scene.hand_in(transfer, scene.sign(transfer)))
    must(scene.archivist().post(f"/v1/transfers/{transfer}/reject", {"reason": "qwertyzyxw"}))
    for path in scene.deposit.iterdir():
        content = path.read_bytes()
        assert b"zyxwvutsyy" not in content
        assert b"Mallikas" not in content
    sealed = scene.service.one("SELECT sealed FROM vault.transfer_receipt WHERE transfer = $1::uuid", transfer)
    reason = scene.service.one(
        "SELECT sealed_reason FROM vault.transfer_state WHERE transfer = $1::uuid AND state = 'rejected'", transfer
    )
    assert b"arkistonhoitaja" not in sealed
    assert b"qwertyzyxw" not in reason
    opened = scene.service.keyring.open_own(f"transfer.receipt|{transfer}", sealed)
    assert opened.count(b".") == 2


def test_the_databases_table_is_the_one_of_the_rules(scene: Scene) -> None:
    for state in State:
        for event in Event:
            end = TRANSITIONS[state].get(event)
            assert scene.service.one("SELECT vault.transfer_next($1, $2)", state, event) == end
    for code, process in PROCESSES.items():
        assert scene.service.one("SELECT vault.retention_years($1)", code) == process.retention.years


def test_the_archives_name_in_the_receipt_is_the_registered_one(scene: Scene) -> None:
    assert scene.service.one("SELECT id FROM vault.archive ORDER BY n DESC LIMIT 1") == ARCHIVE
    with pytest.raises(ObjectTampered):
        run(_nothing(scene))


async def _nothing(scene: Scene) -> None:
    async with scene.worker() as worker:
        async for _ in worker._deposit.fetch(f"{uuid.uuid4()}.tar.age"):
            raise AssertionError


def _vault(scene: Scene, *arguments: str) -> str:
    """The output of one command, as an operator would run it."""
    database = scene.service.database
    settings = scene.service.environment() | {
        "VAULT_DATABASE_URL_OWNER": database.url(), "VAULT_DATABASE_URL_WORKER": database.url("worker"),
        "VAULT_ARCHIVE_STORE": f"file://{scene.deposit}"}  # fmt: skip
    ran = subprocess.run([sys.executable, "-m", "vault", *arguments], env=settings, cwd=scene.folder, capture_output=True,
                         text=True, timeout=60, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def test_the_commands_set_up_the_archive_and_do_the_work(scene: Scene) -> None:
    told = _vault(scene, "transfer", "archive", ARCHIVE, "--agency", "pirha", "--fi", "Terveyskeskusarkisto", "--wait-days", "0", "--recipient",
                  f"archive={scene.recipient}", "--recipient", f"recovery={new_identity()[1]}", "--receipt-keys", str(scene.keys / "receipt-key.public.json"))  # fmt: skip
    assert "closed cases of pirha go to terveyskeskusarkisto" in told
    case = scene.closed()
    assert "1 transfers became due" in _vault(scene, "worker", "--once")
    transfer = str(scene.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))
    scene.approve(transfer)
    told = _vault(scene, "worker", "--once")
    assert "packaged" in told
    assert "sent" in told
    assert "waits for its receipt" in told
    scene.leave_receipt(transfer)
    scene.free()
    told = _vault(scene, "worker", "--once")
    assert "the archive has signed for it" in told
    assert "shredded, 3 keys" in told
    assert scene.state(transfer) == "shredded"
