"""The log's tree: hashes, roots, and which subtrees an inclusion or consistency proof is made of.

A proof is a list of ranges of leaves. A range that ends before the tree's right edge is one complete subtree, a node
``(level, index)`` over the leaves ``[index * 2**level, (index + 1) * 2**level)``; one at the edge is several of them.
What checks the proofs is `vault/verifier.py`, which shares no code with this.

Source: RFC 9162 §2.1 (hashing, §2.1.3 inclusion, §2.1.4 consistency); docs/spec/log-tree.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from vault.errors import InvariantViolated

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Range = tuple[int, int]
Node = tuple[int, int]
Nodes = Callable[[Node], bytes]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node, 32 bytes (§2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes in order, or over equal complete subtrees and at most one smaller at the end."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    k = _split(len(hashes))
    return node_hash(root_of(hashes[:k]), root_of(hashes[k:]))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove the leaf at ``index``, from its sibling up (§2.1.3.1)."""
    if not 0 <= index < size:
        raise InvariantViolated("a proof is of a leaf in the tree")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        ranges.append((middle, end) if index < middle else (start, middle))
        start, end = (start, middle) if index < middle else (middle, end)
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that the tree of ``size`` begins with that of ``old_size`` (§2.1.4.1)."""
    if not 0 <= old_size <= size:
        raise InvariantViolated("a tree does not shrink")
    if old_size in (0, size):
        return []
    ranges: list[Range] = []
    start, end, whole = 0, size, True
    while old_size != end:
        middle = start + _split(end - start)
        ranges.append((middle, end) if old_size <= middle else (start, middle))
        # The old root itself is known to the verifier, so it is left out as long as the path hugs the left edge.
        whole = whole and old_size <= middle
        start, end = (start, middle) if old_size <= middle else (middle, end)
    return ([] if whole else [(start, end)]) + ranges[::-1]


def range_nodes(start: int, end: int) -> list[Node]:
    """The complete subtrees that a proof's range is made of, left to right."""
    nodes: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def range_hash(start: int, end: int, nodes: Nodes) -> bytes:
    """The hash of a proof's range; of ``(0, size)`` it is the root."""
    if start == end:
        return EMPTY_ROOT
    *left, reached = [nodes(node) for node in range_nodes(start, end)]
    for sibling in reversed(left):
        reached = node_hash(sibling, reached)
    return reached


def _split(size: int) -> int:
    """The largest power of two that is smaller than ``size`` (§2.1.1)."""
    return 1 << ((size - 1).bit_length() - 1)
