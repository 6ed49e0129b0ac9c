"""P10: a bucket that may no longer be used, or is not there any more, means 503 and what to do; nothing is lost, nothing is left."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from minio import Minio

from tests.support.boxes import BucketBox
from tests.support.caller import KELA, Caller, must, paper, permit
from tests.support.postgres import Servers
from tests.support.rgw import Account, Gateways
from tests.support.service import serving

MANUAL = Path(__file__).parents[2] / "docs" / "howto" / "s3.md"
LARGE = secrets.token_bytes(9_000_001)


@dataclass
class Place:
    """A vault over a bucket that it may use by a policy alone, and the bucket's owner."""

    caller: Caller
    box: BucketBox
    owner: Minio
    policy: str
    case: str
    documents: dict[str, bytes]

    def permit(self) -> None:
        self.owner.set_bucket_policy(self.box.name, self.policy)

    def forbid(self) -> None:
        # Taking the permission away would not do: who put an object may read it by the object's own list.
        self.owner.set_bucket_policy(self.box.name, self.policy.replace("Allow", "Deny"))


@pytest.fixture(scope="module")
def place(postgres_servers: Servers, gateways: Gateways, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    gateway = gateways.gateway()
    box, clerk = BucketBox(gateway), gateway.account(f"clerk-{secrets.token_hex(4)}")
    policy = MANUAL.read_text("utf-8").split("```json\n")[1].split("```")[0]
    policy = policy.replace("user/vault", f"user/{clerk.access_key}").replace("vault-objects", box.name)
    gateway.client().set_bucket_policy(box.name, policy)
    box.settings = settings_of(clerk)
    box.seen_by(clerk)
    folder = tmp_path_factory.mktemp("buckets") / "vault"
    with (
        serving(postgres_servers.server("18"), folder, box) as service,
        closing(Caller(service)) as caller,
    ):
        case = caller.open_case(members=["kela"])
        caller.consent(case, [permit("kela")])
        documents = {caller.file(case, content=content): content for content in (b"small", LARGE)}
        yield Place(caller, box, gateway.client(), policy, case, documents)


def settings_of(account: Account) -> dict[str, str]:
    return {"VAULT_STORE_ACCESS_KEY": account.access_key, "VAULT_STORE_SECRET_KEY": account.secret_key}


def assert_refused(place: Place, said: str) -> str:
    """Reading, filing and readiness are refused as the store's failure; the document that waited for its content."""
    caller = place.caller
    for document in place.documents:
        for headers in ({}, {"Range": "bytes=0-2"}):
            answer = caller.by(KELA).read(document, **headers)
            assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable"), answer.text
            assert int(answer.headers["retry-after"]) >= 1
            assert place.box.name not in answer.text
    waiting = must(caller.coordinator.post(f"/v1/cases/{place.case}/documents", paper()))["id"]
    for content in (b"x", LARGE):
        answer = caller.coordinator.upload(waiting, content)
        assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable"), answer.text
    ready = caller.http.get("/health/ready")
    assert (ready.status_code, ready.json()["parts"]["store"]) == (503, "store-unavailable")
    assert caller.http.get("/health/live").status_code == 200
    lines = [json.loads(line) for line in caller.service.log().splitlines() if line.startswith("{")]
    assert any(said in line.get("message", "") for line in lines)
    assert "Traceback" not in caller.service.log()
    return str(waiting)


def assert_whole(place: Place, waiting: str) -> None:
    for document, content in place.documents.items():
        assert place.caller.by(KELA).read(document).content == content
    must(place.caller.coordinator.upload(waiting, b"in the end"))
    assert place.caller.by(KELA).read(waiting).content == b"in the end"
    place.documents[waiting] = b"in the end"
    rows = {row["object"] for row in place.caller.service.sql("SELECT object FROM vault.filing")}
    assert place.box.names() == rows
    assert must(place.caller.http.get("/health/ready"))["parts"]["store"] == "ok"


def test_p10_a_bucket_without_permission(place: Place) -> None:
    place.forbid()
    try:
        waiting = assert_refused(place, "access is refused: let this access key list the bucket")
    finally:
        place.permit()
    assert_whole(place, waiting)


def test_p10_a_bucket_that_vanishes_and_is_restored(place: Place) -> None:
    """No document is taken for damaged or missing: the bucket is, and comes back from its owner's copy."""
    copy = {name: place.box.read(name) for name in place.box.names()}
    for name in copy:
        place.owner.remove_object(place.box.name, name)
    place.owner.remove_bucket(place.box.name)
    try:
        waiting = assert_refused(place, "there is no such bucket: create it, or mend the setting store")
    finally:
        place.owner.make_bucket(place.box.name)
        place.permit()
        for name, content in copy.items():
            place.box.write(name, content)
    assert_whole(place, waiting)
