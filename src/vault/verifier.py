"""Checks everything that the log hands out, offline; this one file needs Python and the `cryptography` package only.

    python verifier.py checkpoint  NOTE --log VKEY [--witness VKEY …] [--quorum N]
    python verifier.py proof       PROOF ENTRY.json --log VKEY [--witness VKEY …] [--quorum N]
    python verifier.py consistency OLD NEW HASHES --log VKEY …
    python verifier.py directory   DIR [OLDER …] --log VKEY …

Exit codes: 0 proved, 1 malformed or unreadable, 2 wrong command, 3 another log's, 4 not signed by a key that was given,
5 a wrong signature, 6 not in the tree, 7 a size larger than the tree, 8 an older checkpoint does not fit, 9 tiles do not fit.

It imports nothing else of this project and shares no code with what made the proofs, so it may be read, copied and run
by whoever does not trust the vault. Every ``verify_`` function returns what was proved or raises Unverified.

Source: docs/spec/log-tree.md; RFC 9162 §2.1; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-tiles.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_SIZE, TILE_WIDTH = 32, 256
MAX_SIZE, MAX_PROOF_LINES, MAX_SIGNATURES = 2**63 - 1, 63, 100
LOG_SIGNATURE, COSIGNATURE = 0x01, 0x04
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


MALFORMED, OTHER_LOG, UNKNOWN_KEY, WRONG_SIGNATURE, NOT_IN_TREE, LARGER, NOT_CONTINUED, TILES = 1, 3, 4, 5, 6, 7, 8, 9


class Unverified(Exception):
    """Raised when something is not proved; ``code`` is the exit code that tells why."""

    def __init__(self, detail: str, code: int = MALFORMED) -> None:
        super().__init__(detail)
        self.code = code


class Key(NamedTuple):
    """A verifier key: who signs, with which kind of signature."""

    name: str
    id: bytes
    kind: int
    public: bytes


class Note(NamedTuple):
    """A signed note that nobody has verified yet; ``signatures`` are (name, key id, signature)."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]


class Checkpoint(NamedTuple):
    """A verified head of the log; ``cosigned`` are (witness, POSIX seconds)."""

    origin: str
    size: int
    root: bytes
    cosigned: tuple[tuple[str, int], ...] = ()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, or over the roots of equal complete subtrees (§2.1.1)."""
    row = list(hashes)
    if not row:
        return hashlib.sha256(b"").digest()
    while len(row) > 1:
        # Pairing neighbours and carrying a lonely last one up is the same tree as splitting at the power of two.
        paired = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = paired + (row[-1:] if len(row) % 2 else [])
    return row[0]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2: the leaf stands at ``index`` in the tree of ``size`` leaves with that root."""
    if not 0 <= index < size <= MAX_SIZE or len(leaf) != HASH_SIZE:
        raise Unverified(f"the index {index} is not one of a tree of {size} entries", LARGER)
    at, last, reached = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Unverified("the inclusion proof is too long", NOT_IN_TREE)
        if at & 1 or at == last:
            reached = node_hash(sibling, reached)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        at, last = at >> 1, last >> 1
    if last != 0 or reached != root:
        raise Unverified("the inclusion proof does not lead to the root", NOT_IN_TREE)


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 §2.1.4.2: the tree of ``size`` leaves begins with the tree of ``old_size`` leaves."""
    if not 0 <= old_size <= size <= MAX_SIZE:
        raise Unverified(f"the newer tree is smaller: {size} entries after {old_size}", LARGER)
    if old_size in (0, size):
        _verify_trivial(old_size, old_root, size, root, proof)
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise Unverified("the consistency proof is empty", NOT_CONTINUED)
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old, new = path[0], path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Unverified("the consistency proof is too long", NOT_CONTINUED)
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    if last != 0 or old != old_root or new != root:
        raise Unverified("the newer tree does not begin with the older one", NOT_CONTINUED)


def _verify_trivial(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise Unverified("the consistency proof is too long", NOT_CONTINUED)
    for some_size, some_root in ((old_size, old_root), (size, root)):
        if some_size == 0 and some_root != tree_hash([]):
            raise Unverified("the empty tree has another root")
    if old_size == size and old_root != root:
        raise Unverified("two trees of the same size have different roots", NOT_CONTINUED)


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def parse_vkey(text: str) -> Key:
    """``name+id+base64(kind, public key)``, an Ed25519 key of a log (0x01) or a witness (0x04)."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not _KEY_NAME.fullmatch(parts[0]):
        raise Unverified("a verifier key is name+id+key")
    material = _unbase64(parts[2])
    if len(material) != 1 + 32 or material[0] not in (LOG_SIGNATURE, COSIGNATURE):
        raise Unverified("a verifier key holds an Ed25519 key of a log or a witness")
    key = Key(parts[0], key_id(parts[0], material[0], material[1:]), material[0], material[1:])
    if parts[1] != key.id.hex():
        raise Unverified("a verifier key's id is not that of its key")
    return key


