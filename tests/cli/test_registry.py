"""`vault agency`, `vault application` and `vault key` against a database."""

from __future__ import annotations

import json
import re

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.cli.conftest import Operator
from tests.support.database import Database, make_empty
from tests.support.postgres import Servers


def jwk(kid: str | None = "2026-1", *, private: bool = False) -> str:
    made = OKPKey.generate_key("Ed25519").as_dict(private=private)
    return json.dumps(dict(made) | ({"kid": kid} if kid else {}))


@pytest.fixture
def with_agency(operator: Operator) -> Operator:
    operator.told("agency", "add", "kela", "--fi", "Kela", "--sv", "FPA")
    operator.told("application", "add", "kela-app", "--agency", "kela", "--dpop")
    return operator


def listed(operator: Operator, group: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(operator.told(group, "list", "--json"))
    return found


def test_empty_lists_say_what_to_do(operator: Operator) -> None:
    assert operator.told("agency", "list") == "no agency is registered; add one with: vault agency add\n"
    assert operator.told("application", "list").startswith("no application is registered")


def test_an_agency_with_unit_professional_and_roles(with_agency: Operator) -> None:
    with_agency.told("agency", "unit", "kela/lansi", "--fi", "Läntinen yksikkö")
    with_agency.told(
        "agency", "professional", "kela", "kela-1", "--role", "coach", "--unit", "kela/lansi", stdin="Made Up\n"
    )
    with_agency.told("agency", "role", "kela", "kela-1", "insurance-secretary")
    assert with_agency.refused("agency", "role", "kela", "kela-1", "coach") == "the professional has this role already"
    with_agency.told("agency", "end-role", "kela", "kela-1", "coach")
    with_agency.told("agency", "role", "kela", "kela-1", "coach")
    (agency,) = listed(with_agency, "agency")
    assert agency == {
        "id": "kela",
        "name": "Kela",
        "suspended": False,
        "units": ["kela/lansi"],
        "applications": 1,
        "professionals": 1,
    }


async def test_a_name_stands_in_the_database_as_ciphertext_only(with_agency: Operator, vault_db: Database) -> None:
    # A command has a loop of its own, so it runs as a process here.
    process = with_agency.start("agency", "professional", "kela", "kela-1", "--name", "Ilmari Ihmetelty")
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "kela-1 of kela is registered\n")
    row = await (await vault_db.owner()).fetchrow("SELECT sealed_name FROM vault.professional")
    assert b"Ihmetelty" not in bytes(row["sealed_name"])


REFUSALS = [
    (["agency", "add", "kela", "--fi", "Kela"], "it is registered already"),
    (["agency", "add", "Kela Oy", "--fi", "Kela"], "an id is written in lower case letters, digits and hyphens, a unit as agency/unit"),
    (["agency", "unit", "vero/x", "--fi", "X"], "the agency, unit, application or professional named is not registered"),
    (["agency", "professional", "vero", "v-1", "--name", "X"], "the agency, unit, application or professional named is not registered"),
    (["agency", "professional", "kela", "k-1", "--name", "X", "--unit", "kela/x"], "a unit belongs to a role: give --role too"),
    (["agency", "role", "kela", "k-9", "coach"], "the agency, unit, application or professional named is not registered"),
    (["agency", "end-role", "kela", "k-9", "coach"], "no professional of kela has this id and role"),
    (["agency", "suspend", "vero"], "no agency vero is registered; see: vault agency list"),
    (["agency", "restore", "vero"], "no agency vero is registered; see: vault agency list"),
    (["application", "add", "x", "--agency", "vero"], "the agency, unit, application or professional named is not registered"),
    (["application", "add", "x", "--agency", "kela", "--jwks-url", "http://kela.example/keys"], "--jwks-url: expected an https address"),
    (["application", "add", "kela-app", "--agency", "kela"], "it is registered already"),
    (["application", "suspend", "x"], "no application x is registered; see: vault application list"),
    (["application", "restore", "x"], "no application x is registered; see: vault application list"),
    (["application", "end-key", "kela-app", "2025-1"], "kela-app has no key of this kid in use; see: vault application list"),
]  # fmt: skip


