"""What the client's pages are made of, and the few things that several of them do."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Response

from vault.errors import InvalidInput
from vault.model import DocumentId, TokenSecret
from vault.pages.forms import Form
from vault.services.authorities import Authorities
from vault.services.cases import Page
from vault.services.consents import Consents
from vault.services.documents import Documents
from vault.services.mine import Mine
from vault.services.openings import Openings
from vault.services.requests import Requests
from vault.web.session import AnyRequest

T = TypeVar("T")


class Releasing(Protocol):
    """Decides one release and streams it; ``who`` is whose share of running downloads it counts to."""

    async def __call__(
        self, request: AnyRequest, documents: Documents, document: DocumentId, *, who: str, inline: bool, on_error: Any
    ) -> Response[Any]: ...


class MyParts(msgspec.Struct, frozen=True):
    """The services behind the client's pages."""

    mine: Mine
    consents: Consents
    documents: Documents
    openings: Openings
    requests: Requests
    authorities: Authorities
    releasing: Releasing


def secret_of(request: AnyRequest) -> TokenSecret:
    """The secret by which the database knows who asks."""
    secret: TokenSecret = request.state.session.secret
    return secret


async def everything(kind: type[T], ask: Callable[[uuid.UUID | None], Awaitable[Page[T]]]) -> list[T]:
    """All pages of a list, as views of that kind; ``ask`` gets the last id of the page before."""
    found: list[T] = []
    after: uuid.UUID | None = None
    while True:
        page = await ask(after)
        found += [item for item in page.items if isinstance(item, kind)]
        if page.next is None:
            return found
        after = uuid.UUID(str(page.next))


def id_in(form: Form, name: str = "id") -> uuid.UUID:
    """The id that a form was given when its page was made: a double press does the same thing once.

    Raises: InvalidInput.
    """
    try:
        return uuid.UUID(form.text(name))
    except ValueError:
        raise InvalidInput("the form lacks its id", field=name, code="missing-field") from None
