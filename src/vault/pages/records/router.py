"""The records officer's pages, all behind a session; what the session may do, the door decides."""

from __future__ import annotations

from litestar import Router
from litestar.types import Guard

from vault.pages.faults import HANDLERS
from vault.pages.forms import page_guard
from vault.pages.records.handing import handing_handlers
from vault.pages.records.others import other_handlers
from vault.pages.records.papers import paper_handlers
from vault.pages.records.parts import HOME, RecordsParts
from vault.pages.records.recording import recording_handlers
from vault.pages.records.requests import request_handlers
from vault.pages.records.restrictions import restriction_handlers


def records_router(parts: RecordsParts, require_session: Guard) -> Router:
    """Everything under ``/desk/records``."""
    handlers = [
        *request_handlers(parts),
        *paper_handlers(parts),
        *recording_handlers(parts),
        *other_handlers(parts),
        *restriction_handlers(parts),
        *handing_handlers(parts),
    ]
    return Router(HOME, route_handlers=handlers, guards=[page_guard(require_session)], exception_handlers=HANDLERS)
