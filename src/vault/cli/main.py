"""The command `vault`: one group, whose commands stand in the modules beside this one."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import click

from vault.cli.agency import agency
from vault.cli.application import application
from vault.cli.archive import archive
from vault.cli.database import migrate
from vault.cli.demo import demo, token
from vault.cli.doctor import doctor
from vault.cli.key import key
from vault.cli.log import log
from vault.cli.provider import provider
from vault.cli.serve import serve, worker
from vault.cli.transfer import transfer
from vault.cli.witness import witness
from vault.errors import VaultError


class VaultGroup(click.Group):
    """A group whose commands end an error of the vault's own in one line, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VaultError as error:
            click.echo(f"vault: {error}", err=True)
            ctx.exit(1)


@click.group(cls=VaultGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("consent-vault"), prog_name="vault")
def main() -> None:
    """Keep documents that several agencies share, and open them only on a written consent."""


for command in (
    agency,
    application,
    archive,
    demo,
    doctor,
    key,
    log,
    migrate,
    provider,
    serve,
    token,
    transfer,
    witness,
    worker,
):
    main.add_command(command)
