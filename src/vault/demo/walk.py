"""The main job, walked over HTTP: a case, a signed consent, papers from five agencies, reads and refusals, a withdrawal.

Every request is a real one, signed by an agency's application; what comes back is compared with what the signed form
says. The walk knows the vault only from outside.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from vault.demo import cast
from vault.demo.caller import Caller, DemoProfessional
from vault.demo.papers import Paper
from vault.demo.papers_consent import provisions
from vault.demo.tables import answer_of, clause_row, opening_row, paper_row, shown
from vault.demo.tell import Teller, size_text
from vault.demo.world import Walked
from vault.errors import Unavailable
from vault.rules.catalogue import ROLES
from vault.rules.reasons import EXPLANATIONS, text

PLANNING = "rehabilitation-planning"
MEMBERS = (
    ("pirha", "physician"), ("kela", "insurance-secretary"), ("te-palvelut", "employment-officer"),
    ("tampere-koulutus", "education-officer"), ("kuntoutus-oy", "service-provider"),
)  # fmt: skip
OTHER_FILERS = {"pirha": cast.COORDINATOR.sub}
_TOLD_EVERY_S = 0.2
_CODES = {str(code): code for code in EXPLANATIONS}


class Read(NamedTuple):
    """One read: who, for which purpose, and what must come of it."""

    sub: str
    paper: str
    status: int
    purpose: str = PLANNING
    confirm: str = ""
    after: str = ""


class Walk:
    """One walk through the main job; what went otherwise than promised stands in the teller's faults."""

    def __init__(self, caller: Caller, teller: Teller, papers: tuple[Paper, ...], signed_on: dt.date) -> None:
        self._caller = caller
        self._http = caller.http
        self._tell = teller
        self._papers = {paper.key: paper for paper in papers}
        self._signed_on = signed_on
        self._case = ""
        self._consent = ""
        self._documents: dict[str, str] = {}
        self._digests: dict[str, str] = {}

    async def run(self) -> Walked:
        """Walk it all, in the order of life."""
        await self.open_case()
        await self.record_consent()
        await self.add_members()
        await self.file_papers()
        await self.permitted_reads()
        await self.denied_reads()
        await self.protected_read()
        await self.bound_read()
        await self.withdraw()
        await self.show_log()
        return Walked(case=self._case, consent=self._consent, documents=self._documents)

    # ---------------------------------------------------------------- the case

    async def open_case(self) -> None:
        client = cast.CLIENT
        self._tell.heading("A case is opened")
        made = await self._done(
            await self._post("/v1/cases", {
                "process": "ayr", "your_reference": "AYR 1",
                "client": {"name": client.name, "born": client.born.isoformat(), "language": client.language,
                           "personal_identity_code": client.personal_identity_code},
            })
        )  # fmt: skip
        self._case = made["id"]
        self._tell.say(
            f"{cast.COORDINATOR.name}, coordinator at {cast.PIRHA.id}, opens a case for {client.name} (both made up)."
            " Until the client has consented, nothing but the signed form can be filed."
        )
        self._tell.expect("the state of the new case", made["state"], "awaiting-consent")

    async def record_consent(self) -> None:
        self._tell.heading("The client's written consent is recorded")
        form = await self._file(self._papers["consent"])
        clauses = provisions()
        until = self._signed_on + dt.timedelta(364)
        made = await self._done(
            await self._post(f"/v1/cases/{self._case}/consents", {
                "form": form, "signed_on": self._signed_on.isoformat(), "language": "fi",
                "signed_by": {"capacity": "client", "name": cast.CLIENT.name}, "verified": {"how": "paper-original-seen"},
                "valid_from": self._signed_on.isoformat(), "valid_until": until.isoformat(), "provisions": clauses,
            })
        )  # fmt: skip
        self._consent = made["id"]
        self._tell.say("The signed form is filed, and its six clauses are recorded as data, numbered as on the paper:")
        self._tell.line()
        rows = [clause_row(number, clause) for number, clause in enumerate(clauses, 1)]
        self._tell.table(("", "clause", "for whom", "which documents", "for what"), rows)

    async def add_members(self) -> None:
        self._tell.heading("The agencies that the consent names become members")
        for agency, role in MEMBERS:
            await self._done(await self._post(f"/v1/cases/{self._case}/members", {"agency": agency, "role": role}))
        named = ", ".join(f"{agency} ({ROLES[role].en})" for agency, role in MEMBERS)
        self._tell.say(f"{named}. Membership alone opens no document.")

    # ---------------------------------------------------------------- papers

    async def file_papers(self) -> None:
        self._tell.heading("The agencies file their papers")
        self._tell.say(
            "Each is encrypted under a key of its own before it is stored, and acknowledged when it is durable."
        )
        self._tell.line()
        for paper in self._papers.values():
            if paper.key != "consent":
                await self._file(paper)
        rows = [paper_row(paper) for paper in self._papers.values() if paper.key != "consent"]
        self._tell.table(("from", "paper", "file name", "size", "note"), rows)

    async def _file(self, paper: Paper) -> str:
        headers = await self._filer(paper)
        about: dict[str, Any] = {
            "type": paper.type, "title": paper.title, "language": paper.language, "dated": paper.dated.isoformat(),
            "filename": paper.filename, "media_type": _plain(paper.media_type), "source": paper.agency,
            "protected_classes": list(paper.protected_classes), "third_persons": paper.third_persons,
        }  # fmt: skip
        if paper.attachment_of is not None:
            about["attachment_of"] = self._documents[paper.attachment_of]
        made = await self._done(await self._http.post(f"/v1/cases/{self._case}/documents", json=about, headers=headers))
        digest = hashlib.sha256()
        filed = await self._done(
            await self._caller.upload(
                headers, made["id"], _plain(paper.media_type), paper.size, self._sent(paper, digest.update)
            )
        )
        self._tell.progress_end()
        self._documents[paper.key], self._digests[paper.key] = made["id"], digest.hexdigest()
        self._tell.expect(f"filing of {paper.filename}", (filed["state"], filed["size"]), ("filed", paper.size))
        self._tell.expect(f"digest of {paper.filename}", filed["sha256"], digest.hexdigest())
        return str(made["id"])

    async def _filer(self, paper: Paper) -> dict[str, str]:
        """An agency's system files its papers; what pirha files, its coordinator does."""
        if paper.agency in OTHER_FILERS:
            return await self._caller.as_professional(OTHER_FILERS[paper.agency], PLANNING)
        return await self._caller.as_system(paper.agency)

    async def _sent(self, paper: Paper, also: Any) -> AsyncIterator[bytes]:
        sent, told = 0, time.monotonic()
        for chunk in paper.chunks():
            also(chunk)
            yield chunk
            sent += len(chunk)
            if time.monotonic() - told > _TOLD_EVERY_S:
                told = time.monotonic()
                self._tell.progress(f"{paper.filename}: {size_text(sent)} of {size_text(paper.size)} sent")

    # ---------------------------------------------------------------- reads

    async def permitted_reads(self) -> None:
        self._tell.heading("What the consent permits is opened")
        for read in (
            Read("kela-2001", "report", 200),
            Read("te-palvelut-3001", "plan", 200),
            Read("pirha-1001", "goals", 200),
            Read("pirha-1001", "memo", 200),
            Read("pirha-1001", "scan", 200),
            Read("te-palvelut-3001", "odd-name", 200),
            Read("pirha-1001", "empty", 200),
        ):
            await self._read(read)
        self._tell.line()
        self._tell.say("Every byte was compared with what had been filed.")

    async def denied_reads(self) -> None:
        self._tell.heading("What it does not permit stays closed")
        self._tell.say(
            "To the caller each looks like a document that does not exist (404); the coordinator may ask why."
        )
        self._tell.line()
        for read in (
            Read(
                "kela-2001",
                "plan",
                404,
                after="It is attached to the report that Kela may read, and is a document of its own.",
            ),
            Read(
                "te-palvelut-3001",
                "report",
                404,
                after="It may read the attachment of this report; that does not open the report.",
            ),
            Read("te-palvelut-3001", "statement", 404),
            Read("tampere-koulutus-4001", "report", 404),
            Read("pirha-1003", "decision", 404),
            Read("pirha-1001", "odd-name", 404),
        ):
            await self._read(read)
        self._tell.line()
        self._tell.say(
            "Kela knows the report by now, so it is told the reason when it comes with another purpose (403):"
        )
        self._tell.line()
        await self._read(Read("kela-2001", "report", 403, purpose="benefit-decision"))
        answer = await self._get("report", await self._caller.as_system("kela"))
        if self._tell.expect("a system's read", answer.status_code in (403, 404), wanted=True):
            self._tell.answer(
                "denied",
                "kela, its system",
                self._papers["report"].filename,
                f"({answer.status_code})",
                ["A system names no professional, and every reading of content names one."],
            )

    async def protected_read(self) -> None:
        self._tell.heading("A protected class is confirmed first")
        physician = "pirha-1002"
        asked = Read(physician, "statement", 428, purpose="care")
        await self._read(asked)
        await self._read(Read(physician, "statement", 200, purpose="care", confirm="mental-health"))

    async def bound_read(self) -> None:
        self._tell.heading("A token bound to a key")
        path = f"/v1/documents/{self._documents['report']}/content"
        answer = await self._caller.bound("kela-2002", PLANNING, path)
        if self._tell.expect("the read with a proof of the key (DPoP)", answer.status_code, 200):
            self._tell.answer("permitted", *self._who("kela-2002", "report"), "with a proof of the key (DPoP)")

    async def withdraw(self) -> None:
        self._tell.heading("The client withdraws one clause")
        await self._done(await self._post(f"/v1/consents/{self._consent}/withdraw", {"provisions": [2]}))
        self._tell.say("Clause 2 is withdrawn. From the acknowledgement on, nothing is given on it; the others stand.")
        self._tell.line()
        await self._read(Read("kela-2001", "report", 403))
        await self._read(Read("te-palvelut-3001", "plan", 200))
        notices = await self._done(await self._http.get("/v1/inbox", headers=await self._caller.as_system("kela")))
        kinds = [item["kind"] for item in notices["items"]]
        if self._tell.expect(
            "Kela's inbox tells of the withdrawal", any("withdraw" in kind for kind in kinds), wanted=True
        ):
            self._tell.line()
            self._tell.say(f"Kela finds a notice of it in its inbox ({', '.join(kinds)}).")

    async def _read(self, read: Read) -> None:
        """Ask for the content, compare what comes with what was filed, and tell it with its ground."""
        headers = await self._caller.as_professional(read.sub, read.purpose)
        if read.confirm:
            headers = headers | {"Vault-Confirm": read.confirm}
        digest, size = hashlib.sha256(), 0
        path = f"/v1/documents/{self._documents[read.paper]}/content"
        async with self._http.stream("GET", path, headers=headers) as answer:
            async for chunk in answer.aiter_bytes():
                digest.update(chunk)
                size += len(chunk)
        who, what = self._who(read.sub, read.paper)
        if not self._tell.expect(f"{who} reads {what}", answer.status_code, read.status):
            return
        named = "vault-log-entry" in answer.headers
        self._tell.expect(f"the log entry is named ({who}, {what})", named, wanted=True)
        if read.status == 200:
            self._tell.expect(f"the content of {what}", digest.hexdigest(), self._digests[read.paper])
        elif read.status == 428:
            self._tell.answer(
                "confirm",
                who,
                what,
                f"({read.status})",
                ["The consents permit it, and it is about mental health: the reader must say so with Vault-Confirm."],
            )
            return
        await self._tell_why(read, who, what, size)

    async def _tell_why(self, read: Read, who: str, what: str, size: int) -> None:
        why = await self._explain(read)
        permitted = read.status == 200
        wanted = "permit" if permitted else "deny"
        self._tell.expect(f"the explanation agrees with the door ({who}, {what})", why["decision"], wanted)
        if permitted:
            ground = f"clause {why['provision']}" if why["basis"] == "consent" else "its own document"
            self._tell.answer("permitted", who, what, f"{ground}, {size_text(size)}")
        else:
            reasons = [_plain_words(code) for code in why["reasons"]]
            self._tell.answer(
                "denied", who, what, f"({read.status})", [*([read.after] if read.after else []), *reasons]
            )

    async def _explain(self, read: Read) -> dict[str, Any]:
        agency, person = self._caller.demo.find(read.sub)
        question = {
            "document": self._documents[read.paper],
            "agency": agency.id,
            "role": person.role,
            "professional": person.sub,
            "action": "read",
            "purpose": read.purpose,
        } | ({"unit": person.unit} if person.unit else {})
        return await self._done(await self._post("/v1/decisions", question))

    # ---------------------------------------------------------------- the log

    async def show_log(self) -> None:
        self._tell.heading("The case's log")
        items = await self._log_items()
        openings = [item for item in items if item["act"] == "open"]
        self._tell.say("Openings: one line for each reader, document and answer within ten minutes.")
        self._tell.line()
        self._tell.table(
            ("time", "agency", "role", "document", "purpose", "answer", "on what ground"),
            [opening_row(item) for item in openings],
        )
        # Two readings of the same within ten minutes are one line, so what is counted are the entries behind the lines.
        answers = [answer_of(item)[0] for item in openings for _ in item["entries"]]
        counts = tuple(answers.count(answer) for answer in ("permitted", "denied", "confirm"))
        self._tell.line()
        self._tell.say(
            f"Behind them stand {counts[0]} readings that were permitted, {counts[1]} that were denied and {counts[2]} that"
            f" was asked to confirm; {len(items) - len(openings)} other acts are logged beside them."
        )
        self._tell.expect("readings permitted, denied and asked to confirm", counts, (10, 9, 1))

    async def _log_items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query: dict[str, str] = {"limit": "200"}
        while True:
            headers = await self._coordinator()
            page = await self._done(await self._http.get(f"/v1/cases/{self._case}/log", params=query, headers=headers))
            items += page["items"]
            if page["next"] is None:
                return items
            query["cursor"] = page["next"]

    # ---------------------------------------------------------------- requests

    def _who(self, sub: str, paper: str) -> tuple[str, str]:
        agency, person = self._caller.demo.find(sub)
        return f"{agency.id}, {_role(person)}", shown(self._papers[paper].filename)

    async def _coordinator(self) -> dict[str, str]:
        return await self._caller.as_professional(cast.COORDINATOR.sub, PLANNING)

    async def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self._http.post(path, json=body, headers=await self._coordinator())

    async def _get(self, paper: str, headers: dict[str, str]) -> httpx.Response:
        return await self._http.get(f"/v1/documents/{quote(self._documents[paper])}/content", headers=headers)

    async def _done(self, answer: httpx.Response) -> dict[str, Any]:
        """The body of an answer that had to succeed. Raises: Unavailable, with what the vault said."""
        if answer.status_code not in (200, 201):
            asked = f"{answer.request.method} {answer.request.url.path}"
            raise Unavailable(f"the walk cannot go on: {asked} was answered {answer.status_code}: {answer.text[:300]}")
        body: dict[str, Any] = answer.json()
        return body


def _role(person: DemoProfessional) -> str:
    return ROLES[person.role].en


def _plain(media_type: str) -> str:
    return media_type.partition(";")[0]


def _plain_words(code: str) -> str:
    return text(_CODES[code], "en")
