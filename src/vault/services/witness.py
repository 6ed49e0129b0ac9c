"""The witness, which cosigns a checkpoint only if it continues the last one it saw; and the publisher, who asks it to.

The witness runs under another account, with a key and a memory of its own, and needs nothing of the vault but its
verifier key. Source: C2SP tlog-witness, tlog-cosignature; docs/spec/log-tree.md; promise P7.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from vault import verifier
from vault.errors import InvalidInput, InvariantViolated, Unavailable
from vault.formats.checkpoint import (
    COSIGNATURE,
    cosignature_message,
    encode_vkey,
    signature_line,
    timestamped,
)
from vault.formats.merkle import consistency_ranges
from vault.formats.tlogproof import hash_lines
from vault.services.transparency import Head, LogReader, read_hashes
from vault.verifier import Key, Unverified

logger = logging.getLogger("vault.witness")

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain"
MAX_REQUEST = 64 * 1024
PATIENCE = 20
"""How often in a row a witness may have moved on while it was asked, before that is told as a refusal."""


class Answer(msgspec.Struct, frozen=True):
    """What the witness answers over HTTP."""

    status: int
    body: str = ""
    media_type: str = TEXT_TYPE


class Memory(Protocol):
    """The witness's own memory: ``save`` is durable when it returns."""

    def load(self) -> bytes | None: ...

    def save(self, content: bytes) -> None: ...