def test_what_is_not_there_is_refused_in_one_line(with_agency: Operator) -> None:
    for arguments, line in REFUSALS:
        assert with_agency.refused(*arguments) == line, arguments


def test_an_unknown_role_names_the_roles(with_agency: Operator) -> None:
    line = with_agency.refused("agency", "role", "kela", "kela-1", "boss")
    assert line.startswith("unknown role; allowed are: coordinator, physician, ")


def test_keys_are_added_from_a_file_or_standard_input_and_ended(with_agency: Operator) -> None:
    file = with_agency.directory / "key.jwk"
    file.write_text(jwk("2026-1"))
    assert with_agency.told("application", "key", "kela-app", str(file)) == "kela-app has the key 2026-1\n"
    with_agency.told("application", "key", "kela-app", stdin=jwk("2026-2"))
    assert with_agency.refused("application", "key", "kela-app", stdin=jwk("2026-2")) == "it is registered already"
    with_agency.told("application", "end-key", "kela-app", "2026-1")
    (application,) = listed(with_agency, "application")
    assert (application["keys"], application["dpop"], application["suspended"]) == (["2026-2"], True, False)


def test_other_kinds_of_keys_are_taken(with_agency: Operator) -> None:
    for kid, made in (("p", ECKey.generate_key("P-256")), ("r", RSAKey.generate_key(2048))):
        public = json.dumps(dict(made.as_dict(private=False)) | {"kid": kid})
        assert with_agency.told("application", "key", "kela-app", stdin=public) == f"kela-app has the key {kid}\n"


UNUSABLE = [
    (jwk(private=True), "this is a private key: it must stay where it was made; give its public part"),
    ('{"kty":"oct","k":"c2VjcmV0","kid":"k"}', "this is a private key: it must stay where it was made; give its public part"),
    (jwk(kid=None), "the key needs a kid of 1 to 200 characters, by which assertions name it"),
    ('{"keys":[]}', "expected one public key as a JWK, not a set of keys"),
    ("no json", "expected one public key as a JWK: a JSON object"),
    ('{"kty":"OKP","crv":"X25519","x":"AA","kid":"k"}', "expected an Ed25519, P-256 or RSA (2048 to 8192 bits) key for signatures"),
    ('{"kid":"k"}', "expected an Ed25519, P-256 or RSA (2048 to 8192 bits) key for signatures"),
]  # fmt: skip


def test_a_key_that_cannot_be_used_is_refused(with_agency: Operator) -> None:
    for given, line in UNUSABLE:
        assert with_agency.refused("application", "key", "kela-app", stdin=given) == line, given


def test_suspending_and_restoring_shows_in_the_lists(with_agency: Operator) -> None:
    with_agency.told("application", "suspend", "kela-app")
    assert listed(with_agency, "application")[0]["suspended"] is True
    with_agency.told("application", "restore", "kela-app")
    with_agency.told("agency", "suspend", "kela")
    assert listed(with_agency, "agency")[0]["suspended"] is True
    assert listed(with_agency, "application")[0]["suspended"] is True
    with_agency.told("agency", "restore", "kela")
    assert "no" in with_agency.told("agency", "list").splitlines()[1].split()


def test_a_database_that_does_not_exist(operator: Operator) -> None:
    url = operator.settings["database_url_owner"]
    operator.settings["database_url_owner"] = re.sub(r"@/[^?]+", "@/nowhere", url)
    assert operator.refused("agency", "list") == "database_url_owner: the server has no such database"


@pytest.fixture
async def empty(postgres_servers: Servers) -> Database:
    return await make_empty(await postgres_servers.started("18"))


def test_an_empty_database_asks_to_be_migrated(operator: Operator, empty: Database) -> None:
    operator.settings["database_url_owner"] = empty.url("owner")
    for command in (
        ["agency", "list"],
        ["application", "list"],
        ["key", "status"],
        ["agency", "add", "kela", "--fi", "Kela"],
    ):
        assert operator.refused(*command) == "the database has no vault schema of this version; run: vault migrate"


