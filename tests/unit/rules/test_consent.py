from __future__ import annotations

import datetime as dt
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput
from vault.rules.catalogue import ACTIONS, DOCUMENT_TYPES, PROTECTED_CLASSES, PURPOSES, ROLES
from vault.rules.consent import (
    Provision,
    check_consent_days,
    check_prohibition,
    check_provisions,
    check_signature,
)

ANY = [{"any": True}]
PERMIT = {
    "effect": "permit",
    "recipients": ANY,
    "sources": ANY,
    "documents": ANY,
    "actions": ["read"],
    "purposes": ["care"],
}
DOCUMENT = "0198c1a2-0000-7000-8000-00000000abcd"


def check(*provisions):
    return check_provisions(msgspec.convert(provisions, list[Provision]))


def refused(provision, code, field):
    with pytest.raises(InvalidInput) as raised:
        check(provision)
    assert (raised.value.narrow, raised.value.field) == (code, field and f"provisions[0].{field}")
    return raised.value.detail


def test_the_example_of_the_design_in_its_stored_form():
    permit = {
        "effect": "permit",
        "recipients": [{"agency": "kela"}, {"agency": "pirha", "unit": "pirha/tyokyky", "role": "physician"}],
        "sources": ANY,
        "documents": [{"type": "kuntoutuspalaute"}, {"document": DOCUMENT.upper()}],
        "actions": ["read"],
        "purposes": ["rehabilitation-planning"],
        "dated": {"from": "2025-01-01"},
        "protected_classes": [],
        "future_documents": True,
    }
    deny = {"effect": "deny", "recipients": [{"agency": "te-palvelut"}], "documents": [{"type": "b-lausunto"}]}
    assert check(permit, deny) == [
        permit | {"number": 1, "documents": [{"type": "kuntoutuspalaute"}, {"document": DOCUMENT}]},
        {
            "number": 2,
            "effect": "deny",
            "recipients": [{"agency": "te-palvelut"}],
            "sources": None,
            "documents": [{"type": "b-lausunto"}],
            "actions": None,
            "purposes": None,
            "dated": None,
            "protected_classes": None,
            "future_documents": False,
        },
    ]


@pytest.mark.parametrize("name", ["recipients", "sources", "documents", "actions", "purposes"])
@pytest.mark.parametrize("absent", ["missing", None, []])
def test_a_permit_says_everything_aloud(name, absent):
    permit = {k: v for k, v in PERMIT.items() if k != name}
    detail = refused(permit if absent == "missing" else permit | {name: absent}, "vague-scope", name)
    assert name in detail
    assert ('{"any": true}' in detail) == (name not in {"actions", "purposes"})


def test_no_provisions_at_all_is_no_consent():
    with pytest.raises(InvalidInput) as raised:
        check()
    assert (raised.value.narrow, raised.value.field) == ("vague-scope", "provisions")


@pytest.mark.parametrize("absent", ["missing", None, []])
def test_what_a_deny_leaves_out_it_denies(absent):
    names = ("recipients", "sources", "documents", "actions", "purposes", "protected_classes")
    deny = {"effect": "deny"} | ({} if absent == "missing" else dict.fromkeys(names, absent))
    assert {check(deny)[0][name] for name in names} == {None}


@pytest.mark.parametrize("absent", ["missing", None, []])
def test_silence_opens_no_protected_class(absent):
    permit = PERMIT if absent == "missing" else PERMIT | {"protected_classes": absent}
    assert check(permit)[0]["protected_classes"] == []


