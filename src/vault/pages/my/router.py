"""The client's pages, all behind a client's session."""

from __future__ import annotations

from litestar import Router
from litestar.types import Guard

from vault.pages.faults import HANDLERS
from vault.pages.forms import page_guard
from vault.pages.my.cases import case_handlers
from vault.pages.my.consents import consent_handlers
from vault.pages.my.documents import document_handlers
from vault.pages.my.home import home_handlers
from vault.pages.my.log import log_handlers
from vault.pages.my.parts import MyParts
from vault.pages.my.prohibitions import prohibition_handlers
from vault.pages.my.representatives import representative_handlers
from vault.pages.my.requests import request_handlers
from vault.pages.my.restriction import restriction_handlers


def my_router(parts: MyParts, require_client: Guard) -> Router:
    """Everything under ``/my``."""
    handlers = [
        *home_handlers(parts), *case_handlers(parts), *document_handlers(parts), *consent_handlers(parts),
        *prohibition_handlers(parts), *log_handlers(parts), *request_handlers(parts), *restriction_handlers(parts),
        *representative_handlers(parts),
    ]  # fmt: skip
    return Router("/my", route_handlers=handlers, guards=[page_guard(require_client)], exception_handlers=HANDLERS)
