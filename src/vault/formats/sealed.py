"""A document at rest: Cobblestone-256, and the opening of single chunks of it.

Source: C2SP chunked-encryption (c2sp.org/chunked-encryption) with SHA-512 and AES-256-GCM;
docs/spec/document-at-rest.md.

    object = salt (24) | commitment (32) | chunk 0 | chunk 1 | … | last chunk
    chunk  = ciphertext of 16 KiB | tag (16);  the last one is shorter than that and may be empty

The order of a release: ``begin`` with the header, ``open_last``, and only then an ``Opener`` for the range. Whoever cut
or lengthened the object is thus found before the first byte of plaintext leaves.
"""

from __future__ import annotations

import hmac
import uuid

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from vault.errors import InvariantViolated, ObjectTampered
from vault.model import CaseId, DocumentId

KEY_SIZE = 32
SALT_SIZE = 24
COMMITMENT_SIZE = 32
HEADER_SIZE = SALT_SIZE + COMMITMENT_SIZE
TAG_SIZE = 16
CHUNK_SIZE = 16 * 1024
SEALED_CHUNK_SIZE = CHUNK_SIZE + TAG_SIZE
NONCE_SIZE = 12
# "the message MUST NOT exceed 2³⁸ chunks or 4 PiB - 1 byte"
MAX_PLAIN_SIZE = 2**38 * CHUNK_SIZE - 1

# "info = "c2sp.org/chunked-encryption@v1+" || aead || 0x00 || salt || context"
_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
_DAMAGED = "the stored object is damaged"


def context_of(case: CaseId, document: DocumentId) -> bytes:
    """The bytes that tie an object to its place: ``vault/document/v1|<case id>|<document id>``."""
    return f"vault/document/v1|{case}|{document}".encode("ascii")


def export_context_of(export: uuid.UUID) -> bytes:
    """The bytes that tie an export's object to its place: ``vault/export/v1|<export id>``."""
    return f"vault/export/v1|{export}".encode("ascii")