@pytest.mark.parametrize(
    ("name", "scope", "code", "where"),
    [
        ("recipients", {}, "vague-scope", "agency"),
        ("recipients", {"any": False}, "invalid-scope", "any"),
        ("recipients", {"any": False, "agency": "kela"}, "invalid-scope", "any"),
        ("recipients", {"any": True, "agency": "kela"}, "invalid-scope", "any"),
        ("recipients", {"any": True, "role": "nurse"}, "invalid-scope", "any"),
        ("recipients", {"unit": "pirha/tyokyky"}, "vague-scope", "agency"),
        ("recipients", {"role": "nurse"}, "vague-scope", "agency"),
        ("recipients", {"professional": "n-1"}, "vague-scope", "agency"),
        ("recipients", {"agency": "kela", "unit": "pirha/tyokyky"}, "invalid-scope", "unit"),
        ("recipients", {"agency": "kela", "unit": "kela"}, "invalid-scope", "unit"),
        ("recipients", {"agency": "kela", "unit": "kela/"}, "invalid-scope", "unit"),
        ("recipients", {"agency": "kela", "unit": "kela-2/x"}, "invalid-scope", "unit"),
        ("recipients", {"agency": "Kela"}, "invalid-scope", "agency"),
        ("recipients", {"agency": ""}, "invalid-scope", "agency"),
        ("recipients", {"agency": "kela", "role": "plumber"}, "unknown-code", "role"),
        ("recipients", {"agency": "kela", "professional": ""}, "invalid-scope", "professional"),
        ("recipients", {"agency": "kela", "professional": "Maija Mallikas"}, "invalid-scope", "professional"),
        ("recipients", {"agency": "kela", "professional": "x" * 201}, "invalid-scope", "professional"),
        ("recipients", {"agency": "kela", "professional": "n\x00"}, "invalid-scope", "professional"),
        ("sources", {}, "vague-scope", "agency"),
        ("sources", {"any": False}, "invalid-scope", "any"),
        ("sources", {"any": True, "unit": "pirha/x"}, "invalid-scope", "any"),
        ("sources", {"agency": "kela", "unit": "pirha/tyokyky"}, "invalid-scope", "unit"),
        ("documents", {"any": False}, "invalid-scope", "any"),
        ("documents", {"any": True, "type": "lausunto"}, "invalid-scope", "any"),
        ("documents", {"type": "letter"}, "unknown-code", "type"),
        ("documents", {"type": ""}, "unknown-code", "type"),
        ("documents", {"type": "muu"}, "vague-scope", "type"),
        ("documents", {"document": "1"}, "invalid-scope", "document"),
        ("documents", {"document": f"{{{DOCUMENT}}}"}, "invalid-scope", "document"),
    ],
)
def test_scopes_that_are_vague_or_contradict_themselves(name, scope, code, where):
    refused(PERMIT | {name: [*PERMIT[name], scope]}, code, f"{name}[1].{where}")
    if scope != {"type": "muu"}:
        refused({"effect": "deny", name: [scope]}, code, f"{name}[0].{where}")


@pytest.mark.parametrize("scope", [{}, {"type": "lausunto", "document": DOCUMENT}])
def test_a_document_scope_is_one_thing(scope):
    refused(PERMIT | {"documents": [scope]}, "vague-scope", "documents[0]")


def test_other_documents_are_permitted_one_by_one_and_denied_as_a_type():
    assert check({"effect": "deny", "documents": [{"type": "muu"}]})[0]["documents"] == [{"type": "muu"}]
    assert check(PERMIT | {"documents": [{"document": DOCUMENT}]})[0]["documents"] == [{"document": DOCUMENT}]


@pytest.mark.parametrize("name", ["actions", "purposes", "protected_classes"])
def test_unknown_codes_are_refused_by_place_without_repeating_them(name):
    given_before = PERMIT.get(name, [])
    detail = refused(PERMIT | {name: [*given_before, "as-needed"]}, "unknown-code", f"{name}[{len(given_before)}]")
    assert "as-needed" not in detail


@pytest.mark.parametrize("effect", [PERMIT, {"effect": "deny"}])
def test_days_of_the_documents(effect):
    assert check(effect | {"dated": {}})[0]["dated"] is None
    assert check(effect | {"dated": {"until": "2026-01-01"}})[0]["dated"] == {"until": "2026-01-01"}
    same = {"from": "2026-01-01", "until": "2026-01-01"}
    assert check(effect | {"dated": same})[0]["dated"] == same
    refused(effect | {"dated": {"from": "2026-01-02", "until": "2026-01-01"}}, "invalid-scope", "dated")
    refused(effect | {"dated": {"from": "2026-02-29"}}, "invalid-day", "dated.from")
    refused(effect | {"dated": {"until": "1.1.2026"}}, "invalid-day", "dated.until")


