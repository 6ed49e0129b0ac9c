"""A document of any size goes in and out in bounded memory of the service."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.promises.conftest import Start
from tests.support.caller import KELA, Acting, Caller, must, paper, permit

MIB = 1 << 20
GROWTH = 100 * MIB
_PIECE = hashlib.shake_256(b"piece").digest(MIB)


def pieces(count: int) -> Iterator[bytes]:
    """MiB by MiB, no two alike."""
    for number in range(count):
        yield number.to_bytes(8, "big") + _PIECE[8:]


def digest_of(count: int) -> str:
    whole = hashlib.sha256()
    for piece in pieces(count):
        whole.update(piece)
    return whole.hexdigest()


def download(caller: Caller, document: str, pause_s: float = 0) -> str:
    """The SHA-256 of what came. On a machine so busy that the database takes a second to answer, a release is cut (P6)."""
    for _ in range(4):
        try:
            return download_once(caller, document, pause_s)
        except httpx.ReadError:
            continue
    return download_once(caller, document, pause_s)


def download_once(caller: Caller, document: str, pause_s: float) -> str:
    whole = hashlib.sha256()
    headers = {"Authorization": f"Bearer {caller.by(KELA).token}"}
    with caller.http.stream("GET", f"/v1/documents/{document}/content", headers=headers) as answer:
        assert answer.status_code == 200
        for number, piece in enumerate(answer.iter_raw(MIB)):
            whole.update(piece)
            if number == 3:
                time.sleep(pause_s)
    return whole.hexdigest()


def upload(caller: Caller, document: str, count: int) -> dict[str, str]:
    with httpx.Client(base_url=caller.service.url, timeout=300, trust_env=False) as http:
        acting = Acting(http, caller.coordinator.token)
        return must(acting.upload(document, pieces(count), **{"Content-Length": str(count * MIB)}))


def up_and_down(caller: Caller, count: int) -> None:
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    small = caller.file(case, content=b"x" * MIB)
    assert caller.by(KELA).read(small).status_code == 200
    document = must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"]
    wanted, before = digest_of(count), caller.service.peak_rss()

    filed = upload(caller, document, count)
    after_upload = caller.service.peak_rss()
    # A reader that pauses makes the service wait, not store up.
    got = download(caller, document, pause_s=0.5)

    assert (filed["sha256"], got) == (wanted, wanted)
    assert after_upload - before < GROWTH
    assert caller.service.peak_rss() - before < GROWTH


@pytest.mark.timeout(240)
@pytest.mark.parametrize("store", ["directory", "bucket"])
def test_a_large_document_goes_in_and_out_in_bounded_memory(start: Start, store: str) -> None:
    up_and_down(start(store=store), 256)


@pytest.mark.timeout(240)
def test_several_at_once_stay_bounded(start: Start) -> None:
    caller = start()
    case = caller.open_case(members=["kela"])
    caller.consent(case, [permit("kela")])
    documents = [must(caller.coordinator.post(f"/v1/cases/{case}/documents", paper()))["id"] for _ in range(6)]
    caller.by(KELA)
    before = caller.service.peak_rss()
    with ThreadPoolExecutor(6) as pool:
        for filed in pool.map(lambda one: upload(caller, one, 32), documents):
            assert filed["sha256"] == digest_of(32)
        assert set(pool.map(lambda one: download(caller, one), documents)) == {digest_of(32)}
    assert caller.service.peak_rss() - before < GROWTH


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", ["directory", "bucket"])
def test_a_gibibyte_goes_in_and_out_in_bounded_memory(start: Start, store: str) -> None:
    up_and_down(start(store=store), 1024)