class WitnessSigner(Protocol):
    """The witness's Ed25519 key."""

    def public(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


class Witness:
    """Cosigns for the logs that it knows. Safe to call from several threads; one process per memory."""

    def __init__(
        self, name: str, signer: WitnessSigner, logs: Sequence[Key], memory: Memory, *, clock_s: Callable[[], int]
    ) -> None:
        self._name = name
        self._signer = signer
        self._logs = {key.name: key for key in logs}
        self._memory = memory
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._seen: dict[str, str] = msgspec.json.decode(memory.load() or b"{}", type=dict[str, str])

    @property
    def vkey(self) -> str:
        """The witness's verifier key."""
        return encode_vkey(self._name, COSIGNATURE, self._signer.public())

    def add_checkpoint(self, request: bytes) -> Answer:
        """One request of tlog-witness; the new checkpoint is remembered durably before a cosignature is given."""
        try:
            old_size, proof, note = _parse_request(request)
            body = verifier.parse_note(note).text
            origin = verifier.parse_checkpoint(body).origin
        except (Unverified, UnicodeDecodeError):
            return Answer(400)
        if origin not in self._logs:
            return Answer(404)
        try:
            head = verifier.verify_checkpoint(note, self._logs[origin])
        except Unverified:
            return Answer(403)
        if old_size > head.size:
            return Answer(400)
        with self._lock:
            return self._cosign(head, body, note, old_size, proof)

    def checkpoint(self, origin_hash: str) -> Answer:
        """The last cosigned checkpoint of the log whose origin has this SHA-256 (hex)."""
        for origin, note in self._seen.items():
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                return Answer(200, note)
        return Answer(404)

    def _cosign(self, head: verifier.Checkpoint, body: str, note: str, old_size: int, proof: Sequence[bytes]) -> Answer:
        last = self._last(head.origin)
        if old_size != last.size:
            return Answer(409, f"{last.size}\n", SIZE_TYPE)
        try:
            verifier.verify_consistency(last.size, last.root, head.size, head.root, proof)
        except Unverified:
            # Signed by the log and not a continuation: worth keeping, since it proves that the log forked.
            logger.critical("a checkpoint of %s does not continue the last one: %r", head.origin, note)
            return Answer(422)
        seconds = self._clock_s()
        signature = timestamped(seconds, self._signer.sign(cosignature_message(body, seconds)))
        line = signature_line(self._name, COSIGNATURE, self._signer.public(), signature)
        seen = {**self._seen, head.origin: _with_line(note, self._logs[head.origin], line)}
        # If we stop before this is durable, nobody has the cosignature; after it, whoever asks again gets a new one.
        self._memory.save(msgspec.json.encode(seen))
        self._seen = seen
        return Answer(200, line)

    def _last(self, origin: str) -> verifier.Checkpoint:
        if origin not in self._seen:
            return verifier.Checkpoint(origin, 0, verifier.tree_hash([]))
        return verifier.parse_checkpoint(verifier.parse_note(self._seen[origin]).text)


def _with_line(note: str, log: Key, line: str) -> str:
    """The note with the log's own signature and the witness's line, and no stranger's."""
    body, _, signed = note.rpartition("\n\n")
    prefix = f"\u2014 {log.name} "
    own = [one for one in signed.splitlines(keepends=True) if one.startswith(prefix)]
    return f"{body}\n\n{''.join(own)}{line}"


def _parse_request(request: bytes) -> tuple[int, list[bytes], str]:
    head, separator, note = request.decode().partition("\n\n")
    first, *lines = head.split("\n")
    if not separator or not first.startswith("old ") or len(lines) > verifier.MAX_PROOF_LINES:
        raise Unverified("the request is malformed")
    return verifier.parse_number(first.removeprefix("old ")), [verifier.parse_hash(line) for line in lines], note


class CosignedStore(LogReader, Protocol):
    """The log as the publisher sees it."""

    async def cosign(self, size: int, root: bytes, note: str) -> None:
        """Store the cosigned note."""
        ...


class Submitter(Protocol):
    """Sends one request to a witness. Raises: Unavailable when it does not answer in time."""

    async def __call__(self, request: bytes) -> Answer: ...


class Publisher:
    """Takes each new checkpoint to the witnesses and stores it with their cosignatures."""

    def __init__(self, log: CosignedStore, log_key: Key, witnesses: Mapping[Key, Submitter]) -> None:
        self._log = log
        self._log_key = log_key
        self._witnesses = dict(witnesses)
        self._known = dict.fromkeys(self._witnesses, -1)
        self._raced = dict.fromkeys(self._witnesses, 0)
        self.alarm: str | None = None
        """What a witness refused, for the operator; None while all is well."""

    async def run(self, stop: asyncio.Event, *, interval_s: float = 0.5) -> None:
        """Publish until ``stop`` is set; a witness that is away is tried again."""
        while not stop.is_set():
            try:
                await self.step()
            except Unavailable as error:
                logger.warning("the newest checkpoint is not cosigned: %s", error)
            try:
                await asyncio.wait_for(stop.wait(), interval_s)
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """Take the newest checkpoint to the witnesses unless it is cosigned; True when it is cosigned now."""
        heads = await self._log.heads()
        if heads.newest is None:
            return False
        if heads.newest.cosigned_at is not None:
            return True
        known = heads.cosigned.size if heads.cosigned else 0
        lines = [await self._ask(witness, heads.newest, known) for witness in self._witnesses]
        if not any(lines):
            return False
        await self._log.cosign(heads.newest.size, heads.newest.root, heads.newest.note + "".join(filter(None, lines)))
        return True

    async def _ask(self, witness: Key, head: Head, known: int) -> str | None:
        """The witness's cosignature line; None when it refuses or is away."""
        old = self._known[witness] if self._known[witness] >= 0 else known
        try:
            for _ in range(2):
                answer = await self._submit(witness, head, min(old, head.size))
                if answer.status != 409:
                    return self._accept(witness, head, answer)
                old = verifier.parse_number(answer.body.removesuffix("\n"))
                if old > head.size:
                    return await self._is_behind(witness, old)
        except (Unverified, InvalidInput, InvariantViolated) as error:
            return self._refused(witness, str(error))
        except Unavailable as error:
            logger.warning("witness %s is away: %s", witness.name, error)
            return None
        # Another publisher takes checkpoints to it at the same time; that ends, or it is no honest witness.
        self._raced[witness] += 1
        return self._refused(witness, "it names another size each time") if self._raced[witness] >= PATIENCE else None

    async def _is_behind(self, witness: Key, seen: int) -> str | None:
        """The witness has seen more than the checkpoint that we took to it: by another publisher, or of a log since rolled back."""
        newest = (await self._log.heads()).newest
        held = newest.size if newest else 0
        if held < seen:
            self._refused(witness, f"it has cosigned {seen} entries, the database holds {held}")
        return None

    async def _submit(self, witness: Key, head: Head, old: int) -> Answer:
        hashes = await read_hashes(self._log, consistency_ranges(old, head.size))
        return await self._witnesses[witness](f"old {old}\n{hash_lines(hashes)}\n{head.note}".encode())

    def _accept(self, witness: Key, head: Head, answer: Answer) -> str | None:
        if answer.status != 200:
            return self._refused(witness, f"it answered {answer.status}")
        lines = [line for line in answer.body.splitlines(keepends=True) if line.startswith(f"\u2014 {witness.name} ")]
        line = "".join(lines[:1])
        verifier.verify_checkpoint(head.note + line, self._log_key, [witness], quorum=1)
        self._known[witness], self._raced[witness] = head.size, 0
        self.alarm = None
        return line

    def _refused(self, witness: Key, why: str) -> str | None:
        self.alarm = f"witness {witness.name} does not cosign: {why}"
        logger.critical("%s", self.alarm)
        return None