def test_duplicates_are_tolerated_and_stored_once():
    kela = {"agency": "kela"}
    provision = check(PERMIT | {"recipients": [kela, *ANY, kela], "actions": ["read", "handle", "read"]})[0]
    assert provision["recipients"] == [kela, {"any": True}]
    assert provision["actions"] == ["read", "handle"]


@pytest.mark.parametrize("unknown", [{"colour": 1}, {"recipients": [{"agencies": ["kela"]}]}, {"effect": "maybe"}])
def test_unknown_members_and_effects_do_not_parse(unknown):
    with pytest.raises(msgspec.ValidationError):
        check(PERMIT | unknown)


@pytest.mark.parametrize("loose", [{"future_documents": 1}, {"recipients": [{"any": 1}]}, {"future_documents": None}])
def test_what_is_no_boolean_does_not_parse(loose):
    with pytest.raises(msgspec.ValidationError):
        check(PERMIT | loose)


def test_a_prohibition_only_denies():
    scope = check_prohibition(Provision("deny", actions=["read"]))
    assert (scope["number"], scope["effect"], scope["actions"], scope["recipients"]) == (1, "deny", ["read"], None)
    with pytest.raises(InvalidInput) as raised:
        check_prohibition(msgspec.convert(PERMIT, Provision))
    assert (raised.value.narrow, raised.value.field) == ("invalid-scope", "effect")


def test_signatures():
    check_signature("guardian", "paper-copy-seen")
    for capacity, how, field in (
        ("neighbour", "paper-copy-seen", "signed_by.capacity"),
        ("client", "by-phone", "verified.how"),
    ):
        with pytest.raises(InvalidInput) as raised:
            check_signature(capacity, how)
        assert (raised.value.narrow, raised.value.field) == ("unknown-code", field)


def test_days_of_the_consent():
    today, day = dt.date(2026, 3, 2), dt.timedelta(days=1)
    check_consent_days(today, today, None, today)
    check_consent_days(today, today + 9 * day, today + 9 * day, today)
    check_consent_days(today - 9 * day, today - 9 * day, today - day, today)  # ended already: may be recorded
    for signed_on, valid_until, field in (
        (today + day, None, "signed_on"),
        (today, today - day, "valid_until"),
    ):
        with pytest.raises(InvalidInput) as raised:
            check_consent_days(signed_on, today, valid_until, today)
        assert (raised.value.narrow, raised.value.field) == ("invalid-day", field)


def lists(of):
    return st.lists(of, max_size=3) | st.none()


agencies = st.sampled_from(["kela", "pirha"])
loose_provisions = st.fixed_dictionaries(
    {"effect": st.sampled_from(["permit", "deny"])},
    optional={
        "recipients": lists(
            st.just({"any": True})
            | st.fixed_dictionaries({"agency": agencies}, optional={"role": st.sampled_from([*ROLES])})
        ),
        "sources": lists(st.just({"any": True}) | st.fixed_dictionaries({"agency": agencies})),
        "documents": lists(
            st.sampled_from([{"any": True}, {"document": DOCUMENT}, *({"type": t} for t in DOCUMENT_TYPES)])
        ),
        "actions": lists(st.sampled_from([*ACTIONS])),
        "purposes": lists(st.sampled_from([*PURPOSES])),
        "protected_classes": lists(st.sampled_from([*PROTECTED_CLASSES])),
        "dated": st.none() | st.fixed_dictionaries({}, optional={"from": st.dates().map(str)}),
        "future_documents": st.booleans(),
    },
)


@given(st.lists(loose_provisions, min_size=1, max_size=3))
def test_what_is_accepted_is_json_named_and_stays_as_it_is(provisions):
    try:
        checked = check(*provisions)
    except InvalidInput as error:
        refusal = error.narrow
    else:
        refusal = None
    if refusal is not None:
        assert refusal == "vague-scope"
        return
    assert json.loads(json.dumps(checked)) == checked
    assert [p["number"] for p in checked] == list(range(1, len(provisions) + 1))
    for p in checked:
        named = [p[name] for name in ("recipients", "sources", "documents", "actions", "purposes")]
        assert all(named) if p["effect"] == "permit" else all(n is None or n for n in named)
    again = check(*({k: v for k, v in p.items() if k != "number"} for p in checked))
    assert again == checked
