"""Sign-in links of the demo: a click takes the place of strong identification, for made-up people on this machine alone.

The links exist only where `vault demo` adds their route; `vault serve` has none. Each holds a random of its own, stands in
`demo.json`, which only this account may read, and works as long as the demo runs. What they begin is an ordinary session.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from collections.abc import Mapping

import msgspec
from litestar import Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from vault.adapters.postgres.registry import Registry
from vault.demo import cast
from vault.services.sessions import Identified, Session, Sessions
from vault.web.session import AnyRequest, first_page, gate_of

ISSUER = "urn:vault:demo"
CLIENTS, STAFF = "demo-clients", f"demo-{cast.PIRHA.id}"
PATH = "/demo/sign-in"


class Person(msgspec.Struct, frozen=True):
    """Who a link signs in: the client, or a professional of the controller."""

    subject: str
    code: str | None = None
    role: str | None = None


def _people() -> dict[str, Person]:
    archivists = [p for p in cast.PIRHA.professionals if p.role == "archivist"]
    staff = {
        "coordinator": cast.COORDINATOR, "records-officer": cast.PIRHA.first("records-officer"),
        "archivist": archivists[0], "archivist-2": archivists[1],
    }  # fmt: skip
    client = {"client": Person("maija", code=cast.CLIENT.personal_identity_code)}
    return client | {key: Person(one.sub, role=one.role) for key, one in staff.items()}


PEOPLE: Mapping[str, Person] = _people()


def make_links(address: str, earlier: Mapping[str, str]) -> dict[str, str]:
    """A link for each person; the random of an earlier start is kept, also when the port is another."""
    kept = {key: url.rpartition("/")[2] for key, url in earlier.items()}
    return {key: f"{address}{PATH}/{kept.get(key) or secrets.token_urlsafe(24)}" for key in PEOPLE}


async def register_providers(registry: Registry, there: frozenset[str]) -> None:
    """Register what stands in for the providers, so that the sessions are recorded like any others."""
    name = {"fi": "Esittely", "sv": "Demonstration", "en": "Demo"}
    if CLIENTS not in there:
        await registry.provider(CLIENTS, "client", ISSUER, "demo", None, {"name": name, "acr": ["urn:vault:demo"]})
    if STAFF not in there:
        application = cast.PIRHA.applications[0].client_id
        await registry.provider(STAFF, "staff", ISSUER, "demo", application, {"name": name})


async def sign_in(sessions: Sessions, key: str) -> Session:
    """Sign a person of the demo in, as if a provider had just identified them."""
    person, now = PEOPLE[key], dt.datetime.now(dt.UTC)
    said = msgspec.json.encode({"iss": ISSUER, "sub": person.subject, "at": now, "jti": secrets.token_hex(16)})
    who = Identified(
        provider=CLIENTS if person.role is None else STAFF, issuer=ISSUER, subject=person.subject, assertion=said, identified_at=now,
        acr="urn:vault:demo", code=person.code, role=person.role,
    )  # fmt: skip
    return await (sessions.begin if person.role is None else sessions.begin_staff)(who, cast.CLIENT.language)


def demo_router(links: Mapping[str, str]) -> Router:
    """The links' route. From another machine, and for another random, there is nothing here."""
    known = {url.rpartition("/")[2]: key for key, url in links.items()}

    @get(PATH + "/{link:str}", include_in_schema=False)
    async def follow(request: AnyRequest, link: FromPath[str]) -> Redirect:
        key = known.get(link)
        if key is None or not _is_local(request):
            raise NotFoundException
        gate = gate_of(request)
        before = gate.secret(request)
        if before is not None:
            await gate.sessions.end(before)
        session = await sign_in(gate.sessions, key)
        return Redirect(first_page(session), status_code=303, cookies=[gate.session_cookie(session)])

    return Router("/", route_handlers=[follow])


def _is_local(request: AnyRequest) -> bool:
    return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
