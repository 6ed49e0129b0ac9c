"""Transcripts: what the commands say before anything is set up, and how each refuses in one line."""

from __future__ import annotations

import re

import pytest

from tests.cli.conftest import Operator

COMMANDS = {"agency", "application", "demo", "doctor", "key", "migrate", "serve", "token", "worker"}
SUBCOMMANDS = {
    "agency": {"add", "unit", "professional", "role", "end-role", "suspend", "restore", "list"},
    "application": {"add", "key", "end-key", "suspend", "restore", "list"},
    "key": {"create", "end-issuer", "issuer", "rehearse", "rotate", "status"},
}
DATABASE = "expected postgresql://role:password@host/database"
NO_OWNER = (
    f"database_url_owner is not set: give VAULT_DATABASE_URL_OWNER or database_url_owner in vault.toml; {DATABASE}"
)
NO_KEYRING = "keyring is not set: give VAULT_KEYRING or keyring in vault.toml; expected a directory"
NO_ISSUER = (
    "issuer is not set: give VAULT_ISSUER or issuer in vault.toml; expected an https address without a query or a last"
    " slash (http only for this machine itself)"
)
UNREACHABLE = "postgresql://vault_owner:secret-word@127.0.0.1:1/vault"


def commands_in(text: str) -> set[str]:
    return set(re.findall(r"^  ([a-z-]+)  ", text.split("Commands:\n")[1], re.MULTILINE))


def test_help_lists_every_command_in_whole_sentences(nobody: Operator) -> None:
    told = nobody.told("--help")
    assert commands_in(told) >= COMMANDS
    assert "..." not in told.split("Commands:")[1]


@pytest.mark.parametrize("group", SUBCOMMANDS)
def test_help_lists_every_subcommand(nobody: Operator, group: str) -> None:
    told = nobody.told(group, "--help")
    assert commands_in(told) == SUBCOMMANDS[group]
    assert "..." not in told.split("Commands:")[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["serve"], NO_ISSUER),
        (["worker"], f"database_url_worker is not set: give VAULT_DATABASE_URL_WORKER or database_url_worker in vault.toml; {DATABASE}"),
        (["migrate"], NO_OWNER),
        (["agency", "list"], NO_OWNER),
        (["application", "list"], NO_OWNER),
        (["agency", "add", "kela", "--fi", "Kela"], NO_KEYRING),
        (["application", "add", "app", "--agency", "kela"], NO_KEYRING),
        (["key", "create"], NO_KEYRING),
        (["key", "status"], NO_KEYRING),
    ],
)  # fmt: skip
def test_a_missing_setting_is_named_with_what_was_expected(nobody: Operator, arguments: list[str], line: str) -> None:
    assert nobody.refused(*arguments) == line


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["migrate"], ["agency", "list"], ["key", "status"]])
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(nobody: Operator, command: list[str]) -> None:
    nobody.settings |= {"listen_port": "99999999", "keyrinq": "secret-word"}
    line = nobody.refused(*command)
    assert "listen_port: expected a port from 0 to 65535" in line
    assert "VAULT_KEYRINQ: there is no such setting" in line
    assert "secret-word" not in line
    assert "99999999" not in line


@pytest.mark.parametrize("command", [["migrate"], ["agency", "list"], ["application", "list"]])
def test_a_database_that_is_not_there_is_one_line_without_its_password(nobody: Operator, command: list[str]) -> None:
    nobody.settings["database_url_owner"] = UNREACHABLE
    line = nobody.refused(*command)
    assert line == "database_url_owner: the database cannot be reached; is it running, and is the host right?"


def test_no_keyring_says_how_to_make_one(nobody: Operator) -> None:
    nobody.settings |= {"keyring": str(nobody.directory / "keys"), "database_url_owner": UNREACHABLE}
    line = nobody.refused("agency", "add", "kela", "--fi", "Kela")
    assert line == f"there is no keyring at {nobody.directory / 'keys'}; make one with: vault key create"


def test_a_keyring_open_to_others_is_refused_with_the_remedy(nobody: Operator) -> None:
    keys = nobody.directory / "keys"
    nobody.settings["keyring"] = str(keys)
    nobody.told("key", "create")
    keys.chmod(0o755)
    line = nobody.refused("key", "status")
    assert line == f"{keys} has mode 0755, others could use it; run: chmod 700 {keys}"


def test_migrate_prints_the_roles_for_an_administrator(nobody: Operator) -> None:
    told = nobody.told("migrate", "--roles")
    assert "CREATE ROLE vault_door NOLOGIN" in told
    assert "vault_service" in told


def test_token_without_a_demo_says_how_to_start_one(nobody: Operator) -> None:
    line = nobody.refused("token", "--demo", "nowhere", "--as", "kela-2001", "--purpose", "care")
    assert line == "nowhere/demo.json does not exist: start the demo with: vault demo --data nowhere"


def test_token_for_an_unknown_purpose_names_the_purposes(nobody: Operator) -> None:
    line = nobody.refused("token", "--demo", "nowhere", "--as", "kela-2001", "--purpose", "curiosity")
    assert line.startswith("unknown purpose; allowed are: rehabilitation-planning, ")


def test_token_refuses_a_damaged_demo_file(nobody: Operator) -> None:
    (nobody.directory / "demo.json").write_text("{")
    line = nobody.refused("token", "--demo", str(nobody.directory), "--as", "kela-2001", "--purpose", "care")
    assert line.endswith("is no demo file; start the demo again to have it written anew")


def test_a_demo_directory_that_cannot_be_made_is_told(nobody: Operator) -> None:
    (nobody.directory / "taken").write_text("")
    line = nobody.refused("demo", "--data", str(nobody.directory / "taken" / "below"), "--exit")
    assert line.endswith("cannot be made (Not a directory); choose another with --data")
