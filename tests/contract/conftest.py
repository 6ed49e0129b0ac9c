"""The stores that the contract is held against, each empty; the S3 ones on a real gateway, started at first need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rgw import Account, Gateway, Gateways
from vault.adapters.stores.directory import DirectoryStore
from vault.adapters.stores.s3 import S3Store
from vault.settings import Secret, StoreBucket


@pytest.fixture(scope="session")
def gateways() -> Iterator[Gateways]:
    gateways = Gateways()
    yield gateways
    gateways.stop()


@pytest.fixture
def gateway(gateways: Gateways) -> Gateway:
    """A running gateway; its accounts and buckets are shared by the session, so a test makes its own."""
    return gateways.gateway()


def s3_store_at(
    gateway: Gateway, bucket: str, *, account: Account | None = None, endpoint: str | None = None
) -> S3Store:
    account = account or gateway.owner
    where = StoreBucket(bucket=bucket, endpoint=endpoint or gateway.endpoint)
    return S3Store(where, Secret(account.access_key), Secret(account.secret_key))


@pytest.fixture
def directory_store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "objects")


@pytest.fixture
def directory_store_with_hidden_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryStore:
    """As on a file system that knows no files without a name."""
    monkeypatch.delattr(os, "O_TMPFILE")
    return DirectoryStore(tmp_path / "objects")


@pytest.fixture
def s3_store(gateway: Gateway) -> S3Store:
    return s3_store_at(gateway, gateway.bucket())


@pytest.fixture
def versioned_s3_store(gateway: Gateway) -> S3Store:
    """In a bucket that keeps every version, where a condition on a name is not looked at."""
    return s3_store_at(gateway, gateway.bucket(versioned=True))
