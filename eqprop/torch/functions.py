"""A function of tensors as one that the engine bridges: torch evaluates it, and torch differentiates it."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property

import jax
import numpy as np
import torch

from eqprop.engine import TABLE, Roundoff, coarsest, unexpected
from eqprop.errors import NotDifferentiable
from eqprop.torch.arrays import as_array, as_arrays, as_tensors
from eqprop.torch.derivatives import (
    NO_VALUE,
    Function,
    Hold,
    Tensors,
    called,
    cotangents_of,
    evaluated,
    held,
    transposed_by_entries,
    transposed_of,
    undefined,
)
from eqprop.torch.graphs import Graph, precision_of
from eqprop.torch.noise import Signs, signs_of
from eqprop.torch.outlines import Outline
from eqprop.torch.session import alone

POINTS = 3
"""At so many points beside the example a graph must give what torch gives."""

SIGNED, ERRORS = 16, 4
"""Rows with random rounding inside, and the part of their largest error up to which it may give something else."""

OUTSIDE = (
    "the operations that torch recorded at the example give other numbers elsewhere: something in it runs outside of "
    "torch's operations (NumPy, Triton, a C++ extension that registers no operator), or branches on numbers"
)

NOT_IN_PLACE = "Make a new tensor of what a gradient is worked out from: y = y + 1 in place of y += 1 or y.add_(1)"

DIFFERENTIABLE = (
    "Use operations whose derivatives have derivatives: scaled_dot_product_attention has them inside of "
    "torch.nn.attention.sdpa_kernel(SDPBackend.MATH), a backward of your own without once_differentiable"
)


class TorchFunction:
    """See ``eqprop.engine.Foreign``.

    Args:
        function: of tensors.
        example: its operands.
        name: in reports.
        order: of the derivative that it is.
        linear: in how many of its last operands it is linear.
        hold: what keeps its first operands in force.

    Raises:
        Exception: whatever torch raises at the example.
    """

    def __init__(
        self,
        function: Function,
        example: Tensors,
        name: str,
        order: int = 0,
        linear: int = 0,
        hold: Hold = called,
    ) -> None:
        self.name = name
        self.linear = linear
        self._hold = hold
        self._function = function = held(function, hold)
        self._example = example
        self._order = order
        with alone():
            self._first = evaluated(function, example)
        self.results = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in as_arrays(self._first)]

    @property
    def cotangents(self) -> TorchFunction:
        return self._cotangents

    @property
    def transposed(self) -> TorchFunction:
        return self._transposed

    @cached_property
    def _cotangents(self) -> TorchFunction:
        weights = self._weights()
        pulled = cotangents_of(self._function, len(self._example))
        try:
            example = (*self._example, *weights)
            return TorchFunction(pulled, example, self.name, self._order + 1, len(weights), self._hold)
        except Exception as error:
            raise NotDifferentiable(_no_derivative(self.name, self._order + 1, error)) from error

    @cached_property
    def _transposed(self) -> TorchFunction:
        others = self._example[: len(self._example) - self.linear]
        about = (self._example[len(others) :], len(self._first))
        function = self._graph.function if isinstance(self._graph, Graph) else self._function
        example = (*others, *self._weights())
        if isinstance(self._graph, Graph):
            with suppress(RuntimeError):  # an operation of the map has no derivative
                return self._other(transposed_of(function, *about), example)
            if self._is_made_of_parts(self._graph):
                with suppress(RuntimeError):  # nor has a part of it
                    return self._other(transposed_of(self._graph.in_parts, *about), example)
        return self._other(transposed_by_entries(function, *about), example)

    def _other(self, function: Function, example: Tensors) -> TorchFunction:
        return TorchFunction(function, example, self.name, self._order, hold=self._hold)

    def _weights(self) -> Tensors:
        """An example of cotangents of the results."""
        rng = np.random.default_rng(self._order)
        return tuple(torch.from_numpy(rng.standard_normal(r.shape)).to(r.dtype) for r in self._first)

    @cached_property
    def _graph(self) -> Graph | str:
        """The graph; why there is none, where there is none that gives what torch gives."""
        with alone():
            try:
                graph = Graph(self._function, self._example)
            except Exception as error:  # noqa: BLE001 - whatever stops a trace: the function is run as it is
                return f"torch cannot trace it ({unexpected(error)})"
            return graph if self._agrees(graph) else OUTSIDE

    @property
    def _points(self) -> tuple[Tensors, ...]:
        return (self._example, *(_elsewhere(self._example, seed) for seed in range(POINTS)))

    def _agrees(self, graph: Graph) -> bool:
        return all(self._agrees_at(point, graph) for point in self._points)

    def _is_made_of_parts(self, graph: Graph) -> bool:
        """Whether a graph's kernels give what torch takes them apart into, up to rounding; not where it cannot."""
        with alone():
            try:
                return all(
                    _near(graph.in_parts(point, False), graph.one(*point), _with_errors(graph, point))
                    for point in self._points
                )
            except Exception:  # noqa: BLE001 - whatever stops a trace: the kernels are taken entry by entry
                return False

    def _agrees_at(self, point: Tensors, graph: Graph) -> bool:
        """To the last bit, or up to rounding: torch records some operations in other words than it runs them in."""
        found, (recorded, *_) = self._row(point), zip(*graph.many([leaf[None] for leaf in point], None), strict=True)
        return _same(found, recorded) or _near(found, recorded, _with_errors(graph, point))

    @property
    def lowest(self) -> Roundoff:
        if isinstance(self._graph, Graph):
            return self._graph.lowest
        return coarsest(precision_of(t) for t in (*self._example, *self._first) if t.is_floating_point())

    @property
    def opaque(self) -> str:
        if isinstance(self._graph, str):
            return f"{self.name}: {self._graph}"
        strangers = ", ".join(self._graph.strangers)
        return f"{self.name}: {strangers} is not made of torch's own operations" if strangers else ""

    @property
    def outline(self) -> Outline | None:
        return self._outline

    @cached_property
    def _outline(self) -> Outline | None:
        """The outline; none where what is recorded does not reach all operands that torch's own gradient reaches."""
        with alone():
            try:
                outline = Outline(self._function, self._example)
            except Exception:  # noqa: BLE001 - whatever stops a trace: nobody can look inside
                return None
            whole = isinstance(self._graph, Graph) or outline.reached >= self._seen()
            return outline if whole else None

    def _seen(self) -> set[int]:
        """The operands in floating point of which the results depend at the example, by their places."""
        pulled = held(cotangents_of(self._function, len(self._example)), self._hold)
        found = evaluated(pulled, (*self._example, *self._weights()))
        floats = [place for place, operand in enumerate(self._example) if operand.is_floating_point()]
        return {place for place, gradient in zip(floats, found, strict=True) if gradient.any()}

    def values(self, *operands: np.ndarray) -> list[np.ndarray]:
        with alone():
            rows = [self._row(as_tensors(row)) for row in zip(*operands, strict=True)]
            return [as_array(torch.stack(parts)) for parts in zip(*rows, strict=True)]

    def _row(self, operands: Tensors) -> Tensors:
        try:
            return evaluated(self._function, operands)
        except NO_VALUE:
            return undefined(self._first)

    def rounded(self, *operands: np.ndarray, signs: np.ndarray | None, start: int = 0) -> list[np.ndarray]:
        if isinstance(self._graph, str):
            return self._as_it_is(operands, None if signs is None else np.roll(signs, -start, axis=1))
        with alone():
            drawn = None if signs is None else signs_of(signs)
            return as_arrays(self._graph.many(as_tensors(operands), drawn, start))

    def _as_it_is(self, operands: Sequence[np.ndarray], signs: np.ndarray | None) -> list[np.ndarray]:
        """Errors of the results alone: nothing inside can be seen."""
        rows = max(map(len, (*operands, *([] if signs is None else [signs]))))
        found = self.values(*(np.broadcast_to(operand, (rows, *operand.shape[1:])) for operand in operands))
        if signs is None:
            return found
        return [leaf * _factors(leaf, signs) for leaf in found]


