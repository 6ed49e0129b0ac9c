"""`vault demo` as somebody who cloned the project sees it: one walk, one served vault, and a directory that keeps both.

The demo runs as a process of its own; what is checked is what it prints, what its service answers, and what lies in its
directory. The scan is small here.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import clean_environment
from tests.cli.running import PLANNING, Desk, Running, free_port, ok
from vault.demo.caller import JWT_BEARER, load_demo, professional_form
from vault.demo.tell import Teller


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One demo for the module, walked, ready and serving on a free port."""
    running = Running(tmp_path_factory.mktemp("demo") / "data", "--port", str(free_port()))
    try:
        running.until_ready()
        yield running
    finally:
        running.kill()


@pytest.fixture
def desk(demo: Running) -> Iterator[Desk]:
    desk = Desk(load_demo(demo.folder))
    with desk.clients:
        yield desk


# ---------------------------------------------------------------- what it tells


def test_it_walks_the_whole_job_and_finds_nothing_wrong(demo: Running) -> None:
    headings = re.findall(r"^(\d+)\. (.+)$", demo.told, re.MULTILINE)
    assert [int(number) for number, _ in headings] == list(range(1, len(headings) + 1))
    assert headings[0][1] == "A case is opened"
    assert headings[-1][1] == "The case's log"
    assert "WRONG" not in demo.told
    assert "everything went as the consent says" in demo.told


def test_each_decision_is_told_with_its_ground(demo: Running) -> None:
    told = re.sub(r" +", " ", demo.told)
    assert "permitted kela, insurance secretary kuntoutuspalaute.pdf clause 2," in told
    assert "permitted te-palvelut, employment officer ammatillinen-suunnitelma.pdf clause 3," in told
    assert "denied te-palvelut, employment officer b-lausunto.pdf (404)" in told
    assert "A provision of the consent forbids this." in told
    assert "The consent does not cover this purpose." in told
    assert "confirm pirha, physician b-lausunto.pdf (428)" in told
    assert "The consent has been withdrawn." in told
    assert "10 readings that were permitted, 9 that were denied and 1 that was asked to confirm" in " ".join(
        told.split()
    )


def test_it_is_plain_where_nobody_watches(demo: Running) -> None:
    assert "\033" not in demo.told
    assert "\r" not in demo.told


def test_the_ready_line_and_how_to_get_a_token(demo: Running, desk: Desk) -> None:
    assert f"\nready: {desk.demo.base_url} (data in {demo.folder})\n" in demo.told
    assert f"vault token --demo {demo.folder} --as kela-2001 --purpose {PLANNING}" in demo.told


# ---------------------------------------------------------------- what it leaves on disk


