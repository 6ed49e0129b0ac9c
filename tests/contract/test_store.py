"""The contract of the object stores: one suite for every store, written against the port.

A further store joins by a fixture of its own in STORES, which gives a store that is empty.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.objects import MEBIBYTE, all_names, fetched, new_name, pieces
from vault.adapters.stores.common import PIECE_SIZE
from vault.errors import InvariantViolated, ObjectTampered
from vault.ports import ObjectStore

STORES = ["directory_store", "directory_store_with_hidden_names", "s3_store", "versioned_s3_store"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> ObjectStore:
    found: ObjectStore = request.getfixturevalue(request.param)
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


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
    class BrokeOff(Exception):
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
