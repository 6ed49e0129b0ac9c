"""A client's own export: its states in one table, its clock, what counts as large.

    received ──collect──> collecting ──make──> ready ──fetch──> delivered
                               │                  └───────┬──────┘
                               └─fail─> failed            └─expire─> expired          any of these ──remove──> removed

    delivered, expired ──hand──> handed        (one that a records officer fetched, for somebody who cannot sign in)

Identifying the client comes before ``received``: an order is only taken from a session of strong identification, or from a
records officer on a request that says how the person was identified. What a records officer must look at first does not hold
the rest back: it is listed with its day.

The last day for an answer and what uses up a free year stand in adapters/postgres/sql/terms.sql.

Source: promise P9; GDPR Art. 12, 15; design.md §3.3, §7; domain.md §9.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from vault.errors import Conflict

LARGE: Final = 10 * 1024 * 1024
"""Papers above this many bytes are left out of an export "without large scans"."""
KEEP_DAYS: Final = 14
"""How long a ready export waits to be fetched, unless a setting says otherwise."""


class State(StrEnum):
    """Where an export stands."""

    RECEIVED = "received"  # ordered; the month runs
    COLLECTING = "collecting"  # the worker is at it
    READY = "ready"  # sealed, and waiting to be fetched
    DELIVERED = "delivered"  # every byte was sent at least once
    EXPIRED = "expired"  # its last day has passed: the key is destroyed
    FAILED = "failed"  # it could not be made; a new one may be ordered
    REMOVED = "removed"  # the client removed it
    HANDED = "handed"  # handed over at a records officer's desk: it is not kept here any more


class Event(StrEnum):
    """What happens to an export."""

    COLLECT = "collect"
    MAKE = "make"
    FETCH = "fetch"
    EXPIRE = "expire"
    FAIL = "fail"
    REMOVE = "remove"
    HAND = "hand"


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = MappingProxyType(
    {
        State.RECEIVED: {Event.COLLECT: State.COLLECTING, Event.FAIL: State.FAILED, Event.REMOVE: State.REMOVED},
        State.COLLECTING: {
            Event.COLLECT: State.COLLECTING,  # the worker stopped half-way: begun again
            Event.MAKE: State.READY,
            Event.FAIL: State.FAILED,
            Event.REMOVE: State.REMOVED,
        },
        State.READY: {Event.FETCH: State.DELIVERED, Event.EXPIRE: State.EXPIRED, Event.REMOVE: State.REMOVED},
        State.DELIVERED: {
            Event.FETCH: State.DELIVERED,
            Event.EXPIRE: State.EXPIRED,
            Event.REMOVE: State.REMOVED,
            Event.HAND: State.HANDED,
        },
        # A letter's receipt may come back late.
        State.EXPIRED: {Event.EXPIRE: State.EXPIRED, Event.REMOVE: State.REMOVED, Event.HAND: State.HANDED},
        State.HANDED: {Event.HAND: State.HANDED},
        State.FAILED: {Event.FAIL: State.FAILED, Event.REMOVE: State.REMOVED},
        State.REMOVED: {Event.REMOVE: State.REMOVED},
    }
)
UNDER_WAY: Final = frozenset({State.RECEIVED, State.COLLECTING})


def next_state(state: State, event: Event) -> State:
    """Where the event leads. Raises: Conflict (``export-state``) when it cannot happen in that state.

    Source: domain.md §9.
    """
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise Conflict(f"an export that is {state} takes no {event}", code="export-state", field="state") from None


class Clock(msgspec.Struct, frozen=True):
    """When it was received and by when it is answered, in Helsinki days: one month (GDPR Art. 12(3))."""

    received: dt.date
    due: dt.date


def percent(done: int, whole: int) -> int:
    """How far a worker has come, 0 to 99: a hundred is said only of what is ready.

    Source: domain.md §9 (progress).
    """
    return 0 if whole <= 0 else max(0, min(99, done * 100 // whole))
