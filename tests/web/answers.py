"""What the tests over HTTP ask again and again of an answer, and the case that most of them begin with."""

from __future__ import annotations

from typing import Any

from tests.support.caller import KELA, PLANNING, Acting, Caller, must


def code_of(answer: Any) -> tuple[int, str]:
    """Status and problem code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["type"] == f"urn:vault:problem:{body['code']}"
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]


def reasons_of(answer: Any) -> list[str]:
    assert answer.status_code == 403, answer.text
    return list(answer.json()["reasons"])


def shared(
    caller: Caller,
    provision: dict[str, Any],
    *,
    content: bytes = b"feedback",
    members: tuple[str, ...] = ("kela",),
    **about: Any,
) -> tuple[str, str, str]:
    """Case, document and consent of one clause."""
    case = caller.open_case(members=members)
    document = caller.file(case, content=content, **about)
    return case, document, caller.consent(case, [provision])


def pages_of(who: Acting, path: str) -> list[dict[str, Any]]:
    """The items of all pages of a list."""
    items: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 200}
    while True:
        page = must(who.get(path, params=params))
        items += page["items"]
        if page["next"] is None:
            return items
        params["cursor"] = page["next"]


def log_of(caller: Caller, case: str) -> list[dict[str, Any]]:
    return pages_of(caller.coordinator, f"/v1/cases/{case}/log")


def decision(caller: Caller, document: str, by: Acting | None = None, **asked: Any) -> dict[str, Any]:
    known = {
        "document": document,
        "agency": "kela",
        "role": "insurance-secretary",
        "professional": KELA,
        "action": "read",
        "purpose": PLANNING,
    }
    return must((by or caller.coordinator).post("/v1/decisions", known | asked))
