"""Authorities written straight into their table, as a test wants them; and who acts under one."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from tests.support.recorded import Asker
from tests.support.scene import DAY, TODAY, Scene

MAC = b"m" * 32


async def insert_authority(scene: Scene, **about: Any) -> uuid.UUID:
    """An authority to see everything of the client's, from yesterday on, unless ``about`` says otherwise."""
    known: dict[str, Any] = {
        "id": uuid.uuid4(), "client": scene.client, "case_id": None, "kind": "authorised", "scope": "see", "protected_classes": [],
        "representative_mac": MAC, "from_day": TODAY - DAY, "until_day": None, "sealed_about": b"\1about", "given_by_client": False,
        "entry": uuid.UUID(int=0), "recorded_at": scene.now - dt.timedelta(hours=1),
    }  # fmt: skip
    row = known | about
    await scene.database.insert("authority", [row])
    return uuid.UUID(str(row["id"]))


def acting(scene: Scene, authority: uuid.UUID) -> Asker:
    """The representative, acting for the client under this authority."""
    return Asker("representative", client=scene.client, authority=authority)
