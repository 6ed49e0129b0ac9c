"""P9, P10: a paper whose stored bytes are not what was filed is left out and told; the rest is given; a new export is free."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exports.conftest import Person, Scene, data
from tests.exports.test_ways import is_free
from tests.support.caller import must
from vault.formats.sealed import sealed_size

LARGE = bytes(range(256)) * 16_000  # four mebibytes: read chunk by chunk
SAYS = "tallennettua sisältöä ei voi lukea"


def path_of(scene: Scene, document: str) -> Path:
    name = scene.service.object_of(document)
    return scene.service.folder / "objects" / name[:2] / name


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


BREAKS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "missing": (b"a small paper", Path.unlink),
    "one bit of a small one": (b"a small paper", lambda path: flip(path, -1)),
    "shortened": (LARGE, lambda path: path.write_bytes(path.read_bytes()[:-1])),
    "half-way": (LARGE, lambda path: flip(path, sealed_size(len(LARGE)) // 2)),
}


DAILY = {"missing", "half-way"}


@pytest.mark.parametrize("how", [pytest.param(how, marks=() if how in DAILY else pytest.mark.long) for how in BREAKS])
def test_p09_a_damaged_paper_is_left_out_and_told_and_mended_it_is_in_the_next(
    scene: Scene, tmp_path: Path, how: str
) -> None:
    content, damage = BREAKS[how]
    her = Person(scene)
    case = her.open_case()
    whole, bad = scene.caller.file(case, content=b"whole"), scene.caller.file(case, content=content)
    last = scene.caller.file(case, content=b"the last")
    path = path_of(scene, bad)
    shutil.copy(path, tmp_path / "kept")
    damage(path)
    her.sign_in()
    export = str(her.order()["id"])
    [told] = scene.work()
    # The operator is told which, by its id; the export is there, and does not say that it is whole.
    assert f"NOT BE READ: {bad}" in told
    view = her.get(export)
    assert (view["state"], view["package"]["partial"]) == ("ready", True)
    package = fetched(her, export)
    papers = {paper["id"]: paper for paper in data(package, "documents")}
    assert {one: papers[one]["how"] for one in (whole, bad, last)} == {whole: "open", bad: "damaged", last: "open"}
    assert (papers[bad]["file"], papers[bad]["title"]) == (None, "Paperi kuntoutuspalaute")
    answer = data(package, "export")
    assert answer["partial"] is True
    assert answer["counts"]["documents"] == answer["counts"]["documents_here"] + 1
    page = package.read("index.html").decode()
    assert SAYS in page
    assert "Paketissa on kaikki asiakirjasi." not in page
    names = {name for name in package.namelist() if name.startswith("documents/")}
    assert names == {paper["file"] for paper in papers.values() if paper["file"]}
    assert damaged(scene) >= {bad}
    # Mended, it is in the next one, and the first has used up nothing.
    shutil.copy(tmp_path / "kept", path)
    assert her.state(export, "delivered")
    assert is_free(scene, her, (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat())
    mended = scene.unpacked(her)
    [paper] = [paper for paper in data(mended, "documents") if paper["id"] == bad]
    assert mended.read(paper["file"]) == content
    assert data(mended, "export")["partial"] is False
    assert bad not in damaged(scene)


def test_p09_a_paper_whose_key_does_not_open_is_left_out_too(scene: Scene) -> None:
    her = Person(scene)
    case = her.open_case()
    bad = scene.caller.file(case, content=b"locked in")
    her.sign_in()
    scene.service.sql("UPDATE vault.document SET sealed_about = set_byte(sealed_about, 20, (get_byte(sealed_about, 20) + 1) % 256) WHERE id = $1::uuid", bad)  # fmt: skip
    package = scene.unpacked(her)
    [paper] = [paper for paper in data(package, "documents") if paper["id"] == bad]
    assert (paper["how"], paper["title"], paper["sha256"]) == ("damaged", None, None)
    assert data(package, "export")["partial"] is True
    assert SAYS in package.read("index.html").decode()


def test_p09_many_damaged_half_way_take_two_turns_and_not_one_each(scene: Scene) -> None:
    her = Person(scene)
    case = her.open_case()
    papers = [scene.caller.file(case, content=LARGE) for _ in range(3)]
    for paper in papers:
        flip(path_of(scene, paper), sealed_size(len(LARGE)) // 2)
    her.sign_in()
    export = str(her.order()["id"])
    scene.work()
    attempts = scene.service.one("SELECT count(*) FROM vault.attempt WHERE export = $1::uuid", export)
    package = fetched(her, export)
    assert {paper["id"] for paper in data(package, "documents") if paper["how"] == "damaged"} == set(papers)
    assert attempts == 2


def fetched(her: Person, export: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(her.content(export).content))


def damaged(scene: Scene) -> set[str]:
    """What the records officer's desk is shown."""
    return {one["id"] for one in must(scene.caller.by("pirha-1004").get("/v1/damaged", params={"limit": 200}))["items"]}
