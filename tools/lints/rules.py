"""The vault's own lints: what no ready-made linter can know.

Each rule is a function from one parsed module to its findings; `RULES` lists them all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple

FUNCTION_LINES: Final = 60
FILE_LINES: Final = 400
DOOR: Final = "vault/adapters/postgres/door.py"
SQL_METHODS: Final = frozenset({
    "execute", "executemany", "fetch", "fetchall", "fetchmany", "fetchrow", "fetchval", "prepare", "cursor",
    "copy_from_query",
})  # fmt: skip
# `superuser` and `username` are words of their own, PostgreSQL's and the URL's.
WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class Module(NamedTuple):
    """One source file: its path from `src` on, its text, and its tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module


class Finding(NamedTuple):
    line: int
    rule: str
    message: str


Rule = Callable[[Module], Iterator[Finding]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def clearance_only_in_the_door(module: Module) -> Iterator[Finding]:
    """A clearance is proof that the database's door decided: nothing else may make one, copies included."""
    if module.path.as_posix() == DOOR:
        return
    aliases = _names_of(module.tree, "Clearance")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and any(_last_name(base) in aliases for base in node.bases):
            yield Finding(node.lineno, "clearance", "nothing may inherit from Clearance")
        if not isinstance(node, ast.Call):
            continue
        called = _last_name(node.func)
        converted = any(_mentions(argument, aliases) for argument in _conversion_arguments(node, called))
        if called in aliases or converted or _copies_a_clearance(node):
            yield Finding(node.lineno, "clearance", f"only {DOOR} may construct a Clearance")


def _names_of(tree: ast.Module, name: str) -> frozenset[str]:
    """The name itself, and what the module imports or assigns it as."""
    names = {name}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.name == name and alias.asname}
        elif isinstance(node, ast.Assign) and _last_name(node.value) in names:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(names)


def _conversion_arguments(call: ast.Call, called: str | None) -> list[ast.expr]:
    """The arguments of the calls that make a struct from something else, or a changed copy of one."""
    if called in {"convert", "decode", "Decoder", "__new__", "from_builtins", "partial"}:
        return [*call.args, *(keyword.value for keyword in call.keywords)]
    return []


def _copies_a_clearance(call: ast.Call) -> bool:
    """`structs.replace(clearance, …)` would be a clearance that nobody gave."""
    first = call.args[0] if call.args else None
    name = first is not None and _last_name(first)
    return (
        _last_name(call.func) in {"replace", "force_setattr", "copy", "deepcopy"}
        and bool(name)
        and "clearance" in str(name)
    )


def _mentions(node: ast.expr, names: frozenset[str]) -> bool:
    return any(_last_name(part) in names for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute))


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def no_built_sql(module: Module) -> Iterator[Finding]:
    """A statement is constant text; values travel as parameters."""
    for scope in _scopes(module.tree):
        built = _built_names(scope)
        for node in _own_nodes(scope):
            if isinstance(node, ast.Call) and _is_sql_call(node) and _is_built(_statement(node), built):
                yield Finding(node.lineno, "sql", "SQL is built from parts: use a named statement and parameters")


def _scopes(tree: ast.Module) -> list[ast.AST]:
    return [tree, *(node for node in ast.walk(tree) if isinstance(node, Function))]


def _own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of this scope, without those of the functions inside it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, Function):
            yield child
            yield from _own_nodes(child)


