"""Is the service alive; can it do its work?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar import Response, Router, get

from vault.errors import Unavailable

Check = Callable[[], Awaitable[None]]


def health_router(checks: Mapping[str, Check]) -> Router:
    """``live`` answers while the process runs; ``ready`` only when every part answers."""

    @get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @get("/health/ready")
    async def ready() -> Response[dict[str, Any]]:
        """Each part's state; 503 when one is missing."""
        parts = {name: await _state(check) for name, check in checks.items()}
        well = all(state == "ok" for state in parts.values())
        return Response({"status": "ok" if well else "unavailable", "parts": parts}, status_code=200 if well else 503)

    return Router("/", route_handlers=[live, ready], tags=["operations"])


async def _state(check: Check) -> str:
    try:
        await check()
    except Unavailable as error:
        return error.code
    return "ok"
