"""P5: what people wrote or are called stands nowhere in clear: every byte that was written is read."""

from __future__ import annotations

import base64
import secrets
import signal
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.promises.conftest import Start
from tests.support.caller import (
    COORDINATOR,
    KELA,
    PLANNING,
    Caller,
    handle,
    must,
    new_case,
    new_consent,
    paper,
    permit,
    personal_code,
)
from tests.support.service import run
from tests.support.sessions import browser, identified, with_sessions
from vault.demo.caller import assertion


class Markers:
    """Words that appear nowhere else: a stem that all share, then the number of the place where the word was planted."""

    def __init__(self) -> None:
        self.stem = f"Zq{secrets.token_hex(8)}"
        self.places: list[str] = []

    def new(self, place: str) -> str:
        self.places.append(place)
        return f"{self.stem}{len(self.places):02d}Z"

    def shapes(self, code: str) -> dict[bytes, str]:
        """Every way in which a word, or the personal identity code, could stand in a file."""
        found: dict[bytes, str] = {}
        for word in (self.stem, code, code[:6] + code[7:]):
            for text in (word, word.lower(), word.upper()):
                found.setdefault(text.encode(), "in clear")
                found.setdefault(text.encode("utf-16-le"), "in UTF-16 (little)")
                found.setdefault(text.encode("utf-16-be"), "in UTF-16 (big)")
                found.setdefault(text.encode().hex().encode(), "in hex")
                found.setdefault(text.encode().hex().upper().encode(), "in hex")
                for shift in range(3):
                    # What surrounds a word changes the first and the last character of its base64.
                    inner = base64.b64encode(b"x" * shift + text.encode())[4 if shift else 0 : -4]
                    found.setdefault(inner, "in base64")
                    found.setdefault(inner.translate(bytes.maketrans(b"+/", b"-_")), "in base64")
            found.setdefault(word.encode()[::-1], "backwards")
        return found

    def place(self, after: bytes) -> str:
        """Which word it is, by the two digits that follow the stem."""
        number = after[len(self.stem) : len(self.stem) + 2]
        return self.places[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(self.places) else "something"


def findings(root: Path, marks: Markers, code: str) -> list[str]:
    shapes = marks.shapes(code)
    paths = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    found = {f"{path.relative_to(root)}: {what}" for path in paths for what in found_in(path, marks, shapes)}
    return sorted(found)


def found_in(path: Path, marks: Markers, shapes: dict[bytes, str]) -> set[str]:
    found = {f"{how}, as a file's name" for shape, how in shapes.items() if shape in bytes(path)}
    content = path.read_bytes()
    for shape, how in shapes.items():
        if (at := content.find(shape)) >= 0:
            found.add(f"{marks.place(content[at : at + 64])} {how}")
    return found


def fill(caller: Caller, marks: Markers, code: str, born: str) -> None:
    """A whole life of a case, with a marked word in every place that takes personal text; and requests that fail."""
    desk = caller.coordinator
    client = {"name": f"{marks.new('name of the client')} Nimi", "personal_identity_code": code, "born": born}
    case = must(desk.post("/v1/cases", new_case(**client) | {"your_reference": marks.new("reference")}))["id"]
    form = caller.file(case, "suostumus", marks.new("signed form").encode(), title=marks.new("title of the form"))
    signer = {"capacity": "client", "name": marks.new("name of the signer")}
    body = new_consent(form, [handle(), permit("kela", documents=[{"any": True}]), permit("pirha")], signed_by=signer)
    consent = must(desk.post(f"/v1/cases/{case}/consents", body))["id"]
    caller.join(case, "kela")
    word = marks.new("content").encode()
    content = b"".join(secrets.token_bytes(700) + word + secrets.token_bytes(300) for _ in range(3000))
    about = {"title": marks.new("title"), "filename": f"{marks.new('file name')}.txt"}
    document = caller.file(case, content=content, **about)
    small = caller.file(case, content=marks.new("small content").encode(), protected_classes=["mental-health"])
    assert caller.by(KELA).read(document).content == content
    must(caller.by(KELA).get(f"/v1/cases/{case}/documents"))
    must(desk.post("/v1/clients/find", {"personal_identity_code": code}))
    must(desk.patch(f"/v1/cases/{case}", {"your_reference": marks.new("second reference")}))
    named_professional(caller, marks)
    signed_in(caller, marks, case, code)
    fail(caller, marks, case, document, small)
    must(desk.post(f"/v1/consents/{consent}/withdraw", {"reason": marks.new("withdrawal reason")}))
    assert caller.by(KELA).read(document).status_code == 403


def named_professional(caller: Caller, marks: Markers) -> None:
    """A token whose assertion gives a marked name."""
    who = {"sub": COORDINATOR, "name": marks.new("name of a professional"), "role": "coordinator", "purpose": PLANNING}
    signed = assertion(caller.demo.issuer, caller.application(COORDINATOR), who)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}
    must(caller.grant(form))
    assert caller.grant(form).status_code == 400


