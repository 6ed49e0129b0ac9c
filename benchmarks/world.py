"""Cases as they are in life, made through the front door: two consents of three clauses, four members, five documents.

Tokens are made as the token endpoint makes them, but recorded for an hour, so that no measurement runs out of them.
"""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from benchmarks.place import APPLICATIONS, DATABASE, ISSUER, READER, READERS, Place
from vault import wiring
from vault.demo import cast
from vault.model import AgencySlug
from vault.oauth.tokens import IssuerKeys, TokenVerifier, mint
from vault.settings import load_settings

HOUR_S = 3600
PURPOSE = "rehabilitation-planning"
SIZE = 100 * 1024
OPENED = "kuntoutuspalaute"
TYPES = (OPENED, OPENED, "ammatillinen-suunnitelma", "muistio", "todistus")
ANY = [{"any": True}]
DATED = "2026-02-02"
_PERMIT = {"effect": "permit", "sources": ANY, "purposes": [PURPOSE], "future_documents": True}
CONSENTS: tuple[list[dict[str, Any]], ...] = (
    [
        _PERMIT | {"recipients": ANY, "documents": ANY, "actions": ["handle"]},
        _PERMIT | {"recipients": [{"agency": "pirha"}], "documents": ANY, "actions": ["read", "obtain"]},
        _PERMIT | {"recipients": [{"agency": "te-palvelut"}], "documents": [{"type": "muistio"}], "actions": ["read"]},
    ],
    [
        _PERMIT
        | {
            "recipients": [{"agency": "kuntoutus-oy"}, {"agency": READER.id, "role": READER.member_role}],
            "documents": [{"type": "ammatillinen-suunnitelma"}, {"type": OPENED}],
            "actions": ["read"],
            "dated": {"from": "2025-01-01"},
        },
        _PERMIT
        | {"recipients": [{"agency": READER.id}], "documents": [{"type": "b-lausunto"}], "actions": ["deliver"]},
        {"effect": "deny", "recipients": [{"agency": "te-palvelut"}], "documents": [{"type": "todistus"}]},
    ],
)


class Token(msgspec.Struct, frozen=True):
    """A recorded token: as its caller sends it, and as the database is asked with it."""

    jwt: str
    secret: bytes


class Filed(msgspec.Struct, frozen=True):
    """What was filed: ``opened`` are the documents that the reader may open."""

    case: uuid.UUID
    opened: tuple[uuid.UUID, ...]


async def reader_tokens(place: Place, database: str = DATABASE) -> list[Token]:
    """One token for each of the reading agency's people, spread over its applications."""
    people = [(reader, APPLICATIONS[number % len(APPLICATIONS)]) for number, reader in enumerate(READERS)]
    return await _make_tokens(place, database, READER, READER.member_role, people)


async def coordinator_token(place: Place) -> Token:
    return (await pirha_tokens(place, cast.COORDINATOR.role))[0]


async def pirha_tokens(place: Place, role: str) -> list[Token]:
    """One token for each of the controller's people in that role."""
    application = cast.PIRHA.applications[0].client_id
    people = [(person.sub, application) for person in cast.PIRHA.professionals if person.role == role]
    return await _make_tokens(place, DATABASE, cast.PIRHA, role, people)


async def _make_tokens(
    place: Place, database: str, agency: cast.Agency, role: str, people: list[tuple[str, str]]
) -> list[Token]:
    keys = IssuerKeys([key for _, key in place.keyring.issuer_keys()])
    now = dt.datetime.now(dt.UTC)
    made = []
    async with place.connection("owner", database) as owner:
        for sub, application in people:
            one = mint(
                keys, issuer=ISSUER, client_id=application, agency=AgencySlug(agency.id), sub=sub, role=role,
                purpose=PURPOSE, now=int(time.time()), ttl_s=HOUR_S,
            )  # fmt: skip
            await owner.execute(
                "INSERT INTO vault.token (secret_sha256, actor, agency, application, professional, role, purpose,"
                " assertion, issued_at, expires_at) SELECT $1, 'professional', $2, $3, p.id, $4, $5, $6, $7, $8"
                " FROM vault.professional p WHERE p.agency = $2 AND p.subject = $9",
                one.secret_sha256, agency.id, application, role, PURPOSE, os.urandom(32), now, one.expires_at, sub,
            )  # fmt: skip
            made.append(Token(one.jwt, TokenVerifier(keys, ISSUER).read(one.jwt).secret))
    return made


