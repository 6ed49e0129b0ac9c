"""The main job through the recipe of deploy/nginx: what passes, what is refused, and in which form."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.walk import page_routes
from tests.support.caller import KELA, must, permit
from tests.support.nginx import Authority, Front, Nginx

CONTENT = "/v1/documents/01890a5d-ac96-774b-bcce-b302099a8057/content"


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (body["status"], body["type"]) == (answer.status_code, f"urn:vault:problem:{body['code']}")
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
    return answer.status_code, str(body["code"])


def curl(front: Front, *arguments: str, body: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = ["curl", "-sS", "--cacert", str(front.authority.certificate), *arguments]
    return subprocess.run(command, input=body, capture_output=True, timeout=60, check=False)


def raw(front: Front, request: bytes) -> bytes:
    """One answer to bytes that no HTTP library would send."""
    context = front.authority.context()
    with (
        socket.create_connection(("127.0.0.1", front.nginx.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(request)
        answer = b""
        while chunk := secure.recv(65536):
            answer += chunk
    return answer


def lines_of(front: Front) -> list[dict[str, Any]]:
    return [json.loads(line) for line in front.nginx.log_path.read_text().splitlines()]


def test_the_main_job_through_tls(front: Front) -> None:
    case = front.open_case(members=["kela"])
    document = front.file(case, content=b"through the front")
    consent = front.consent(case, [permit("kela")])
    answer = front.by(KELA).read(document)
    assert (answer.status_code, answer.content) == (200, b"through the front")
    assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    front.withdraw(consent)
    assert problem_of(front.by(KELA).read(document)) == (403, "forbidden")


def test_the_main_job_over_http_2(front: Front, tmp_path: Path) -> None:
    case = front.open_case(members=["kela"])
    document = must(front.coordinator.post(f"/v1/cases/{case}/documents", _paper()))["id"]
    front.consent(case, [permit("kela")])
    content = bytes(range(256)) * 20_000
    where = f"{front.nginx.url}/v1/documents/{document}/content"
    bearer = f"Authorization: Bearer {front.coordinator.token}"
    sent = curl(
        front,
        "--http2",
        "-w",
        "%{http_version} %{http_code}",
        "-o",
        "/dev/null",
        "-H",
        bearer,
        "-T",
        "-",
        where,
        body=content,
    )
    assert sent.stdout == b"2 200", sent
    got = curl(
        front,
        "--http2",
        "-w",
        "%{http_version}",
        "-H",
        f"Authorization: Bearer {front.by(KELA).token}",
        "-o",
        str(tmp_path / "got"),
        where,
    )
    assert (got.stdout, (tmp_path / "got").read_bytes()) == (b"2", content)


def _paper() -> dict[str, Any]:
    return {
        "type": "kuntoutuspalaute", "title": "Palaute", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
        "filename": "palaute.txt", "media_type": "text/plain",
    }  # fmt: skip


def test_ranges_pass(front: Front) -> None:
    content = bytes(range(256)) * 9_000
    case = front.open_case()
    document = front.file(case, content=content)
    whole = front.coordinator.read(document)
    answer = front.coordinator.read(document, Range="bytes=70000-1500000", **{"If-Range": whole.headers["etag"]})
    assert (answer.status_code, answer.content) == (206, content[70_000:1_500_001])
    assert answer.headers["content-range"] == f"bytes 70000-1500000/{len(content)}"
    assert problem_of(front.coordinator.read(document, Range="bytes=99999999-"))[0] == 416


def test_only_tls_1_3_and_only_our_name(front: Front) -> None:
    old = front.authority.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(httpx.ConnectError):
        httpx.get(front.nginx.url, verify=old, trust_env=False)
    context = front.authority.context()
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", front.nginx.port), 10) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="elsewhere.example")


def test_client_certificates_are_asked_for_where_the_recipe_says_so(front: Front, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    stranger = Authority(tmp_path / "other", "Another authority")
    nginx = Nginx(tmp_path / "nginx", front.deployed.port, authority, mtls=True)
    nginx.start()
    try:
        known = httpx.get(
            f"{nginx.url}/health/live", verify=authority.context(authority.issue("kela")), trust_env=False
        )
        assert (known.status_code, known.json()) == (200, {"status": "ok"})
        without = httpx.get(f"{nginx.url}/health/live", verify=authority.context(), trust_env=False)
        assert problem_of(without) == (400, "client-certificate-required")
        foreign = httpx.get(
            f"{nginx.url}/health/live", verify=authority.context(stranger.issue("kela")), trust_env=False
        )
        assert problem_of(foreign) == (400, "client-certificate-required")
    finally:
        nginx.stop()


def test_an_early_refusal_does_not_cost_the_next_request(front: Front) -> None:
    """The service refuses before it has read a body; the caller asks on over the same connection."""
    document = uuid.uuid4()
    for _ in range(100):
        for method, path in (("POST", "/v1/cases"), ("PUT", f"/v1/documents/{document}/content")):
            refused = front.http.request(method, path, content=b"x" * 5000, headers={"Authorization": "Bearer none"})
            assert problem_of(refused) == (401, "invalid-token")
    assert refused.headers["connection"] == "close"


# ---------------------------------------------------------------- errors of nginx's own


def test_a_large_body_is_taken_only_where_content_is_put(front: Front) -> None:
    much = b"x" * (1024 * 1024 + 1)
    assert problem_of(front.coordinator.post("/v1/cases", content=much, json=None)) == (413, "too-large")
    assert problem_of(front.http.post("/oauth/token", content=b"x" * 70_000)) == (413, "too-large")
    case = front.open_case()
    document = front.file(case, content=much * 3)
    assert len(front.coordinator.read(document).content) == len(much) * 3


def test_bytes_that_are_no_request_are_told_so(front: Front) -> None:
    for request, code in (
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", b"malformed-request"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"address-too-long"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Much: " + b"a" * 20_000 + b"\r\n\r\n", b"header-too-large"),
        (
            b"PUT " + CONTENT.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6000000000\r\n\r\n",
            b"too-large",
        ),
        (b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"method-not-allowed"),
    ):
        answer = raw(front, request)
        assert b"application/problem+json" in answer, answer
        assert b'"code":"' + code + b'"' in answer, answer
    with socket.create_connection(("127.0.0.1", front.nginx.port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"https-required" in plain.recv(65536)


def test_the_token_endpoint_is_narrow_by_address(front: Front, tmp_path: Path) -> None:
    nginx = Nginx(tmp_path / "nginx", front.deployed.port, front.authority)
    nginx.start()
    try:
        with httpx.Client(base_url=nginx.url, verify=front.authority.context(), trust_env=False) as http:
            answers = [http.post("/oauth/token", data={"grant_type": "none"}) for _ in range(160)]
        often = [answer for answer in answers if answer.status_code == 429]
        assert {answer.status_code for answer in answers} == {400, 429}
        assert answers[0].status_code == 400
        assert problem_of(often[0]) == (429, "too-many-requests")
        assert often[0].headers["retry-after"] == "1"
    finally:
        nginx.stop()


def test_a_service_that_is_not_there_is_told_as_unavailable(front: Front, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nginx = Nginx(tmp_path / "nginx", port, front.authority)
    nginx.start()
    try:
        with httpx.Client(base_url=nginx.url, verify=front.authority.context(), trust_env=False) as http:
            for method, path in (("GET", "/v1/cases"), ("GET", CONTENT), ("PUT", CONTENT), ("POST", "/oauth/token")):
                answer = http.request(method, path)
                assert problem_of(answer) == (503, "unavailable")
                assert answer.headers["retry-after"] == "2"
            assert problem_of(http.get("/metrics")) == (404, "not-found")
    finally:
        nginx.stop()


# ---------------------------------------------------------------- what nginx tells the service, and the log


def test_metrics_are_for_the_machine_itself(front: Front) -> None:
    local = httpx.get(f"{front.deployed.direct}/metrics", trust_env=False)
    assert local.status_code == 200
    assert "vault_requests_total" in local.text
    for path in ("/metrics", "/metrics/", "//metrics", "/x/../metrics", "/%6detrics"):
        assert b'"code":"not-found"' in raw(
            front, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        ), path
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        passed_on = httpx.get(f"{front.deployed.direct}/metrics", headers={header: "127.0.0.1"}, trust_env=False)
        assert passed_on.status_code == 404


def test_what_a_caller_says_of_its_address_is_not_passed_on(front: Front, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        nginx = Nginx(tmp_path / "nginx", upstream.getsockname()[1], front.authority)
        nginx.start()
        try:
            forged = {
                "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example",
                "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X-Request-Id": "forged",
            }  # fmt: skip
            command = [word for name, value in forged.items() for word in ("-H", f"{name}: {value}")]
            asking = subprocess.Popen(
                ["curl", "-s", "--cacert", str(front.authority.certificate), *command, f"{nginx.url}/v1/cases"]
            )
            upstream.settimeout(10)
            connection, _ = upstream.accept()
            head = connection.recv(65536).decode().lower()
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            asking.wait(10)
            connection.close()
        finally:
            nginx.stop()
    assert head.startswith("get /v1/cases http/1.1\r\n")
    assert "203.0.113.9" not in head
    assert "evil.example" not in head
    assert "forged" not in head
    assert "x-forwarded-for: 127.0.0.1\r\n" in head
    assert "x-forwarded-proto: https\r\n" in head


def test_one_request_has_one_id_in_both_logs(front: Front) -> None:
    answer = front.coordinator.get(f"/v1/cases/{uuid.uuid4()}")
    number = answer.headers["x-request-id"]
    time.sleep(0.2)
    [theirs] = [line for line in lines_of(front) if line["request"] == number]
    ours = [json.loads(line) for line in front.deployed.log().splitlines() if number in line]
    assert (theirs["method"], theirs["status"]) == ("GET", 404)
    assert [(line["route"], line["status"], line["whole"]) for line in ours] == [("/v1/cases/{case}", 404, True)]


def test_the_log_knows_every_route(front: Front) -> None:
    """A path of the interface is shown; what is none stands as a dash."""
    paths = set(must(front.http.get("/schema/openapi.json"))["paths"])
    pages = {route.partition(" ")[2] for route in page_routes()}
    for template in paths | {page for page in pages - {"/"} if "str}" not in page}:
        path = re.sub(r"\{[^}]*\}", str(uuid.uuid4()), template)
        number = front.http.request("OPTIONS", path).headers["x-request-id"]
        time.sleep(0.02)
        assert [line["path"] for line in lines_of(front) if line["request"] == number] == [path]
    number = front.http.get("/v1/cases/maija.mallikas").headers["x-request-id"]
    time.sleep(0.1)
    assert [line["path"] for line in lines_of(front) if line["request"] == number] == ["-"]
