"""What the tests of the door share: the plain world in a database of the test's own."""

from __future__ import annotations

import pytest

from tests.support.database import Database
from tests.support.scene import Scene, plain_world, set_scene


@pytest.fixture
async def scene(vault_db: Database) -> Scene:
    return await set_scene(vault_db, plain_world())
