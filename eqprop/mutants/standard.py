"""The defects that every entry should be able to show, for two of the tensors that it moves."""

from __future__ import annotations

import jax.numpy as jnp

from eqprop.claims import Pair, Params
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants.actions import acting_otherwise, forgets, slips
from eqprop.mutants.base import Mutant, leaf_at, slug
from eqprop.mutants.checking import checked
from eqprop.mutants.derivatives import (
    backward_bends,
    backward_drops_term,
    backward_scales,
    backward_straight_through,
    ramp,
    scaled_gradient,
    second_derivative,
    stopped,
    straight_through,
)


@checked
def usual(first: str, second: str = "", *, finite: bool = False) -> tuple[Mutant, ...]:
    """A forgotten tensor, a slip of 1e-9, and wrong first and second derivatives in forward and in reverse rules.

    Args:
        first: path of a tensor that K moves; the defects of forward rules are put there, and the slip.
        second: path of another one, for what K forgets and the defects of reverse-only rules; the first by default.
        finite: for a finite group. A stopped gradient, or one that is scaled by a factor for each entry, commutes with
            signs and permutations of the units alike; a derivative that depends on the value does not.

    Returns:
        Mutants of orders 0, 1 and 2, for ``register(mutants=[*usual("block/w_in", "block/w_out"), ...])``.
    """
    second = second or first
    wrong = (
        (straight_through(first), backward_straight_through(second))
        if finite
        else (stopped(second), scaled_gradient(first), backward_scales(second))
    )
    return (forgets(second), slips(first), *wrong, second_derivative(first), backward_bends(second))


@checked
def usual_of_shifts(path: str) -> tuple[Mutant, ...]:
    """Likewise for W + a 1ᵀ, the same added to all units along the last axis of one tensor.

    What is forgotten, or stopped, as a whole is no defect there, nor is a slip that is the same for all units: each is
    another shift. Here the last unit is forgotten, and units slip by different amounts.
    """

    def keeps_last(pair: Pair, element: Element, params: Params, p: str) -> Array:
        moved, kept = leaf_at(pair.transformation.on_params(element, params), p), leaf_at(params, p)
        return jnp.concatenate([moved[..., :-1], kept[..., -1:]], axis=-1)

    def slips_unevenly(pair: Pair, element: Element, params: Params, p: str) -> Array:
        moved = leaf_at(pair.transformation.on_params(element, params), p)
        return moved * (1 + 1e-9 * ramp(moved))

    last, uneven = acting_otherwise(path, keeps_last), acting_otherwise(path, slips_unevenly)
    return (
        Mutant("forgets-last-unit", 0, "K leaves the last unit's weights alone", last),
        Mutant(
            f"slips-in-{slug(path)}", 0, f"K is off by a relative 1e-9 or less in {path}, more in later units", uneven
        ),
        scaled_gradient(path),
        straight_through(path),
        backward_drops_term(path),
        second_derivative(path),
        backward_bends(path),
    )