@asynccontextmanager
async def calling(place: Place, token: Token) -> AsyncIterator[Caller]:
    """Call the vault's own interface, within this process."""
    parts = wiring.build(load_settings(place.environment()))
    app: Any = wiring.build_app(parts)
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {token.jwt}"}
    try:
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=headers, timeout=60) as api:
            yield Caller(api)
    finally:
        await parts.close()


async def file_cases(place: Place, count: int) -> list[Filed]:
    """Make that many cases with their papers."""
    async with calling(place, await coordinator_token(place)) as caller:
        return [await _file_case(caller, number) for number in range(count)]


async def register_document(place: Place, token: Token, case: Filed) -> uuid.UUID:
    """Register one more document in a case; its content comes later."""
    async with calling(place, token) as caller:
        return uuid.UUID(await caller.register(str(case.case), OPENED))


class Caller:
    def __init__(self, api: httpx.AsyncClient) -> None:
        self._api = api

    async def post(self, path: str, body: Any) -> Any:
        return _told(await self._api.post(path, json=body))

    async def register(self, case: str, kind: str) -> str:
        about = {
            "type": kind, "title": f"paper {kind}", "language": "fi", "dated": DATED, "filename": f"{kind}.bin",
            "protected_classes": [], "media_type": "application/octet-stream",
        }  # fmt: skip
        return str((await self.post(f"/v1/cases/{case}/documents", about))["id"])

    async def file(self, case: str, kind: str, content: bytes) -> str:
        document = await self.register(case, kind)
        put = await self._api.put(
            f"/v1/documents/{document}/content", content=content, headers={"Content-Type": "application/octet-stream"}
        )
        _told(put)
        return document


def _told(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise RuntimeError(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}"
        )
    return answer.json()


async def open_case(caller: Caller, number: int) -> str:
    """A case under its consents, with its members and without papers; each number is another client."""
    born = dt.date(1950, 1, 1) + dt.timedelta(days=number)
    client = {
        "name": "Testi Mallikas", "born": born.isoformat(), "language": "fi",
        "personal_identity_code": cast.personal_identity_code(born, 950),
    }  # fmt: skip
    case = (await caller.post("/v1/cases", {"process": "ayr", "client": client}))["id"]
    for provisions in CONSENTS:
        await _record_consent(caller, case, provisions)
    for agency in (READER, cast.EMPLOYMENT, cast.PROVIDER):
        await caller.post(f"/v1/cases/{case}/members", {"agency": agency.id, "role": agency.member_role})
    return str(case)


async def _file_case(caller: Caller, number: int) -> Filed:
    case = await open_case(caller, number)
    papers = [(kind, await caller.file(case, kind, os.urandom(SIZE))) for kind in TYPES]
    return Filed(uuid.UUID(case), tuple(uuid.UUID(paper) for kind, paper in papers if kind == OPENED))


async def _record_consent(caller: Caller, case: str, provisions: list[dict[str, Any]]) -> None:
    form = await caller.file(case, "suostumus", b"a signed form " + os.urandom(1000))
    consent = {
        "form": form, "signed_on": "2026-01-15", "language": "fi", "valid_from": "2026-01-15", "provisions": provisions,
        "signed_by": {"capacity": "client", "name": "Testi Mallikas"}, "verified": {"how": "paper-original-seen"},
    }  # fmt: skip
    await caller.post(f"/v1/cases/{case}/consents", consent)


def rotating(things: list[Any]) -> Callable[[], Any]:
    """Give the things one after another, without end."""
    places = iter(range(2**62))
    return lambda: things[next(places) % len(things)]
