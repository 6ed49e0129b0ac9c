"""Whom the embedded PostgreSQL runs as: it refuses to be root, which many a container and trial machine is."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from vault.errors import SettingsWrong

NOBODY: Final = 65534
ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Account(NamedTuple):
    """The account that PostgreSQL runs as, since it refuses root; `uid` is None when it is the caller's own.

    `prefix` stands before each command. With `uid`, all that the server writes belongs to that account.
    """

    prefix: tuple[str, ...]
    uid: int | None = None
    gid: int | None = None


def choose_account(cluster: Path) -> Account:
    """Whom to run as: ourselves, or, as root, whoever owns the cluster; a new one is root's within a namespace.

    Where the kernel refuses user namespaces, root hands the cluster to the account `nobody`.
    """
    if os.geteuid() != 0:
        return Account(())
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return _dropped(owner.st_uid, owner.st_gid)
    namespace = (program("unshare"), "--user", "--map-user=1000", "--map-group=1000")
    if namespaces_work(namespace):
        return Account(namespace)
    return _dropped(NOBODY, NOBODY)


def _dropped(uid: int, gid: int) -> Account:
    return Account((program("setpriv"), f"--reuid={uid}", f"--regid={gid}", "--clear-groups"), uid, gid)


def namespaces_work(prefix: tuple[str, ...]) -> bool:
    return subprocess.run([*prefix, "true"], capture_output=True, check=False, env=ENVIRONMENT).returncode == 0


def program(name: str) -> str:
    """The path of one of util-linux's programs. Raises: SettingsWrong when there is none."""
    path = shutil.which(name, path=ENVIRONMENT["PATH"])
    if path is None:
        raise SettingsWrong(f"the embedded database needs {name} (Debian package util-linux)")
    return path
