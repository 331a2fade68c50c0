"""What a script for somebody without eqprop compares: numbers, and lines of JAX that make both sides of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from eqprop.engine import Tree, add, inner
from eqprop.errors import InvalidInput
from eqprop.properties import Point, irregular, segment_length
from eqprop.results import Counterexample, Record
from eqprop.runs.lines import FIRST, SECOND


@dataclass(frozen=True)
class Shown:
    """What is compared.

    Attributes:
        claim: in plain words.
        numbers: name → a tree.
        compared: lines of Python that assign ``left`` and ``right``.
        inexact: the part of the difference that may be left, where central differences are a side; 0 where rounding
            alone explains some.
        function: the user's, that is shown and is MODEL in these lines; None for the model's own.
    """

    claim: str
    numbers: Record
    compared: str
    inexact: float = 0.0
    function: Callable[..., Tree] | None = None


def _group_laws(point: Point, found: Counterexample) -> Shown:
    """The action alone; the model is no part of it."""
    move, group, probe = point.transformation, point.transformation.group, point.probe
    product = (probe.element, probe.element2) if move.side == "left" else (probe.element2, probe.element)
    actions = {
        "K": (move.on_params, point.source.join(point.theta)),
        "T": (move.on_outputs, point.here.value),
        "X": (move.on_inputs, probe.inputs),
    }
    function, moved = actions[found.leaf[0]]  # "K composed: w", "T at the identity: …"
    numbers = {"tree": moved, "identity": group.identity(), "g": probe.element, "h": probe.element2}
    numbers |= {"product": group.compose(*product)}
    claim = "What moves a tree by an element of a group: the identity moves nothing, and moving twice is moving once."
    compared = "left = MODEL(identity, tree), MODEL(g, MODEL(h, tree))\nright = tree, MODEL(product, tree)"
    return Shown(claim, numbers, compared, function=function)


def _equivariance(point: Point, _: Counterexample) -> Shown:
    move, g = point.transformation, point.probe.element
    params = point.source.join(point.theta)
    numbers = {"params": params, "inputs": point.probe.inputs}
    numbers |= {"moved_params": move.on_params(g, params), "moved_inputs": point.moved_inputs}
    right = "MODEL(params, inputs)"
    if move.moves_outputs:
        numbers["expected"] = point.output_action.value
        right = "expected  # the outputs at params and inputs, moved likewise"
    claim = "A change of the parameters (and inputs) that is to leave the outputs as they are, or move them likewise."
    return Shown(claim, numbers, f"left = MODEL(moved_params, moved_inputs)\nright = {right}")


# ---- order 1 ---------------------------------------------------------------------------------------------------------


def _derivative(point: Point, found: Counterexample) -> Shown:
    """In the middle of the segment, of which its ends are at no kink: the beginning may be at one."""
    if found.leaf != SEGMENT:
        msg = f"a script shows 'derivative' {SEGMENT}; this one is {found.leaf!r}."
        raise InvalidInput(msg)
    u, half = point.probe.tangent, float(segment_length(point)) / 2
    middle = add(point.theta, jax.tree.map(lambda leaf: np.asarray(half * leaf, leaf.dtype), u))
    numbers = {"params": point.source.join(middle), "inputs": point.probe.inputs, "weights": point.probe.cotangent}
    numbers |= {"direction": point.source.join(u)}
    claim = "Derivatives of a number along a direction of the parameters: by differentiation, and by differences."
    compared = f"left = along({HERE})\nright = increment({HERE}, step={half!r})"
    return Shown(claim, numbers, f"{FIRST}{compared}", inexact=0.1)


def _input_derivative(point: Point, found: Counterexample) -> Shown:
    """Likewise, of the inputs: in the middle of the segment along which they are moved."""
    split, inputs = point.pair.model.input_leaves, point.probe.inputs
    floats = split.split(inputs)
    if found.leaf != SEGMENT or len(floats) < len(jax.tree.leaves(inputs)):
        msg = f"a script shows 'input-derivative' {SEGMENT}, of floating-point inputs; this one is {found.leaf!r}."
        raise InvalidInput(msg)
    direction, half = irregular(floats, point.unit), float(segment_length(point)) / 2
    middle = add(floats, jax.tree.map(lambda leaf: np.asarray(half * leaf, leaf.dtype), direction))
    numbers = {
        "params": point.source.join(point.theta),
        "inputs": split.join(middle),
        "direction": split.join(direction),
    }
    numbers |= {"weights": point.probe.cotangent}
    claim = "Derivatives of a number along a direction of the inputs: by differentiation, and by differences."
    compared = f"left = along({SWAPPED})\nright = increment({SWAPPED}, step={half!r})"
    return Shown(claim, numbers, f"{OF_INPUTS}{FIRST.replace('MODEL', 'swapped')}{compared}", inexact=0.1)


SWAPPED = "inputs, params, weights, direction"
OF_INPUTS = """
def swapped(inputs, params):
    return MODEL(params, inputs)
