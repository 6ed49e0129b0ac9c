"""Settings: where they come from, what wins, and that whatever is wrong is named without being shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from vault.errors import SettingsWrong
from vault.settings import (
    PARSERS,
    DatabaseRole,
    Secret,
    Settings,
    StoreBucket,
    StoreDirectory,
    load_settings,
    require,
)

BUCKET = {
    "VAULT_STORE": "s3://papers?endpoint=https://store.example:9000",
    "VAULT_STORE_ACCESS_KEY": "access-hush",
    "VAULT_STORE_SECRET_KEY": "secret-hush",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_nothing_set_gives_the_defaults() -> None:
    settings = load_settings({"HOME": "/nowhere"})
    assert settings == Settings()
    assert (settings.pool_size, settings.log_wait_s, settings.token_ttl_s) == (16, 2.0, 300)
    assert settings.max_document_bytes == 5 * 1024**3
    assert settings.max_json_bytes == 1024**2
    assert settings.behind_proxy is False


def test_every_setting_has_a_parser_and_every_parser_a_setting() -> None:
    assert set(PARSERS) == set(Settings.__struct_fields__)


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "vault.toml").write_text('pool_size = 4\nbehind_proxy = true\nlog_wait_s = 1\nkeyring = "keys"\n')
    settings = load_settings({"VAULT_POOL_SIZE": "7"})
    assert settings.pool_size == 7
    assert settings.behind_proxy is True
    assert settings.log_wait_s == 1.0
    assert settings.keyring == tmp_path / "keys"


def test_another_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("listen_port = 9000")
    (tmp_path / "vault.toml").write_text("listen_port = 1")
    assert load_settings({"VAULT_CONFIG": str(tmp_path / "other.toml")}).listen_port == 9000


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match="cannot be read"):
        load_settings({"VAULT_CONFIG": str(tmp_path / "missing.toml")})


def test_a_broken_file_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "vault.toml").write_text('store_secret_key = "hush')
    with pytest.raises(SettingsWrong, match="is not TOML") as caught:
        load_settings({})
    assert "hush" not in str(caught.value)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vault.toml").write_text("pool_sise = 4")
    with pytest.raises(SettingsWrong) as caught:
        load_settings({"VAULT_ISUER": "https://vault.example", "vault_issuer": "ignored", "VAULT_pool_size": "3"})
    assert len(caught.value.reasons) == 3
    assert "VAULT_ISUER: there is no such setting" in caught.value.reasons
    assert "VAULT_pool_size: there is no such setting" in caught.value.reasons


def test_all_that_is_wrong_is_told_at_once_and_no_value_is_shown() -> None:
    with pytest.raises(SettingsWrong) as caught:
        load_settings(
            {
                "VAULT_POOL_SIZE": "hush-many",
                "VAULT_TOKEN_TTL_S": "301",
                "VAULT_DATABASE_URL_OWNER": "mysql://owner:hush@db/vault",
            }
        )
    assert len(caught.value.reasons) == 3
    assert "token_ttl_s: expected whole seconds from 1 to 300" in caught.value.reasons
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISSUER", "http://vault.example"),
        ("ISSUER", "https://vault.example/"),
        ("ISSUER", "https://vault.example?x=1"),
        ("ISSUER", "https://vault.example:99999"),
        ("ISSUER", "https://name@vault.example"),
        ("LISTEN_HOST", " "),
        ("LISTEN_PORT", "65536"),
        ("LISTEN_PORT", "-1"),
        ("LISTEN_PORT", "٣"),
        ("BEHIND_PROXY", "yes"),
        ("DATABASE_URL_SERVICE", "postgresql://host/vault"),
        ("DATABASE_URL_SERVICE", "postgresql://service@host"),
        ("POOL_SIZE", "0"),
        ("POOL_SIZE", "1.5"),
        ("LOG_WAIT_S", "nan"),
        ("LOG_WAIT_S", "31"),
        ("STORE", "file://relative/path"),
        ("STORE", "s3://bucket"),
        ("STORE", "s3://bucket?endpoint=ftp://host"),
        ("STORE", "s3://bucket/prefix?endpoint=https://host"),
        ("STORE", "objects"),
        ("STORE_ACCESS_KEY", ""),
        ("MAX_DOCUMENT_BYTES", "5368709121"),
        ("MAX_JSON_BYTES", "1023"),
        ("TOKEN_TTL_S", "0"),
    ],
)
def test_a_wrong_value_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong, match=f"{name.lower()}: expected "):
        load_settings({f"VAULT_{name}": value})


@pytest.mark.parametrize("line", ["pool_size = true", "listen_host = 5", "log_wait_s = false", "issuer = []"])
def test_a_value_of_the_wrong_kind_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "vault.toml").write_text(line)
    with pytest.raises(SettingsWrong, match="expected"):
        load_settings({})


@pytest.mark.parametrize(
    "issuer", ["https://vault.example/base", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"]
)
def test_good_issuers(issuer: str) -> None:
    assert load_settings({"VAULT_ISSUER": issuer}).issuer == issuer


def test_stores() -> None:
    assert load_settings({"VAULT_STORE": "file:///srv/objects%20here"}).store == StoreDirectory(
        Path("/srv/objects here")
    )
    assert load_settings(BUCKET).store == StoreBucket(bucket="papers", endpoint="https://store.example:9000")


def test_a_bucket_needs_both_keys() -> None:
    with pytest.raises(SettingsWrong, match="both or neither"):
        load_settings({name: value for name, value in BUCKET.items() if name != "VAULT_STORE_SECRET_KEY"})
    with pytest.raises(SettingsWrong, match="a bucket needs"):
        load_settings({"VAULT_STORE": BUCKET["VAULT_STORE"]})


def test_secrets_are_shown_by_no_repr() -> None:
    settings = load_settings(BUCKET | {"VAULT_DATABASE_URL_SERVICE": "postgresql://service:hush@db/vault"})
    assert "hush" not in repr(settings)
    assert "hush" not in f"{settings.store_secret_key}"
    assert settings.database_url(DatabaseRole.SERVICE) == "postgresql://service:hush@db/vault"
    assert settings.store_secret_key == Secret("secret-hush")
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        load_settings({}).pool_size = 3  # type: ignore[misc]


def test_what_is_needed_and_not_set_is_named() -> None:
    settings = load_settings({})
    with pytest.raises(SettingsWrong, match="VAULT_DATABASE_URL_WORKER"):
        settings.database_url(DatabaseRole.WORKER)
    with pytest.raises(SettingsWrong, match="issuer is not set") as caught:
        require(settings.issuer, "issuer")
    assert caught.value.field == "issuer"
    assert require(settings.pool_size, "pool_size") == 16
