"""P10: a store or a key that is not as it was means a clear refusal; a damaged object never looks like a whole download."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.promises.test_p03_no_log_no_byte import wait_for
from tests.support.boxes import BucketBox, boxed
from tests.support.caller import KELA, Caller, must, paper, permit
from tests.support.postgres import Servers
from tests.support.service import serving
from vault.formats.promise import parse_promise

LARGE = 9_000_001
SMALL = 5_000


@pytest.fixture(scope="module", params=["directory", "bucket"])
def caller(
    request: pytest.FixtureRequest, postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("p10") / "vault"
    with boxed(request.param, folder) as box, serving(postgres_servers.server("18"), folder, box) as service:
        everybody = Caller(service)
        yield everybody
        everybody.close()


@pytest.fixture(scope="module")
def case(caller: Caller) -> str:
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    return case


def content_of(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + b"!" * (size % 256)


@dataclass
class Asked:
    """What a client saw: the answer, or the error that its HTTP library raised, and the bytes until then."""

    status: int
    headers: httpx.Headers
    body: bytes
    error: Exception | None


def ask(caller: Caller, document: str, **headers: str) -> Asked:
    known = {"Authorization": f"Bearer {caller.by(KELA).token}"} | headers
    body, error = b"", None
    with caller.http.stream("GET", f"/v1/documents/{document}/content", headers=known) as answer:
        try:
            for piece in answer.iter_raw():
                body += piece
        except httpx.HTTPError as raised:
            error = raised
    return Asked(answer.status_code, answer.headers, body, error)


def outcome(caller: Caller, asked: Asked) -> tuple[str, int] | None:
    entry = parse_promise(asked.headers["vault-log-entry"]).entry
    row = wait_for(caller, "SELECT outcome, bytes FROM vault.entry WHERE of_entry = $1", entry)
    return row["outcome"], row["bytes"]


def last_outcome(caller: Caller, document: str) -> str:
    opened = caller.service.one(
        "SELECT id FROM vault.entry WHERE document = $1 AND act = 'open' ORDER BY id DESC LIMIT 1", document
    )
    return str(wait_for(caller, "SELECT outcome FROM vault.entry WHERE of_entry = $1", opened)["outcome"])


Change = Callable[[bytes], bytes]


def flip(at: float) -> Change:
    """Change one byte at that part of the object."""

    def damage(content: bytes) -> bytes:
        place = min(len(content) - 1, int(at * len(content)))
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return damage


def cut(keep: float) -> Change:
    return lambda content: content[: int(keep * len(content))]


def change(caller: Caller, document: str, damage: Change) -> None:
    """Do this to the object that holds the document's content."""
    name, box = caller.service.object_of(document), caller.service.box
    box.write(name, damage(box.read(name)))


DAMAGES: dict[str, Change] = {
    "first byte": flip(0), "header": flip(0.000002), "first chunk": flip(0.0005), "last byte": flip(1), "one byte short": cut(0.9999999),
    "half": cut(0.5), "empty": cut(0), "longer": lambda content: content + b"more", "twice": lambda content: content * 2,
}  # fmt: skip


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
@pytest.mark.parametrize("damage", DAMAGES)
def test_p10_a_damaged_object_is_a_clean_error_before_the_first_byte(
    caller: Caller, case: str, damage: str, size: int
) -> None:
    document = caller.file(case, content=content_of(size))
    assert ask(caller, document).body == content_of(size)
    change(caller, document, DAMAGES[damage])
    assert_damaged(caller, document)


@pytest.mark.parametrize("size", [0, SMALL, LARGE])
def test_p10_a_missing_object_is_a_clean_error(caller: Caller, case: str, size: int) -> None:
    document = caller.file(case, content=content_of(size))
    caller.service.box.delete(caller.service.object_of(document))
    assert_damaged(caller, document)


def assert_damaged(caller: Caller, document: str) -> None:
    asked = ask(caller, document)
    assert (asked.status, asked.error) == (500, None)
    assert asked.headers["content-type"] == "application/problem+json"
    assert b"object-damaged" in asked.body
    assert len(asked.body) < 1000
    assert last_outcome(caller, document) == "broken"


@pytest.mark.parametrize("at", [0.3, 0.6, 0.95])
def test_p10_damage_in_the_middle_resets_the_connection(caller: Caller, case: str, at: float) -> None:
    document = caller.file(case, content=content_of(LARGE))
    change(caller, document, flip(at))
    asked = ask(caller, document)
    assert asked.status == 200
    # The promised length is not reached and the connection is reset: no client takes it for the whole.
    assert isinstance(asked.error, httpx.ReadError | httpx.RemoteProtocolError)
    assert content_of(LARGE).startswith(asked.body)
    assert len(asked.body) <= at * LARGE
    said, sent = outcome(caller, asked) or ("", 0)
    assert said == "broken"
    # Nothing of the damaged part was handed over; what was, is what the log says at most.
    assert len(asked.body) <= sent <= at * LARGE
    assert "a release broke off" in caller.service.log()


