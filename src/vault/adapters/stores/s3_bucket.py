"""One bucket as blocking calls, on the minio SDK; nothing else of the vault speaks to the SDK.

The SDK's public `put_object` decides by itself when to upload in parts, and holds them in threads of its own. We need
to say both, and to abort, so its single calls (`_put_object`, `_create_multipart_upload`, …) are used.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error
from minio.helpers import check_bucket_name
from urllib3.response import BaseHTTPResponse

from vault.adapters.stores import s3_http
from vault.adapters.stores.common import NAME
from vault.adapters.stores.s3_errors import MISSING, SHORTER, store_errors, unavailable
from vault.errors import InvariantViolated, ObjectTampered, SettingsWrong
from vault.settings import Secret, StoreBucket

PAGE: Final = 1000
_UNLIKE: Final = "it did not keep what was sent"


class Version(NamedTuple):
    name: str
    version: str


class Unfinished(NamedTuple):
    """An upload in parts that was neither completed nor aborted."""

    name: str
    upload: str
    begun: dt.datetime


class Bucket:
    """Every method blocks, is safe to call from several threads, and raises as `s3_errors` says."""

    def __init__(
        self,
        where: StoreBucket,
        access_key: Secret,
        secret_key: Secret,
        region: str,
        *,
        at_once: int,
        read_s: float = s3_http.READ_S,
        retries: int = s3_http.RETRIES,
    ) -> None:
        address = urlsplit(where.endpoint)
        self._name = where.bucket
        try:
            check_bucket_name(where.bucket)
            self._client = Minio(
                address.netloc,
                access_key.reveal(),
                secret_key.reveal(),
                secure=address.scheme == "https",
                region=region,
                http_client=s3_http.connections(at_once=at_once, read_s=read_s, retries=retries),
            )
        except ValueError:
            raise SettingsWrong(
                "store: expected the name of a bucket and its server's address", field="store"
            ) from None
        self._versioned: bool | None = None

    # -------------------------------------------------------------------------------------------------------- writing

    def put(self, name: str, body: bytes) -> None:
        """Store a small object in one call. Raises: InvariantViolated when the name exists."""
        if self.versioned():
            self.require_new(name)
        digest = _md5(body)
        with store_errors():
            try:
                stored = self._client._put_object(self._name, name, body, {"If-None-Match": "*"})  # noqa: SLF001
            except S3Error as error:
                if error.code != "PreconditionFailed":
                    raise
                self._require_ours(name, digest, error.response)
                return
        if stored.etag != digest:
            raise unavailable(_UNLIKE)

    def _require_ours(self, name: str, digest: str, answer: BaseHTTPResponse) -> None:
        """The name exists: by our own first try, whose answer was lost, or by another's."""
        if s3_http.was_repeated(answer) and self._client.stat_object(self._name, name).etag == digest:
            return
        raise InvariantViolated("an object of that name exists")

    def require_new(self, name: str) -> None:
        if self.size_if_there(name) is not None:
            raise InvariantViolated("an object of that name exists")

    def begin(self, name: str) -> str:
        """Begin an upload in parts and return its id."""
        with store_errors():
            return self._client._create_multipart_upload(self._name, name, {})  # noqa: SLF001

    def put_part(self, name: str, upload: str, number: int, body: bytes) -> str:
        """Store one part, numbered from 1, and return its digest."""
        digest = _md5(body)
        with store_errors():
            stored = self._client._upload_part(self._name, name, body, None, upload, number)  # noqa: SLF001
        if stored != digest:
            raise unavailable(_UNLIKE)
        return digest

    def complete(self, name: str, upload: str, digests: list[str], size: int) -> None:
        """Make the parts an object; only the store's own word on the object's size ends this well."""
        parts = [Part(number, digest) for number, digest in enumerate(digests, 1)]
        with store_errors():
            self._client._complete_multipart_upload(self._name, name, upload, parts)  # noqa: SLF001
        # The answer proves nothing: it may begin as a success and turn out to be an error, and Ceph's gateway leaves its
        # ETag empty the first time, in every kind of bucket. What counts is what the store says of the object afterwards.
        if self.size_if_there(name) != size:
            raise unavailable(_UNLIKE)

    def abort(self, name: str, upload: str) -> None:
        """Give up an upload in parts; one that is already gone is no error."""
        with store_errors():
            try:
                self._client._abort_multipart_upload(self._name, name, upload)  # noqa: SLF001
            except S3Error as error:
                if error.code != "NoSuchUpload":
                    raise

    def delete(self, name: str) -> None:
        """Remove every version of an object, and every unfinished upload of that name."""
        for unfinished in self.unfinished(name):
            self.abort(name, unfinished.upload)
        for page in self.versions(name):
            for version in page:
                with store_errors():
                    self._client.remove_object(self._name, name, version.version)

    # -------------------------------------------------------------------------------------------------------- reading

    def open(self, name: str, offset: int, length: int | None) -> BaseHTTPResponse:
        """Begin to read; the answer's Content-Length is what was asked for. `length` is not 0."""
        with store_errors():
            try:
                answer = self._client.get_object(self._name, name, offset, length or 0)
            except S3Error as error:
                if error.code == "InvalidRange":
                    raise ObjectTampered(SHORTER) from None
                raise
        try:
            _require_asked(answer, offset, length)
        except BaseException:
            close(answer)
            raise
        return answer

    def size(self, name: str) -> int:
        with store_errors():
            try:
                return cast("int", self._client.stat_object(self._name, name).size)
            except S3Error as error:
                if error.code != "NoSuchKey":
                    raise
                # An answer without a body cannot say whether it is the object that is missing, or the bucket.
                self._client._execute("GET", self._name, query_params={"location": ""})  # noqa: SLF001
        raise ObjectTampered(MISSING)

    def size_if_there(self, name: str) -> int | None:
        try:
            return self.size(name)
        except ObjectTampered:
            return None

    def versioned(self) -> bool:
        """Whether the bucket keeps versions, or may: asked once. Who may not ask is careful."""
        if self._versioned is None:
            with store_errors():
                try:
                    status = self._client.get_bucket_versioning(self._name).status
                except S3Error as error:
                    if error.code != "AccessDenied":
                        raise
                    status = "unknown"
            self._versioned = status in {"Enabled", "Suspended", "unknown"}
        return self._versioned

    def versions(self, prefix: str = "") -> Iterator[list[Version]]:
        """All versions and delete markers, in pages."""
        found = self._client.list_objects(self._name, prefix, recursive=True, include_version=True)
        while True:
            with store_errors():
                page = [Version(o.object_name or "", o.version_id or "null") for o in islice(found, PAGE)]
            if not page:
                return
            yield [version for version in page if NAME.fullmatch(version.name)]

    def unfinished(self, prefix: str = "") -> Iterator[Unfinished]:
        marker: str | None = None
        upload_marker: str | None = None
        while True:
            with store_errors():
                page = self._client._list_multipart_uploads(  # noqa: SLF001
                    self._name, prefix=prefix, key_marker=marker, upload_id_marker=upload_marker, max_uploads=PAGE
                )
            for upload in page.uploads:
                if NAME.fullmatch(upload.object_name) and upload.upload_id and upload.initiated_time:
                    yield Unfinished(upload.object_name, upload.upload_id, upload.initiated_time)
            if not page.is_truncated or not page.uploads:
                return
            marker, upload_marker = page.uploads[-1].object_name, page.uploads[-1].upload_id


def close(answer: BaseHTTPResponse) -> None:
    """Give the connection back; one with bytes left unread is closed."""
    answer.close()
    answer.release_conn()


def _require_asked(answer: BaseHTTPResponse, offset: int, length: int | None) -> None:
    ranged = bool(offset) or length is not None
    size = answer.headers.get("Content-Length", "")
    if answer.status != (206 if ranged else 200) or not size.isdecimal():
        raise unavailable("it does not answer to ranges")
    if ranged and not answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        raise unavailable("it answered with another range")
    if length is not None and int(size) != length:
        raise ObjectTampered(SHORTER)


def _md5(body: bytes) -> str:
    """What S3 gives back as the ETag of a body that arrived whole."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