def test_demo_json_says_how_to_call_the_vault(demo: Running) -> None:
    facts = json.loads((demo.folder / "demo.json").read_text())
    assert set(facts) == {"base_url", "issuer", "agencies", "sign_in", "log"}
    assert facts["issuer"] == facts["base_url"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", facts["base_url"])
    assert len(facts["agencies"]) == 5
    kinds = set()
    for agency in facts["agencies"]:
        assert set(agency) == {"id", "name", "applications", "professionals"}
        assert len(agency["applications"]) == 2
        for application in agency["applications"]:
            assert set(application) == {"client_id", "private_jwk"}
            assert application["private_jwk"]["kid"]
            kinds.add(application["private_jwk"]["crv"])
        for person in agency["professionals"]:
            assert {"sub", "name", "role"} <= set(person) <= {"sub", "name", "role", "unit"}
    assert kinds == {"Ed25519", "P-256"}
    assert any(p["role"] == "coordinator" for agency in facts["agencies"] for p in agency["professionals"])


def test_secrets_are_this_account_s_alone(demo: Running) -> None:
    for name in ("demo.json", "roles.json", "walk.json"):
        assert stat.S_IMODE((demo.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((demo.folder / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(demo.folder.stat().st_mode) & 0o066 == 0


def test_the_demo_s_papers_do_not_lie_there_in_clear(demo: Running) -> None:
    assert (
        found_in(
            demo.folder, [b"Maija Mallikas", b"140599-923", b"kuntoutuspalaute.pdf", b"%PDF-1.", b"Omat tavoitteeni"]
        )
        == []
    )


def found_in(folder: Path, needles: list[bytes]) -> list[str]:
    """The files below a folder that hold one of these strings."""
    pattern = re.compile(b"|".join(re.escape(needle) for needle in needles))
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if pattern.search(path.read_bytes())]


# ---------------------------------------------------------------- what its service does


def test_the_main_job_by_hand(demo: Running, desk: Desk) -> None:
    """Consent permits exactly what it says, a withdrawal bites, and nothing lies in clear in the directory."""
    mark = f"MERKKI{secrets.token_hex(12)}"
    coordinator = desk.person("pirha-1001")
    client = {"name": f"{mark} Mallikas", "born": "1999-05-14", "language": "fi"}
    case = ok(coordinator.post("/v1/cases", json={"process": "ayr", "client": client}))["id"]
    consent = record_consent(desk, coordinator, case)
    for agency, role in (("kela", "insurance-secretary"), ("te-palvelut", "employment-officer")):
        ok(coordinator.post(f"/v1/cases/{case}/members", json={"agency": agency, "role": role}))
    content = b"".join(mark.encode() + os.urandom(400) for _ in range(5_000))
    report = desk.file(coordinator, case, "kuntoutuspalaute", content, title=f"{mark} otsikko", filename=f"{mark}.txt")
    plan = desk.file(coordinator, case, "ammatillinen-suunnitelma", b"suunnitelma", attachment_of=report)

    kela, other = desk.person("kela-2001"), desk.person("te-palvelut-3001")
    got = read(kela, report)
    assert (got.status_code, got.content) == (200, content)
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["vault-log-entry"]
    unknown = read(kela, str(uuid.uuid4()))
    for answer in (read(kela, plan), read(other, report)):
        assert answer.status_code == unknown.status_code == 404
        assert sorted(answer.headers) == sorted(unknown.headers)
        assert told(answer) == told(unknown)
    wrong_purpose = read(desk.person("kela-2001", "benefit-decision"), report)
    assert (wrong_purpose.status_code, wrong_purpose.json()["reasons"]) == (403, ["purpose-not-covered"])
    assert read(desk.system("kela"), report).status_code in (403, 404)
    listed = [item["id"] for item in ok(kela.get(f"/v1/cases/{case}/documents"))["items"]]
    assert listed == [report]
    ok(coordinator.post(f"/v1/consents/{consent}/withdraw", json={}))
    after = read(kela, report)
    assert after.status_code == 403
    assert "withdrawn" in after.json()["reasons"]
    openings = [item for item in ok(coordinator.get(f"/v1/cases/{case}/log"))["items"] if item["act"] == "open"]
    assert {opening["decision"] for opening in openings} == {"permit", "deny"}
    assert len(openings) >= 5
    raw = mark.encode()
    encoded = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)]
    assert found_in(demo.folder, [raw, raw.hex().encode(), *encoded]) == []


def record_consent(desk: Desk, coordinator: httpx.Client, case: str) -> str:
    anybody = [{"any": True}]
    shared = {"sources": anybody, "purposes": [PLANNING], "future_documents": True}
    form = desk.file(coordinator, case, "suostumus", b"allekirjoitettu lomake")
    made = coordinator.post(f"/v1/cases/{case}/consents", json={
        "form": form, "signed_on": "2026-03-01", "language": "fi", "valid_from": "2026-01-01", "valid_until": None,
        "signed_by": {"capacity": "client", "name": "Mallikas"}, "verified": {"how": "paper-original-seen"},
        "provisions": [
            {"effect": "permit", "recipients": anybody, "documents": anybody, "actions": ["handle"]} | shared,
            {"effect": "permit", "recipients": [{"agency": "kela"}], "documents": [{"type": "kuntoutuspalaute"}], "actions": ["read"]} | shared,
        ],
    })  # fmt: skip
    return str(ok(made)["id"])


def read(who: httpx.Client, document: str) -> httpx.Response:
    return who.get(f"/v1/documents/{document}/content")


def told(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name not in ("instance", "request_id")}


def test_the_first_applications_take_bearer_tokens_and_the_second_require_dpop(desk: Desk) -> None:
    for agency in desk.demo.agencies:
        forms = [professional_form(desk.demo, one, agency.professionals[0], PLANNING) for one in agency.applications]
        assert all(form["grant_type"] == JWT_BEARER for form in forms)
        first, second = (httpx.post(desk.demo.base_url + "/oauth/token", data=form, trust_env=False) for form in forms)
        assert (first.status_code, first.json()["token_type"]) == (200, "Bearer")
        assert (second.status_code, second.json()["error"]) == (400, "invalid_dpop_proof")


def test_vault_token_prints_a_token_that_works(demo: Running, desk: Desk) -> None:
    done = vault("token", "--demo", str(demo.folder), "--as", "te-palvelut-3001", "--purpose", "employment-support")
    assert (done.returncode, done.stderr) == (0, "")
    documents = json.loads((demo.folder / "walk.json").read_text())["documents"]
    assert read(desk.api(done.stdout.strip()), documents["plan"]).content.startswith(b"%PDF-")


def test_vault_token_for_somebody_unknown_names_who_there_is(demo: Running) -> None:
    done = vault("token", "--demo", str(demo.folder), "--as", "kela-9999", "--purpose", PLANNING)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "vault: the demo has no professional kela-9999; there are: pirha-1001 (coordinator), "
    )
    done = vault("token", "--demo", str(demo.folder), "--as", "kela-2001", "--purpose", PLANNING, "--role", "coach")
    assert done.stderr.startswith("vault: the demo has no professional kela-2001 with the role coach; there are: ")


def test_a_second_demo_on_the_same_directory_is_refused(demo: Running) -> None:
    done = vault("demo", "--data", str(demo.folder), "--exit")
    assert done.returncode == 1
    assert done.stderr == f"vault: the database in {demo.folder / 'postgres'} is in use by another process\n"


def test_a_port_that_is_taken_is_refused_when_it_was_asked_for(demo: Running, desk: Desk, tmp_path: Path) -> None:
    port = desk.demo.base_url.rpartition(":")[2]
    done = vault("demo", "--data", str(tmp_path / "other"), "--port", port, "--exit")
    assert (
        done.stderr == f"vault: cannot listen on 127.0.0.1 port {port} (Address already in use); choose another port\n"
    )


def vault(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vault", *arguments]
    return subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=100)


def test_the_readme_s_lines_do_what_they_say(demo: Running, tmp_path: Path) -> None:
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    block = re.search(r"<!-- by hand: .*? -->\n```sh\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    (tmp_path / "demo-data").symlink_to(demo.folder)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block[1]], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True
    )  # fmt: skip
    assert "200 OK" in done.stdout
    assert (tmp_path / "plan.pdf").read_bytes().startswith(b"%PDF-")
    assert '"code":"not-found"' in done.stdout
    assert '"decision":"deny"' in done.stdout
    assert '"document-not-covered"' in done.stdout
    assert '"act":"case-open"' in done.stdout


def test_p07_the_demo_s_checkpoint_is_signed_and_cosigned_by_another_process(demo: Running, tmp_path: Path) -> None:
    shown = json.loads((demo.folder / "demo.json").read_text())
    (tmp_path / "checkpoint").write_text(cosigned(shown["base_url"]))
    keys = ["--log", shown["log"]["key"], "--witness", shown["log"]["witness"], "--quorum", "1"]
    done = vault("log", "verify", "checkpoint", str(tmp_path / "checkpoint"), *keys)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(witnesses_of(demo.folder)) == 1


def cosigned(url: str) -> str:
    """The newest checkpoint, once a witness has cosigned it."""
    deadline = time.monotonic() + 10
    while True:
        note = httpx.get(f"{url}/v1/log/checkpoint", trust_env=False).text
        if note.count("\n\u2014 ") >= 2 or time.monotonic() > deadline:
            return note
        time.sleep(0.1)


def witnesses_of(folder: Path) -> list[str]:
    """The processes that run the demo's witness."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and str(folder / "witness").encode() in (entry / "cmdline").read_bytes().split(
                b"\0"
            ):
                found.append(entry.name)
    return found


# ---------------------------------------------------------------- stopping and starting again (these end the module's demo)


def servers_of(folder: Path) -> list[str]:
    """The processes that run on the demo's database."""
    cluster = (folder / "postgres" / "cluster").resolve()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == cluster:
                found.append(entry.name)
    return found


def test_ctrl_c_stops_both_and_the_next_start_keeps_everything(demo: Running, desk: Desk) -> None:
    assert servers_of(demo.folder)
    code, last = demo.stop(signal.SIGINT)
    assert (code, last) == (0, "\nstopped; the data stay where they are\n")
    assert servers_of(demo.folder) == []
    assert witnesses_of(demo.folder) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(desk.demo.base_url, trust_env=False)
    before = json.loads((demo.folder / "demo.json").read_text())
    walked = json.loads((demo.folder / "walk.json").read_text())

    again = Running(demo.folder)
    try:
        again.until_ready()
        assert json.loads((demo.folder / "demo.json").read_text()) == before
        assert "1. A case is opened" not in again.told
        assert f"   case      {walked['case']}\n" in again.told
        assert read(desk.person("te-palvelut-3001"), walked["documents"]["plan"]).status_code == 200
        denied = read(desk.person("kela-2001"), walked["documents"]["report"])
        assert "withdrawn" in denied.json()["reasons"]
        assert again.stop(signal.SIGTERM)[0] == 0
    finally:
        again.kill()
    assert servers_of(demo.folder) == []


def test_a_start_that_was_interrupted_is_completed_by_the_next_one(tmp_path: Path) -> None:
    first = Running(tmp_path / "data", "--exit")
    assert first.process.stdout is not None
    assert first.process.stdout.readline().startswith("PostgreSQL starts in ")
    time.sleep(1.0)
    code, _ = first.stop(signal.SIGTERM)
    assert code == 130
    assert servers_of(tmp_path / "data") == []
    done = vault("demo", "--data", str(tmp_path / "data"), "--exit", "--scan-bytes", "2500000")
    assert (done.returncode, done.stderr) == (0, "")
    assert "everything went as the consent says" in done.stdout


def test_a_demo_that_lost_its_keyring_says_so(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "cluster").mkdir(parents=True)
    done = vault("demo", "--data", str(tmp_path), "--exit")
    assert done.returncode == 1
    assert done.stderr == f"vault: {tmp_path / 'keys'} is missing: without it nothing in {tmp_path} can be opened\n"


def test_a_walk_that_goes_wrong_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller(sys.stdout, colour=True)
    assert teller.expect("kela reads kuntoutuspalaute.pdf", 200, 200)
    assert not teller.expect("te-palvelut reads b-lausunto.pdf", 200, 404)
    assert teller.faults == ["te-palvelut reads b-lausunto.pdf: 200 instead of 404"]
    assert "\033[1;31mWRONG\033[0m" in capsys.readouterr().out
