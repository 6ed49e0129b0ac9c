"""A client in their own browser: a case opened for them, and requests under their session's cookie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.caller import Caller, must, personal_code
from tests.support.sessions import browser, client_session


class Own:
    """One client: their case, and what they ask below /v1/me."""

    def __init__(self, caller: Caller, case: str, http: httpx.Client) -> None:
        self.caller = caller
        self.case = case
        self.http = http

    def get(self, path: str = "", **more: Any) -> httpx.Response:
        return self.http.get(f"/v1/me{path}", **more)

    def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        return self.http.post(f"/v1/me{path}", **({} if json is None else {"json": json}), **more)

    def all(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """The items of every page of a list."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            page = must(self.get(path, params=params | cursor))
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = {"cursor": page["next"]}

    def one(self, path: str) -> dict[str, Any]:
        return must(self.get(path))

    def do(self, path: str, json: Any = None) -> dict[str, Any]:
        return must(self.post(path, json))

    def readers(self) -> dict[tuple[str, str | None], dict[str, Any]]:
        """Who can open the papers on a consent now: by organisation and unit."""
        told = self.one("/readers")["readers"]
        return {(r["party"]["agency"], r["party"]["unit"]): r for r in told if r["roles"]}


@contextmanager
def own(caller: Caller, **case: Any) -> Iterator[Own]:
    """A new client with one case, signed in."""
    code, born = personal_code()
    opened = caller.open_case(**({"personal_identity_code": code, "born": born} | case))
    with signed_in(caller, opened, case.get("personal_identity_code", code)) as hers:
        yield hers


@contextmanager
def signed_in(caller: Caller, case: str, code: str) -> Iterator[Own]:
    """The session of whom this code finds; ``case`` may be somebody else's."""
    with browser(caller.service, client_session(caller.service, code)) as http:
        yield Own(caller, case, http)


@contextmanager
def nobody(caller: Caller) -> Iterator[Own]:
    """A person of whom nothing is kept, signed in."""
    with signed_in(caller, "", personal_code()[0]) as theirs:
        yield theirs
