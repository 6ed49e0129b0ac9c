"""A bucket whose objects the store itself refuses to remove, as blocking calls on the minio SDK.

Versioning and Object Lock in COMPLIANCE mode with a default retention of one day: lock headers on an upload in parts are
dropped without a word by some stores, so the default is what locks, and what the store answers when it is asked again is
what counts. Source: domain.md §11; Amazon S3 API (Object Lock).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, cast
from urllib.parse import urlsplit
from xml.etree.ElementTree import fromstring

from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.datatypes import Part
from minio.error import S3Error
from minio.helpers import DictType, check_bucket_name
from minio.objectlockconfig import DAYS
from minio.retention import Retention
from urllib3.response import BaseHTTPResponse

from vault.adapters.stores import s3_http
from vault.adapters.stores.s3_errors import MISSING, store_errors
from vault.errors import ArchiveUnavailable, ObjectTampered, SettingsWrong, StoreUnavailable
from vault.settings import Secret, StoreBucket

DEFAULT_DAYS: Final = 1
_NOT_LOCKED: Final = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"}
_LEAST_LOCK: Final = dt.timedelta(hours=12)
_MEND: Final = (
    "make a bucket with Object Lock, and give it a default retention of 1 day in COMPLIANCE mode; nothing was sent"
)


@contextmanager
def archive_errors() -> Iterator[None]:
    """What `store_errors` says, of the archive's store and its settings."""
    try:
        with store_errors():
            yield
    except StoreUnavailable as error:
        told = error.detail.replace("the object store failed", "the archive's store failed")
        told = told.replace("the setting store_", "the setting archive_").replace(
            "setting store", "setting archive_store"
        )
        told += "; nothing is lost, and it is tried again by itself"
        raise ArchiveUnavailable(told) from None


