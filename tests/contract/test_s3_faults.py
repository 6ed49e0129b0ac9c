"""The S3 store before a server that is stuck, is gone, breaks off, answers nonsense or gets other bytes."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.objects import MEBIBYTE, fetched, new_name, pieces
from tests.support.places import Place, every_call, impatient, refusal, stream
from tests.support.proxy import Proxy
from vault.adapters.stores import s3_http
from vault.adapters.stores.s3 import PART_SIZE
from vault.errors import InvariantViolated, StoreUnavailable

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


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


async def test_a_large_object_counts_by_what_the_store_says_of_it(place: Place) -> None:
    """Asked once, after the last part: the answer to that names an ETag in some stores and none in others."""
    name, content = new_name(), secrets.token_bytes(PART_SIZE + 1)
    async with Proxy(place.gateway.port) as proxy:
        await place.store(endpoint=proxy.endpoint).put(name, stream(content))
        made = [line.split(b" ")[0] for line in proxy.requests]
    assert made[-2:] == [b"POST", b"HEAD"]
    assert made.count(b"POST") == 2
    assert await fetched(place.store(), name) == content


async def test_an_error_that_looks_like_a_success_is_none(place: Place) -> None:
    """To the last call of an upload in parts a store may answer 200, and an error behind it."""
    name, body = new_name(), b"<Error><Code>InternalError</Code><Message>we are sorry</Message></Error>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with Proxy(place.gateway.port) as proxy:
        proxy.answer, proxy.answer_times = head + body, 1
        proxy.answer_to = f"POST /{place.bucket}/{name}?uploadId".encode()
        said, _ = await refusal(lambda: place.store(endpoint=proxy.endpoint).put(name, stream(bytes(PART_SIZE + 1))))
        assert proxy.answer_times == 0
    assert said == "the object store failed: it did not keep what was sent"
    assert place.is_empty()


@pytest.mark.parametrize("size", [1000, 2 * PART_SIZE + 1])
async def test_bytes_that_change_on_the_way_are_refused(place: Place, size: int) -> None:
    async with Proxy(place.gateway.port) as proxy:
        store = place.store(endpoint=proxy.endpoint)
        proxy.flip = True
        said, _ = await refusal(lambda: store.put(new_name(), stream(secrets.token_bytes(size))))
        assert said == "the object store failed: it answered with status 400"
    assert place.is_empty()