"""
SEGMENT = "along a segment"
HERE, THERE = "params, inputs, weights, direction", "moved_params, moved_inputs, moved_weights, moved_direction"
DIFFERENCES = 'print("by central differences", increment({}))'


def _noether(point: Point, _: Counterexample) -> Shown:
    _check_inputs_rest(point, "noether")
    numbers = _at(point) | {"direction": point.source.join(point.k.value), "rate": point.loss_rate.value}
    numbers |= {"weights": point.loss_near(point.here.value).value}
    claim = "Along this direction of the parameters the weighted outputs move at a known rate, mostly not at all."
    return Shown(claim, numbers, f"{FIRST}left = along({HERE})\nright = rate\n{DIFFERENCES.format(HERE)}")


def _jacobian_generator(point: Point, _: Counterexample) -> Shown:
    """The output that differs most: how fast it moves along the orbit."""
    _check_inputs_rest(point, "jacobian-generator")
    tau = point.output_field(point.probe.algebra)(point.here.value)
    weights = _unit_where(point.here.push(point.k.value), tau)
    numbers = _at(point) | {"direction": point.source.join(point.k.value), "weights": weights}
    numbers |= {"rate": inner(weights, tau)}
    claim = "Along this direction of the parameters an output moves at a known rate, mostly not at all."
    return Shown(claim, numbers, f"{FIRST}left = along({HERE})\nright = rate\n{DIFFERENCES.format(HERE)}")


def _gradient_covariance(point: Point, found: Counterexample) -> Shown:
    """The entry of the gradient that differs most, along which both sides are derivatives of the same number."""
    expected = point.near(lambda y: y, point.here.value).gradient_of(point.loss_expected).value
    return _at_two_places(point, _entry(point, found), expected, point.loss_near(point.there.value).value)


def _jacobian_covariance(point: Point, _: Counterexample) -> Shown:
    """The output that differs most along the probe's direction; where none does, the parameter against its weights."""
    u, w = point.probe.tangent, point.probe.cotangent
    pushed, expected = point.there.push(point.action.push(u)), point.output_action.push(point.here.push(u))
    if _apart(pushed, expected):
        weights = _unit_where(pushed, expected)
        return _at_two_places(point, u, point.output_action.pull(weights), weights)
    back, right = point.action.pull(point.there.pull(w)), point.here.pull(point.output_action.pull(w))
    return _at_two_places(point, _unit_where(back, right), point.output_action.pull(w), w)


def _at_two_places(point: Point, direction: Tree, weights: Tree, moved: Tree) -> Shown:
    numbers = _at(point) | {"direction": point.source.join(direction), "weights": weights}
    numbers |= _moved(point) | {"moved_direction": point.source.join(point.action.push(direction))}
    numbers |= {"moved_weights": moved}
    claim = (
        "A number as a function of the parameters, at two places that a symmetry says are alike, along one direction."
    )
    compared = [f"{side} = along({at})" for side, at in (("left", THERE), ("right", HERE))]
    return Shown(
        claim, numbers, "\n".join([FIRST.rstrip(), "", "", *compared, *map(DIFFERENCES.format, (THERE, HERE))])
    )


# ---- order 2, of the outputs as they are weighted at the point -------------------------------------------------------


def _hessian_symmetry(point: Point, found: Counterexample) -> Shown:
    unit = _entry(point, found)
    numbers = _at(point) | {"weights": point.loss_near(point.here.value).value}
    numbers |= {"first": point.source.join(unit), "second": point.source.join(point.probe.tangent)}
    claim = "A second derivative, along one direction and then another, and the other way round."
    compared = "left = twice(params, inputs, weights, first, second)\n"
    compared += "right = backwards(params, inputs, weights, second, first)"
    return Shown(claim, numbers, f"{SECOND}{compared}")


