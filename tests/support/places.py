"""Buckets on the gateway, stores over them, and what the tests of the S3 store do again and again."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from minio import Minio

from tests.support.objects import all_names, fetched, new_name, pieces
from tests.support.rgw import Account, Gateway
from vault.adapters.stores import s3_http
from vault.adapters.stores.s3 import S3Store
from vault.errors import StoreUnavailable
from vault.settings import Secret, StoreBucket


def s3_store_at(
    gateway: Gateway, bucket: str, *, account: Account | None = None, endpoint: str | None = None
) -> S3Store:
    account = account or gateway.owner
    where = StoreBucket(bucket=bucket, endpoint=endpoint or gateway.endpoint)
    return S3Store(where, Secret(account.access_key), Secret(account.secret_key))


class Place:
    """A bucket of the test's own, the store over it, and a client that sees all of it."""

    def __init__(self, gateway: Gateway, bucket: str) -> None:
        self.gateway = gateway
        self.bucket = bucket
        self.client: Minio = gateway.client()

    def store(self, **options: object) -> S3Store:
        return s3_store_at(self.gateway, self.bucket, **options)  # type: ignore[arg-type]

    def versions(self) -> list[str]:
        found = self.client.list_objects(self.bucket, recursive=True, include_version=True)
        return [str(version.object_name) for version in found]

    def unfinished(self) -> list[str]:
        return [upload.object_name for upload in self.client._list_multipart_uploads(self.bucket).uploads]

    def is_empty(self) -> bool:
        return self.versions() == [] and self.unfinished() == []

    def place(self, name: str, content: bytes = b"x") -> None:
        self.client.put_object(self.bucket, name, io.BytesIO(content), len(content))


def impatient(monkeypatch: pytest.MonkeyPatch, place: Place, seconds: float = 1.0) -> S3Store:
    """A store with the same rules but less patience, so that the tests need less of it too."""
    monkeypatch.setattr(s3_http, "READ_S", seconds)
    where = StoreBucket(bucket=place.bucket, endpoint=place.gateway.endpoint)
    owner = place.gateway.owner
    return S3Store(where, Secret(owner.access_key), Secret(owner.secret_key), patience_s=seconds)


async def stream(content: bytes, step: int = 100_003) -> AsyncIterator[bytes]:
    for start in range(0, len(content), step):
        yield content[start : start + step]


def every_call(store: S3Store, name: str, content: bytes = b"x") -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "put": lambda: store.put(new_name(), pieces(content)),
        "fetch": lambda: fetched(store, name),
        "nothing": lambda: fetched(store, name, 0, 0),
        "size": lambda: store.size(name),
        "delete": lambda: store.delete(name),
        "names": lambda: all_names(store),
        "check": store.check,
        "sweep": lambda: store.abort_unfinished(0),
    }


async def refusal(call: Callable[[], Awaitable[object]]) -> tuple[str, float]:
    """What the store said, and after how many seconds."""
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable) as refused:
        await call()
    return str(refused.value), time.monotonic() - begun


class BrokeOff(Exception):
    pass


async def breaking_after(size: int) -> AsyncIterator[bytes]:
    async for piece in stream(bytes(size)):
        yield piece
    raise BrokeOff
