"""The recipes of deploy/ that no other test here starts are at least accepted by the programs that they are for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.nginx import PROGRAM, Authority, free_port
from tests.support.postgres import DEBIAN_15
from tests.support.service import ROOT
from vault.settings import DatabaseRole, load_settings

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# What systemd's own judgement may at most be: 0 is shut off from everything, 10 is a plain process.
EXPOSURE = 1.5
NOBODY = 65534


def run(*command: str, account: int | None = None) -> subprocess.CompletedProcess[str]:
    as_other: dict[str, Any] = (
        {"user": account, "group": account, "extra_groups": []} if account is not None and os.geteuid() == 0 else {}
    )
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/", **as_other)


def installed(unit: Path, folder: Path) -> Path:
    """The unit with a program that is there."""
    program = folder / "vault"
    if not program.exists():
        program.symlink_to("/bin/true")
    copy = folder / unit.name
    copy.write_text(unit.read_text().replace("/opt/vault/.venv/bin/vault", str(program)))
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_are_accepted_and_shut_off(unit: Path, tmp_path: Path) -> None:
    copy = installed(unit, tmp_path)
    verified = run("systemd-analyze", "verify", "--man=no", str(copy))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged)
    assert found is not None, judged
    assert float(found.group(1)) <= EXPOSURE


@pytest.mark.parametrize("of", ["nginx.service", "postgresql@.service"])
def test_what_is_said_to_other_peoples_units_is_accepted(of: str, tmp_path: Path) -> None:
    (tmp_path / of).write_text("[Service]\nExecStart=/bin/true\n")
    shutil.copytree(DEPLOY / "systemd" / f"{of}.d", tmp_path / f"{of}.d")
    verified = run("systemd-analyze", "verify", "--man=no", str(tmp_path / of))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    assert {"LimitCORE=0", "MemorySwapMax=0"} <= set((tmp_path / f"{of}.d" / "vault.conf").read_text().splitlines())


def test_nginx_takes_what_the_manual_puts_in_its_place(tmp_path: Path) -> None:
    """The manual's own commands, below another root and at another port."""
    manual = (ROOT / "docs" / "howto" / "deploy.md").read_text("utf-8").partition("## 5. nginx")[2]
    commands = manual.split("```sh\n")[1].split("```")[0].partition("nginx -t")[0]
    for place in ("/etc/nginx", "/var/log/nginx", "/var/lib/nginx"):
        (tmp_path / place[1:]).mkdir(parents=True)
        commands = commands.replace(place, str(tmp_path) + place)
    (tmp_path / "etc/nginx/conf.d").mkdir()
    authority = Authority(tmp_path / "authority")
    authority.issue("vault.example.fi").rename(tmp_path / "etc/nginx/tls")
    shutil.copy(authority.certificate, tmp_path / "etc/nginx/tls/agencies.pem")
    commands = commands.replace(" -o www-data -g www-data", "").replace("#443#", f"#127.0.0.1:{free_port()}#")
    done = subprocess.run(["bash", "-euc", commands], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    whole = tmp_path / "nginx.conf"
    whole.write_text(f"pid {tmp_path}/pid; events {{}} http {{ include {tmp_path}/etc/nginx/conf.d/*.conf; }}")
    checked = subprocess.run(
        [PROGRAM, "-t", "-q", "-e", str(tmp_path / "error.log"), "-c", str(whole)], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_start_commands_that_exist(unit: Path) -> None:
    line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    words = [word for word in line.split()[1:] if re.fullmatch("[a-z]+", word)]
    asked = run(sys.executable, "-m", "vault", *words, "--help")
    assert asked.returncode == 0, asked.stderr
    for option in re.findall(r"--[a-z]+", line):
        assert option in asked.stdout


def test_the_service_works_without_writable_and_executable_memory() -> None:
    """MemoryDenyWriteExecute of the unit, by the kernel's own means (prctl PR_SET_MDWE)."""
    deny = "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0; os.execv(sys.argv[1], sys.argv[1:])"
    work = (
        "import mmap, uvloop, asyncpg, minio, vault.cli.serving\n"
        "from cryptography.hazmat.primitives.ciphers.aead import AESGCM\n"
        "AESGCM(bytes(32)).encrypt(bytes(12), b'', b'')\n"
        "async def nothing(): pass\n"
        "uvloop.run(nothing())\n"
        "try: mmap.mmap(-1, 4096, prot=7)\n"
        "except PermissionError: print('denied')\n"
    )
    done = run(sys.executable, "-c", deny, sys.executable, "-c", work)
    assert done.stdout == "denied\n", done.stderr


@pytest.mark.parametrize("name", ["vault", "worker", "log"])
def test_example_settings_are_settings(name: str) -> None:
    settings = load_settings({"VAULT_CONFIG": str(DEPLOY / f"{name}.toml")})
    text = (DEPLOY / f"{name}.toml").read_text()
    roles = [role for role in DatabaseRole if f"\ndatabase_url_{role.value} =" in text]
    assert [settings.database_url(role) for role in roles]
    assert DatabaseRole.OWNER not in roles


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cluster of Debian's PostgreSQL, whose programs refuse to run as root."""
    folder = Path("/var/tmp") / f"vault-recipe-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    try:
        made = run(str(DEBIAN_15 / "initdb"), "-D", str(folder / "data"), "-A", "reject", account=NOBODY)
        assert made.returncode == 0, made.stderr
        with (folder / "data" / "postgresql.conf").open("a") as conf:
            conf.write((DEPLOY / "postgresql" / "vault.conf").read_text())
        yield folder / "data"
    finally:
        shutil.rmtree(folder)


def test_postgresql_takes_every_setting(cluster: Path) -> None:
    given = dict(
        re.findall(r"^(\w+) = '?([^'\n]*?)'?$", (DEPLOY / "postgresql" / "vault.conf").read_text(), re.MULTILINE)
    )
    assert len(given) > 20
    for name, value in given.items():
        told = run(str(DEBIAN_15 / "postgres"), "-D", str(cluster), "-C", name, account=NOBODY)
        assert told.returncode == 0, told.stderr
        # 60s is told in milliseconds; everything else as it was written.
        assert told.stdout.rstrip("\n") == {"60s": "60000", "1024": "1024"}.get(value, value), name


def test_every_role_and_only_the_roles_log_in() -> None:
    lines = [line.split() for line in (DEPLOY / "postgresql" / "pg_hba.conf").read_text().splitlines()]
    rules = [line for line in lines if line and not line[0].startswith("#")]
    allowed = [rule for rule in rules if rule[-1] != "reject"]
    assert {rule[2] for rule in allowed} == {f"vault_{role.value}" for role in DatabaseRole}
    assert {rule[-1] for rule in allowed} == {"scram-sha-256"}
    assert all(rule[0] in {"local", "hostssl"} for rule in allowed)
    assert [rule[2] for rule in rules[-3:]] == ["all"] * 3


def test_the_operators_command_gives_the_owners_role_to_one_process(tmp_path: Path) -> None:
    (tmp_path / "owner.url").write_text("postgresql://vault_owner:secret@127.0.0.1/vault\n")
    program = tmp_path / "vault"
    program.write_text('#!/bin/sh\necho "$VAULT_DATABASE_URL_OWNER $VAULT_KEYRING $*"\n')
    program.chmod(0o755)
    text = (DEPLOY / "vault-admin").read_text()
    # The account is another machine's; what is left is what it does with the owner's URL.
    text = re.sub(r"setpriv --reuid=vault --regid=vault --init-groups", "setpriv", text)
    text = text.replace("/etc/vault/owner.url", str(tmp_path / "owner.url")).replace(
        "/opt/vault/.venv/bin/vault", str(program)
    )
    script = tmp_path / "vault-admin"
    script.write_text(text)
    told = run("sh", str(script), "agency", "list")
    assert told.stdout == "postgresql://vault_owner:secret@127.0.0.1/vault /var/lib/vault/keys agency list\n", (
        told.stderr
    )
    assert (DEPLOY / "vault-admin").stat().st_mode & 0o111
