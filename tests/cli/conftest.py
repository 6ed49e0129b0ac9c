"""The command line as an operator has it: settings in the environment, one vault of its own for each test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.database import Database
from vault.adapters.keyring.file import FileKeyring
from vault.cli.main import main


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("VAULT_")}


class Operator:
    """Runs `vault …` in a directory of its own; ``settings`` are the VAULT_ variables without their prefix."""

    def __init__(self, directory: Path, settings: dict[str, str]) -> None:
        self.directory = directory
        self.settings = settings

    @property
    def environment(self) -> dict[str, str]:
        return {f"VAULT_{name.upper()}": value for name, value in self.settings.items()}

    def vault(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run one command in this process."""
        cleared = {name: None for name in os.environ if name.startswith("VAULT_")}
        return CliRunner().invoke(main, arguments, input=stdin, env={**cleared, **self.environment})

    def told(self, *arguments: str, stdin: str | None = None) -> str:
        """What a command that must succeed prints."""
        result = self.vault(*arguments, stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def refused(self, *arguments: str, stdin: str | None = None) -> str:
        """The one line with which a command that must fail ends."""
        result = self.vault(*arguments, stdin=stdin)
        assert result.exit_code == 1, result.output
        assert result.stderr.startswith("vault: "), result.stderr
        assert result.stderr.count("\n") == 1
        assert "Traceback" not in result.output
        return result.stderr.removeprefix("vault: ").rstrip("\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one command as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "vault", *arguments],
            cwd=self.directory,
            env=clean_environment() | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """An operator who has set nothing yet."""
    monkeypatch.chdir(tmp_path)
    return Operator(tmp_path, {})


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vault_db: Database) -> Operator:
    """An operator of a migrated vault with a keyring and a store, and nobody registered."""
    monkeypatch.chdir(tmp_path)
    FileKeyring.create_new(tmp_path / "keys")
    roles = ("owner", "service", "tokens", "worker", "sequencer", "monitor")
    return Operator(
        tmp_path,
        {f"database_url_{role}": vault_db.url(role) for role in roles}
        | {
            "issuer": "http://127.0.0.1:8080",
            "keyring": str(tmp_path / "keys"),
            "store": f"file://{tmp_path / 'objects'}",
            "listen_port": "0",
        },
    )
