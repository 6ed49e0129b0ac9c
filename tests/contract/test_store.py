"""One suite for every object store, written against the port; below it, what only the directory store has.

A further store joins by a fixture of its own in STORES, which gives a store that is empty.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vault.adapters.stores.directory import PIECE_SIZE, DirectoryStore
from vault.errors import InvariantViolated, ObjectTampered, StoreUnavailable
from vault.ports import ObjectStore

STORES = ["directory_store", "directory_store_with_hidden_names"]
MEBIBYTE = 1024 * 1024


@pytest.fixture
def directory_store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "objects")


@pytest.fixture
def directory_store_with_hidden_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryStore:
    """As on a file system that knows no files without a name."""
    monkeypatch.delattr(os, "O_TMPFILE")
    return DirectoryStore(tmp_path / "objects")


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(request.param)
    return found


def new_name() -> str:
    return secrets.token_hex(16)


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def fetched(store: ObjectStore, name: str, offset: int = 0, length: int | None = None) -> bytes:
    found = [piece async for piece in store.fetch(name, offset=offset, length=length)]
    assert all(0 < len(piece) <= PIECE_SIZE for piece in found)
    return b"".join(found)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def all_names(store: ObjectStore) -> list[str]:
    return sorted([name async for name in store.names()])


# ------------------------------------------------------------------------------------------------ the port's contract


@pytest.mark.parametrize(
    "content",
    [
        [],
        [b""],
        [b"a"],
        [b"a", b"", b"b"],
        [secrets.token_bytes(PIECE_SIZE)],
        [secrets.token_bytes(PIECE_SIZE + 1)],
        [secrets.token_bytes(70_000)] * 40,
        [secrets.token_bytes(3 * MEBIBYTE + 5)],
        [b"x" * 1000] * 3000,
    ],
    ids=["nothing", "empty", "one", "three", "piece", "more", "many", "large", "crumbs"],
)
async def test_what_is_put_is_fetched(store: ObjectStore, content: list[bytes]) -> None:
    name, whole = new_name(), b"".join(content)
    stored = await store.put(name, pieces(*content))
    assert (stored.name, stored.size) == (name, len(whole))
    assert await store.size(name) == len(whole)
    assert await fetched(store, name) == whole


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 0),
        (0, 1),
        (5, None),
        (5, 10),
        (PIECE_SIZE - 1, 2),
        (PIECE_SIZE, PIECE_SIZE),
        (1, 2 * MEBIBYTE),
        (3 * MEBIBYTE - 1, 1),
        (3 * MEBIBYTE, None),
        (3 * MEBIBYTE, 0),
    ],
)
async def test_ranges(store: ObjectStore, offset: int, length: int | None) -> None:
    content = secrets.token_bytes(3 * MEBIBYTE)
    name = new_name()
    await store.put(name, pieces(content))
    expected = content[offset:] if length is None else content[offset : offset + length]
    assert await fetched(store, name, offset, length) == expected


@pytest.mark.parametrize(("offset", "length"), [(0, 101), (100, 1), (101, None), (101, 0), (50, 51)])
async def test_a_range_beyond_the_end_is_damage_before_the_first_byte(
    store: ObjectStore, offset: int, length: int | None
) -> None:
    name = new_name()
    await store.put(name, pieces(bytes(100)))
    stream = store.fetch(name, offset=offset, length=length)
    with pytest.raises(ObjectTampered):
        await anext(stream)


async def test_a_missing_object(store: ObjectStore) -> None:
    with pytest.raises(ObjectTampered):
        await fetched(store, new_name())
    with pytest.raises(ObjectTampered):
        await store.size(new_name())


async def test_a_name_is_used_once(store: ObjectStore) -> None:
    name = new_name()
    await store.put(name, pieces(b"first"))
    with pytest.raises(InvariantViolated):
        await store.put(name, pieces(b"second"))
    assert await fetched(store, name) == b"first"
    assert await all_names(store) == [name]


async def test_of_many_puts_of_one_name_one_wins(store: ObjectStore) -> None:
    name = new_name()
    content = [bytes([n]) * 2000 for n in range(8)]
    results = await asyncio.gather(*(store.put(name, pieces(c)) for c in content), return_exceptions=True)
    won = [c for c, r in zip(content, results, strict=True) if not isinstance(r, BaseException)]
    assert len(won) == 1
    assert all(isinstance(r, InvariantViolated) for r in results if isinstance(r, BaseException))
    assert await fetched(store, name) == won[0]


@pytest.mark.parametrize(
    "name", ["", "ab", "A" * 32, "g" * 32, "../" + "a" * 29, "a" * 33, "a" * 32 + "\n", "." + "a" * 31]
)
async def test_other_names_are_our_own_bug(store: ObjectStore, name: str) -> None:
    for attempt in (
        store.put(name, pieces(b"x")),
        store.size(name),
        store.delete(name),
        fetched(store, name),
    ):
        with pytest.raises(InvariantViolated):
            await attempt


@pytest.mark.parametrize(("offset", "length"), [(-1, None), (0, -1)])
async def test_ranges_below_zero_are_our_own_bug(store: ObjectStore, offset: int, length: int | None) -> None:
    name = new_name()
    await store.put(name, pieces(b"x"))
    with pytest.raises(InvariantViolated):
        await fetched(store, name, offset, length)


@pytest.mark.parametrize("before", [0, 10, 5 * MEBIBYTE])
async def test_an_upload_that_breaks_off_leaves_nothing(store: ObjectStore, before: int) -> None:
    class BrokeOff(Exception):  # noqa: N818 - it stands for whatever the client's connection raises
        pass

    async def breaking() -> AsyncIterator[bytes]:
        for start in range(0, before, MEBIBYTE):
            yield bytes(min(MEBIBYTE, before - start))
        raise BrokeOff

    name = new_name()
    with pytest.raises(BrokeOff):
        await store.put(name, breaking())
    assert await all_names(store) == []
    # The name was never taken.
    await store.put(name, pieces(b"again"))
    assert await fetched(store, name) == b"again"


async def test_an_upload_that_is_cancelled_leaves_nothing(store: ObjectStore) -> None:
    waiting = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield bytes(2 * MEBIBYTE)
        waiting.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(store.put(new_name(), stalling()))
    await waiting.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await all_names(store) == []


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_cancellation_at_any_moment_leaves_all_or_nothing(store: ObjectStore, turns: int) -> None:
    """Also in the moment in which the object gets its name: who was cancelled was told of nothing."""
    name = new_name()
    upload = asyncio.create_task(store.put(name, pieces(bytes(MEBIBYTE), bytes(MEBIBYTE), b"end")))
    for turn in range(turns):
        await asyncio.sleep(0.0002 * (turn % 3))
    upload.cancel()
    try:
        await upload
    except asyncio.CancelledError:
        assert await all_names(store) == []
    else:
        assert await store.size(name) == 2 * MEBIBYTE + 3


async def test_nothing_is_seen_before_it_is_whole(store: ObjectStore) -> None:
    name = new_name()

    async def watching() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(MEBIBYTE)
            with pytest.raises(ObjectTampered):
                await store.size(name)
            with pytest.raises(ObjectTampered):
                await fetched(store, name)

    await store.put(name, watching())
    assert await store.size(name) == 3 * MEBIBYTE


async def test_a_fetch_closed_early(store: ObjectStore) -> None:
    name = new_name()
    await store.put(name, pieces(bytes(4 * MEBIBYTE)))
    before = open_files()
    for _ in range(20):
        stream = store.fetch(name)
        assert len(await anext(stream)) > 0
        await stream.aclose()  # type: ignore[attr-defined]
    assert open_files() <= before


async def test_an_object_deleted_while_it_is_read_is_whole_or_damaged(store: ObjectStore) -> None:
    name, content = new_name(), secrets.token_bytes(4 * MEBIBYTE)
    await store.put(name, pieces(content))
    stream = store.fetch(name)
    got = [await anext(stream)]
    await store.delete(name)
    try:
        got += [piece async for piece in stream]
    except ObjectTampered:
        return
    assert b"".join(got) == content


async def test_delete(store: ObjectStore) -> None:
    name, other = new_name(), new_name()
    await store.put(name, pieces(b"x"))
    await store.put(other, pieces(b"y"))
    await store.delete(name)
    with pytest.raises(ObjectTampered):
        await store.size(name)
    await store.delete(name)
    assert await all_names(store) == [other]


async def test_names(store: ObjectStore) -> None:
    assert await all_names(store) == []
    expected = sorted(new_name() for _ in range(60))
    await asyncio.gather(*(store.put(name, pieces(b"x")) for name in expected))
    assert await all_names(store) == expected


async def test_many_at_once(store: ObjectStore) -> None:
    content = {new_name(): secrets.token_bytes(50_000 + n) for n in range(60)}
    await asyncio.gather(*(store.put(name, pieces(c[:100], c[100:])) for name, c in content.items()))
    found = await asyncio.gather(*(fetched(store, name) for name in content))
    assert found == list(content.values())


async def test_check_leaves_nothing_behind(store: ObjectStore) -> None:
    await store.check()
    assert await all_names(store) == []


# ------------------------------------------------------------------------------------------------ the directory store


async def test_everything_is_for_the_owner_alone(store: ObjectStore, tmp_path: Path) -> None:
    name = new_name()
    await store.put(name, pieces(b"x"))
    objects = tmp_path / "objects"
    assert (objects / name[:2] / name).read_bytes() == b"x"
    directories = [objects, *objects.iterdir()]
    assert len(directories) == 257
    assert {stat.S_IMODE(d.stat().st_mode) for d in directories} == {0o700}
    files = [f for d in objects.iterdir() for f in d.iterdir()]
    assert [(f.name, stat.S_IMODE(f.stat().st_mode)) for f in files] == [(name, 0o600)]


async def test_the_order_of_writing(directory_store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes durable, then the name, then the name durable: any other order can lose an acknowledged object."""
    name, seen = new_name(), list[str]()
    fsync, link = os.fsync, os.link

    def watched_fsync(fd: int) -> None:
        seen.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def watched_link(*arguments: object, **options: object) -> None:
        seen.append("link")
        link(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    await directory_store.put(name, pieces(b"x"))
    assert seen == ["file", "link", "directory"]


@pytest.mark.parametrize("call", ["write", "fsync", "link", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
async def test_a_failing_disk_is_an_unavailable_store(
    store: ObjectStore, call: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, call, failing)
        with pytest.raises(StoreUnavailable, match="the object store failed: "):
            await store.put(new_name(), pieces(b"x"))
        if call != "link":
            with pytest.raises(StoreUnavailable):
                await store.check()
    assert await all_names(store) == []


async def test_a_name_that_could_not_be_made_durable_is_taken_back(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    fsync = os.fsync

    def second_fails(fd: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.EIO, "Input/output error")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(StoreUnavailable):
        await store.put(new_name(), pieces(b"x"))
    assert await all_names(store) == []


async def test_a_failed_read_is_an_unavailable_store(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_name()
    await store.put(name, pieces(b"x"))

    def failing(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(StoreUnavailable, match="input/output error"):
        await fetched(store, name)


async def test_a_file_cut_while_it_is_read_is_damage(directory_store: DirectoryStore, tmp_path: Path) -> None:
    name = new_name()
    await directory_store.put(name, pieces(bytes(3 * MEBIBYTE)))
    stream = directory_store.fetch(name)
    await anext(stream)
    os.truncate(tmp_path / "objects" / name[:2] / name, MEBIBYTE)
    with pytest.raises(ObjectTampered):
        async for _ in stream:
            pass


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        DirectoryStore(tmp_path / "file")


async def test_unfinished_uploads_are_shown_and_removed(directory_store: DirectoryStore, tmp_path: Path) -> None:
    """Where names are hidden first, a crash leaves ``.<name>``: it must be found, and deleting its name clears it."""
    name = new_name()
    leftover = tmp_path / "objects" / name[:2] / f".{name}"
    leftover.write_bytes(b"half")
    (tmp_path / "objects" / "ab" / "lost+found").mkdir()
    assert await all_names(directory_store) == [name]
    await directory_store.delete(name)
    assert not leftover.exists()
    assert await all_names(directory_store) == []


UPLOADS = """
import asyncio, secrets, sys
from pathlib import Path
from vault.adapters.stores.directory import DirectoryStore

async def content():
    for _ in range(5):
        yield bytes(600_000)

async def main():
    store = DirectoryStore(Path(sys.argv[1]))
    while True:
        name = secrets.token_hex(16)
        await store.put(name, content())
        print(name, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 2, 5])
def test_p04_a_killed_process_leaves_whole_objects_or_none(tmp_path: Path, after: int) -> None:
    objects = tmp_path / "objects"
    process = subprocess.Popen([sys.executable, "-c", UPLOADS, str(objects)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    asyncio.run(require_whole(DirectoryStore(objects), set(acknowledged)))


async def require_whole(store: ObjectStore, acknowledged: set[str]) -> None:
    names = await all_names(store)
    assert acknowledged <= set(names)
    for name in names:
        assert await store.size(name) == 5 * 600_000