class LockedBucket:
    """Every method blocks, is safe to call from several threads, and raises ArchiveUnavailable as `archive_errors` says."""

    def __init__(
        self, where: StoreBucket, access_key: Secret, secret_key: Secret, *, region: str, read_s: float
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
                http_client=s3_http.connections(at_once=4, read_s=read_s),
            )
        except ValueError:
            raise SettingsWrong(
                "archive_store: expected the name of a bucket and its server's address", field="archive_store"
            ) from None

    def check(self) -> None:
        """Raises: SettingsWrong unless the bucket keeps versions and locks whatever is put into it for a day."""
        with archive_errors():
            versioning = self._client.get_bucket_versioning(self._name).status
        if versioning != "Enabled":
            raise SettingsWrong(f"archive_store: the bucket keeps no versions: {_MEND}", field="archive_store")
        with archive_errors():
            try:
                config = self._client.get_object_lock_config(self._name)
            except S3Error as error:
                if error.code not in _NOT_LOCKED:
                    raise
                config = None
        if config is None:
            raise SettingsWrong(f"archive_store: the bucket has no Object Lock: {_MEND}", field="archive_store")
        if (config.mode, config.duration, config.duration_unit) != (COMPLIANCE, DEFAULT_DAYS, DAYS):
            found = f"{config.duration} {config.duration_unit} in {config.mode} mode" if config.mode else "none"
            raise SettingsWrong(
                f"archive_store: the bucket's default retention is {found}: {_MEND}", field="archive_store"
            )

    # -------------------------------------------------------------------------------------------------------- writing

    def put(self, name: str, body: bytes) -> str:
        """Store a small object in one call; its version."""
        with archive_errors():
            stored = self._client._put_object(self._name, name, body, {"Content-MD5": _content_md5(body)})  # noqa: SLF001
        return self._locked(name, stored.version_id)

    def begin(self, name: str) -> str:
        """Begin an upload in parts; what a process that was killed left of an earlier one is given up first."""
        with archive_errors():
            left = self._client._list_multipart_uploads(self._name, prefix=name)  # noqa: SLF001
            for upload in left.uploads:
                if upload.object_name == name and upload.upload_id:
                    self._client._abort_multipart_upload(self._name, name, upload.upload_id)  # noqa: SLF001
            return self._client._create_multipart_upload(self._name, name, {})  # noqa: SLF001

    def put_part(self, name: str, upload: str, number: int, body: bytes) -> str:
        """Store one part, numbered from 1, and return its digest."""
        with archive_errors():
            headers: DictType = {"Content-MD5": _content_md5(body)}
            return self._client._upload_part(self._name, name, body, headers, upload, number)  # noqa: SLF001

    def complete(self, name: str, upload: str, digests: Sequence[str], size: int) -> str:
        """Make the parts an object; its version. Only the store's own word on its size ends this well."""
        parts = [Part(number, digest) for number, digest in enumerate(digests, 1)]
        with archive_errors():
            made = self._client._complete_multipart_upload(self._name, name, upload, parts)  # noqa: SLF001
            # An answer may begin as a success and turn out to be an error: it names no version then.
            stored = self._client.stat_object(self._name, name, version_id=made.version_id)
        if stored.size != size:
            raise ArchiveUnavailable("the archive's store failed: it did not keep what was sent")
        return self._locked(name, made.version_id or stored.version_id)

    def abort(self, name: str, upload: str) -> None:
        with archive_errors():
            self._client._abort_multipart_upload(self._name, name, upload)  # noqa: SLF001

    # -------------------------------------------------------------------------------------------------------- locks

    def _locked(self, name: str, version: str | None) -> str:
        """The object's version, once the store has said that it is locked."""
        version = version or self.newest(name)
        if self.lock_of(name, version) < dt.datetime.now(dt.UTC) + _LEAST_LOCK:
            raise ArchiveUnavailable("the archive's store failed: it did not lock what was put into it")
        return version

    def lock(self, name: str, version: str, until: dt.datetime) -> dt.datetime:
        """Lock to then, unless it is locked for longer, and read it back. Raises: ArchiveUnavailable when it is shorter."""
        whole = until.replace(microsecond=0)
        if self.lock_of(name, version) < whole:
            with archive_errors():
                self._client.set_object_retention(self._name, name, Retention(COMPLIANCE, whole), version)
        kept = self.lock_of(name, version)
        if kept < whole:
            raise ArchiveUnavailable("the archive's store failed: the lock that it answers is shorter than was asked")
        return kept

    def lock_of(self, name: str, version: str) -> dt.datetime:
        """Until when the store refuses to remove a version: the past when it does not.

        Asked for and read here, since the SDK's own call does not read the fractions of a second that some stores answer.
        """
        none = dt.datetime.min.replace(tzinfo=dt.UTC)
        with archive_errors():
            query: DictType = {"retention": "", "versionId": version}
            try:
                answer = self._client._execute("GET", self._name, name, query_params=query)  # noqa: SLF001
            except S3Error as error:
                if error.code not in _NOT_LOCKED:
                    raise
                return none
            found = {child.tag.rpartition("}")[2]: child.text or "" for child in fromstring(answer.data)}  # noqa: S314
            if found.get("Mode") != COMPLIANCE:
                return none
            return dt.datetime.fromisoformat(f"{found.get('RetainUntilDate', '').rstrip('Z').partition('.')[0]}+00:00")

    # -------------------------------------------------------------------------------------------------------- reading

    def open(self, name: str, version: str | None, length: int = 0) -> BaseHTTPResponse:
        """Begin to read, all or ``length`` bytes. Raises: ObjectTampered when there is nothing."""
        with archive_errors():
            try:
                return self._client.get_object(self._name, name, 0, length, version_id=version)
            except S3Error as error:
                if error.code == "InvalidRange":  # an empty object has no first byte
                    raise ObjectTampered(MISSING) from None
                raise

    def newest(self, name: str) -> str:
        with archive_errors():
            return cast("str", self._client.stat_object(self._name, name).version_id)

    def versions(self, name: str) -> list[str]:
        """All versions of a name, the oldest first; markers of a removal are none."""
        with archive_errors():
            listed = self._client.list_objects(self._name, name, recursive=True, include_version=True)
            found = [one for one in listed if one.object_name == name and not one.is_delete_marker]
        found.sort(key=lambda one: one.last_modified)
        return [str(one.version_id) for one in found]


def _content_md5(body: bytes) -> str:
    """What S3 compares a body with that it was sent (RFC 1864)."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
