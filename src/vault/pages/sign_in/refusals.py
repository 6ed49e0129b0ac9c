"""A sign-in that was refused, as a page that says what to do now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from litestar import Response
from litestar.types import ExceptionHandlersMap

from vault.errors import SignInRefused
from vault.pages.shell import render
from vault.pages.texts import N_
from vault.web.session import AnyRequest

_AGAIN = N_("The sign-in could not be completed. Nothing was opened to anybody. Begin again.")

TEXTS: Final[Mapping[str, str]] = {
    "sign-in-cancelled": N_("You left the identification before it was complete. Nothing was changed."),
    "sign-in-expired": N_("The sign-in took too long, and was ended for your safety. Begin again."),
    "sign-in-elsewhere": N_("This sign-in was begun in another browser or window, or it was used already. Begin again."),
    "acr-too-weak": N_("This service needs strong identification: online banking codes, a mobile certificate or an identity card."),
    "unknown-professional": N_("Your agency has not registered you here yet. Ask it to, and sign in again."),
    "role-not-registered": N_("Your agency has not registered your role here yet. Ask it to, and sign in again."),
    "role-needed": N_("You have several roles here, and your agency's sign-in did not say in which one you come."),
    "unknown-provider": N_("This way of signing in is not in use. Choose another one."),
    "no-authority": N_("You cannot act for this person now. The right may have ended."),
}  # fmt: skip
"""By the refusal's code; what is not here is told by one general sentence."""


def on_refused(request: AnyRequest, error: SignInRefused) -> Response[bytes]:
    """The page of a refusal."""
    return render(request, "sign_in/refused.html", status_code=403, text=TEXTS.get(error.narrow, _AGAIN))


REFUSALS: Final[ExceptionHandlersMap] = {SignInRefused: on_refused}