def _hessian_generator(point: Point, found: Counterexample) -> Shown:
    """D²⟨w, f⟩[v, k] = −⟨w, Df(Dk v)⟩ + ⟨Dτᵀ w, Df v⟩: the derivative along v of ⟨w, Df k⟩ = ⟨w, τ(f)⟩."""
    _check_inputs_rest(point, "hessian-generator")
    unit, weights = _entry(point, found), point.loss_near(point.here.value).value
    numbers = _at(point) | {"weights": weights, "first": point.source.join(unit)}
    numbers |= {"second": point.source.join(point.k.value), "turned": point.source.join(point.k.push(unit))}
    claim = (
        "The second derivative along a direction in which the outputs do not move is known by the first:\n"
        "that direction turns as the parameters move."
    )
    right = "-along(params, inputs, weights, turned)"
    if point.transformation.moves_outputs:
        claim = (
            "The second derivative along a direction in which the outputs move at a known rate is known by the first:\n"
            "that direction turns as the parameters move, and so does the rate as the outputs do."
        )
        numbers["turned_weights"] = point.near(point.output_field(point.probe.algebra), point.here.value).pull(weights)
        right += " + along(params, inputs, turned_weights, first)"
    compared = f"left = twice(params, inputs, weights, first, second)\nright = {right}"
    return Shown(claim, numbers, f"{SECOND}{compared}")


def _hessian_covariance(point: Point, found: Counterexample) -> Shown:
    """D²⟨w, f⟩[Kv, Ku] + D⟨w, f⟩(D²K[v, u]) at Kθ is D²⟨DTᵀw, f⟩[v, u] + ⟨w, D²T[Df v, Df u]⟩ at θ."""
    unit, u = _entry(point, found), point.probe.tangent
    join, push, outputs = point.source.join, point.action.push, point.output_action
    weights = point.loss_near(point.there.value).value
    numbers = _at(point) | {"weights": outputs.pull(weights), "first": join(unit), "second": join(u)} | _moved(point)
    numbers |= {"moved_weights": weights, "moved_first": join(push(unit)), "moved_second": join(push(u))}
    numbers |= {"bent": join(point.action.along(u).push(unit))}
    claim = "The second derivative of a number at two places that a symmetry says are alike, along the same directions."
    compared = "left = twice(moved_params, moved_inputs, moved_weights, moved_first, moved_second)\n"
    compared += "left += along(moved_params, moved_inputs, moved_weights, bent)\n"
    compared += "right = twice(params, inputs, weights, first, second)"
    if point.transformation.moves_outputs:
        numbers["bent_outputs"] = inner(weights, outputs.along(point.here.push(u)).push(point.here.push(unit)))
        compared += " + bent_outputs  # of what moves the outputs, along their derivatives"
    return Shown(claim, numbers, f"{SECOND}{compared}")


# ---- their numbers ---------------------------------------------------------------------------------------------------


def _at(point: Point) -> Record:
    return {"params": point.source.join(point.theta), "inputs": point.probe.inputs}


def _moved(point: Point) -> Record:
    return {"moved_params": point.source.join(point.action.value), "moved_inputs": point.moved_inputs}


def _entry(point: Point, found: Counterexample) -> Tree:
    """The direction of the parameter that differs most."""
    if found.leaf not in point.source.float_paths:
        msg = f"it is {found.leaf!r} that differs; a script shows entries of the gradient."
        raise InvalidInput(msg)
    unit = [np.zeros(np.shape(leaf), np.asarray(leaf).dtype) for leaf in point.theta]
    unit[point.source.float_paths.index(found.leaf)][found.index] = 1
    return tuple(unit)


def _apart(left: Tree, right: Tree) -> float:
    """How far both lie apart, at the entry where they do most."""
    gaps = jax.tree.map(lambda a, b: float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0)), left, right)
    return max(jax.tree.leaves(gaps), default=0.0)


def _unit_where(left: Tree, right: Tree) -> Tree:
    """1 at the entry where both lie farthest apart, 0 elsewhere."""
    most, (leaves, treedef) = _apart(left, right), jax.tree.flatten(left)
    units = [np.zeros(np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves]
    for unit, a, b in zip(units, leaves, jax.tree.leaves(right), strict=True):
        gap = np.abs(np.asarray(a) - np.asarray(b))
        if gap.size and gap.max() == most:
            unit[np.unravel_index(gap.argmax(), gap.shape)] = 1
            break
    return jax.tree.unflatten(treedef, units)


def _check_inputs_rest(point: Point, name: str) -> None:
    if point.transformation.moves_inputs:
        msg = f"the transformation of {point.pair.name!r} moves inputs, too; no script shows {name!r} of such a one."
        raise InvalidInput(msg)


SHOWN: Mapping[str, Callable[[Point, Counterexample], Shown]] = {
    "group-laws": _group_laws,
    "equivariance": _equivariance,
    "derivative": _derivative,
    "input-derivative": _input_derivative,
    "jacobian-covariance": _jacobian_covariance,
    "gradient-covariance": _gradient_covariance,
    "jacobian-generator": _jacobian_generator,
    "noether": _noether,
    "hessian-covariance": _hessian_covariance,
    "hessian-generator": _hessian_generator,
    "hessian-symmetry": _hessian_symmetry,
}
"""What a script can show: what fails first of a forward pass, of a gradient, and of a second derivative."""
