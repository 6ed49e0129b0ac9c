"""A closed case on its way to the archive: every state, every event, and where each leads, in one table.

    due ──package──> packaged ──send──> sent ──receipt──> received ──verify──> verified ──shred──> shredded ──forget──> beyond-recovery

Nothing is destroyed before ``shred``, and only ``verified`` leads there: the archive has signed for exactly what was sent,
and the package was read back. The steps may be interrupted and done again: doing one that was done changes nothing.

Source: promise P8; design.md §2 (transfer, package, receipt); domain.md §11.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from vault.errors import Conflict


class State(StrEnum):
    """Where a transfer stands; the vault holds the whole case in every state before ``shredded``."""

    DUE = "due"  # the case is closed; two archivists must approve
    PACKAGED = "packaged"  # the package is made, and its digests are recorded
    SENT = "sent"  # the package is durable where the archive reads it
    RECEIVED = "received"  # the archive has signed for exactly this package
    VERIFIED = "verified"  # the package was read back and is what the archive signed for
    SHREDDED = "shredded"  # the case's key is destroyed
    BEYOND_RECOVERY = "beyond-recovery"  # and so is the epoch key that wrapped it, in backups too
    REJECTED = "rejected"  # the archive refused it, or it was not what it should be
    ON_HOLD = "on-hold"  # something is pending: nothing leaves
    RETAINED = "retained"  # the archive has it, and something is pending: nothing is destroyed
    CANCELLED = "cancelled"  # the case was opened again before anything was sent


class Event(StrEnum):
    """What happens to a transfer."""

    PACKAGE = "package"
    SEND = "send"
    RECEIPT = "receipt"
    VERIFY = "verify"
    SHRED = "shred"
    FORGET = "forget"
    REJECT = "reject"
    RETRY = "retry"  # corrected and packaged anew: what was rejected is never sent again
    HOLD = "hold"
    RELEASE = "release"
    CANCEL = "cancel"


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = MappingProxyType(
    {
        State.DUE: {Event.PACKAGE: State.PACKAGED, Event.HOLD: State.ON_HOLD, Event.CANCEL: State.CANCELLED},
        State.PACKAGED: {
            Event.PACKAGE: State.PACKAGED,
            Event.SEND: State.SENT,
            Event.REJECT: State.REJECTED,
            Event.HOLD: State.ON_HOLD,
            Event.CANCEL: State.CANCELLED,
        },
        State.SENT: {Event.SEND: State.SENT, Event.RECEIPT: State.RECEIVED, Event.REJECT: State.REJECTED},
        State.RECEIVED: {Event.RECEIPT: State.RECEIVED, Event.VERIFY: State.VERIFIED, Event.REJECT: State.REJECTED},
        State.VERIFIED: {
            Event.VERIFY: State.VERIFIED,
            Event.SHRED: State.SHREDDED,
            Event.REJECT: State.REJECTED,
            Event.HOLD: State.RETAINED,
        },
        State.SHREDDED: {Event.SHRED: State.SHREDDED, Event.FORGET: State.BEYOND_RECOVERY},
        State.BEYOND_RECOVERY: {Event.FORGET: State.BEYOND_RECOVERY},
        State.REJECTED: {
            Event.REJECT: State.REJECTED,
            Event.RETRY: State.DUE,
            Event.HOLD: State.ON_HOLD,
            Event.CANCEL: State.CANCELLED,
        },
        # What was packaged before the hold is stale: it is made anew.
        State.ON_HOLD: {Event.HOLD: State.ON_HOLD, Event.RELEASE: State.DUE, Event.CANCEL: State.CANCELLED},
        # Time has passed: it is read back once more before anything is destroyed.
        State.RETAINED: {Event.HOLD: State.RETAINED, Event.RELEASE: State.RECEIVED},
        State.CANCELLED: {Event.CANCEL: State.CANCELLED},
    }
)


def next_state(state: State, event: Event) -> State:
    """Where the event leads. Raises: Conflict (``transfer-state``) when it cannot happen in that state."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Conflict(f"a transfer that is {state} takes no {event}", code="transfer-state", field="state") from None


class Wait(NamedTuple):
    """What a transfer waits for, in a sentence, and what somebody can do about it."""

    code: str
    what: str
    do: str


_BEFORE: Final = "when that has ended, two archivists approve the transfer, and the package is made anew"
_AFTER: Final = "the package stays at the archive and the case here; when that has ended, it goes on by itself up to the destruction"
_LEFT: Final = {State.SENT, State.RECEIVED, State.VERIFIED, State.RETAINED}
_WAITS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "hold": ("a hold keeps the case here", "who set it ends it, in the case"),
        "restriction": ("the processing of these records is restricted", "the records officer ends the restriction"),
        "open-request": ("a person's request for their records is not answered yet", "the records officer answers it"),
        "unfinished-upload": ("a paper is still being filed", "it ends, or is given up, by itself"),
        "approvals": ("two archivists must approve", "two different archivists approve it"),
        "receipt": (
            "the archive has not signed yet",
            "at the archive: vault archive receive; then hand in the receipt",
        ),
        "waiting-time": ("the waiting time before the destruction runs", "nothing; it goes on by itself"),
        "export": ("an export that holds its papers can still be fetched", "nothing; it ends by itself"),
        "key-rotation": ("backups of the database could still open it", "the operator runs: vault key rotate"),
    }
)


def waits(state: State, codes: Sequence[str]) -> list[Wait]:
    """What stops a transfer and what to do, for ``codes`` as the database tells them; ``hold`` and the like differ by state."""
    found = []
    for code in codes:
        what, do = _WAITS[code]
        if code in {"hold", "restriction", "open-request", "unfinished-upload"}:
            do = f"{do}; {_AFTER if state in _LEFT else _BEFORE}"
        found.append(Wait(code, what, do))
    return found


def diagram() -> str:
    """The table as a Mermaid state diagram, without the events that change nothing."""
    arrows = [
        f"    {_node(state)} --> {_node(end)}: {event}"
        for state, events in TRANSITIONS.items()
        for event, end in events.items()
        if end is not state
    ]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {_node(State.DUE)}", *arrows, ""])


def _node(state: State) -> str:
    return state.value.replace("-", "_")
