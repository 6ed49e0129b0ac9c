"""My consents in plain words, and taking them back: whole or by clause, with what follows told before the press."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from vault.errors import Conflict, Hidden
from vault.model import ConsentId
from vault.pages.forms import read_form
from vault.pages.my.parts import MyParts, everything, id_in, secret_of
from vault.pages.shell import redirect, render
from vault.pages.texts import N_
from vault.services.consents import Withdrawing
from vault.services.ids import new_id
from vault.services.mine_views import MyConsent, MyReader, MyReaders, MyWay
from vault.web.session import AnyRequest

REASON_MAX = 2000
Clause = Annotated[int | None, QueryParameter(name="clause", required=False, ge=1, le=10_000)]


class Loss(msgspec.Struct, frozen=True):
    """What one reader can no longer open; ``still`` counts those of its papers that another clause opens."""

    reader: MyReader
    ways: list[MyWay]
    still: int


def losses(readers: MyReaders, consent: ConsentId, clause: int | None) -> list[Loss]:
    """What follows from a withdrawal, computed from what the door would decide now."""
    found: list[Loss] = []
    for reader in readers.readers:
        ways = [*reader.ways, *reader.protected]
        gone = [way for way in ways if way.consent == consent and clause in (None, way.provision)]
        if not gone:
            continue
        left = {document for way in ways if way not in gone for document in way.documents}
        lost = {document for way in gone for document in way.documents}
        found.append(Loss(reader=reader, ways=gone, still=len(lost & left)))
    return found


def ends_handling(consent: MyConsent, clause: int | None) -> bool:
    """Whether the case could no longer be handled together under this consent."""
    handling = [c for c in consent.provisions if c.in_force and c.effect == "permit" and "handle" in (c.actions or [])]
    return bool(handling) and all(clause in (None, c.number) for c in handling)


def consent_handlers(parts: MyParts) -> list[HTTPRouteHandler]:
    mine = parts.mine

    @get("/consents", include_in_schema=False)
    async def list_consents(request: AnyRequest) -> Response[bytes]:
        secret = secret_of(request)
        consents = await everything(MyConsent, lambda after: mine.consents(secret, after=after))
        consents.sort(key=lambda one: (one.in_force, one.signed_on), reverse=True)
        return render(request, "my/consents.html", consents=consents)

    @get("/consents/{consent:uuid}", include_in_schema=False)
    async def one_consent(request: AnyRequest, consent: FromPath[uuid.UUID]) -> Response[bytes]:
        view, _ = await mine.consent(secret_of(request), ConsentId(consent))
        return render(request, "my/consent.html", consent=view, press_id=new_id())

    return [list_consents, one_consent, *_withdrawing(parts), *_confirming(parts)]


def _withdrawing(parts: MyParts) -> list[HTTPRouteHandler]:
    mine = parts.mine

    @get("/consents/{consent:uuid}/withdraw", include_in_schema=False)
    async def what_follows(request: AnyRequest, consent: FromPath[uuid.UUID], clause: Clause = None) -> Response[bytes]:
        return await _what_follows(request, ConsentId(consent), clause, {}, "")

    async def _what_follows(
        request: AnyRequest, consent: ConsentId, clause: int | None, errors: dict[str, str], reason: str
    ) -> Response[bytes]:
        secret = secret_of(request)
        view, _ = await mine.consent(secret, consent)
        chosen = [c for c in view.provisions if clause in (None, c.number)]
        if not chosen:
            raise Hidden
        if not any(c.withdrawn_at is None for c in chosen):
            raise Conflict("already withdrawn")
        readers = await mine.readers(secret)
        return render(
            request, "my/withdraw.html", status_code=422 if errors else 200, consent=view, clause=clause, chosen=chosen,
            losses=losses(readers, consent, clause), ends_handling=ends_handling(view, clause), press_id=new_id(),
            errors=errors, reason=reason, reason_max=REASON_MAX,
        )  # fmt: skip

    @post("/consents/{consent:uuid}/withdraw", include_in_schema=False)
    async def withdraw(
        request: AnyRequest, consent: FromPath[uuid.UUID], clause: Clause = None
    ) -> Redirect | Response[bytes]:
        form = await read_form(request)
        reason = form.text("reason")
        if len(reason) > REASON_MAX:
            errors = {"reason": N_("The reason is too long. Shorten it to 2,000 characters.")}
            return await _what_follows(request, ConsentId(consent), clause, errors, reason)
        wish = Withdrawing(provisions=None if clause is None else [clause], reason=reason or None)
        await parts.consents.withdraw(secret_of(request), ConsentId(consent), id_in(form), wish)
        whole = N_("You have withdrawn the consent. It opens nothing to anybody any more.")
        part = N_("You have withdrawn the clause. It opens nothing to anybody any more.")
        return redirect(request, f"/my/consents/{consent}", said=whole if clause is None else part)

    return [what_follows, withdraw]


def _confirming(parts: MyParts) -> list[HTTPRouteHandler]:
    @post("/consents/{consent:uuid}/confirm", include_in_schema=False)
    async def confirm(request: AnyRequest, consent: FromPath[uuid.UUID]) -> Redirect:
        await read_form(request)
        await parts.mine.confirm(secret_of(request), ConsentId(consent))
        return redirect(request, f"/my/consents/{consent}", said=N_("You have confirmed the consent. It holds again."))

    return [confirm]
