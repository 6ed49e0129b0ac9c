"""The proof that an entry stands in the log, as one text that is checked offline.

Source: C2SP tlog-proof; docs/spec/log-tree.md.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

HEADER = "c2sp.org/tlog-proof@v1"


def encode_proof(index: int, hashes: Sequence[bytes], note: str) -> str:
    """Index, inclusion proof from the leaf's sibling up, and the checkpoint's note as it is."""
    return f"{HEADER}\nindex {index}\n{hash_lines(hashes)}\n{note}"


def hash_lines(hashes: Sequence[bytes]) -> str:
    """One line of base64 for each hash; also how a consistency proof is written (tlog-witness)."""
    return "".join(f"{base64.b64encode(one).decode()}\n" for one in hashes)