def signed_in(caller: Caller, marks: Markers, case: str, code: str) -> None:
    """A client's session on an ID token that says who she is, an authority that she gives, one that the desk records."""
    signed = f'{{"name": "{marks.new("name in an ID token")}", "code": "{code}"}}'.encode()
    who = msgspec.structs.replace(identified(marks.new("subject at the provider"), code=code), assertion=signed)
    session = with_sessions(caller.service, lambda sessions: sessions.begin(who, "fi"))
    other, _ = personal_code()
    with browser(caller.service, session) as hers:
        friend = {"name": marks.new("representative"), "personal_identity_code": other}
        must(hers.post("/v1/me/authorities", json={"representative": friend, "scope": "see"}))
        must(hers.get("/v1/me/authorities"))
        refused = [
            hers.post("/v1/me/authorities", json={"representative": friend, "scope": marks.new("scope")}),
            hers.post(
                "/sign-in/act-for", data={"authority": marks.new("chosen"), "form_token": marks.new("form token")}
            ),
            hers.get(f"/sign-in/callback/demo-clients?code={marks.new('code')}&state={marks.new('state')}"),
            hers.get(f"/sign-in/to/{marks.new('provider').lower()}", params={"after": marks.new("after")}),
            httpx.get(f"{caller.service.url}/v1/me", cookies={"vault": marks.new("cookie")}, trust_env=False),
        ]
        assert {answer.status_code // 100 for answer in refused} == {4}
        hers.post("/sign-out")
    shown = {"shown": marks.new("document that was shown"), "case": case, "kind": "continuing-power", "scope": "act"}
    must(caller.coordinator.post(f"/v1/cases/{case}/authorities", {"representative": friend, **shown}))


def fail(caller: Caller, marks: Markers, case: str, document: str, small: str) -> None:
    """Requests that are refused, each with a marked word where it does not belong."""
    desk = caller.coordinator
    refused = [
        desk.post("/v1/cases", new_case(name=marks.new("refused name"), born="1999-02-30")),
        desk.post("/v1/cases", new_case(name=f"{marks.new('name with a NUL')}\0")),
        desk.post("/v1/cases", new_case(language=marks.new("wrong language"))),
        desk.post(f"/v1/cases/{case}/documents", paper(title=marks.new("refused title"), type=marks.new("wrong type"))),
        desk.post(
            f"/v1/cases/{case}/documents",
            paper(title=marks.new("title of an unknown source"), source=marks.new("source").lower()),
        ),
        desk.post(f"/v1/cases/{case}/members", {"agency": marks.new("agency"), "role": "expert"}),
        desk.post(
            "/v1/decisions",
            {"document": document, "agency": marks.new("asked agency"), "action": "read", "purpose": PLANNING},
        ),
        desk.post("/v1/clients/find", {"personal_identity_code": marks.new("wrong code")}),
        desk.upload(document, marks.new("other content").encode() * 100),
        desk.get(f"/v1/cases/{marks.new('path')}"),
        desk.get(f"/v1/cases?{marks.new('query name')}={marks.new('query value')}"),
        desk.read(small, **{"Vault-Confirm": marks.new("confirmation").lower()}),
        desk.get("/v1/cases", headers={"Authorization": f"Bearer {marks.new('token')}"}),
        caller.http.get(f"/{marks.new('nowhere')}"),
        desk.put(
            f"/v1/documents/{document}/content",
            content=b"x",
            headers={"Content-Type": f"text/{marks.new('media type').lower()}"},
        ),
    ]
    assert {answer.status_code // 100 for answer in refused} == {4}


@pytest.mark.timeout(180)
def test_p05_no_plaintext_at_rest(start: Start, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    caller = start(fast=False, TMPDIR=str(tmp_path / "tmp"))
    marks = Markers()
    code, born = personal_code()
    fill(caller, marks, code, born)
    # The search finds what there is to find.
    planted = tmp_path / "planted"
    planted.write_bytes(secrets.token_bytes(100_000) + f"{marks.stem}01Z".encode() + secrets.token_bytes(9))
    wanted = [f"planted: {marks.places[0]} in clear"]

    assert findings(tmp_path, marks, code) == wanted
    # A killed service leaves what it leaves; a server that stops writes out what it held.
    caller.service.stop(signal.SIGKILL)
    run(caller.service.postgres.stop())
    assert findings(tmp_path, marks, code) == wanted
    assert (tmp_path / "postgres" / "postgres.log").exists()
    assert list((tmp_path / "postgres").rglob("pg_wal/0*"))
    assert caller.service.log_path.exists()
