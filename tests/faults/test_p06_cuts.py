"""P6: withdrawal bites at once. What is running is cut within a second, on every process, and the log says what was sent."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.caller import COORDINATOR, KELA, Caller, must, permit, personal_code
from tests.support.service import Service
from tests.support.sessions import browser, client_session, identified, with_sessions
from tests.support.slow import Slow, SlowReaders, Wanted, by_token
from tests.support.tally import Tally
from vault.cli.serving import SEND_BUFFER
from vault.web.session import encode_secret

SECOND = 1.0
SIZE = 24 * 1024 * 1024
BUFFERED = 3 * SEND_BUFFER
"""What the kernel may hold of what was handed over before: the sender's two halves, and what the reader's side takes."""


class Scene:
    """One case with a large document that Kela may read."""

    def __init__(self, caller: Caller, **client: Any) -> None:
        self.caller = caller
        self.case = caller.open_case(**client)
        self.member = caller.join(self.case, "kela")
        self.consent = caller.consent(self.case, [permit("kela")])
        self.document = caller.file(self.case, content=secrets.token_bytes(SIZE))
        self.token = caller.by(KELA).token

    def downloads(self, service: Service, count: int = 1) -> list[Wanted]:
        return [by_token(service.url, self.token, self.document)] * count

    def outcomes(self, downloads: list[Slow]) -> list[tuple[str, int]]:
        """How the log says that each of them ended, as soon as it says so of all."""
        query = "SELECT of_entry, outcome, bytes FROM vault.entry WHERE of_entry = ANY ($1::uuid[])"
        deadline = time.monotonic() + 10
        while True:
            rows = self.caller.service.sql(query, [d.entry for d in downloads])
            if len(rows) >= len(downloads) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        said = {str(row["of_entry"]): (row["outcome"], row["bytes"]) for row in rows}
        return [said.get(d.entry, ("unsaid", 0)) for d in downloads]


def cut_by(wanted: list[Wanted], act: Callable[[], Any]) -> tuple[list[Slow], float]:
    """Begin the downloads, do the act, and wait for their ends; the act's time of acknowledgement."""
    readers = SlowReaders(wanted)
    time.sleep(0.3)
    act()
    acknowledged = time.monotonic()
    return readers.join(), acknowledged


def late(downloads: list[Slow], since: float) -> list[float]:
    """Of which a byte arrived, or the connection still stood, more than a second after: by how much."""
    ends = [max(d.last_byte_at, d.stood_at) - since for d in downloads]
    return [round(end, 3) for end in ends if end > SECOND]


def assert_cut(downloads: list[Slow], acknowledged: float, scene: Scene) -> None:
    assert late(downloads, acknowledged) == []
    assert not any(d.is_complete for d in downloads)
    outcomes = scene.outcomes(downloads)
    assert [outcome for outcome, _ in outcomes] == ["cut"] * len(downloads)
    # The log says how much each got: never less than what arrived, and not much more.
    over = [sent - d.received for (_, sent), d in zip(outcomes, downloads, strict=True)]
    assert [one for one in over if not 0 <= one <= BUFFERED] == []


def test_p06_fifty_downloads_on_two_processes_end_within_a_second(
    service: Service, twin: Service, caller: Caller, tally: Tally
) -> None:
    scene = Scene(caller)
    wanted = scene.downloads(service, 25) + scene.downloads(twin, 25)
    downloads, acknowledged = cut_by(wanted, lambda: caller.withdraw(scene.consent))
    tally(
        "fifty downloads cut", received=sum(d.received for d in downloads), logged=sum(n for _, n in scene.outcomes(downloads)),
        last_byte_s=max(d.last_byte_at for d in downloads) - acknowledged,
        reset_seen_s=max(d.ended_at or 0 for d in downloads) - acknowledged,
    )  # fmt: skip
    assert_cut(downloads, acknowledged, scene)
    for running in (service, twin):
        answer = caller.by(KELA).get(f"{running.url}/v1/documents/{scene.document}/content")
        assert (answer.status_code, answer.json()["reasons"]) == (403, ["withdrawn"])


def end_membership(scene: Scene) -> None:
    assert scene.caller.coordinator.delete(f"/v1/cases/{scene.case}/members/{scene.member}").status_code == 204


