"""An export's table of states, and how far it has come."""

from __future__ import annotations

import pytest

from vault.errors import Conflict
from vault.rules.self_access import TRANSITIONS, Event, State, next_state, percent


def test_every_state_is_in_the_table_and_removed_is_the_end() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(TRANSITIONS[State.REMOVED].values()) == {State.REMOVED}
    assert next_state(State.COLLECTING, Event.MAKE) is State.READY
    with pytest.raises(Conflict):
        next_state(State.RECEIVED, Event.FETCH)


def test_a_hundred_per_cent_is_said_only_of_what_is_ready() -> None:
    assert [percent(done, 200) for done in (0, 1, 100, 200, 900)] == [0, 0, 50, 99, 99]
    assert percent(5, 0) == 0
