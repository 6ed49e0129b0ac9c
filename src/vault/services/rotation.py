"""The rotation of root and epoch keys, without touching a document; whoever is stopped half-way goes on where it was.

    new root → begun (the retired keys take nothing new) → wrapped anew, batch by batch → epochs destroyed
             → old roots destroyed in the keyring → ended: what was shredded under them is beyond recovery

Each step is recorded before the next one begins, and doing one again changes nothing. Source: docs/spec/keys.md §2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from vault.errors import Conflict, InvariantViolated
from vault.model import Act, Clearance, KeyKind, TokenSecret, WrappedKey
from vault.ports import Door, Keyring

_TRIES = 5
_WAIT_S = 0.5


class RootKeyring(Keyring, Protocol):
    """A keyring whose root keys can be replaced."""

    @property
    def current_root(self) -> str: ...

    def new_root(self) -> str:
        """Make a root key, which wraps from now on; its id."""
        ...

    def destroy_root(self, root_id: str) -> bool:
        """Destroy a root key; False for one that is still in use, which stays."""
        ...


class Rotations(Protocol):
    """The database's side. Raises DatabaseUnavailable within the bounded wait."""

    async def alone(self) -> bool:
        """Whether no other rotation runs now, and none will until this process has ended. As the owner."""
        ...

    async def named(self) -> dict[str, Any]:
        """``roots``: the root keys (``root:<id>``) that wrap something; ``state``: the newest rotation, or None."""
        ...

    async def begin(self, root: str) -> None:
        """Begin a rotation towards this root key, or go on with the one that was begun. As the owner."""
        ...

    async def take_up(self) -> TokenSecret | None:
        """A job for the rotation that was begun; None when there is none."""
        ...


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation came to; ``kept`` are old root keys that still seal what belongs to no case."""

    root: str
    keys: int
    epochs: tuple[str, ...]
    destroyed: tuple[str, ...]
    kept: tuple[str, ...]
    forgotten: int


class Rotation:
    """One rotation; ``tell`` hears of each step."""

    def __init__(self, door: Door, rotations: Rotations, keyring: RootKeyring, tell: Callable[[str], None]) -> None:
        self._door, self._rotations, self._keyring, self._tell = door, rotations, keyring, tell

    async def run(self) -> Rotated:
        """Rotate from the beginning to the end, or from where another one stopped. Raises: Conflict while another runs."""
        await self._wait_alone()
        root = await self._begin()
        secret = await self._rotations.take_up()
        if secret is None:
            raise InvariantViolated("a rotation was begun and there is none")
        keys = await self._rewrap_all(secret)
        epochs = (await self._door.act("epochs_destroy", secret)).facts["epochs"]
        self._tell(f"{keys} keys wrapped anew, {len(epochs)} epoch keys destroyed: {', '.join(epochs) or 'none'}")
        retired = [
            name for name in ((await self._rotations.named())["state"] or {})["alive"] if name.startswith("root:")
        ]
        gone = [name for name in retired if self._keyring.destroy_root(name.removeprefix("root:"))]
        kept = [name for name in retired if name not in gone]
        done = await self._door.act("rotation_end", secret, gone)
        self._tell(f"root keys destroyed: {', '.join(gone) or 'none'}")
        return Rotated(root, keys, tuple(epochs), tuple(gone), tuple(kept), int(done.facts["forgotten"]))

    async def _wait_alone(self) -> None:
        """Two at once would each make a root key. A process that was killed may have to be noticed first."""
        for _ in range(_TRIES):
            if await self._rotations.alone():
                return
            await asyncio.sleep(_WAIT_S)
        raise Conflict("another rotation of keys is running; run this again when it has ended", code="rotation-running")

    async def _begin(self) -> str:
        """The root key that everything goes under. One that was made and wraps nothing yet is used, not made again."""
        known = await self._rotations.named()
        state, current = known["state"], self._keyring.current_root
        if state is not None and state["ended_at"] is None:
            if current != state["root"]:
                raise Conflict(
                    f"the rotation towards {state['root']} has not ended, and that root key is not this keyring's current one:"
                    " restore the keyring's newest copy",
                    code="rotation-open",
                )
            self._tell("going on with the rotation that was begun")
        elif current in known["roots"]:
            current = f"root:{self._keyring.new_root()}"
            self._tell(f"a new root key: {current}")
        await self._rotations.begin(current)
        return current

    async def _rewrap_all(self, secret: TokenSecret) -> int:
        total, tries = 0, 0
        while True:
            permit = await self._door.ask(secret, Act.REWRAP)
            names = permit.facts["names"]
            if not isinstance(names, list) or not names:
                return total
            try:
                done = await self._door.act("keys_rewrapped", secret, permit.entry, self._rewrapped(permit, names))
            except Conflict as conflict:
                # The first epoch key of now was made by somebody else at this moment.
                tries += 1
                if conflict.narrow != "try-again" or tries > _TRIES:
                    raise
                continue
            total += int(done.facts["keys"])
            self._tell(f"{total} keys wrapped anew, {int(str(permit.facts['left'])) - len(names)} left")

    def _rewrapped(self, permit: Clearance, names: list[str]) -> list[tuple[str, str, str, bytes]]:
        epoch = str(permit.facts["epoch"])
        made: list[WrappedKey] = []
        if permit.key(KeyKind.EPOCH, epoch) is None:
            made.append(self._keyring.create(permit, KeyKind.EPOCH, epoch))
        for name in names:
            kind, _, subject = name.partition(":")
            key = permit.key(KeyKind(kind), subject)
            if key is None:
                continue  # destroyed between the listing and the taking
            parent = None if key.kind in {KeyKind.EPOCH, KeyKind.LOOKUP} else f"epoch:{epoch}"
            made.append(self._keyring.rewrap(permit, key, parent=parent, beside=made))
        return [(str(key.kind), key.subject, key.parent, key.wrapped) for key in made]
