"""An agency's software, for tests: tokens as the vault's own demo fetches them, and the acts of a case in one line each."""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpx

from tests.support.service import Service
from vault.demo import cast
from vault.demo.caller import DemoAgency, DemoApplication, professional_form, system_form
from vault.rules.days import helsinki_day

PLANNING = "rehabilitation-planning"
ANY = [{"any": True}]
COORDINATOR = "pirha-1001"
KELA, KELA_OTHER = "kela-2001", "kela-2002"
EMPLOYMENT, COACH = "te-palvelut-3001", "te-palvelut-3002"
PHYSICIAN, NURSE = "pirha-1002", "pirha-1003"
EDUCATION = "tampere-koulutus-4001"
PROVIDER = "kuntoutus-oy-5001"
PURPOSES = [
    "rehabilitation-planning", "rehabilitation-assessment", "service-provision", "benefit-decision", "employment-support", "care",
    "education-support",
]  # fmt: skip

_CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def must(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The answer's JSON, when its status is one of these (200 and 201 unless others are named)."""
    assert answer.status_code in (statuses or (200, 201)), (
        f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:400]}"
    )
    return dict(answer.json()) if answer.content else {}


class Acting:
    """Requests under one token."""

    def __init__(self, http: httpx.Client, token: str) -> None:
        self._http = http
        self.token = token

    def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return self._http.request(
            method, path, headers={"Authorization": f"Bearer {self.token}"} | (headers or {}), **more
        )

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        body = {} if "content" in more else {"json": {} if json is None else json}
        return self.request("POST", path, **(body | more))

    def put(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PUT", path, **more)

    def patch(self, path: str, json: Any) -> httpx.Response:
        return self.request("PATCH", path, json=json)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)

    def read(self, document: str, **headers: str) -> httpx.Response:
        return self.get(f"/v1/documents/{document}/content", headers=headers)

    def upload(self, document: str, content: Any, **headers: str) -> httpx.Response:
        return self.put(
            f"/v1/documents/{document}/content", content=content, headers={"Content-Type": "text/plain"} | headers
        )


class Caller:
    """All agencies' software at once."""

    tls: ssl.SSLContext | None = None

    def __init__(self, service: Service) -> None:
        self.service = service
        self.demo = service.demo
        self.http = self.client()
        self._kept: dict[tuple[str, ...], tuple[str, float]] = {}

    def client(self) -> httpx.Client:
        """Connections of its own to the service."""
        return httpx.Client(base_url=self.service.url, timeout=60, trust_env=False)

    def close(self) -> None:
        self.http.close()

    def grant(self, form: dict[str, str], **headers: str) -> httpx.Response:
        return self.http.post("/oauth/token", data=form, headers=headers)

    def agency(self, slug: str) -> DemoAgency:
        return next(agency for agency in self.demo.agencies if agency.id == slug)

    def application(self, sub: str) -> DemoApplication:
        return self.demo.find(sub)[0].applications[0]

    def by(self, sub: str, purpose: str = PLANNING, role: str | None = None) -> Acting:
        """This professional at work for this purpose."""
        agency, person = self.demo.find(sub, role)
        return self._acting(
            (sub, purpose, person.role), lambda: professional_form(self.demo, agency.applications[0], person, purpose)
        )

    def system(self, slug: str) -> Acting:
        """The agency's system itself."""
        return self._acting((slug,), lambda: system_form(self.demo, self.agency(slug).applications[0]))

    def _acting(self, who: tuple[str, ...], form: Any) -> Acting:
        token, until = self._kept.get(who, ("", 0.0))
        if time.monotonic() > until:
            token = must(self.grant(form()))["access_token"]
            self._kept[who] = (token, time.monotonic() + 200)
        return Acting(self.http, token)

    def forget(self) -> None:
        """Fetch every token anew from here on."""
        self._kept.clear()

    # ------------------------------------------------------------ a case in one line each

    @property
    def coordinator(self) -> Acting:
        return self.by(COORDINATOR)

    def open_case(
        self, *, handled: bool = True, reading: bool = True, members: Iterable[str] = (), **client: Any
    ) -> str:
        """A case; ``handled`` under a consent to handle for all; ``reading`` lets the coordinator's agency read all."""
        case = str(must(self.coordinator.post("/v1/cases", new_case(**client)))["id"])
        provisions = [handle(), *([permit("pirha", documents=ANY)] if reading else [])]
        if handled:
            self.consent(case, provisions)
        for agency in members:
            self.join(case, agency)
        return case

    def join(self, case: str, agency: str, role: str | None = None) -> str:
        """Make an agency a member under the role of its first professional; the membership's id."""
        body = {"agency": agency, "role": role or cast.agency(agency).member_role}
        return str(must(self.coordinator.post(f"/v1/cases/{case}/members", body))["id"])

    def file(
        self,
        case: str,
        kind: str = "kuntoutuspalaute",
        content: bytes = b"a paper",
        *,
        by: Acting | None = None,
        **about: Any,
    ) -> str:
        """A document with its content."""
        acting = by or self.coordinator
        document = str(must(acting.post(f"/v1/cases/{case}/documents", paper(kind, **about)))["id"])
        must(acting.upload(document, content))
        return document

    def form(self, case: str) -> str:
        """A signed form, filed."""
        return self.file(
            case, "suostumus", b"signed " + secrets.token_bytes(8), title="Suostumus", filename="suostumus.txt"
        )

    def consent(self, case: str, provisions: list[dict[str, Any]], **about: Any) -> str:
        body = new_consent(about.pop("form", None) or self.form(case), provisions, **about)
        return str(must(self.coordinator.post(f"/v1/cases/{case}/consents", body))["id"])

    def withdraw(self, consent: str, **wish: Any) -> dict[str, Any]:
        return must(self.coordinator.post(f"/v1/consents/{consent}/withdraw", wish))


