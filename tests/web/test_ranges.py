"""Ranges that a caller may ask for, and those that are wrong: each is answered in one way, and is an entry of its own."""

from __future__ import annotations

import secrets
import threading
import uuid

import pytest

from tests.support.caller import KELA, Acting, permit
from tests.support.kinds import KINDS
from tests.web.scene import Scene, nothing_left, problem

pytestmark = pytest.mark.kinds(*KINDS)

SIZE = 100_000
CONTENT = secrets.token_bytes(SIZE)

GOOD: dict[str, tuple[int, int]] = {
    "bytes=0-0": (0, 1),
    "bytes=0-99999": (0, SIZE),
    "bytes=16383-16385": (16_383, 16_386),
    "bytes=99999-": (SIZE - 1, SIZE),
    "bytes=-1": (SIZE - 1, SIZE),
    "bytes=-200000": (0, SIZE),
    "bytes=90000-1000000": (90_000, SIZE),
    "bytes=0-999999999999999999": (0, SIZE),
    "bytes=-999999999999999999": (0, SIZE),
}
WRONG = [
    "bytes=10-5", "bytes=99999-0", "bytes=0-10,5-15", "bytes=0-1,3-4", "bytes=0-,0-", "bytes=5-15,0-10", "bytes=-1,-1",
    "bytes=-", "bytes=", "bytes", "", "bytes=a-b", "bytes=0x1-0x2", "bytes=+1-2", "bytes=1-2-3", "bytes=--1", "bytes=1 -2",
    "items=0-1", "Bytes 0-1", "bytes=0-1;2-3", "bytes=0-99999999999999999999", "bytes=" + "9" * 4000 + "-",
    "bytes=" + ",".join(f"{n}-{n}" for n in range(800)),
]  # fmt: skip
BEYOND = [
    "bytes=100000-",
    "bytes=100000-100001",
    "bytes=-0",
    "bytes=999999999999999999-",
    "bytes=100000-999999999999999999",
]


@pytest.fixture(scope="module")
def document(scene: Scene) -> str:
    document = scene.caller.file(scene.case, content=CONTENT)
    assert scene.caller.by(KELA).read(document).content == CONTENT
    return document


@pytest.mark.parametrize("asked", GOOD)
def test_a_range_is_exactly_that_part(scene: Scene, document: str, asked: str) -> None:
    start, end = GOOD[asked]
    answer = scene.caller.by(KELA).read(document, Range=asked)
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", WRONG, ids=lambda text: text[:30])
def test_a_range_that_is_none_is_refused(scene: Scene, document: str, asked: str) -> None:
    """Reversed, overlapping, several, huge, of another unit: the whole document would surprise who has room for a part."""
    with nothing_left(scene.caller.service):
        answer = scene.caller.by(KELA).read(document, Range=asked)
        assert problem(answer) == (400, "invalid-range", "Range")


@pytest.mark.parametrize("asked", BEYOND)
def test_a_range_beyond_the_end_is_told_the_size(scene: Scene, document: str, asked: str) -> None:
    with nothing_left(scene.caller.service):
        answer = scene.caller.by(KELA).read(document, Range=asked)
        assert problem(answer) == (416, "range-not-satisfiable", "Range")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_an_empty_document_has_no_range(scene: Scene) -> None:
    empty = scene.caller.file(scene.case, content=b"")
    for asked in ("bytes=0-", "bytes=0-0", "bytes=-1"):
        answer = scene.caller.by(KELA).read(empty, Range=asked)
        assert (problem(answer)[0], answer.headers["content-range"]) == (416, "bytes */0")


def test_a_range_tells_nothing_of_what_may_not_be_seen(scene: Scene) -> None:
    hidden = scene.caller.file(scene.case, "b-lausunto", content=CONTENT)
    for asked in ("bytes=0-1", BEYOND[0]):
        answers = [scene.caller.by(KELA).read(one, Range=asked) for one in (hidden, str(uuid.uuid4()))]
        assert [problem(one)[:2] for one in answers] == [(404, "not-found")] * 2
        assert "content-range" not in answers[0].headers


def test_if_range_of_an_older_object_is_the_whole_new_one(scene: Scene, document: str) -> None:
    reader = scene.caller.by(KELA)
    older = reader.read(document).headers["etag"]
    content = secrets.token_bytes(SIZE)
    newer = scene.caller.file(scene.case, content=content, replaces=document)
    etag = reader.read(newer).headers["etag"]
    assert etag != older
    for stale in (older, f"W/{etag}", "Mon, 02 Mar 2026 12:00:00 GMT", "*", ""):
        answer = reader.read(newer, Range="bytes=5-9", **{"If-Range": stale})
        assert (answer.status_code, answer.content) == (200, content), stale
        assert "content-range" not in answer.headers
    part = reader.read(newer, Range="bytes=5-9", **{"If-Range": etag})
    assert (part.status_code, part.content) == (206, content[5:10])
    # A condition without a range is none; a wrong range is wrong under every condition.
    assert reader.read(newer, **{"If-Range": older}).content == content
    assert problem(reader.read(newer, Range="bytes=9-5", **{"If-Range": older}))[0] == 400


def test_each_range_is_an_entry_with_what_was_sent(scene: Scene, document: str) -> None:
    """Overlapping parts at once, as separate requests: the log knows each of them."""
    wanted, answers = ["bytes=0-49999", "bytes=40000-99999", "bytes=-30000", "bytes=0-"], {}
    token = scene.caller.by(KELA).token

    def read(asked: str) -> None:
        with scene.caller.client() as http:
            answers[asked] = Acting(http, token).read(document, Range=asked)

    threads = [threading.Thread(target=read, args=(asked,)) for asked in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = {
        answers[asked].headers["vault-log-entry"].partition(";")[0]: len(answers[asked].content) for asked in wanted
    }
    assert sorted(sent.values()) == [30_000, 50_000, 60_000, SIZE]
    query = "SELECT of_entry, outcome, bytes FROM vault.entry WHERE of_entry = ANY ($1::uuid[])"
    rows = scene.until(query, list(sent), count=len(sent))
    assert {str(row["of_entry"]): (row["outcome"], row["bytes"]) for row in rows} == {
        entry: ("delivered", size) for entry, size in sent.items()
    }


def test_a_range_beyond_the_end_is_an_entry_too(scene: Scene, document: str) -> None:
    service = scene.caller.service
    query = (
        "SELECT o.outcome, o.bytes FROM vault.entry p JOIN vault.entry o ON o.of_entry = p.id WHERE p.document = $1 "
        "AND p.act = 'open' ORDER BY p.id DESC LIMIT 1"
    )
    scene.caller.by(KELA).read(document, Range=BEYOND[0])
    assert [tuple(row) for row in service.sql(query, uuid.UUID(document))] == [("delivered", 0)]


def test_p06_a_part_is_asked_for_anew(scene: Scene, document: str) -> None:
    """The next part of a document is a release of its own: what was permitted a moment ago does not carry over."""
    consent = scene.caller.consent(scene.case, [permit("te-palvelut")])
    scene.caller.join(scene.case, "te-palvelut")
    reader = scene.caller.by("te-palvelut-3001")
    first = reader.read(document, Range="bytes=0-9")
    assert first.status_code == 206
    scene.caller.withdraw(consent)
    refused = reader.read(document, Range="bytes=10-19", **{"If-Range": first.headers["etag"]})
    assert (refused.status_code, refused.json()["reasons"]) == (403, ["withdrawn"])
