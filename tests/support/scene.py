"""One small world for the tests of the door: a case with everything in order, two agencies, one paper that may be read."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from tests.support.database import Database
from tests.support.recorded import Asker, insert_token, record_token, record_world
from tests.support.strategies import HELSINKI, LONG_AGO, professionals
from tests.support.worlds import Agency, Consent, Document, Member, World

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=HELSINKI)
TODAY = NOON.date()
DAY = dt.timedelta(days=1)
ANY = [{"any": True}]


def permit(number: int, *actions: str, **more: Any) -> dict[str, Any]:
    wide: dict[str, Any] = {"recipients": ANY, "sources": ANY, "documents": ANY, "purposes": ["care"], "dated": None}
    said = {"protected_classes": [], "future_documents": True, "actions": list(actions)}
    return {"number": number, "effect": "permit", **wide, **said, **more}


def plain_world() -> World:
    """Kela filed a paper, pirha coordinates and may read it for care; ids are new at every call."""
    new = uuid.uuid4
    paper = Document(
        id=new(), type="lausunto", filed_by="kela", filer_unit=None, source_agency="kela", source_unit=None,
        dated=TODAY - 9 * DAY, protected_classes=(), retracted=False, misfiled=False, attachment_of=None,
    )  # fmt: skip
    consent = Consent(
        id=new(), order=1, signed_on=TODAY - 5 * DAY, recorded_at=NOON - 4 * DAY, valid_from=TODAY - 5 * DAY,
        valid_until=None, capacity="client", confirmed=False, withdrawn_at=None, withdrawn_provisions=(), replaces=None,
        provisions=(permit(1, "handle"), permit(2, "read")),
    )  # fmt: skip
    places = [("pirha", "coordinator"), ("pirha", "nurse"), ("kela", "physician")]
    return World(
        case=new(),
        client=new(),
        case_state=None,
        adult_on=dt.date(2000, 1, 1),
        deceased_on=None,
        agencies=(
            Agency("pirha", ("pirha/miepa",), LONG_AGO, suspended=False),
            Agency("kela", (), LONG_AGO, suspended=False),
        ),
        document_types={"lausunto": LONG_AGO},
        members=tuple(Member(new(), agency, role, TODAY - DAY, None, ended=False) for agency, role in places),
        documents=(paper,),
        consents=(consent,),
        prohibitions=(),
    )


NURSE = Asker("professional", "pirha", None, professionals("pirha")[0], "nurse", "care")
COORDINATOR = NURSE._replace(role="coordinator")
PHYSICIAN = Asker("professional", "kela", None, professionals("kela")[0], "physician", "care")


class Scene:
    """The plain world, written, with its clock stopped at noon; what the tests of the door do again and again."""

    def __init__(self, database: Database, world: World) -> None:
        self.database = database
        self.world = world
        self.case, self.client = world.case, world.client
        self.paper = world.documents[0].id
        self.consent = world.consents[0].id
        self.now = NOON

    async def owner(self) -> Any:
        return await self.database.owner()

    async def service(self) -> Any:
        return await self.database.service()

    async def token(self, asker: Asker = NURSE) -> bytes:
        """A recorded token of this asker, alive for five minutes."""
        if asker.actor in {"professional", "system"}:
            tokens = await self.database.as_role("tokens")
            return await record_token(tokens, asker, expires_at=self.now + dt.timedelta(minutes=5))
        return await insert_token(await self.owner(), asker, issued_at=self.now)

    async def set_now(self, now: dt.datetime) -> None:
        self.now = now
        await self.database.set_clock(now)

    async def door(self, secret: bytes, act: str = "open", **about: Any) -> Any:
        """CALL vault.door about the paper."""
        service = await self.service()
        return await service.fetchrow("CALL vault.door($1, $2, NULL, $3, $4)", secret, act, self.paper, about)

    async def ask(self, secret: bytes, connection: Any = None) -> uuid.UUID:
        """Ask to open the paper; the entry of a permit."""
        connection = connection or await self.service()
        row = await connection.fetchrow("SELECT * FROM vault.ask($1, 'open', NULL, $2, '{}')", secret, self.paper)
        assert row["status"] == "permit", row
        return uuid.UUID(str(row["entry"]))

    async def take(self, secret: bytes, entry: uuid.UUID, connection: Any = None) -> list[Any]:
        """What take hands out: no row is a refusal."""
        connection = connection or await self.service()
        return list(await connection.fetch("SELECT * FROM vault.take($1, $2)", secret, entry))

    async def entries(self) -> list[Any]:
        return list(await (await self.owner()).fetch("SELECT * FROM vault.entry ORDER BY id"))


async def set_scene(database: Database, world: World) -> Scene:
    await record_world(await database.owner(), world)
    scene = Scene(database, world)
    await scene.set_now(NOON)
    return scene
