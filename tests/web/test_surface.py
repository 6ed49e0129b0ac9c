"""Small things of the HTTP surface that a caller's software leans on: header fields, titles, media types."""

from __future__ import annotations

import re

from tests.support.caller import KELA, Caller, permit
from tests.web.answers import code_of, shared


def test_a_range_beyond_the_end_tells_the_size_and_is_logged(caller: Caller) -> None:
    _, document, _ = shared(caller, permit("kela"), content=b"0123456789")
    for header in ("bytes=10-", "bytes=99-100", "bytes=-0"):
        answer = caller.by(KELA).read(document, Range=header)
        assert code_of(answer) == (416, "range-not-satisfiable")
        assert answer.headers["content-range"] == "bytes */10"
        entry = answer.headers["vault-log-entry"].partition(";")[0]
        [row] = caller.service.sql("SELECT act, decision, byte_range FROM vault.entry WHERE id = $1", entry)
        assert tuple(row) == ("open", "permit", header.removeprefix("bytes="))
        [ended] = caller.service.sql(
            "SELECT outcome, bytes FROM vault.entry WHERE of_entry = $1 AND act = 'outcome'", entry
        )
        assert ended["bytes"] == 0


def test_a_title_says_what_kind_of_problem_it_is(caller: Caller) -> None:
    _, document, _ = shared(caller, permit("kela"))
    titles = {
        caller.by(KELA).read(document, Range="bytes=99-").json()["title"],
        caller.by(KELA).read(document, Range="bytes=9-1").json()["title"],
        caller.coordinator.post("/v1/cases", {}).json()["title"],
        caller.coordinator.get("/v1/cases/x").json()["title"],
    }
    assert titles == {"Range not satisfiable", "Malformed request", "Invalid input", "Not found"}


def test_metrics_name_one_character_set(caller: Caller) -> None:
    told = caller.http.get("/metrics").headers["content-type"]
    assert re.fullmatch(r"text/plain; version=[0-9.]+; charset=utf-8", told)
