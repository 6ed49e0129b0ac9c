"""`vault demo`: one process with everything in it, from an empty directory to a walked main job and a served vault.

What is started last is stopped first: the service, then PostgreSQL; Ctrl-C and SIGTERM do the same at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec

from vault.adapters.embedded import EmbeddedPostgres
from vault.cli.jobs import keep_exports
from vault.cli.keeping import keep_log
from vault.cli.serving import Server, listen, port_of, server_config, started
from vault.demo import papers
from vault.demo.archive import ArchiveWalk
from vault.demo.caller import Caller, DemoFile, DemoLog
from vault.demo.other import ShortWalk, sign_offs
from vault.demo.sign_in import DemoProviders, demo_router
from vault.demo.tell import Teller
from vault.demo.walk import Walk
from vault.demo.witness import witness_key, witnessed
from vault.demo.world import DATABASE, Folder, Walked, register_cast, set_up, settings_for, write_private
from vault.errors import SettingsWrong
from vault.rules.days import helsinki_day
from vault.services.sequencer import log_vkey
from vault.settings import Settings
from vault.wiring import build, build_app, check_roles

HOST = "127.0.0.1"
PORT = 8480
INTERRUPTED = 130
_CALL_TIMEOUT_S = 120
_STOP_S = 3


class Options(msgspec.Struct, frozen=True):
    """``port`` None: the port of the last start, or 8480, or any free one. ``scan_bytes``: the large scan's size.

    ``process``: another than ``ayr`` gets a short walk. ``archive``: the case goes to the archive afterwards.
    """

    data: Path
    port: int | None = None
    leave: bool = False
    walk: bool = False
    process: str = "ayr"
    archive: bool = False
    scan_bytes: int = papers.SCAN_SIZE


async def run_demo(options: Options, teller: Teller) -> int:
    """Run the demo to its end; the exit code. Raises: VaultError when something cannot be started."""
    work = asyncio.current_task()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped and work is not None:
            stopped = True
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    serving = asyncio.Event()
    try:
        return await _run(options, teller, serving)
    except asyncio.CancelledError:
        if not stopped:
            raise
        teller.line()
        teller.line("stopped; the data stay where they are")
        return 0 if serving.is_set() else INTERRUPTED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _run(options: Options, teller: Teller, serving: asyncio.Event) -> int:
    folder = Folder(options.data)
    folder.prepare()
    earlier = folder.earlier()
    keyring = folder.keyring()
    with contextlib.closing(choose_port(options.port, earlier)) as listener:
        address = f"http://{HOST}:{port_of(listener)}"
        teller.line(f"PostgreSQL starts in {folder.postgres}")
        async with EmbeddedPostgres(folder.postgres) as postgres:
            passwords = await set_up(folder, postgres, keyring)
            owner_url = postgres.url("vault_owner", passwords["vault_owner"], DATABASE)
            demo = await register_cast(owner_url, keyring, earlier, address)
            settings = settings_for(folder, postgres, passwords, port_of(listener))
            log = DemoLog(key=log_vkey(keyring, settings.origin()), witness=witness_key(folder.witness))
            async with (
                witnessed(folder.witness, log, settings) as watched,
                service(settings, listener, demo),
                log_keeper(watched),
                export_maker(watched),
            ):
                demo = msgspec.structs.replace(demo, log=log)
                write_private(folder.demo_file, demo)
                teller.line(f"the vault answers at {address}; its data lie in {folder.path}")
                case = await _walk_or_tell(options, teller, folder, demo)
                if options.archive:
                    await _archive(options, teller, folder, demo, settings, case)
                _tell_result(teller)
                if not options.leave:
                    _tell_ready(teller, demo, folder)
                    serving.set()
                    await asyncio.Event().wait()
    return 1 if teller.faults else 0


async def _walk_or_tell(options: Options, teller: Teller, folder: Folder, demo: DemoFile) -> str:
    """The case that was walked, now or before."""
    if options.process != "ayr":
        async with calling(demo) as caller:
            return await ShortWalk(caller, teller, options.process, helsinki_day(dt.datetime.now(dt.UTC))).run()
    walked = folder.walked()
    if walked is None or options.walk:
        walked = await walk(demo, teller, options.scan_bytes)
        folder.keep_walk(walked)
    else:
        _tell_what_is_there(teller, walked)
    return walked.case


async def _archive(
    options: Options, teller: Teller, folder: Folder, demo: DemoFile, settings: Settings, case: str
) -> None:
    async with calling(demo) as caller:
        await ArchiveWalk(caller, teller, settings, folder.path, case).run(sign_offs(options.process))


def choose_port(wanted: int | None, earlier: DemoFile | None) -> socket.socket:
    """A listening socket. A port that was asked for is taken or refused; else one that is free is found."""
    if wanted is not None:
        return listen(HOST, wanted)
    last = int(earlier.base_url.rpartition(":")[2]) if earlier is not None else PORT
    for port in dict.fromkeys((last, PORT)):
        with contextlib.suppress(SettingsWrong):
            return listen(HOST, port)
    return listen(HOST, 0)


@contextlib.asynccontextmanager
async def service(settings: Settings, listener: socket.socket, demo: DemoFile) -> AsyncIterator[None]:
    """The vault's service in this process, from its first answer to its orderly end."""
    parts = build(settings)
    try:
        await check_roles(parts)
        server = Server(server_config(build_app(parts, [demo_router(demo.sign_in)], DemoProviders)))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await started(server, running)
            yield
        finally:
            server.should_exit = True
            await running
    finally:
        await parts.close()


