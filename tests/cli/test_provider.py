"""`vault provider`: who identifies people."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Operator

NAMES = ("--name-fi", "Tunnistus", "--name-sv", "Identifikation", "--name-en", "Identification")
STRONG = ("--acr", "http://ftn.ficora.fi/2017/loa3")
AT = ("--issuer", "https://tunnistus.example", "--client-id", "vault")


def test_providers_for_clients_and_for_an_agencys_staff(operator: Operator) -> None:
    assert operator.told("provider", "list").startswith("no provider is registered")
    operator.told("agency", "add", "kela", "--fi", "Kela", "--sv", "FPA")
    operator.told("application", "add", "kela-app", "--agency", "kela")
    operator.told("provider", "add", "strong", *AT, *STRONG, *NAMES, "--claim", "code=hetu", "--encrypted")
    operator.told("provider", "add", "kela", *AT, *NAMES, "--application", "kela-app", "--purpose", "benefit-decision")
    first, second = json.loads(operator.told("provider", "list", "--json"))
    assert (first["id"], first["kind"], first["agency"], first["in_use"]) == ("kela", "staff", "kela", True)
    assert (second["id"], second["kind"], second["agency"]) == ("strong", "client", None)
    operator.told("provider", "end", "strong")
    assert [row["in_use"] for row in json.loads(operator.told("provider", "list", "--json"))] == [True, False]
    assert "no provider strong is in use" in operator.refused("provider", "end", "strong")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x", *AT, *NAMES), "name at least one --acr"), (("x", *AT, *NAMES, "--application", "no-app"), "no application no-app"),
        (("x", "--issuer", "http://tunnistus.example", "--client-id", "v", *STRONG, *NAMES), "https address"),
        (("x", "--issuer", "https://t.example?x=1", "--client-id", "v", *STRONG, *NAMES), "https address"),
        (("x", *AT, *STRONG, *NAMES, "--claim", "hetu"), "WHAT=NAME"), (("x", *AT, *STRONG, *NAMES, "--claim", "shoe=size"), "WHAT=NAME"),
        (("Not An Id", *AT, *STRONG, *NAMES), "lower case"), (("x", *AT, *STRONG, *NAMES, "--purpose", "fun"), "purpose"),
    ],
)  # fmt: skip
def test_a_provider_that_cannot_be_is_refused_in_one_line(
    operator: Operator, arguments: tuple[str, ...], said: str
) -> None:
    assert said in operator.refused("provider", "add", *arguments)


def test_our_keys_are_made_once_and_shown_without_their_private_parts(operator: Operator, tmp_path: Path) -> None:
    keys = json.loads(operator.told("provider", "key"))["keys"]
    assert [key["use"] for key in keys] == ["sig", "enc"]
    assert not any({"d", "p", "q"} & key.keys() for key in keys)
    assert json.loads(operator.told("provider", "key"))["keys"] == keys
    for name in ("sign-in.key", "sign-in-open.key"):
        path = tmp_path / "keys" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        assert "others could use it" in operator.refused("provider", "key")
        path.chmod(0o600)
        path.write_text("no key")
        assert "no private key" in operator.refused("provider", "key")
        path.unlink()
        operator.told("provider", "key")
