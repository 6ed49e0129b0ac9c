"""P5: an export gathers everything about a person, and none of it stands in clear: every byte that was written is read."""

from __future__ import annotations

import io
import signal
import zipfile
from pathlib import Path

import pytest

from tests.exports.conftest import Person, Scene, data
from tests.exports.killed_worker import open_files
from tests.promises.conftest import Start
from tests.promises.test_p05_no_plaintext_at_rest import Markers, findings
from tests.support.caller import permit
from tests.support.service import run

STEP = "half-way into the store"


def strange(names: list[str], root: Path) -> list[str]:
    """Open files that are neither the store's, a log nor a program's: where something could have been put aside."""
    known = (f"{root}/vault/", "/usr/", "/lib")
    return [name for name in names if not name.startswith(known)]


@pytest.mark.timeout(240)
def test_p05_an_export_leaves_nothing_in_clear(start: Start, tmp_path: Path) -> None:
    aside = tmp_path / "tmp"
    aside.mkdir()
    caller = start(fast=False, TMPDIR=str(aside))
    scene, marks = Scene(caller.service, caller), Markers()
    her = Person(scene)
    case = her.open_case(name=f"{marks.new('name')} Nimi")
    caller.consent(case, [permit("kela")])
    name = marks.new("file name")
    content = marks.new("content").encode() * 200_000
    document = caller.file(case, content=content, title=marks.new("title"), filename=f"{name}.txt")
    her.sign_in()
    assert (
        her.http.post("/v1/me/requests", json={"kind": "correction", "text": marks.new("request")}).status_code == 201
    )
    export = str(her.order()["id"])

    # Killed half-way: what it had open, what it put aside, and the half of an object that was in the store by then.
    listed = tmp_path / "open-files"
    end, told = scene.in_a_process(STEP, TMPDIR=str(aside), OPEN_FILES=str(listed))
    assert (end, told) == (-signal.SIGKILL, "")
    assert strange(listed.read_text().splitlines(), tmp_path) == []
    assert sum(half.stat().st_size for half in tmp_path.glob("open-files.*")) > 1_000_000
    assert list(aside.iterdir()) == []

    scene.service.sql("UPDATE vault.export_claim SET until = '-infinity'")
    end, told = scene.in_a_process(TMPDIR=str(aside))
    (tmp_path / "worker.log").write_text(told)
    assert (end, her.get(export)["state"]) == (0, "ready"), told
    with her.http.stream("GET", f"/v1/me/exports/{export}/content") as answer:
        pieces = answer.iter_raw(65536)
        first = next(pieces)
        assert strange(open_files(caller.service.pid), tmp_path) == []
        whole = first + b"".join(pieces)
    # What is looked for is in the package, in clear once its owner has it.
    package = zipfile.ZipFile(io.BytesIO(whole))
    [paper] = [one for one in data(package, "documents") if one["id"] == document]
    assert package.read(paper["file"]) == content
    assert (data(package, "client")["personal_identity_code"], paper["filename"]) == (her.code, f"{name}.txt")
    assert package.read("index.html").decode().count(marks.stem) >= 3

    scene.service.sql("UPDATE vault.export_package SET expires_at = now()")
    assert scene.clear()[0] == 1
    assert her.content(export).status_code == 404
    her.http.close()
    caller.close()
    caller.service.stop()
    run(caller.service.postgres.stop())
    assert list(aside.iterdir()) == []
    assert findings(tmp_path, marks, her.code) == []
    assert caller.service.log_path.stat().st_size > 0
