"""What only the S3 store has: parts, versions, locks, and a server that refuses."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from minio.commonconfig import COMPLIANCE
from minio.objectlockconfig import DAYS, ObjectLockConfig

from tests.support.objects import MEBIBYTE, all_names, fetched, new_name, pieces
from tests.support.places import BrokeOff, Place, breaking_after, every_call, refusal, s3_store_at, stream
from tests.support.rgw import Account, Gateway
from vault.adapters.stores import s3_bucket
from vault.adapters.stores.s3 import PART_SIZE
from vault.errors import InvariantViolated, ObjectTampered, SettingsWrong

# ------------------------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        (5 * MEBIBYTE - 1, None),
        (5 * MEBIBYTE, None),
        (5 * MEBIBYTE + 1, None),
        (PART_SIZE - 1, None),
        (PART_SIZE, None),
        (PART_SIZE + 1, 2),
        (2 * PART_SIZE, 2),
        (3 * PART_SIZE + 1, 4),
        (6 * PART_SIZE - 1, 6),
    ],
)
async def test_the_boundaries_of_parts(plain: Place, size: int, parts: int | None) -> None:
    name, content, store = new_name(), secrets.token_bytes(size), plain.store()
    assert (await store.put(name, stream(content, 7 * MEBIBYTE if size % 2 else 100_003))).size == size
    assert await store.size(name) == size
    assert await fetched(store, name) == content
    assert await fetched(store, name, size - 1) == content[-1:]
    assert await fetched(store, name, size // 3, size // 2) == content[size // 3 :][: size // 2]
    etag = plain.client.stat_object(plain.bucket, name).etag or ""
    assert etag.partition("-")[2] == ("" if parts is None else str(parts))
    assert plain.unfinished() == []


BOUNDED = """
import asyncio, resource, sys
from vault.adapters.stores.s3 import S3Store
from vault.settings import Secret, StoreBucket

BLOCK = bytes(range(256)) * 256

