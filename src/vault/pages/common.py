"""What pages share: the language switch and the pages' own files, which every page links to; how an export is sent."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Protocol

from litestar import Response, Router, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from vault.errors import Hidden
from vault.pages import texts
from vault.pages.faults import HANDLERS
from vault.pages.shell import Shell, shell_of
from vault.pages.static_files import static_router
from vault.services.exports import Exports
from vault.web.session import AnyRequest

_YEAR_S = 365 * 24 * 3600

Back = Annotated[str, QueryParameter(name="back", required=False)]


class Sending(Protocol):
    """Decides one download of an export and streams it."""

    async def __call__(
        self, exports: Exports, request: AnyRequest, export: uuid.UUID, *, on_error: Any
    ) -> Response[Any]: ...


@get("/language/{code:str}", name="language", include_in_schema=False)
async def choose_language(request: AnyRequest, code: FromPath[str], back: Back = "/") -> Redirect:
    """Remember the language in a cookie and go back to the page."""
    if code not in texts.LANGUAGES:
        raise Hidden
    answer = Redirect(local_path(back), status_code=303, headers={"Cache-Control": "no-store"})
    answer.set_cookie(
        texts.COOKIE, code, max_age=_YEAR_S, path="/", httponly=True, samesite="lax", secure=shell_of(request).secure
    )
    return answer


def local_path(path: str) -> str:
    """The path when it lies in the vault, else its first page: nobody is sent elsewhere from here."""
    inside = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if inside else "/"


def common_routers(shell: Shell) -> list[Router]:
    """The routers that need no session."""
    return [static_router(shell.static), Router("/", route_handlers=[choose_language], exception_handlers=HANDLERS)]
