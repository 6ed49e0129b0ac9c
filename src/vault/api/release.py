"""The answer that carries a document: headers, bytes, and the outcome that the log keeps.

The first piece is opened before the status line leaves, so a damaged object is a clean 500. When something breaks later,
the connection is reset: no client takes what it has for complete (promise P10).
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.types import Receive, Scope, Send

from vault.api.admission import idle_s_of
from vault.api.asking import secret_of
from vault.api.problems import on_vault_error
from vault.api.running import Release, Running
from vault.errors import DatabaseUnavailable, FactsChanged, VaultError
from vault.model import DocumentId, Outcome
from vault.services.documents import Documents
from vault.services.leases import Lease

logger = logging.getLogger("vault.api")
Headers = list[tuple[bytes, bytes]]
OnError = Callable[[Any, VaultError], Response[Any]]


SHOWN: Mapping[str, str] = {
    "application/pdf": "application/pdf",
    "image/gif": "image/gif",
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
    "text/plain": "text/plain; charset=utf-8",
}
"""What a browser may show in its own window, since it runs nothing; everything else is saved, whatever was asked."""


async def release_to(
    request: Request[Any, Any, Any],
    documents: Documents,
    document: DocumentId,
    *,
    who: str,
    confirmed: Sequence[str] = (),
    inline: bool = False,
    on_error: OnError = on_vault_error,
) -> ReleaseResponse:
    """Decide one release and answer with it; ``who`` is whose share of running downloads it counts to.

    ``on_error`` answers what goes wrong after the decision and before the first byte.

    Raises: TooMany, InvalidInput for a range that lies outside, and what the door says.
    """
    headers = request.headers
    running = await Running.begin(request, who, lambda: documents.open(
        secret_of(request), document, confirmed=list(confirmed), range_header=headers.get("range"), if_range=headers.get("if-range")
    ))  # fmt: skip
    return ReleaseResponse(running, idle_s=idle_s_of(request), inline=inline, on_error=on_error)


class ReleaseResponse(Response[None]):
    """Streams one release; the framework hands over the connection and nothing else."""

    def __init__(
        self,
        running: Running,
        *,
        idle_s: float,
        inline: bool = False,
        on_error: OnError = on_vault_error,
    ) -> None:
        super().__init__(None)
        self._on_error = on_error
        self._running = running
        self._inline = inline and running.release.media_type in SHOWN
        self._idle_s = idle_s

    def to_asgi_response(self, app: Any, request: Any, **_: Any) -> Any:
        headers = _headers(self._running.release, inline=self._inline)
        return _Sender(self._running, headers, app, request, self._idle_s, self._on_error)


class _Sender:
    """One running release as an ASGI application."""

    def __init__(
        self,
        running: Running,
        headers: Headers,
        app: Any,
        request: Any,
        idle_s: float,
        on_error: OnError,
    ) -> None:
        self._on_error = on_error
        self._headers = headers
        self._idle_s = idle_s
        self._running = running
        self._release = running.release
        self._app = app
        self._request = request
        self._sent = 0
        self._lease: Lease
        self._gone = False
        self._reset: Callable[[], Awaitable[int]] | None = None
        self._unsent: Awaitable[int] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extensions: dict[str, Any] = dict(scope.get("extensions") or {})
        self._reset = extensions.get("vault.abort")
        watcher = asyncio.create_task(self._watch(receive))
        outcome = Outcome.UNKNOWN
        try:
            outcome = await self._send(scope, receive, send)
        finally:
            self._reset = None  # whatever comes now belongs to the connection's next request
            watcher.cancel()
            await self._running.end(outcome, self._sent, unsent=self._unsent)

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> Outcome:
        chunks = self._release.chunks()
        try:
            first = await anext(chunks, b"")
            self._lease = await self._release.begin()
        except VaultError as error:
            answer = self._on_error(self._request, error)
            await answer.to_asgi_response(self._app, self._request)(scope, receive, send)
            return Outcome.CUT if isinstance(error, FactsChanged | DatabaseUnavailable) else Outcome.BROKEN
        self._lease.on_cut = self._cut
        status = 206 if self._release.is_partial else 200
        await send({"type": "http.response.start", "status": status, "headers": self._headers})
        try:
            return await self._body(first, chunks, send)
        except TimeoutError:
            # The caller has read nothing for too long: a slow reader may hold a connection, but not for ever.
            self._abort()
            return Outcome.UNKNOWN
        except VaultError as error:
            logger.error("a release broke off: %s", error.code)  # noqa: TRY400 - the trace holds nothing more
            self._abort()
            return Outcome.BROKEN

    async def _body(self, first: bytes, chunks: AsyncIterator[bytes], send: Send) -> Outcome:
        await self._piece(first, send)
        while not self._gone and self._lease.holds():
            chunk = await anext(chunks, None)
            if chunk is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                break
            await self._piece(chunk, send)
        if self._lease.is_cut:
            return Outcome.CUT
        return Outcome.UNKNOWN if self._gone else Outcome.DELIVERED

    async def _piece(self, chunk: bytes, send: Send) -> None:
        # Asked again for every piece: the one before may have waited long for a slow reader.
        if chunk and self._lease.holds():
            async with asyncio.timeout(self._idle_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            # Cut while it waited for room, it was not taken; nothing comes between its being taken and this line.
            if not self._lease.is_cut:
                self._sent += len(chunk)

    async def _watch(self, receive: Receive) -> None:
        """Notice that the caller has gone away: what was handed over from then on reached nobody."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True

    def _cut(self) -> None:
        """The permit has gone: reset the connection; what still waits here is not given to the kernel. Nothing is written after."""
        if self._reset is not None:
            self._unsent, self._reset = self._reset(), None

    def _abort(self) -> None:
        if self._reset is None:
            raise ConnectionAbortedError
        self._cut()


def _headers(release: Release, *, inline: bool) -> Headers:
    """The header fields of a release.

    Source: RFC 9530 §3 (Repr-Digest), RFC 6266 and RFC 8187 (file name), RFC 9110 §8.8.3 (ETag).
    """
    digest = base64.b64encode(release.sha256).decode()
    # A file name from somebody else's system: no path, nothing that a browser would act on.
    name = release.filename.replace("\\", "/").rpartition("/")[2].strip(". ") or "document"
    fields = {
        "content-type": SHOWN[release.media_type] if inline else release.media_type,
        "content-length": str(release.length),
        "accept-ranges": "bytes",
        "content-disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}",
        "repr-digest": f"sha-256=:{digest}:",
        "etag": release.etag,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "vault-log-entry": release.promise,
    }
    if release.is_partial:
        fields["content-range"] = f"bytes {release.start}-{release.start + release.length - 1}/{release.size}"
    return [(k.encode("ascii"), v.encode("latin-1")) for k, v in fields.items()]
