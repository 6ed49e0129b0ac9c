"""P8: the whole way to an archive whose store itself refuses to remove a package; on a real gateway."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from minio.error import S3Error

from tests.contract.test_locked_deposit import deposit_at, lock_bucket
from tests.support.caller import must
from tests.support.rgw import Gateway, Gateways
from tests.transfers.conftest import ARCHIVE, Scene
from vault.adapters.deposits.s3 import BucketDeposit
from vault.archive.keys import SIGNING_FILE, load_signing_key
from vault.archive.receive import receive_package
from vault.errors import DatabaseUnavailable
from vault.formats.label import Names


@pytest.fixture
def gateway(gateways: Gateways) -> Gateway:
    return gateways.gateway()


class Place:
    """A bucket, and the archive's own copy of what lies in it."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway, self.folder, self.bucket = gateway, folder, lock_bucket(gateway)
        self.client = gateway.client()

    def deposit(self, _: Any) -> BucketDeposit:
        return deposit_at(self.gateway, self.bucket)

    def versions(self, name: str) -> list[str]:
        listed = self.client.list_objects(self.bucket, name, include_version=True)
        return [str(one.version_id) for one in listed if one.object_name == name]

    def receive(self, scene: Scene, transfer: str) -> str:
        """The archive fetches package and label with its own program, checks them and signs."""
        names = Names(transfer)  # type: ignore[arg-type]
        for name in (names.package, names.label):
            self.client.fget_object(self.bucket, name, str(self.folder / name))
        return receive_package(
            self.folder / names.package, self.folder / names.label, scene.identities,
            load_signing_key(scene.keys / SIGNING_FILE), archive=ARCHIVE, received_by="A",
        )[1]  # fmt: skip


@pytest.fixture
def place(gateway: Gateway, tmp_path: Path) -> Place:
    return Place(gateway, tmp_path)


def test_p08_to_a_bucket_that_locks(scene: Scene, place: Place) -> None:
    case, transfer = scene.due(b"the first paper", b"\x00\xff" * 3_000_000)
    assert ["packaged" in line or "sent" in line for line in scene.work(2, deposit=place.deposit)] == [True, True]
    names = Names(transfer)  # type: ignore[arg-type]
    [version] = place.versions(names.package)

    def locked() -> dt.datetime:
        return deposit_lock(place, names.package, version)

    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    assert locked() < soon  # a wrong package would be free again tomorrow
    must(scene.hand_in(transfer, place.receive(scene, transfer)))
    told = scene.work(deposit=place.deposit)
    assert any("shredded" in line for line in told)
    assert scene.case_keys(case) == 0
    seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
    ends = dt.date.fromisoformat(seen["package"]["retention_ends"])
    assert locked().date() >= ends - dt.timedelta(days=1)
    assert dt.datetime.fromisoformat(seen["locked_until"]) == locked()
    for name in (names.package, names.label, names.label_text, names.descriptor):
        [only] = place.versions(name)
        with pytest.raises(S3Error) as refused:
            place.client.remove_object(place.bucket, name, only)
        assert refused.value.code == "AccessDenied"


def deposit_lock(place: Place, name: str, version: str) -> dt.datetime:
    return deposit_at(place.gateway, place.bucket)._bucket.lock_of(name, version)


class Forgetful:
    """Stops the worker after the package is put, and before that is recorded."""

    def __init__(self, door: Any) -> None:
        self._door = door

    def __getattr__(self, name: str) -> Any:
        return getattr(self._door, name)

    async def act(self, name: str, *arguments: Any) -> Any:
        if name == "transfer_done" and arguments[2] == "package":
            raise DatabaseUnavailable("stopped")
        return await self._door.act(name, *arguments)


def test_p08_a_retry_finds_the_first_object_through_the_database(scene: Scene, place: Place) -> None:
    _, transfer = scene.due(b"a paper")
    with pytest.raises(DatabaseUnavailable):
        scene.work(1, deposit=place.deposit, door=Forgetful)
    [first] = place.versions(f"{transfer}.tar.age")
    assert "packaged" in scene.work(1, deposit=place.deposit)[0]
    assert place.versions(f"{transfer}.tar.age") == [first]
    assert scene.service.one("SELECT version FROM vault.transfer_package WHERE transfer = $1::uuid", transfer) == first


def test_p08_what_is_put_above_the_package_is_not_what_was_sent(scene: Scene, place: Place) -> None:
    """Whoever may write to the bucket puts another object under the package's name: the first one counts, by its version."""
    _, transfer = scene.due(b"a paper")
    scene.work(2, deposit=place.deposit)
    receipt = place.receive(scene, transfer)
    asyncio.run(_overwrite(place, f"{transfer}.tar.age"))
    must(scene.hand_in(transfer, receipt))
    assert any("shredded" in line for line in scene.work(deposit=place.deposit))


async def _overwrite(place: Place, name: str) -> None:
    async def other() -> Any:
        yield b"another"

    await deposit_at(place.gateway, place.bucket).put(name, other())


@pytest.mark.parametrize("bad", [{"lock": False}, {"mode": None}])
def test_p08_a_bucket_that_would_not_lock_gets_nothing_and_the_archivist_is_told(
    bad: dict[str, Any], scene: Scene, gateway: Gateway
) -> None:
    bucket = lock_bucket(gateway, **bad)
    _, transfer = scene.due(b"a paper")
    [told] = scene.work(deposit=lambda _: deposit_at(gateway, bucket))
    assert "put off: archive_store: the bucket" in told
    assert scene.state(transfer) == "due"
    assert list(gateway.client().list_objects(bucket)) == []
    seen = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
    assert "nothing was sent" in seen["progress"]["trouble"]


def test_p08_without_a_lock_to_the_end_nothing_is_shredded(scene: Scene, place: Place) -> None:
    """The database asks for the lock that was read back, whatever the worker says."""
    case, transfer = scene.due(b"a paper")
    scene.work(2, deposit=place.deposit)
    must(scene.hand_in(transfer, place.receive(scene, transfer)))

    class Lying(BucketDeposit):
        async def keep(self, name: str, version: str | None, until: dt.datetime) -> dt.datetime | None:
            return None

    lying = deposit_at(place.gateway, place.bucket)
    lying.__class__ = Lying
    told = scene.work(3, deposit=lambda _: lying)
    assert "put off" in told[-1]
    assert scene.case_keys(case) == 2
