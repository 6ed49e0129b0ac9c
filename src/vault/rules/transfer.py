"""A closed case on its way to the archive: every state, every event, and where each leads, in one table.

    due ──package──> packaged ──send──> sent ──receipt──> received ──verify──> verified ──shred──> shredded ──forget──> beyond-recovery

Nothing is destroyed before ``shred``, and only ``verified`` leads there: the archive has signed for exactly what was sent,
and the package was read back. The steps may be interrupted and done again: doing one that was done changes nothing.

Source: promise P8; design.md §2 (transfer, package, receipt); domain.md §11.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

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
