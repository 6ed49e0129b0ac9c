"""What only the S3 store has: parts, versions, refusals of the server, and a server that is gone, stuck or lies."""

from __future__ import annotations

import asyncio
import hashlib
import io
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.objectlockconfig import DAYS, ObjectLockConfig

from tests.contract.conftest import s3_store_at
from tests.support.objects import MEBIBYTE, all_names, fetched, new_name, pieces
from tests.support.proxy import Proxy
from tests.support.rgw import Account, Gateway
from vault.adapters.stores import s3_bucket, s3_http
from vault.adapters.stores.s3 import PART_SIZE, S3Store
from vault.errors import InvariantViolated, ObjectTampered, SettingsWrong, StoreUnavailable
from vault.settings import Secret, StoreBucket

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Place:
    """A bucket of the test's own, the store over it, and a client that sees all of it."""

    def __init__(self, gateway: Gateway, bucket: str) -> None:
        self.gateway = gateway
        self.bucket = bucket
        self.client: Minio = gateway.client()

    def store(self, **options: object) -> S3Store:
        return s3_store_at(self.gateway, self.bucket, **options)  # type: ignore[arg-type]

    def versions(self) -> list[str]:
        found = self.client.list_objects(self.bucket, recursive=True, include_version=True)
        return [str(version.object_name) for version in found]

    def unfinished(self) -> list[str]:
        return [upload.object_name for upload in self.client._list_multipart_uploads(self.bucket).uploads]

    def is_empty(self) -> bool:
        return self.versions() == [] and self.unfinished() == []

    def place(self, name: str, content: bytes = b"x") -> None:
        self.client.put_object(self.bucket, name, io.BytesIO(content), len(content))


@pytest.fixture(params=["plain", "versioned"])
def place(request: pytest.FixtureRequest, gateway: Gateway) -> Place:
    return Place(gateway, gateway.bucket(versioned=request.param == "versioned"))


@pytest.fixture
def plain(gateway: Gateway) -> Place:
    return Place(gateway, gateway.bucket())


def impatient(monkeypatch: pytest.MonkeyPatch, place: Place, seconds: float = 1.0) -> S3Store:
    """A store with the same rules but less patience, so that the tests need less of it too."""
    monkeypatch.setattr(s3_http, "READ_S", seconds)
    where = StoreBucket(bucket=place.bucket, endpoint=place.gateway.endpoint)
    owner = place.gateway.owner
    return S3Store(where, Secret(owner.access_key), Secret(owner.secret_key), patience_s=seconds)


async def stream(content: bytes, step: int = 100_003) -> AsyncIterator[bytes]:
    for start in range(0, len(content), step):
        yield content[start : start + step]


def every_call(store: S3Store, name: str, content: bytes = b"x") -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "put": lambda: store.put(new_name(), pieces(content)),
        "fetch": lambda: fetched(store, name),
        "nothing": lambda: fetched(store, name, 0, 0),
        "size": lambda: store.size(name),
        "delete": lambda: store.delete(name),
        "names": lambda: all_names(store),
        "check": store.check,
        "sweep": lambda: store.abort_unfinished(0),
    }


async def refusal(call: Callable[[], Awaitable[object]]) -> tuple[str, float]:
    """What the store said, and after how many seconds."""
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable) as refused:
        await call()
    return str(refused.value), time.monotonic() - begun


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


class BrokeOff(Exception):
    pass


