"""Routes of requests with a clock: the person's own below /v1/me, and the records officer's desk."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from vault.api.asking import AnyRequest, Cursor, Limit, Listed, id_for, listed, secret_of
from vault.api.restrictions import restriction_handlers
from vault.api.session import require_token_or_session
from vault.api.strict import read_strictly, require_plain
from vault.model import DocumentId
from vault.services.desk import Desk, DeskClient, DeskRequest, Judge, JudgeFound, NameFound, Recorded
from vault.services.misfiled import Damaged, Difference, Misfiled, MisfiledDesk
from vault.services.request_views import RequestView
from vault.services.requests import NewRequest, Requests
from vault.services.restrictions import Restrictions
from vault.services.withholding import DocumentDecision, Withholding
from vault.web.session import require_client

Which = Annotated[Literal["running", "ended"], QueryParameter(name="which", required=False)]


class FeeAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accepted: bool


class FindPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By the code, which travels in the body, never in a URL; or by a case."""

    personal_identity_code: str | None = None
    case: uuid.UUID | None = None


class Identified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identified_how: str


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    notice: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``names`` are the professionals whose names the answer tells, by the ids of GET …/names."""

    text: str
    names: list[uuid.UUID] = []


class Refuse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``text`` answers what is not refused, when the refusal is ``partly``; ``told`` False keeps the reason from the person.

    ``judge`` is who judged it, where the provision leaves it to a professional. ``papers`` are those whose processing is restricted, where the rest of a request for restriction is refused.
    """

    provision: str
    reason: str
    told: bool = True
    partly: bool = False
    text: str = ""
    names: list[uuid.UUID] = []
    papers: list[uuid.UUID] = []
    judge: Judge | None = None


class NewLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    document: uuid.UUID
    reason: str


class NewFee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cents: int
    reason: str


class MisfiledChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``decision`` is ``in-place`` or ``destroyed``."""

    decision: str
    reason: str


class DifferenceChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``outcome`` is ``kept`` or ``taken``."""

    outcome: str


