"""What changed about a client: name, personal identity code, language, turvakielto, death. What was before is kept.

Source: design.md §4 (PATCH /v1/clients), §3.2 (death ends every consent).
"""

from __future__ import annotations

import msgspec

from vault.errors import Conflict, InvalidInput
from vault.model import Act, ClientId, TokenSecret
from vault.ports import Done, Door, Keyring
from vault.rules.catalogue import require_code
from vault.rules.days import parse_day
from vault.rules.identity_code import parse_identity_code, require_same_birth
from vault.services.cases import clean_name, unbase64
from vault.services.misfiled import PersonGiven
from vault.services.requests import items_of


class ClientChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What changed about a client; what is left out stays. ``address_protected`` is turvakielto: no address is kept here."""

    name: str | None = None
    personal_identity_code: str | None = None
    language: str | None = None
    address_protected: bool | None = None
    died_on: str | None = None


class Persons:
    """The acts on what is registered about clients; ``door`` decides each."""

    def __init__(self, door: Door, keyring: Keyring) -> None:
        self._door = door
        self._keyring = keyring

    async def change(self, secret: TokenSecret, client: ClientId, change: ClientChange) -> Done:
        """Register what changed; a case keeps what was given of the client when it was opened.

        A code that stands for another person here is answered like any other: the caller is not told of that person, a
        records officer is.
        Raises: InvalidInput naming the field; Hidden unless the caller coordinates one of the client's cases.
        """
        checked = _checked(change)
        done: Done | None = None
        if checked.died_on is not None:
            # First, since the clock may refuse the day: then nothing has changed.
            done = await self._door.act("client_died", secret, client, parse_day(checked.died_on, "died_on"))
        if done is not None and msgspec.structs.replace(checked, died_on=None) == ClientChange():
            return done
        for _ in range(3):
            try:
                return await self._register(secret, client, checked)
            except Conflict as conflict:
                # Somebody else changed it between our look and our act: begin again with what stands now.
                if conflict.narrow != "try-again":
                    raise
        raise Conflict("too many changes of this client at this moment; try again", code="try-again")

    async def _register(self, secret: TokenSecret, client: ClientId, change: ClientChange) -> Done:
        listed = await self._door.ask(secret, Act.LIST, about={"target": "registered", "client": client})
        item, context = items_of(listed)[0], f"client.about|{client}"
        before = msgspec.json.decode(
            self._keyring.open(listed, f"register:{client}", context, unbase64(item["about"])), type=PersonGiven
        )
        code = change.personal_identity_code
        if code is not None:
            try:
                require_same_birth(parse_identity_code(code), parse_day(before.born, "born"))
            except InvalidInput as wrong:
                raise InvalidInput(wrong.detail, field="personal_identity_code", code=wrong.narrow) from None
        otherwise = msgspec.structs.replace(before, name=change.name or before.name)
        after = msgspec.structs.replace(otherwise, personal_identity_code=code or before.personal_identity_code)
        sealed, sealed_otherwise = (
            self._keyring.seal(listed, f"register:{client}", context, msgspec.json.encode(one))
            for one in (after, otherwise)
        )
        name_mac = change.name and self._keyring.lookup(listed, "name", " ".join(change.name.casefold().split()))
        code_mac = code and self._keyring.lookup(listed, "code", code)
        return await self._door.act(
            "client_change", secret, client, item["n"], sealed, sealed_otherwise, name_mac, code_mac, change.language, change.address_protected
        )  # fmt: skip


def _checked(change: ClientChange) -> ClientChange:
    """The change with name and code in their one spelling. Raises: InvalidInput naming the field."""
    if change == ClientChange():
        raise InvalidInput("say what changed", field="died_on", code="missing-field")
    name, code = change.name, change.personal_identity_code
    if name is not None:
        name = clean_name(name, "name")
    if code is not None:
        try:
            code = parse_identity_code(code).code
        except InvalidInput as wrong:
            raise InvalidInput(wrong.detail, field="personal_identity_code", code=wrong.narrow) from None
    if change.language is not None:
        require_code("language", change.language, "language")
    if change.died_on is not None:
        parse_day(change.died_on, "died_on")
    return msgspec.structs.replace(change, name=name, personal_identity_code=code)
