"""A real S3 server for the tests: Ceph's object gateway with one monitor and one storage daemon, all in memory.

Everything listens on loopback only, lives in a private temporary directory, and ends with the tests: each daemon is a
child that the kernel kills when the tests' process dies. For tests alone: the daemons trust each other without keys.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Final, NamedTuple

from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

PROGRAMS: Final = ("ceph", "ceph-mon", "monmaptool", "ceph-osd", "radosgw", "radosgw-admin", "setpriv")
START_S: Final = 60.0

CONFIGURATION: Final = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{mon_port}
mon_initial_members = a
mon_data = {root}/mon
mon_data_avail_crit = 1
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
ms_bind_msgr1 = false
ms_crc_data = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# One copy of everything, and decisions of the single monitor without its usual half second of waiting.
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_data = {root}/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
# A gateway that was killed is not waited for.
osd_client_watch_timeout = 1
admin_socket = {root}/run/$name.asok
run_dir = {root}/run
crash_dir = {root}/run
log_file = {root}/log/$name.log
keyring = {root}/keyring
debug_ms = 0/0
debug_mon = 0/0
debug_paxos = 0/0
debug_osd = 0/0
debug_rgw = 0/0
[client.rgw]
ms_mon_client_mode = crc
rgw_data = {root}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw_dns_name = localhost
rgw_thread_pool_size = 64
rgw_num_rados_handles = 1
rgw_override_bucket_index_max_shards = 1
rgw_dynamic_resharding = false
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_run_sync_thread = false
# Deleted parts give their memory back at once.
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 5
"""


class Account(NamedTuple):
    """Who may speak to the gateway; each owns its own buckets and sees no other's."""

    access_key: str
    secret_key: str


class Gateway:
    """A running gateway. Order: made, used and stopped in the main thread, whose death ends the daemons."""

    def __init__(self) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} not found: run tools/install-test-needs.sh")
        self._root = Path(tempfile.mkdtemp(prefix="vault-rgw-"))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.port, self._mon_port = _free_port(), _free_port()
        self.owner = Account("vault", secrets.token_hex(16))
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def account(self, name: str) -> Account:
        """Make a further account."""
        account = Account(name, secrets.token_hex(16))
        self._make_account(account)
        return account

    def client(self, account: Account | None = None) -> Minio:
        access_key, secret_key = account or self.owner
        host = self.endpoint.removeprefix("http://")
        return Minio(host, access_key, secret_key, secure=False, region="us-east-1")

    def bucket(self, *, versioned: bool = False) -> str:
        """Make an empty bucket and return its name."""
        name, client = f"test-{secrets.token_hex(6)}", self.client()
        client.make_bucket(name)
        if versioned:
            client.set_bucket_versioning(name, VersioningConfig(ENABLED))
        return name

    def pause(self) -> None:
        """The gateway stays connected and says nothing more."""
        self._running["radosgw"].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running["radosgw"].send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """The gateway is gone; what it stored stays."""
        gateway = self._running.pop("radosgw")
        gateway.kill()
        gateway.wait()

    def restart(self) -> None:
        self._spawn("radosgw", "-n", "client.rgw")
        self._wait_until_it_answers()

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            process.kill()
            process.wait()
        self._running.clear()
        shutil.rmtree(self._root)

    def _start(self) -> None:
        for name in ("mon", "osd", "run", "log", "rgw"):
            (self._root / name).mkdir()
        (self._root / "keyring").touch()
        fsid = str(uuid.uuid4())
        text = CONFIGURATION.format(fsid=fsid, root=self._root, port=self.port, mon_port=self._mon_port)
        (self._root / "ceph.conf").write_text(text)
        monitors = str(self._root / "monmap")
        _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{self._mon_port}]", monitors)
        self._ceph("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors)
        self._spawn("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._ceph("ceph", "osd", "new", osd)
        self._ceph("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-i", "0")
        self._make_account(self.owner)
        self.restart()

    def _make_account(self, account: Account) -> None:
        made = self._ceph(
            *("radosgw-admin", "-n", "client.rgw", "user", "create"),
            *(f"--uid={account.access_key}", f"--display-name={account.access_key}"),
            *(f"--access-key={account.access_key}", f"--secret-key={account.secret_key}"),
        )
        if json.loads(made)["keys"][0]["access_key"] != account.access_key:
            raise RuntimeError("the gateway made another account than was asked")

    def _ceph(self, program: str, *arguments: str) -> str:
        return _run(program, "-c", str(self._root / "ceph.conf"), *arguments)

    def _spawn(self, program: str, *arguments: str) -> None:
        with (self._root / "log" / f"{program}.out").open("ab") as out:
            self._running[program] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program, "-f", "-c", str(self._root / "ceph.conf"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._running["radosgw"].poll() is None:
            try:
                with urllib.request.urlopen(self.endpoint, timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.02)
        said = (self._root / "log" / "radosgw.out").read_text(errors="replace")
        raise RuntimeError(f"the object gateway did not start: {said[-2000:]}")


class Gateways:
    """The session's one gateway, started at first need."""

    def __init__(self) -> None:
        self._gateway: Gateway | None = None

    def gateway(self) -> Gateway:
        if self._gateway is None:
            self._gateway = Gateway()
        return self._gateway

    def stop(self) -> None:
        if self._gateway is not None:
            self._gateway.stop()


def _run(program: str, *arguments: str) -> str:
    """Its standard output. Raises: RuntimeError with what it said, when it fails."""
    # CEPH_ARGS and the like would reach beyond our own configuration.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}
    done = subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, timeout=START_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program} failed with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _free_port() -> int:
    """Below the kernel's own range, so that no outgoing connection takes it while the gateway is down."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port was found on loopback")
