"""The log's routes over HTTP, and the commands as an operator runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.exceptions import HTTPException

from tests.log.sequencing import drain
from tests.support.database import Database
from tests.support.logs import LOG
from vault import verifier
from vault.adapters.keyring.file import FileKeyring
from vault.adapters.postgres.pool import Pool
from vault.adapters.postgres.sequencer import PostgresLog
from vault.api.log import log_router
from vault.api.problems import on_http_exception, on_vault_error
from vault.errors import VaultError
from vault.formats.entry import FIELDS, commitments, disclosure, encode_b64url
from vault.formats.tiles import tile_path
from vault.services.monitor import entry_values
from vault.services.transparency import Transparency

ROOT = Path(__file__).parents[2]
WRITE = "SELECT vault.registry_entry('unit-register', 'kela', NULL, NULL, 'n' || n) FROM generate_series(1, $1::integer) AS n"


async def test_p07_the_routes(vault_db: Database) -> None:
    owner, pool = await vault_db.owner(), Pool(vault_db.url("service"))
    handlers: Any = {VaultError: on_vault_error, HTTPException: on_http_exception}
    app = Litestar([log_router(Transparency(PostgresLog(pool)))], exception_handlers=handlers)
    transport: Any = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://vault.example") as client:
        none = await client.get("/v1/log/checkpoint")
        assert (none.status_code, none.json()["code"]) == (404, "no-checkpoint-yet")
        await owner.execute(WRITE, 300)
        entry = await owner.fetchrow("SELECT * FROM vault.entry OFFSET 77 LIMIT 1")
        early = await client.get(f"/v1/log/proof/{entry['id']}")
        assert (early.status_code, early.headers["retry-after"], early.json()["code"]) == (409, "1", "not-in-tree-yet")
        await drain(vault_db.url("sequencer"))
        checkpoint = await client.get("/v1/log/checkpoint")
        assert verifier.verify_checkpoint(checkpoint.text, LOG).size == 300
        assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
        assert checkpoint.headers["vault-uncosigned-since"].endswith("Z")
        proof = await client.get(f"/v1/log/proof/{entry['id']}")
        assert verifier.verify_proof(proof.text, entry["leaf"], LOG).size == 300
        tile = await client.get("/v1/log/tile/0/001.p/44")
        assert (tile.status_code, len(tile.content)) == (200, 44 * 32)
        assert "immutable" in tile.headers["cache-control"]
        assert tile.headers["content-type"] == "application/octet-stream"
        unknown = f"proof/{'0' * 8}-0000-7000-8000-{'0' * 12}"
        for path, told, said in (
            ("tile/0/001", "tile-out-of-range", "the tree has 300 entries"),
            ("tile/0/001.p/45", "tile-out-of-range", "the tree has 300 entries"),
            ("tile/9/000", "tile-out-of-range", "the tree has 300 entries"),
            ("tile/entries/000", "tile-out-of-range", "no tile's path"),
            ("tile/0/x/1", "tile-out-of-range", "no tile's path"),
            (unknown, "unknown-entry", "no such entry"),
            ("restart", "never-begun-anew", "never begun anew"),
        ):
            answer = await client.get(f"/v1/log/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, told), path
            assert said in answer.json()["detail"]
    await pool.close()


def environment(database: Database, folder: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "VAULT_ISSUER": "https://vault.example", "VAULT_KEYRING": str(folder / "keys"),
        "VAULT_DATABASE_URL_SEQUENCER": database.url("sequencer"), "VAULT_DATABASE_URL_MONITOR": database.url("monitor"), **more,
    }  # fmt: skip


async def vault(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await start(env, *arguments)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def start(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "vault", *arguments]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, cwd=env.get("HOME", ROOT), env=env, stdout=pipe, stderr=pipe)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def until(connection: Any, query: str) -> None:
    async with asyncio.timeout(40):
        while not await connection.fetchval(query):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)


async def test_p07_kept_witnessed_watched_and_verified_from_the_command_line(
    vault_db: Database, tmp_path: Path
) -> None:
    """Sequencer, witness and monitor as processes of their own; then their files are verified without a service."""
    FileKeyring.create_new(tmp_path / "keys")
    env, owner = environment(vault_db, tmp_path), await vault_db.owner()
    log_key = (await vault(env, "log", "key"))[1].strip()
    assert log_key.startswith("vault.example/log+")
    directory = str(tmp_path / "witness")
    witness_key = (await vault(env, "witness", "create", "--dir", directory, "--name", "witness.example/w1"))[1].strip()
    assert "is there already" in (await vault(env, "witness", "create", "--dir", directory, "--name", "w"))[2]
    port = free_port()
    witness = await start(env, "witness", "run", "--dir", directory, "--log", log_key, "--port", str(port))
    env |= {"VAULT_WITNESS_URL": f"http://127.0.0.1:{port}", "VAULT_WITNESS_KEY": witness_key}
    keeper = await start(env, "log", "keep")
    await owner.execute(WRITE, 300)
    await until(owner, "SELECT true FROM vault.checkpoint WHERE size = 300 AND cosigned_at IS NOT NULL")
    began = time.monotonic()
    await owner.execute(WRITE, 1)
    await until(owner, "SELECT true FROM vault.checkpoint WHERE size = 301")
    assert time.monotonic() - began < 2, "a second, and one for a busy machine"
    await until(owner, "SELECT uncosigned_since IS NULL FROM vault.tree")
    for process in (keeper, witness):
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 20)
    watch = ["log", "monitor", "--memory", str(tmp_path / "copy"), "--log", log_key, "--witness", witness_key, "--once"]
    assert await vault(env, *watch) == (0, "every entry fits\n", "")
    keys = ["--log", log_key, "--witness", witness_key, "--quorum", "1"]
    code, out, _ = await vault(
        {"PATH": os.environ["PATH"]}, "log", "verify", "directory", str(tmp_path / "copy"), *keys
    )
    assert (code, out.splitlines()[0][:42]) == (0, "verified: vault.example/log size 301 root ")

    entry = await owner.fetchrow(
        "SELECT e.* FROM vault.entry e JOIN vault.entry_position p ON p.entry = e.id WHERE leaf_index = 5"
    )
    salts = [entry["salts"][i : i + 16] for i in range(0, 16 * len(FIELDS), 16)]
    values = entry_values(entry)
    (tmp_path / "entry.json").write_text(json.dumps({
        "entry": str(entry["id"]), "digests": [encode_b64url(one) for one in commitments(salts, values)],
        "disclosures": [disclosure(salts[1], "act", values["act"])]}))  # fmt: skip
    pool = Pool(vault_db.url("service"))
    (tmp_path / "proof").write_text(str(await Transparency(PostgresLog(pool)).proof(entry["id"])))
    await pool.close()
    code, out, _ = await vault(
        {"PATH": os.environ["PATH"]},
        "log",
        "verify",
        "proof",
        str(tmp_path / "proof"),
        str(tmp_path / "entry.json"),
        *keys,
    )
    assert code == 0
    assert 'field: act = "unit-register"' in out
    superuser = await vault_db.as_role("superuser")
    await superuser.execute("UPDATE vault.entry SET act = 'open' WHERE id = $1", entry["id"])
    code, _, err = await vault(env, *watch)
    assert code == 1
    assert f"entry-altered at 5, entry {entry['id']}" in err
    tile = tmp_path / "copy" / "tile" / tile_path(0, 0, 256)
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    code, _, err = await vault(env, "log", "verify", "directory", str(tmp_path / "copy"), *keys)
    assert code == 9
    assert err.startswith("vault: not verified: the tiles ")
    (tmp_path / "witness" / "seen.json").unlink()
    assert "cosign a fork" in (await vault(env, "witness", "run", "--dir", directory, "--log", log_key))[2]


@pytest.mark.parametrize("name", ["", "a b", "a+b"])
async def test_a_witness_has_a_plain_name(tmp_path: Path, name: str) -> None:
    code, _, err = await vault(
        {"PATH": os.environ["PATH"]}, "witness", "create", "--dir", str(tmp_path / "w"), "--name", name
    )
    assert (code, err) == (1, "vault: a witness's name has no spaces and no plus\n")
    assert not (tmp_path / "w").exists()
