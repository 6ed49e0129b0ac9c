"""An export of any size is made and sent in bounded memory: of the worker, and of the service."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest

from tests.exports.conftest import Person, Scene, data
from tests.promises.test_bounded_memory import MIB, digest_of, pieces
from tests.support.caller import Acting, must, paper

GROWTH = 64 * MIB
PAPERS, SIZE = 4, 64


@pytest.mark.timeout(180)
def test_256_mebibytes_grow_neither_worker_nor_service_by_64(scene: Scene, tmp_path: Path) -> None:
    her = Person(scene)
    case = her.open_case()
    desk = Acting(scene.caller.http, scene.caller.coordinator.token)
    for _ in range(PAPERS):
        document = must(desk.post(f"/v1/cases/{case}/documents", paper()))["id"]
        must(desk.upload(document, pieces(SIZE), **{"Content-Length": str(SIZE * MIB)}))
    her.sign_in()
    export = str(her.order()["id"])
    end, told = scene.in_a_process()
    assert (end, her.get(export)["state"]) == (0, "ready"), told
    grew = re.search(r"grew by (\d+)", told)
    assert grew is not None
    assert int(grew[1]) < GROWTH

    before, got, whole = scene.service.peak_rss(), tmp_path / "export.zip", hashlib.sha256()
    with her.http.stream("GET", f"/v1/me/exports/{export}/content") as answer, got.open("wb") as file:
        for piece in answer.iter_raw(MIB):
            file.write(piece)
            whole.update(piece)
    assert scene.service.peak_rss() - before < GROWTH
    assert her.get(export)["package"]["size"] == got.stat().st_size > PAPERS * SIZE * MIB
    with zipfile.ZipFile(got) as package:
        filed = [one for one in data(package, "documents") if one["size"] == SIZE * MIB]
        assert {one["sha256"] for one in filed} == {digest_of(SIZE)}
        assert len(filed) == PAPERS
        with package.open(filed[0]["file"]) as content:
            assert hashlib.file_digest(content, "sha256").hexdigest() == digest_of(SIZE)
    must(her.http.delete(f"/v1/me/exports/{export}"), 204)
    scene.clear()
