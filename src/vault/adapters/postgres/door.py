"""The database's door from the service's side: the one place where a Clearance is made.

Every call is one round trip. Refusals come back as errors that carry the log entry's promise, so that an answer of 404
names its entry just as an answer of 200 does.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.statuses import refuse
from vault.errors import InvalidInput
from vault.formats.promise import encode_promise, promise_message
from vault.model import Act, Clearance, ConsentId, EntryId, KeyKind, TokenSecret, WrappedKey
from vault.ports import Done, Keyring

_DOOR = "CALL vault.door($1, $2, $3, $4, $5)"

# One statement for each act that writes facts; the arguments after the token's secret are the act's own.
_ACTS: Mapping[str, str] = {
    "case_open": "SELECT * FROM vault.case_open($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    "case_refer": "SELECT * FROM vault.case_refer($1, $2, $3)",
    "member_add": "SELECT * FROM vault.member_add($1, $2, $3, $4, $5, $6, $7)",
    "member_end": "SELECT * FROM vault.member_end($1, $2, $3)",
    "document_add": "SELECT * FROM vault.document_add($1, $2, $3, $4, $5, $6)",
    "document_filed": "SELECT * FROM vault.document_filed($1, $2, $3, $4, $5)",
    "document_mark": "SELECT * FROM vault.document_mark($1, $2, $3)",
    "consent_record": "SELECT * FROM vault.consent_record($1, $2, $3, $4, $5, $6, $7)",
    "consent_withdraw": "SELECT * FROM vault.consent_withdraw($1, $2, $3, $4, $5, $6)",
    "consent_confirm": "SELECT * FROM vault.consent_confirm($1, $2)",
    "prohibition_record": "SELECT * FROM vault.prohibition_record($1, $2, $3, $4)",
    "prohibition_end": "SELECT * FROM vault.prohibition_end($1, $2)",
    "pause": "SELECT * FROM vault.pause($1, $2)",
    "resume": "SELECT * FROM vault.resume($1)",
    "client_language": "SELECT * FROM vault.client_language($1, $2)",
    "client_change": "SELECT * FROM vault.client_change($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "client_died": "SELECT * FROM vault.client_died($1, $2, $3)",
    "case_close": "SELECT * FROM vault.case_close($1, $2, $3, $4)",
    "case_reopen": "SELECT * FROM vault.case_reopen($1, $2, $3)",
    "hold_add": "SELECT * FROM vault.hold_add($1, $2, $3, $4)",
    "hold_end": "SELECT * FROM vault.hold_end($1, $2, $3)",
    "transfer_approve": "SELECT * FROM vault.transfer_approve($1, $2)",
    "transfer_reject": "SELECT * FROM vault.transfer_reject($1, $2, $3)",
    "transfer_receive": "SELECT * FROM vault.transfer_receive($1, $2, $3, $4, $5)",
    "transfer_done": "SELECT * FROM vault.transfer_done($1, $2, $3, $4)",
    "transfer_prepare": "SELECT * FROM vault.transfer_prepare($1, $2, $3, $4)",
    "archive_request_answer": "SELECT * FROM vault.archive_request_answer($1, $2, $3)",
    "keys_rewrapped": "SELECT * FROM vault.keys_rewrapped($1, $2, $3)",
    "epochs_destroy": "SELECT * FROM vault.epochs_destroy($1)",
    "rotation_end": "SELECT * FROM vault.rotation_end($1, $2)",
    "case_shred": "SELECT * FROM vault.case_shred($1, $2, $3)",
    "authority_record": "SELECT * FROM vault.authority_record($1, $2, $3, $4, $5, $6, $7)",
    "authority_end": "SELECT * FROM vault.authority_end($1, $2)",
    "authority_bar": "SELECT * FROM vault.authority_bar($1, $2, $3)",
    "identity_offer": "SELECT * FROM vault.identity_offer($1, $2)",
    "identity_link": "SELECT * FROM vault.identity_link($1, $2, $3)",
    "request_make": "SELECT * FROM vault.request_make($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "request_step": "SELECT * FROM vault.request_step($1, $2, $3, $4, $5, $6)",
    "request_look": "SELECT * FROM vault.request_look($1, $2, $3, $4, $5)",
    "copy_begin": "SELECT * FROM vault.copy_begin($1, $2, $3, $4, $5, $6)",
    "withhold": "SELECT * FROM vault.withhold($1, $2, $3, $4, $5, $6, $7)",
    "misfiled_decide": "SELECT * FROM vault.misfiled_decide($1, $2, $3, $4)",
    "difference_end": "SELECT * FROM vault.difference_end($1, $2, $3, $4, $5)",
    "restriction_notice": "SELECT * FROM vault.restriction_notice($1, $2, $3, $4)",
    "restriction_end": "SELECT * FROM vault.restriction_end($1, $2)",
    "fee_set": "SELECT * FROM vault.fee_set($1, $2, $3, $4, $5)",
    "fee_answer": "SELECT * FROM vault.fee_answer($1, $2, $3)",
    "export_order": "SELECT * FROM vault.export_order($1, $2, $3, $4)",
    "export_order_for": "SELECT * FROM vault.export_order_for($1, $2, $3, $4, $5)",
    "export_hand_over": "SELECT * FROM vault.export_hand_over($1, $2, $3, $4, $5)",
    "export_remove": "SELECT * FROM vault.export_remove($1, $2)",
    "export_made": "SELECT * FROM vault.export_made($1, $2, $3, $4, $5, $6, $7)",
    "export_failed": "SELECT * FROM vault.export_failed($1, $2, $3)",
    "explain": "SELECT * FROM vault.explain($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "notice_acknowledge": "SELECT * FROM vault.notice_acknowledge($1, $2)",
}
_END = "SELECT vault.end_release($1, $2, $3, $4)"
_END_EXPORT = "SELECT vault.export_sent($1, $2, $3, $4, $5)"
_RESERVE = "SELECT vault.reserve($1, $2, $3, $4)"
_RENEW = "SELECT vault.renew($1, $2)"
_GIVE_UP = "SELECT vault.attempt_give_up($1)"


def key_row(key: WrappedKey) -> tuple[str, str, str, bytes]:
    """A wrapped key as the database's composite type."""
    return (str(key.kind), key.subject, key.parent, key.wrapped)


