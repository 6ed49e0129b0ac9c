"""The tree and its proofs: what is made here is checked by the verifier, by published vectors and by other software."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.logs import MemoryLog, leaf
from vault import verifier
from vault.errors import InvalidInput, InvariantViolated
from vault.formats import merkle, tiles
from vault.verifier import Unverified

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "tlog.json").read_text())
LARGEST = 5_000
# Where trees change their shape: around powers of two and around tiles.
EDGES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, LARGEST]
sizes = st.sampled_from(EDGES) | st.integers(0, LARGEST)


@cache
def log() -> MemoryLog:
    grown = MemoryLog()
    at = 0
    while at < LARGEST:
        step = min(1 + (at * 7) % 300, LARGEST - at)
        grown.append([leaf(n) for n in range(at, at + step)])
        at += step
    return grown


@cache
def root(size: int) -> bytes:
    return log().root(size)


def flipped(content: bytes, bit: int) -> bytes:
    bit %= len(content) * 8
    return content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    leaves = [verifier.leaf_hash(bytes.fromhex(data)) for data in VECTORS["leaves"][:size]]
    expected = bytes.fromhex(VECTORS["roots"][size])
    assert (
        merkle.root_of(leaves) == verifier.tree_hash(leaves) == tiles.grow(tiles.Edge(), leaves)[0].root() == expected
    )


def test_published_consistency_proof() -> None:
    grown = MemoryLog()
    grown.append([verifier.leaf_hash(bytes.fromhex(data)) for data in VECTORS["leaves"]])
    assert grown.consistency(1, 8) == [bytes.fromhex(one) for one in VECTORS["consistency_1_8"]]


def test_pymerkle_makes_the_same_roots_and_proofs() -> None:
    """The package pymerkle 7 is written by others, from the same RFC."""
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for n in range(600):
        other.append_entry(b"%d" % n)
    for size in [*range(1, 70), 255, 256, 257, 512, 600]:
        assert other.get_root(size) == log().root(size)
        for index in {0, size // 3, size // 2, size - 1}:
            assert other.prove_inclusion(index + 1, size).path[1:] == log().inclusion(index, size)
        for old in {1, size // 3 or 1, size // 2 or 1, size}:
            proof = other.prove_consistency(old, size)
            verifier.verify_consistency(old, root(old), size, root(size), log().consistency(old, size))
            pymerkle.verify_consistency(root(old), root(size), proof)


@given(sizes, st.integers(0, LARGEST))
def test_every_leaf_is_proved(size: int, at: int) -> None:
    assert root(size) == verifier.tree_hash(log().leaves[:size])
    if size == 0:
        with pytest.raises(InvariantViolated):
            merkle.inclusion_ranges(0, 0)
        with pytest.raises(Unverified):
            verifier.verify_inclusion(leaf(0), 0, 0, [], root(0))
        return
    index = at % size
    verifier.verify_inclusion(leaf(index), index, size, log().inclusion(index, size), root(size))


@given(sizes, sizes)
def test_every_tree_begins_with_every_smaller_one(one: int, other: int) -> None:
    old, size = sorted((one, other))
    verifier.verify_consistency(old, root(old), size, root(size), log().consistency(old, size))


@given(st.integers(1, LARGEST), st.integers(0, LARGEST), st.integers(0, 2**20), st.sampled_from(range(6)))
def test_a_changed_inclusion_proof_is_refused(size: int, at: int, bit: int, what: int) -> None:
    index = at % size
    proof, head, one = log().inclusion(index, size), root(size), leaf(index)
    if what == 0:
        one = flipped(one, bit)
    elif what == 1:
        head = flipped(head, bit)
    elif what == 2 and proof:
        proof[bit % len(proof)] = flipped(proof[bit % len(proof)], bit)
    elif what == 3 and proof:
        del proof[bit % len(proof)]
    elif what == 4:
        proof.insert(bit % (len(proof) + 1), flipped(head, bit))
    elif size > 1:
        index = (index + 1 + bit % (size - 1)) % size
    else:
        size = 2
    with pytest.raises(Unverified):
        verifier.verify_inclusion(one, index, size, proof, head)


@given(st.integers(1, LARGEST), st.integers(1, LARGEST), st.integers(0, 2**20), st.sampled_from(range(5)))
def test_a_changed_consistency_proof_is_refused(one: int, other: int, bit: int, what: int) -> None:
    old, size = sorted((one, other))
    proof, old_root, new_root = log().consistency(old, size), root(old), root(size)
    if what == 0:
        old_root = flipped(old_root, bit)
    elif what == 1:
        new_root = flipped(new_root, bit)
    elif what == 2 and proof:
        proof[bit % len(proof)] = flipped(proof[bit % len(proof)], bit)
    elif what == 3 and proof:
        del proof[bit % len(proof)]
    else:
        proof.append(flipped(new_root, bit))
    with pytest.raises(Unverified):
        verifier.verify_consistency(old, old_root, size, new_root, proof)


def test_no_tree_shrinks() -> None:
    with pytest.raises(Unverified, match="smaller"):
        verifier.verify_consistency(8, root(8), 7, root(7), [])
    with pytest.raises(InvariantViolated):
        merkle.consistency_ranges(8, 7)
    with pytest.raises(Unverified, match="empty tree"):
        verifier.verify_consistency(0, root(1), 5, root(5), [])


@given(st.lists(st.integers(0, 700), max_size=8))
def test_growing_in_steps_is_growing_at_once(steps: list[int]) -> None:
    stepwise, at = MemoryLog(), 0
    for step in steps:
        stepwise.append([leaf(n) for n in range(at, at + step)])
        at += step
        assert stepwise.edge.root() == verifier.tree_hash(stepwise.leaves)
    whole, _ = tiles.grow(tiles.Edge(), stepwise.leaves)
    assert whole.root() == stepwise.edge.root()
    widths = {place: width for place, width in tiles.edge_tiles(at) if width}
    assert {place: len(held) // 32 for place, held in stepwise.tiles.items() if len(held) < 8192} == widths


def test_tiles_of_the_published_example() -> None:
    """C2SP tlog-tiles, Partial Tiles: 70,000 leaves."""
    assert tiles.edge_tiles(70_000) == [((0, 273), 112), ((1, 1), 17), ((2, 0), 1)]
    assert tiles.edge_tiles(256) == [((0, 1), 0), ((1, 0), 1)]
    assert tiles.tile_path(0, 1_234_067, 256) == "0/x001/x234/067"
    assert tiles.tile_path(2, 0, 17) == "2/000.p/17"
    assert (tiles.width_at(0, 273, 70_000), tiles.width_at(0, 272, 70_000), tiles.width_at(0, 274, 70_000)) == (
        112,
        256,
        0,
    )


@given(st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_tile_paths_are_read_back(level: int, n: int, width: int) -> None:
    assert tiles.parse_tile_path(tiles.tile_path(level, n, width)) == (level, n, width)


@pytest.mark.parametrize("path", [
    "", "0", "0/", "0/1", "0/0001", "00/001", "64/001", "0/001.p/0", "0/001.p/256", "0/001.p/01", "0/x000/001", "-1/001",
    "0/001/002", "0/x001", "0/001.p/", "٠/001", "0/001 ", "0/x001/001.p/300", "entries/001", "0/" + "x001/" * 9 + "001",
])  # fmt: skip
def test_other_spellings_are_no_tiles(path: str) -> None:
    with pytest.raises(InvalidInput):
        tiles.parse_tile_path(path)


def test_a_missing_tile_is_named() -> None:
    with pytest.raises(InvalidInput, match="tile 1 of level 0"):
        tiles.read_range(256, 300, {})
    with pytest.raises(InvariantViolated):
        tiles.grow(tiles.Edge(3, (leaf(0),)), [leaf(1)])
    with pytest.raises(InvariantViolated):
        tiles.split_hashes(b"short")
