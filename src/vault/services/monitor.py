"""The monitor: reads the log again and again and says which entry is not what was committed.

It trusts its own copy of the tree (its leaves were under a root that a witness cosigned) and nothing in the database:
leaves are computed here from the stored values, not by the database's functions. Each round takes in what is new and
looks once more at a window of what is old, so that a change to any entry is found within one sweep.

Source: docs/spec/log-tree.md; docs/spec/log-entry.md; promise P7.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import uuid
from collections.abc import Collection, Sequence

import msgspec

from vault import verifier
from vault.errors import DatabaseUnavailable, IntegrityBroken, InvariantViolated, VaultError
from vault.formats.canonical import provisions_digest
from vault.formats.entry import FIELDS, SALT_SIZE, FieldValue, commitments, encode_b64url, leaf_data, leaf_hash
from vault.formats.merkle import EMPTY_ROOT, HASH_SIZE
from vault.formats.tiles import HEIGHT, WIDTH, Edge, TileId, edge_tiles, grow, split_hashes, width_at
from vault.model import EntryId
from vault.services.monitor_ports import LogDatabase, Mirror, Placed, Row
from vault.verifier import Key

logger = logging.getLogger("vault.monitor")

WINDOW = 4096
KEPT_YEARS = 12
"""Source: FI 703/2023, annex: use and disclosure logs, twelve years from the event."""

_COLUMNS = {"case": "case_id", "of": "of_entry", "range": "byte_range"}


class Finding(msgspec.Struct, frozen=True):
    """Something that does not fit. ``kind`` is stable; ``leaf_index`` and ``entry`` as far as they are known."""

    kind: str
    detail: str
    leaf_index: int | None = None
    entry: uuid.UUID | None = None


class Report(msgspec.Struct, frozen=True):
    """One round: the tree up to ``size`` is cosigned, ``checked`` entries were computed again."""

    size: int
    checked: int
    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding | None:
        """The first finding, by its place in the log."""
        known = [one for one in self.findings if one.leaf_index is not None]
        return min(known, key=lambda one: one.leaf_index or 0) if known else next(iter(self.findings), None)


class Monitor:
    """Order: one round at a time. Raises at the start: IntegrityBroken when its own copy is damaged."""

    def __init__(
        self, database: LogDatabase, mirror: Mirror, log: Key, witnesses: Sequence[Key], *, window: int = WINDOW
    ) -> None:
        self._database = database
        self._mirror = mirror
        self._log = log
        self._witnesses = tuple(witnesses)
        self._window = window
        self._cursor = 0
        self._pruned: Collection[str] | None = None
        self._stray_cursor = uuid.UUID(int=0)
        self._edge = self._load()

    async def round(self, *, full: bool = False) -> Report:
        """Take in what is new, look again at a window of what is old (``full``: at everything)."""
        old, self._pruned = self._edge.size, None
        findings = await self._take_in()
        checked = 0
        ranges = [(0, self._edge.size)] if full else [(old, self._edge.size), self._next_window(old)]
        for start, end in ranges:
            for at in range(start, end, WINDOW):
                findings += await self._check_range(at, min(at + WINDOW, end))
                checked += min(at + WINDOW, end) - at
        findings += await self._check_strays(full=full)
        findings += [
            Finding("consent-unlogged", f"consent {one} is in no entry")
            for one, entry in await self._database.unlogged_consents()
            if not await self._is_pruned(entry)
        ]
        report = Report(self._edge.size, checked, tuple(dict.fromkeys(findings)))
        if report.first:
            logger.critical("the log does not fit, %d findings; first %s", len(report.findings), report.first)
        return report

    async def run(self, stop: asyncio.Event, *, interval_s: float = 10.0) -> None:
        """Look again and again until ``stop`` is set; a database that is away is tried again."""
        while not stop.is_set():
            try:
                await self.round()
            except DatabaseUnavailable:
                logger.warning("the database is away; the log is not watched meanwhile")
            try:
                await asyncio.wait_for(stop.wait(), interval_s)
            except TimeoutError:
                continue

    def _load(self) -> Edge:
        note = self._mirror.note()
        if note is None:
            return Edge()
        try:
            head = verifier.verify_checkpoint(note, self._log, self._witnesses, quorum=1)
        except verifier.Unverified as error:
            raise IntegrityBroken(f"the monitor's own checkpoint: {error}") from None
        edge = Edge(head.size, tuple(self._mirror.tile(tile, head.size) for tile, _ in edge_tiles(head.size)))
        if edge.root() != head.root:
            raise IntegrityBroken("the monitor's own tiles do not make its checkpoint's root")
        return edge

    def _next_window(self, size: int) -> tuple[int, int]:
        start = self._cursor if self._cursor < size else 0
        self._cursor = min(start + self._window, size)
        return start, self._cursor

    async def _take_in(self) -> list[Finding]:
        """Follow the log to its newest cosigned checkpoint; what does not continue our copy is not followed."""
        note, held, known = await self._database.cosigned(), await self._database.tree_size(), self._edge.size
        if note is None:
            return [Finding("rolled-back", f"{known} entries were cosigned, no checkpoint is left", 0)] if known else []
        try:
            head = verifier.verify_checkpoint(note, self._log, self._witnesses, quorum=1)
        except verifier.Unverified as error:
            return [Finding("checkpoint-forged", str(error))]
        if min(head.size, held) < known:
            detail = f"{known} entries were cosigned, {min(head.size, held)} are held"
            return [Finding("rolled-back", detail, min(head.size, held))]
        if head.size == known:
            same = head.root == (self._edge.root() if known else EMPTY_ROOT)
            return [] if same else [Finding("forked", "another root for a size that was cosigned", known - 1)]
        return await self._follow(head, note)

    async def _follow(self, head: verifier.Checkpoint, note: str) -> list[Finding]:
        start, end = self._edge.size, head.size
        stored = await self._stored_leaves(start, end)
        candidates = [stored]
        edge, parts = grow(self._edge, stored)
        if edge.root() != head.root:
            # Perhaps only the tiles were touched, and the entries still make the cosigned root.
            candidates.append([_leaf_or_none(placed) or bytes(HASH_SIZE) for placed in await self._entries(start, end)])
            edge, parts = grow(self._edge, candidates[1])
        if edge.root() != head.root:
            return await self._name_unfollowed(start, end, *candidates)
        self._mirror.extend(self._edge, parts, note)
        self._edge = edge
        return []

    async def _name_unfollowed(
        self, start: int, end: int, stored: Sequence[bytes], computed: Sequence[bytes]
    ) -> list[Finding]:
        """The first entry whose values are not those of the stored leaf; if all are, the first that is new to us."""
        placed = await self._entries(start, end)
        for i, one in enumerate(placed):
            if i >= len(stored) or stored[i] != computed[i]:
                return [Finding("entry-altered", "not the entry under the cosigned root", one.leaf_index, one.entry)]
        detail = f"the entries from {start} to {end - 1} are not those under the cosigned root"
        return [Finding("forked", detail, start, placed[0].entry)]

    async def _stored_leaves(self, start: int, end: int) -> list[bytes]:
        leaves: list[bytes] = []
        for first in range(start // WIDTH, -(-end // WIDTH), WINDOW):
            wanted = [(0, n) for n in range(first, min(first + WINDOW, -(-end // WIDTH)))]
            held = await self._database.tiles(wanted)
            leaves += [leaf for tile in wanted for leaf in split_hashes(held.get(tile, b""))]
        skipped = start % WIDTH
        return leaves[skipped : skipped + end - start]

    async def _entries(self, start: int, end: int) -> list[Placed]:
        placed: list[Placed] = []
        for at in range(start, end, WINDOW):
            placed += await self._database.entries(at, min(at + WINDOW, end))
        return placed

    async def _check_range(self, start: int, end: int) -> list[Finding]:
        findings = await self._check_tiles(start, end)
        good: list[Placed] = []
        trusted = self._trusted_leaves(start, end)
        for placed, leaf in zip(await self._database.entries(start, end), trusted, strict=True):
            finding = await self._check_entry(placed, leaf, search=not findings)
            if finding:
                findings.append(finding)
            elif placed.row is not None:
                good.append(placed)
        return findings + await self._check_facts(good)

    async def _check_entry(self, placed: Placed, leaf: bytes, *, search: bool) -> Finding | None:
        at = placed.leaf_index
        if placed.entry is None:
            found = await self._database.find_leaf(leaf) if search else None
            return Finding("position-missing", "no entry stands at this index", at, found)
        if placed.row is None:
            if await self._is_pruned(placed.entry):
                return None
            return Finding("entry-missing", "the entry is gone", at, placed.entry)
        if _leaf_or_none(placed) != leaf or placed.row["leaf"] != leaf:
            return Finding("entry-altered", "the stored values are not those that were committed", at, placed.entry)
        return None

    async def _is_pruned(self, entry: uuid.UUID) -> bool:
        """Whether the entry is of a month that was let go, and its twelve years are over by our own clock."""
        at = dt.datetime.fromtimestamp((entry.int >> 80) / 1000, dt.UTC)
        now = dt.datetime.now(dt.UTC)
        if (now.year - KEPT_YEARS, now.month) <= (at.year, at.month):
            return False
        if self._pruned is None:
            self._pruned = await self._database.pruned_months()
        return f"{at:%Y-%m}" in self._pruned

    async def _check_tiles(self, start: int, end: int) -> list[Finding]:
        """The stored tiles over the range against our own, level by level."""
        size, findings = self._edge.size, []
        for level in range(len(self._edge.tiles)):
            span = WIDTH << (HEIGHT * level)
            wanted = [(level, n) for n in range(start // span, -(-end // span)) if width_at(level, n, size)]
            held = await self._database.tiles(wanted)
            for tile in wanted:
                own = self._mirror.tile(tile, size)
                if held.get(tile, b"")[: len(own)] != own:
                    findings.append(await self._name_tile(tile, own, held.get(tile, b"")))
        return findings

    async def _name_tile(self, tile: TileId, own: bytes, held: bytes) -> Finding:
        place = next(i for i in range(0, len(own), HASH_SIZE) if own[i : i + HASH_SIZE] != held[i : i + HASH_SIZE])
        at = (tile[1] * WIDTH + place // HASH_SIZE) << (HEIGHT * tile[0])
        (placed,) = await self._database.entries(at, at + 1)
        return Finding("tile-altered", f"tile {tile[1]} of level {tile[0]} is not the cosigned one", at, placed.entry)

    def _trusted_leaves(self, start: int, end: int) -> list[bytes]:
        tiles = [self._mirror.tile((0, n), self._edge.size) for n in range(start // WIDTH, -(-end // WIDTH))]
        skipped = start % WIDTH
        leaves = split_hashes(b"".join(tiles))[skipped : skipped + end - start]
        if len(leaves) != end - start:
            raise IntegrityBroken("the monitor's own tiles are damaged")
        return leaves

    async def _check_strays(self, *, full: bool) -> list[Finding]:
        findings: list[Finding] = []
        while True:
            strays, last = await self._database.strays(self._stray_cursor, self._window)
            findings += [Finding("entry-unlogged", "neither in the tree nor waiting", None, one) for one in strays]
            self._stray_cursor = last or uuid.UUID(int=0)
            if last is None or not full:
                return findings

    async def _check_facts(self, good: Sequence[Placed]) -> list[Finding]:
        """The consents and withdrawals that these verified entries recorded are there, and are what was recorded."""
        permits = [p for p in good if p.row["salts"] and p.row["decision"] == "permit"]
        recorded = [p for p in permits if p.row["act"] == "consent-record"]
        ended = [p for p in permits if p.row["act"] == "consent-withdraw"]
        consents = await self._database.consents([p.row["id"] for p in recorded]) if recorded else {}
        withdrawals = await self._database.withdrawals([p.row["consent"] for p in ended]) if ended else []
        problems = [(p, _consent_problem(p.row, consents.get(p.row["id"]))) for p in recorded]
        problems += [(p, _withdrawal_problem(p.row, withdrawals)) for p in ended]
        return [Finding(*problem, p.leaf_index, p.entry) for p, problem in problems if problem]


def entry_values(row: Row) -> dict[str, FieldValue]:
    """The fields of a stored entry as they were disclosed (docs/spec/log-entry.md)."""
    return {name: _plain(row[_COLUMNS.get(name, name)]) for name in FIELDS}


def entry_leaf(row: Row) -> bytes:
    """The leaf of a stored entry, computed from its salts and values, or from what erasure left.

    Raises: InvariantViolated, ValueError or TypeError when the row cannot have been written by the door.
    """
    if row["salts"] is None:
        digests = split_hashes(row["commitments"] or b"")
    else:
        salts = [row["salts"][i : i + SALT_SIZE] for i in range(0, SALT_SIZE * len(FIELDS), SALT_SIZE)]
        digests = list(commitments(salts, entry_values(row)))
    return leaf_hash(leaf_data(EntryId(row["id"]), digests))


def stored_provisions(provisions: Sequence[Row]) -> list[dict[str, object]]:
    """The provisions' rows in the form that rules/consent.py gave and that was digested."""
    return [
        {
            **{
                name: row[name]
                for name in ("number", "effect", "recipients", "sources", "documents", "actions", "purposes")
            },
            "dated": {
                name: day.isoformat()
                for name, day in (("from", row["dated_from"]), ("until", row["dated_until"]))
                if day
            }
            or None,
            "protected_classes": row["protected_classes"],
            "future_documents": row["future_documents"],
        }
        for row in provisions
    ]