def parse_note(text: str) -> Note:
    body, separator, signed = text.rpartition("\n\n")
    lines = signed.split("\n")
    if not separator or _CONTROL.search(text) or lines[-1] != "" or not 2 <= len(lines) <= MAX_SIGNATURES + 1:
        raise Unverified("this is no signed note")
    return Note(body + "\n", tuple(_parse_signature(line) for line in lines[:-1]))


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014" or not _KEY_NAME.fullmatch(parts[1]):
        raise Unverified("a signature line is malformed")
    content = _unbase64(parts[2])
    if len(content) <= 4:
        raise Unverified("a signature line is malformed")
    return parts[1], content[:4], content[4:]


def parse_checkpoint(body: str) -> Checkpoint:
    """The three lines of a checkpoint's text; whatever extension lines follow are signed but mean nothing here."""
    lines = body.split("\n")
    if len(lines) < 4 or lines[-1] != "" or "" in lines[:-1]:
        raise Unverified("a checkpoint has an origin, a size and a root")
    return Checkpoint(lines[0], parse_number(lines[1]), parse_hash(lines[2]))


def verify_checkpoint(note: str, log: Key, witnesses: Sequence[Key] = (), quorum: int = 0) -> Checkpoint:
    """The checkpoint in the note, signed by the log under its origin and by ``quorum`` of the witnesses."""
    parsed = parse_note(note)
    found = parse_checkpoint(parsed.text)
    if log.kind != LOG_SIGNATURE or found.origin != log.name:
        raise Unverified(f"the checkpoint is of another log: {found.origin}, not {log.name}", OTHER_LOG)
    if not [s for s in parsed.signatures if s[:2] == (log.name, log.id) and _verify_signature(log, parsed.text, s[2])]:
        raise Unverified("the checkpoint is not signed by the log with the key that was given", UNKNOWN_KEY)
    pairs = [(witness, s[2]) for witness in witnesses for s in parsed.signatures if s[:2] == (witness.name, witness.id)]
    cosigned = {witness.name: verify_cosignature(witness, parsed.text, signature) for witness, signature in pairs}
    if len(cosigned) < quorum:
        raise Unverified(f"{len(cosigned)} of the known witnesses cosigned, {quorum} are wanted", UNKNOWN_KEY)
    if found.size == 0 and found.root != tree_hash([]):
        raise Unverified("the empty tree has another root")
    return Checkpoint(found.origin, found.size, found.root, tuple(sorted(cosigned.items())))


def verify_cosignature(witness: Key, body: str, signature: bytes) -> int:
    """When the witness saw this tree as the largest, in POSIX seconds."""
    seconds = int.from_bytes(signature[:8], "big")
    if witness.kind != COSIGNATURE or not 0 < seconds <= MAX_SIZE:
        raise Unverified("a cosignature is malformed")
    _verify_signature(witness, f"cosignature/v1\ntime {seconds}\n{body}", signature[8:])
    return seconds


