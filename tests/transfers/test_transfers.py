"""P8: a closed case is shredded only after the archive has signed for exactly what was sent, and it was read back."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import bagit

from tests.support.caller import KELA, must
from tests.support.service import run
from tests.transfers.conftest import ORIGIN, Scene
from vault import verifier
from vault.archive.opening import open_package
from vault.formats.checkpoint import LOG_SIGNATURE, encode_vkey
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
    assert "Koko käyttöloki" in index
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
