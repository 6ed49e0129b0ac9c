"""The archive beside the browser's service, with the log's sequencer at work only while a transfer needs it."""

from __future__ import annotations

from typing import Any

from tests.browser.scene import aside
from tests.exports.conftest import ORIGIN
from tests.support.caller import Caller, must, permit
from tests.support.service import run
from tests.transfers.conftest import Scene, sequencing


class Archive(Scene):
    """Transfers of this service; every act runs beside the browser's loop."""

    origin = ORIGIN  # one log has one name, whoever sequences it

    def due_of(self, code: str, born: str, *contents: bytes) -> tuple[str, str]:
        """The closed case of this person, and its transfer."""
        case = self.caller.open_case(members=["kela"], name="⟦Maija⟧", personal_identity_code=code, born=born)
        self.caller.consent(case, [permit("kela")])
        for content in contents:
            self.caller.file(case, content=content)
        must(self.caller.coordinator.post(f"/v1/cases/{case}/close", {"reason": "suunnitelma on toteutunut"}))
        aside(run, self.find())
        found = aside(self.service.one, "SELECT id FROM vault.transfer WHERE case_id = $1::uuid", case)
        return case, str(found)

    def tell(self, transfer: str, **progress: Any) -> None:
        """What a worker at it would say of how far it is."""
        names = ", ".join(progress)
        values = ", ".join(f"${number}" for number in range(2, len(progress) + 2))
        aside(self.service.sql, "DELETE FROM vault.transfer_progress WHERE transfer = $1::uuid", transfer)
        aside(
            self.service.sql, f"INSERT INTO vault.transfer_progress (transfer, {names}, recorded_at) VALUES ($1::uuid, {values}, now())",
            transfer, *progress.values(),
        )  # fmt: skip

    def work(self, limit: int = 50, **wrap: Any) -> list[str]:
        def working() -> list[str]:
            with sequencing(self.service, self.origin):
                return super(Archive, self).work(limit, **wrap)

        return aside(working)

    def stop(self) -> None:
        """Let nothing that was left half-way be taken up by another test."""
        aside(
            self.service.sql, "INSERT INTO vault.transfer_claim (transfer, until) SELECT id, 'infinity' FROM vault.transfer"
            " ON CONFLICT (transfer) DO UPDATE SET until = 'infinity'",
        )  # fmt: skip


def archive_of(caller: Caller, folder: Any) -> Archive:
    return aside(Archive, caller.service, caller, folder)
