"""Rates and shares by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vault.api.admission import Admission, Limits, Rates
from vault.errors import TooMany


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(act: Callable[[], object]) -> int:
    with pytest.raises(TooMany) as refused:
        act()
    return refused.value.retry_after_s


def test_a_burst_is_spent_and_fills_again_at_the_rate() -> None:
    clock = Clock()
    rates = Rates(2.0, 3.0, clock=clock)
    for _ in range(6):
        rates.admit("kela")
    assert refusal(lambda: rates.admit("kela")) == 1
    rates.admit("te-palvelut")
    clock.now += 0.5
    rates.admit("kela")
    refusal(lambda: rates.admit("kela"))
    clock.now += 3600
    for _ in range(6):
        rates.admit("kela")
    refusal(lambda: rates.admit("kela"))


def test_a_slow_rate_says_how_long_to_wait() -> None:
    clock = Clock()
    rates = Rates(0.1, 10.0, clock=clock)
    rates.admit("kela")
    assert refusal(lambda: rates.admit("kela")) == 10
    clock.now += 9.9
    assert refusal(lambda: rates.admit("kela")) == 1
    clock.now += 0.2
    rates.admit("kela")


def test_as_many_keys_are_remembered_as_there_is_room_for() -> None:
    rates = Rates(1.0, 1.0, keys=3, clock=Clock())
    for name in ("a", "b", "c", "d"):
        rates.admit(name)
    refusal(lambda: rates.admit("d"))
    rates.admit("a")


def test_an_application_is_counted_as_a_whole_and_a_person_alone() -> None:
    admission = Admission(Limits(rate_per_application=3, rate_per_person=2, burst_s=1))
    admission.admit("app", "anna")
    admission.admit("app", "anna")
    refusal(lambda: admission.admit("app", "anna"))
    other = Admission(Limits(rate_per_application=3, rate_per_person=2, burst_s=1))
    for sub in ("anna", "anna", "bert"):
        other.admit("app", sub)
    refusal(lambda: other.admit("app", "bert"))
    # A person of that name at another application is somebody else; a system is no person.
    other.admit("app-2", "anna")
    for _ in range(3):
        Admission(Limits(rate_per_application=3, rate_per_person=1, burst_s=1)).admit("app", "app")


def test_downloads_at_once_are_given_back() -> None:
    admission = Admission(Limits(releases_per_application=2))
    admission.begin_release("app")
    admission.begin_release("app")
    refusal(lambda: admission.begin_release("app"))
    admission.begin_release("app-2")
    admission.end_release("app")
    admission.begin_release("app")
    for _ in range(5):  # one that was ended twice gives no more than there is
        admission.end_release("app")
    admission.begin_release("app")
    admission.begin_release("app")
    refusal(lambda: admission.begin_release("app"))
