"""The archive's bucket on a real gateway: the store itself refuses to remove a package or to shorten its lock (promise P8)."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import AsyncIterator

import pytest
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE
from minio.error import S3Error
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import VersioningConfig

from tests.support.proxy import Proxy
from tests.support.rgw import Gateway
from vault.adapters.deposits.locked_bucket import LockedBucket
from vault.adapters.deposits.s3 import BucketDeposit
from vault.errors import ObjectTampered, SettingsWrong, StoreUnavailable
from vault.formats.label import Names
from vault.settings import Secret, StoreBucket

PART = 5 * 1024 * 1024
SIZES = {"single": 300_000, "multipart": PART + 300_000}


def lock_bucket(gateway: Gateway, *, lock: bool = True, mode: str | None = COMPLIANCE, days: int = 1) -> str:
    name, client = f"archive-{secrets.token_hex(6)}", gateway.client()
    client.make_bucket(name, object_lock=lock)
    if lock and mode:
        client.set_object_lock_config(name, ObjectLockConfig(mode, days, DAYS))
    return name


def deposit_at(gateway: Gateway, bucket: str, port: int | None = None, patience_s: float = 10) -> BucketDeposit:
    where = StoreBucket(bucket=bucket, endpoint=f"http://127.0.0.1:{port}" if port else gateway.endpoint)
    keys = Secret(gateway.owner.access_key), Secret(gateway.owner.secret_key)
    return BucketDeposit(where, *keys, part_size=PART, patience_s=patience_s)


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def whole(deposit: BucketDeposit, name: str, version: str | None) -> bytes:
    return b"".join([piece async for piece in deposit.fetch(name, version)])


def name() -> str:
    return Names(uuid.uuid4()).package


def refusal(client: Minio, work: str, *arguments: object, **more: object) -> str:
    with pytest.raises(S3Error) as refused:
        getattr(client, work)(*arguments, **more)
    return str(refused.value.code)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_p08_the_store_refuses_to_remove_or_to_shorten(size: int, gateway: Gateway) -> None:
    """With the vault's own credentials, the strongest that this bucket knows."""
    bucket, content, package = lock_bucket(gateway), secrets.token_bytes(size), name()
    deposit, client = deposit_at(gateway, bucket), gateway.client()
    await deposit.check()
    version = await deposit.put(package, pieces(content))
    assert version is not None
    assert await whole(deposit, package, version) == content
    # It is locked for a day from its first moment, also where it was sent in parts.
    assert refusal(client, "remove_object", bucket, package, version) == "AccessDenied"

    until = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=3653)
    kept = await deposit.keep(package, version, until)
    assert kept is not None
    assert kept >= until
    assert refusal(client, "remove_object", bucket, package, version) == "AccessDenied"
    for shorter in (
        Retention(COMPLIANCE, until - dt.timedelta(days=1)),
        Retention(COMPLIANCE, dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)),
        Retention(GOVERNANCE, until + dt.timedelta(days=1)),
    ):
        assert refusal(client, "set_object_retention", bucket, package, shorter, version) == "AccessDenied"
    with pytest.raises(S3Error):
        client.set_bucket_versioning(bucket, VersioningConfig("Suspended"))
    assert await deposit.keep(package, version, until - dt.timedelta(days=100)) == kept
    assert await whole(deposit, package, version) == content


async def test_p08_what_is_put_or_marked_above_a_package_changes_nothing(gateway: Gateway) -> None:
    bucket, package = lock_bucket(gateway), name()
    deposit, client = deposit_at(gateway, bucket), gateway.client()
    first = await deposit.put(package, pieces(b"the package"))
    second = await deposit.put(package, pieces(b"another"))
    client.remove_object(bucket, package)  # a marker
    assert first != second
    assert await deposit.versions(package) == [first, second]
    assert await whole(deposit, package, first) == b"the package"
    with pytest.raises(ObjectTampered):
        await whole(deposit, package, None)
    assert await deposit.read(package, 100) is None


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"lock": False}, "keeps no versions"),
        ({"mode": None}, "default retention is none"),
        ({"mode": GOVERNANCE}, "default retention is 1 Days in GOVERNANCE mode"),
        ({"days": 30}, "default retention is 30 Days"),
    ],
)
async def test_p08_a_bucket_that_would_not_lock_gets_nothing(
    what: dict[str, object], said: str, gateway: Gateway
) -> None:
    bucket = lock_bucket(gateway, **what)  # type: ignore[arg-type]
    deposit = deposit_at(gateway, bucket)
    with pytest.raises(SettingsWrong, match=said) as refused:
        await deposit.check()
    assert refused.value.field == "archive_store"
    assert "nothing was sent" in refused.value.detail
    assert list(gateway.client().list_objects(bucket)) == []