@pytest.mark.parametrize("before", [0, 1, PART_SIZE, PART_SIZE + 1, 5 * PART_SIZE + 7])
async def test_a_body_that_fails_leaves_nothing(place: Place, before: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        async for piece in stream(bytes(before)):
            yield piece
        raise BrokeOff

    with pytest.raises(BrokeOff):
        await place.store().put(new_name(), breaking())
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


async def test_a_missing_bucket_is_no_missing_object(gateway: Gateway) -> None:
    store = s3_store_at(gateway, "no-such-bucket")
    for call in every_call(store, new_name()).values():
        said, _ = await refusal(call)
        assert said == ("the object store failed: there is no such bucket: create it, or mend the setting store")


@pytest.mark.parametrize("bucket", ["a", "UPPER..lower", "-", "1.2.3.4"])
def test_a_bucket_that_cannot_be(gateway: Gateway, bucket: str) -> None:
    with pytest.raises(SettingsWrong, match="store: expected"):
        s3_store_at(gateway, bucket)


# ------------------------------------------------------------------------------ a server that is stuck or is gone


def test_the_limits_that_are_promised() -> None:
    """`s3_http` and the manual name them; the tests below run with shorter ones."""
    assert (s3_http.CONNECT_S, s3_http.READ_S, s3_http.RETRIES) == (2.0, 10.0, 2)


async def test_a_server_that_is_stuck(plain: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name, content, store = new_name(), secrets.token_bytes(100_000), impatient(monkeypatch, plain)
    await store.put(name, pieces(content))
    plain.gateway.pause()
    try:
        calls = every_call(store, name)
        said = await asyncio.gather(*(refusal(call) for call in calls.values()))
    finally:
        plain.gateway.resume()
    for words, seconds in said:
        assert words == "the object store failed: it did not answer in time"
        assert seconds < 4  # one second for the answer, one for clearing up, and what two cores are busy with
    assert (await store.put(other := new_name(), pieces(content))).size == len(content)
    assert await fetched(store, other) == content


async def test_a_server_that_gets_stuck_while_parts_are_sent(plain: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name, store = new_name(), impatient(monkeypatch, plain)

    async def content() -> AsyncIterator[bytes]:
        for number in range(6 * 8):
            if number == 2 * 8 + 1:
                plain.gateway.pause()
            yield bytes(MEBIBYTE)

    try:
        said, seconds = await refusal(lambda: store.put(name, content()))
    finally:
        plain.gateway.resume()
    assert said == "the object store failed: it did not answer in time"
    assert seconds < 8
    # What was asked to be cleared while the server was stuck it may do now, or never: the sweeper sees to it.
    await store.abort_unfinished(-5)
    assert plain.is_empty()


async def test_a_download_from_a_server_that_gets_stuck(plain: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name, store = new_name(), impatient(monkeypatch, plain)
    await store.put(name, stream(bytes(60 * MEBIBYTE), MEBIBYTE))
    download = store.fetch(name)
    await anext(download)
    plain.gateway.pause()
    try:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable):
            async for _ in download:
                pass
        assert time.monotonic() - begun < 4
    finally:
        plain.gateway.resume()


@pytest.mark.parametrize("after_first_piece", [False, True])
async def test_a_download_is_cut_at_once_though_the_server_is_stuck(plain: Place, after_first_piece: bool) -> None:
    name, store, begun = new_name(), plain.store(), asyncio.Event()
    await store.put(name, stream(bytes(60 * MEBIBYTE), MEBIBYTE))

    async def download() -> None:
        stream = store.fetch(name)
        if after_first_piece:
            await anext(stream)
        plain.gateway.pause()
        begun.set()
        async for _ in stream:
            pass

    try:
        reader = asyncio.create_task(download())
        await begun.wait()
        await asyncio.sleep(0.3)
        reader.cancel()
        before = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert time.monotonic() - before < 0.5
    finally:
        plain.gateway.resume()


async def test_a_server_that_is_gone_and_comes_back(plain: Place) -> None:
    name, content, store = new_name(), secrets.token_bytes(100_000), plain.store()
    await store.put(name, pieces(content))
    plain.gateway.kill()
    try:
        for call in every_call(store, name).values():
            said, seconds = await refusal(call)
            assert said == "the object store failed: it cannot be reached"
            assert seconds < 3
    finally:
        plain.gateway.restart()
    assert await fetched(store, name) == content
    await store.check()


async def test_a_server_that_dies_while_parts_are_sent(plain: Place) -> None:
    name, store = new_name(), plain.store()

    async def content() -> AsyncIterator[bytes]:
        for number in range(6 * 8):
            if number == 2 * 8 + 1:
                plain.gateway.kill()
            yield bytes(MEBIBYTE)

    try:
        _, seconds = await refusal(lambda: store.put(name, content()))
    finally:
        plain.gateway.restart()
    assert seconds < 8
    await store.delete(name)
    assert plain.is_empty()


# -------------------------------------------------------------------------------- a connection that breaks or lies


async def test_a_download_that_is_cut_never_looks_complete(plain: Place) -> None:
    name, content = new_name(), secrets.token_bytes(3 * MEBIBYTE)
    await plain.store().put(name, pieces(content))
    async with Proxy(plain.gateway.port) as proxy:
        store, got = plain.store(endpoint=proxy.endpoint), b""
        proxy.cut_after = 2 * MEBIBYTE
        with pytest.raises(StoreUnavailable, match="the connection broke"):
            async for piece in store.fetch(name):
                got += piece
        assert len(got) < len(content)
        assert content.startswith(got)
        proxy.cut_after = None
        assert await fetched(store, name) == content


@pytest.mark.parametrize("answer", [BROKEN, HTML], ids=["500", "html"])
async def test_a_server_that_answers_nonsense(plain: Place, answer: bytes) -> None:
    name = new_name()
    await plain.store().put(name, pieces(b"x"))
    async with Proxy(plain.gateway.port) as proxy:
        store = plain.store(endpoint=proxy.endpoint)
        proxy.answer, proxy.answer_times = answer, 10**6
        calls = every_call(store, name)
        if answer == HTML:
            # A success without a body to look into is taken at its word.
            calls = {kind: call for kind, call in calls.items() if kind not in {"fetch", "nothing", "size"}}
        for call in calls.values():
            said, seconds = await refusal(call)
            assert said.startswith("the object store failed: ")
            assert seconds < 5
    assert plain.versions() == [name]


async def test_a_call_that_fails_twice_is_tried_a_third_time(plain: Place) -> None:
    name = new_name()
    async with Proxy(plain.gateway.port) as proxy:
        store = plain.store(endpoint=proxy.endpoint)
        proxy.answer = BROKEN
        for call in (lambda: store.put(name, pieces(b"x")), lambda: fetched(store, name), lambda: store.size(name)):
            proxy.answer_times = 2
            await call()
        assert proxy.answer_times == 0
    assert plain.versions() == [name]


@pytest.mark.parametrize(("times", "stored"), [(1, True), (2, True), (3, False)])
async def test_an_upload_whose_answer_is_lost(plain: Place, times: int, stored: bool) -> None:
    """The second try finds the name taken, by the first: that is no stranger's object."""
    name, content = new_name(), secrets.token_bytes(1000)
    async with Proxy(plain.gateway.port) as proxy:
        store = plain.store(endpoint=proxy.endpoint)
        proxy.lose, proxy.lose_times = b"PUT ", times
        if stored:
            await store.put(name, pieces(content))
            assert await fetched(store, name) == content
        else:
            await refusal(lambda: store.put(name, pieces(content)))
            assert plain.is_empty()


async def test_a_lost_answer_does_not_hide_a_strangers_object(plain: Place) -> None:
    name = new_name()
    plain.place(name, b"a stranger's")
    async with Proxy(plain.gateway.port) as proxy:
        proxy.lose, proxy.lose_times = b"PUT ", 1
        with pytest.raises(InvariantViolated):
            await plain.store(endpoint=proxy.endpoint).put(name, pieces(b"ours"))
    assert await fetched(plain.store(), name) == b"a stranger's"


@pytest.mark.parametrize("request_line", ["POST /{bucket}/{name}?uploads", "POST /{bucket}/{name}?uploadId", "PUT "])
async def test_an_upload_in_parts_that_loses_an_answer(plain: Place, request_line: str) -> None:
    """Only the first answer of all cannot be made up for: nobody knows the upload that it named."""
    name, content = new_name(), secrets.token_bytes(2 * PART_SIZE + 1)
    async with Proxy(plain.gateway.port) as proxy:
        store = plain.store(endpoint=proxy.endpoint)
        proxy.lose = request_line.format(bucket=plain.bucket, name=name).encode()
        proxy.lose_times = 1
        if request_line.endswith("uploads"):
            await refusal(lambda: store.put(name, stream(content)))
            assert plain.is_empty()
            return
        await store.put(name, stream(content))
        assert hashlib.sha256(await fetched(store, name)).digest() == hashlib.sha256(content).digest()
    assert plain.unfinished() == []


@pytest.mark.parametrize("size", [1000, 2 * PART_SIZE + 1])
async def test_bytes_that_change_on_the_way_are_refused(place: Place, size: int) -> None:
    async with Proxy(place.gateway.port) as proxy:
        store = place.store(endpoint=proxy.endpoint)
        proxy.flip = True
        said, _ = await refusal(lambda: store.put(new_name(), stream(secrets.token_bytes(size))))
        assert said == "the object store failed: it answered with status 400"
    assert place.is_empty()
