from __future__ import annotations

import pytest

from vault.rules.reasons import EXPLANATIONS, STATE_REASONS, Basis, Reason, in_order, text

# Written out from design.md §4.
BASES = "consent own-document data-subject controller-duty"
REASONS = (
    "no-consent not-yet-valid expired withdrawn superseded guardian-consent-lapsed client-deceased "
    "recipient-not-covered not-a-member source-not-covered document-not-covered dated-outside "
    "future-document-not-covered protected-class-not-named action-not-covered purpose-not-covered denied-by-provision "
    "prohibited case-closed case-archived document-retracted document-misfiled agency-suspended"
)


def test_the_lists_are_those_of_the_design_in_its_order():
    assert " ".join(Basis) == BASES
    assert " ".join(Reason) == REASONS


def test_each_has_a_source_and_its_own_sentence_in_each_language():
    assert list(EXPLANATIONS) == [*Basis, *Reason]
    assert all(e.source.strip() for e in EXPLANATIONS.values())
    for language in ("fi", "sv", "en"):
        sentences = [text(code, language) for code in EXPLANATIONS]
        assert all(s.endswith(".") and s[0].isupper() for s in sentences)
        assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("language", ["se", "smn", "sms"])
def test_sami_speakers_are_told_in_finnish(language):
    assert text(Reason.WITHDRAWN, language) == text(Reason.WITHDRAWN, "fi") == "Suostumus on peruutettu."


def test_in_order_is_the_order_of_the_list():
    assert in_order({Reason.AGENCY_SUSPENDED, Reason.NO_CONSENT}) == (Reason.NO_CONSENT, Reason.AGENCY_SUSPENDED)
    assert in_order(frozenset(Reason)) == tuple(Reason)


def test_state_reasons_are_the_first_after_no_consent():
    assert {*in_order(STATE_REASONS)} == {*list(Reason)[1:7]}
