"""`vault doctor`: looks at every setting and connection, and says what to do about what is wrong."""

from __future__ import annotations

import click

from vault.cli.show import as_json


@click.command()
@as_json
def doctor(*, as_json: bool) -> None:
    """Check every setting and connection.

    Looks at each database role, the schema, the clocks, the keyring and the store, and says what to do about what is
    wrong. Exit code 1 if anything is.
    """
    import sys

    import msgspec

    from vault.cli.checks import examine
    from vault.cli.owner import run

    findings = run(examine())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        for finding in findings:
            click.echo(f"{finding.state:<5}  {finding.what}: {finding.found}")
            if finding.remedy:
                click.echo(f"       {finding.remedy}")
    wrong = sum(finding.state == "wrong" for finding in findings)
    if not as_json:
        click.echo(f"{wrong} of {len(findings)} checks failed" if wrong else f"all {len(findings)} checks passed")
    sys.exit(1 if wrong else 0)