class PostgresDoor:
    """ports.Door over the service's pool."""

    def __init__(self, pool: Pool, leases: Pool, keyring: Keyring) -> None:
        self._pool = pool
        # Renewals have a connection of their own: under load they must not wait behind new asks.
        self._leases = leases
        self._keyring = keyring

    async def ask(
        self,
        secret: TokenSecret,
        act: Act,
        *,
        case: uuid.UUID | None = None,
        document: uuid.UUID | None = None,
        about: Mapping[str, object] | None = None,
    ) -> Clearance:
        for _ in range(2):
            row = await self._pool.row(_DOOR, secret, str(act), case, document, dict(about or {}))
            if row["status"] != "permit":
                raise self._refusal(row)
            if row["keys"] or act is Act.DESTROY or (row["facts"] or {}).get("keyless"):
                break
            # Facts changed between the decision and the keys: decide once more, by what holds now.
        return Clearance(
            entry=EntryId(row["entry"]),
            at=row["at"],
            leaf=row["leaf"],
            act=act,
            basis=row["basis"],
            consent=ConsentId(row["consent"]) if row["consent"] else None,
            provision=row["provision"],
            facts=row["facts"] or {},
            keys=_keys(row["keys"] or ()),
        )

    async def act(self, name: str, secret: TokenSecret, *arguments: object) -> Done:
        row = await self._pool.row(_ACTS[name], secret, *arguments)
        if row["status"] != "done":
            raise self._refusal(row)
        return Done(
            entry=EntryId(row["entry"]),
            at=row["at"],
            promise=self.promise(row["entry"], row["leaf"], row["at"]),
            facts=row["facts"] or {},
        )

    async def end_release(self, secret: TokenSecret, entry: EntryId, outcome: str, bytes_sent: int) -> None:
        await self._pool.row(_END, secret, entry, outcome, bytes_sent)

    async def end_export(
        self, secret: TokenSecret, entry: EntryId, outcome: str, first_byte: int, bytes_sent: int
    ) -> None:
        await self._pool.row(_END_EXPORT, secret, entry, outcome, first_byte, bytes_sent)

    async def reserve(self, secret: TokenSecret, key: bytes, request_mac: bytes, subject: uuid.UUID) -> uuid.UUID:
        kept = await self._pool.value(_RESERVE, secret, key, request_mac, subject)
        if kept is None:
            raise InvalidInput(
                "this key was used for another request", field="Idempotency-Key", code="idempotency-key-reused"
            )
        return uuid.UUID(int=kept.int)

    async def renew(self, process: uuid.UUID, entries: Sequence[EntryId]) -> frozenset[EntryId]:
        return frozenset(EntryId(e) for e in await self._leases.value(_RENEW, process, list(entries)))

    async def give_up(self, name: str) -> bool:
        return bool(await self._pool.value(_GIVE_UP, name))

    async def check(self) -> None:
        await self._pool.value("SELECT 1")

    def promise(self, entry: uuid.UUID, leaf: bytes, at: dt.datetime) -> str:
        kid, signature = self._keyring.sign_promise(promise_message(EntryId(entry), leaf, at))
        return encode_promise(EntryId(entry), leaf, at, kid, signature)

    def _refusal(self, row: Any) -> Exception:
        promise = self.promise(row["entry"], row["leaf"], row["at"]) if row["entry"] else None
        return refuse(row["status"], tuple(row["reasons"] or ()), row["facts"] or {}, promise)


def _keys(rows: Sequence[Any]) -> tuple[WrappedKey, ...]:
    return tuple(
        WrappedKey(kind=KeyKind(r["kind"]), subject=r["subject"], parent=r["parent"], wrapped=r["wrapped"])
        for r in rows
    )
