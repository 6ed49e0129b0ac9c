"""What the log and its witness sign: a signed note with origin, size and root, and the witness's cosignature.

Only writing is here; reading and checking is `vault/verifier.py`.

Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature; docs/spec/log-tree.md.
"""

from __future__ import annotations

import base64
import hashlib

from vault.errors import InvariantViolated

LOG_SIGNATURE = 0x01
COSIGNATURE = 0x04


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """The note's text, which the log signs; no extension lines (tlog-checkpoint, Note text)."""
    _require_name(origin)
    if size < 0 or len(root) != 32:
        raise InvariantViolated("a checkpoint has a size and a root of 32 bytes")
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signature_line(name: str, kind: int, public: bytes, signature: bytes) -> str:
    """One line below the note's text (signed-note, Format)."""
    _require_name(name)
    return f"\u2014 {name} {base64.b64encode(key_id(name, kind, public) + signature).decode()}\n"


def encode_note(body: str, *lines: str) -> str:
    """Text and signature lines as one note."""
    return f"{body}\n{''.join(lines)}"


def cosignature_message(body: str, seconds: int) -> bytes:
    """What a witness signs at that POSIX second (tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {seconds}\n{body}".encode()


def timestamped(seconds: int, signature: bytes) -> bytes:
    """The cosignature as it stands in its line: eight bytes of time, then the signature."""
    return seconds.to_bytes(8, "big") + signature


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Four bytes that find the key (signed-note, Signatures)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def encode_vkey(name: str, kind: int, public: bytes) -> str:
    """The key as others are told of it (signed-note, Verifier keys)."""
    _require_name(name)
    material = base64.b64encode(bytes([kind]) + public).decode()
    return f"{name}+{key_id(name, kind, public).hex()}+{material}"


def _require_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or ord(c) < 32 for c in name):
        raise InvariantViolated("a log's or a witness's name has no spaces and no plus")