def _verify_signature(key: Key, message: str, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message.encode())
    except (InvalidSignature, ValueError):
        # A known key's wrong signature spoils the whole note (signed-note, Signatures).
        raise Unverified(f"a signature is not that of {key.name}", WRONG_SIGNATURE) from None
    return True


def parse_proof(text: str) -> tuple[int, tuple[bytes, ...], str]:
    """Index, inclusion proof and checkpoint of a tlog-proof that nobody has verified yet."""
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines.pop(0) != PROOF_HEADER:
        raise Unverified("this is no tlog-proof")
    if lines and lines[0].startswith("extra "):
        _unbase64(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index ") or len(lines) > 1 + MAX_PROOF_LINES:
        raise Unverified("the tlog-proof is malformed")
    return parse_number(lines[0].removeprefix("index ")), tuple(map(parse_hash, lines[1:])), note


def verify_proof(text: str, leaf: bytes, log: Key, witnesses: Sequence[Key] = (), quorum: int = 0) -> Checkpoint:
    """The leaf stands in the tree of the proof's checkpoint, which is signed as ``verify_checkpoint`` says."""
    index, hashes, note = parse_proof(text)
    head = verify_checkpoint(note, log, witnesses, quorum)
    verify_inclusion(leaf, index, head.size, hashes, head.root)
    return head


def verify_entry(shown: dict[str, Any]) -> tuple[bytes, dict[str, object]]:
    """The leaf of an entry shown as ``{"entry", "digests", "disclosures"}``, and the fields that it discloses.

    A disclosure counts when its digest is one of the entry's, each at its own place. Source: docs/spec/log-entry.md.
    """
    try:
        entry, digests = uuid.UUID(shown["entry"]), [_unbase64url(text) for text in shown["digests"]]
        disclosures = [(text, json.loads(_unbase64url(text))) for text in shown["disclosures"]]
        named = [(hashlib.sha256(text.encode()).digest(), str(parts[1]), parts[2]) for text, parts in disclosures]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Unverified("the entry is malformed") from None
    if any(len(digest) != HASH_SIZE for digest in digests):
        raise Unverified("the entry is malformed")
    if len({name for _, name, _ in named}) != len(named) or not {digest for digest, _, _ in named} <= set(digests):
        raise Unverified("a disclosed field is not the one that was committed", NOT_IN_TREE)
    leaf = leaf_hash(b"\x01" + entry.bytes + b"".join(digests))
    return leaf, {name: value for _, name, value in named}


def verify_directory(
    directory: Path, log: Key, witnesses: Sequence[Key] = (), quorum: int = 0, older: Sequence[Checkpoint] = ()
) -> Checkpoint:
    """``checkpoint`` and ``tile/<L>/<N>[.p/<W>]``: every tile is what the root demands, and the older trees stand first."""
    head = verify_checkpoint(_read(directory / "checkpoint").decode(), log, witnesses, quorum)
    count, level, below, rightmost = head.size, 0, None, None
    while count:
        hashes = _read_level(directory, level, count)
        if below is not None and hashes != below:
            raise Unverified(f"the tiles of level {level} are not made of those below", TILES)
        tiles = [hashes[i : i + TILE_WIDTH] for i in range(0, count, TILE_WIDTH)]
        below = [tree_hash(tile) for tile in tiles if len(tile) == TILE_WIDTH]
        rest = tiles[-1] if len(tiles[-1]) < TILE_WIDTH else []
        edge = rest + ([rightmost] if rightmost else [])
        rightmost = tree_hash(edge) if edge else None
        count, level = count // TILE_WIDTH, level + 1
    if (rightmost or tree_hash([])) != head.root:
        raise Unverified("the tiles do not make the checkpoint's root", TILES)
    for one in older:
        if one.size > head.size:
            raise Unverified(f"the older checkpoint has {one.size} entries, the log has {head.size}", LARGER)
        if tree_hash(_read_level(directory, 0, head.size)[: one.size]) != one.root:
            raise Unverified(f"the log does not begin with the older checkpoint of {one.size} entries", NOT_CONTINUED)
    return head


def _read_level(directory: Path, level: int, count: int) -> list[bytes]:
    hashes: list[bytes] = []
    for n in range(-(-count // TILE_WIDTH)):
        width = min(TILE_WIDTH, count - n * TILE_WIDTH)
        whole = directory / "tile" / str(level) / _tile_name(n)
        partial = whole.with_name(whole.name + ".p") / str(width)
        content = _read(partial if width < TILE_WIDTH and not whole.exists() else whole)[: width * HASH_SIZE]
        if len(content) != width * HASH_SIZE:
            raise Unverified(f"tile {n} of level {level} is too short", TILES)
        hashes += [content[i : i + HASH_SIZE] for i in range(0, len(content), HASH_SIZE)]
    return hashes


def _tile_name(n: int) -> str:
    text = f"{n:03}".zfill(-(-len(str(n)) // 3) * 3)
    groups = [text[i : i + 3] for i in range(0, len(text), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unverified(f"{path} cannot be read: {error.strerror}") from None


def parse_number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MAX_SIZE:
        raise Unverified("a number is malformed")
    return int(text)


def parse_hash(text: str) -> bytes:
    content = _unbase64(text)
    if len(content) != HASH_SIZE:
        raise Unverified("a hash has 32 bytes")
    return content


def _unbase64(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""
    # Other spellings of the same bytes are refused, so that no text can be changed and still verify.
    if base64.b64encode(content).decode() != text:
        raise Unverified("base64 is malformed")
    return content


def _unbase64url(text: str) -> bytes:
    return _unbase64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; its exit code stands at the head of this file."""
    parser = argparse.ArgumentParser(description="Verify the log's checkpoints, proofs and tiles, offline.")
    commands = parser.add_subparsers(dest="what", required=True)
    for what, paths in (("checkpoint", 1), ("proof", 2), ("consistency", 3), ("directory", "+")):
        command = commands.add_parser(what)
        command.add_argument("paths", nargs=paths)
        command.add_argument("--log", required=True)
        command.add_argument("--witness", action="append", default=[])
        command.add_argument("--quorum", type=int, default=0)
    try:
        sys.stdout.write(run(parser.parse_args(arguments)) + "\n")
    except (Unverified, OSError, ValueError) as error:
        sys.stderr.write(f"not verified: {error}\n")
        return getattr(error, "code", MALFORMED)
    return 0


def run(given: argparse.Namespace) -> str:
    """Do one command and say what it proved."""
    log, witnesses = parse_vkey(given.log), [parse_vkey(text) for text in given.witness]

    def checkpoint(name: str) -> Checkpoint:
        return verify_checkpoint(_read(Path(name)).decode(), log, witnesses, given.quorum)

    fields: dict[str, object] = {}
    if given.what == "checkpoint":
        head = checkpoint(given.paths[0])
    elif given.what == "directory":
        older = [checkpoint(name) for name in given.paths[1:]]
        head = verify_directory(Path(given.paths[0]), log, witnesses, given.quorum, older)
    elif given.what == "consistency":
        old, head = checkpoint(given.paths[0]), checkpoint(given.paths[1])
        hashes = [parse_hash(line) for line in _read(Path(given.paths[2])).decode().splitlines()]
        verify_consistency(old.size, old.root, head.size, head.root, hashes)
    else:
        leaf, fields = verify_entry(json.loads(_read(Path(given.paths[1]))))
        head = verify_proof(_read(Path(given.paths[0])).decode(), leaf, log, witnesses, given.quorum)
    said = [f"verified: {head.origin} size {head.size} root {head.root.hex()}"]
    said += [f"cosigned: {name} at {seconds}" for name, seconds in head.cosigned]
    return "\n".join(said + [f"field: {name} = {json.dumps(value)}" for name, value in fields.items()])


if __name__ == "__main__":
    sys.exit(main())
