"""The command's frame: its version, and errors in one line."""

from __future__ import annotations

import subprocess
import sys

import click
from click.testing import CliRunner

from vault.cli.main import VaultGroup, main
from vault.errors import SettingsWrong


def test_the_version_is_told() -> None:
    done = subprocess.run([sys.executable, "-m", "vault", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("vault, version ")


def test_help_is_shown() -> None:
    assert "--version" in CliRunner().invoke(main, ["-h"]).output


def test_an_error_is_one_line_and_no_traceback() -> None:
    @click.group(cls=VaultGroup)
    def group() -> None: ...

    @group.command()
    def fail() -> None:
        raise SettingsWrong("issuer is not set")

    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == 1
    assert result.stderr == "vault: issuer is not set\n"
    assert result.stdout == ""
