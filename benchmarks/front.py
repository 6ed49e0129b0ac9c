"""Behind nginx, by the recipe of deploy/, beside a plain file of the same size from the same nginx, and the vault alone.

    limit = 1 ÷ (1/the vault alone + 1/plain nginx)

The caller speaks TLS 1.3 to nginx and plain HTTP to the vault alone.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.caller import head
from benchmarks.figures import Spread, after_one_another, ratio, spread, table
from benchmarks.large import MIB, down, forget, up
from benchmarks.load import Target, closed_loop
from benchmarks.place import Place
from benchmarks.release import content_heads
from benchmarks.world import SIZE, Filed, Token, coordinator_token, reader_tokens, register_document
from tests.support.nginx import Authority, Nginx, free_port, resident_bytes

CONCURRENCIES = (1, 16, 64)
SMALL, LARGE = "paper", "large"


class Fronted(msgspec.Struct, frozen=True):
    """One concurrency: releases of 100 KiB a second, alone and behind nginx, and the same bytes as a plain file."""

    concurrency: int
    alone: Spread
    plain: Spread
    behind: Spread
    p50_ms: Spread
    p99_ms: Spread
    missed: Spread
    behind_alone: Spread
    behind_limit: Spread


class LargeFronted(msgspec.Struct, frozen=True):
    """Megabytes a second of one large document; the peak is of all of nginx's workers together, in MiB."""

    size_mib: int
    alone_up: Spread
    behind_up: Spread
    alone_down: Spread
    plain_down: Spread
    behind_down: Spread
    up_ratio: Spread
    down_ratio: Spread
    workers_mib: Spread


class FrontResult(msgspec.Struct, frozen=True):
    small: list[Fronted]
    large: LargeFronted


async def measure_nginx(
    place: Place, cases: list[Filed], *, seconds: float, size_mib: int, repeats: int
) -> FrontResult:
    """Start the vault and nginx before it, measure in turn, print."""
    async with place.service("vault") as vault:
        with (
            tempfile.TemporaryDirectory(prefix="vault-benchmark-nginx-") as folder,
            _nginx(Path(folder), vault.port, size_mib) as front,
        ):
            tokens = await reader_tokens(place)
            heads = content_heads(tokens, [document for case in cases for document in case.opened])
            context = front.authority.context()
            sides = {
                "alone": Target((vault.port,), heads, SIZE),
                "plain": Target((front.plain_port,), (head("GET", f"/{SMALL}"),), SIZE, context),
                "behind": Target((front.port,), heads, SIZE, context),
            }
            small = [await _small(sides, concurrency, seconds, repeats) for concurrency in CONCURRENCIES]
            large = await _large(place, cases[0], vault.port, front, size_mib, repeats)
    result = FrontResult(small, large)
    _show(result)
    return result


class _Front(Nginx):
    """The recipe, and beside it a server that gives out plain files over the same TLS."""

    def __init__(self, folder: Path, upstream: int, authority: Authority) -> None:
        self.authority = authority
        self.plain_port = free_port()
        self.files = folder / "files"
        super().__init__(folder, upstream, authority)
        self.files.mkdir()

    def _write_main(self) -> None:
        super()._write_main()
        tls = self.authority.folder / "localhost"
        (self.folder / "plain.conf").write_text(
            f"server {{ listen 127.0.0.1:{self.plain_port} ssl http2 sndbuf=256k; server_name localhost;\n"
            f"ssl_certificate {tls}/fullchain.pem; ssl_certificate_key {tls}/privkey.pem; ssl_protocols TLSv1.3;\n"
            f"access_log off; root {self.files}; }}\n"
        )
        main = self.folder / "nginx.conf"
        text = main.read_text().replace(
            "access_log off; include", f"access_log off; include {self.folder}/plain.conf; include"
        )
        main.write_text(text)


@contextmanager
def _nginx(folder: Path, upstream: int, size_mib: int) -> Iterator[_Front]:
    front = _Front(folder / "nginx", upstream, Authority(folder / "tls"))
    (front.files / SMALL).write_bytes(os.urandom(SIZE))
    with (front.files / LARGE).open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
    try:
        front.start()
        yield front
    finally:
        front.stop()


