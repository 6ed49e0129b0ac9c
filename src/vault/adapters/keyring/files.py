"""The keyring's files: reading them with suspicion, writing them whole or not at all.

Source: docs/spec/keys.md §6.
"""

from __future__ import annotations

import base64
import datetime as dt
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from vault.errors import KeyringUnavailable

_ROOT_HEADER = "vault-root-key/v1"
_ROOT_FILE = re.compile(r"root-([0-9a-f]{8})\.key")
_ISSUER_FILE = re.compile(r"issuer-([0-9A-Za-z_-]+)\.key")
_KID_TIME = "%Y%m%dT%H%M%S%fZ"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_FILE_SIZE = 4096
_TRIES = 3
RSA_BITS = 3072


class Contents(msgspec.Struct, frozen=True):
    """All that the directory holds, opened; ``issuers`` newest first.

    ``current`` wraps keys and is replaced by a rotation; ``own`` seals what belongs to no case, and stays.
    """

    current: str
    own: str
    roots: dict[str, bytes]
    promise: tuple[str, Ed25519PrivateKey]
    log: Ed25519PrivateKey
    issuers: tuple[tuple[str, Ed25519PrivateKey], ...]


def load(directory: Path) -> Contents:
    """Read every key. Raises: KeyringUnavailable when one is missing, malformed or open to others."""
    for _ in range(_TRIES):
        before = changed_at(directory)
        try:
            return _load(directory)
        except KeyringUnavailable:
            if changed_at(directory) == before:
                raise
    return _load(directory)


def _load(directory: Path) -> Contents:
    """As ``load``, of a directory that another process may be changing at this moment."""
    try:
        _require_private(directory, directory.stat(), "700")
        names = sorted(path.name for path in directory.iterdir())
        roots = {m[1]: _read_root(directory / m[0], m[1]) for n in names if (m := _ROOT_FILE.fullmatch(n))}
        issuers = [(m[1], _read_ed25519(directory / m[0])) for n in names if (m := _ISSUER_FILE.fullmatch(n))]
        current = _read(directory / "current").strip()
        own = _read(directory / "own").strip() if "own" in names else current
        promise = _read_ed25519(directory / "promise.key")
        log = _read_ed25519(directory / "log.key")
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be read: {error.filename}: {error.strerror}") from None
    for name, root in (("current", current), ("own", own)):
        if root not in roots:
            raise KeyringUnavailable(f"{directory / name} names no root key in the same directory")
    if not issuers:
        raise KeyringUnavailable(f"{directory} holds no issuer key")
    return Contents(current, own, roots, (thumbprint(promise), promise), log, tuple(reversed(issuers)))


def changed_at(directory: Path) -> int:
    """When a file in the directory was made, renamed or removed last, in nanoseconds."""
    try:
        return directory.stat().st_mtime_ns
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be read: {error.filename}: {error.strerror}") from None


def current_root(directory: Path) -> str:
    """The id of the root key that wraps what is made now, as another process may have changed it a moment ago."""
    try:
        return _read(directory / "current").strip()
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be read: {error.filename}: {error.strerror}") from None


def read_sign_in(directory: Path) -> EllipticCurvePrivateKey | None:
    """The key by which providers know us (P-256); None before the first provider was registered."""
    path = directory / "sign-in.key"
    try:
        key = load_pem_private_key(_read(path).encode(), password=None) if path.exists() else None
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be read: {error.filename}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise KeyringUnavailable(f"{path} is no private key in PKCS #8 PEM") from None
    if key is not None and not (isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)):
        raise KeyringUnavailable(f"{path} is no P-256 private key")
    return key


def read_sign_in_open(directory: Path) -> RSAPrivateKey | None:
    """The key to which providers encrypt ID tokens; None where there is none."""
    path = directory / "sign-in-open.key"
    try:
        key = load_pem_private_key(_read(path).encode(), password=None) if path.exists() else None
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be read: {error.filename}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise KeyringUnavailable(f"{path} is no private key in PKCS #8 PEM") from None
    if key is not None and not isinstance(key, RSAPrivateKey):
        raise KeyringUnavailable(f"{path} is no RSA private key")
    return key