@contextlib.asynccontextmanager
async def log_keeper(settings: Settings) -> AsyncIterator[None]:
    """The log's sequencer, which puts entries into the tree and signs it."""
    stop = asyncio.Event()
    running = asyncio.create_task(keep_log(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await running


@contextlib.asynccontextmanager
async def export_maker(settings: Settings) -> AsyncIterator[None]:
    """The worker that makes the clients' exports."""
    stop = asyncio.Event()
    # Whoever runs the demo reads what the walk tells; of the jobs only what goes wrong is for them.
    logging.getLogger("vault.worker").setLevel(logging.WARNING)
    running = asyncio.create_task(keep_exports(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait([running], timeout=_STOP_S)
        running.cancel()  # one that is being made is made anew at the next start
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def walk(demo: DemoFile, teller: Teller, scan_bytes: int) -> Walked:
    """Walk the main job with papers signed today."""
    signed_on = helsinki_day(dt.datetime.now(dt.UTC))
    # Typesetting takes seconds of CPU: in a thread, so that the service goes on answering.
    made = await asyncio.to_thread(papers.papers, signed_on, scan_size=scan_bytes)
    async with calling(demo) as caller:
        return await Walk(caller, teller, made, signed_on).run()


@contextlib.asynccontextmanager
async def calling(demo: DemoFile) -> AsyncIterator[Caller]:
    """The agencies' software, over one pool of connections."""
    async with httpx.AsyncClient(base_url=demo.base_url, timeout=_CALL_TIMEOUT_S, trust_env=False) as http:
        yield Caller(demo, http)


def _tell_result(teller: Teller) -> None:
    teller.line()
    if not teller.faults:
        teller.line("everything went as the consent says")
        return
    teller.line(f"{len(teller.faults)} things went otherwise than the consent says:")
    for fault in teller.faults:
        teller.line(f"   {fault}")


def _tell_what_is_there(teller: Teller, walked: Walked) -> None:
    teller.line()
    teller.line("the main job was walked here before and is not walked again (--walk walks it with a new case):")
    teller.line(f"   case      {walked.case}")
    teller.line(f"   consent   {walked.consent}")
    for key, document in walked.documents.items():
        teller.line(f"   {'form' if key == 'consent' else key:<9} {document}")


def _tell_ready(teller: Teller, demo: DemoFile, folder: Folder) -> None:
    teller.line()
    teller.line(f"ready: {demo.base_url} (data in {folder.path})")
    teller.line("   a token for an insurance secretary at Kela, good for five minutes:")
    teller.line(f"   vault token --demo {folder.path} --as kela-2001 --purpose rehabilitation-planning")
    teller.line("   to sign in as one of the demo's people, open:")
    for who, link in demo.sign_in.items():
        teller.line(f"   {who:<16} {link}")
    teller.line("   Ctrl-C stops the service, then the database")
