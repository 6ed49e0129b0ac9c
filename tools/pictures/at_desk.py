"""Packages for people who cannot sign in, in every state that the records officer's desk shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.exports.conftest import BIG
from tests.exports.counter import Counter
from tests.support.caller import must, personal_code

if TYPE_CHECKING:
    from tools.pictures.world import World


def make_handed(world: World) -> None:
    """One by phone, one to be made, one ready and one fetched with papers withheld and waiting, one handed over."""
    counter = Counter(world.exports)
    case = world.somebody("counter", *personal_code(), "Toini Tiskillä")
    world.paper("counter-paper", case)
    world.paper("counter-scan", case, content=b"%PDF-1.7\n" + b"x" * BIG, title="Skannattu sairauskertomus")
    friend = {"name": "Esko Edunvalvoja", "personal_identity_code": personal_code()[0]}
    given = {
        "representative": friend,
        "scope": "act",
        "kind": "continuing-power",
        "case": case,
        "shown": "DVV:n vahvistus",
    }
    must(world.caller.coordinator.post(f"/v1/cases/{case}/authorities", given))
    client, asker = (str(world.service.one("SELECT client FROM vault.token WHERE secret_sha256 = sha256($1)", world.sessions[who].secret)) for who in ("counter", "asker"))  # fmt: skip
    paths = {
        "weak": counter.asked(client, received_how="phone", identified_how="known-in-person"),
        "form": counter.asked(client), "making": counter.asked(client), "ready": counter.asked(asker), "fetched": counter.asked(client), "done": counter.asked(client),
    }  # fmt: skip
    packages = {name: counter.made(paths[name], large="without") for name in ("ready", "fetched", "done")}
    for name in ("fetched", "done"):
        counter.fetched(packages[name])
    counter.handed(packages["done"], how="medium-by-letter", identified_how="receipt-of-delivery")
    counter.post(f"{paths['making']}/package", {})
    world.service.sql("UPDATE vault.export_claim SET until = 'infinity'")
    world.ids |= {f"handed-{name}": path.rpartition("/")[2] for name, path in paths.items()}
    world.ids |= {f"handed-{name}-package": package.rpartition("/")[2] for name, package in packages.items()}
