"""What goes wrong on the way to the archive: each is told to the archivists in one plain sentence, and destroys nothing."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_locked_deposit import deposit_at, lock_bucket
from tests.support.caller import must
from tests.support.proxy import Proxy
from tests.support.rgw import Gateways
from tests.support.service import run
from tests.transfers.conftest import ARCHIVE, Scene, registered, vault_command
from vault.adapters.deposits import directory
from vault.archive.keys import SIGNING_FILE, load_signing_key, make_keys
from vault.errors import InvalidInput
from vault.formats.ageformat import new_identity


def trouble(scene: Scene, transfer: str) -> str:
    """What the archivist is told."""
    return str(must(scene.archivist().get(f"/v1/transfers/{transfer}"))["progress"]["trouble"])


def test_p08_an_archive_that_goes_away_half_way(scene: Scene, gateways: Gateways) -> None:
    gateway = gateways.gateway()
    bucket = lock_bucket(gateway)
    case, transfer = scene.due(b"a paper", bytes(range(256)) * 24_000)

    async def broken() -> list[str]:
        async with Proxy(gateway.port) as proxy:
            proxy.lose, proxy.lose_times = b"PUT /" + bucket.encode() + b"/" + transfer.encode() + b".tar.age?", 99
            async with scene.worker(wrap={"deposit": lambda _: deposit_at(gateway, bucket, proxy.port, 1)}) as worker:
                return [str(await worker.step())]

    scene.free()
    [told] = run(broken())
    assert "put off: the archive's store failed" in told
    assert "the archive's store failed" in trouble(scene, transfer)
    assert (scene.state(transfer), scene.case_keys(case)) == ("due", 3)
    assert f"{transfer}.tar.age" not in [one.object_name for one in gateway.client().list_objects(bucket)]
    # When it is back, the transfer goes on by itself, and the trouble is no longer told.
    assert "packaged" in scene.work(1, deposit=lambda _: deposit_at(gateway, bucket))[0]
    assert "trouble" not in (must(scene.archivist().get(f"/v1/transfers/{transfer}"))["progress"] or {})


def test_p08_a_disk_that_is_full(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full is the kernel's own full disk."""
    case, transfer = scene.due(bytes(3_000_000))

    def full(draft: Path) -> Any:
        draft.touch()
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(directory, "_new", full)
    [told] = scene.work()
    assert (
        f"put off: the archive's store cannot be used: No space left on device: look at {scene.deposit}; nothing is lost"
        in told
    )
    assert "No space left on device" in trouble(scene, transfer)
    assert (scene.state(transfer), scene.case_keys(case)) == ("due", 2)
    assert not [path for path in scene.deposit.iterdir() if transfer in path.name]
    monkeypatch.undo()
    assert "packaged" in scene.work(1)[0]


def test_p08_a_directory_that_is_not_there(scene: Scene, tmp_path: Path) -> None:
    _, transfer = scene.due(b"a paper")
    [told] = scene.work(deposit=lambda _: directory.DirectoryDeposit(tmp_path / "nowhere"))
    assert "put off: archive_store:" in told
    assert "is no directory that can be written" in trouble(scene, transfer)


def test_p08_a_document_that_fails_its_digest_is_told_without_its_name(scene: Scene) -> None:
    _, transfer = scene.due(b"x" * 100_000)
    document = scene.service.one("SELECT d.id FROM vault.document d JOIN vault.transfer x ON x.case_id = d.case_id"
                                 " WHERE x.id = $1::uuid AND d.key_parent = 'case'", transfer)  # fmt: skip
    path = scene.object_path(scene.service.object_of(document))
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[50_000] ^= 1
    path.write_bytes(content)
    scene.work()
    told = trouble(scene, transfer)
    assert told.startswith(f"document {document} cannot be packaged: ")
    assert f"restore the object {path.name} from a backup of the store; nothing was sent" in told
    assert "Paperi" not in told
    assert scene.state(transfer) == "due"


@pytest.mark.parametrize(
    "recipients", [["archive=age1nonsense"], ["age1x"], ["archive={one}"], ["archive={one}", "again={one}"]]
)
def test_p08_a_wrong_recipient_is_refused_when_it_is_registered(recipients: list[str], scene: Scene) -> None:
    before = scene.service.one("SELECT count(*) FROM vault.archive")
    given = [f"--recipient={text.format(one=scene.recipient)}" for text in recipients]
    with pytest.raises(AssertionError, match="recipient") as said:
        vault_command(scene, "transfer", "archive", ARCHIVE, "--agency", "pirha", "--fi", "X", *given, "--receipt-keys",
               str(scene.keys / "receipt-key.public.json"))  # fmt: skip
    assert "Traceback" not in str(said.value)
    assert scene.service.one("SELECT count(*) FROM vault.archive") == before


