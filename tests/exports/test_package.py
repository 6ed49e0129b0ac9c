"""P9: the package holds everything about the client, item by item, and other people's programs agree."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.exports.conftest import Person, Scene, data
from tests.support.caller import KELA, PROVIDER, must, permit
from vault.formats.exportschema import FILES, schema

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def full(scene: Scene) -> tuple[Person, zipfile.ZipFile]:
    """A life in the vault: two cases, papers from two agencies, an attachment, a withdrawal, a prohibition, a paper that waits."""
    her, caller = Person(scene), scene.caller
    case, other = her.open_case(name="Maija Mallikas"), her.open_case(name="Maija Mallikas", interpreter="so")
    caller.join(case, "kuntoutus-oy")
    consent = caller.consent(case, [permit("kela"), permit("kuntoutus-oy", ["lausunto"])])
    report = caller.file(case, content=b"the report", title="Raportti <b>äö</b>", filename="../../raportti <1>.pdf")
    caller.file(case, "lausunto", b"received from the provider", by=caller.by(PROVIDER), protected_classes=[])
    caller.file(case, content=b"<script>alert(1)</script>", filename="page.html")
    caller.file(other, content=b"waits", third_persons=True, title="Salainen otsikko")
    taken = caller.file(other, content=b"taken back")
    wrong = caller.file(other, content=b"somebody else's", title="Toisen paperi")
    must(caller.coordinator.post(f"/v1/documents/{taken}/retract"))
    must(caller.coordinator.post(f"/v1/documents/{wrong}/misfiled"))
    assert caller.by(KELA).read(report).status_code == 200
    assert caller.by(KELA).read(taken).status_code == 404
    caller.withdraw(consent, provisions=[2], reason="en halua enää")
    must(caller.coordinator.post(f"/v1/cases/{case}/holds", {"reason": "valitus on kesken"}))
    must(caller.coordinator.request("PATCH", f"/v1/cases/{case}", json={"your_reference": "AYR 77/2026"}))
    her.sign_in()
    return her, scene.unpacked(her)


def test_p09_every_paper_is_in_the_package_or_told_why_not(scene: Scene, full: tuple[Person, zipfile.ZipFile]) -> None:
    her, package = full
    papers = {paper["id"]: paper for paper in data(package, "documents")}
    kept = scene.service.sql(
        "SELECT d.id, d.type, d.source, f.size_bytes FROM vault.document d JOIN vault.filing f ON f.document = d.id"
        " JOIN vault.client_case c ON c.id = d.case_id WHERE c.client = $1::uuid", data(package, "client")["id"])  # fmt: skip
    assert {str(row["id"]) for row in kept} == set(papers)
    for row in kept:
        paper = papers[str(row["id"])]
        assert (paper["type"], paper["source"]["agency"], paper["size"]) == (
            row["type"],
            row["source"],
            row["size_bytes"],
        )
        if paper["how"] == "open":
            content = package.read(paper["file"])
            assert hashlib.sha256(content).hexdigest() == paper["sha256"]
            assert len(content) == row["size_bytes"]
    hows = sorted(paper["how"] for paper in papers.values())
    assert hows == ["misfiled", *["open"] * 7, "waiting"]
    assert {paper["source"]["agency"] for paper in papers.values()} == {"pirha", "kuntoutus-oy"}
    assert her.get(data(package, "export")["export"])["package"]["partial"] is True


def test_p09_consents_prohibitions_and_history_are_complete(scene: Scene, full: tuple[Person, zipfile.ZipFile]) -> None:
    _, package = full
    client = data(package, "client")["id"]
    consents = {one["id"]: one for one in data(package, "consents")}
    kept = scene.service.sql("SELECT c.id, (SELECT count(*) FROM vault.provision p WHERE p.consent = c.id) AS n FROM vault.consent c"
                             " JOIN vault.client_case k ON k.id = c.case_id WHERE k.client = $1::uuid", client)  # fmt: skip
    assert {str(row["id"]): row["n"] for row in kept} == {i: len(one["provisions"]) for i, one in consents.items()}
    forms = {paper["id"]: paper for paper in data(package, "documents") if paper["signed_form"]}
    assert {one["form"] for one in consents.values()} == set(forms)
    assert all(one["form_sha256"] == forms[one["form"]]["sha256"] for one in consents.values())
    [withdrawal] = [w for one in consents.values() for w in one["withdrawals"]]
    assert (withdrawal["provisions"], withdrawal["reason"], withdrawal["recorded_by"]) == (
        [2],
        "en halua enää",
        "pirha",
    )
    [case, other] = sorted(data(package, "cases"), key=lambda one: one["id"])
    assert case["references"] == {"pirha": "AYR 77/2026"}
    assert [hold["reason"] for hold in case["holds"]] == ["valitus on kesken"]
    assert {member["party"]["agency"] for member in case["members"]} == {"pirha", "kela", "kuntoutus-oy"}
    assert (case["given"]["name"], other["interpreter"]) == ("Maija Mallikas", "so")
    assert case["retention"] == {
        "years": 10,
        "rule": "exactly",
        "starts": "end-of-handling",
        "source": case["retention"]["source"],
        "ends": None,
    }
    assert {notice["party"]["agency"] for notice in data(package, "notices")} == {"kela", "kuntoutus-oy"}


def test_p09_who_looked_is_complete_and_names_nobody(scene: Scene, full: tuple[Person, zipfile.ZipFile]) -> None:
    _, package = full
    client, as_of = data(package, "client")["id"], data(package, "export")["as_of"]
    entries = {str(row["id"]) for row in scene.service.sql(
        "SELECT e.id FROM vault.entry e WHERE e.at <= $2::text::timestamptz AND (e.client = $1::uuid OR e.case_id IN"
        " (SELECT id FROM vault.client_case WHERE client = $1::uuid))", client, as_of)}  # fmt: skip
    files = {Path(name).stem for name in package.namelist() if name.startswith("log/entries/")}
    assert files == entries
    openings = data(package, "openings")
    outcomes = {str(row["id"]) for row in scene.service.sql("SELECT id FROM vault.entry WHERE act = 'outcome'")}
    assert {entry for opening in openings for entry in opening["entries"]} == entries - outcomes
    [read] = [o for o in openings if o["act"] == "open" and o["agency"] == "kela" and o["decision"] == "permit"]
    assert (read["role"], read["purpose"], read["provision"], read["outcome"]) == (
        "insurance-secretary", "rehabilitation-planning", 1, "delivered")  # fmt: skip
    assert [o["decision"] for o in openings if o["act"] == "open" and o["decision"] == "deny"]
    everything = b"".join(
        package.read(name) for name in package.namelist() if name.startswith(("data/", "index", "log/entries"))
    )
    professionals = scene.service.sql("SELECT id, subject FROM vault.professional")
    assert not [
        row for row in professionals if str(row["id"]).encode() in everything or row["subject"].encode() in everything
    ]
    assert not [
        name
        for agency in scene.caller.demo.agencies
        for name in (p.name for p in agency.professionals)
        if name.encode() in everything
    ]


def test_p07_the_proofs_verify_offline_with_the_file_inside(
    full: tuple[Person, zipfile.ZipFile], tmp_path: Path
) -> None:
    _, package = full
    package.extractall(tmp_path)
    log = tmp_path / "log"
    names = sorted(path.stem for path in (log / "proofs").iterdir())
    assert names == sorted(path.stem for path in (log / "entries").iterdir())
    key = (log / "log.vkey").read_text().strip()
    for name in names:
        arguments = ["proof", str(log / f"proofs/{name}.txt"), str(log / f"entries/{name}.json"), "--log", key]
        assert inside(log).main(arguments) == 0
    # The command as README.txt says it, for one entry.
    [said] = [line.strip() for line in (log / "README.txt").read_text().splitlines() if "python3 verifier.py" in line]
    said = said.replace("python3", f"'{sys.executable}'", 1)
    command = said.replace("ID", names[0])
    assert subprocess.run(command, shell=True, cwd=log, capture_output=True, check=False).returncode == 0
    shown = json.loads((log / f"entries/{names[0]}.json").read_text())
    shown["digests"][0] = shown["digests"][1]
    (log / "altered.json").write_text(json.dumps(shown))
    altered = said.replace("entries/ID.json", "altered.json").replace("ID", names[0])
    assert subprocess.run(altered, shell=True, cwd=log, capture_output=True, check=False).returncode == 6


def inside(log: Path) -> Any:
    """The verifier that the package holds, as a module."""
    import importlib.util

    name = "verifier_of_the_package"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, log / "verifier.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_every_data_file_keeps_the_published_schema(full: tuple[Person, zipfile.ZipFile]) -> None:
    _, package = full
    published = json.loads((ROOT / "docs/spec/export.schema.json").read_text())
    assert json.loads(schema()) == published == json.loads(package.read("data/schema.json"))
    jsonschema.Draft202012Validator.check_schema(published)
    for name in FILES:
        wanted = {"$ref": f"#/$defs/file.{name}", "$defs": published["$defs"]}
        jsonschema.Draft202012Validator(wanted).validate(data(package, name))
    names = {Path(name).stem for name in package.namelist() if name.startswith("data/")}
    assert names == {*FILES, "schema"}


def test_an_independent_unzip_agrees(full: tuple[Person, zipfile.ZipFile], tmp_path: Path) -> None:
    _, package = full
    assert package.testzip() is None
    path = tmp_path / "export.zip"
    whole = package.fp
    assert isinstance(whole, io.BytesIO)
    path.write_bytes(whole.getvalue())
    tested = subprocess.run(["unzip", "-tq", str(path)], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_file_names_are_safe_and_active_content_is_text(full: tuple[Person, zipfile.ZipFile]) -> None:
    _, package = full
    names = [name for name in package.namelist() if name.startswith("documents/")]
    assert len({name.casefold() for name in names}) == len(names) == 7
    assert all(re.fullmatch(r"documents/[0-9]{4}-[\w.()-]{1,90}", name) for name in names), names
    assert any(name.endswith("-page.html.txt") for name in names)
    assert any(name.endswith("-raportti_1.pdf") for name in names)


def test_what_is_closed_to_her_shows_neither_title_nor_bytes(full: tuple[Person, zipfile.ZipFile]) -> None:
    _, package = full
    everything = b"".join(package.read(name) for name in package.namelist())
    for secret in ("Salainen otsikko", "Toisen paperi", "somebody else's"):
        assert secret.encode() not in everything
    [waits] = [paper for paper in data(package, "documents") if paper["how"] == "waiting"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", waits["answered_by"])
    page = package.read("index.html").decode()
    assert "odottaa tarkistusta; vastaus viimeistään" in page
    assert "toisen henkilön asiakirja" in page


def test_the_page_loads_nothing_runs_nothing_and_escapes(full: tuple[Person, zipfile.ZipFile]) -> None:
    _, package = full
    page = package.read("index.html").decode()
    assert "<script" not in page
    assert "Raportti &lt;b&gt;äö&lt;/b&gt;" in page
    assert not re.findall(r"""(?:src|href)=["'](?!#|documents/|data:,)""", page)
    assert "url(" not in page
    assert "@import" not in page
    assert page.count("<h1") == 1
    assert '<html lang="fi">' in page


def test_the_code_stands_in_no_name_and_not_on_the_page(full: tuple[Person, zipfile.ZipFile]) -> None:
    her, package = full
    assert data(package, "client")["personal_identity_code"] == her.code
    assert her.code not in package.read("index.html").decode()
    assert not [name for name in package.namelist() if her.code in name]
