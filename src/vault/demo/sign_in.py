"""Sign-in links of the demo: a click takes the place of strong identification, for made-up people on this machine alone.

The links exist only where `vault demo` adds their route; `vault serve` has none. Each holds a random of its own, stands in
`demo.json`, which only this account may read, and works as long as the demo runs. What they begin is an ordinary session.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from vault.adapters.postgres.registry import Registry
from vault.demo import cast
from vault.errors import SignInRefused
from vault.pages.faults import HANDLERS
from vault.pages.shell import render
from vault.services.sessions import Identified, Provider, Session, Sessions
from vault.services.sign_in import IdentityProviders, Pending
from vault.web.session import AnyRequest, first_page, gate_of

ISSUER = "urn:vault:demo"
CLIENTS, STAFF = "demo-clients", f"demo-{cast.PIRHA.id}"
PATH, IDENTIFY = "/demo/sign-in", "/demo/identify"


class Person(msgspec.Struct, frozen=True):
    """Who a link signs in: the client, or a professional of the controller."""

    subject: str
    name: str
    code: str | None = None
    role: str | None = None


def _people() -> dict[str, Person]:
    archivists = [p for p in cast.PIRHA.professionals if p.role == "archivist"]
    staff = {
        "coordinator": cast.COORDINATOR,
        "records-officer": cast.PIRHA.first("records-officer"),
        "archivist": archivists[0],
        "archivist-2": archivists[1],
    }
    client = {"client": Person("maija", cast.CLIENT.name, code=cast.CLIENT.personal_identity_code)}
    return client | {key: Person(one.sub, one.name, role=one.role) for key, one in staff.items()}


PEOPLE: Mapping[str, Person] = _people()


def provider_of(person: Person) -> str:
    """The provider that stands in for the person's own."""
    return CLIENTS if person.role is None else STAFF


def make_links(address: str, earlier: Mapping[str, str]) -> dict[str, str]:
    """A link for each person; the random of an earlier start is kept, also when the port is another."""
    kept = {key: url.rpartition("/")[2] for key, url in earlier.items()}
    return {key: f"{address}{PATH}/{kept.get(key) or secrets.token_urlsafe(24)}" for key in PEOPLE}


async def register_providers(registry: Registry, there: frozenset[str]) -> None:
    """Register what stands in for the providers, so that the sessions are recorded like any others."""
    name = {"fi": "Esittely", "sv": "Demonstration", "en": "Demo"}
    if CLIENTS not in there:
        await registry.provider(CLIENTS, "client", ISSUER, "demo", None, {"name": name, "acr": [ISSUER]})
    if STAFF not in there:
        application = cast.PIRHA.applications[0].client_id
        await registry.provider(STAFF, "staff", ISSUER, "demo", application, {"name": name})


def _identified(key: str) -> Identified:
    """The person as if a provider had just identified them."""
    person, now = PEOPLE[key], dt.datetime.now(dt.UTC)
    said = msgspec.json.encode({"iss": ISSUER, "sub": person.subject, "at": now, "jti": secrets.token_hex(16)})
    return Identified(
        provider=provider_of(person), issuer=ISSUER, subject=person.subject, assertion=said, identified_at=now, acr=ISSUER, code=person.code,
        role=person.role,
    )  # fmt: skip


async def sign_in(sessions: Sessions, key: str) -> Session:
    """Sign a person of the demo in."""
    begin = sessions.begin if PEOPLE[key].role is None else sessions.begin_staff
    return await begin(_identified(key), cast.CLIENT.language)


class DemoProviders:
    """services.sign_in.IdentityProviders: a page of the demo's people in the place of a provider, beside the real ones."""

    def __init__(self, real: IdentityProviders) -> None:
        self._real = real

    async def begin(self, provider: Provider, pending: Pending) -> str:
        if provider.issuer != ISSUER:
            return await self._real.begin(provider, pending)
        return f"{IDENTIFY}/{provider.id}?state={pending.state}"

    async def complete(self, provider: Provider, pending: Pending, answer: Mapping[str, str]) -> Identified:
        if provider.issuer != ISSUER:
            return await self._real.complete(provider, pending, answer)
        person = PEOPLE.get(answer.get("code", ""))
        if person is None or provider_of(person) != provider.id:
            raise SignInRefused("nobody was chosen", code="sign-in-cancelled")
        return _identified(answer["code"])

    async def leave(self, provider: Provider, back: str) -> str | None:
        return None if provider.issuer == ISSUER else await self._real.leave(provider, back)


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

    @get(IDENTIFY + "/{provider:str}", include_in_schema=False)
    async def identify(request: AnyRequest, provider: FromPath[str]) -> Response[bytes]:
        people = [(key, one) for key, one in PEOPLE.items() if provider_of(one) == provider]
        if not people or not _is_local(request):
            raise NotFoundException
        state = request.query_params.get("state", "")
        return render(request, "sign_in/demo.html", provider=provider, people=people, state=quote(state, safe=""))

    return Router("/", route_handlers=[follow, identify], exception_handlers=HANDLERS)


def _is_local(request: AnyRequest) -> bool:
    return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