def sealed_size(plain_size: int) -> int:
    """The object's size for a document of that many bytes.

    Source: docs/spec/document-at-rest.md §3.
    """
    if not 0 <= plain_size <= MAX_PLAIN_SIZE:
        raise InvariantViolated(f"no document has {plain_size} bytes")
    return HEADER_SIZE + plain_size + TAG_SIZE * (plain_size // CHUNK_SIZE + 1)


def plain_size(sealed_size: int) -> int:
    """The document's size for an object of that many bytes.

    Raises: ObjectTampered for a size that no whole object has.
    Source: docs/spec/document-at-rest.md §3.
    """
    # "any message of encrypted length 56 + k * (16 KiB + len(tag)) is truncated, and any message of encrypted length
    # < 56, or > 56 + k * (16 KiB + len(tag)) and < 56 + k * (16 KiB + len(tag)) + len(tag) is invalid"
    full, rest = divmod(sealed_size - HEADER_SIZE, SEALED_CHUNK_SIZE)
    plain = full * CHUNK_SIZE + rest - TAG_SIZE
    if full < 0 or rest < TAG_SIZE or plain > MAX_PLAIN_SIZE:
        raise ObjectTampered(f"no whole object has {sealed_size} bytes")
    return plain


class Sealer:
    """Seals one document; ``update`` as often as you like, ``finalize`` once.

    A key is used for one object only, so a sealer whose object was not stored is thrown away together with its key.
    """

    def __init__(self, key: bytes, case: CaseId, document: DocumentId) -> None:
        self._begin(key, context_of(case, document))

    def _begin(self, key: bytes, context: bytes) -> None:
        _require_key(key)
        self._encryptor = Cobblestone256Encryptor(key, context)

    def update(self, plaintext: bytes) -> bytes:
        """The ciphertext that is ready; at most 16 KiB of plaintext wait inside."""
        return self._encryptor.update(plaintext)

    def finalize(self) -> bytes:
        """The rest of the ciphertext; without it the object never opens."""
        return self._encryptor.finalize()


class ExportSealer(Sealer):
    """Seals one export's package, in the same way, bound to its own place."""

    def __init__(self, key: bytes, export: uuid.UUID) -> None:
        self._begin(key, export_context_of(export))


class ChunkReader:
    """Opens one object chunk by chunk. Knows offsets before it knows keys: ``begin`` must see the header first.

    Raises: ObjectTampered when ``sealed_size`` is a size that no whole object has, and for every byte that is not what
    was sealed; InvariantViolated when the order ``begin``, ``open_last``, ``opener`` is not kept.
    Source: docs/spec/document-at-rest.md §4.
    """

    def __init__(self, key: bytes, case: CaseId, document: DocumentId, sealed_size: int) -> None:
        self._place(key, context_of(case, document), sealed_size)

    def _place(self, key: bytes, context: bytes, sealed_size: int) -> None:
        _require_key(key)
        self._key = key
        self._context = context
        self._aead: AESGCM | None = None
        self._base_nonce = 0
        self._last_seen = False
        self.sealed_size = sealed_size
        self.plain_size = plain_size(sealed_size)
        self.last_index = self.plain_size // CHUNK_SIZE

    def header_span(self) -> tuple[int, int]:
        """Offset and length of what ``begin`` takes."""
        return 0, HEADER_SIZE

    def last_span(self) -> tuple[int, int]:
        """Offset and length of what ``open_last`` takes."""
        offset = _chunk_offset(self.last_index)
        return offset, self.sealed_size - offset

    def span(self, start: int, length: int) -> tuple[int, int]:
        """Offset and length of the ciphertext that covers ``length`` bytes of plaintext from ``start``.

        A range that reaches the document's end takes the last chunk in, also where that one is empty.
        """
        first, beyond = self.chunks_of(start, length)
        offset = _chunk_offset(first)
        return offset, min(_chunk_offset(beyond), self.sealed_size) - offset

    def chunks_of(self, start: int, length: int) -> tuple[int, int]:
        """First chunk of a plaintext range, and the one after its last."""
        if start < 0 or length < 0 or start + length > self.plain_size:
            raise InvariantViolated("the range lies outside the document")
        first = start // CHUNK_SIZE
        if start + length == self.plain_size:
            return first, self.last_index + 1
        return first, first if length == 0 else (start + length - 1) // CHUNK_SIZE + 1

    def begin(self, header: bytes) -> None:
        """Derive the object's key from its first 56 bytes and check the commitment."""
        if len(header) != HEADER_SIZE:
            raise ObjectTampered(_DAMAGED)
        info = _INFO + header[:SALT_SIZE] + self._context
        derived = HKDFExpand(SHA512(), KEY_SIZE + NONCE_SIZE + COMMITMENT_SIZE, info).derive(self._key)
        # "implementations MUST check the commitment matches the derived value before continuing"
        if not hmac.compare_digest(derived[KEY_SIZE + NONCE_SIZE :], header[SALT_SIZE:]):
            raise ObjectTampered(_DAMAGED)
        self._base_nonce = int.from_bytes(derived[KEY_SIZE : KEY_SIZE + NONCE_SIZE], "big")
        self._aead = AESGCM(derived[:KEY_SIZE])

    def open_chunk(self, index: int, ciphertext: bytes) -> bytes:
        """The plaintext of the chunk with that index; ``ciphertext`` is exactly that chunk with its tag."""
        if not 0 <= index <= self.last_index or len(ciphertext) != self.sealed_length(index):
            raise ObjectTampered(_DAMAGED)
        plaintext = bytearray(len(ciphertext) - TAG_SIZE)
        self.open_into(index, memoryview(ciphertext), memoryview(plaintext))
        return bytes(plaintext)

    def open_last(self, ciphertext: bytes) -> bytes:
        """The plaintext of the last chunk; after it, the document's length is known to be the true one."""
        plaintext = self.open_chunk(self.last_index, ciphertext)
        self._last_seen = True
        return plaintext

    def opener(self, start: int = 0, length: int | None = None) -> Opener:
        """An opener for that range of plaintext (None: to the end), to be fed the ciphertext of ``span``."""
        if not self._last_seen:
            raise InvariantViolated("the last chunk was not verified before the range")
        return Opener(self, start, self.plain_size - start if length is None else length)

    def open_whole(self, sealed: bytes) -> bytes:
        """The whole document from the whole object; for small ones that are read in one piece."""
        if len(sealed) != self.sealed_size:
            raise ObjectTampered(_DAMAGED)
        self.begin(sealed[:HEADER_SIZE])
        self.open_last(sealed[self.last_span()[0] :])
        opener = self.opener()
        plaintext = opener.update(sealed[HEADER_SIZE:])
        opener.finalize()
        return plaintext

    def sealed_length(self, index: int) -> int:
        """The size of that chunk with its tag."""
        return SEALED_CHUNK_SIZE if index < self.last_index else self.last_span()[1]

    def open_into(self, index: int, ciphertext: memoryview, target: memoryview) -> None:
        """Open one chunk into ``target``, which is exactly as long as the plaintext."""
        if self._aead is None:
            raise InvariantViolated("the header was not read before a chunk")
        # "a nonce derived as the XOR of the base nonce and the chunk number as a big-endian integer"
        nonce = (self._base_nonce ^ index).to_bytes(NONCE_SIZE, "big")
        try:
            self._aead.decrypt_into(nonce, ciphertext, None, target)
        except InvalidTag:
            raise ObjectTampered(_DAMAGED) from None


class ExportReader(ChunkReader):
    """Opens one export's package, in the same way."""

    def __init__(self, key: bytes, export: uuid.UUID, sealed_size: int) -> None:
        self._place(key, export_context_of(export), sealed_size)


class Opener:
    """Turns the ciphertext of one span, given in pieces of any size, into plaintext.

    Never gives out a byte of a chunk that was not authenticated; a failed ``update`` gives nothing, and after it the
    opener stays unusable. At most one chunk waits inside. ``finalize`` must be called: it finds a span that ended
    early.
    """

    def __init__(self, reader: ChunkReader, start: int, length: int) -> None:
        self._reader = reader
        self._index, self._beyond = reader.chunks_of(start, length)
        self._skip = start - self._index * CHUNK_SIZE
        self._left = length
        self._waiting = bytearray()
        self._room = bytearray()  # kept between updates: fresh memory for every piece costs more than the decryption

    def update(self, piece: bytes) -> bytes:
        """The plaintext, within the range, of all chunks that are complete now; may be empty."""
        source = memoryview(piece)
        bounds = self._complete(len(source))
        room = self._room_for(sum(bounds) - TAG_SIZE * len(bounds))
        # If a chunk fails below, the index stays past the end: every further update and finalize fails as well.
        index, self._index = self._index, self._beyond + 1
        filled = used = 0
        for size in bounds:
            chunk = self._next_chunk(source, used, size)
            used += size - len(self._waiting)
            self._waiting = bytearray()
            self._reader.open_into(index, chunk, room[filled : filled + size - TAG_SIZE])
            filled += size - TAG_SIZE
            index += 1
        self._waiting += source[used:]
        self._index = index
        return self._within(room)

    def finalize(self) -> None:
        """Raise ObjectTampered unless the whole span was seen and opened."""
        if self._index != self._beyond or self._waiting or self._left:
            raise ObjectTampered(_DAMAGED)

    def _complete(self, size: int) -> list[int]:
        """Sizes of the sealed chunks that ``size`` further bytes complete."""
        available = len(self._waiting) + size
        bounds: list[int] = []
        total = 0
        while (index := self._index + len(bounds)) < self._beyond:
            length = self._reader.sealed_length(index)
            if total + length > available:
                break
            bounds.append(length)
            total += length
        if self._index + len(bounds) >= self._beyond and total < available:
            raise ObjectTampered(_DAMAGED)
        return bounds

    def _room_for(self, size: int) -> memoryview:
        if len(self._room) < size:
            self._room = bytearray(size)
        return memoryview(self._room)[:size]

    def _next_chunk(self, source: memoryview, used: int, size: int) -> memoryview:
        if not self._waiting:
            return source[used : used + size]
        return memoryview(bytes(self._waiting) + bytes(source[: size - len(self._waiting)]))

    def _within(self, opened: memoryview) -> bytes:
        """The part of the opened chunks that lies inside the range."""
        wanted = bytes(opened[self._skip : self._skip + self._left])
        self._skip = max(0, self._skip - len(opened))
        self._left -= len(wanted)
        return wanted


def _chunk_offset(index: int) -> int:
    # "Chunk k can be found at ciphertext offset 56 + k * (16384 + len(tag))."
    return HEADER_SIZE + index * SEALED_CHUNK_SIZE


def _require_key(key: bytes) -> None:
    if len(key) != KEY_SIZE:
        raise InvariantViolated("a document key has 32 bytes")
