"""The defects that every entry should be able to show, for two of the tensors that it moves."""

from __future__ import annotations

from eqprop.mutants.actions import forgets, slips
from eqprop.mutants.base import Mutant
from eqprop.mutants.derivatives import (
    backward_bends,
    backward_scales,
    backward_straight_through,
    scaled_gradient,
    second_derivative,
    stopped,
    straight_through,
)


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
