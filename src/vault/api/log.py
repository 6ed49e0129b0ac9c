"""Routes of the log's tree below /v1/log: open to everyone, since they hold hashes of salted commitments and nothing else.

Source: C2SP tlog-tiles, tlog-checkpoint, tlog-proof; docs/spec/log-tree.md; design.md §4.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from litestar import MediaType, Response, Router, get
from litestar.params import FromPath

from vault.api.problems import Problem, problem
from vault.errors import InvalidInput
from vault.formats.tiles import parse_tile_path
from vault.model import EntryId
from vault.services.transparency import Shown, TileOutOfRange, Transparency, Waiting

IMMUTABLE = "public, max-age=31536000, immutable"
BRIEF = "public, max-age=1"


def log_router(transparency: Transparency) -> Router:
    """Checkpoint, tiles and proofs."""

    @get("/checkpoint", media_type=MediaType.TEXT)
    async def checkpoint() -> Response[str]:
        """The newest checkpoint, a C2SP signed note with the witness's cosignature as soon as it is there.

        Vault-Uncosigned-Since says since when the log holds entries that no witness has cosigned.
        """
        heads = await transparency.checkpoint()
        headers = {"Cache-Control": BRIEF}
        if heads.uncosigned_since is not None:
            headers["Vault-Uncosigned-Since"] = _rfc3339(heads.uncosigned_since)
        return Response(heads.newest.note if heads.newest else "", media_type=MediaType.TEXT, headers=headers)

    @get("/tile/{tile:path}", media_type="application/octet-stream")
    async def tile(tile: FromPath[str]) -> Response[bytes]:
        """One tile of the tree, `<L>/<N>` or `<L>/<N>.p/<W>` (C2SP tlog-tiles): its hashes one after the other."""
        try:
            place = parse_tile_path(tile.removeprefix("/"))
        except InvalidInput:
            raise TileOutOfRange("this is no tile's path: <L>/<N>, or <L>/<N>.p/<W> for one that is not full") from None
        content = await transparency.tile(*place)
        return Response(content, media_type="application/octet-stream", headers={"Cache-Control": IMMUTABLE})

    @get("/proof/{entry:uuid}", media_type=MediaType.TEXT)
    async def proof(entry: FromPath[uuid.UUID]) -> Response[str] | Response[Problem]:
        """The proof that an entry stands in the log, a C2SP tlog-proof; 409 while it is not in the tree yet."""
        found = await transparency.proof(EntryId(entry))
        if isinstance(found, Waiting):
            headers = {"Retry-After": str(found.retry_after_s)}
            detail = "the entry is logged and not in the tree yet; ask again"
            return problem(409, "not-in-tree-yet", "Conflict", detail, headers=headers)
        return Response(found, media_type=MediaType.TEXT, headers={"Cache-Control": BRIEF})

    @get("/restart")
    async def restart() -> Response[Shown]:
        """The first leaf of a log that was begun anew after a restore; 404 when this one never was."""
        return Response(await transparency.restarted(), headers={"Cache-Control": BRIEF})

    handlers: list[Any] = [checkpoint, tile, proof, restart]
    return Router("/v1/log", route_handlers=handlers, tags=["log"])


def _rfc3339(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
