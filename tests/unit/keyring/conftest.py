"""A keyring of files for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.adapters.keyring.file import FileKeyring


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create_new(tmp_path / "keyring")
