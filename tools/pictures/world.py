"""A vault whose people stand in every state that a page can show: the demo's main job, and others beside it."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.exports.conftest import BIG
from tests.exports.conftest import Scene as Exports
from tests.support.caller import ANY, KELA, PURPOSES, Caller, handle, must, permit, personal_code
from tests.support.postgres import Servers
from tests.support.service import Service, run, serving
from tests.support.sessions import browser, client_session, staff_session
from tests.transfers.conftest import FIRST, ORIGIN, SECOND, sequencing
from tests.transfers.conftest import Scene as Transfers
from tests.web.test_withholding import pdf
from tools.pictures.at_desk import make_handed
from vault.demo.cast import CLIENT
from vault.demo.run import walk
from vault.demo.tell import Teller
from vault.rules.days import helsinki_day
from vault.services.sequencer import log_vkey
from vault.services.sessions import Session

OFFICER = "pirha-1004"
LONG_NAME = "Anna-Maria Margareta Kokemäenjokilaakso-von Wolffenschwerdtenberg"
LONG_TITLE = "Moniammatillisen kuntoutussuunnitelmatyöryhmän asiantuntijalausuntoluonnoksen täydennyspyyntöasiakirja"


class ExportsBesideTransfers(Exports):
    """Its log is kept already, by the one sequencer of this world."""

    def log_keeper(self) -> Any:
        return AsyncExitStack()


class World:
    """Sessions by name, and ids of what pages show. Order: ``make`` before the browser's driver starts its loop."""

    def __init__(self, service: Service, caller: Caller, folder: Path) -> None:
        self.service, self.caller = service, caller
        self.exports = ExportsBesideTransfers(service, caller, vkey=log_vkey(service.keyring, ORIGIN))
        self.transfers = Transfers(service, caller, folder)
        self.sessions: dict[str, Session] = {}
        self.ids: dict[str, str] = {}
        self.codes: dict[str, str] = {}

    def make(self) -> None:
        """Everything, in an order in which nobody's jobs make somebody else's."""
        self._main_job()
        self._requests()
        self._exports()
        self._others()
        self._restricted()
        make_handed(self)
        self._young()
        self._archive()
        for who, subject, role in (
            ("coordinator", "pirha-1001", "coordinator"), ("officer", OFFICER, "records-officer"),
            ("archivist", FIRST, "archivist"), ("archivist-2", SECOND, "archivist"),
        ):  # fmt: skip
            self.sessions[who] = staff_session(self.service, subject, role)
        # All are signed in at the start, and the last picture may be taken a long while after.
        self.service.sql("UPDATE vault.session SET idle_s = 14400, ends_at = now() + interval '4 hours'")
        self.service.sql(
            "UPDATE vault.token SET expires_at = now() + interval '4 hours' WHERE secret_sha256 IN (SELECT secret_sha256 FROM vault.session)"
        )

    # ------------------------------------------------------------ one person each

    def somebody(self, who: str, code: str, born: str, name: str, **more: Any) -> str:
        """A case with a consent for Kela, and who it is about signed in."""
        case = self.caller.open_case(personal_identity_code=code, born=born, name=name, members=["kela"], **more)
        self.caller.consent(case, [handle(), permit("kela")], signed_by={"capacity": "client", "name": name})
        self.sessions[who], self.codes[who] = client_session(self.service, code), code
        return case

    def paper(self, name: str, case: str, kind: str = "lausunto", content: bytes = b"", **about: Any) -> str:
        """A PDF of three pages, or this text."""
        known = {"title": "Lausunto työkyvystä", "filename": "lausunto.pdf", "media_type": "application/pdf"}
        made = must(self.caller.coordinator.post(f"/v1/cases/{case}/documents", _paper(kind, **known | about)))["id"]
        sent = content or pdf("ETUSIVU", "NAAPURIN", "LOPPU")
        must(self.caller.coordinator.upload(made, sent, **{"Content-Type": "application/pdf"}))
        self.ids[name] = str(made)
        return str(made)

    def ask(self, who: str, kind: str, **more: Any) -> str:
        """A request of theirs, by their own pages."""
        with browser(self.service, self.sessions[who]) as http:
            return str(must(http.post("/v1/me/requests", json={"kind": kind} | more))["id"])

    def _main_job(self) -> None:
        """The demo's client: papers of five agencies, openings, denials, a withdrawn clause, a prohibition."""
        with io.StringIO() as unheard:
            walked = run(walk(self.service.demo, Teller(unheard), 2 * BIG))
        self.ids |= walked.documents | {"case": walked.case, "consent": walked.consent}
        self.ids["consent-form"] = walked.documents["consent"]
        self.sessions["client"] = client_session(self.service, CLIENT.personal_identity_code)
        for _ in range(9):
            self.caller.coordinator.get(f"/v1/cases/{walked.case}/documents")
        with browser(self.service, self.sessions["client"]) as http:
            forbidden = {"recipients": [{"agency": "kuntoutus-oy"}], "documents": [{"type": "b-lausunto"}]}
            made = must(http.post("/v1/me/prohibitions", json=forbidden))["id"]
            assert http.get(f"/v1/me/documents/{walked.documents['plan']}/content").status_code == 200
            friend, _ = personal_code()
            given = {"representative": {"name": "Esko Edustaja", "personal_identity_code": friend}, "scope": "act"}
            self.ids["authority"] = must(http.post("/v1/me/authorities", json=given))["id"]
        self.ids["prohibition"] = made
        self.sessions["friend"] = client_session(self.service, friend)

    def _requests(self) -> None:
        """Somebody with papers in every state, and requests at every step; the officer's desk fills with them."""
        case = self.somebody("asker", *personal_code(), "Aune Kysyjä")
        waits, cut, kept, wrong, back = (
            self.paper(name, case, third_persons=True, title=title)
            for name, title in (
                ("waits", "Kotikäynnin muistio"), ("cut", "Verkostoneuvottelun muistio"), ("kept", "Huoltajan kertomus"),
                ("wrong", "Laboratoriovastaus"), ("back", "Luonnos lausunnoksi"),
            )
        )  # fmt: skip
        must(self.caller.coordinator.post(f"/v1/documents/{back}/retract"), 200, 204)
        read = self.caller.file(case, title="Kuntoutuspalaute", filename="palaute.txt")
        must_read = self.caller.by(KELA).read(read)
        assert must_read.status_code == 200
        must(self.caller.coordinator.post(f"/v1/documents/{wrong}/misfiled"), 200, 204)
        officer = self.caller.by(OFFICER)
        review = self.ask("asker", "export-review")
        self._decide(review, cut, {"how": "pages-withheld", "pages": [2]})
        self._decide(review, kept, {"how": "withheld", "told": False})
        self.ids["review"] = review
        self.ids["waiting-request"] = self.ask("asker", "export-review", document=waits)
        refused = self.ask("asker", "log-older", special_reason="Tarvitsen tiedot oikeudenkäyntiä varten.")
        must(officer.post(f"/v1/requests/{refused}/refuse", {
            "provision": "703-2023-11", "reason": "Erityistä syytä ei ole osoitettu.", "told": True}))  # fmt: skip
        answered = self.ask(
            "asker", "correction", document=read, text="Syntymäpäiväni on muistiossa väärin.\nOikea on 14.5.1999."
        )
        must(officer.post(f"/v1/requests/{answered}/take-up"), 200, 204)
        must(
            officer.post(f"/v1/requests/{answered}/answer", {"text": "Korjasimme syntymäpäivän. Kiitos ilmoituksesta."})
        )
        opened = self.service.one(
            "SELECT id::text FROM vault.entry WHERE document = $1::uuid AND act = 'open' LIMIT 1", read
        )
        longer = self.ask("asker", "explanation", entry=opened, text="Miksi Kela avasi palautteeni sunnuntaina?")
        must(officer.post(f"/v1/requests/{longer}/extend", {"notice": "Odotamme selvitystä Kelasta."}))
        names = self.ask("asker", "log-names")
        found = must(officer.get(f"/v1/requests/{names}/names"))["items"]
        must(officer.post(f"/v1/requests/{names}/answer", {"text": "Tässä nimet.", "names": [found[0]["id"]]}))
        self.ids |= {"refused": refused, "answered": answered, "longer": longer, "names": names}
        self.ids["open-names"] = self.ask("asker", "log-names", until="2026-01-01")
        other, born = personal_code()
        case = self.somebody("late", other, born, LONG_NAME)
        self.caller.open_case(personal_identity_code=other, born=born, name="Anna Wolff", handled=False)
        self.paper(
            "long",
            case,
            title=LONG_TITLE,
            filename=LONG_TITLE + ".pdf",
            protected_classes=["mental-health", "substance-use"],
        )
        late = self.ask("late", "self-access")
        self.service.sql("UPDATE vault.request_state SET due_on = due_on - 40 WHERE request = $1::uuid", late)
        self.ids["late"] = late

    def _decide(self, request: str, document: str, how: dict[str, Any]) -> None:
        officer = self.caller.by(OFFICER)
        must(
            officer.post(
                f"/v1/requests/{request}/looks", {"document": document, "reason": "Tarkistan ennen antamista."}
            )
        )
        because = {"provision": "621-1999-11", "reason": "Sivulla on toisen ihmisen tietoja.", "told": True}
        must(officer.post(f"/v1/requests/{request}/documents/{document}/decision", because | how))

    def _exports(self) -> None:
        """Packages in every state, each of somebody else: one may be under way at a time."""
        for state in ("received", "collecting", "ready", "delivered", "expired", "failed"):
            case = self.somebody(f"export-{state}", *personal_code(), "Oili Ottaja")
            self.paper(f"export-paper-{state}", case)
            with browser(self.service, self.sessions[f"export-{state}"]) as http:
                self.ids[f"export-{state}"] = str(must(http.post("/v1/me/exports", json={}), 202)["id"])
                if state in ("ready", "delivered", "expired"):
                    self.exports.work()
                if state == "delivered":
                    http.get(f"/v1/me/exports/{self.ids['export-delivered']}/content")
            self.service.sql("UPDATE vault.export_claim SET until = 'infinity'")
        self.service.sql(
            "UPDATE vault.export_package SET expires_at = now() WHERE export = $1::uuid", self.ids["export-expired"]
        )
        self.exports.clear()
        step = "INSERT INTO vault.export_state SELECT export, n + 1, $2, $3, $4, entry, now() FROM vault.export_state WHERE export = $1::uuid"
        self.service.sql(step, self.ids["export-collecting"], "collect", "collecting", None)
        self.service.sql(step, self.ids["export-failed"], "fail", "failed", "key-unopenable")

    def _others(self) -> None:
        """Paused, empty, three cases at once, and somebody about whom nothing is kept."""
        case = self.somebody("paused", *personal_code(), "Tauno Tauko")
        self.caller.file(case, title="Kuntoutuspalaute", filename="palaute.txt")
        with browser(self.service, self.sessions["paused"]) as http:
            must(http.post("/v1/me/pause"), 200, 201, 204)
        code, born = personal_code()
        self.caller.open_case(personal_identity_code=code, born=born, name="Uuno Uusi", handled=False)
        self.sessions["empty"] = client_session(self.service, code)
        self.sessions["leaving"] = client_session(self.service, code)
        self.sessions["nobody"] = client_session(self.service, personal_code()[0], "nobody")
        code, born = personal_code()
        self.ids["of-three"] = case = self.somebody("three", code, born, "Kolmo Kolmonen")
        self.caller.file(case, title="Kuntoutuspalaute", filename="palaute.txt")
        self.caller.file(
            case, "b-lausunto", title="Lääkärinlausunto B", filename="b.txt", protected_classes=["mental-health"]
        )
        named = permit("kela", ["b-lausunto"], protected_classes=["mental-health"], purposes=["benefit-decision"])
        self.caller.consent(case, [handle(), named], valid_until=f"{dt.datetime.now(dt.UTC).year + 1}-12-31")
        for process in ("tym", "akse"):
            body = {
                "process": process,
                "client": {"personal_identity_code": code, "name": "Kolmo Kolmonen", "born": born, "language": "fi"},
            }
            other = str(must(self.caller.coordinator.post("/v1/cases", body))["id"])
            self.caller.consent(
                other, [permit({"any": True}, documents=ANY, actions=["handle", "read"], purposes=PURPOSES)]
            )
            self.caller.file(other, title="Suunnitelma", filename="suunnitelma.txt")

    def _restricted(self) -> None:
        """A restriction that binds, one that was told to end, and a wish for one in a process without that right."""
        officer = self.caller.by(OFFICER)
        for who, name in (("kept-only", "Raija Rajaus"), ("kept-told", "Risto Rajaus")):
            case = self.somebody(who, *personal_code(), name)
            paper = self.caller.file(case, title="Kuntoutuspalaute", filename="palaute.txt")
            self.caller.file(case, title="Lausunto työkyvystä", filename="lausunto.txt")
            more = {"document": paper} if who == "kept-told" else {}
            made = self.ask(who, "restriction", ground="accuracy", text="Osoitteeni on lausunnossa väärin.", **more)
            must(
                officer.post(
                    f"/v1/requests/{made}/answer", {"text": "Rajoitamme käsittelyä, kunnes osoite on tarkistettu."}
                )
            )
            self.ids[who] = made
        day = (helsinki_day(dt.datetime.now(dt.UTC)) + dt.timedelta(9)).isoformat()
        notice = {"ends_from": day, "text": "Osoite on tarkistettu ja korjattu."}
        must(officer.post(f"/v1/requests/{self.ids['kept-told']}/restriction/notice", notice))
        self.ids["kept-wish"] = self.ask("three", "restriction", ground="claim", text="Valitan päätöksestä.")

    def _young(self) -> None:
        """A minor with a guardian, and somebody who has turned 18 meanwhile."""
        for who, serial, adult in (("minor", 912, False), ("lapsed", 913, True)):
            code = _code_of_2012(serial)
            name = "Nuori Mallikas" if not adult else "Täysi-Ikäinen Mallikas"
            case = self.caller.open_case(personal_identity_code=code, born="2012-02-01", name=name)
            guardian, _ = personal_code()
            wish = {"representative": {"name": "Helka Huoltaja", "personal_identity_code": guardian}, "scope": "act",
                    "kind": "guardian", "case": case, "shown": "Väestötietojärjestelmä: huoltaja"}  # fmt: skip
            authority = must(self.caller.coordinator.post(f"/v1/cases/{case}/authorities", wish))["id"]
            signed = {"capacity": "guardian", "name": "Helka Huoltaja", "authority": authority}
            self.ids[f"{who}-consent"] = self.caller.consent(case, [handle(), permit("kela")], signed_by=signed)
            self.caller.join(case, "kela")
            self.caller.file(case, title="Kuntoutuspalaute", filename="palaute.txt")
            self.ids[f"{who}-case"] = case
            self.sessions[who] = client_session(self.service, code)
        self.service.sql(
            "UPDATE vault.client SET adult_on = current_date - 1 WHERE id = (SELECT client FROM vault.client_case WHERE id = $1::uuid)",
            self.ids["lapsed-case"],
        )

    def _archive(self) -> None:
        """Transfers at every step; the client whose case is archived still sees consents and log."""
        code, born = personal_code()
        case = self.somebody("archived", code, born, "Arja Arkistoitu")
        self.ids["archived-paper"] = self.caller.file(case, title="Kuntoutuspalaute", filename="palaute.txt")
        must(self.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "suunnitelma on toteutunut"}))
        self.ids["archived-case"] = case
        done = self._transfer(case)
        self.transfers.approve(done)
        self.transfers.work(2)
        self.transfers.leave_receipt(done)
        self.transfers.work()
        self.ask("archived", "self-access")
        sent, rejected, making = (self.transfers.due()[1] for _ in range(3))
        self.service.sql(
            "INSERT INTO vault.transfer_claim (transfer, until) VALUES ($1::uuid, 'infinity') ON CONFLICT (transfer) DO UPDATE SET until = 'infinity'",
            making,
        )
        self.transfers.work(4)
        must(self.transfers.archivist().post(f"/v1/transfers/{rejected}/reject", {"reason": "Otsikkolappu on rikki."}))
        _, due = self.transfers.due(approved=False)
        _, half = self.transfers.due(approved=False)
        must(self.transfers.archivist(FIRST).post(f"/v1/transfers/{half}/approve"))
        _, stopped = self.transfers.due()
        self.service.sql(
            "INSERT INTO vault.transfer_progress (transfer, trouble, trouble_code, trouble_at, began_at, recorded_at)"
            " VALUES ($1::uuid, 'the archive''s store failed: it did not answer', 'archive-unavailable', now(), now(), now())",
            stopped,
        )
        self.ids |= {
            "stopped": stopped,
            "done": done,
            "sent": sent,
            "rejected": rejected,
            "making": making,
            "due": due,
            "half": half,
        }

    def _transfer(self, case: str) -> str:
        run(self.transfers.find())
        return str(self.service.one("SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case))


def _paper(kind: str, **about: Any) -> dict[str, Any]:
    day = helsinki_day(dt.datetime.now(dt.UTC)) - dt.timedelta(30)
    return {"type": kind, "language": "fi", "dated": day.isoformat(), "protected_classes": []} | about


def _code_of_2012(serial: int) -> str:
    digits = f"010212{serial}"
    return f"010212A{serial}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(digits) % 31]}"


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The world, served until the end of the block."""
    servers = Servers()
    try:
        with serving(servers.server("18"), folder / "vault") as running, sequencing(running):
            caller = Caller(running)
            made = World(running, caller, folder)
            made.make()
            yield made
            caller.close()
    finally:
        servers.stop()
