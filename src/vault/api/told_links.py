"""What the OpenAPI document says of where an answer leads: which operations take the ids that it holds.

Source: OpenAPI 3.1 (Link Object, Runtime Expressions); design.md §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Document = dict[str, Any]

# The last part of a path that lists or makes things -> the parameter that stands for one of them
_MADE: Final[Mapping[str, str]] = {
    "cases": "case", "documents": "document", "consents": "consent", "members": "member", "holds": "hold", "inbox": "item",
    "prohibitions": "prohibition", "exports": "export", "authorities": "authority", "requests": "asked", "archive-requests": "asked",
    "transfers": "transfer", "misfiled": "document", "differences": "difference",
}  # fmt: skip
_ID: Final = "$response.body#/id"
_FIRST: Final = "$response.body#/items/0/id"
# Lists whose items hold the thing one step further down
_NESTED: Final[Mapping[str, str]] = {
    "/v1/requests": "$response.body#/items/0/request/id", "/v1/requests/{asked}/exports": "$response.body#/exports/0/export/id",
}  # fmt: skip
_ENTRY: Final = {"entry": "$response.body#/log_entry"}
# Where ids stand elsewhere: from, status, to, the path's parameters, members of the body
_ELSEWHERE: Final[tuple[tuple[str, str, str, Document, Document], ...]] = (
    ("get /v1/cases/{case}", "200", "patch /v1/clients/{client}", {"client": "$response.body#/client/id"}, {}),
    ("get /v1/cases/{case}", "200", "delete /v1/cases/{case}/members/{member}",
     {"case": _ID, "member": "$response.body#/members/1/id"}, {}),
    ("get /v1/cases/{case}", "200", "post /v1/requests", {}, {"client": "$response.body#/client/id"}),
    ("get /v1/documents/{document}", "200", "post /v1/cases/{case}/consents", {"case": "$response.body#/case"}, {"form": _ID}),
    ("get /v1/documents/{document}", "200", "post /v1/cases/{case}/documents", {"case": "$response.body#/case"}, {"attachment_of": _ID}),
    ("get /v1/documents/{document}", "200", "post /v1/decisions", {}, {"document": _ID}),
    ("put /v1/documents/{document}/content", "200", "get /v1/documents/{document}", {"document": _ID}, {}),
    ("put /v1/documents/{document}/content", "200", "get /v1/documents/{document}/content", {"document": _ID}, {}),
    ("put /v1/documents/{document}/content", "200", "get /v1/log/proof/{entry}", _ENTRY, {}),
    ("post /v1/cases/{case}/consents", "201", "get /v1/log/proof/{entry}", _ENTRY, {}),
    ("post /v1/me/exports", "202", "get /v1/me/exports/{export}", {"export": _ID}, {}),
    ("post /v1/me/exports", "202", "get /v1/me/exports/{export}/content", {"export": _ID}, {}),
    ("post /v1/me/exports", "202", "delete /v1/me/exports/{export}", {"export": _ID}, {}),
    ("get /v1/requests/{asked}", "200", "post /v1/requests/{asked}/looks", {"asked": _ID}, {"document": "$response.body#/documents/0/id"}),
)  # fmt: skip


def tell_links(told: Document) -> None:
    """Say of each answer with ids which operations take them: `/v1/cases` lists and makes what `{case}` stands for."""
    for path, item in told["paths"].items():
        made = _MADE.get(path.rpartition("/")[2])
        for method, status, place in (("post", "201", _ID), ("get", "200", _NESTED.get(path, _FIRST))):
            if made is not None and status in item.get(method, {}).get("responses", {}):
                _follow(told, path, item[method], status, made, place)
    for source, status, target, parameters, body in _ELSEWHERE:
        _link(_operation(told, source), status, target, _operation(told, target), parameters, body)


def _follow(told: Document, path: str, operation: Document, status: str, made: str, place: str) -> None:
    """Link to every operation whose parameters are this one's and the thing; the client's own stay by themselves."""
    known = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
    for other, item in told["paths"].items():
        for method, target in item.items():
            wanted = {one["name"] for one in target.get("parameters", []) if one["in"] == "path"}
            if made in wanted and wanted <= known | {made} and _are_alike(path, other, made):
                given = {name: f"$request.path.{name}" for name in wanted & known}
                _link(operation, status, f"{method} {other}", target, given | {made: place}, {})


def _are_alike(path: str, other: str, made: str) -> bool:
    """Whether both are asked by the same people, and one parameter's name means the same thing in both."""
    mine = path.startswith("/v1/me/")
    if made in ("asked", "authority"):
        ends = path.rpartition("/")[2]
        return mine == other.startswith("/v1/me/") and f"/{ends}/" in other
    return mine == other.startswith("/v1/me/")


def _link(operation: Document, status: str, name: str, target: Document, parameters: Document, body: Document) -> None:
    link = {"operationId": target["operationId"], "parameters": parameters, "description": name}
    if body:
        link["requestBody"] = body
    operation["responses"][status].setdefault("links", {})[target["operationId"]] = link


def _operation(told: Document, named: str) -> Document:
    method, _, path = named.partition(" ")
    found: Document = told["paths"][path][method]
    return found