def _consent_problem(entry: Row, held: tuple[Row, Sequence[Row]] | None) -> tuple[str, str] | None:
    if held is None or held[0]["id"] != entry["consent"]:
        return "consent-missing", f"consent {entry['consent']} is gone"
    consent, provisions = held
    try:
        computed = provisions_digest(stored_provisions(provisions))
    except VaultError:
        computed = b""
    if not consent["provisions_digest"] == entry["provisions_digest"] == computed:
        return "provisions-altered", f"the provisions of consent {consent['id']} are not those that were recorded"
    return None


def _withdrawal_problem(entry: Row, held: Sequence[Row]) -> tuple[str, str] | None:
    """A withdrawal that was given twice has one row, so a row of another entry will do; its own must say the same."""
    of_consent = [row for row in held if row["consent"] == entry["consent"]]
    if not of_consent:
        return "withdrawal-missing", f"the withdrawal of consent {entry['consent']} is gone"
    for row in of_consent:
        said = None if row["provisions"] is None else " ".join(map(str, row["provisions"]))
        if row["entry"] == entry["id"] and said != entry["facts"]:
            return (
                "withdrawal-altered",
                f"the withdrawal of consent {entry['consent']} is not the one that was recorded",
            )
    return None


def _leaf_or_none(placed: Placed) -> bytes | None:
    try:
        return entry_leaf(placed.row) if placed.row is not None else None
    except (InvariantViolated, ValueError, TypeError, OverflowError):
        return None


def _plain(value: object) -> FieldValue:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return encode_b64url(value)
    if value is None or isinstance(value, str | int | list):
        return value
    raise TypeError
