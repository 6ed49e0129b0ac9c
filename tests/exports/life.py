"""A client of whom there is a bit of everything, for the test that compares an export with all that the database holds."""

from __future__ import annotations

import uuid
from typing import Any

from tests.exports.conftest import Person, Scene
from tests.exports.counter import Counter
from tests.support.caller import ANY, KELA, PROVIDER, PURPOSES, code_born_then, deny, must, permit, personal_code
from tests.web.test_withholding import PHYSICIAN, RIGHTS, filed_pdf

OFFICER = "pirha-1004"
NOTED = "'00000000-0000-0000-0000-000000000000'::uuid, now()"


class Life:
    """Two open cases and one at the archive; papers of every kind and fate; everything that was asked for and decided."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.caller, self.her = scene, scene.caller, Person(scene)
        self.case = self.her.open_case(name="Maija Mallikas")
        self.other = self.her.open_case(name="Maija Mallinen", interpreter="so")  # a difference
        self.officer = self.caller.by(OFFICER)
        self.client = str(scene.service.one("SELECT client FROM vault.client_case WHERE id = $1::uuid", self.case))
        self._papers()
        self._consents()
        self._case()
        self.her.sign_in()
        self._wishes()
        self._requests()
        self._rows()
        self._at_desk()

    def _at_desk(self) -> None:
        """A package made and handed over at a records officer's desk, before she orders her own."""
        counter = Counter(self.scene)
        path = counter.asked(self.client)
        package = counter.made(path)
        self.handed = counter.fetched(package)
        self.rest = counter.handed(package).rpartition("/")[2]

    def me(self, path: str, body: Any = None) -> dict[str, Any]:
        return must(self.her.http.post(f"/v1/me{path}", json=body if body is not None else {}))

    def _papers(self) -> None:
        case, caller = self.case, self.caller
        caller.join(case, "kuntoutus-oy")
        everybody = permit(
            {"any": True},
            documents=ANY,
            actions=["handle", "read"],
            purposes=PURPOSES,
            protected_classes=["mental-health"],
        )
        self.consent = caller.consent(case, [everybody, permit("kuntoutus-oy", ["lausunto"])])
        self.report = caller.file(case, content=b"the report", by=caller.by(KELA), source="kela")
        caller.file(case, "ammatillinen-suunnitelma", b"its plan", attachment_of=self.report, by=caller.by(KELA))
        caller.file(case, "lausunto", b"from the provider", by=caller.by(PROVIDER), protected_classes=[])
        self.secret = caller.file(case, "b-lausunto", b"a mind's own", protected_classes=["mental-health"])
        self.waits = caller.file(case, content=b"waits", third_persons=True, title="Salainen otsikko")
        self.paged, self.closed = filed_pdf(caller, case), filed_pdf(caller, case)
        for mark in ("retract", "misfiled"):
            must(caller.coordinator.post(f"/v1/documents/{caller.file(case, content=mark.encode())}/{mark}"))
        assert caller.by(KELA).read(self.report).status_code == 200

    def _consents(self) -> None:
        first = self.caller.consent(self.other, [permit("kela"), deny("kuntoutus-oy")])
        second = self.caller.consent(
            self.other, [permit("kela"), permit("te-palvelut")], replaces=first, valid_until="2081-01-31"
        )
        self.caller.withdraw(self.consent, provisions=[2], reason="en halua enää")
        self.caller.withdraw(second, reason="lopetan")
        for notice in must(self.caller.by(KELA).get("/v1/inbox"))["items"]:
            must(self.caller.by(KELA).post(f"/v1/inbox/{notice['id']}/acknowledge"), 200, 204)

    def _case(self) -> None:
        desk = self.caller.coordinator
        must(desk.patch(f"/v1/cases/{self.case}", {"your_reference": "AYR 77/2026"}))
        hold = must(desk.post(f"/v1/cases/{self.case}/holds", {"reason": "valitus on kesken"}))["id"]
        assert desk.delete(f"/v1/cases/{self.case}/holds/{hold}").status_code == 204
        must(desk.post(f"/v1/cases/{self.other}/holds", {"reason": "odottaa"}))
        [provider] = [m for m in must(desk.get(f"/v1/cases/{self.case}"))["members"] if m["agency"] == "kuntoutus-oy"]
        assert desk.delete(f"/v1/cases/{self.case}/members/{provider['id']}").status_code == 204
        [found] = [
            d
            for d in must(self.officer.get("/v1/differences", params={"limit": 200}))["items"]
            if d["case"] == self.other
        ]
        must(self.officer.post(f"/v1/differences/{found['id']}", {"outcome": "taken"}))
        self._code_and_back()

    def _code_and_back(self) -> None:
        for code in (code_born_then(self.her.code), self.her.code):
            must(self.caller.coordinator.patch(f"/v1/clients/{self.client}", {"personal_identity_code": code}))
        listed = must(self.officer.get("/v1/differences", params={"limit": 200}))["items"]
        first = next(d for d in listed if d["client"] == self.client)
        must(self.officer.post(f"/v1/differences/{first['id']}", {"outcome": "taken"}))

    def _wishes(self) -> None:
        ended = self.me("/prohibitions", {"recipients": [{"agency": "kela"}], "protected_classes": ["mental-health"]})[
            "id"
        ]
        self.me(f"/prohibitions/{ended}/end")
        self.me("/prohibitions", {"case": self.case, "documents": [{"document": self.report}]})
        self.me("/pause")
        friend = {"name": "Esko Edustaja", "personal_identity_code": personal_code()[0]}
        one = self.me("/authorities", {"representative": friend, "scope": "see"})["id"]
        assert self.her.http.delete(f"/v1/me/authorities/{one}").status_code == 204
        guardian = {
            "representative": friend,
            "shown": "päätös",
            "case": self.case,
            "kind": "continuing-power",
            "scope": "act",
        }
        self.barred = must(self.caller.coordinator.post(f"/v1/cases/{self.case}/authorities", guardian))["id"]

    def _requests(self) -> None:
        decided = {"how": "pages-withheld", "pages": [2], **RIGHTS}
        danger = {"how": "withheld", "provision": "1050-2018-34-health", "reason": "vakava vaara", "told": False}
        self._checked(self.paged, decided)
        self._checked(self.closed, danger | {"judge": PHYSICIAN})
        first = self.me("/requests", {"kind": "self-access", "case": self.other})["id"]
        self._step(
            first,
            "refuse",
            {"provision": "gdpr-15-4", "reason": "toisen tietoja", "text": "loput annettu", "partly": True},
        )
        self._step(
            self.me("/requests", {"kind": "self-access", "case": self.other})["id"], "answer", {"text": "annettu"}
        )
        third = self.me("/requests", {"kind": "self-access", "case": self.other})["id"]
        must(self.officer.post(f"/v1/requests/{third}/fee", {"cents": 1500, "reason": "kolmas kopio"}))
        self.me(f"/requests/{third}/fee", {"accepted": False})
        names = self.me("/requests", {"kind": "log-names"})["id"]
        [kela] = [n for n in must(self.officer.get(f"/v1/requests/{names}/names"))["items"] if n["agency"] == "kela"]
        self._step(names, "answer", {"text": "hän oli", "names": [kela["id"]]})
        self.me("/requests", {"kind": "correction", "text": "väärä päivä"})
        kept = self.me("/requests", {"kind": "restriction", "ground": "claim", "document": self.closed})["id"]
        self._step(kept, "answer", {"text": "rajoitamme"})
        self._step(kept, "restriction/notice", {"ends_from": "2031-01-31", "text": "peruste päättyy"})

    def _checked(self, document: str, decision: dict[str, Any]) -> None:
        made = self.me("/requests", {"kind": "export-review", "document": document})["id"]
        must(self.officer.post(f"/v1/requests/{made}/looks", {"document": document, "reason": "tarkistan"}))
        must(self.officer.post(f"/v1/requests/{made}/documents/{document}/decision", decision))
        self._step(made, "answer", {"text": "päätetty"})

    def _step(self, request: str, step: str, body: dict[str, Any]) -> None:
        must(self.officer.post(f"/v1/requests/{request}/{step}", body))

    def _rows(self) -> None:
        """What takes years, an archive or another sign-in to come about, written into the tables."""
        sql = self.scene.service.sql
        self.gone = self.her.open_case(name="Maija Mallikas")
        self.caller.file(self.gone, content=b"long ago")
        transfer = str(uuid.uuid4())
        sql("INSERT INTO vault.archive (id, agency, name, recipients, receipt_keys, recorded_at) VALUES ('tk', 'pirha', $1, '[]', '{}', now())",
            {"fi": "Terveyskeskuksen arkisto", "sv": "Arkivet", "en": "The archive"})  # fmt: skip
        sql(
            f"INSERT INTO vault.transfer SELECT $1::uuid, $2::uuid, max(n), {NOTED} FROM vault.archive",
            transfer,
            self.gone,
        )
        for n, state in enumerate(("due", "shredded"), 1):
            sql(
                f"INSERT INTO vault.transfer_state (transfer, n, state, entry, recorded_at) VALUES ($1::uuid, $2, $3, {NOTED})",
                transfer,
                n,
                state,
            )
        for n, state in enumerate(("closing", "closed", "archived"), 1):
            sql(
                f"INSERT INTO vault.case_state (case_id, n, state, entry, recorded_at) VALUES ($1::uuid, $2, $3, {NOTED})",
                self.gone,
                n,
                state,
            )
        sql(
            f"INSERT INTO vault.shredded (case_id, transfer, epoch, entry, recorded_at) VALUES ($1::uuid, $2::uuid, '2026-01', {NOTED})",
            self.gone,
            transfer,
        )
        sql(f"INSERT INTO vault.sign_off (case_id, closing, agency, professional, sealed_reason, entry, recorded_at) SELECT $1::uuid, 1, 'kela', min(id::text)::uuid, '\\x01', {NOTED}"
            " FROM vault.professional", self.gone)  # fmt: skip
        sql(
            f"INSERT INTO vault.consent_confirmation (consent, entry, recorded_at) VALUES ($1::uuid, {NOTED})",
            self.consent,
        )
        sql(
            f"INSERT INTO vault.authority_bar (authority, barred, entry, recorded_at) VALUES ($1::uuid, true, {NOTED})",
            self.barred,
        )
        sql(
            f"INSERT INTO vault.client_identity (identity_mac, client, entry, recorded_at) VALUES (sha256($1), $2::uuid, {NOTED})",
            transfer.encode(),
            self.client,
        )
        self.order()
        sql(f"INSERT INTO vault.archive_request_end (request, outcome, entry, recorded_at) SELECT q.id, 'given', {NOTED} FROM vault.archive_request q"
            " WHERE q.transfer = $1::uuid ORDER BY q.id LIMIT 1", transfer)  # fmt: skip

    def order(self) -> None:
        """One that she removes: it too is told."""
        export = self.her.order()["id"]
        must(self.her.http.delete(f"/v1/me/exports/{export}"), 204)
