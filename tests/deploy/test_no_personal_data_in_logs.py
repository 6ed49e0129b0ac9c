"""P5: marked data goes in by every door, with every kind of error; no log line and no metric may show a mark."""

from __future__ import annotations

import json
import logging
import re
import secrets
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.caller import KELA, Acting, must, permit, personal_code
from tests.support.nginx import Front
from vault.api.logs import JsonLines
from vault.api.metrics import Metrics
from vault.errors import ConfirmationRequired, Forbidden, Hidden

REQUEST_FIELDS = {
    "time", "level", "logger", "method", "route", "status", "duration_ms", "bytes_in", "bytes_out", "whole", "request",
}  # fmt: skip


class Marks:
    """Words that stand nowhere else; each is remembered when it is made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, what: str) -> str:
        return self.keep(f"{what}merkki{secrets.token_hex(4)}")

    def keep(self, text: str) -> str:
        self.made.append(text)
        return text


@pytest.fixture
def marks() -> Marks:
    return Marks()


def go_through_the_main_job(front: Front, mark: Marks) -> tuple[str, str, str]:
    """The main job with every text marked: case, document and consent."""
    code, born = personal_code()
    client: dict[str, Any] = {
        "personal_identity_code": mark.keep(code),
        "name": mark("Nimi Ä"),
        "born": born,
        "language": "fi",
    }
    case = front.open_case(members=["kela"], **client)
    must(front.coordinator.patch(f"/v1/cases/{case}", {"your_reference": mark("viite")}))
    must(front.coordinator.post("/v1/clients/find", {"personal_identity_code": code}))
    document = front.file(
        case, content=mark("sisalto").encode(), title=mark("otsikko"), filename=mark("tiedosto") + ".txt"
    )
    consent = front.consent(case, [permit("kela")], signed_by={"capacity": "client", "name": mark("allekirjoittaja")})
    assert front.by(KELA).read(document).status_code == 200
    front.withdraw(consent, reason=mark("syy"))
    assert front.by(KELA).read(document).status_code == 403
    mark.keep(front.coordinator.token.rpartition(".")[2])
    mark.keep(front.by(KELA).token.split(".")[1])
    return case, document, consent


def routes(front: Front) -> Iterator[tuple[str, str]]:
    for path, methods in must(front.http.get("/schema/openapi.json"))["paths"].items():
        for method in methods:
            yield method.upper(), path


def bodies(mark: Marks) -> list[dict[str, Any]]:
    """Bodies that go wrong in different places."""
    word = mark("arvo")
    return [
        {"json": {mark("kentta"): word}},
        {
            "json": {
                "process": word,
                "type": word,
                "document": word,
                "reason": word,
                "agency": word,
                "personal_identity_code": word,
            }
        },
        {"content": f'{{"name": "{mark("rikki")}'.encode(), "headers": {"Content-Type": "application/json"}},
        {"content": mark("raaka").encode(), "headers": {"Content-Type": f"text/{mark('laji')}"}},
        {"data": {"grant_type": mark("lupa"), "assertion": mark("vakuutus"), "token": mark("poletti")}},
    ]


def go_wrong_everywhere(front: Front, acting: Acting, mark: Marks, known: dict[str, str]) -> int:
    count = 0
    for method, template in routes(front):
        right = re.sub(r"\{(\w+)\}", lambda found: known.get(found.group(1), str(uuid.uuid4())), template)
        wrong = re.sub(r"\{\w+\}", lambda _: mark("polku"), template)
        for path in {right, wrong}:
            for body in bodies(mark):
                headers = {
                    "Vault-Confirm": mark("luokka"), "Idempotency-Key": mark("avain"), "Range": f"bytes={mark('osa')}",
                    "User-Agent": mark("ohjelma"), "Referer": f"https://{mark('mista')}.example/", "DPoP": mark("todiste"),
                    "Content-Digest": mark("tiiviste"), "X-Request-Id": mark("numero"),
                } | body.get("headers", {})  # fmt: skip
                query = {"cursor": mark("kohta"), "type": mark("tyyppi"), mark("nimi"): mark("kysely")}
                sent = body | {"headers": headers, "params": query}
                acting.request(method, path, **sent)
                front.http.request(
                    method, path, **(sent | {"headers": headers | {"Authorization": f"Bearer {mark('valtuus')}"}})
                )
                count += 2
    return count


def go_wrong_at_the_front(front: Front, mark: Marks) -> None:
    """What never reaches the service, or reaches no route of it."""
    for path in (
        f"/{mark('tie')}",
        f"/v1/cases/{mark('tapaus')}/documents?{mark('k')}=1",
        f"/metrics?{mark('m')}",
        f"/%00{mark('n')}",
    ):
        front.http.get(path)
        front.http.post(path, content=mark("runko").encode() * 100_000)
    front.http.request(mark("METODI").upper(), "/v1/cases")


def everything_told(front: Front) -> str:
    front.deployed.stop()
    front.deployed.start()  # so that all lines are written, those of the end too
    metrics = httpx.get(f"{front.deployed.direct}/metrics", trust_env=False).text
    return f"{front.deployed.log()}{front.nginx.logs()}{front.deployed.postgres.log_path.read_text()}{metrics}"


def test_p05_no_log_and_no_metric_shows_what_anybody_wrote(front: Front, marks: Marks) -> None:
    case, document, consent = go_through_the_main_job(front, marks)
    known = {"case": case, "document": document, "consent": consent}
    asked = go_wrong_everywhere(front, front.coordinator, marks, known)
    go_wrong_at_the_front(front, marks)
    damaged = front.file(case, content=b"to be damaged", title=marks("vaurio"))
    name = front.deployed.object_of(damaged)
    (front.deployed.folder / "objects" / name[:2] / name).write_bytes(marks("vieras").encode() * 20)
    assert front.coordinator.read(damaged).status_code == 500
    counted = httpx.get(f"{front.deployed.direct}/metrics", trust_env=False).text
    told = (everything_told(front) + counted).lower()

    assert asked > 300
    assert len(front.nginx.log_path.read_text().splitlines()) > 300
    for mark in marks.made:
        assert mark.lower() not in told, mark
        assert quote(mark).lower() not in told, mark
    for value in (case, document, consent):  # ids stand in nginx's path and nowhere in the metrics
        assert value not in counted


def test_every_line_of_the_service_is_json_of_known_fields(front: Front) -> None:
    front.coordinator.get("/v1/cases")
    lines = [json.loads(line) for line in front.deployed.log().splitlines()]
    requests = [line for line in lines if line["logger"] == "vault.requests"]
    assert requests
    assert all(set(line) == REQUEST_FIELDS for line in requests)
    assert all(set(line) <= {"time", "level", "logger", "message", "error"} for line in lines if line not in requests)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["time"]) for line in lines)


def test_metrics_count_requests_releases_and_refusals(front: Front) -> None:
    case = front.open_case(members=["kela"])
    document = front.file(case)
    before = counted(front)
    consent = front.consent(case, [permit("kela")])
    front.by(KELA).read(document)
    front.withdraw(consent)
    front.by(KELA).read(document)
    after = counted(front)
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    content = 'method="GET",route="/v1/documents/{document}/content"'
    assert grown[f'vault_requests_total{{{content},status="200"}}'] == 1
    assert grown[f'vault_requests_total{{{content},status="403"}}'] == 1
    assert grown['vault_releases_total{outcome="delivered"}'] == 1
    assert grown['vault_refusals_total{reason="withdrawn"}'] == 1
    assert grown['vault_door_seconds_count{call="ask"}'] > 2
    assert after["vault_running_downloads"] == 0
    assert "vault_pool_in_use" in after
    assert "process_open_fds" in after


def counted(front: Front) -> dict[str, float]:
    text = httpx.get(f"{front.deployed.direct}/metrics", trust_env=False).text
    pairs = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


# ---------------------------------------------------------------- the parts, without a service


def record(name: str, message: str, *arguments: object, error: BaseException | None = None) -> dict[str, Any]:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, info)
    return dict(json.loads(JsonLines().format(made)))


def test_an_error_is_told_by_its_class_and_place_alone() -> None:
    try:
        raise ValueError("Maija Mallikas")
    except ValueError as error:
        line = record("uvicorn.error", "Exception in ASGI application\n", error=error)
    assert line["message"] == "Exception in ASGI application"
    assert re.fullmatch(r"ValueError at test_no_personal_data_in_logs\.py:\d+", line["error"])
    assert "Maija" not in json.dumps(line)


def test_of_other_libraries_only_the_fixed_part_is_told() -> None:
    assert record("urllib3", "Retrying %r", "https://maija/")["message"] == "Retrying %r"
    assert record("asyncio", "Task exception was never retrieved\nfuture: ValueError('Maija')")["message"] == (
        "Task exception was never retrieved"
    )
    assert record("vault.api", "%s: %s", "object-damaged", "too short")["message"] == "object-damaged: too short"
    assert record("vaultlike", "%s", "x")["message"] == "%s"


def test_reasons_become_labels_only_if_they_are_known() -> None:
    metrics = Metrics()
    for error in (Forbidden(reasons=("withdrawn", "Maija Mallikas")), Hidden(), ConfirmationRequired(), Forbidden()):
        with pytest.raises(type(error)), metrics.door("ask"):
            raise error
    metrics.answered("MAIJA", "/v1/cases", 200, 1, 2)
    metrics.ended("Maija")
    text = metrics.text().decode()
    assert "aija" not in text
    for reason, number in (("withdrawn", 1), ("other", 2), ("hidden", 1), ("confirmation-required", 1)):
        assert f'vault_refusals_total{{reason="{reason}"}} {number}.0' in text
    assert 'vault_requests_total{method="other",route="/v1/cases",status="200"} 1.0' in text
