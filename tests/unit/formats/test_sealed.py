"""Documents at rest: against the published vectors, against the library, and against every kind of damage."""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvariantViolated, ObjectTampered
from vault.formats import sealed
from vault.formats.sealed import CHUNK_SIZE, HEADER_SIZE, SEALED_CHUNK_SIZE, ChunkReader, Sealer
from vault.model import CaseId, DocumentId

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "cobblestone-256.json").read_text())["tests"]
CASE = CaseId(uuid.UUID("0195f3a0-0000-7000-8000-000000000001"))
DOCUMENT = DocumentId(uuid.UUID("0195f3a0-0000-7000-8000-000000000002"))
KEY = bytes(range(32))

EDGES = (0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, 3 * CHUNK_SIZE - 1)
sizes = st.one_of(st.sampled_from(EDGES), st.integers(0, 5 * CHUNK_SIZE))


def text(size: int) -> bytes:
    """Bytes that differ from chunk to chunk, so that a swapped chunk shows."""
    return hashlib.shake_128(b"a document").digest(size)


def seal(plaintext: bytes, *, key: bytes = KEY, document: DocumentId = DOCUMENT) -> bytes:
    sealer = Sealer(key, CASE, document)
    return sealer.update(plaintext) + sealer.finalize()


def ready(stored: bytes) -> ChunkReader:
    """A reader that has done what a release does before its first byte."""
    reader = ChunkReader(KEY, CASE, DOCUMENT, len(stored))
    reader.begin(stored[:HEADER_SIZE])
    offset, length = reader.last_span()
    reader.open_last(stored[offset : offset + length])
    return reader


def read(stored: bytes, start: int = 0, length: int | None = None, *, step: int = 10_000) -> bytes:
    """What a release does: header, last chunk, then the span in pieces of ``step`` bytes."""
    reader = ready(stored)
    length = reader.plain_size - start if length is None else length
    offset, size = reader.span(start, length)
    opener = reader.opener(start, length)
    span = stored[offset : offset + size]
    out = b"".join(opener.update(span[i : i + step]) for i in range(0, len(span), step))
    opener.finalize()
    return out


def whole(stored: bytes) -> bytes:
    return ChunkReader(KEY, CASE, DOCUMENT, len(stored)).open_whole(stored)


# ------------------------------------------------------------------------------------------------ published vectors


def vector(number: int) -> tuple[dict[str, Any], bytes]:
    found = next(v for v in VECTORS if v["tcId"] == number)
    return found, zlib.decompress(bytes.fromhex(found["ct"]))


