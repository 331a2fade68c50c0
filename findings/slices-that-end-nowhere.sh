#!/usr/bin/env bash
# torch 2.13.0 on a CPU.
#
# What it does: records a function that stores into a part of its own copy, y[1:] = 2 y[1:], as torch.func.functionalize
# writes it without stores, and hands that graph, which torch made, to torch.func.vmap.
# What one would guess: functionalize and vmap are made to be composed: the graph gives for each row what the function
# gives, which vmap takes as it is.
# What is seen: the graph is right for one row, and vmap of it raises. An open end of a slice is the largest integer in the
# graph, and vmap's rule of slice_scatter goes past it: "IntArrayRef contains an int that cannot be represented as a
# SymInt: -9223372036854775808". With the axis's own length in its place it gives what the function gives. The rule of
# slice, which reads, takes the largest integer.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import warnings

import torch
from torch.func import functionalize, vmap
from torch.fx.experimental.proxy_tensor import make_fx

warnings.filterwarnings("ignore")
OPEN = 2**63 - 1


def stores(x):
    y = x.clone()
    y[1:] = y[1:] * 2
    return y


row = torch.arange(4.0)
rows = torch.stack([row, row + 1])
expected = vmap(stores)(rows)
graph = make_fx(functionalize(stores, remove="mutations"))(row)
ends = [node for node in graph.graph.nodes if OPEN in node.args]
names = sorted({node.target.name() for node in ends})
print(f"torch {torch.__version__}: operations whose slices are open: {', '.join(names)}")
print(f"  the function, batched: {expected.tolist()}")
print(f"  the graph of one row:  {graph(row).tolist()}")
assert torch.equal(graph(row), stores(row)) and "aten::slice_scatter" in names, "the graph is another one"
try:
    found = vmap(graph)(rows)
except RuntimeError as error:
    said = str(error)
else:
    said = ""
print(f"  the graph, batched:    {said or found.tolist()}")
assert "SymInt" in said, "the behaviour has changed"
for node in ends:
    if node.target is torch.ops.aten.slice_scatter.default:
        node.args = tuple(len(row) if value == OPEN else value for value in node.args)
graph.recompile()
found = vmap(graph)(rows)
print(f"  with the length of the axis where it stores: {found.tolist()}")
assert torch.equal(found, expected), "the behaviour has changed"
PYTHON