def my_requests_router(requests: Requests) -> Router:
    """What the signed-in client, or who stands for them, asks for."""

    @post("/", status_code=201)
    async def make_request(request: AnyRequest, data: JSONBody[NewRequest]) -> Response[dict[str, Any]]:
        """Ask for something that has a clock; a second time the same is the same request."""
        language = request.state.session.language
        made = await requests.make(secret_of(request), await id_for(request), data, language)
        return Response({"id": made.id, "due_on": made.due_on}, headers={"Vault-Log-Entry": made.promise})

    @get("/")
    async def list_my_requests(
        request: AnyRequest, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[RequestView]]:
        """The person's requests, by id."""
        return listed(await requests.list_mine(secret_of(request), after=cursor, limit=limit))

    @get("/{asked:uuid}")
    async def get_my_request(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        """One request, with its answer or written decision and who looked at what for it."""
        view, promise = await requests.get_mine(secret_of(request), asked)
        return Response(view, headers={"Vault-Log-Entry": promise})

    @post("/{asked:uuid}/fee", status_code=200)
    async def answer_fee(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[FeeAnswer]
    ) -> Response[dict[str, Any]]:
        """Accept a fee that was told beforehand, or do not."""
        done = await requests.answer_fee(secret_of(request), asked, accepted=data.accepted)
        return Response({"id": asked, "accepted": data.accepted}, headers={"Vault-Log-Entry": done.promise})

    return Router(
        "/v1/me/requests",
        guards=[require_client, require_plain],
        before_request=read_strictly,
        tags=["me"],
        route_handlers=[make_request, list_my_requests, get_my_request, answer_fee],
    )


def desk_router(desk: Desk, withholding: Withholding, misfiled: MisfiledDesk, restrictions: Restrictions) -> Router:
    """The records officer's routes: by a token with that role, or by a session."""
    return Router(
        "/v1",
        guards=[require_token_or_session, require_plain],
        before_request=read_strictly,
        tags=["desk"],
        route_handlers=[
            *_queue(desk),
            *_steps(desk),
            *_papers(desk, withholding),
            *_corrections(misfiled),
            *restriction_handlers(restrictions),
        ],
    )


def _queue(desk: Desk) -> list[HTTPRouteHandler]:
    @get("/requests")
    async def queue(request: AnyRequest, which: Which = "running") -> Response[Listed[DeskRequest]]:
        """Requests that run, the most urgent first; or, with which=ended, those that were answered, the newest first."""
        return listed(await desk.queue(secret_of(request), running=which == "running"))

    @post("/requests", status_code=201)
    async def record_request(request: AnyRequest, data: JSONBody[Recorded]) -> Response[dict[str, Any]]:
        """Record a request that came on paper, by phone or in person."""
        made = await desk.record(secret_of(request), await id_for(request), data)
        return Response({"id": made.id, "due_on": made.due_on}, headers={"Vault-Log-Entry": made.promise})

    @post("/requests/find-client", status_code=200)
    async def find_person(request: AnyRequest, data: JSONBody[FindPerson]) -> Listed[DeskClient]:
        """The person of a code or a case, if the officer's agency answers for records about them."""
        if data.case is not None:
            return Listed(await desk.get_client(secret_of(request), data.case), None)
        return Listed(await desk.find_client(secret_of(request), data.personal_identity_code or ""), None)

    @get("/requests/{asked:uuid}")
    async def get_request(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Any]:
        """One request with its texts, its steps and its papers."""
        whole, promise = await desk.get(secret_of(request), asked)
        return Response(whole, headers={"Vault-Log-Entry": promise})

    @get("/requests/{asked:uuid}/names")
    async def get_names(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Listed[NameFound]]:
        """The professionals in the part of the log that is asked for; their names are opened for this request alone."""
        found, promise = await desk.names(secret_of(request), asked)
        return Response(Listed(found, None), headers={"Vault-Log-Entry": promise})

    @get("/requests/{asked:uuid}/judges")
    async def get_judges(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Listed[JudgeFound]]:
        """Who of the controller's professionals may judge for a running request whether somebody's health is at stake."""
        found, promise = await desk.judges(secret_of(request), asked)
        return Response(Listed(found, None), headers={"Vault-Log-Entry": promise})

    return [queue, record_request, find_person, get_request, get_names, get_judges]


def _steps(desk: Desk) -> list[HTTPRouteHandler]:
    def told(asked: uuid.UUID, done: Any) -> Response[dict[str, Any]]:
        body = {"id": asked, "state": done.facts["state"], "due_on": done.facts["due_on"]}
        return Response(body, headers={"Vault-Log-Entry": done.promise})

    @post("/requests/{asked:uuid}/identify", status_code=200)
    async def identify(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[Identified]
    ) -> Response[dict[str, Any]]:
        return told(asked, await desk.identify(secret_of(request), asked, data.identified_how))

    @post("/requests/{asked:uuid}/take-up", status_code=200)
    async def take_up(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[dict[str, Any]]:
        return told(asked, await desk.take_up(secret_of(request), asked))

    @post("/requests/{asked:uuid}/extend", status_code=200)
    async def extend(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[Notice]
    ) -> Response[dict[str, Any]]:
        """Take more time, once and inside the first time, with a notice that says why."""
        return told(asked, await desk.extend(secret_of(request), asked, data.notice))

    @post("/requests/{asked:uuid}/answer", status_code=200)
    async def answer(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[Answer]
    ) -> Response[dict[str, Any]]:
        return told(asked, await desk.answer(secret_of(request), asked, data.text, data.names))

    @post("/requests/{asked:uuid}/refuse", status_code=200)
    async def refuse(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[Refuse]
    ) -> Response[dict[str, Any]]:
        """Refuse the request or a part of it: a written decision with the way to the ombudsman."""
        done = await desk.refuse(
            secret_of(request), asked, provision=data.provision, reason=data.reason, told=data.told, text=data.text,
            names=data.names, papers=data.papers, judge=data.judge, partly=data.partly,
        )  # fmt: skip
        return told(asked, done)

    return [identify, take_up, extend, answer, refuse]


def _papers(desk: Desk, withholding: Withholding) -> list[HTTPRouteHandler]:
    @post("/requests/{asked:uuid}/looks", status_code=201)
    async def look(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[NewLook]
    ) -> Response[dict[str, Any]]:
        """Say why a paper is opened for this request; the client sees it. The paper is open to the officer for a day."""
        given = await id_for(request)
        done = await desk.look(secret_of(request), given, asked, data.document, data.reason)
        return Response({"id": given, "document": data.document}, headers={"Vault-Log-Entry": done.promise})

    @post("/requests/{asked:uuid}/documents/{document:uuid}/decision", status_code=201)
    async def decide(
        request: AnyRequest, asked: FromPath[uuid.UUID], document: FromPath[uuid.UUID], data: JSONBody[DocumentDecision]
    ) -> Response[dict[str, Any]]:
        """Open a paper to the client, withhold it, or withhold pages of it."""
        decision = await id_for(request)
        done = await withholding.decide(secret_of(request), decision, asked, DocumentId(document), data)
        return Response({"id": decision, "how": data.how}, headers={"Vault-Log-Entry": done.promise})

    @post("/requests/{asked:uuid}/fee", status_code=201)
    async def set_fee(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[NewFee]
    ) -> Response[dict[str, Any]]:
        """Decide a fee, told beforehand with its reason; never for the first request within a year."""
        fee = await id_for(request)
        done = await desk.set_fee(secret_of(request), fee, asked, data.cents, data.reason)
        return Response({"id": fee, "cents": data.cents}, headers={"Vault-Log-Entry": done.promise})

    return [look, decide, set_fee]


def _corrections(misfiled: MisfiledDesk) -> list[HTTPRouteHandler]:
    @get("/misfiled")
    async def list_misfiled(
        request: AnyRequest, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[Misfiled]]:
        """Papers that were said to be another person's and wait for a decision."""
        return listed(await misfiled.list_misfiled(secret_of(request), after=cursor, limit=limit))

    @get("/misfiled/{document:uuid}")
    async def get_misfiled(request: AnyRequest, document: FromPath[uuid.UUID]) -> Response[Any]:
        """One of them, with everybody who opened it meanwhile."""
        view, promise = await misfiled.get_misfiled(secret_of(request), document)
        return Response(view, headers={"Vault-Log-Entry": promise})

    @post("/misfiled/{document:uuid}/decision", status_code=200)
    async def decide_misfiled(
        request: AnyRequest, document: FromPath[uuid.UUID], data: JSONBody[MisfiledChoice]
    ) -> Response[dict[str, Any]]:
        """It is in its place after all, or its content is destroyed alone."""
        done = await misfiled.decide(secret_of(request), document, data.decision, data.reason)
        return Response({"id": document, "decision": data.decision}, headers={"Vault-Log-Entry": done.promise})

    @get("/damaged")
    async def list_damaged(request: AnyRequest, cursor: Cursor = None, limit: Limit = 50) -> Response[Listed[Damaged]]:
        """Papers that an export had to leave out since what is stored of them cannot be read."""
        return listed(await misfiled.list_damaged(secret_of(request), after=cursor, limit=limit))

    @get("/differences")
    async def list_differences(
        request: AnyRequest, cursor: Cursor = None, limit: Limit = 50
    ) -> Response[Listed[Difference]]:
        """What was given of persons at a case's opening differently from what is registered."""
        return listed(await misfiled.list_differences(secret_of(request), after=cursor, limit=limit))

    @post("/differences/{difference:uuid}", status_code=200)
    async def end_difference(
        request: AnyRequest, difference: FromPath[uuid.UUID], data: JSONBody[DifferenceChoice]
    ) -> Response[dict[str, Any]]:
        """Keep what is registered, or take the given name."""
        done = await misfiled.end_difference(secret_of(request), difference, data.outcome)
        return Response({"id": difference, "outcome": data.outcome}, headers={"Vault-Log-Entry": done.promise})

    return [list_misfiled, get_misfiled, decide_misfiled, list_damaged, list_differences, end_difference]
