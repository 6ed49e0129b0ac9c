"""The multisectoral promotion of employment: four years at most, nothing before it begins, no right to restriction."""

from __future__ import annotations

import datetime as dt

from tests.support.caller import ANY, EMPLOYMENT, KELA, PURPOSES, must, new_case, paper, permit, personal_code
from tests.support.service import run
from tests.support.sessions import browser, client_session
from tests.transfers.conftest import Scene
from vault.rules.days import helsinki_day, plus_years

OFFICER = "pirha-1004"


def begun(scene: Scene, code: str, born: str) -> str:
    """A case whose client has agreed to it, with the three authorities in it."""
    caller = scene.caller
    body = new_case(personal_identity_code=code, born=born) | {"process": "tym"}
    case = str(must(caller.coordinator.post("/v1/cases", body))["id"])
    refused = caller.coordinator.post(f"/v1/cases/{case}/documents", paper("tyollistymissuunnitelma"))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.json()["reasons"] == ["no-consent"]
    caller.consent(case, [permit({"any": True}, documents=ANY, actions=["handle", "read"], purposes=PURPOSES)])
    for agency in ("kela", "te-palvelut"):
        caller.join(case, agency)
    caller.file(case, "tyollistymissuunnitelma")
    return case


def test_22_nothing_is_stored_before_it_begins_and_what_is_kept_ends_after_four_years_unless_something_is_pending(
    scene: Scene,
) -> None:
    """domain.md §14 no. 22; FI 381/2023 § 12."""
    case = begun(scene, *personal_code())
    for acting in (scene.caller.coordinator, scene.caller.by(KELA), scene.caller.by(EMPLOYMENT)):
        must(acting.post(f"/v1/cases/{case}/close", {"reason": "loppuarvio on tehty"}), 200, 202)
    hold = must(scene.caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "muutoksenhaku on kesken"}))["id"]
    run(scene.find())
    assert scene.service.sql("SELECT FROM vault.transfer WHERE case_id = $1::uuid", case) == []
    assert scene.caller.coordinator.delete(f"/v1/cases/{case}/holds/{hold}").status_code in (200, 204)
    run(scene.find())
    transfer = str(scene.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))
    scene.approve(transfer)
    scene.work(2)
    told = must(scene.archivist().get(f"/v1/transfers/{transfer}"))
    assert told["state"] == "sent"
    assert told["package"]["retention_ends"] == plus_years(helsinki_day(dt.datetime.now(dt.UTC)), 4).isoformat()


def test_22_a_wish_to_restrict_processing_is_answered_with_the_exception_of_the_act(scene: Scene) -> None:
    """domain.md §14 no. 22: GDPR Art. 18 does not apply there (FI 381/2023 § 12)."""
    code, born = personal_code()
    case = begun(scene, code, born)
    wish = {"kind": "restriction", "ground": "unlawful", "case": case, "text": "Rajoittakaa tietojeni käsittelyä."}
    with browser(scene.service, client_session(scene.service, code)) as hers:
        made = must(hers.post("/v1/me/requests", json=wish))["id"]
        decision = {"provision": "381-2023-12", "reason": "oikeutta ei ole tässä yhteistyössä", "told": True}
        must(scene.caller.by(OFFICER).post(f"/v1/requests/{made}/refuse", decision))
        refusal = must(hers.get(f"/v1/me/requests/{made}"))["steps"][-1]["refusal"]
    assert refusal["law"] == "laki työllistymisen monialaisesta edistämisestä (381/2023) 12 §"
    assert "rajoittamiseen" in refusal["meaning"]
    assert "tietosuoja.fi" in refusal["ombudsman"]
