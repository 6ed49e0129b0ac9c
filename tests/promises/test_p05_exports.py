"""P5: an export gathers everything about a person, and none of it stands in clear: every byte that was written is read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from tests.exports.conftest import Person, Scene, data
from tests.promises.conftest import Start
from tests.promises.test_p05_no_plaintext_at_rest import Markers, findings
from tests.support.caller import permit
from tests.support.service import run


@pytest.mark.timeout(120)
def test_p05_an_export_leaves_nothing_in_clear(start: Start, tmp_path: Path) -> None:
    caller = start(fast=False)
    scene, marks = Scene(caller.service, caller), Markers()
    her = Person(scene)
    case = her.open_case(name=f"{marks.new('name')} Nimi")
    caller.consent(case, [permit("kela")])
    name = marks.new("file name")
    content = marks.new("content").encode() * 20_000
    caller.file(case, content=content, title=marks.new("title"), filename=f"{name}.txt")
    her.sign_in()
    export = her.order()["id"]
    end, told = scene.in_a_process()
    (tmp_path / "worker.log").write_text(told)
    assert (end, her.get(export)["state"]) == (0, "ready"), told
    # What is looked for is in the package, in clear once its owner has it.
    package = zipfile.ZipFile(io.BytesIO(her.content(export).content))
    page = package.read("index.html").decode()
    assert content in {package.read(one) for one in package.namelist()}
    assert data(package, "client")["personal_identity_code"] == her.code
    assert page.count(marks.stem) == 2
    assert f"{name}.txt" in {paper["filename"] for paper in data(package, "documents")}
    assert findings(tmp_path, marks, her.code) == []
    her.http.close()
    caller.service.stop()
    run(caller.service.postgres.stop())
    assert findings(tmp_path, marks, her.code) == []
    assert caller.service.log_path.stat().st_size > 0