def test_a_wrong_password_is_told_without_it(operator: Operator) -> None:
    url = operator.settings["database_url_owner"]
    operator.settings["database_url_owner"] = url.replace("insecure-password-of-vault_owner", "another-word")
    line = operator.refused("agency", "list")
    assert line == "database_url_owner: the database refuses this role or its password"


def test_a_role_that_is_not_the_owner_cannot_register(operator: Operator) -> None:
    operator.settings["database_url_owner"] = operator.settings["database_url_service"]
    line = operator.refused("agency", "add", "kela", "--fi", "Kela")
    assert line == "database_url_owner: this role does not own the vault's schema"


def test_migrate_twice_does_nothing_the_second_time(operator: Operator) -> None:
    assert operator.told("migrate") == "nothing to do: the schema is this version's\n"


def test_a_keyring_is_made_once_and_its_lookup_key_installed_once(operator: Operator) -> None:
    keys = operator.directory / "other-keys"
    owner = operator.settings.pop("database_url_owner")
    operator.settings["keyring"] = str(keys)
    made = operator.told("key", "create")
    assert made.startswith(f"the keyring {keys} is made; copy it now")
    assert "the lookup key is not installed yet" in made
    assert operator.refused("key", "create") == f"there is a keyring at {keys} already; nothing was changed"
    operator.settings["database_url_owner"] = owner
    assert operator.told("key", "create") == "the lookup key is installed\n"
    again = operator.refused("key", "create")
    assert again == f"there is a keyring at {keys} already, and a lookup key is installed; nothing was changed"


def test_key_status_counts_what_stands_under_each_root(operator: Operator) -> None:
    operator.told("key", "create")
    found = json.loads(operator.told("key", "status", "--json"))
    (root,) = (root for root in found["roots"] if root["current"])
    assert (root["current"], root["in_keyring"], root["keys"]) == (True, True, 1)
    assert found["kinds"] == [{"kind": "lookup", "parent": "root", "keys": 1}]
    told = operator.told("key", "status")
    assert f"root {root['root']}: 1 keys under it (current)" in told
    assert "lookup keys under root keys: 1" in told


def test_key_status_fails_when_the_keyring_lacks_a_root_that_keys_stand_under(operator: Operator) -> None:
    operator.told("key", "create")
    (lost,) = (
        root["root"] for root in json.loads(operator.told("key", "status", "--json"))["roots"] if root["current"]
    )
    operator.settings["keyring"] = str(operator.directory / "new-keys")
    operator.vault("key", "create")
    result = operator.vault("key", "status")
    assert result.exit_code == 1
    assert f"root {lost}: 1 keys under it (NOT IN THE KEYRING)" in result.stdout
    assert result.stderr == f"vault: the keyring lacks the root key {lost}, under which keys stand: restore its copy\n"


def test_the_key_that_signs_tokens_is_changed_and_the_earlier_one_ended(operator: Operator) -> None:
    operator.vault("key", "create")
    [first] = json.loads(operator.told("key", "status", "--json"))["issuer_keys"]
    told = operator.told("key", "issuer", "--now")
    second, first_again = json.loads(operator.told("key", "status", "--json"))["issuer_keys"]
    assert first_again == first
    assert told.startswith(f"{second} is published and signs access tokens from now on\n")
    assert f"vault key end-issuer {first}\n" in told
    assert "another must do so first" in operator.refused("key", "end-issuer", second)
    assert "vault key status" in operator.refused("key", "end-issuer", "../promise")
    assert operator.told("key", "end-issuer", first) == f"{first} is destroyed; destroy its copies too\n"
    assert json.loads(operator.told("key", "status", "--json"))["issuer_keys"] == [second]
    told = operator.told("key", "issuer")
    signs, coming = json.loads(operator.told("key", "status", "--json"))["issuer_keys"]
    assert signs == second
    assert f"copy issuer-{coming}.key to every machine" in told
    assert operator.told("key", "end-issuer", coming) == f"{coming} is destroyed; destroy its copies too\n"
