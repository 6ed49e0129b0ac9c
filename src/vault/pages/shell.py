"""The shell of the pages: templates in the reader's language, words carried over a redirect, and strict headers.

A page is ``render(request, "area/name.html", …)``; an act on a page ends in ``redirect(request, "/…", said=N_("…"))``.
How to add one: docs/howto/pages.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from babel.support import Translations
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.response import Redirect
from markupsafe import Markup

from vault.pages import texts
from vault.pages.static_files import StaticFile, load_static
from vault.pages.words import Words
from vault.web.session import FORM_TOKEN_FIELD, AnyRequest, form_token, session_name

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not no-referrer: under it a browser sends "Origin: null" with a form, and our own forms could not be told apart.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
    "Vary": "Cookie, Accept-Language",
}
_SAID: Final = "vault-said"
_SAID_S: Final = 60


class Shell:
    """Everything that pages share. ``secure`` says that browsers reach the vault over https."""

    def __init__(self, *, secure: bool, catalogues: Mapping[str, Translations] | None = None) -> None:
        self.secure = secure
        self.static = load_static()
        known = texts.load_catalogues() if catalogues is None else catalogues
        self._environments = {language: _environment(language, known[language], self.static) for language in known}
        self._said = {_short(message): message for message in _messages(known["fi"])}

    def language_of(self, request: AnyRequest) -> str:
        """Which of the three languages this request gets."""
        session = getattr(request.state, "session", None)
        return texts.choose_language(
            request.cookies.get(texts.COOKIE),
            getattr(session, "language", None),
            request.headers.get("accept-language"),
        )

    def html(self, request: AnyRequest, template: str, context: Mapping[str, Any], language: str | None = None) -> str:
        """One page as text, in the reader's language or in another."""
        language = language or self.language_of(request)
        environment = self._environments[language]
        session = getattr(request.state, "session", None)
        said = self._said.get(request.cookies.get(_SAID, ""))
        known: dict[str, Any] = {
            "session": session,
            "here": request.url.path,
            "said": said,
            "form_token": _token_field(session),
            "session_name": "" if session is None else session_name(session),
            "language_links": [
                (code, name, f"/language/{code}?back={quote(request.url.path)}") for code, name in texts.NAMES.items()
            ],
        }
        return environment.get_template(template).render(known | dict(context))


def _environment(language: str, translations: Translations, static: Mapping[str, StaticFile]) -> Environment:
    environment = Environment(
        loader=PackageLoader("vault.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        auto_reload=False,
    )
    with_messages: Any = environment  # the extension adds the method when the environment is made
    with_messages.install_gettext_translations(translations, newstyle=True)
    environment.filters.update(Words(language).filters())
    environment.globals.update(lang=language, static=lambda name: static[name].path, languages=texts.NAMES)
    return environment


def _token_field(session: Any) -> Markup:
    if session is None:
        return Markup()
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_TOKEN_FIELD, form_token(session))


def _short(message: str) -> str:
    return hashlib.sha256(message.encode("utf-8")).hexdigest()[:16]


def _messages(translations: Translations) -> list[str]:
    catalog: dict[Any, str] = translations._catalog  # noqa: SLF001 (the only way to its messages)
    return [key for key in catalog if isinstance(key, str) and key]


def shell_of(request: AnyRequest) -> Shell:
    """The application's shell."""
    shell: Shell = request.app.state.shell
    return shell


def language_of(request: AnyRequest) -> str:
    """``fi``, ``sv`` or ``en``."""
    return shell_of(request).language_of(request)


def render(
    request: AnyRequest, template: str, *, status_code: int = 200, language: str | None = None, **context: Any
) -> Response[bytes]:
    """A page, in the reader's language unless it is for somebody else.

    Templates know besides: lang, session, here, said, form_token, static(), and the filters of ``words``.
    """
    shell = shell_of(request)
    text = shell.html(request, template, context, language)
    answer = Response(text.encode("utf-8"), status_code=status_code, media_type="text/html", headers=dict(HEADERS))
    if _SAID in request.cookies:
        answer.delete_cookie(_SAID, path="/")
    return answer


def redirect(request: AnyRequest, to: str, *, said: str | None = None) -> Redirect:
    """See other, after an act; ``said`` is a message of the catalogues that the next page shows once."""
    answer = Redirect(to, status_code=303, headers={"Cache-Control": "no-store"})
    if said is not None:
        answer.set_cookie(
            _SAID,
            _short(said),
            max_age=_SAID_S,
            path="/",
            httponly=True,
            samesite="lax",
            secure=shell_of(request).secure,
        )
    return answer
