from __future__ import annotations

import msgspec
import pytest

from vault.errors import InvalidInput, InvariantViolated
from vault.rules import catalogue
from vault.rules.catalogue import DOCUMENT_TYPES, LANGUAGES, PROCESSES, VOCABULARIES, require_code

# Written out from design.md §2, so that a slip in the tables is seen.
DESIGN = {
    "process": "ayr verkosto akse tym tyky",
    "document-type": (
        "suostumus peruutus aloite hakemus esitietolomake palvelutarvearvio lahete b-lausunto lausunto saate "
        "paperikonsultaatio kutsu muistio muistilista kannanotto suositus tyollistymissuunnitelma kuntoutussuunnitelma "
        "ammatillinen-suunnitelma kuntoutuspalaute seurantapalaute omat-tavoitteeni paatos toimeksianto todistus "
        "loppuarvio muu"
    ),
    "purpose": (
        "rehabilitation-planning rehabilitation-assessment service-provision benefit-decision employment-support care "
        "education-support"
    ),
    "action": "handle obtain read deliver opinion hear-close-person invite-expert",
    "role": (
        "coordinator physician nurse social-worker insurance-secretary employment-officer education-officer "
        "service-provider coach expert records-officer archivist security-officer"
    ),
    "protected-class": "mental-health substance-use psychology sexual-therapy genetics",
    "language": "fi sv en se smn sms",
    "capacity": "client guardian continuing-power authorised",
    "verification": "paper-original-seen paper-copy-seen strong-identification other-agency-confirmed",
}


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_codes_are_those_of_the_design_in_its_order(kind):
    assert " ".join(VOCABULARIES[kind]) == DESIGN[kind]


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_every_code_has_a_name_of_its_own_in_three_languages(kind):
    for language in ("fi", "sv", "en"):
        names = [named.name(language) for named in VOCABULARIES[kind].values()]
        assert all(name.strip() == name and name for name in names)
        assert len(set(names)) == len(names)


def test_names_fall_back_to_finnish_for_the_sami_languages():
    assert {LANGUAGES["sv"].name(language) for language in ("fi", "se", "smn", "sms")} == {"ruotsi"}
    assert LANGUAGES["sv"].name("en") == "Swedish"


def test_types_that_can_be_protected():
    free = {code for code, kind in DOCUMENT_TYPES.items() if not kind.can_be_protected}
    assert free == {"suostumus", "peruutus", "kutsu", "muistilista"}
    assert all(kind.source for kind in DOCUMENT_TYPES.values())


def test_processes_say_what_they_keep_and_who_signs_off():
    assert {code: p.closing.sign_offs for code, p in PROCESSES.items()} == {
        "ayr": 1,
        "verkosto": 1,
        "akse": 1,
        "tym": 3,
        "tyky": 1,
    }
    ayr, tym = PROCESSES["ayr"].retention, PROCESSES["tym"].retention
    assert (ayr.years, ayr.rule, ayr.starts) == (10, "exactly", "end-of-handling")
    assert (tym.years, tym.rule) == (4, "at-most")


@pytest.mark.parametrize("code", PROCESSES)
def test_every_process_can_take_its_consent_and_has_a_coordinator(code):
    process = PROCESSES[code]
    assert {"suostumus", "peruutus", "muu"} <= set(process.document_types)
    assert process.actor_roles[0] == "coordinator"
    assert all((process.source, process.retention.source, process.closing.source, process.controller.source))
    assert all(clock.source and clock.amount > 0 for clock in process.clocks)
    assert len({clock.code for clock in process.clocks}) == len(process.clocks)


def test_repealed_law_is_cited_as_origin_only():
    for process in PROCESSES.values():
        for source in (process.source, process.retention.source, process.closing.source, process.controller.source):
            assert not any(act in source for act in ("497/2003", "523/1999")) or "repealed" in source


def test_a_process_cannot_use_a_code_that_does_not_exist(monkeypatch):
    table = catalogue._table("ayr")
    monkeypatch.setattr(catalogue, "_table", lambda name: table | {"actor_roles": ["plumber"]})
    with pytest.raises(InvariantViolated, match="plumber"):
        catalogue._process("ayr", catalogue._CODES)


def test_a_table_with_an_unknown_member_is_refused():
    table = catalogue._table("ayr")
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.convert(table | {"colour": "blue"}, catalogue.Process)


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_require_code(kind):
    for code in VOCABULARIES[kind]:
        assert require_code(kind, code, "here") == code
    with pytest.raises(InvalidInput) as raised:
        require_code(kind, "Maija Mallikas", "here")
    assert (raised.value.narrow, raised.value.field) == ("unknown-code", "here")
    assert "Maija" not in str(raised.value)
    assert next(iter(VOCABULARIES[kind])) in raised.value.detail