def retract(scene: Scene) -> None:
    must(scene.caller.coordinator.post(f"/v1/documents/{scene.document}/retract"))


def withdraw_one_clause(scene: Scene) -> None:
    scene.caller.withdraw(scene.consent, provisions=[1])


def prohibit(scene: Scene) -> None:
    secret = secrets.token_bytes(32)
    service = scene.caller.service
    service.sql(
        "INSERT INTO vault.token (secret_sha256, actor, client, assertion, issued_at, expires_at)"
        " SELECT sha256($1), 'client', client, sha256('said'), now(), now() + interval '5 minutes' FROM vault.client_case WHERE id = $2",
        secret, scene.case,
    )  # fmt: skip
    done = service.one("SELECT (vault.prohibition_record($1, gen_random_uuid(), $2, '{}')).status", secret, scene.case)
    assert done == "done"


def supersede(scene: Scene) -> None:
    scene.caller.consent(scene.case, [permit("kela", purposes=["care"])], replaces=scene.consent)


def restrict(scene: Scene) -> None:
    """A records officer grants the client's request for restriction of processing (GDPR Art. 18)."""
    officer = scene.caller.by("pirha-1004")
    client = must(officer.post("/v1/requests/find-client", {"case": scene.case}))["items"][0]["id"]
    wish = {
        "client": client,
        "kind": "restriction",
        "ground": "unlawful",
        "received_how": "phone",
        "received_on": "2026-01-07",
    }
    made = must(officer.post("/v1/requests", wish | {"identified_how": "known-in-person", "document": scene.document}))
    must(officer.post(f"/v1/requests/{made['id']}/answer", {"text": "rajoitamme"}))


def die(scene: Scene) -> None:
    client = scene.caller.service.one("SELECT client FROM vault.client_case WHERE id = $1", scene.case)
    must(scene.caller.coordinator.patch(f"/v1/clients/{client}", {"died_on": "2026-03-01"}))


def test_p06_the_clients_own_pause_cuts_and_resuming_opens_again(service: Service, caller: Caller) -> None:
    """One press in her own browser: what runs ends within a second, what is asked after is denied, and she can take it back."""
    code, born = personal_code()
    scene = Scene(caller, personal_identity_code=code, born=born)
    with browser(service, client_session(service, code)) as hers:
        downloads, acknowledged = cut_by(scene.downloads(service, 5), lambda: must(hers.post("/v1/me/pause")))
        assert_cut(downloads, acknowledged, scene)
        assert caller.by(KELA).read(scene.document).json()["reasons"] == ["prohibited"]
        assert hers.get(f"/v1/me/documents/{scene.document}/content", headers={"Range": "bytes=0-9"}).status_code == 206
        must(hers.post("/v1/me/resume"))
        assert caller.by(KELA).read(scene.document, Range="bytes=0-9").status_code == 206


def test_p06_the_end_of_an_identity_provider_cuts_what_its_sessions_read(service: Service, caller: Caller) -> None:
    """Also where no fact of the client's has moved: it is the session that is no more."""
    code, born = personal_code()
    scene = Scene(caller, personal_identity_code=code, born=born)
    register = (
        "SELECT vault.provider_register($1, 'client', 'https://other.example', 'vault', NULL, '{\"acr\": [\"x\"]}')"
    )
    service.sql(register, "other")
    session = with_sessions(service, lambda s: s.begin(identified("somebody", code=code, provider="other"), "fi"))
    own = Wanted(
        f"{service.url}/v1/me/documents/{scene.document}/content", f"Cookie: vault={encode_secret(session.secret)}"
    )
    downloads, acknowledged = cut_by([own] * 2, lambda: service.sql("SELECT vault.provider_end('other')"))
    assert_cut(downloads, acknowledged, scene)


@pytest.mark.parametrize("act", [end_membership, retract, withdraw_one_clause, prohibit, restrict, supersede, die])
def test_p06_every_end_of_a_permit_cuts(service: Service, caller: Caller, act: Callable[[Scene], None]) -> None:
    scene = Scene(caller)
    downloads, acknowledged = cut_by(scene.downloads(service, 3), lambda: act(scene))
    assert_cut(downloads, acknowledged, scene)


