"""Whom the embedded PostgreSQL runs as: it refuses to be root, which many a container and trial machine is."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from vault.errors import SettingsWrong

NOBODY: Final = 65534
PASSING: Final = ("dac_read_search", "dac_override")
"""Capabilities that pass closed directories, the lesser one first; containers often leave only the other."""
ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Account(NamedTuple):
    """The account that PostgreSQL runs as, since it refuses root; `uid` is None when it is the caller's own.

    `prefix` stands before each command. With `uid`, all that the server writes belongs to that account.
    """

    prefix: tuple[str, ...]
    uid: int | None = None
    gid: int | None = None


def choose_account(cluster: Path, bin_dir: Path) -> Account:
    """Whom to run as: ourselves, or, as root, whoever owns the cluster; a new one is root's within a namespace.

    Where the kernel refuses user namespaces, as in most containers, root hands the cluster to the account `nobody`.
    """
    if os.geteuid() != 0:
        return Account(())
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return _dropped(owner.st_uid, owner.st_gid, (cluster, bin_dir))
    namespace = (program("unshare"), "--user", "--map-user=1000", "--map-group=1000")
    if works(namespace):
        return Account(namespace)
    return _dropped(NOBODY, NOBODY, (cluster, bin_dir))


def _dropped(uid: int, gid: int, paths: Sequence[Path]) -> Account:
    prefix = (program("setpriv"), f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    if not all(passable(path) for path in paths):
        # Root's home is closed to others: the server keeps the one right that lets it through, if root has it to give.
        for right in PASSING:
            keeping = (*prefix, "--securebits=+no_setuid_fixup", f"--inh-caps=+{right}", f"--ambient-caps=+{right}")
            if works(keeping):
                return Account(keeping, uid, gid)
    return Account(prefix, uid, gid)


def passable(path: Path) -> bool:
    """May any account reach what lies at this path?"""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents if parent.exists())


def works(prefix: tuple[str, ...]) -> bool:
    """Can a command be run behind this prefix here?"""
    return subprocess.run([*prefix, "true"], capture_output=True, check=False, env=ENVIRONMENT).returncode == 0


def program(name: str) -> str:
    """The path of one of util-linux's programs. Raises: SettingsWrong when there is none."""
    path = shutil.which(name, path=ENVIRONMENT["PATH"])
    if path is None:
        raise SettingsWrong(f"the embedded database needs {name} (Debian package util-linux)")
    return path