async def _small(sides: dict[str, Target], concurrency: int, seconds: float, repeats: int) -> Fronted:
    for target in sides.values():
        await closed_loop(target, concurrency, seconds)  # caches and pools are filled before anything counts
    rounds = [
        {name: await closed_loop(target, concurrency, seconds) for name, target in sides.items()}
        for _ in range(repeats)
    ]
    limits = [after_one_another(one["alone"].rate, one["plain"].rate) for one in rounds]
    return Fronted(
        concurrency=concurrency,
        **{name: spread([one[name].rate for one in rounds]) for name in sides},
        p50_ms=spread([one["behind"].p(50) for one in rounds]), p99_ms=spread([one["behind"].p(99) for one in rounds]),
        missed=spread([one["behind"].missed for one in rounds]),
        behind_alone=spread([ratio(one["behind"].rate, one["alone"].rate) for one in rounds]),
        behind_limit=spread([ratio(one["behind"].rate, limit) for one, limit in zip(rounds, limits, strict=True)]),
    )  # fmt: skip


async def _large(place: Place, case: Filed, alone: int, front: _Front, size_mib: int, repeats: int) -> LargeFronted:
    token, context, seen = await coordinator_token(place), front.authority.context(), dict[str, list[float]]()
    for _ in range(repeats):
        one = await _large_once(place, case, alone, front, size_mib, token, context)
        for name, value in one.items():
            seen.setdefault(name, []).append(value)
    return LargeFronted(size_mib=size_mib, **{name: spread(values) for name, values in seen.items()})


async def _large_once(
    place: Place, case: Filed, alone: int, front: _Front, size_mib: int, token: Token, context: ssl.SSLContext
) -> dict[str, float]:
    seen = dict[str, float]()
    for side, port, tls in (("alone", alone, None), ("behind", front.port, context)):
        document = await register_document(place, token, case)
        path = f"/v1/documents/{document}/content"
        seen[f"{side}_up"] = await up(port, path, size_mib, token, tls)
        seen[f"{side}_down"] = await down(port, path, size_mib, token, tls)
        await forget(place, document)
    seen["plain_down"] = await down(front.plain_port, f"/{LARGE}", size_mib, None, context)
    seen["up_ratio"] = seen["behind_up"] / seen["alone_up"]
    seen["down_ratio"] = seen["behind_down"] * (1 / seen["alone_down"] + 1 / seen["plain_down"])
    seen["workers_mib"] = sum(resident_bytes(pid) for pid in front.pids()) / MIB
    return seen


def _show(result: FrontResult) -> None:
    rows = [
        [str(one.concurrency), one.alone.show(), one.plain.show(), one.behind.show(), one.p50_ms.show(".1f"),
         one.p99_ms.show(".1f"), one.missed.show(), one.behind_alone.show(".2f"), one.behind_limit.show(".2f")]
        for one in result.small
    ]  # fmt: skip
    names = [
        "callers",
        "vault alone/s",
        "plain nginx/s",
        "behind/s",
        "p50 ms",
        "p99 ms",
        "missed",
        "behind ÷ alone",
        "÷ limit",
    ]
    table("Releases of 100 KiB behind nginx over TLS (limit = 1 ÷ (1/alone + 1/plain nginx))", names, rows)
    large = result.large
    rows = [
        ["up", large.alone_up.show(), "", large.behind_up.show(), large.up_ratio.show(".2f") + " of alone"],
        ["down", large.alone_down.show(), large.plain_down.show(), large.behind_down.show(),
         large.down_ratio.show(".2f") + " of the limit"],
    ]  # fmt: skip
    title = f"One document of {large.size_mib:,} MiB behind nginx, MB/s"
    table(title, ["", "vault alone", "plain nginx", "behind", "ratio"], rows)
    print(f"  nginx's workers then held {large.workers_mib.show('.0f')} MiB")