@pytest.mark.parametrize("application", [None, "kela-app"])
def test_p06_suspension_cuts_and_kills_tokens(service: Service, caller: Caller, application: str | None) -> None:
    scene = Scene(caller)
    suspend = "SELECT vault.suspend('kela', $1, $2)"
    downloads, acknowledged = cut_by(scene.downloads(service, 2), lambda: service.sql(suspend, application, True))
    try:
        assert_cut(downloads, acknowledged, scene)
        assert caller.by(KELA).read(scene.document).status_code == 401
    finally:
        service.sql(suspend, application, False)
        caller.forget()


def test_p06_an_unrelated_change_in_the_case_cuts_nothing(service: Service, caller: Caller) -> None:
    scene = Scene(caller)
    readers = SlowReaders(scene.downloads(service, 2))
    caller.join(scene.case, "te-palvelut")
    time.sleep(2)
    assert [d.ended_at for d in readers.downloads] == [None, None]
    caller.withdraw(scene.consent)
    readers.join()


def test_p06_the_consents_last_day_ends_at_midnight(service: Service, caller: Caller) -> None:
    scene = Scene(caller)
    # The day's own end is the act: the owner moves the clock two years on, past the token's life as well.
    later = "CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz LANGUAGE sql VOLATILE RETURN {}"
    service.sql("UPDATE vault.consent SET valid_until = current_date WHERE id = $1::uuid", scene.consent)
    try:
        downloads, acknowledged = cut_by(
            scene.downloads(service, 2), lambda: service.sql(later.format("clock_timestamp() + interval '24 hours'"))
        )
    finally:
        service.sql(later.format("pg_catalog.clock_timestamp()"))
    assert_cut(downloads, acknowledged, scene)


def test_p06_a_process_that_cannot_reach_the_database_cuts_its_downloads(service: Service, caller: Caller) -> None:
    scene = Scene(caller)
    readers = SlowReaders(scene.downloads(service, 3))
    time.sleep(0.3)
    stopped = postgres_processes(service.postgres.pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    lost = time.monotonic()
    try:
        downloads = readers.join()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    assert late(downloads, lost) == []
    assert not any(d.is_complete for d in downloads)


def postgres_processes(parent: int) -> list[int]:
    """The server's processes, the first one first."""
    found, look = [parent], [parent]
    while look:
        pid = look.pop()
        for task in Path(f"/proc/{pid}/task").iterdir():
            born = [int(child) for child in (task / "children").read_text().split()]
            found += born
            look += born
    return found


def test_p06_a_resumed_process_sends_nothing_more(service: Service, twin: Service, caller: Caller) -> None:
    """Stopped while the consent was withdrawn at the other process, and resumed after: what it still holds is not sent."""
    scene = Scene(caller)
    readers = SlowReaders(scene.downloads(twin, 3))
    time.sleep(0.3)
    os.kill(twin.pid, signal.SIGSTOP)
    try:
        caller.withdraw(scene.consent)
        time.sleep(1.5)
        before = [d.received for d in readers.downloads]
    finally:
        os.kill(twin.pid, signal.SIGCONT)
    downloads = readers.join()
    assert not any(d.is_complete for d in downloads)
    assert all(d.received - held <= BUFFERED for d, held in zip(downloads, before, strict=True))


def test_p06_an_upload_that_runs_over_a_withdrawal_is_refused(service: Service, caller: Caller) -> None:
    case = caller.open_case(handled=False)
    form = caller.form(case)
    handling = caller.consent(
        case, [{**permit("pirha"), "actions": ["handle"], "documents": [{"any": True}]}], form=form
    )
    about = {"type": "muistio", "title": "Muistio", "language": "fi", "dated": "2026-03-01", "protected_classes": [],
             "filename": "muistio.txt", "media_type": "text/plain"}  # fmt: skip
    document = must(caller.by(COORDINATOR).post(f"/v1/cases/{case}/documents", about))["id"]

    def body() -> Any:
        yield b"first half"
        caller.withdraw(handling)
        yield b"second half"

    answer = caller.by(COORDINATOR).upload(document, body())
    assert (answer.status_code, answer.json()["reasons"]) == (403, ["withdrawn"])
    assert service.sql("SELECT 1 FROM vault.filing WHERE document = $1::uuid", document) == []
    attempts = service.sql("SELECT object FROM vault.attempt WHERE document = $1::uuid", document)
    assert not {row["object"] for row in attempts} & service.box.names()
