"""An answer 404 leaves at whole steps after its request, whatever was behind it; every other answer at once (promise P10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from vault.api.even import STEP_S, Even, Waker


class Turn:
    """One request through ``Even``: a clock set by hand, and what happened in which order."""

    def __init__(self, status: int, took_s: float) -> None:
        self.now = 1000.0
        self.happened: list[object] = []
        self._status, self._took_s = status, took_s

    async def _app(self, scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
        self.now += self._took_s
        await send({"type": "http.response.start", "status": self._status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        self.happened.append("given back")

    async def _until(self, moment: float) -> None:
        self.happened.append(round(moment - 1000, 6))

    async def _send(self, message: Any) -> None:
        self.happened.append(message["type"].rpartition(".")[2])

    def run(self) -> list[object]:
        even: Any = Even(self._app, until=self._until, clock=lambda: self.now)
        asyncio.run(even({"type": "http"}, None, self._send))
        return self.happened


@pytest.mark.parametrize(("took_s", "steps"), [(0.0021, 1), (0.0023, 1), (0.0099, 1), (0.0101, 2), (0.0379, 4)])
def test_p10_a_hidden_answer_waits_for_the_step_after_all_is_given_back(took_s: float, steps: int) -> None:
    assert Turn(404, took_s).run() == ["given back", round(steps * STEP_S, 6), "start", "body"]


@pytest.mark.parametrize("status", [200, 401, 403, 422, 503])
def test_every_other_answer_leaves_at_once(status: int) -> None:
    assert Turn(status, 0.0021).run() == ["start", "body", "given back"]


async def test_the_waker_wakes_in_order_and_never_early() -> None:
    waker, woken = Waker(), []

    async def wait(moment: float) -> None:
        await waker.until(moment)
        woken.append((moment, monotonic() >= moment))

    now = monotonic()
    moments = [now + 0.03, now + 0.01, now + 0.02, now - 1]
    await asyncio.gather(*map(wait, moments))
    assert woken == [(moment, True) for moment in sorted(moments)]
