"""The plain world with papers that wait, for the tests of what a client may have and what a records officer may open."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.recorded import Asker
from tests.support.scene import DAY, NOON, Scene, plain_world, set_scene
from tests.support.strategies import professionals

OFFICER = Asker("records-officer", "pirha", None, professionals("pirha")[0], "records-officer")
OTHER_OFFICER = Asker("records-officer", "kela", None, professionals("kela")[0], "records-officer")
NOTED = {"entry": uuid.UUID(int=0), "recorded_at": NOON - DAY}


class Desk(Scene):
    """The scene, with rows that the tests of the desk need again and again, written as owner."""

    async def flag(self) -> None:
        """The paper names third persons: the client must wait."""
        owner = await self.owner()
        await owner.execute("UPDATE vault.document SET third_persons = true WHERE id = $1", self.paper)

    async def client_secret(self, client: uuid.UUID | None = None) -> bytes:
        return await self.token(Asker("client", client=client or self.client))

    async def made(self, kind: str = "export-review", **more: Any) -> uuid.UUID:
        """A running request of the client, received yesterday."""
        request = uuid.uuid4()
        day = (NOON - DAY).date()
        row = {"id": request, "kind": kind, "client": self.client, "controller": "pirha", "language": "fi",
               "received_how": "own-pages", "received_on": day, **NOTED}  # fmt: skip
        await self.database.insert("request", [row | more])
        await self.stands(request, "received")
        return request

    async def stands(self, request: uuid.UUID, state: str) -> None:
        owner = await self.owner()
        n = await owner.fetchval("SELECT coalesce(max(n), 0) + 1 FROM vault.request_state WHERE request = $1", request)
        refused = {"provision": "1050-2018-34-rights", "told": True, "sealed_reason": b"\1why"}
        row = {
            "request": request,
            "n": n,
            "state": state,
            "identified_how": "strong-identification",
            "due_on": (NOON + 29 * DAY).date(),
            **NOTED,
        }
        await self.database.insert("request_state", [row | (refused if "refused" in state else {})])

    async def look(self, request: uuid.UUID, document: uuid.UUID | None = None, **more: Any) -> None:
        """The records officer has given a reason for this document, a moment ago."""
        owner = await self.owner()
        officer = await owner.fetchval(
            "SELECT id FROM vault.professional WHERE agency = 'pirha' ORDER BY subject LIMIT 1"
        )
        row = {"id": uuid.uuid4(), "request": request, "document": document or self.paper, "professional": officer,
               "sealed_reason": b"\1reason", "entry": uuid.UUID(int=0), "recorded_at": self.now}  # fmt: skip
        await self.database.insert("request_look", [row | more])

    async def view(self, document: uuid.UUID | None = None) -> Any:
        owner = await self.owner()
        return await owner.fetchrow("SELECT * FROM vault.for_client($1, $2)", document or self.paper, self.now)


@pytest.fixture
async def desk(vault_db: Database) -> Desk:
    scene = await set_scene(vault_db, plain_world())
    desk = Desk(vault_db, scene.world)
    desk.now = scene.now
    return desk


@pytest.fixture
async def stranger(desk: Desk) -> uuid.UUID:
    """Another client, with a case of the same controller."""
    other = dataclasses.replace(plain_world(), consents=(), documents=(), members=(), agencies=())
    await desk.database.insert("client", [{"id": other.client, "adult_on": other.adult_on, "recorded_at": NOON - DAY}])
    case = {"id": other.case, "client": other.client, "process": "ayr", "controller": "pirha", "language": "fi",
            "sealed_about": b"\1case", **NOTED}  # fmt: skip
    await desk.database.insert("client_case", [case])
    return other.client
