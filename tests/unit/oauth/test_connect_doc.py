"""The programs in docs/connect.md run as they stand there, the shell's too."""

from __future__ import annotations

import json
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from litestar import Litestar, Request, Response, get

from tests.unit.oauth.world import World, nonces_of
from vault.errors import Unauthenticated
from vault.oauth.resource import ResourceGuard, challenge_headers
from vault.oauth.routes import oauth_router
from vault.oauth.server import OAuthParts

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "connect.md").read_text()
CLIENT_ID, SUB = "kela-asiakasjarjestelma", "kela-0042"


def block(language: str, containing: str) -> str:
    (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if containing in code]
    return str(found)


class Service:
    """The authorization server and two routes behind it, on a real port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.world = World()
        about = {name: getattr(self.world.parts, name) for name in self.world.parts.__struct_fields__}
        changes = {"issuer": self.base, "nonces": nonces_of(b"n"), "clock": time.time}
        self.guard = ResourceGuard(OAuthParts(**(about | changes)))
        app = Litestar([oauth_router(self.guard._parts), self._cases(), self._content()])
        port = int(self.base.rpartition(":")[2])
        self.server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    async def _who(self, request: Request[Any, Any, Any]) -> Response[Any] | None:
        headers = request.headers
        try:
            token = await self.guard.authenticate(
                headers.get("authorization"), request.method, request.url.path, headers.getall("dpop", [])
            )
        except Unauthenticated as error:
            return Response({}, status_code=401, headers=challenge_headers(error, headers.get("authorization")))
        assert token.sub == SUB
        return None

    def _cases(self) -> Any:
        @get("/v1/cases")
        async def cases(request: Request[Any, Any, Any]) -> Response[Any]:
            return await self._who(request) or Response({"items": [{"id": "case-1"}], "next": None})

        return cases

    def _content(self) -> Any:
        @get("/v1/documents/{document:str}/content")
        async def content(request: Request[Any, Any, Any]) -> Response[Any]:
            found = Response(
                f"content of {request.path_params['document']}".encode(), headers={"Vault-Log-Entry": "entry-1"}
            )
            return await self._who(request) or found

        return content

    def register(self, printed: str) -> None:
        self.world.add(CLIENT_ID, keys=(json.loads(printed),))


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    service.thread.start()
    while not service.server.started:
        time.sleep(0.01)
    yield service
    service.server.should_exit = True
    service.thread.join()


def run(where: pathlib.Path, *command: str) -> str:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(code: str, service: Service) -> str:
    return code.replace("https://vault.example", service.base).replace("<document id>", "d1")


def test_the_python_programs_run(service: Service, tmp_path: pathlib.Path) -> None:
    service.register(run(tmp_path, sys.executable, "-c", block("python", "# make_key.py")))
    assert (tmp_path / "application.pem").stat().st_mode & 0o077 == 0
    (tmp_path / "vault_client.py").write_text(here(block("python", "# vault_client.py"), service))
    (tmp_path / "dpop.py").write_text(block("python", "# dpop.py"))
    (tmp_path / "use.py").write_text(here(block("python", "from vault_client import *\n\nwith"), service))
    assert run(tmp_path, sys.executable, "use.py").split() == ["case-1", "entry-1"]
    assert (tmp_path / "document.pdf").read_bytes() == b"content of d1"
    (tmp_path / "bound.py").write_text(
        "from dpop import *\n"
        "with httpx.Client(base_url=BASE) as vault:\n"
        f"    token = bound_token(vault, sub={SUB!r}, name='Testi', role='nurse', purpose='care')\n"
        "    print(bound_get(vault, token, '/v1/documents/d2/content').text)\n"
        "    print(len(system_token(vault)) > 100)\n"
    )
    assert run(tmp_path, sys.executable, "bound.py").splitlines() == ["content of d2", "True"]
    assert [token.jkt is not None for token in service.world.register.tokens] == [False, True, False]


def test_the_shell_programs_run(service: Service, tmp_path: pathlib.Path) -> None:
    service.register(run(tmp_path, "bash", "-euc", block("sh", "genpkey")))
    asking = here(block("sh", "pkeyutl"), service).replace("python3", sys.executable)
    shown = run(tmp_path, "bash", "-euc", f"DOCUMENT=d3\n{asking}")
    assert "case-1" in shown
    assert "entry-1" in shown
    assert (tmp_path / "document.pdf").read_bytes() == b"content of d3"
