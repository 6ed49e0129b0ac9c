"""`vault demo` and `vault token`: everything in one process, and tokens to try it with."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--data", default="demo-data", show_default=True, type=click.Path(path_type=Path, file_okay=False),
    help="Where the demo keeps its database, keys and documents.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), help="8480, or a free one, when it is not given.")
@click.option("--exit", "leave", is_flag=True, help="End after the walk; exit code 1 if anything went wrong in it.")
@click.option("--walk", is_flag=True, help="Walk the main job again on data that are there already.")
@click.option(
    "--process",
    type=click.Choice(["ayr", "verkosto", "akse", "tym", "tyky"]),
    default="ayr",
    show_default=True,
    help="The main job is walked in ayr; the others open a case with a small paper of each of their types.",
)
@click.option("--archive", is_flag=True, help="Then close the case and take it to the archive, all the way.")
@click.option("--scan-bytes", type=click.IntRange(min=200_000, max=4_000_000_000), hidden=True)
def demo(
    data: Path, port: int | None, process: str, scan_bytes: int | None, *, leave: bool, walk: bool, archive: bool
) -> None:
    """Walk the main job on made-up papers, then serve.

    The vault, a database of its own, a keyring and a store, all in one process. Starting again on the same directory keeps the data. Not for real data: the
    keys lie beside the database. With --archive, packages lie in DATA/archive and the archive's own keys in DATA/archive-keys.
    """
    import asyncio

    import uvloop

    from vault.demo.papers import SCAN_SIZE
    from vault.demo.run import Options, run_demo
    from vault.demo.tell import Teller

    options = Options(
        data=data,
        port=port,
        leave=leave,
        walk=walk,
        process=process,
        archive=archive,
        scan_bytes=scan_bytes or SCAN_SIZE,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(run_demo(options, Teller())))


@click.command()
@click.option(
    "--demo", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The demo's directory."
)
@click.option("--as", "subject", required=True, metavar="SUB", help="The professional who asks, such as kela-2001.")
@click.option("--purpose", required=True, help="What for, such as rehabilitation-planning.")
@click.option("--role", help="The role to act in, when the professional has several.")
def token(folder: Path, subject: str, purpose: str, role: str | None) -> None:
    """Print an access token of the running demo.

    It is good for five minutes, and shows in curl what that professional may do:

    curl -H "Authorization: Bearer $(vault token --demo demo-data --as kela-2001 --purpose rehabilitation-planning)" …
    """
    from vault.demo.caller import fetch_token, load_demo
    from vault.rules.catalogue import require_code

    require_code("purpose", purpose, "purpose")
    click.echo(fetch_token(load_demo(folder), subject, purpose, role))
