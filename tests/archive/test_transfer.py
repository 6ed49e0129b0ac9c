"""The table of transfers: drawn, complete, and shredding only where the archive has signed and the package was read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import Conflict
from vault.rules.transfer import TRANSITIONS, Event, State, diagram, next_state

HELD = set(State) - {State.SHREDDED, State.BEYOND_RECOVERY}
STEPS = [Event.PACKAGE, Event.SEND, Event.RECEIPT, Event.VERIFY, Event.SHRED, Event.FORGET]


def test_every_pair_leads_to_a_state_or_raises_conflict() -> None:
    for state in State:
        for event in Event:
            if event in TRANSITIONS[state]:
                assert next_state(state, event) is TRANSITIONS[state][event]
            else:
                with pytest.raises(Conflict) as refused:
                    next_state(state, event)
                assert refused.value.narrow == "transfer-state"


def test_every_state_can_be_reached_and_every_event_happens() -> None:
    reached, new = {State.DUE}, [State.DUE]
    while new:
        ends = set(TRANSITIONS[new.pop()].values()) - reached
        reached |= ends
        new += ends
    assert reached == set(State)
    assert {event for events in TRANSITIONS.values() for event in events} == set(Event)


@given(st.lists(st.sampled_from(list(Event)), max_size=60))
def test_p08_nothing_is_shredded_before_it_was_received_and_verified(events) -> None:
    state, since_due = State.DUE, []
    for event in events:
        before = state
        try:
            state = next_state(state, event)
        except Conflict:
            continue
        if state is State.DUE:
            since_due = []
        since_due.append(event)
        if before in HELD and state not in HELD:
            kept = [one for one in since_due if one in {Event.SEND, Event.RECEIPT, Event.VERIFY}]
            assert kept.index(Event.SEND) < kept.index(Event.RECEIPT) < kept.index(Event.VERIFY)
            assert since_due.index(Event.PACKAGE) < since_due.index(Event.SEND)
            assert before is State.VERIFIED
            assert event is Event.SHRED
        if before not in HELD:
            assert state not in HELD


def test_p08_a_step_that_was_done_can_be_done_again_and_changes_nothing() -> None:
    for state in State:
        for event in STEPS:
            if event in TRANSITIONS[state]:
                once = next_state(state, event)
                assert next_state(once, event) is once


def test_nothing_comes_back_from_shredded() -> None:
    assert set(TRANSITIONS[State.SHREDDED].values()) == {State.SHREDDED, State.BEYOND_RECOVERY}
    assert set(TRANSITIONS[State.BEYOND_RECOVERY].values()) == {State.BEYOND_RECOVERY}


def test_a_hold_ends_in_a_state_from_which_the_way_on_is_gone_again() -> None:
    assert next_state(State.ON_HOLD, Event.RELEASE) is State.DUE
    assert next_state(next_state(State.VERIFIED, Event.HOLD), Event.RELEASE) is State.RECEIVED
    for state in (State.ON_HOLD, State.RETAINED):
        assert not {Event.SEND, Event.SHRED} & TRANSITIONS[state].keys()


def test_the_drawing_shows_the_whole_table() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", diagram(), re.MULTILINE))
    table = {
        (state.replace("-", "_"), end.replace("-", "_"), event)
        for state, events in TRANSITIONS.items()
        for event, end in events.items()
        if state is not end
    }
    assert drawn == table


def test_the_documented_drawing_is_this_one() -> None:
    page = Path(__file__).parents[2] / "docs" / "howto" / "archive.md"
    assert diagram() in page.read_text("utf-8")
