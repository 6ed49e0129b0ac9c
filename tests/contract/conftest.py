"""The stores that the contract is held against, each empty; the S3 ones on a real gateway, started at first need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.places import Place, s3_store_at
from tests.support.rgw import Gateway, Gateways
from vault.adapters.stores.directory import DirectoryStore
from vault.adapters.stores.s3 import S3Store


@pytest.fixture
def gateway(gateways: Gateways) -> Gateway:
    """A running gateway; its accounts and buckets are shared by the session, so a test makes its own."""
    return gateways.gateway()


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


@pytest.fixture(params=["plain", "versioned"])
def place(request: pytest.FixtureRequest, gateway: Gateway) -> Place:
    return Place(gateway, gateway.bucket(versioned=request.param == "versioned"))


@pytest.fixture
def plain(gateway: Gateway) -> Place:
    return Place(gateway, gateway.bucket())
