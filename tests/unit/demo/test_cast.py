"""The demo's people: enough roles for every page and every refusal, and nobody real."""

from __future__ import annotations

import datetime as dt

import pytest
from stdnum.fi import hetu

from vault.demo import cast

BEHIND_THE_DESK = {"coordinator", "archivist", "records-officer", "security-officer"}
ROLES = {
    "coordinator",
    "physician",
    "nurse",
    "social-worker",
    "insurance-secretary",
    "employment-officer",
    "education-officer",
    "service-provider",
    "coach",
    "expert",
    "records-officer",
    "archivist",
    "security-officer",
}


def test_the_client_has_a_temporary_code_of_the_right_birth_day() -> None:
    code = cast.CLIENT.personal_identity_code
    assert hetu.validate(code, allow_temporary=True) == code
    assert not hetu.is_valid(code)
    assert code.startswith(f"{cast.CLIENT.born:%d%m%y}-9")


@pytest.mark.parametrize(
    ("born", "serial"), [(dt.date(1999, 1, 1), 899), (dt.date(1999, 1, 1), 1000), (dt.date(1899, 1, 1), 900)]
)
def test_a_code_that_could_be_somebodys_is_refused(born: dt.date, serial: int) -> None:
    with pytest.raises(ValueError, match=r"serial|in use"):
        cast.personal_identity_code(born, serial)


def test_codes_of_both_centuries_are_valid() -> None:
    for year in (1900, 1999, 2000, 2024):
        for serial in range(900, 1000, 9):
            assert hetu.is_valid(cast.personal_identity_code(dt.date(year, 2, 28), serial), allow_temporary=True)


def test_every_member_agency_has_somebody_who_reads_for_it() -> None:
    for agency in cast.AGENCIES:
        assert {person.role for person in agency.professionals} - BEHIND_THE_DESK, agency.id
        assert {person.role for person in agency.professionals} <= ROLES
        assert agency.member_role in ROLES


def test_the_coordinators_agency_has_everyone_that_the_walk_needs() -> None:
    people = [(person.role, person.unit) for person in cast.PIRHA.professionals]
    assert ("physician", "pirha/tyokyky") in people
    assert ("nurse", "pirha/miepa") in people
    assert people.count(("archivist", None)) == 2
    assert ("records-officer", None) in people
    assert cast.COORDINATOR.sub == "pirha-1001"


def test_units_belong_to_their_agency_and_ids_are_unique() -> None:
    subs = [person.sub for _, person in cast.professionals()]
    assert len(subs) == len(set(subs))
    for agency, person in cast.professionals():
        assert person.sub.startswith(f"{agency.id}-")
        assert person.unit is None or person.unit in {unit.id for unit in agency.units}


def test_each_agency_has_a_bearer_and_a_dpop_application() -> None:
    ids = [app.client_id for agency in cast.AGENCIES for app in agency.applications]
    assert len(set(ids)) == len(ids) == 2 * len(cast.AGENCIES)
    assert all([app.dpop_required for app in agency.applications] == [False, True] for agency in cast.AGENCIES)


def test_names_fall_back_to_finnish() -> None:
    assert cast.KELA.name.in_language("sv") == "FPA"
    assert cast.KELA.name.in_language("se") == "Kela"


def test_what_is_not_in_the_cast_is_said_so() -> None:
    with pytest.raises(LookupError):
        cast.agency("nobody")
    with pytest.raises(LookupError):
        cast.KELA.first("physician")
