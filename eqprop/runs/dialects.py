"""In which library a script is written: what its lines call, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import jax
import numpy as np

from eqprop.arguments import got
from eqprop.errors import InvalidInput
from eqprop.runs.lines import ALONG, INCREMENT, TWICE

PAGE = '''"""$name and a symmetry that it does not obey.

$claim

When this was written left and right differed by $residual; rounding, and how they are taken, explains $allowed.
The exit code is 1 while they differ by more.
"""

$head

# ---- the $what, from $place

$source

# ---- the numbers, and what must be equal


def both_sides(model):
$inside
$numbers
$compared
    return left, right


left, right = both_sides($name)
difference = max(float(abs(a - b).max()) for a, b in zip(leaves(left), leaves(right)))
print("left      ", left)
print("right     ", right)
print("difference", difference)
raise SystemExit(0 if difference <= $allowed else 1)'''

JAX_HEAD = """import jax

jax.config.update("jax_enable_x64", $x64)
import jax.numpy as jnp
from jax.tree import leaves"""
JAX_INSIDE = """    from jax.numpy import inf, nan
"""
TORCH_HEAD = """import torch


def leaves(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, list | tuple) else [tree]


def shifted(tree, by, direction):
    if isinstance(tree, dict):
        return {name: shifted(part, by, direction[name]) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(shifted(part, by, along) for part, along in zip(tree, direction))
    return tree + by * direction"""
TORCH_INSIDE = """    from math import inf, nan

    module = model

    def model(params, inputs):
        given, named = (inputs if isinstance(inputs, tuple) else (inputs,)), {}
        if isinstance(inputs, dict):
            given, named = (), inputs
        return torch.func.functional_call(module, params, given, named)
"""


def _page(head: str, inside: str) -> Template:
    return Template(PAGE.replace("$head", head).replace("$inside", inside))


TORCH_LINES = {
    ALONG: '''
def along(params, inputs, weights, direction):
    """The derivative of <weights, MODEL(params, inputs)> along a direction of the parameters, by reverse mode."""
    outputs, pull = torch.func.vjp(lambda p: MODEL(p, inputs), params)
    (gradient,) = pull(weights)
    return sum((g * d).sum() for g, d in zip(leaves(gradient), leaves(direction)))
''',
    INCREMENT: '''
def increment(params, inputs, weights, direction, step=1e-6):
    """The same by central differences: what the forward pass says."""
    def moved(by):
        outputs = MODEL(shifted(params, by, direction), inputs)
        return sum((w * y).sum() for w, y in zip(leaves(weights), leaves(outputs)))
    with torch.no_grad():
        return (moved(step) - moved(-step)) / (2 * step)
''',
    TWICE: '''
def twice(params, inputs, weights, first, second):
    """The derivative along a second direction of the derivative along a first, by reverse mode twice."""
    gradient = torch.func.grad(lambda p: along(p, inputs, weights, first))(params)
    return sum((gradient[name] * second[name]).sum() for name in params)


backwards = twice
''',
}
"""What the lines for JAX are in PyTorch."""


@dataclass(frozen=True)
class Dialect:
    """A library in which a script is written.

    Attributes:
        page: the script, with places for what differs from one to the next.
        array: its name of an array's constructor with values and a type.
        lines: what lines that are written for JAX are there.
    """

    page: Template
    array: Callable[[np.ndarray], str]
    lines: Mapping[str, str]

    def of(self, text: str) -> str:
        """Lines for JAX, as they are here."""
        for theirs, ours in self.lines.items():
            for name in ("MODEL", "swapped"):  # of the parameters, and of the inputs
                text = text.replace(theirs.replace("MODEL", name), ours.replace("MODEL", name))
        return text

    def literal(self, tree: Any) -> str:
        """A tree of dictionaries, lists, tuples and arrays as Python.

        Raises:
            InvalidInput: for any other tree.
        """
        if isinstance(tree, dict):
            return f"{{{', '.join(f'{key!r}: {self.literal(value)}' for key, value in tree.items())}}}"
        if type(tree) in (list, tuple):
            inner = "".join(f"{self.literal(value)}, " for value in tree)
            return f"[{inner}]" if type(tree) is list else f"({inner})"
        if tree is None:
            return "None"
        if isinstance(tree, jax.Array | np.ndarray | np.generic | float | int):
            return self.array(np.asarray(tree))
        msg = f"the tree has {got(tree)} in it; a script shows dictionaries, lists, tuples and arrays."
        raise InvalidInput(msg)


JAX = Dialect(_page(JAX_HEAD, JAX_INSIDE), lambda array: f"jnp.array({array.tolist()!r}, {str(array.dtype)!r})", {})
TORCH = Dialect(
    _page(TORCH_HEAD, TORCH_INSIDE),
    lambda array: f"torch.tensor({array.tolist()!r}, dtype=torch.{array.dtype})",
    TORCH_LINES,
)
