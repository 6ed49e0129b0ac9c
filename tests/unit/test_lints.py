"""The vault's own lints: each finds what it forbids, and leaves alone what looks like it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath
from textwrap import dedent

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "lints"
sys.path.insert(0, str(TOOLS))

from rules import FILE_LINES, FUNCTION_LINES, check  # noqa: E402 - the tools are no package

SERVICE = "vault/services/example.py"


def rules_found(text: str, path: str = SERVICE) -> list[str]:
    return [finding.rule for finding in check(PurePosixPath(path), dedent(text))]


@pytest.mark.parametrize(
    "text",
    [
        "from vault.model import Clearance\nc = Clearance(key=1)",
        "import vault.model\nc = vault.model.Clearance(key=1)",
        "from vault.model import Clearance as C\nc = C(key=1)",
        "from vault.model import Clearance\nmake = Clearance\nc = make(key=1)",
        "from vault.model import Clearance\nc = msgspec.convert({}, Clearance)",
        "from vault.model import Clearance\nc = msgspec.json.decode(b'{}', type=list[Clearance])",
        "from vault.model import Clearance\nc = object.__new__(Clearance)",
        "from vault.model import Clearance\nc = functools.partial(Clearance, key=1)",
        "from vault.model import Clearance\nclass Mine(Clearance): ...",
        "c = msgspec.structs.replace(clearance, document=other)",
        "c = copy.replace(self.clearance, document=other)",
    ],
)
def test_only_the_door_makes_a_clearance(text: str) -> None:
    assert rules_found(text) == ["clearance"]
    assert rules_found(text, "vault/adapters/postgres/door.py") == []


def test_a_clearance_may_be_passed_and_named() -> None:
    assert rules_found("""
        from vault.model import Clearance
        def read(clearance: Clearance) -> list[Clearance]:
            if isinstance(clearance, Clearance):
                return [clearance]
            return []
    """) == []  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "await c.execute(f'SELECT {x}')",
        "await c.fetch('SELECT %s' % x)",
        "await c.fetchrow('SELECT {}'.format(x))",
        "await c.fetchval('SELECT ' + x)",
        "await c.prepare(x + ' LIMIT 1')",
        "await c.executemany(' '.join(parts), rows)",
        "await c.execute(SQL['x'].replace('a', b))",
        "await c.execute(f'SELECT {x}'.strip())",
        "await c.execute(query=f'SELECT {x}')",
        "await c.fetch(a if y else f'SELECT {x}')",
        "sql = f'SELECT {x}'\nawait c.fetch(sql)",
        "sql = 'SELECT 1'\nsql += x\nawait c.fetch(sql)",
        "sql: str = 'a' + x\nsql2 = sql\nawait c.fetch(sql2)",
        "async def f():\n    sql = 'SELECT ' + x\n    await c.fetch(sql)",
        "async def f():\n    if y:\n        for z in y:\n            await c.fetch('SELECT ' + x)",
    ],
)
def test_sql_is_not_built(text: str) -> None:
    assert rules_found(text) == ["sql"]


@pytest.mark.parametrize(
    "text",
    [
        "await c.execute('SELECT $1', f'{x}')",
        "await c.execute(SQL['append'], x)",
        "await c.execute('SELECT ' + '1')",
        "await c.fetch(f'SELECT 1')",
        "await c.fetch()",
        "log.info(f'{x}')",
        "def f():\n    sql = f'{x}'\ndef g(sql):\n    c.fetch(sql)",
    ],
)
def test_constant_sql_is_left_alone(text: str) -> None:
    assert rules_found(text) == []


@pytest.mark.parametrize("room", ["rules", "formats"])
def test_rules_and_formats_name_their_source(room: str) -> None:
    path = f"vault/{room}/deep/example.py"
    assert rules_found('"""A module."""', path) == ["source"]
    assert rules_found('"""A module.\n\nSource: RFC 9162 §2.\n"""\ndef f(): ...', path) == []
    assert rules_found('def f():\n    """Source: here."""\ndef _g(): ...', path) == []
    assert rules_found('def f():\n    """Source: here."""\ndef g(): ...', path) == ["source"]
    assert rules_found("", f"vault/{room}/__init__.py") == []
    assert rules_found("def f(): ...", SERVICE) == []


def test_functions_are_short() -> None:
    body = "    x = 1\n"
    assert rules_found("def f():\n" + body * (FUNCTION_LINES - 1)) == []
    assert rules_found("async def f():\n" + body * FUNCTION_LINES) == ["length"]


def test_files_are_short() -> None:
    assert rules_found("x = 1\n" * FILE_LINES) == []
    assert rules_found("x = 1\n" * (FILE_LINES + 1)) == ["length"]


@pytest.mark.parametrize(
    "text",
    [
        "user = 1",
        "USERS = 1",
        "user_id = 1",
        "self.current_user = 1",
        "class UserStore: ...",
        "class OAuthUser: ...",
        "def find_user(): ...",
        "def f(user): ...",
        "f = lambda user: 1",
        "for users in x: ...",
        "from a import b as user",
        "if (user := x): ...",
    ],
)
def test_nobody_is_a_user(text: str) -> None:
    assert rules_found(text) == ["word"]


@pytest.mark.parametrize(
    "text",
    [
        "connect(user=role)",
        "superuser = 1",
        "x = urlsplit(y).username",
        "reuse = 1",
        "userspace = 1",
        "getpass.getuser()",
    ],
)
def test_other_peoples_words_are_left_alone(text: str) -> None:
    assert rules_found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "try: ...\nexcept Exception: pass",
        "try: ...\nexcept: ...",
        "try: ...\nexcept (ValueError, BaseException):\n    'never mind'",
        "for x in y:\n    try: ...\n    except Exception as e: continue",
        "with contextlib.suppress(Exception): ...",
    ],
)
def test_no_error_is_swallowed(text: str) -> None:
    assert rules_found(text) == ["swallowed"]


def test_handled_errors_are_left_alone() -> None:
    assert rules_found("try: ...\nexcept Exception:\n    log()\n    raise") == []
    assert rules_found("try: ...\nexcept FileNotFoundError: pass") == []
    assert rules_found("with suppress(FileNotFoundError): ...") == []


def run(*roots: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "run.py"), *map(str, roots)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_names_file_line_and_rule_and_fails(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "bad.py").write_text("x = 1\nuser = 2\n")
    done = run(tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/vault/bad.py:2: word: user:" in done.stdout
    (tmp_path / "vault" / "bad.py").write_text("x = 1\n")
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (0, "own lints: 1 files, 0 findings\n")


def test_a_directory_without_modules_fails(tmp_path: Path) -> None:
    assert run(tmp_path / "nothing").returncode == 1
