"""`vault migrate`: the schema."""

from __future__ import annotations

import click


@click.command()
@click.option("--roles", is_flag=True, help="Print the SQL that makes the database roles, for an administrator to run.")
def migrate(*, roles: bool) -> None:
    """Bring the database to this version's schema.

    Runs as the schema's owner. Safe to run again, and from two machines at once.
    """
    from vault.adapters.postgres.migrate import roles_sql
    from vault.cli.owner import run, update_schema

    if roles:
        click.echo(roles_sql(), nl=False)
        return
    applied = run(update_schema())
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to do: the schema is this version's")
