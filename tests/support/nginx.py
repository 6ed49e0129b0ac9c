"""The vault as it is deployed: `vault serve` behind the very nginx recipe of deploy/, with certificates of its own making."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import shutil
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.caller import Caller
from tests.support.database import Database
from tests.support.forked import Forked
from tests.support.service import ROOT, START_S, Service
from vault.adapters.embedded import EmbeddedPostgres

RECIPE = ROOT / "deploy" / "nginx"
PROGRAM = "/usr/sbin/nginx"
MTLS_LINE = "# include"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Authority:
    """A certificate authority; its files lie in ``folder``."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=2))
        )

    def issue(self, name: str) -> Path:
        """A directory with fullchain.pem and privkey.pem, for a server or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            self._builder(subject, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        place = self.folder / name
        place.mkdir()
        (place / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (place / "privkey.pem").write_bytes(secret)
        return place

    def context(self, client: Path | None = None) -> ssl.SSLContext:
        """What a caller trusts, and the certificate that it shows."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if client is not None:
            context.load_cert_chain(client / "fullchain.pem", client / "privkey.pem")
        return context


class Nginx:
    """One nginx in ``folder``, on `https://localhost:<port>`."""

    def __init__(self, folder: Path, upstream: int, authority: Authority, *, mtls: bool = False, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"https://localhost:{self.port}"
        self.spool = folder / "spool"
        self.log_path = folder / "vault.log"
        self._process: subprocess.Popen[bytes] | None = None
        for place in (self.spool, folder / "snippets"):
            place.mkdir(parents=True)
        tls = authority.folder / "localhost"
        words = {
            "@LISTEN@": f"127.0.0.1:{self.port}", "@SERVER_NAME@": "localhost", "@UPSTREAM@": f"127.0.0.1:{upstream}",
            "@TLS@": str(tls if tls.exists() else authority.issue("localhost")), "@SNIPPETS@": str(folder / "snippets"),
            "@LOG@": str(self.log_path), "@SPOOL@": str(self.spool), "@CLIENT_CA@": str(authority.certificate),
        }  # fmt: skip
        for source, target in (
            ("vault.conf", folder),
            ("server.conf", folder / "snippets"),
            ("refusal.conf", folder / "snippets"),
            ("mtls.conf", folder / "snippets"),
        ):
            text = (RECIPE / source).read_text()
            if mtls:
                text = text.replace(MTLS_LINE, "include")
            for word, value in words.items():
                text = text.replace(word, value)
            (target / source).write_text(text)
        self._write_main()

    def _write_main(self) -> None:
        # As root, nginx would give its work to another account, which may not enter a test's directory.
        account = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            f"{account} daemon off; worker_processes 2; pid {self.folder}/pid; error_log {self.folder}/main.log info;\n"
            f"events {{ worker_connections 512; }}\nhttp {{ access_log off; include {self.folder}/vault.conf; }}\n"
        )

    def start(self) -> None:
        command = [
            PROGRAM,
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "nginx.conf"),
            "-e",
            str(self.folder / "main.log"),
        ]
        with (self.folder / "stderr.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                # Without a place to write to, whatever it wanted to spool would be an error.
                shutil.rmtree(self.spool)
                return
        raise AssertionError(f"nginx did not start: {self.logs()}")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(10)

    def pids(self) -> list[int]:
        """The workers of this nginx."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log*")))


def open_files(pid: int) -> set[str]:
    """The regular files that a process holds open for writing, deleted ones included."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if stat.S_ISREG(link.stat().st_mode) and _is_for_writing(pid, link.name):
                found.add(str(link.readlink()))
        except FileNotFoundError:
            continue
    return found


def _is_for_writing(pid: int, number: str) -> bool:
    """As proc(5) tells of an open file: its flags, in octal."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/fdinfo/{number}").read_text().splitlines())
    return int(lines["flags"], 8) & os.O_ACCMODE != os.O_RDONLY


def written_bytes(pid: int) -> int:
    """How many bytes a process has caused to be written to storage, since its start."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])


def resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


class Deployed(Service):
    """The service behind a proxy; its address is nginx's."""

    def __init__(self, postgres: EmbeddedPostgres, database: Database, folder: Path, public: int) -> None:
        super().__init__(postgres, database, folder)
        self._public = public
        self.settings = {"VAULT_BEHIND_PROXY": "true"}

    @property
    def url(self) -> str:
        return f"https://localhost:{self._public}"

    @property
    def direct(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _wait(self, process: subprocess.Popen[bytes] | Forked) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.direct}/health/live", timeout=1, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.02)
        raise AssertionError(f"the service did not start: {self.log()[-2000:]}")


class Front(Caller):
    """All agencies' software, calling through TLS."""

    def __init__(self, service: Deployed, nginx: Nginx, authority: Authority) -> None:
        self.deployed = service
        self.nginx = nginx
        self.authority = authority
        self.tls = authority.context()
        super().__init__(service)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.nginx.url, verify=self.tls, timeout=60, trust_env=False)


@contextmanager
def fronted(postgres: EmbeddedPostgres, database: Database, folder: Path) -> Iterator[Front]:
    """A service over that database, behind an nginx of its own."""
    port = free_port()
    service = Deployed(postgres, database, folder / "vault", port)
    authority = Authority(folder / "tls")
    nginx = Nginx(folder / "nginx", service.port, authority, port=port)
    try:
        service.prepare()
        service.start()
        nginx.start()
        everybody = Front(service, nginx, authority)
        yield everybody
        everybody.close()
    finally:
        nginx.stop()
        service.close()
