"""The OpenAPI document, completed: what the framework cannot see of the routes.

Guards, raw bodies, header fields and refusals are not in the handlers' signatures. They follow a few rules, which stand
here once instead of at every route: who asks decides about 401 and 403, a body about 413 and 415, and so on.
Source: OpenAPI 3.1; RFC 9457; design.md §4.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from vault.api.problems import MEDIA_TYPE, Problem
from vault.api.told_links import tell_links
from vault.api.told_words import tell_words

Document = dict[str, Any]

CONTENT: Final = "/v1/documents/{document}/content"
FORM: Final = "application/x-www-form-urlencoded"
_LISTED: Final = re.compile(r"Listed_(?:\w+\.)*(\w+)_")
METHODS: Final = ("get", "put", "post", "patch", "delete")
OPEN: Final = ("/v1/log/", "/health/", "/oauth/", "/.well-known/", "/schema")
# Asked by an agency with its token, or by the client in their session.
EITHER: Final = frozenset({"/v1/decisions", "/v1/consents/{consent}/withdraw"})
# Asked in a records officer's session alone
AT_DESK: Final = frozenset({"/v1/requests/{asked}/exports/{export}/content"})

REFUSALS: Final[Mapping[int, str]] = {
    400: "The request cannot be read: its JSON, a header field or the address",
    401: "No token in force: missing, expired, revoked, bound to another key, or its agency is suspended",
    403: "Known to the caller, and not permitted; `reasons` says why",
    404: "Nothing here that the caller may see: hidden and unknown answer alike",
    409: "What is there already does not go with this",
    413: "The body is larger than this path takes",
    415: "The body is not of the type that this path takes, or it is compressed",
    416: "The range begins beyond the document's end",
    422: "A field or a parameter is wrong; `field` names it",
    428: "A protected class must be confirmed with Vault-Confirm",
    429: "Too many requests, or too many at once; Retry-After says when to come back",
    500: "Stored content is damaged; nothing more of it was released",
    503: "A part is unavailable; nothing was released; Retry-After says when to come back",
}
# RFC 6749 §5.2
OAUTH_REFUSALS: Final = (400, 401, 413, 429, 503)

_ENTRY = {
    "Vault-Log-Entry": {"description": "The signed promise that the act is in the log", "schema": {"type": "string"}}
}
_SIZE = {"Content-Range": {"description": "The document's whole size", "schema": {"type": "string"}}}
_RETRY = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 0}}}
_NONCE = {"DPoP-Nonce": {"description": "For the next proof, RFC 9449 §8", "schema": {"type": "string"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "RFC 6750, RFC 9449", "schema": {"type": "string"}}}
_BYTES: Document = {"*/*": {"schema": {}}}
_RELEASE = _ENTRY | {
    name: {"schema": {"type": "string"}}
    for name in ("Accept-Ranges", "Content-Disposition", "Content-Length", "ETag", "Repr-Digest")
}  # fmt: skip


class CompletedDocument(JsonRenderPlugin):
    """Serves the completed document, made once."""

    _completed: Document | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        if self._completed is None:
            self._completed = completed(openapi_schema)
        return super().render(request, self._completed)


def completed(document: Document) -> Document:
    """The framework's document with security, refusals, header fields, raw bodies and links; the given one stays as it is."""
    told = _named(copy.deepcopy(document))
    schemas = told["components"]["schemas"]
    told["components"]["securitySchemes"]["session"] = {"type": "apiKey", "in": "cookie", "name": "__Host-vault"}
    _, ours = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schemas |= ours | {"OAuthError": _OAUTH_ERROR}
    for path, method, operation in _operations(told):
        if path in ("/oauth/token", "/oauth/revoke"):
            _tell_oauth(path, operation)
        elif path.endswith("/content"):
            _tell_content(method, operation)
        if path not in ("/oauth/token", "/oauth/revoke"):
            _tell_refusals(path, method, operation)
        if method != "get" and "security" in operation:
            key = _header(
                "Idempotency-Key",
                "One key, one act; kept 24 hours",
                {"minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            )
            operation.setdefault("parameters", []).append(key)
    tell_words(told)
    tell_links(told)
    return told


def _named(told: Document) -> Document:
    """Name the lists by what they list: the framework names a generic struct by the whole path of its parameter."""
    text = msgspec.json.encode(told).decode()
    for name in told["components"]["schemas"]:
        if listed := _LISTED.fullmatch(name):
            text = text.replace(f'/{name}"', f'/{listed[1]}List"').replace(f'"{name}":', f'"{listed[1]}List":')
    named: Document = msgspec.json.decode(text)
    return named


def _operations(told: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in told["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def _tell_refusals(path: str, method: str, operation: Document) -> None:
    guarded = path.startswith("/v1/") and not path.startswith(OPEN)
    responses = operation["responses"]
    responses.get("204", {}).pop("content", None)
    responses.pop("400", None)  # the framework's own shape, which nobody is sent
    statuses = {400, 429, 503}
    if path.startswith("/v1/"):
        statuses |= {404, 409, 415, 422}
    if guarded:
        operation["security"] = [{"session": []}] if path.startswith("/v1/me") or path in AT_DESK else [{"token": []}]
        if path in EITHER:
            operation["security"].append({"session": []})
        statuses |= {401, 403, 500}
        for status, answer in responses.items():
            if status.startswith("2"):
                answer["headers"] = _ENTRY | (answer.get("headers") or {})
    if method != "get":
        statuses |= {413}
    if path.endswith("/content") and method == "get":
        statuses |= {416, 428} if path == CONTENT else {416}
    health = path == "/health/ready"
    for status in sorted(statuses):
        responses[str(status)] = _health() if health and status == 503 else _refusal(status, guarded=guarded)


def _refusal(status: int, *, guarded: bool) -> Document:
    headers = _ENTRY if guarded and status in (403, 404, 416, 428) else {}
    headers = headers | (_SIZE if status == 416 else {})
    headers = headers | (_RETRY if status in (409, 429, 503) else {}) | (_CHALLENGE | _NONCE if status == 401 else {})
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": REFUSALS[status], "headers": headers, "content": {MEDIA_TYPE: {"schema": schema}}}


def _health() -> Document:
    schemas = [{"$ref": "#/components/schemas/Problem"}, {"type": "object", "required": ["status", "parts"]}]
    content = {"application/json": {"schema": schemas[1]}, MEDIA_TYPE: {"schema": schemas[0]}}
    return {"description": "Not ready: a part does not answer", "content": content}


def _tell_content(method: str, operation: Document) -> None:
    parameters = operation.setdefault("parameters", [])
    if method == "put":
        # Also the empty document is one.
        operation["requestBody"] = {"required": False, "content": _BYTES, "description": "The raw bytes"}
        parameters.append(_header("Content-Digest", "RFC 9530; checked when given"))
        return
    whole = operation["responses"]["200"]
    # A document is sent as the type that its filer named; an export is what it is.
    content = whole["content"] if "application/zip" in whole.get("content", {}) else _BYTES
    operation["responses"]["200"] = whole | {"headers": _RELEASE, "content": content}
    headers = _RELEASE | {"Content-Range": {"schema": {"type": "string"}}}
    operation["responses"]["206"] = {"description": "The bytes of the range", "headers": headers, "content": content}
    parameters += [
        _header("Range", "One range of bytes, RFC 9110 §14; each is an ask and an entry"),
        _header("If-Range", "The ETag that the range belongs to"),
        _header("Vault-Confirm", "Protected classes that the reader means to open, apart by commas"),
    ]


def _header(name: str, description: str, more: Document | None = None) -> Document:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"} | (more or {})}


def _tell_oauth(path: str, operation: Document) -> None:
    names = _TOKEN_FIELDS if path == "/oauth/token" else _REVOKE_FIELDS
    properties = {name: {"type": "string"} | more for name, more in names.items()}
    required = ["grant_type"] if path == "/oauth/token" else ["token"]
    schema = {"type": "object", "properties": properties, "required": required}
    operation["requestBody"] = {"required": True, "content": {FORM: {"schema": schema}}}
    if path == "/oauth/token":
        operation.setdefault("parameters", []).append(_header("DPoP", "A proof of possession, RFC 9449"))
    answers = operation["responses"]
    by_status = {400: _NONCE, 401: _CHALLENGE, 413: {}, 429: _RETRY, 503: _RETRY}
    if path == "/oauth/token":
        answers["200"]["headers"] = _NONCE
    for status in OAUTH_REFUSALS:
        headers = by_status[status]
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/OAuthError"}}}
        if status in (400, 413, 429, 503):
            # Refused before the authorization server was asked.
            content[MEDIA_TYPE] = {"schema": {"$ref": "#/components/schemas/Problem"}}
        answers[str(status)] = {"description": "RFC 6749 §5.2", "headers": headers, "content": content}


_TOKEN_FIELDS: Final[Mapping[str, Document]] = {
    "grant_type": {"enum": ["client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"]},
    "assertion": {"description": "The grant's assertion, RFC 7523"},
    "client_assertion_type": {"enum": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]},
    "client_assertion": {"description": "private_key_jwt"},
    "client_id": {},
}
_REVOKE_FIELDS: Final[Mapping[str, Document]] = {
    "token": {}, "token_type_hint": {}, "client_id": {}, "client_assertion": {},
    "client_assertion_type": _TOKEN_FIELDS["client_assertion_type"],
}  # fmt: skip
_OAUTH_ERROR: Final[Document] = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    "required": ["error"],
}
