"""Uploads that stop half way or cannot be read, sent byte by byte: nothing is left behind.

nginx reads requests by its own rules and has tests of its own; here the service is asked without it.
"""

from __future__ import annotations

import socket

import pytest

from tests.support.caller import must
from tests.web.scene import Scene, facts, settled

pytestmark = pytest.mark.kinds("directory", "bucket")


def raw_upload(scene: Scene, document: str, head: str, body: bytes, *, close: bool = True) -> bytes:
    """Send exactly these bytes; returns what was answered before the connection ended."""
    with socket.create_connection(("127.0.0.1", scene.caller.service.port), timeout=20) as raw:
        raw.sendall(
            f"PUT /v1/documents/{document}/content HTTP/1.1\r\nHost: vault\r\nAuthorization: Bearer {scene.desk.token}\r\n"
            f"Content-Type: text/plain\r\n{head}\r\n\r\n".encode()
            + body
        )
        if close:
            raw.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize("size", [10, 5_000_000])
def test_p04_a_body_that_stops_half_way_leaves_nothing(scene: Scene, size: int) -> None:
    document = scene.awaiting()
    before = facts(scene.caller.service)
    raw_upload(scene, document, f"Content-Length: {size * 2}", b"x" * size)
    settled(scene.caller.service, before)
    raw_upload(scene, document, "Transfer-Encoding: chunked", b"5\r\nhello\r\n")
    settled(scene.caller.service, before)
    assert must(scene.desk.get(f"/v1/documents/{document}"))["state"] == "awaiting-content"
    must(scene.desk.upload(document, b"whole"))
    assert scene.desk.read(document).content == b"whole"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: ten", b"x"),
        ("Content-Length: -1", b"x"),
        ("Content-Length: 1\r\nContent-Length: 2", b"xx"),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", b"zz\r\nx\r\n"),
    ],
)
def test_a_length_that_cannot_be_is_refused(scene: Scene, head: str, body: bytes) -> None:
    document = scene.awaiting()
    before = facts(scene.caller.service)
    answer = raw_upload(scene, document, head, body)
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    settled(scene.caller.service, before)
