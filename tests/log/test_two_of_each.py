"""Two services and two sequencers, each a process as an operator runs it, over one database: one log, and every byte in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.log.sequencing import check_whole
from tests.support.caller import KELA, Caller, permit
from tests.support.postgres import Servers
from tests.support.service import Service, run, serving
from vault import verifier
from vault.formats.promise import parse_promise
from vault.services.sequencer import log_vkey

READS = 15
ORIGIN = "two.example/log"


@contextmanager
def keeper(service: Service) -> Iterator[None]:
    """`vault log keep` as a process of its own."""
    env = {
        "PATH": os.environ["PATH"], "PYTHONPATH": service.environment()["PYTHONPATH"], "VAULT_ISSUER": service.url, "VAULT_LOG_ORIGIN": ORIGIN,
        "VAULT_KEYRING": str(service.folder / "keys"), "VAULT_DATABASE_URL_SEQUENCER": service.database.url("sequencer"),
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "vault", "log", "keep"], env=env, cwd=service.folder)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


@contextmanager
def twin(service: Service) -> Iterator[Service]:
    """A second process of the same vault, at a port of its own."""
    other = Service(service.postgres, service.database, service.folder)
    other.settings = {"VAULT_ISSUER": service.url}
    other.start()
    try:
        yield other
    finally:
        other.close()


async def whole(service: Service, key: verifier.Key) -> int:
    monitor = await service.database.connect("monitor")
    try:
        return await check_whole(monitor, key)
    finally:
        await monitor.close()


def test_p07_two_services_and_two_sequencers_make_one_log(postgres_servers: Servers, tmp_path: Path) -> None:
    with ExitStack() as stack:
        service = stack.enter_context(serving(postgres_servers.server("18"), tmp_path / "vault"))
        other = stack.enter_context(twin(service))
        stack.enter_context(keeper(service))
        stack.enter_context(keeper(service))
        caller = Caller(service)
        case = caller.open_case(members=["kela"])
        document = caller.file(case)
        caller.consent(case, [permit("kela")])
        headers = {"Authorization": f"Bearer {caller.by(KELA).token}"}

        def read(number: int) -> httpx.Response:
            url = (service, other)[number % 2].url
            return httpx.get(f"{url}/v1/documents/{document}/content", headers=headers, timeout=30, trust_env=False)

        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(read, range(2 * READS)))
        assert {answer.status_code for answer in answers} == {200}
        promises = [parse_promise(answer.headers["vault-log-entry"]) for answer in answers]
        assert len({promise.entry for promise in promises}) == 2 * READS
        deadline = time.monotonic() + 20
        while service.one("SELECT EXISTS (SELECT FROM vault.entry_pending)"):
            assert time.monotonic() < deadline, "the log does not become whole"
            time.sleep(0.05)
        key = verifier.parse_vkey(log_vkey(service.keyring, ORIGIN))
        for promise, at in zip(promises, (service, other) * READS, strict=True):
            answer = httpx.get(f"{at.url}/v1/log/proof/{promise.entry}", timeout=30, trust_env=False)
            while answer.status_code == 409:  # in the tree, and signed within the second
                assert time.monotonic() < deadline
                time.sleep(0.05)
                answer = httpx.get(f"{at.url}/v1/log/proof/{promise.entry}", timeout=30, trust_env=False)
            verifier.verify_proof(answer.text, promise.leaf, key)
        assert run(whole(service, key)) >= 2 * READS
        caller.close()
