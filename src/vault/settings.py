"""Every setting of the vault: read once from the environment and `vault.toml`, checked, and frozen.

A setting `pool_size` is the key `pool_size` in the file that VAULT_CONFIG names (`vault.toml` in the working directory
when it names none), and VAULT_POOL_SIZE in the environment, which wins. An unknown name is refused, since a mistyped
setting would otherwise leave its default in force in silence. No message and no `repr` holds a setting's value.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from vault.errors import SettingsWrong

T = TypeVar("T")

GIB: Final = 1024**3
PREFIX: Final = "VAULT_"
CONFIG: Final = "VAULT_CONFIG"
DEFAULT_CONFIG: Final = Path("vault.toml")


class DatabaseRole(StrEnum):
    """The roles with a login of their own; each has the setting `database_url_<role>`."""

    OWNER = "owner"
    SERVICE = "service"
    TOKENS = "tokens"
    WORKER = "worker"
    SEQUENCER = "sequencer"
    MONITOR = "monitor"


class Secret:
    """A setting that is shown to nobody; `reveal` gives it to the one library that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class StoreDirectory(msgspec.Struct, frozen=True):
    """Objects as files below one directory (`file:///var/lib/vault/objects`)."""

    path: Path


class StoreBucket(msgspec.Struct, frozen=True):
    """Objects in one S3 bucket (`s3://bucket?endpoint=https://host:port`); `endpoint` has no path."""

    bucket: str
    endpoint: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; None where nothing was set and there is no default (see `require`)."""

    issuer: str | None = None
    listen_host: str = "127.0.0.1"
    listen_port: int = 8080
    behind_proxy: bool = False
    database_url_owner: Secret | None = None
    database_url_service: Secret | None = None
    database_url_tokens: Secret | None = None
    database_url_worker: Secret | None = None
    database_url_sequencer: Secret | None = None
    database_url_monitor: Secret | None = None
    pool_size: int = 16
    log_wait_s: float = 2.0
    store: StoreDirectory | StoreBucket | None = None
    store_access_key: Secret | None = None
    store_secret_key: Secret | None = None
    keyring: Path | None = None
    archive_store: StoreDirectory | StoreBucket | None = None
    archive_access_key: Secret | None = None
    archive_secret_key: Secret | None = None
    backup_days: int | None = None
    max_document_bytes: int = 5 * GIB
    max_json_bytes: int = 1024**2
    token_ttl_s: int = 300
    export_days: int = 14
    session_idle_s: int = 900
    session_client_s: int = 3600
    session_staff_s: int = 8 * 3600
    log_origin: str | None = None
    witness_url: str | None = None
    witness_key: str | None = None

    def database_url(self, role: DatabaseRole) -> str:
        """The URL under which this role logs in. Raises: SettingsWrong when it is not set."""
        name = f"database_url_{role.value}"
        secret: Secret | None = getattr(self, name)
        return require(secret, name).reveal()

    def origin(self) -> str:
        """The log's name in its checkpoints; never changed once there is a log."""
        return self.log_origin or _origin_of(require(self.issuer, "issuer"))