async def content(blocks):
    for _ in range(blocks):
        yield BLOCK

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main(endpoint, bucket, access_key, secret_key):
    store = S3Store(StoreBucket(bucket=bucket, endpoint=endpoint), Secret(access_key), Secret(secret_key))
    await store.put("a" * 32, content(1))
    assert [piece async for piece in store.fetch("a" * 32)] == [BLOCK]
    before = peak()
    await store.put("b" * 32, content(1600))
    got = 0
    async for piece in store.fetch("b" * 32):
        got += len(piece)
    assert got == 1600 * len(BLOCK) == 100 * 1024 * 1024
    print(peak() - before)

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_hundred_mebibytes_in_bounded_memory(plain: Place) -> None:
    owner = plain.gateway.owner
    arguments = [plain.gateway.endpoint, plain.bucket, owner.access_key, owner.secret_key]
    done = subprocess.run([sys.executable, "-c", BOUNDED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 64 * 1024


@pytest.mark.parametrize("before", [0, 1, PART_SIZE, PART_SIZE + 1, 5 * PART_SIZE + 7])
async def test_a_body_that_fails_leaves_nothing(place: Place, before: int) -> None:
    with pytest.raises(BrokeOff):
        await place.store().put(new_name(), breaking_after(before))
    assert place.is_empty()


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("size", [1000, 4 * PART_SIZE + 7])
async def test_a_cancelled_upload_leaves_nothing(place: Place, size: int, delay_s: float) -> None:
    name, content = new_name(), bytes(size)
    upload = asyncio.create_task(place.store().put(name, stream(content, MEBIBYTE)))
    await asyncio.sleep(delay_s)
    upload.cancel()
    try:
        await upload
    except asyncio.CancelledError:
        assert place.is_empty()
    else:
        assert set(place.versions()) == {name}
        assert place.unfinished() == []


# ---------------------------------------------------------------------------------------------- names and versions


@pytest.mark.parametrize("size", [1000, PART_SIZE + 1])
async def test_a_name_that_another_process_used(place: Place, size: int) -> None:
    name, first = new_name(), secrets.token_bytes(1000)
    await place.store().put(name, pieces(first))
    with pytest.raises(InvariantViolated):
        await place.store().put(name, stream(secrets.token_bytes(size)))
    assert await fetched(place.store(), name) == first
    assert place.versions() == [name]
    assert place.unfinished() == []


async def test_delete_removes_every_version_and_upload(place: Place) -> None:
    name, other, store = new_name(), new_name(), place.store()
    for content in (b"one", b"two", b"three"):
        place.place(name, content)
    place.client.remove_object(place.bucket, name)
    place.place(name, b"four")
    place.place(other)
    place.client._create_multipart_upload(place.bucket, name, {})
    await store.delete(name)
    assert place.versions() == [other]
    assert place.unfinished() == []
    await store.delete(name)
    assert place.versions() == [other]


async def test_an_object_under_a_delete_marker_is_missing_but_named(gateway: Gateway) -> None:
    place = Place(gateway, gateway.bucket(versioned=True))
    name, store = new_name(), place.store()
    await store.put(name, pieces(b"x"))
    place.client.remove_object(place.bucket, name)
    for attempt in (fetched(store, name), store.size(name)):
        with pytest.raises(ObjectTampered):
            await attempt
    assert await all_names(store) == [name]
    await store.delete(name)
    assert place.is_empty()


async def test_names_come_in_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_bucket, "PAGE", 2)
    for other in ("README", "a/b", "f" * 31, "0" * 32 + ".tmp", "zz"):
        place.place(other)
    objects, uploads = [new_name() for _ in range(5)], [new_name() for _ in range(5)]
    for name in objects:
        place.place(name)
        place.place(name)
    # One name with an object and more uploads than fit a page, and uploads of other names.
    for name in [*uploads, objects[0], uploads[0], uploads[0], uploads[0], "elsewhere"]:
        place.client._create_multipart_upload(place.bucket, name, {})
    assert await all_names(place.store()) == sorted([*objects, *uploads])


async def test_unfinished_uploads_are_aborted_when_old(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_bucket, "PAGE", 2)
    names, store = [new_name() for _ in range(5)], place.store()
    for name in [*names, names[0], names[0], "elsewhere"]:
        place.client._create_multipart_upload(place.bucket, name, {})
    assert await store.abort_unfinished(60) == 0
    assert sorted(await all_names(store)) == sorted(names)
    assert await store.abort_unfinished(-5) == 7
    assert place.unfinished() == ["elsewhere"]
    assert await store.abort_unfinished(-5) == 0


async def test_a_bucket_that_locks_objects(gateway: Gateway) -> None:
    """The check can leave nothing behind, and a locked object that will not go is told in plain words."""
    bucket, name = f"locked-{secrets.token_hex(6)}", new_name()
    place = Place(gateway, bucket)
    place.client.make_bucket(bucket, object_lock=True)
    place.client.set_object_lock_config(bucket, ObjectLockConfig(COMPLIANCE, 1, DAYS))
    store = place.store()
    await store.check()
    assert place.is_empty()
    await store.put(name, pieces(b"x"))
    said, _ = await refusal(lambda: store.delete(name))
    assert "access is refused" in said
    assert await fetched(store, name) == b"x"


@pytest.mark.parametrize(("now", "offset", "length"), [(b"short", 0, 100), (b"short", 50, None), (b"", 0, 1)])
async def test_an_object_that_was_cut_in_the_store(plain: Place, now: bytes, offset: int, length: int | None) -> None:
    name, store = new_name(), plain.store()
    await store.put(name, pieces(bytes(100)))
    plain.place(name, now)
    with pytest.raises(ObjectTampered):
        await anext(store.fetch(name, offset=offset, length=length))


# ------------------------------------------------------------------------------------------ a server that refuses


async def test_refusals_say_what_to_do_and_never_the_secret(plain: Place, gateway: Gateway) -> None:
    name, stranger = new_name(), gateway.account(f"stranger-{secrets.token_hex(4)}")
    wrong, unknown = Account(gateway.owner.access_key, secrets.token_hex(16)), Account("nobody", secrets.token_hex(16))
    await plain.store().put(name, pieces(b"x"))
    for account, words in (
        (wrong, {"store_secret_key", "access is refused"}),
        (unknown, {"store_access_key", "access is refused"}),
        (stranger, {"access is refused"}),
    ):
        store = plain.store(account=account)
        for call in every_call(store, name).values():
            said, seconds = await refusal(call)
            assert any(word in said for word in words)
            assert seconds < 5
            assert not any(told in said for told in (account.secret_key, account.access_key, plain.bucket, name))
        assert account.secret_key not in repr(vars(store))
    assert plain.versions() == [name]


async def test_the_permissions_that_the_manual_names_suffice(place: Place, gateway: Gateway) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "howto" / "s3.md").read_text(encoding="utf-8")
    policy = manual.split("```json\n")[1].split("```")[0]
    clerk = gateway.account(f"clerk-{secrets.token_hex(4)}")
    policy = policy.replace("user/vault", f"user/{clerk.access_key}").replace("vault-objects", place.bucket)
    place.client.set_bucket_policy(place.bucket, policy)
    name, content, store = new_name(), secrets.token_bytes(PART_SIZE + 1), place.store(account=clerk)
    await store.check()
    await store.put(name, stream(content))
    with pytest.raises(InvariantViolated):
        await store.put(name, pieces(b"x"))
    assert await fetched(store, name) == content
    assert await all_names(store) == [name]
    with pytest.raises(ObjectTampered):
        await store.size(new_name())
    with pytest.raises(BrokeOff):
        await store.put(new_name(), breaking_after(2 * PART_SIZE + 1))
    await store.delete(name)
    assert place.is_empty()


async def test_a_missing_bucket_is_no_missing_object(gateway: Gateway) -> None:
    store = s3_store_at(gateway, "no-such-bucket")
    for call in every_call(store, new_name()).values():
        said, _ = await refusal(call)
        assert said == ("the object store failed: there is no such bucket: create it, or mend the setting store")


@pytest.mark.parametrize("bucket", ["a", "UPPER..lower", "-", "1.2.3.4"])
def test_a_bucket_that_cannot_be(gateway: Gateway, bucket: str) -> None:
    with pytest.raises(SettingsWrong, match="store: expected"):
        s3_store_at(gateway, bucket)
