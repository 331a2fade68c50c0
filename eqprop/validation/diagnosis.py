"""Where NaN and infinite values come from: the operation that makes them of finite numbers, and the tensors they reach.

A traced program is gone through one operation at a time at one point. That is slow, and asked only of a model of which
too many probes were not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Var

from eqprop.claims import Inputs, Pair
from eqprop.engine import (
    INLINED,
    INNER,
    PURE,
    Local,
    Precision,
    Tree,
    calls_back,
    described,
    each,
    equal,
    gradient,
    not_repeatable,
    numbers_context,
)
from eqprop.errors import EqpropError, NotDifferentiable
from eqprop.probes import cast_example

OF_POSITIVE = frozenset({"sqrt", "rsqrt", "log", "pow"})
"""Operations that are not defined for negative numbers."""


@dataclass(frozen=True)
class Origin:
    """What makes a number that is not finite.

    Attributes:
        operation: its name and place.
        name: of the operation.
        value: what it makes: NaN, inf or -inf.
        leaves: which arguments of the program its operands are made of.
    """

    operation: str
    name: str
    value: str
    leaves: frozenset[int]


def why_not_finite(pair: Pair, precision: Precision, params: Sequence[Tree], inputs: Inputs) -> str:
    """What is NaN or infinite at the model's example or, where all is finite there, at a probe; empty if nothing is.

    Args:
        pair: whose model is evaluated.
        precision: of the numbers.
        params: the floating-point leaves of the probe's parameters.
        inputs: of the probe.
    """
    with numbers_context(precision):
        example, its_inputs = cast_example(pair, precision)
        points = [("at a drawn probe", tuple(params), inputs)]
        if pair.model.trained:
            points.insert(0, (EXAMPLE, pair.model.param_leaves.split(example), its_inputs))
        return next((said for point in points if (said := _said(pair, *point))), "")


EXAMPLE = "at the model's own example"


def first_unusable_order(pair: Pair, precision: Precision) -> tuple[int, str] | None:
    """The order of the first derivative at the example that is not finite, or another one each time, and what is said.

    None where gradient and second derivative are as they should be, where one cannot be evaluated, which the properties
    that need it say of themselves, or where the example's numbers mean nothing.
    """
    if not (pair.model.trained and pair.model.param_leaves.float_paths):
        return None
    with numbers_context(precision):
        params, inputs = cast_example(pair, precision)
        theta = tuple(jnp.asarray(leaf) for leaf in pair.model.param_leaves.split(params))
        objective = _Objective(pair, inputs)
        for order, derivative in enumerate((objective.gradient, objective.bent), start=1):
            what = f"model {pair.model.name!r}: {NAMES[order]}"
            row = tuple(np.asarray(leaf)[None] for leaf in theta)
            try:
                found = each(what, derivative, *row)
                again = each(what, derivative, *row) if calls_back(jax.make_jaxpr(derivative)(*theta)) else found
            except NotDifferentiable:
                return None
            except EqpropError:
                raise
            except Exception:  # noqa: BLE001 - whatever a model raises here is no reason to ask nothing of lower orders
                return None
            if not equal(found, again):
                return order, not_repeatable(what, PURE)
            if not all(map(_finite, found)):
                return order, _of_derivative(pair, EXAMPLE, objective, order, theta) or f"{NAMES[order]} is not finite"
    return None


class _Objective:
    """L near some parameters and its derivatives, as functions of the leaves; the sum of the outputs without a loss."""

    def __init__(self, pair: Pair, inputs: Inputs) -> None:
        self.model, self.inputs = pair.model, inputs

    def outputs(self, *theta: Tree) -> Tree:
        return self.model.apply(self.model.param_leaves.join(theta), self.inputs)

    def value(self, *theta: Tree) -> Tree:
        outputs = self.outputs(*theta)
        if self.model.loss is not None:
            return self.model.loss(outputs)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(outputs))

    def gradient(self, *theta: Tree) -> Tree:
        return gradient(lambda theta: self.value(*theta))(theta)

    def bent(self, *theta: Tree) -> Tree:
        """H u for u = (1, 1, …), the way that JAX allows it."""
        ones = jax.tree.map(jnp.ones_like, theta)
        return Local(lambda theta: self.gradient(*theta), theta, reverse_only=True).push(ones)


NAMES = {1: "the gradient", 2: "the second derivative"}
FINER = {1: "the outputs are", 2: "the gradient is"}


def _said(pair: Pair, where: str, theta: tuple[Tree, ...], inputs: Inputs) -> str:
    """Of the outputs, else of the gradient of their loss."""
    objective = _Objective(pair, inputs)
    theta = tuple(jnp.asarray(leaf) for leaf in theta)
    origin, _ = _walked(jax.make_jaxpr(objective.outputs)(*theta), theta)
    if origin is not None:
        return f"the outputs are {origin.value} {where}: {_first(origin, theta, pair.model.param_leaves.float_paths)}"
    return _of_derivative(pair, where, objective, 1, theta)


def _of_derivative(pair: Pair, where: str, objective: _Objective, order: int, theta: tuple[Tree, ...]) -> str:
    """What is said of a derivative with numbers that are not finite; nothing where they all are."""
    paths = pair.model.param_leaves.float_paths
    program = jax.make_jaxpr(objective.gradient if order == 1 else objective.bent)
    origin, found = _walked(program(*theta), theta)
    touched = {path: _word(leaf) for path, leaf in zip(paths, found, strict=True) if not _finite(leaf)}
    if origin is None or not touched:
        return ""
    named, words = ", ".join(map(repr, touched)), " or ".join(sorted(set(touched.values())))
    return (
        f"{NAMES[order]} with respect to {named} is {words} {where}, where {FINER[order]} finite: "
        f"{_first(origin, theta, paths)}; look for a square root or a division behind jnp.where"
    )


def _first(origin: Origin, theta: tuple[Tree, ...], paths: tuple[str, ...]) -> str:
    """The operation; with the parameter that was drawn negative where it is defined for positive numbers alone."""
    said = f"{origin.value} arises first in {origin.operation}"
    negative = [i for i in sorted(origin.leaves) if (np.asarray(theta[i]) < 0).any()]
    if origin.name in OF_POSITIVE and len(origin.leaves) == 1 and negative:
        path = paths[negative[0]]
        said += f", of {path!r}, which was drawn negative; say where it lives with Model(domain=...)"
    return said


def _walked(closed: ClosedJaxpr, arguments: Sequence[Tree]) -> tuple[Origin | None, list[Tree]]:
    """The first operation that makes what is not finite of finite numbers, and what the program gives."""
    walk = _Walk()
    made = [(value, frozenset({i})) for i, value in enumerate(arguments)]
    results = walk.run(closed.jaxpr, closed.consts, made)
    return walk.origin, [value for value, _ in results]


class _Walk:
    def __init__(self) -> None:
        self.origin: Origin | None = None

    def run(self, jaxpr: Jaxpr, consts: Sequence[Tree], given: list[Tree]) -> list[Tree]:
        """The results of a program, each with the arguments that it is made of."""
        known: dict[Var, Tree] = {v: (value, frozenset()) for v, value in zip(jaxpr.constvars, consts, strict=True)}
        known.update(zip(jaxpr.invars, given, strict=True))

        def read(atom: jax.extend.core.Var | jax.extend.core.Literal) -> Tree:
            return (atom.val, frozenset()) if isinstance(atom, jax.extend.core.Literal) else known[atom]

        for equation in jaxpr.eqns:
            results = self._results(equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _results(self, equation: JaxprEqn, given: list[Tree]) -> list[Tree]:
        parameters = equation.params
        if equation.primitive.name in INLINED:
            inner = next(parameters[key] for key in INNER if key in parameters)
            return self.run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), given)
        values = [value for value, _ in given]
        bound = equation.primitive.get_bind_params(parameters)
        functions, parameters = bound if isinstance(bound, tuple) else ((), bound)
        found = equation.primitive.bind(*functions, *values, **parameters)
        results = list(found) if equation.primitive.multiple_results else [found]
        leaves = frozenset[int]().union(*(made_of for _, made_of in given))
        if self.origin is None and all(map(_finite, values)):
            bad = next((result for result in results if not _finite(result)), None)
            if bad is not None:
                self.origin = Origin(described(equation), equation.primitive.name, _word(bad), leaves)
        return [(result, leaves) for result in results]


def _word(value: object) -> str:
    """The first of its numbers that is not finite."""
    numbers = np.asarray(value, dtype=float)
    first = numbers[~np.isfinite(numbers)].flat[0]
    return "NaN" if np.isnan(first) else str(first)


def _finite(value: object) -> bool:
    dtype = jnp.result_type(value)
    return not jnp.issubdtype(dtype, jnp.floating) or bool(np.isfinite(np.asarray(value, dtype=float)).all())