def _origin_of(issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"{parts.netloc}{parts.path}/log"


def require(value: T | None, name: str) -> T:
    """The setting's value. Raises: SettingsWrong, naming the setting, when it is not set."""
    if value is None:
        message = f"{name} is not set: give {PREFIX}{name.upper()} or {name} in vault.toml; expected {EXPECTED[name]}"
        raise SettingsWrong(message, field=name)
    return value


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read, check and freeze all settings; no value is required yet.

    Raises: SettingsWrong, which lists everything that is wrong at once (`reasons`, one sentence each).
    """
    environ = os.environ if environ is None else environ
    wrong: list[str] = []
    given = _from_file(environ, wrong) | _from_environment(environ, wrong)
    values: dict[str, Any] = {}
    for name, raw in given.items():
        parse, expected = PARSERS[name]
        try:
            values[name] = parse(raw)
        except ValueError:
            wrong.append(f"{name}: expected {expected}")
    wrong.extend(_contradictions(values))
    if wrong:
        raise SettingsWrong("; ".join(wrong), reasons=tuple(wrong))
    return Settings(**values)


def _from_environment(environ: Mapping[str, str], wrong: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in PARSERS and variable == variable.upper():
            given[name] = value
        else:
            wrong.append(f"{variable}: there is no such setting")
    return given


def _from_file(environ: Mapping[str, str], wrong: list[str]) -> dict[str, Any]:
    named = environ.get(CONFIG)
    path = Path(named) if named else DEFAULT_CONFIG
    if not named and not path.exists():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        wrong.append(f"{path}: cannot be read ({error.strerror})")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):  # their text may quote the file, and with it a password
        wrong.append(f"{path}: is not TOML")
        return {}
    wrong.extend(f"{path}: there is no setting {name}" for name in content if name not in PARSERS)
    return {name: value for name, value in content.items() if name in PARSERS}


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """What only shows when several settings are seen together."""
    for store in ("store", "archive"):
        pair = f"{store}_access_key", f"{store}_secret_key"
        if (pair[0] in values) != (pair[1] in values):
            return [f"{pair[0]} and {pair[1]}: expected both or neither"]
    if ("witness_url" in values) != ("witness_key" in values):
        return ["witness_url and witness_key: expected both or neither"]
    for name, key in (("store", "store"), ("archive_store", "archive")):
        if isinstance(values.get(name), StoreBucket) and f"{key}_access_key" not in values:
            return [f"{name}: a bucket needs {key}_access_key and {key}_secret_key"]
    return []


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or "\x00" in raw:
        raise ValueError
    return raw


def _secret(raw: object) -> Secret:
    return Secret(_text(raw))


def _flag(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "false": False}[_one_of(_text(raw), "true", "false")]


def _one_of(text: str, *choices: str) -> str:
    if text not in choices:
        raise ValueError
    return text


def _whole(lowest: int, highest: int) -> Callable[[object], int]:
    def parse(raw: object) -> int:
        if isinstance(raw, str) and raw.isascii() and raw.isdigit():
            raw = int(raw)
        if not isinstance(raw, int) or isinstance(raw, bool) or not lowest <= raw <= highest:
            raise ValueError
        return raw

    return parse


def _seconds(lowest: float, highest: float) -> Callable[[object], float]:
    def parse(raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ValueError  # noqa: TRY004 - one kind of error for every parser
        value = float(raw)
        if not lowest <= value <= highest:  # refuses nan too
            raise ValueError
        return value

    return parse


def _issuer(raw: object) -> str:
    """An issuer identifier (RFC 8414 §2): https, no query, no fragment; http only on the machine itself."""
    text = _text(raw)
    parts = urlsplit(text)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not (parts.scheme == "https" or local) or not parts.hostname or parts.username is not None:
        raise ValueError
    if "?" in text or "#" in text or text.endswith("/") or text != text.strip():
        raise ValueError
    _ = parts.port  # raises ValueError when it is no port
    return text


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _database_url(raw: object) -> Secret:
    text = _text(raw)
    parts = urlsplit(text)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.username or not parts.path.strip("/"):
        raise ValueError
    return Secret(text)


def _store(raw: object) -> StoreDirectory | StoreBucket:
    parts = urlsplit(_text(raw))
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        if parts.netloc or parts.query or parts.fragment or not path.is_absolute():
            raise ValueError
        return StoreDirectory(path)
    query = dict(parse_qsl(parts.query, strict_parsing=True))
    if parts.scheme != "s3" or not parts.netloc or parts.path.strip("/") or set(query) != {"endpoint"}:
        raise ValueError
    endpoint = urlsplit(query["endpoint"])
    if endpoint.scheme not in {"http", "https"} or not endpoint.hostname or endpoint.path.strip("/") or endpoint.query:
        raise ValueError
    return StoreBucket(bucket=parts.netloc, endpoint=f"{endpoint.scheme}://{endpoint.netloc}")


def _directory(raw: object) -> Path:
    return Path(_text(raw)).absolute()


def _name(raw: object) -> str:
    """A log's name in a signed note."""
    text = _text(raw)
    if "+" in text or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError
    return text


_A_DATABASE = "postgresql://role:password@host/database"
_A_KEY = "the store's key, not empty"

PARSERS: Final[dict[str, tuple[Callable[[object], Any], str]]] = {
    "issuer": (_issuer, "an https address without a query or a last slash (http only for this machine itself)"),
    "listen_host": (_text, "a host name or an address"),
    "listen_port": (_whole(0, 65535), "a port from 0 to 65535"),
    "behind_proxy": (_flag, "true or false"),
    **{f"database_url_{role.value}": (_database_url, _A_DATABASE) for role in DatabaseRole},
    "pool_size": (_whole(1, 200), "a whole number from 1 to 200"),
    "log_wait_s": (_seconds(0.05, 30), "seconds from 0.05 to 30"),
    "store": (_store, "file:///directory or s3://bucket?endpoint=https://host"),
    "store_access_key": (_secret, _A_KEY),
    "store_secret_key": (_secret, _A_KEY),
    "keyring": (_directory, "a directory"),
    "archive_store": (_store, "file:///directory that the archive reads, or s3://bucket?endpoint=https://host"),
    "archive_access_key": (_secret, _A_KEY),
    "archive_secret_key": (_secret, _A_KEY),
    "backup_days": (_whole(0, 36_500), "whole days from 0 to 36500: how long the oldest database backup is kept"),
    "max_document_bytes": (_whole(1, 5 * GIB), "a number of bytes from 1 to 5368709120 (5 GiB)"),
    "max_json_bytes": (_whole(1024, 64 * 1024**2), "a number of bytes from 1024 to 67108864 (64 MiB)"),
    "log_origin": (_name, "the log's name, like vault.example/log: no spaces, no plus"),
    "witness_url": (_issuer, "an https address without a query or a last slash (http only for this machine itself)"),
    "witness_key": (_text, "a witness's verifier key, as vault witness create prints it"),
    "export_days": (_whole(1, 60), "whole days from 1 to 60"),
    "token_ttl_s": (_whole(1, 300), "whole seconds from 1 to 300"),
    "session_idle_s": (_whole(60, 3600), "whole seconds from 60 to 3600"),
    "session_client_s": (_whole(60, 8 * 3600), "whole seconds from 60 to 28800"),
    "session_staff_s": (_whole(60, 12 * 3600), "whole seconds from 60 to 43200"),
}
"""Each setting's parser, which raises ValueError, and what it expects, for the operator."""

EXPECTED: Final = {name: expected for name, (_, expected) in PARSERS.items()}