def test_p10_a_range_before_the_damage_is_read_and_one_with_it_is_not(caller: Caller, case: str) -> None:
    document = caller.file(case, content=content_of(LARGE))
    change(caller, document, flip(0.5))
    before = ask(caller, document, Range="bytes=0-99999")
    assert (before.status, before.body, before.error) == (206, content_of(LARGE)[:100_000], None)
    within = ask(caller, document, Range=f"bytes={LARGE // 2 - 100}-{LARGE // 2 + 100}")
    assert within.status == 500
    assert b"object-damaged" in within.body


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_p10_two_objects_that_changed_places_are_both_damaged(caller: Caller, case: str, size: int) -> None:
    documents = [caller.file(case, content=content_of(size)[::step]) for step in (1, -1)]
    names, box = [caller.service.object_of(document) for document in documents], caller.service.box
    first, second = (box.read(name) for name in names)
    box.write(names[0], second)
    box.write(names[1], first)
    for document in documents:
        asked = ask(caller, document)
        assert asked.status == 500
        assert b"object-damaged" in asked.body


def test_p10_an_older_object_of_the_same_document_does_not_exist(caller: Caller, case: str) -> None:
    """A replaced document is another document: its object in the other's place opens nothing."""
    old = caller.file(case, content=b"old" * 1000)
    new = caller.file(case, content=b"new" * 1000, replaces=old)
    change(caller, new, lambda _: caller.service.box.read(caller.service.object_of(old)))
    assert ask(caller, new).status == 500


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_p10_a_store_that_is_away_is_503_and_comes_back(caller: Caller, case: str, size: int) -> None:
    document = caller.file(case, content=content_of(size))
    waiting = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    with caller.service.box.away():
        asked = ask(caller, document)
        assert asked.status == 503, asked.body
        assert b"store-unavailable" in asked.body
        assert asked.headers["retry-after"]
        upload = caller.coordinator.upload(waiting, content_of(size))
        assert (upload.status_code, upload.json()["code"]) == (503, "store-unavailable")
        ready = caller.http.get("/health/ready")
        assert (ready.status_code, ready.json()["parts"]["store"]) == (503, "store-unavailable")
    assert last_outcome(caller, document) == "broken"
    assert ask(caller, document).body == content_of(size)
    must(caller.coordinator.upload(waiting, content_of(size)))
    assert ask(caller, waiting).body == content_of(size)


@pytest.mark.parametrize("caller", ["bucket"], indirect=True)
def test_p10_a_store_that_hangs_is_not_waited_for_without_end(caller: Caller, case: str) -> None:
    document = caller.file(case, content=content_of(LARGE))
    waiting = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    box = caller.service.box
    assert isinstance(box, BucketBox)
    began = time.monotonic()
    with box.hanging():
        asked = ask(caller, document)
        upload = caller.coordinator.upload(waiting, content_of(LARGE))
        assert caller.coordinator.get(f"/v1/documents/{document}").status_code == 200
    assert (asked.status, upload.status_code) == (503, 503)
    assert time.monotonic() - began < 60
    assert ask(caller, document).body == content_of(LARGE)
    must(caller.coordinator.upload(waiting, content_of(SMALL)))


def test_p10_an_error_tells_nothing_that_the_caller_may_not_know(caller: Caller, case: str) -> None:
    """Damage shows only to whom the document would have opened."""
    document = caller.file(case, "b-lausunto", content=b"hidden")
    caller.service.box.delete(caller.service.object_of(document))
    asked = ask(caller, document)
    assert asked.status == 404
    assert b"damaged" not in asked.body


@pytest.mark.parametrize("column", ["sealed_about", "sealed_digest"])
def test_p10_sealed_fields_that_were_changed_release_nothing(caller: Caller, case: str, column: str) -> None:
    document = caller.file(case, content=b"whole")
    table = "document" if column == "sealed_about" else "filing"
    key = "id" if table == "document" else "document"
    caller.service.sql(
        f"UPDATE vault.{table} SET {column} = set_byte({column}, 9, get_byte({column}, 9) # 1) WHERE {key} = $1",
        document,
    )
    asked = ask(caller, document)
    assert asked.status == 500
    assert b"key-unopenable" in asked.body
    assert b"whole" not in asked.body


def test_p10_a_wrapped_key_that_was_changed_releases_nothing(caller: Caller, case: str) -> None:
    document, other = caller.file(case, content=b"one"), caller.file(case, content=b"two")
    swap = (
        "UPDATE vault.wrapped_key k SET wrapped = o.wrapped FROM vault.wrapped_key o "
        "WHERE k.kind = 'document' AND k.subject = $1 AND o.kind = 'document' AND o.subject = $2"
    )
    caller.service.sql(swap, document, other)
    asked = ask(caller, document)
    assert asked.status == 500
    assert b"key-unopenable" in asked.body
    assert ask(caller, other).body == b"two"
