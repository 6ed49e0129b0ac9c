"""A log in memory, with keys of its own, for the tests of proofs."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault import verifier
from vault.formats import checkpoint, merkle, tiles, tlogproof

ORIGIN = "vault.example/log"
WITNESS = "witness.example/w1"


def insecure_key(label: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"insecure {label}".encode()).digest())


LOG_KEY = insecure_key("log")
WITNESS_KEY = insecure_key("witness")


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


LOG_VKEY = checkpoint.encode_vkey(ORIGIN, checkpoint.LOG_SIGNATURE, public(LOG_KEY))
WITNESS_VKEY = checkpoint.encode_vkey(WITNESS, checkpoint.COSIGNATURE, public(WITNESS_KEY))
LOG = verifier.parse_vkey(LOG_VKEY)
WITNESS_SIGNER = verifier.parse_vkey(WITNESS_VKEY)


def log_of(origin: str) -> verifier.Key:
    """The log's key under another origin."""
    return verifier.parse_vkey(checkpoint.encode_vkey(origin, checkpoint.LOG_SIGNATURE, public(LOG_KEY)))


def leaf(n: int) -> bytes:
    return verifier.leaf_hash(b"%d" % n)


class MemoryLog:
    """Tiles grown in steps; ``leaves`` is what they were made of."""

    def __init__(self) -> None:
        self.edge = tiles.Edge()
        self.tiles: dict[tiles.TileId, bytes] = {}
        self.leaves: list[bytes] = []

    def append(self, leaves: list[bytes]) -> None:
        self.edge, parts = tiles.grow(self.edge, leaves)
        for part in parts:
            held = self.tiles.get((part.level, part.n), b"")
            assert len(held) == part.at * 32
            self.tiles[part.level, part.n] = held + part.hashes
        self.leaves += leaves

    def root(self, size: int) -> bytes:
        return tiles.read_range(0, size, self.tiles)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return [tiles.read_range(a, b, self.tiles) for a, b in merkle.inclusion_ranges(index, size)]

    def consistency(self, old: int, size: int) -> list[bytes]:
        return [tiles.read_range(a, b, self.tiles) for a, b in merkle.consistency_ranges(old, size)]

    def note(self, size: int, *, cosigned_at: int | None = None) -> str:
        return signed(size, self.root(size), cosigned_at=cosigned_at)

    def proof(self, index: int, size: int, *, cosigned_at: int | None = None) -> str:
        return tlogproof.encode_proof(index, self.inclusion(index, size), self.note(size, cosigned_at=cosigned_at))

    def write(self, directory: Path, *, cosigned_at: int | None = None) -> None:
        size = self.edge.size
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "checkpoint").write_text(self.note(size, cosigned_at=cosigned_at))
        for (level, n), content in self.tiles.items():
            path = directory / "tile" / tiles.tile_path(level, n, len(content) // 32)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def signed(size: int, root: bytes, *, cosigned_at: int | None = None, key: Ed25519PrivateKey = LOG_KEY) -> str:
    body = checkpoint.checkpoint_body(ORIGIN, size, root)
    lines = [checkpoint.signature_line(ORIGIN, checkpoint.LOG_SIGNATURE, public(key), key.sign(body.encode()))]
    if cosigned_at is not None:
        signature = WITNESS_KEY.sign(checkpoint.cosignature_message(body, cosigned_at))
        timed = checkpoint.timestamped(cosigned_at, signature)
        lines.append(checkpoint.signature_line(WITNESS, checkpoint.COSIGNATURE, public(WITNESS_KEY), timed))
    return checkpoint.encode_note(body, *lines)
