"""Shares, leases and outcomes of releases end with their request, wherever it is cancelled."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from litestar import Litestar, Request, get

from vault.api.admission import Admission, Gate, Limits
from vault.api.release import ReleaseResponse
from vault.api.running import Running
from vault.errors import TooMany
from vault.model import EntryId, Outcome
from vault.ports import Door
from vault.services.leases import Lease, Leases


class Renewing:
    async def renew(self, process: uuid.UUID, entries: Sequence[EntryId]) -> set[EntryId]:
        return set(entries)


class Told:
    """A release of a few bytes that remembers how it ended."""

    media_type, filename, sha256, promise = "text/plain", "a.txt", bytes(32), "promise"
    size, start, length, is_partial, etag = 4, 0, 4, False, '"a"'

    def __init__(self) -> None:
        self.ended: list[tuple[Outcome, int]] = []
        self.leases = Leases(cast("Door", Renewing()))
        self.lease: Lease | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b"abcd"

    async def begin(self) -> Lease:
        self.lease = await self.leases.begin(EntryId(uuid.uuid4()), asyncio.get_running_loop().time())
        return self.lease

    async def end(self, outcome: Outcome, bytes_sent: int) -> None:
        if self.lease is not None:
            self.lease.end()
        self.ended.append((outcome, bytes_sent))


class Visit:
    """One request that can be held, and cancelled, where a real one awaits: at the door, after the answer, at the first bytes."""

    def __init__(self, held: str) -> None:
        self.held, self.reached, self.go_on = held, asyncio.Event(), asyncio.Event()
        self.release = Told()
        self.app = Litestar(
            [self._handler()], middleware=[Gate(Limits())], after_request=self._after, openapi_config=None
        )
        self.app.state.admission = Admission(Limits(releases_per_application=1))

    def _handler(self) -> Any:
        async def opening() -> Told:
            await self.hold("door")
            return self.release

        @get("/")
        async def content(request: Request[Any, Any, Any]) -> ReleaseResponse:
            return ReleaseResponse(await Running.begin(request, "kela", opening), idle_s=1.0)

        return content

    async def _after(self, response: Any) -> Any:
        await self.hold("answer")
        return response

    async def hold(self, where: str) -> None:
        if where == self.held:
            self.reached.set()
            await self.go_on.wait()

    async def run(self) -> None:
        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await self.hold("bytes")

        scope: Any = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "", "headers": [], "server": ("t", 80),
            "client": ("t", 1), "extensions": {},
        }  # fmt: skip
        await self.app(scope, receive, send)

    def share_is_free(self) -> bool:
        try:
            self.app.state.admission.begin_release("kela")
        except TooMany:
            return False
        return True


@pytest.mark.parametrize("held", ["door", "answer", "bytes"])
async def test_p03_a_cancelled_request_gives_back_its_share_and_tells_its_end(held: str) -> None:
    visit = Visit(held)
    request = asyncio.create_task(visit.run())
    await asyncio.wait_for(visit.reached.wait(), 5)
    request.cancel()
    await asyncio.sleep(0)
    visit.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert visit.share_is_free()
    assert visit.release.ended == [(Outcome.UNKNOWN, 0)]
    assert visit.release.leases.running() == 0


async def test_a_request_that_goes_well_tells_its_end_once() -> None:
    visit = Visit("nowhere")
    await visit.run()
    assert visit.share_is_free()
    assert visit.release.ended == [(Outcome.DELIVERED, 4)]
