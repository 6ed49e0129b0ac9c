"""P8: a receipt for anything but the package that was sent, and a package that is not there any more, destroy nothing."""

from __future__ import annotations

import uuid

import pytest

from tests.support.caller import must
from tests.support.service import run
from tests.support.sessions import staff_session
from tests.transfers.conftest import ARCHIVE, FIRST, Scene
from vault.adapters.postgres.door import PostgresDoor
from vault.adapters.postgres.pool import Pool
from vault.errors import Conflict, ObjectTampered


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


def test_p08_the_database_compares_too_when_a_receipt_was_overtaken_by_a_newer_package(scene: Scene) -> None:
    """Verified for what was the newest package; before it is recorded, the transfer is rejected and packaged anew."""
    _, transfer = scene.due()
    secret = staff_session(scene.service, FIRST, "archivist").secret
    digests = "SELECT package_sha256, tar_sha256 FROM vault.transfer_package WHERE transfer = $1::uuid ORDER BY n DESC LIMIT 1"

    async def record(package: bytes, tar: bytes) -> None:
        pool = Pool(scene.service.database.url("service"), size=1, wait_s=20)
        try:
            door = PostgresDoor(pool, pool, scene.service.keyring)
            await door.act("transfer_receive", secret, uuid.UUID(transfer), package, tar, b"sealed")
        finally:
            await pool.close()

    scene.work(2)
    [overtaken] = scene.service.sql(digests, transfer)
    must(scene.archivist().post(f"/v1/transfers/{transfer}/reject", {"reason": "väärä arkisto"}))
    scene.approve(transfer)
    scene.work(2)
    with pytest.raises(Conflict) as refused:
        run(record(*overtaken))
    assert (refused.value.narrow, scene.state(transfer)) == ("receipt-mismatch", "sent")
    run(record(*scene.service.sql(digests, transfer)[0]))
    assert scene.state(transfer) == "received"


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


def test_the_archives_name_in_the_receipt_is_the_registered_one(scene: Scene) -> None:
    assert scene.service.one("SELECT id FROM vault.archive ORDER BY n DESC LIMIT 1") == ARCHIVE
    with pytest.raises(ObjectTampered):
        run(_nothing(scene))


async def _nothing(scene: Scene) -> None:
    async with scene.worker() as worker:
        async for _ in worker._deposit.fetch(f"{uuid.uuid4()}.tar.age"):
            raise AssertionError
