"""Entry lines: how long the entries of the catalog are, helpers that nothing else uses included.

    python -m benchmarks.entry_lines

An entry is its ``@register(...)``, its function, and every other definition of its file that only it uses, directly or
by way of another; blank lines do not count.
"""

from __future__ import annotations

import ast
import importlib
import statistics
from pathlib import Path

import click

from eqprop.authoring import own_entries


def lines_of_entries(text: str) -> dict[str, int]:
    """The name of each entry's function → how many lines it takes, in the source of one file."""
    tree, lines = ast.parse(text), text.splitlines()
    defined = {name: node for node in tree.body for name in _names(node)}
    uses = {name: _used(node) & defined.keys() - {name} for name, node in defined.items()}
    found = [name for name, node in defined.items() if isinstance(node, ast.FunctionDef) and _registered(node)]
    reached = {name: _reached(name, uses) for name in found}
    counted: dict[str, int] = {}
    for name in found:
        others = {used for other in found if other != name for used in reached[other]}
        nodes = {id(defined[used]): defined[used] for used in reached[name] - others}
        counted[name] = sum(_length(node, lines) for node in nodes.values())
    return counted


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _registered(node: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Call) and ast.unparse(d.func).endswith("register") for d in node.decorator_list)


def _used(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _reached(name: str, uses: dict[str, set[str]]) -> set[str]:
    found, new = {name}, {name}
    while new:
        new = {used for one in new for used in uses[one]} - found
        found |= new
    return found


def _length(node: ast.stmt, lines: list[str]) -> int:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return sum(bool(line.strip()) for line in lines[first - 1 : node.end_lineno])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--longest", default=10, show_default=True, help="How many of the longest are listed.")
def main(*, longest: int) -> None:
    """Print how many lines the entries take."""
    counted: dict[str, int] = {}
    for module in sorted({entry.origin.partition(":")[0] for entry in own_entries().values()}):
        source = importlib.import_module(module).__file__
        assert source is not None
        of_file = lines_of_entries(Path(source).read_text(encoding="utf-8"))
        counted |= {f"{Path(source).name}: {name}": length for name, length in of_file.items()}
    within = sum(length <= 40 for length in counted.values())
    click.echo(f"{len(counted)} entries, median {statistics.median(counted.values()):.0f} lines")
    click.echo(f"{within} of them take at most 40 lines; the longest:")
    for name, length in sorted(counted.items(), key=lambda item: -item[1])[:longest]:
        click.echo(f"  {length:3d}  {name}")


if __name__ == "__main__":
    main()
