"""`vault provider …`: who identifies people for the vault."""

from __future__ import annotations

from typing import Any

import click

from vault.cli.show import as_json, show


@click.group()
def provider() -> None:
    """The OpenID providers by which people sign in."""


@provider.command()
@click.argument("name", metavar="ID")
@click.option("--issuer", required=True, help="The provider's issuer address, exactly as it writes it.")
@click.option("--client-id", required=True, help="The vault's client id at the provider.")
@click.option("--application", help="For staff: the agency's application whose professionals come by this provider.")
@click.option("--acr", multiple=True, help="An accepted level of identification; required for clients. Repeatable.")
@click.option("--name-fi", required=True, help="Its name on the sign-in page, in Finnish.")
@click.option("--name-sv", required=True, help="In Swedish.")
@click.option("--name-en", required=True, help="In English.")
@click.option("--scope", default="openid", show_default=True, help="What is asked of the provider.")
@click.option(
    "--claim", multiple=True, metavar="WHAT=NAME", help="How it calls code, identity, subject, role, unit or purpose."
)
@click.option("--encrypted", is_flag=True, help="Take only ID tokens that are encrypted to our key.")
@click.option("--purpose", help="For staff: what its professionals come for, when the provider does not say.")
def add(
    name: str, issuer: str, client_id: str, application: str | None, acr: tuple[str, ...], name_fi: str, name_sv: str,
    name_en: str, scope: str, claim: tuple[str, ...], purpose: str | None, *, encrypted: bool,
) -> None:  # fmt: skip
    """Register a provider; with --application for an agency's professionals, without for clients.

    Registered again, the newest counts. Its address for coming back is ISSUER/sign-in/callback/ID, where ISSUER is the vault's own.
    """
    from vault.cli.owner import registry, run
    from vault.errors import InvalidInput
    from vault.rules.catalogue import require_code

    if application is None and not acr:
        raise InvalidInput("clients are identified strongly: name at least one --acr that the provider gives for it")
    if purpose is not None:
        require_code("purpose", purpose, "purpose")
    names = {"fi": name_fi, "sv": name_sv, "en": name_en}
    about: dict[str, Any] = {
        "name": names,
        "acr": list(acr),
        "scope": scope,
        "claims": _claims(claim),
        "encrypted": encrypted,
    }
    if purpose is not None:
        about["purpose"] = purpose

    async def work() -> None:
        async with registry() as (writer, seen):
            if application is not None and await seen.agency_of(application) is None:
                raise InvalidInput(f"no application {application} is registered; see: vault application list")
            kind = "client" if application is None else "staff"
            await writer.provider(name, kind, _issuer(issuer), client_id, application, about)

    run(work())
    click.echo(f"{name} is registered; its keys for us: vault provider key")


def _claims(given: tuple[str, ...]) -> dict[str, str]:
    from vault.errors import InvalidInput
    from vault.oauth.relying_party import CLAIMS

    pairs = [one.partition("=") for one in given]
    if any(what not in CLAIMS or not value for what, _, value in pairs):
        raise InvalidInput(f"a claim is written WHAT=NAME, where WHAT is one of {', '.join(CLAIMS)}")
    return {what: value for what, _, value in pairs}


def _issuer(text: str) -> str:
    from vault.errors import InvalidInput
    from vault.oauth.fetching import is_trusted_transport

    if not is_trusted_transport(text) or "?" in text or "#" in text:
        raise InvalidInput("an issuer is an https address without a query (http only for this machine itself)")
    return text


@provider.command()
@click.argument("name", metavar="ID")
def end(name: str) -> None:
    """Trust a provider no more; the sessions that it began end at once."""
    from vault.cli.owner import registry, run
    from vault.errors import InvalidInput

    async def work() -> None:
        async with registry() as (writer, _):
            if not await writer.end_provider(name):
                raise InvalidInput(f"no provider {name} is in use; see: vault provider list")

    run(work())
    click.echo(f"{name} is in use no more")


@provider.command("list")
@as_json
def list_providers(*, as_json: bool) -> None:
    """All providers, and whether they are in use."""
    from vault.cli.owner import overview, run

    async def work() -> list[dict[str, object]]:
        async with overview() as seen:
            return await seen.providers()

    columns = ("id", "kind", "issuer", "client_id", "agency", "in_use")
    show(run(work()), columns, as_json=as_json, empty="no provider is registered; add one with: vault provider add")


@provider.command()
def key() -> None:
    """Print the public keys by which providers know us, and encrypt to us, as a JWK set.

    They are made at the first call, and served at ISSUER/sign-in/keys.
    """
    import json

    from vault.adapters.keyring.file import open_keyring
    from vault.settings import load_settings, require
    from vault.wiring import sign_in_keys

    keyring = open_keyring(require(load_settings().keyring, "keyring"))
    keyring.make_sign_in_key()
    click.echo(json.dumps(sign_in_keys(keyring).public(), indent=2))
