"""`vault agency …`: agencies, their units and professionals. Every act is logged as the operator's."""

from __future__ import annotations

import click

from vault.cli.show import as_json, show


@click.group()
def agency() -> None:
    """Agencies, their units and their professionals."""


@agency.command()
@click.argument("slug", metavar="AGENCY")
@click.option("--fi", required=True, help="Its name in Finnish.")
@click.option("--sv", help="Its name in Swedish; the Finnish one if missing.")
@click.option("--en", help="Its name in English; the Finnish one if missing.")
def add(slug: str, fi: str, sv: str | None, en: str | None) -> None:
    """Register an agency.

    vault agency add kela --fi Kela --sv FPA
    """
    from vault.cli.owner import registry, run

    async def work() -> None:
        async with registry() as (writer, _):
            await writer.agency(slug, {"fi": fi, "sv": sv or fi, "en": en or fi})

    run(work())
    click.echo(f"{slug} is registered")


@agency.command()
@click.argument("name", metavar="AGENCY/UNIT")
@click.option("--fi", required=True, help="Its name in Finnish.")
@click.option("--sv", help="Its name in Swedish.")
@click.option("--en", help="Its name in English.")
def unit(name: str, fi: str, sv: str | None, en: str | None) -> None:
    """Register a part of an agency.

    vault agency unit pirha/miepa --fi "Mielenterveys- ja päihdepalvelut"
    """
    from vault.cli.owner import registry, run

    async def work() -> None:
        async with registry() as (writer, _):
            await writer.unit(name, {"fi": fi, "sv": sv or fi, "en": en or fi})

    run(work())
    click.echo(f"{name} is registered")


@agency.command()
@click.argument("slug", metavar="AGENCY")
@click.argument("subject", metavar="SUB")
@click.option("--name", prompt="name", help="Asked for, or read from standard input, when it is not given.")
@click.option("--role", "role_code", help="The first role; more with `vault agency role`.")
@click.option("--unit", "unit_id", help="The unit in which the role is held.")
def professional(slug: str, subject: str, name: str, role_code: str | None, unit_id: str | None) -> None:
    """Register a professional of an agency.

    SUB is the opaque id by which the agency knows them. The name is kept encrypted.
    """
    from vault.cli.owner import registry, run
    from vault.errors import InvalidInput
    from vault.rules.catalogue import require_code

    if role_code is not None:
        require_code("role", role_code, "role")
    elif unit_id is not None:
        raise InvalidInput("a unit belongs to a role: give --role too")

    async def work() -> None:
        async with registry() as (writer, _):
            await writer.professional(slug, subject, name)
            if role_code is not None:
                await writer.role(slug, subject, role_code, unit_id)

    run(work())
    click.echo(f"{subject} of {slug} is registered")


@agency.command()
@click.argument("slug", metavar="AGENCY")
@click.argument("subject", metavar="SUB")
@click.argument("role_code", metavar="ROLE")
@click.option("--unit", "unit_id", help="The unit in which the role is held.")
def role(slug: str, subject: str, role_code: str, unit_id: str | None) -> None:
    """Give a professional a role."""
    from vault.cli.owner import registry, run
    from vault.errors import Conflict
    from vault.rules.catalogue import require_code

    require_code("role", role_code, "role")

    async def work() -> None:
        async with registry() as (writer, seen):
            if await seen.knows_role(slug, subject, role_code):
                raise Conflict("the professional has this role already")
            await writer.role(slug, subject, role_code, unit_id)

    run(work())
    click.echo(f"{subject} of {slug} acts as {role_code}")


@agency.command("end-role")
@click.argument("slug", metavar="AGENCY")
@click.argument("subject", metavar="SUB")
@click.argument("role_code", metavar="ROLE")
def end_role(slug: str, subject: str, role_code: str) -> None:
    """End a professional's role.

    Tokens issued for it die at once.
    """
    from vault.cli.owner import registry, run
    from vault.errors import InvalidInput

    async def work() -> None:
        async with registry() as (writer, seen):
            if not await seen.knows_role(slug, subject, role_code):
                raise InvalidInput(f"no professional of {slug} has this id and role")
            await writer.end_role(slug, subject, role_code)

    run(work())
    click.echo(f"{subject} of {slug} no longer acts as {role_code}")


@agency.command()
@click.argument("slug", metavar="AGENCY")
def suspend(slug: str) -> None:
    """Stop an agency at once.

    Its tokens die, and its running downloads are cut.
    """
    _suspend(slug, suspended=True)


@agency.command()
@click.argument("slug", metavar="AGENCY")
def restore(slug: str) -> None:
    """End an agency's suspension."""
    _suspend(slug, suspended=False)


def _suspend(slug: str, *, suspended: bool) -> None:
    from vault.cli.owner import registry, run
    from vault.errors import InvalidInput

    async def work() -> None:
        async with registry() as (writer, seen):
            if not await seen.knows_agency(slug):
                raise InvalidInput(f"no agency {slug} is registered; see: vault agency list")
            await writer.suspend(slug, suspended=suspended)

    run(work())
    click.echo(f"{slug} is {'suspended' if suspended else 'restored'}")


@agency.command("list")
@as_json
def list_agencies(*, as_json: bool) -> None:
    """All agencies, with counts of what belongs to them."""
    from vault.cli.owner import overview, run

    async def work() -> list[dict[str, object]]:
        async with overview() as seen:
            return await seen.agencies()

    columns = ("id", "name", "units", "applications", "professionals", "suspended")
    show(run(work()), columns, as_json=as_json, empty="no agency is registered; add one with: vault agency add")