_persons, _young = itertools.count(secrets.randbelow(28 * 12 * 100)), itertools.count(secrets.randbelow(100))
"""Counted, not drawn: among a few hundred drawn codes two would often be one person's."""


def personal_code() -> tuple[str, str]:
    """A temporary personal identity code that this process gave to nobody else, and its birth day."""
    number = next(_persons)
    born = dt.date(1999, 1 + number // 28 % 12, 1 + number % 28)
    return temporary_code(born, number // 336), born.isoformat()


def temporary_code(born: dt.date, number: int) -> str:
    """A temporary personal identity code (its serial from 900) of that birth day; a hundred ``number`` are different."""
    serial = 900 + number % 100
    digits = f"{born:%d%m%y}{serial}"
    sign = "A" if born.year >= 2000 else "-"
    return f"{digits[:6]}{sign}{serial}{_CHECK[int(digits) % 31]}"


def young_code(years: int) -> tuple[str, str]:
    """As `personal_code`, of somebody who turned that many ``years`` some days ago."""
    born = helsinki_day(dt.datetime.now(dt.UTC)) - dt.timedelta(days=years * 366)
    return temporary_code(born, next(_young)), born.isoformat()


def code_born_then(code: str, sign: str = "Y", step: int = 1) -> str:
    """Another temporary code of the same birth day."""
    serial = 900 + (int(code[7:10]) - 900 + step) % 100
    return f"{code[:6]}{sign}{serial}{_CHECK[int(code[:6] + str(serial)) % 31]}"


def new_case(**client: Any) -> dict[str, Any]:
    code, born = personal_code()
    known = {"personal_identity_code": code, "name": "Testi Asiakas", "born": born, "language": "fi"}
    return {"process": "ayr", "client": known | client}


def paper(kind: str = "kuntoutuspalaute", **about: Any) -> dict[str, Any]:
    """What registers a document."""
    known = {
        "type": kind, "title": f"Paperi {kind}", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
        "filename": f"{kind}.txt", "media_type": "text/plain",
    }  # fmt: skip
    return known | about


def new_consent(form: str, provisions: list[dict[str, Any]], **about: Any) -> dict[str, Any]:
    known = {
        "form": form, "signed_on": "2026-03-02", "language": "fi", "signed_by": {"capacity": "client", "name": "Testi Asiakas"},
        "verified": {"how": "paper-original-seen"}, "valid_from": "2026-03-02", "valid_until": None, "provisions": provisions,
    }  # fmt: skip
    return known | about


def handle() -> dict[str, Any]:
    """The clause under which every agency may be a member and the case takes documents."""
    return {
        "effect": "permit", "recipients": ANY, "sources": ANY, "documents": ANY, "actions": ["handle", "opinion"], "purposes": PURPOSES,
    }  # fmt: skip


def permit(agency: str | dict[str, str], types: Iterable[str] = ("kuntoutuspalaute",), **more: Any) -> dict[str, Any]:
    """A clause that permits reading; ``agency`` is a slug or a whole recipient."""
    recipient = {"agency": agency} if isinstance(agency, str) else agency
    known = {
        "effect": "permit", "recipients": [recipient], "sources": ANY, "documents": [{"type": one} for one in types],
        "actions": ["read"], "purposes": [PLANNING], "future_documents": True,
    }  # fmt: skip
    return known | more


def deny(agency: str, **more: Any) -> dict[str, Any]:
    return {"effect": "deny", "recipients": [{"agency": agency}]} | more
