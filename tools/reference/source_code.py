"""Read the code of the services and the libraries: the calls in it, and what is said about the members of a class."""

import ast
import inspect
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tools.bootstrap.locations import ROOT

_FOLDERS = ("services", "libs/common")


class Call(NamedTuple):
    """A call, the module (relative to the repository) that makes it, and what its variables were set to before it."""

    name: str
    node: ast.Call
    module: Path
    variables: Mapping[str, ast.expr]

    @property
    def arguments(self) -> list[ast.expr]:
        """Return its arguments, in place of a variable what it was set to."""
        return [
            self.variables.get(each.id, each) if isinstance(each, ast.Name) else each
            for each in self.node.args
        ]


def calls(names: Collection[str]) -> Iterator[Call]:
    """Yield the calls of functions, methods and classes of these names, by module and line."""
    for module in _modules():
        variables: dict[str, ast.expr] = {}
        for node in _nodes(module):
            if isinstance(node, ast.Assign):
                variables |= {
                    each.id: node.value for each in node.targets if isinstance(each, ast.Name)
                }
            elif isinstance(node, ast.Call) and (name := _name(node.func)) in names:
                yield Call(name, node, module.relative_to(ROOT), dict(variables))


def subclasses(name: str) -> Iterator[str]:
    """Yield the name of a class and, by module and line, those of its subclasses."""
    found = {name}
    yield name
    for node in (node for module in _modules() for node in _nodes(module)):
        if isinstance(node, ast.ClassDef) and found & set(map(_name, node.bases)):
            found.add(node.name)
            yield node.name


def first_strings(names: Collection[str]) -> Iterator[str]:
    """Yield the first argument of each of these calls, where it is a plain string."""
    for call in calls(names):
        match call.node.args:
            case [ast.Constant(value=str() as text), *_]:
                yield text


def words_of(node: ast.expr) -> str:
    """Return a string of the code, "…" for each value in it that is known only when it runs."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(words_of, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return words_of(left) + words_of(right)
        case _:
            return "…"


def member_docs(described: type) -> dict[str, str]:
    """Return what stands below each member of a class, by its name."""
    [node] = ast.parse(inspect.getsource(described)).body
    body = node.body if isinstance(node, ast.ClassDef) else []
    return {
        target.id: text
        for member, below in pairwise(body)
        if isinstance(member, ast.Assign) and isinstance(below, ast.Expr)
        for target in member.targets
        if isinstance(target, ast.Name) and (text := words_of(below.value))
    }


@cache
def _modules() -> list[Path]:
    found = [file for folder in _FOLDERS for file in (ROOT / folder).rglob("*.py")]
    return sorted(file for file in found if "tests" not in file.parts)


@cache
def _nodes(module: Path) -> list[ast.AST]:
    nodes = ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    return sorted(nodes, key=lambda node: getattr(node, "lineno", 0))


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""
