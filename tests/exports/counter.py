"""A records officer at their pages, who makes packages for people who cannot sign in."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

from tests.exports.conftest import Person, Scene
from tests.support.caller import must
from tests.support.sessions import browser, staff_session
from tests.web.test_desk_pages import DESK, OFFICER, Desk
from vault.services.requests import today

TODAY = today().isoformat()
IN_PERSON = {"how": "medium-in-person", "on": TODAY, "identified_how": "identity-document"}


class Counter(Desk):
    """A records officer at their pages."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.session = staff_session(scene.service, OFFICER, "records-officer")
        super().__init__(browser(scene.service, self.session))
        scene.browsers.append(self.http)

    def asked(self, client: str, **about: Any) -> str:
        """A request for one's own records, recorded at the counter; the path of its page."""
        given = {"received_how": "in-person", "received_on": TODAY, "identified_how": "identity-document", "kind": "self-access"}  # fmt: skip
        made = must(self.http.post("/v1/requests", json={"client": client} | given | about), 201)
        return f"{DESK}/requests/{made['id']}"

    def made(self, path: str, **wish: str) -> str:
        """A package of that request; the path of what belongs to it."""
        self.post(f"{path}/package", wish)
        told = self.scene.work()
        request = path.rpartition("/")[2]
        export = self.scene.service.one("SELECT id FROM vault.export WHERE request = $1::uuid ORDER BY id DESC LIMIT 1", request)  # fmt: skip
        assert self.state(f"{path}/package/{export}") == "ready", told
        return f"{path}/package/{export}"

    def state(self, package: str) -> str:
        return str(self.scene.service.one("SELECT (vault.export_at($1::uuid)).state", package.rpartition("/")[2]))

    def fetched(self, package: str) -> zipfile.ZipFile:
        answer = self.http.get(f"{package}/download")
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert self._delivered(package)
        return zipfile.ZipFile(io.BytesIO(answer.content))

    def handed(self, package: str, **how: str) -> str:
        """Record the hand-over; where that leads."""
        return self.post(f"{package}/hand-over", IN_PERSON | how)

    def _delivered(self, package: str) -> bool:
        """Whether the last byte is noted, which happens after it was sent."""
        deadline = time.monotonic() + 5
        while self.state(package) != "delivered" and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.state(package) == "delivered"


def client_of(scene: Scene, person: Person) -> str:
    """The id of somebody signed in."""
    return str(
        scene.service.one("SELECT client FROM vault.token WHERE secret_sha256 = sha256($1)", person.session.secret)
    )