@pytest.mark.parametrize("number", [v["tcId"] for v in VECTORS if v["result"] == "valid"])
@pytest.mark.parametrize("how", [read, whole])
def test_valid_vectors_open(number: int, how: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    case, stored = vector(number)
    monkeypatch.setattr(sealed, "context_of", lambda *_: bytes.fromhex(case["ctx"]))
    monkeypatch.setitem(globals(), "KEY", bytes.fromhex(case["key"]))
    plaintext = how(stored)
    assert len(plaintext) == case["msgLength"]
    assert hashlib.sha512(plaintext).hexdigest() == case["msgSha512"]


@pytest.mark.parametrize("number", [v["tcId"] for v in VECTORS if v["result"] == "invalid"])
@pytest.mark.parametrize("how", [read, whole])
def test_invalid_vectors_fail(number: int, how: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    case, stored = vector(number)
    monkeypatch.setattr(sealed, "context_of", lambda *_: bytes.fromhex(case["ctx"]))
    monkeypatch.setitem(globals(), "KEY", bytes.fromhex(case["key"]))
    expected = InvariantViolated if "InvalidKeySize" in case["flags"] else ObjectTampered
    with pytest.raises(expected):
        how(stored)


@pytest.mark.parametrize("number", [v["tcId"] for v in VECTORS if v["result"] == "invalid"])
def test_the_last_chunk_tells_of_a_wrong_length(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wycheproof's ValidFinalChunk: only those vectors may get past the check that precedes the first byte."""
    case, stored = vector(number)
    monkeypatch.setattr(sealed, "context_of", lambda *_: bytes.fromhex(case["ctx"]))
    monkeypatch.setitem(globals(), "KEY", bytes.fromhex(case["key"]))
    if "ValidFinalChunk" in case["flags"]:
        assert ready(stored).plain_size > 0
    else:
        with pytest.raises((ObjectTampered, InvariantViolated)):
            ready(stored)


# ------------------------------------------------------------------------------------------------ with the library


@given(sizes, st.integers(1, 70_000))
def test_what_is_sealed_opens_here_and_with_the_library(size: int, step: int) -> None:
    plaintext = text(size)
    stored = seal(plaintext)
    other = Cobblestone256Decryptor(KEY, sealed.context_of(CASE, DOCUMENT))
    assert other.update(stored) + other.finalize() == plaintext
    assert read(stored, step=step) == plaintext
    assert whole(stored) == plaintext


@given(sizes, st.data(), st.integers(1, 70_000))
def test_every_range_is_that_range(size: int, data: st.DataObject, step: int) -> None:
    plaintext = text(size)
    start = data.draw(st.integers(0, size))
    length = data.draw(st.integers(0, size - start))
    assert read(seal(plaintext), start, length, step=step) == plaintext[start : start + length]


def test_a_span_is_no_longer_than_its_chunks() -> None:
    reader = ChunkReader(KEY, CASE, DOCUMENT, sealed.sealed_size(3 * CHUNK_SIZE))
    assert reader.header_span() == (0, 56)
    assert reader.span(0, 1) == (56, SEALED_CHUNK_SIZE)
    assert reader.span(CHUNK_SIZE - 1, 2) == (56, 2 * SEALED_CHUNK_SIZE)
    assert reader.span(CHUNK_SIZE, 1) == (56 + SEALED_CHUNK_SIZE, SEALED_CHUNK_SIZE)
    assert reader.span(5, 0) == (56, 0)
    assert reader.last_span() == (56 + 3 * SEALED_CHUNK_SIZE, 16)
    # A range that ends with the document takes the empty last chunk in.
    assert reader.span(3 * CHUNK_SIZE - 1, 1) == (56 + 2 * SEALED_CHUNK_SIZE, SEALED_CHUNK_SIZE + 16)


def test_single_chunks_open_by_index() -> None:
    plaintext = text(2 * CHUNK_SIZE + 5)
    stored = seal(plaintext)
    reader = ready(stored)
    second = stored[56 + SEALED_CHUNK_SIZE : 56 + 2 * SEALED_CHUNK_SIZE]
    assert reader.open_chunk(1, second) == plaintext[CHUNK_SIZE : 2 * CHUNK_SIZE]
    with pytest.raises(ObjectTampered):
        reader.open_chunk(0, second)
    with pytest.raises(ObjectTampered):
        reader.open_chunk(3, second)


# ------------------------------------------------------------------------------------------------ sizes


@given(st.one_of(sizes, st.integers(0, sealed.MAX_PLAIN_SIZE)))
def test_sizes_are_each_others_inverse(size: int) -> None:
    assert sealed.plain_size(sealed.sealed_size(size)) == size


@given(sizes)
def test_the_sealed_size_is_foretold(size: int) -> None:
    assert len(seal(text(size))) == sealed.sealed_size(size)


@pytest.mark.parametrize(
    "size",
    [-1, 0, 55, 56, 71, 56 + SEALED_CHUNK_SIZE, 56 + SEALED_CHUNK_SIZE + 15, 56 + 9 * SEALED_CHUNK_SIZE, 2**60],
)
def test_impossible_sizes_are_damage(size: int) -> None:
    with pytest.raises(ObjectTampered):
        sealed.plain_size(size)
    with pytest.raises(ObjectTampered):
        ChunkReader(KEY, CASE, DOCUMENT, size)


@pytest.mark.parametrize("size", [-1, sealed.MAX_PLAIN_SIZE + 1])
def test_no_document_has_an_impossible_size(size: int) -> None:
    with pytest.raises(InvariantViolated):
        sealed.sealed_size(size)


# ------------------------------------------------------------------------------------------------ damage


@given(sizes, st.data(), st.integers(1, 255))
def test_any_flipped_byte_is_found(size: int, data: st.DataObject, flip: int) -> None:
    stored = bytearray(seal(text(size)))
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= flip
    with pytest.raises(ObjectTampered):
        read(bytes(stored))
    with pytest.raises(ObjectTampered):
        whole(bytes(stored))


def test_every_single_byte_of_a_small_object_counts() -> None:
    stored = seal(text(7))
    for place in range(len(stored)):
        with pytest.raises(ObjectTampered):
            read(stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :])


@pytest.mark.parametrize("size", EDGES)
def test_a_cut_at_every_boundary_is_found_before_the_first_byte(size: int) -> None:
    stored = seal(text(size))
    ends = {0, 1, 55, 56, 57, 71, 72, len(stored) - 1}
    ends |= {56 + n * SEALED_CHUNK_SIZE + extra for n in range(4) for extra in (-1, 0, 1, 15, 16, 17)}
    for end in sorted(e for e in ends if 0 <= e < len(stored)):
        with pytest.raises(ObjectTampered):
            ready(stored[:end])


@given(sizes, st.binary(min_size=1, max_size=40))
def test_anything_appended_is_found_before_the_first_byte(size: int, extra: bytes) -> None:
    with pytest.raises(ObjectTampered):
        ready(seal(text(size)) + extra)


def test_no_byte_of_a_chunk_that_was_not_authenticated_is_given() -> None:
    plaintext = text(3 * CHUNK_SIZE)
    stored = bytearray(seal(plaintext))
    stored[56 + SEALED_CHUNK_SIZE + 100] ^= 1  # in the second chunk
    opener = ready(bytes(stored)).opener()
    given_out = opener.update(bytes(stored[56 : 56 + SEALED_CHUNK_SIZE]))
    assert given_out == plaintext[:CHUNK_SIZE]
    assert opener.update(bytes(stored[56 + SEALED_CHUNK_SIZE : 56 + 2 * SEALED_CHUNK_SIZE - 1])) == b""
    with pytest.raises(ObjectTampered):
        opener.update(bytes(stored[56 + 2 * SEALED_CHUNK_SIZE - 1 :]))
    # It stays closed, also for the chunks that are whole.
    with pytest.raises(ObjectTampered):
        opener.update(bytes(stored[56 + 2 * SEALED_CHUNK_SIZE :]))
    with pytest.raises(ObjectTampered):
        opener.finalize()


def test_a_span_that_ends_early_or_late_is_found() -> None:
    stored = seal(text(2 * CHUNK_SIZE + 3))
    early = ready(stored).opener()
    early.update(stored[56:-1])
    with pytest.raises(ObjectTampered):
        early.finalize()
    late = ready(stored).opener(0, 10)
    with pytest.raises(ObjectTampered):
        late.update(stored[56 : 56 + SEALED_CHUNK_SIZE + 1])


def test_an_object_opens_only_in_its_own_place_with_its_own_key() -> None:
    with pytest.raises(ObjectTampered):
        whole(seal(b"text", document=DocumentId(uuid.UUID(int=3))))
    with pytest.raises(ObjectTampered):
        whole(seal(b"text", key=bytes(32)))


def test_the_order_is_kept() -> None:
    stored = seal(text(10))
    reader = ChunkReader(KEY, CASE, DOCUMENT, len(stored))
    with pytest.raises(InvariantViolated):
        reader.open_last(stored[56:])
    reader.begin(stored[:56])
    with pytest.raises(InvariantViolated):
        reader.opener()
    reader.open_last(stored[56:])
    with pytest.raises(InvariantViolated):
        reader.opener(5, 6)
    with pytest.raises(InvariantViolated):
        Sealer(b"short", CASE, DOCUMENT)


def test_the_context_is_written_as_the_spec_says() -> None:
    assert sealed.context_of(CASE, DOCUMENT) == (
        b"vault/document/v1|0195f3a0-0000-7000-8000-000000000001|0195f3a0-0000-7000-8000-000000000002"
    )


def test_two_objects_of_the_same_text_differ() -> None:
    assert seal(b"text") != seal(b"text")


def test_the_worked_example_of_the_spec() -> None:
    example = json.loads((Path(__file__).parents[2] / "vectors" / "document.json").read_text())
    stored = bytes.fromhex(example["object"])
    key = bytes.fromhex(example["key"])
    case, document = CaseId(uuid.UUID(example["case"])), DocumentId(uuid.UUID(example["document"]))
    opened = ChunkReader(key, case, document, len(stored)).open_whole(stored)
    assert opened == example["plaintext"].encode()


def test_the_table_of_ranges_in_the_spec() -> None:
    reader = ChunkReader(KEY, CASE, DOCUMENT, sealed.sealed_size(40_000))
    assert reader.sealed_size == 40_104
    assert reader.last_span() == (32_856, 7_248)
    assert reader.span(16_000, 1_000) == (56, 32_800)
    assert reader.span(20_000, 1_000) == (16_456, 16_400)
    assert reader.span(39_999, 1) == (32_856, 7_248)
