"""The short walk, `vault demo --process …`: a case of another process with one small paper of each type that it uses."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx

from vault.demo import cast
from vault.demo.caller import Caller
from vault.demo.tell import Teller
from vault.errors import Unavailable
from vault.rules.catalogue import DOCUMENT_TYPES, PROCESSES

PURPOSE = "rehabilitation-planning"
_NOT_FILED = {"suostumus", "peruutus", "muu"}
# Who signs the closing off, in this order: as many as the process asks for.
SIGN_OFFS = (cast.COORDINATOR.sub, cast.EMPLOYMENT.professionals[0].sub, cast.KELA.professionals[0].sub)
_ANY: list[dict[str, Any]] = [{"any": True}]


def sign_offs(process: str) -> tuple[str, ...]:
    """The professionals whose agencies close a case of this process."""
    return SIGN_OFFS[: PROCESSES[process].closing.sign_offs]


class ShortWalk:
    """Opens the case, records a consent, adds members, files the papers, and reads one back."""

    def __init__(self, caller: Caller, teller: Teller, process: str, signed_on: dt.date) -> None:
        self._caller, self._http, self._tell = caller, caller.http, teller
        self._process, self._signed_on = PROCESSES[process], signed_on

    async def run(self) -> str:
        """The new case's id."""
        self._tell.heading(f"A case of another process: {self._process.en}")
        client = cast.CLIENT
        person = {
            "name": client.name,
            "born": client.born.isoformat(),
            "language": client.language,
            "personal_identity_code": client.personal_identity_code,
        }
        case = str((await self._post("/v1/cases", {"process": self._process.code, "client": person}))["id"])
        form = await self._file(case, "suostumus", "Suostumus", "suostumus.txt")
        await self._post(f"/v1/cases/{case}/consents", self._consent(form))
        for agency in (cast.EMPLOYMENT, cast.KELA):
            await self._post(f"/v1/cases/{case}/members", {"agency": agency.id, "role": agency.member_role})
        kinds = [kind for kind in self._process.document_types if kind not in _NOT_FILED]
        filed = [await self._file(case, kind, DOCUMENT_TYPES[kind].fi, f"{kind}.txt") for kind in kinds]
        self._tell.say(f"The consent is recorded, and {len(kinds)} papers are filed: {', '.join(kinds)}.")
        headers = await self._caller.as_professional(cast.COORDINATOR.sub, PURPOSE)
        answer = await self._http.get(f"/v1/documents/{filed[0]}/content", headers=headers)
        self._tell.expect("the coordinator reads one back", answer.content, _content(kinds[0]))
        return case

    def _consent(self, form: str) -> dict[str, Any]:
        clause = {
            "effect": "permit", "recipients": _ANY, "sources": _ANY, "documents": _ANY, "actions": ["handle", "opinion", "read"],
            "purposes": [PURPOSE], "protected_classes": [], "future_documents": True,
        }  # fmt: skip
        return {
            "form": form,
            "signed_on": self._signed_on.isoformat(),
            "language": "fi",
            "valid_from": self._signed_on.isoformat(),
            "signed_by": {"capacity": "client", "name": cast.CLIENT.name},
            "verified": {"how": "paper-original-seen"},
            "valid_until": (self._signed_on + dt.timedelta(364)).isoformat(),
            "provisions": [clause],
        }

    async def _file(self, case: str, kind: str, title: str, filename: str) -> str:
        about = {
            "type": kind,
            "title": title,
            "language": "fi",
            "dated": self._signed_on.isoformat(),
            "filename": filename,
            "media_type": "text/plain",
            "protected_classes": [],
        }
        document = str((await self._post(f"/v1/cases/{case}/documents", about))["id"])
        headers = await self._caller.as_professional(cast.COORDINATOR.sub, PURPOSE) | {"Content-Type": "text/plain"}
        done(await self._http.put(f"/v1/documents/{document}/content", content=_content(kind), headers=headers))
        return document

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = await self._caller.as_professional(cast.COORDINATOR.sub, PURPOSE)
        return done(await self._http.post(path, json=body, headers=headers))


def _content(kind: str) -> bytes:
    return f"{DOCUMENT_TYPES[kind].fi}\n\nTämä paperi on keksitty esittelyä varten.\n".encode()


def done(answer: httpx.Response) -> dict[str, Any]:
    """The body of an answer that had to succeed. Raises: Unavailable, with what the vault said."""
    if answer.status_code not in (200, 201, 202):
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise Unavailable(f"the walk cannot go on: {asked} was answered {answer.status_code}: {answer.text[:300]}")
    body: dict[str, Any] = answer.json()
    return body
