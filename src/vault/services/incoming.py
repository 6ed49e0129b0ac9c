"""What a caller sends of a document: its metadata, checked, and its bytes, counted and hashed on their way in."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from vault.errors import InvalidInput
from vault.rules.catalogue import DOCUMENT_TYPES, require_code
from vault.rules.days import parse_day

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf'{_NAME}/{_NAME}( ?; ?{_NAME}=({_NAME}|"[ !#-[\]-~]*"))*')
"""RFC 9110 §8.3.1, without tabs and escapes."""


class NewDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paper about to be filed. A type that can be protected needs ``protected_classes``, empty said aloud."""

    type: str
    title: str
    language: str
    dated: str
    filename: str
    media_type: str
    source: str | None = None
    attachment_of: uuid.UUID | None = None
    replaces: uuid.UUID | None = None
    valid_until: str | None = None
    protected_classes: list[str] | None = None
    third_persons: bool = False
    check_before_client: bool = False
    original: bool = True


class Content:
    """The caller's bytes on their way in: counted, hashed, bounded; yields at most what the limit allows."""

    def __init__(
        self, body: AsyncIterator[bytes], *, limit: int, length: int | None, digests: dict[str, bytes]
    ) -> None:
        if length is not None and length > limit:
            raise InvalidInput(f"a document has at most {limit} bytes", code="too-large", status=413)
        self._body = body
        self._limit = limit
        self._length = length
        self._digests = digests
        self.sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512() if "sha-512" in digests else None
        self.size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            self.size += len(chunk)
            if self.size > self._limit:
                raise InvalidInput(f"a document has at most {self._limit} bytes", code="too-large", status=413)
            self.sha256.update(chunk)
            if self._sha512 is not None:
                self._sha512.update(chunk)
            if chunk:
                yield chunk

    def check(self) -> None:
        """Refuse a body that is not what its headers promised."""
        if self._length is not None and self.size != self._length:
            raise InvalidInput("the body is not as long as Content-Length says", code="wrong-length", status=400)
        made = {"sha-256": self.sha256.digest()} | ({"sha-512": self._sha512.digest()} if self._sha512 else {})
        for algorithm, promised in self._digests.items():
            if made[algorithm] != promised:
                raise InvalidInput(
                    f"the body does not have the {algorithm} that Content-Digest says",
                    field="Content-Digest",
                    code="wrong-digest",
                )


def parse_content_digest(header: str | None) -> dict[str, bytes]:
    """The digests of a Content-Digest header that we check: ``sha-256`` and ``sha-512``; others are ignored.

    Source: RFC 9530 §2, §5 (a dictionary of byte sequences, RFC 8941 §3.2).
    """
    found: dict[str, bytes] = {}
    for member in (header or "").split(","):
        algorithm, _, value = member.strip().partition("=")
        if not algorithm:
            continue
        if not (len(value) >= 2 and value[0] == value[-1] == ":"):
            raise InvalidInput("expected algorithm=:base64:", field="Content-Digest", code="invalid-digest", status=400)
        if algorithm in ("sha-256", "sha-512"):
            try:
                found[algorithm] = base64.b64decode(value[1:-1], validate=True)
            except ValueError:
                raise InvalidInput(
                    "expected algorithm=:base64:", field="Content-Digest", code="invalid-digest", status=400
                ) from None
    return found


def bare_media_type(text: str) -> str:
    """A media type without its parameters, in lower case, as two are compared (RFC 9110 §8.3.1)."""
    return text.partition(";")[0].strip().lower()


def check_document(new: NewDocument) -> dict[str, Any]:
    """The document's metadata as the database takes it, all but what is sealed."""
    require_code("document-type", new.type, "type")
    require_code("language", new.language, "language")
    if not 0 < len(new.title.strip()) <= 300:
        raise InvalidInput("a title has 1 to 300 characters", field="title")
    if not 0 < len(new.filename) <= 255 or any(ord(c) < 32 for c in new.filename):
        raise InvalidInput("a file name has 1 to 255 characters and no control characters", field="filename")
    if len(new.media_type) > 127 or not _MEDIA_TYPE.fullmatch(new.media_type):
        raise InvalidInput("expected a media type such as application/pdf", field="media_type")
    parse_day(new.dated, "dated")
    if new.valid_until is not None and parse_day(new.valid_until, "valid_until") < parse_day(new.dated, "dated"):
        raise InvalidInput("valid_until is before dated", field="valid_until", code="invalid-day")
    if new.protected_classes is None and DOCUMENT_TYPES[new.type].can_be_protected:
        raise InvalidInput(
            "say which protected classes the document belongs to, or an empty list",
            field="protected_classes",
            code="protected-classes-missing",
        )
    classes = sorted({require_code("protected-class", c, "protected_classes") for c in new.protected_classes or ()})
    return {
        "type": new.type, "language": new.language, "dated": new.dated, "valid_until": new.valid_until, "source": new.source,
        "attachment_of": new.attachment_of, "replaces": new.replaces, "protected_classes": classes, "media_type": new.media_type,
        "third_persons": new.third_persons, "check_before_client": new.check_before_client, "original": new.original,
    }  # fmt: skip