def add_sign_in(directory: Path) -> None:
    """Make the keys by which providers know us and encrypt to us; those that are there stay."""
    makers: dict[str, Callable[[], EllipticCurvePrivateKey | RSAPrivateKey]] = {
        "sign-in.key": lambda: generate_private_key(SECP256R1()),
        "sign-in-open.key": lambda: rsa.generate_private_key(65537, RSA_BITS),
    }
    try:
        for name, make in makers.items():
            if not (directory / name).exists():
                _write(directory / name, make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be written: {error.strerror}") from None


def has_root(directory: Path, root_id: str) -> bool:
    """Whether a file for that root key lies in the directory; no error for an id that is no id."""
    return _ROOT_FILE.fullmatch(f"root-{root_id}.key") is not None and (directory / f"root-{root_id}.key").exists()


def root_id_for(key: bytes) -> str:
    """A root key's id: 8 hex digits derived from it, so that a file mixed up with another is noticed."""
    return HKDF(SHA256(), 4, salt=None, info=b"vault/root-id/v1").derive(key).hex()


def thumbprint(key: Ed25519PrivateKey) -> str:
    """The public key's JWK thumbprint (RFC 7638), base64url without padding."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _b64url(hashlib.sha256(b'{"crv":"Ed25519","kty":"OKP","x":"%s"}' % _b64url(raw).encode()).digest())


def create_directory(directory: Path) -> None:
    """Make the directory with one key of each kind; it appears at once and whole, or not at all."""
    draft = directory.parent / f".{directory.name}-{secrets.token_hex(8)}"
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        try:
            _fill(draft)
            # A rename replaces an empty directory and nothing else, so an existing keyring cannot be overwritten.
            draft.rename(directory)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _sync(directory.parent)
    except OSError as error:
        raise KeyringUnavailable(f"the keyring {directory} cannot be made: {error.strerror}") from None


def add_root(directory: Path) -> str:
    """Write a new root key, then make it the current one.

    If we stop between the two, an unused root key lies there and the old one stays current.
    """
    try:
        if not (directory / "own").exists():
            # One key did both until now: what it sealed stays readable, so that key stays.
            _point(directory, "own", _read(directory / "current").strip())
        return _add_root(directory, "current")
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be written: {error.strerror}") from None


def destroy_root(directory: Path, root_id: str) -> None:
    """Overwrite and remove a root key's file; one that is gone already is no error.

    It leaves its name first: if we stop at any moment, the others still load, and the next call ends what is left under the
    other name. Copies elsewhere, and what a disk keeps of overwritten blocks, are the operator's to destroy (keys/README.md).
    """
    _destroy(directory / f"root-{root_id}.key")


def _destroy(path: Path) -> None:
    """The same of any key's file: it leaves its name first, is overwritten, and goes."""
    dying = path.with_name(f".destroyed-{path.name}")
    try:
        if path.exists():
            path.replace(dying)
            _sync(path.parent)
        fd = os.open(dying, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    except OSError as error:
        raise KeyringUnavailable(f"{path} cannot be destroyed: {error.strerror}") from None
    with os.fdopen(fd, "wb") as file:
        file.write(bytes(os.fstat(fd).st_size))
        file.flush()
        os.fsync(fd)
    dying.unlink()
    _sync(path.parent)


def add_issuer(directory: Path, after: dt.timedelta = dt.timedelta()) -> str:
    """Write a new token-signing key; its key id begins with the time from which it signs."""
    key = Ed25519PrivateKey.generate()
    kid = f"{now() + after:{_KID_TIME}}-{thumbprint(key)[:8]}"
    try:
        _write(directory / f"issuer-{kid}.key", _pem(key))
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be written: {error.strerror}") from None
    return kid


def now() -> dt.datetime:
    """The time by which keys begin to sign."""
    return dt.datetime.now(dt.UTC)


def signs_from(kid: str) -> dt.datetime:
    """From when a token-signing key signs, as its id says; one that says nothing has done so always."""
    try:
        return dt.datetime.strptime(kid.partition("-")[0], _KID_TIME).replace(tzinfo=dt.UTC)
    except ValueError:
        return dt.datetime.min.replace(tzinfo=dt.UTC)


def issuer_ids(directory: Path) -> tuple[str, ...]:
    """The ids of the token-signing keys in the directory now, newest first."""
    try:
        found = [m[1] for path in directory.iterdir() if (m := _ISSUER_FILE.fullmatch(path.name))]
    except OSError as error:
        raise KeyringUnavailable(f"the keyring cannot be read: {error.filename}: {error.strerror}") from None
    return tuple(sorted(found, reverse=True))


def destroy_issuer(directory: Path, kid: str) -> None:
    """Overwrite and remove a token-signing key's file; one that is gone already is no error."""
    _destroy(directory / f"issuer-{kid}.key")


def _fill(directory: Path) -> None:
    _add_root(directory, "own")
    _add_root(directory, "current")
    add_issuer(directory)
    _write(directory / "promise.key", _pem(Ed25519PrivateKey.generate()))
    _write(directory / "log.key", _pem(Ed25519PrivateKey.generate()))


def _add_root(directory: Path, role: str) -> str:
    key = secrets.token_bytes(32)
    root_id = root_id_for(key)
    _write(directory / f"root-{root_id}.key", f"{_ROOT_HEADER} {root_id}\n{_b64url(key)}\n".encode())
    _point(directory, role, root_id)
    return root_id


def _point(directory: Path, role: str, root_id: str) -> None:
    """Name the root key of a role, at once and whole."""
    _draft(directory / role, f"{root_id}\n".encode()).replace(directory / role)
    _sync(directory)


def _write(path: Path, content: bytes) -> None:
    """Write a new file durably: it appears whole or not at all, and an existing one is never touched."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    # A rename, not a link: no second name of a key's file may outlive its destruction.
    _draft(path, content).replace(path)
    _sync(path.parent)


def _draft(path: Path, content: bytes) -> Path:
    """The content in a hidden file beside that path, on disk."""
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(fd)
    return draft


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(path: Path) -> str:
    """The file's text, read from the very file whose mode was looked at."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        _require_private(path, os.fstat(fd), "600")
        return file.read(_MAX_FILE_SIZE).decode("ascii", errors="replace")


def _require_private(path: Path, status: os.stat_result, wanted: str) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & _OTHERS:
        raise KeyringUnavailable(f"{path} has mode {mode:04o}, others could use it; run: chmod {wanted} {path}")
    if status.st_uid != os.geteuid():
        raise KeyringUnavailable(
            f"{path} belongs to uid {status.st_uid}, the vault runs as uid {os.geteuid()};"
            f" run: chown {os.geteuid()} {path}"
        )


def _read_root(path: Path, root_id: str) -> bytes:
    header, _, rest = _read(path).partition("\n")
    text = rest.strip()
    try:
        key = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except ValueError:
        key = b""
    if header != f"{_ROOT_HEADER} {root_id}" or len(key) != 32 or root_id_for(key) != root_id:
        raise KeyringUnavailable(f"{path} is not the root key that its name says; restore it from the recovery copy")
    return key


def _read_ed25519(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_read(path).encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyringUnavailable(f"{path} is no Ed25519 private key in PKCS #8 PEM")
    return key


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _b64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