async def test_a_versioned_bucket_without_object_lock_is_told_apart(gateway: Gateway) -> None:
    bucket = lock_bucket(gateway, lock=False)
    gateway.client().set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    with pytest.raises(SettingsWrong, match="has no Object Lock"):
        await deposit_at(gateway, bucket).check()


async def test_p08_an_object_that_the_store_did_not_lock_does_not_count(gateway: Gateway) -> None:
    bucket = lock_bucket(gateway, mode=None)
    for size in SIZES.values():
        with pytest.raises(StoreUnavailable, match="did not lock"):
            await deposit_at(gateway, bucket).put(name(), pieces(bytes(size)))


async def test_a_bucket_that_is_not_there_or_not_ours(gateway: Gateway) -> None:
    with pytest.raises(StoreUnavailable, match="mend the setting archive_store"):
        await deposit_at(gateway, "archive-nowhere").check()
    where = StoreBucket(bucket=lock_bucket(gateway), endpoint=gateway.endpoint)
    wrong = BucketDeposit(where, Secret(gateway.owner.access_key), Secret("wrong"))
    with pytest.raises(StoreUnavailable, match="archive_secret_key"):
        await wrong.check()


async def test_an_upload_that_breaks_off_leaves_no_object(gateway: Gateway) -> None:
    bucket, package = lock_bucket(gateway), name()
    deposit = deposit_at(gateway, bucket)

    async def breaking() -> AsyncIterator[bytes]:
        yield bytes(PART)
        yield bytes(PART)
        raise ObjectTampered("a paper is not what was filed")

    with pytest.raises(ObjectTampered):
        await deposit.put(package, breaking())
    assert await deposit.versions(package) == []
    assert gateway.client()._list_multipart_uploads(bucket).uploads == []


async def test_what_a_killed_process_left_of_an_upload_is_given_up_by_the_next(gateway: Gateway) -> None:
    bucket, package = lock_bucket(gateway), name()
    keys = Secret(gateway.owner.access_key), Secret(gateway.owner.secret_key)
    left = LockedBucket(StoreBucket(bucket=bucket, endpoint=gateway.endpoint), *keys, region="us-east-1", read_s=10)
    left.put_part(package, left.begin(package), 1, bytes(PART))
    content = secrets.token_bytes(SIZES["multipart"])
    version = await deposit_at(gateway, bucket).put(package, pieces(content))
    assert await whole(deposit_at(gateway, bucket), package, version) == content
    assert gateway.client()._list_multipart_uploads(bucket).uploads == []


async def test_a_store_that_goes_away_half_way(gateway: Gateway) -> None:
    bucket, package = lock_bucket(gateway), name()
    async with Proxy(gateway.port) as proxy:
        deposit = deposit_at(gateway, bucket, proxy.port)
        version = await deposit.put(package, pieces(bytes(2_000_000)))
        proxy.cut_after = 500_000
        with pytest.raises(StoreUnavailable, match="the archive's store failed"):
            await whole(deposit, package, version)


async def test_small_things_are_read_whole_and_no_further(gateway: Gateway) -> None:
    bucket, label = lock_bucket(gateway), Names(uuid.uuid4()).label
    deposit = deposit_at(gateway, bucket)
    assert await deposit.read(label, 10) is None
    await deposit.put(label, pieces(b"0123456789abcdef"))
    assert await deposit.read(label, 4) == b"01234"
    assert await deposit.read(label, 100) == b"0123456789abcdef"
