"""Closing a case, opening it again, and holds. One public function is one act: logged, done in one transaction."""

from __future__ import annotations

import uuid

import msgspec

from vault.errors import InvalidInput
from vault.model import Act, CaseId, TokenSecret
from vault.ports import Done, Door, Keyring

_MAX_REASON = 1000


class Closing(msgspec.Struct, frozen=True):
    """How a closing stands; ``missing`` is how many more agencies must sign off, and ``signed`` those that did."""

    state: str
    needed: int
    signed: list[str]
    missing: int
    promise: str


class ClosingActs:
    """The acts at a case's end; ``door`` decides each. Reasons are sealed under the case's key."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def close(
        self, secret: TokenSecret, case: CaseId, reason: str, final_assessment: uuid.UUID | None
    ) -> Closing:
        """Begin a case's closing, or sign it off for the caller's agency; again changes nothing.

        From the first call on no agency reads, and running releases are cut. The case is closed when as many agencies
        have signed off as its process asks for.
        Raises: Forbidden for who is not the coordinator, until the closing has begun.
        """
        sealed = await self._seal(secret, case, "case.closing", reason)
        return _standing(await self._door.act("case_close", secret, case, sealed, final_assessment))

    async def reopen(self, secret: TokenSecret, case: CaseId, reason: str) -> Closing:
        """Open a closing or closed case again, until its package is sent."""
        sealed = await self._seal(secret, case, "case.reopening", reason)
        return _standing(await self._door.act("case_reopen", secret, case, sealed))

    async def hold(self, secret: TokenSecret, case: CaseId, hold: uuid.UUID, reason: str) -> Done:
        """Keep a case where it is, whatever its transfer's state, until the hold is ended."""
        sealed = await self._seal(secret, case, "case.hold", reason)
        return await self._door.act("hold_add", secret, hold, case, sealed)

    async def end_hold(self, secret: TokenSecret, case: CaseId, hold: uuid.UUID) -> Done:
        """End a hold; a second time changes nothing."""
        return await self._door.act("hold_end", secret, case, hold)

    async def _seal(self, secret: TokenSecret, case: CaseId, purpose: str, reason: str) -> bytes:
        if not 0 < len(reason.strip()) <= _MAX_REASON:
            raise InvalidInput(f"a reason has 1 to {_MAX_REASON} characters", field="reason")
        listed = await self._door.ask(secret, Act.LIST, case=case, about={"target": "case"})
        return self._keyring.seal(listed, f"case:{case}", f"{purpose}|{case}", reason.strip().encode())


def _standing(done: Done) -> Closing:
    signed, needed = list(done.facts["signed"]), int(done.facts["needed"])
    missing = max(0, needed - len(signed)) if done.facts["state"] == "closing" else 0
    return Closing(state=str(done.facts["state"]), needed=needed, signed=signed, missing=missing, promise=done.promise)
