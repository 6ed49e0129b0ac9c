"""What only the directory store has: its files, its order of writing, failing disks and killed processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.objects import MEBIBYTE, all_names, fetched, new_name, pieces
from vault.adapters.stores.directory import DirectoryStore
from vault.errors import ObjectTampered, StoreUnavailable
from vault.ports import ObjectStore


@pytest.fixture(params=["directory_store", "directory_store_with_hidden_names"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(request.param)
    return found


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
