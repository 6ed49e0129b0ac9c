"""Routes of packages for people who cannot sign in, at the records officer's desk (docs/howto/records.md)."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from vault.api.asking import AnyRequest, id_for, secret_of
from vault.api.exports import ZIP, send_export
from vault.api.release import ReleaseResponse
from vault.api.session import require_token_or_session
from vault.api.strict import read_strictly, require_plain
from vault.services.desk import Desk
from vault.services.exports import Exports, ExportView
from vault.services.handing import DeskOrder, Handing, HandingDesk, HandOver
from vault.web.session import require_session


class FeeSaid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the person said of the fee, at the desk."""

    accepted: bool


def handing_routers(handing: HandingDesk, desk: Desk, exports: Exports) -> list[Router]:
    """By a records officer's token or session; the bytes by a session alone, in which somebody was identified just now."""
    known: dict[str, Any] = {"before_request": read_strictly, "tags": ["desk"]}
    ways = [*_packages(handing), _hand_over(handing), _fee_answer(desk)]
    return [
        Router("/v1", route_handlers=ways, guards=[require_token_or_session, require_plain], **known),
        Router("/v1", route_handlers=[_content(exports)], guards=[require_session, require_plain], **known),
    ]


def _packages(handing: HandingDesk) -> list[HTTPRouteHandler]:
    @get("/requests/{asked:uuid}/exports")
    async def list_packages(request: AnyRequest, asked: FromPath[uuid.UUID]) -> Response[Handing]:
        """The packages of one request, how large one of this moment would be, for whom, and why none may be made."""
        found, promise = await handing.look(secret_of(request), asked)
        return Response(found, headers={"Vault-Log-Entry": promise})

    @post("/requests/{asked:uuid}/exports", status_code=202)
    async def order_package(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[DeskOrder]
    ) -> Response[ExportView]:
        """Order everything about the person whose request this is; while one is under way, that one is the answer."""
        view, promise = await handing.order(secret_of(request), await id_for(request), asked, data)
        return Response(view, headers={"Vault-Log-Entry": promise})

    @delete("/requests/{asked:uuid}/exports/{export:uuid}", status_code=204)
    async def remove_package(
        request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]
    ) -> Response[None]:
        """Remove one that is not handed over: its key is destroyed at once."""
        del asked
        done = await handing.remove(secret_of(request), export)
        return Response(None, headers={"Vault-Log-Entry": done.promise})

    return [list_packages, order_package, remove_package]


def _hand_over(handing: HandingDesk) -> HTTPRouteHandler:
    @post("/requests/{asked:uuid}/exports/{export:uuid}/hand-over", status_code=200)
    async def hand_over_package(
        request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID], data: JSONBody[HandOver]
    ) -> Response[dict[str, Any]]:
        """Record that it was handed over: that answers the request; `rest` is the one that goes on where papers wait."""
        del asked
        done = await handing.hand_over(secret_of(request), export, data)
        return Response({"id": export, "rest": done.facts.get("rest")}, headers={"Vault-Log-Entry": done.promise})

    return hand_over_package


def _fee_answer(desk: Desk) -> HTTPRouteHandler:
    @post("/requests/{asked:uuid}/fee/answer", status_code=200)
    async def answer_fee_at_desk(
        request: AnyRequest, asked: FromPath[uuid.UUID], data: JSONBody[FeeSaid]
    ) -> Response[dict[str, Any]]:
        """Note what a person who does not sign in said of a fee."""
        done = await desk.answer_fee(secret_of(request), asked, accepted=data.accepted)
        return Response({"id": asked, "accepted": data.accepted}, headers={"Vault-Log-Entry": done.promise})

    return answer_fee_at_desk


def _content(exports: Exports) -> HTTPRouteHandler:
    @get("/requests/{asked:uuid}/exports/{export:uuid}/content", responses=ZIP)
    async def get_package_content(
        request: AnyRequest, asked: FromPath[uuid.UUID], export: FromPath[uuid.UUID]
    ) -> ReleaseResponse:
        """The package, whole or from where a broken download stopped; each range is an entry that the person sees."""
        del asked
        return await send_export(exports, request, export)

    return get_package_content