def _factors(leaf: np.ndarray, signs: np.ndarray) -> np.ndarray:
    of_row = np.resize(np.arange(signs.shape[1]), leaf.shape[1:])
    return (1 + np.finfo(leaf.dtype).eps * signs[:, of_row]).astype(leaf.dtype)


def _elsewhere(example: Tensors, seed: int) -> Tensors:
    """Other numbers in the place of those in floating point."""
    rng = np.random.default_rng(seed)
    return tuple(
        torch.from_numpy(rng.standard_normal(t.shape)).to(t.dtype) if t.is_floating_point() else t for t in example
    )


def _same(first: Tensors, second: Tensors) -> bool:
    """To the last bit."""
    return all(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in zip(first, second, strict=True))


def _with_errors(graph: Graph, point: Tensors) -> Tensors:
    """What a graph gives with random rounding inside, in several rows."""
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (SIGNED, TABLE))
    return graph.many([leaf.expand(SIGNED, *leaf.shape) for leaf in point], Signs(signs))


def _near(first: Tensors, second: Tensors, erring: Tensors) -> bool:
    """Up to what rounding does to the second one."""

    def near(a: torch.Tensor, b: torch.Tensor, rows: torch.Tensor) -> bool:
        if not a.is_floating_point() or not torch.equal(torch.isfinite(a), torch.isfinite(b)):
            return torch.equal(a, b)
        apart, moved = (torch.nan_to_num(difference, posinf=0, neginf=0).abs() for difference in (a - b, rows - b))
        return not a.numel() or bool(apart.max() <= ERRORS * moved.max())

    return all(near(*leaves) for leaves in zip(first, second, erring, strict=True))


def _no_derivative(name: str, order: int, error: Exception) -> str:
    advice = NOT_IN_PLACE if "inplace operation" in str(error) else DIFFERENTIABLE
    return f"{name}: torch has no derivative of order {order} ({unexpected(error)}). {advice}"
