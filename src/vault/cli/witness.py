"""`vault witness …`: a witness, to be run under another account than the vault, best on another's machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import uvicorn

_DIRECTORY = click.option(
    "--dir",
    "directory",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The witness's own directory.",
)


@click.group()
def witness() -> None:
    """Cosign the log's checkpoints, from another account."""


@witness.command()
@_DIRECTORY
@click.option("--name", required=True, help="Its name, like witness.example/w1: no spaces, no plus.")
def create(*, directory: Path, name: str) -> None:
    """Make a witness's key and its empty memory, and print its verifier key."""
    from vault.cli.keeping import make_witness, open_witness
    from vault.errors import SettingsWrong

    if not name or "+" in name or any(c.isspace() for c in name):
        raise SettingsWrong("a witness's name has no spaces and no plus")
    make_witness(directory, name)
    click.echo(open_witness(directory, []).vkey)


@witness.command()
@_DIRECTORY
@click.option("--log", "logs", required=True, multiple=True, help="A log's verifier key (vault log key).")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8081, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--attended", is_flag=True, help="Also end when standard input ends, with whoever started it.")
def run(*, directory: Path, logs: tuple[str, ...], host: str, port: int, attended: bool) -> None:
    """Answer POST /add-checkpoint until SIGTERM or Ctrl-C.

    It needs nothing of the vault but the log's verifier key.
    """
    import contextlib

    import uvicorn

    from vault.api.witness import witness_app
    from vault.cli.keeping import open_witness, read_vkey
    from vault.cli.serving import listen, port_of

    app = witness_app(open_witness(directory, [read_vkey(text) for text in logs]))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
    if attended:
        _end_with_input(server)
    with contextlib.closing(listen(host, port)) as listener:
        click.echo(f"witness at http://{host}:{port_of(listener)}")
        server.run(sockets=[listener])


def _end_with_input(server: uvicorn.Server) -> None:
    """Let the server end when nobody holds the other end of standard input any more."""
    import sys
    import threading

    def wait() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=wait, daemon=True).start()
