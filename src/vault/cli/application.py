"""`vault application …`: an agency's applications and their public keys. Every act is logged as the operator's."""

from __future__ import annotations

from typing import IO, Any

import click

from vault.cli.show import as_json, show
from vault.errors import InvalidInput

ALGORITHMS = {"OKP": "EdDSA", "EC": "ES256", "RSA": "PS256"}
LARGEST_JWK = 64 * 1024


@click.group()
def application() -> None:
    """Agencies' applications and their public keys."""


@application.command()
@click.argument("client_id", metavar="CLIENT_ID")
@click.option("--agency", "slug", required=True, help="The agency that it belongs to.")
@click.option("--dpop", is_flag=True, help="Its tokens must be bound to a key (RFC 9449).")
@click.option("--jwks-url", help="Where it publishes its keys; else give them with `vault application key`.")
def add(client_id: str, slug: str, jwks_url: str | None, *, dpop: bool) -> None:
    """Register an application of an agency."""
    from vault.cli.owner import registry, run

    if jwks_url is not None and not jwks_url.startswith("https://"):
        raise InvalidInput("--jwks-url: expected an https address")

    async def work() -> None:
        async with registry() as (writer, _):
            await writer.application(client_id, slug, dpop=dpop, jwks_url=jwks_url)

    run(work())
    click.echo(f"{client_id} is registered for {slug}")


@application.command()
@click.argument("client_id", metavar="CLIENT_ID")
@click.argument("file", type=click.File("rb"), default="-")
def key(client_id: str, file: IO[bytes]) -> None:
    """Add a public key to an application.

    The key is a JWK, from FILE or from standard input. A private key is refused.
    """
    from vault.cli.owner import registry, run

    jwk = read_public_jwk(file.read(LARGEST_JWK + 1))

    async def work() -> None:
        async with registry() as (writer, seen):
            await _require(seen, client_id)
            await writer.application_key(client_id, jwk)

    run(work())
    click.echo(f"{client_id} has the key {jwk['kid']}")


@application.command("end-key")
@click.argument("client_id", metavar="CLIENT_ID")
@click.argument("kid")
def end_key(client_id: str, kid: str) -> None:
    """Stop accepting what this key signs."""
    from vault.cli.owner import registry, run

    async def work() -> None:
        async with registry() as (writer, seen):
            await _require(seen, client_id)
            if not await seen.knows_key(client_id, kid):
                raise InvalidInput(f"{client_id} has no key of this kid in use; see: vault application list")
            await writer.end_application_key(client_id, kid)

    run(work())
    click.echo(f"{client_id} no longer has the key {kid}")


@application.command()
@click.argument("client_id", metavar="CLIENT_ID")
def suspend(client_id: str) -> None:
    """Stop an application at once.

    Its tokens die.
    """
    _suspend(client_id, suspended=True)


@application.command()
@click.argument("client_id", metavar="CLIENT_ID")
def restore(client_id: str) -> None:
    """End an application's suspension."""
    _suspend(client_id, suspended=False)


@application.command("list")
@as_json
def list_applications(*, as_json: bool) -> None:
    """All applications, with the ids of their keys."""
    from vault.cli.owner import overview, run

    async def work() -> list[dict[str, object]]:
        async with overview() as seen:
            return await seen.applications()

    columns = ("id", "agency", "dpop", "suspended", "keys", "jwks_url")
    show(
        run(work()), columns, as_json=as_json, empty="no application is registered; add one with: vault application add"
    )


def _suspend(client_id: str, *, suspended: bool) -> None:
    from vault.cli.owner import registry, run

    async def work() -> None:
        async with registry() as (writer, seen):
            await writer.suspend(await _require(seen, client_id), client_id, suspended=suspended)

    run(work())
    click.echo(f"{client_id} is {'suspended' if suspended else 'restored'}")


async def _require(seen: Any, client_id: str) -> str:
    found: str | None = await seen.agency_of(client_id)
    if found is None:
        raise InvalidInput(f"no application {client_id} is registered; see: vault application list")
    return found


def read_public_jwk(content: bytes) -> dict[str, Any]:
    """One public key that the vault can verify with. Raises: InvalidInput; a private key is refused first of all."""
    import msgspec

    from vault.errors import Unauthenticated
    from vault.oauth.jose import PRIVATE_MEMBERS, import_public

    try:
        jwk = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise InvalidInput("expected one public key as a JWK: a JSON object") from None
    if len(content) > LARGEST_JWK or "keys" in jwk:
        raise InvalidInput("expected one public key as a JWK, not a set of keys")
    if PRIVATE_MEMBERS & jwk.keys():
        raise InvalidInput("this is a private key: it must stay where it was made; give its public part")
    if not isinstance(jwk.get("kid"), str) or not 0 < len(jwk["kid"]) <= 200:
        raise InvalidInput("the key needs a kid of 1 to 200 characters, by which assertions name it")
    try:
        import_public(jwk, ALGORITHMS[str(jwk.get("kty"))])
    except (KeyError, Unauthenticated):
        raise InvalidInput("expected an Ed25519, P-256 or RSA (2048 to 8192 bits) key for signatures") from None
    return jwk
