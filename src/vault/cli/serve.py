"""`vault serve` and `vault worker`: the service, and what must happen without anybody asking."""

from __future__ import annotations

import click


@click.command()
def serve() -> None:
    """Serve the vault over HTTP until SIGTERM or Ctrl-C.

    Running requests get twenty seconds to end; a second signal ends them at once. Refuses to start under a database
    role that could go round the door.
    """
    import asyncio

    import uvloop

    from vault.cli.serving import serve_until_stopped
    from vault.settings import load_settings

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_stopped(load_settings()))


@click.command()
@click.option("--once", is_flag=True, help="Do every job once and end, for cron and for tests.")
def worker(*, once: bool) -> None:
    """Do the background jobs until SIGTERM or Ctrl-C.

    Every minute: forget expired tokens and used one-time ids; write the outcome of releases whose process is gone.
    Where archive_store is set, go on with transfers to the archive: package, send, verify, shred.
    Every hour: clear what uploads that were never finished left in the store, and name what the store lacks. Once a day,
    and only where database_url_owner is set: make the log's partitions of the coming months (vault migrate does too).
    """
    import asyncio

    from vault.api.logs import start_logging
    from vault.cli.jobs import tell_plainly, work
    from vault.settings import load_settings

    settings = load_settings()
    if once:
        tell_plainly()
    else:
        start_logging()
    asyncio.run(work(settings, once=once))
