"""What the vault needs of the store where the archive reads packages and leaves receipts; and reading back from it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from vault.aside import behind
from vault.formats.ageformat import Digest, decrypt_stream
from vault.formats.bagcheck import Bag, BagChecker
from vault.services.piping import gathered


class Deposit(Protocol):
    """Where the archive reads packages and leaves receipts. Not trusted: everything is read back.

    A version is the store's own name for one object under a name; None where the store keeps no versions. Every method
    raises StoreUnavailable when the store does not answer, or lets an object go that it must keep.
    """

    async def check(self) -> None:
        """Raise SettingsWrong unless the store keeps what is put into it as it must; nothing is sent before."""
        ...

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> str | None:
        """Store under a name, durable on return, and give its version; what is read from then on is the whole of it."""
        ...

    def fetch(self, name: str, version: str | None = None) -> AsyncIterator[bytes]:
        """All bytes, of the newest version unless one is named. Raises: ObjectTampered when there is nothing."""
        ...

    async def read(self, name: str, limit: int) -> bytes | None:
        """At most ``limit`` + 1 bytes of something small, or None when there is nothing of that name."""
        ...

    async def versions(self, name: str) -> Sequence[str | None]:
        """All versions of a name, the oldest first; empty when there is nothing."""
        ...

    async def keep(self, name: str, version: str | None, until: dt.datetime) -> dt.datetime | None:
        """Have the store refuse to remove it until then, and say what it answers when asked again.

        Returns None where the store has no locks. Raises: StoreUnavailable when the lock that is read back is shorter.
        """
        ...


async def read_back(
    pieces: AsyncIterator[bytes], identities: Sequence[str], counted: Callable[[int], None]
) -> tuple[Bag, Digest]:
    """Decrypt a package as it streams by and check all of it; the bag, and the digest of the ciphertext.

    Raises: KeyUnopenable, ObjectTampered, and whatever ``pieces`` raises.
    """
    checker = BagChecker()
    reader = _Reader(gathered(pieces), asyncio.get_running_loop(), counted)

    def decrypt() -> Digest:
        with behind(checker) as sink:
            return decrypt_stream(reader, sink, identities)

    digest = await asyncio.to_thread(decrypt)
    return checker.close(), digest


class _Reader:
    """The loop's pieces as a file, for the thread that decrypts."""

    def __init__(
        self, pieces: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop, counted: Callable[[int], None]
    ) -> None:
        self._pieces, self._loop, self._counted = pieces, loop, counted
        self._piece = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._piece:
            following = asyncio.run_coroutine_threadsafe(_next(self._pieces), self._loop).result()
            if following is None:
                return b""
            self._piece = memoryview(following)
        taken, self._piece = self._piece[:size], self._piece[size:]
        self._counted(len(taken))
        return bytes(taken)


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)