def _built_names(scope: ast.AST) -> frozenset[str]:
    """The local names that hold a built string."""
    names: set[str] = set()
    for node in _own_nodes(scope):
        if (
            isinstance(node, ast.Assign | ast.AnnAssign)
            and node.value is not None
            and _is_built(node.value, frozenset(names))
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif (
            isinstance(node, ast.AugAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(node.op, ast.Add | ast.Mod)
        ):
            names.add(node.target.id)
    return frozenset(names)


def _is_sql_call(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in SQL_METHODS and _statement(call) is not None


def _statement(call: ast.Call) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg in {"query", "command"}]
    return call.args[0] if call.args else (named[0] if named else None)


def _is_built(node: ast.expr | None, built: frozenset[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in built
        case ast.JoinedStr(values=values):
            return any(isinstance(value, ast.FormattedValue) for value in values)
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod(), right=right):
            return isinstance(node.op, ast.Mod) or not (_is_constant(left) and _is_constant(right))
        case ast.Call(func=ast.Attribute(value=value, attr=attr)):
            return attr in {"format", "format_map", "join", "replace"} or _is_built(value, built)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_built(body, built) or _is_built(orelse, built)
        case _:
            return False


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    return isinstance(node, ast.Constant)


def sources_are_named(module: Module) -> Iterator[Finding]:
    """Rules and formats come from a law, a spec or a design: each module says which."""
    inside = module.path.parts[1:2]
    if inside not in {("rules",), ("formats",)} or module.path.name == "__init__.py":
        return
    if "Source:" in (ast.get_docstring(module.tree) or ""):
        return
    public = [node for node in module.tree.body if isinstance(node, Function) and not node.name.startswith("_")]
    unsourced = [node for node in public if "Source:" not in (ast.get_docstring(node) or "")]
    if not public:
        yield Finding(1, "source", "neither the module's docstring nor a public function says `Source:`")
    for node in unsourced:
        yield Finding(node.lineno, "source", f"neither the module's docstring nor {node.name}'s says `Source:`")


def functions_and_files_are_short(module: Module) -> Iterator[Finding]:
    lines = module.text.count("\n")
    if lines > FILE_LINES:
        yield Finding(FILE_LINES + 1, "length", f"the file has {lines} lines, at most {FILE_LINES} are allowed")
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                message = f"{node.name} has {length} lines, at most {FUNCTION_LINES} are allowed"
                yield Finding(node.lineno, "length", message)


def nobody_is_a_user(module: Module) -> Iterator[Finding]:
    """Clients, professionals, applications, operators: the word "user" hides which.

    A keyword argument in a call is another library's word (libpq, asyncpg, subprocess), and so is what is read there.
    """
    for node in ast.walk(module.tree):
        for line, name in _defined_names(node):
            if {"user", "users"} & {word.lower() for word in WORDS.findall(name)}:
                yield Finding(line, "word", f"{name}: say client, professional, agency, application or operator")


def _defined_names(node: ast.AST) -> Iterator[tuple[int, str]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.lineno, node.name
        case ast.arg():
            yield node.lineno, node.arg
        case ast.Name(ctx=ast.Store()):
            yield node.lineno, node.id
        case ast.Attribute(ctx=ast.Store()):
            yield node.lineno, node.attr
        case ast.alias(asname=str(name)):
            yield node.lineno, name


def no_error_is_swallowed(module: Module) -> Iterator[Finding]:
    """`except Exception: pass` turns a broken promise into silence."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and all(map(_does_nothing, node.body)):
            yield Finding(node.lineno, "swallowed", "every error is caught and nothing is done about it")
        elif isinstance(node, ast.Call) and _last_name(node.func) == "suppress" and any(map(_catches_all, node.args)):
            yield Finding(node.lineno, "swallowed", "every error is suppressed")


def _catches_all(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(map(_catches_all, kind.elts))
    return kind is None or _last_name(kind) in {"Exception", "BaseException"}


def _does_nothing(node: ast.stmt) -> bool:
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Pass | ast.Continue)


RULES: Final[tuple[Rule, ...]] = (
    clearance_only_in_the_door,
    no_built_sql,
    sources_are_named,
    functions_and_files_are_short,
    nobody_is_a_user,
    no_error_is_swallowed,
)


def check(path: PurePosixPath, text: str) -> list[Finding]:
    """All findings in one module, in the order of its lines. `path` begins below `src`."""
    module = Module(path, text, ast.parse(text, filename=str(path)))
    return sorted(finding for rule in RULES for finding in rule(module))
