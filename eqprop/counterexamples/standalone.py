"""The source of a model by itself: what its function needs of its module, and nothing else."""

from __future__ import annotations

import ast
import inspect
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eqprop.errors import InvalidInput

STRANGERS = ("eqprop", "hypothesis", "pytest")
"""What a standalone script does not import."""


@dataclass(frozen=True)
class Statement:
    """A statement of a module, by what it binds and uses of the module's names.

    Attributes:
        node: itself.
        binds: names that it gives a value.
        uses: names of the module that it, or a function in it, reads.
    """

    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]

    @classmethod
    def of(cls, node: ast.stmt) -> Statement:
        """What a statement binds and uses, as Python's own symbol table has it."""
        top = symtable.symtable(ast.unparse(node), "model", "exec")
        own = top.get_symbols()
        binds = {s.get_name() for s in own if s.is_assigned() or s.is_imported() or s.is_namespace()}
        uses = {s.get_name() for s in own if s.is_referenced()}
        inner = {s.get_name() for table in _inside(top) for s in table.get_symbols() if s.is_global()}
        return cls(node, frozenset(binds), frozenset(uses | inner))

    def belongs_to(self, needed: set[str]) -> bool:
        """Whether it makes one of the needed names, or changes one: ``kernel.defvjp(forward, backward)``."""
        if self.binds & needed:
            return True
        target: Any = self.node.value if isinstance(self.node, ast.Expr) else None
        while isinstance(target, ast.Call | ast.Attribute):
            target = target.func if isinstance(target, ast.Call) else target.value
        return isinstance(target, ast.Name) and target.id in needed


def _inside(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inside(child)


def model_source(function: Any, what: str = "model", within: str = "") -> tuple[str, str]:
    """A function's name in its module, and that part of the module which it needs.

    Args:
        function: the function, or the module of PyTorch.
        what: it is, in messages.
        within: the name of the Python module that has it; that which defines the function by default.

    Raises:
        InvalidInput: where the function has no name in a module with a source, or needs eqprop.
    """
    module = sys.modules.get(within or getattr(function, "__module__", None) or "")
    name = next((n for n, value in vars(module).items() if value is function), "") if module else ""
    if module is None or not name:
        msg = (
            f"the {what} is {getattr(function, '__qualname__', type(function).__name__)!r}, which is no name of a "
            "module; a script can show functions that are: move it to the top level."
        )
        raise InvalidInput(msg)
    try:
        text = inspect.getsource(module)
    except OSError as error:
        msg = f"the module {module.__name__!r} of the {what} has no source to show."
        raise InvalidInput(msg) from error
    return name, _needed(text, name, module.__name__)


def _needed(text: str, name: str, module: str) -> str:
    statements = [Statement.of(node) for node in ast.parse(text).body]
    needed, chosen = {name}, set[int]()
    while True:
        more = [i for i, s in enumerate(statements) if i not in chosen and s.belongs_to(needed)]
        if not more:
            break
        chosen.update(more)
        for i in more:
            needed |= statements[i].uses
    lines = text.splitlines()
    return "\n".join(_written(statements[i].node, needed, lines, module) for i in sorted(chosen))


def _written(node: ast.stmt, needed: set[str], lines: list[str], module: str) -> str:
    """A statement as it stands, with its decorators; of imports what is needed."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        node.names = [n for n in node.names if (n.asname or n.name.partition(".")[0]) in needed]
        roots = [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
        if {root.partition(".")[0] for root in roots} & {*STRANGERS} or getattr(node, "level", 0):
            msg = (
                f"{module}.py:{node.lineno}: the model needs {ast.unparse(node)!r}, which a standalone script has not."
            )
            raise InvalidInput(msg)
        return ast.unparse(node)
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    body = "\n".join(lines[first - 1 : node.end_lineno])
    return f"\n\n{body}\n" if isinstance(node, ast.FunctionDef | ast.ClassDef) else body