def test_p08_an_archive_whose_key_does_not_open_it_signs_nothing(scene: Scene, tmp_path: Path) -> None:
    _, transfer = scene.due(b"a paper")
    scene.work(2)
    make_keys(tmp_path / "other")
    ran = subprocess.run(
        [sys.executable, "-m", "vault", "archive", "receive", str(scene.deposit / f"{transfer}.tar.age"), "--identity",
         str(tmp_path / "other/identity.txt"), "--signing-key", str(tmp_path / "other/receipt-key.pem"), "--archive-id", ARCHIVE,
         "--journal", str(tmp_path / "journal.jsonl")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    said = ran.stderr.splitlines()
    assert said[-1] == "vault: none of the given identities opens it"
    assert said[-2].startswith("nothing was signed: give the identity file of one of those keys")
    label = json.loads((scene.deposit / f"{transfer}.label.json").read_text())
    assert said[:-3] == [f"  opens it: {key['name']}, {key['fingerprint']}" for key in label["recipients"]]
    assert said[-3].startswith("  given:    ")
    assert not (scene.deposit / f"{transfer}.receipt.jws").exists()
    [line] = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert (json.loads(line)["act"], json.loads(line)["why"]) == ("refuse", "none of the given identities opens it")


def test_p08_a_receipt_signed_with_a_retired_key_is_refused(scene: Scene, tmp_path: Path) -> None:
    """The key was good when the case was sent; it leaked since, and counts no more."""
    made = make_keys(tmp_path / "leaked")
    public = json.loads((tmp_path / "leaked/receipt-key.public.json").read_text())
    both = {"keys": [*scene.public["keys"], *public["keys"]]}
    recipients = [
        {"name": "archive", "recipient": scene.recipient},
        {"name": "recovery", "recipient": new_identity()[1]},
    ]
    name = {"fi": "Arkisto", "sv": "Arkivet", "en": "The archive"}
    run(registered(scene, lambda one: one.archive(ARCHIVE, "pirha", name, recipients, both, wait_days=0)))
    case, transfer = scene.due(b"a paper")
    scene.work(2)
    leaked = load_signing_key(tmp_path / "leaked" / SIGNING_FILE)
    forged = scene.sign(transfer, key=leaked)
    assert "are refused from now on" in vault_command(scene, "transfer", "retire-receipt-key", ARCHIVE, made.key_id)
    answer = scene.hand_in(transfer, forged)
    assert (answer.status_code, answer.json()["code"]) == (422, "receipt-invalid")
    assert "a key that is not registered" in answer.json()["detail"]
    (scene.deposit / f"{transfer}.receipt.jws").write_text(forged)
    assert "put off: the receipt is not valid" in scene.work()[-1]
    assert "the receipt is not valid" in trouble(scene, transfer)
    assert scene.case_keys(case) == 2
    must(scene.hand_in(transfer, scene.sign(transfer)))
    with pytest.raises(InvalidInput):
        run(registered(scene, lambda one: one.retire_receipt_key(ARCHIVE, "nobody's")))


def test_p08_a_receipt_for_another_transfer_or_replayed_is_told(scene: Scene) -> None:
    case, transfer = scene.due(b"a paper")
    _, other = scene.due(b"another")
    scene.work()
    (scene.deposit / f"{transfer}.receipt.jws").write_text(scene.sign(other))
    scene.work(2)
    # Two packages may have the same number of bytes, never the same digests.
    told = "the receipt is for something else than what was sent: transfer, package, tar"
    assert str(trouble(scene, transfer)).startswith(told)
    assert scene.case_keys(case) == 2


def test_p08_shredding_waits_for_the_waiting_time(scene: Scene) -> None:
    recipients = [{"name": "archive", "recipient": scene.recipient}]
    name = {"fi": "Arkisto", "sv": "Arkivet", "en": "The archive"}
    run(registered(scene, lambda one: one.archive(ARCHIVE, "pirha", name, recipients, scene.public)))
    try:
        case, transfer = scene.due(b"a paper")
        scene.work(2)
        scene.leave_receipt(transfer)
        assert "read back, opened and verified" in scene.work()[-1]
        assert scene.state(transfer) == "verified"
        seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
        assert seen["waits_for"] == ["waiting-time"]
        left = dt.datetime.fromisoformat(seen["shred_from"]) - dt.datetime.now(dt.UTC)
        assert dt.timedelta(days=13, hours=23) < left <= dt.timedelta(days=14)
        assert "waits: the waiting time" in vault_command(scene, "transfer", "status", transfer)
        assert scene.case_keys(case) == 2
        scene.service.sql(
            "UPDATE vault.transfer_state SET recorded_at = recorded_at - interval '14 days' WHERE transfer = $1::uuid",
            transfer,
        )
        assert any("shredded" in line for line in scene.work())
    finally:
        run(registered(scene, lambda one: one.archive(ARCHIVE, "pirha", name, recipients, scene.public, wait_days=0)))


def test_p08_an_upload_that_has_not_ended_and_an_open_request_keep_the_case_here(scene: Scene) -> None:
    case = scene.closed(b"a paper")
    client = scene.service.one("SELECT client FROM vault.client_case WHERE id = $1::uuid", case)
    request = uuid.uuid4()
    scene.service.sql("INSERT INTO vault.request (id, kind, client, controller, case_id, language, received_how, received_on, entry, recorded_at)"
                      " VALUES ($1, 'self-access', $2, 'pirha', $3::uuid, 'fi', 'paper', current_date, gen_random_uuid(), now())",
                      request, client, case)  # fmt: skip
    scene.service.sql("INSERT INTO vault.request_state (request, n, state, due_on, identified_how, entry, recorded_at)"
                      " VALUES ($1, 1, 'identified', current_date, 'signature', gen_random_uuid(), now())", request)  # fmt: skip
    assert scene.service.one("SELECT vault.pending($1::uuid)", case) == ["open-request"]
    assert run(scene.find()) == 0
    scene.service.sql("INSERT INTO vault.request_state (request, n, state, due_on, identified_how, entry, recorded_at)"
                      " VALUES ($1, 2, 'answered', current_date, 'signature', gen_random_uuid(), now())", request)  # fmt: skip
    # An upload that began before the closing and has neither ended nor been given up.
    begun = scene.service.sql(
        "INSERT INTO vault.document (id, case_id, type, agency, application, source, series, dated, language, protected_classes, third_persons,"
        " check_before_client, original, media_type, key_parent, sealed_about, entry, recorded_at)"
        " SELECT gen_random_uuid(), case_id, type, agency, application, source, gen_random_uuid(), dated, language, protected_classes, false, false,"
        " false, media_type, key_parent, sealed_about, entry, recorded_at FROM vault.document WHERE case_id = $1::uuid LIMIT 1 RETURNING id", case,
    )[0]["id"]  # fmt: skip
    name = begun.hex
    scene.service.sql("INSERT INTO vault.attempt VALUES ($1, $2, gen_random_uuid(), now())", name, begun)
    assert scene.service.one("SELECT vault.pending($1::uuid)", case) == ["unfinished-upload"]
    assert run(scene.find()) == 0
    scene.service.sql("INSERT INTO vault.attempt_end VALUES ($1, now())", name)
    assert run(scene.find()) == 1


def test_a_request_for_an_archived_case_is_routed_there_and_tracked(scene: Scene) -> None:
    case, transfer = scene.due(b"a paper")
    scene.work(2)
    scene.leave_receipt(transfer)
    scene.work()
    there = dict(scene.service.sql("SELECT * FROM vault.archived_at($1::uuid)", case)[0])
    assert (there["archive"], str(there["reference"])) == (ARCHIVE, transfer)
    client = scene.service.one("SELECT client FROM vault.client_case WHERE id = $1::uuid", case)
    request = uuid.uuid4()
    scene.service.sql("INSERT INTO vault.request (id, kind, client, controller, language, received_how, received_on, entry, recorded_at)"
                      " VALUES ($1, 'self-access', $2, 'pirha', 'fi', 'paper', current_date, gen_random_uuid(), now())", request, client)  # fmt: skip
    for routed in (1, 0):
        assert (
            scene.service.one("SELECT vault.request_route($1, current_date + 30, gen_random_uuid(), now())", request)
            == routed
        )
    items = must(scene.archivist().get("/v1/archive-requests?limit=200"))["items"]
    [mine] = [item for item in items if item["transfer"] == transfer]
    assert (mine["outcome"], mine["case"]) == (None, case)
    path = f"/v1/archive-requests/{mine['id']}/answer"
    answer = scene.archivist().post(path, {"outcome": "maybe"})
    assert (answer.status_code, answer.json()["field"]) == (422, "outcome")
    for _ in range(2):
        assert must(scene.archivist().post(path, {"outcome": "given"}))["outcome"] == "given"
    assert scene.archivist().post(path, {"outcome": "refused"}).json()["code"] == "already-answered"
    assert scene.caller.coordinator.post(path, {"outcome": "given"}).status_code == 404
    assert (
        scene.archivist().post(f"/v1/archive-requests/{uuid.uuid4()}/answer", {"outcome": "given"}).status_code == 404
    )


def test_progress_is_told_in_bytes_documents_percent_and_time(scene: Scene) -> None:
    _, transfer = scene.due(b"a paper")

    async def told() -> None:
        async with scene.worker() as worker:
            taken = await worker._claims.take_up()
            for count in (0, 500):
                await worker._claims.tell(
                    taken, {"phase": "packaging", "bytes": count, "bytes_all": 1000, "documents": 0, "documents_all": 2}
                )

    scene.free()
    run(told())
    seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))["progress"]
    assert (seen["percent"], seen["bytes"], seen["documents_all"]) == (50, 500, 2)
    assert seen["seconds_left"] >= 0
    line = vault_command(scene, "transfer", "status", transfer)
    assert "packaging: 50 % (500 of 1000 bytes, document 0 of 2), about" in line
    assert "s left" in line
    # Whoever is not at it tells nothing.
    scene.service.sql('SELECT vault.transfer_tell($1, $2::uuid, \'{"phase": "x"}\')', bytes(32), transfer)
    assert must(scene.archivist().get(f"/v1/transfers/{transfer}"))["progress"]["phase"] == "packaging"
