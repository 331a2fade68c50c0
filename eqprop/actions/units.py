"""Hidden units: which tensors write them, which read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import jax

from eqprop.actions.axes import Axes
from eqprop.actions.moves import Move, declared, moves
from eqprop.arguments import as_index, call_of, got, is_finite, short
from eqprop.claims import Transformation
from eqprop.errors import InvalidInput
from eqprop.groups import Group


def hidden_units(
    group: Group,
    *,
    writes: Axes | None = None,
    reads: Axes | None = None,
    power: float = 1.0,
    name: str = "hidden-units",
) -> Transformation:
    """The transformation that moves hidden units: g on tensors that write them, its dual on those that read them.

    With h = W x and y = A h, g maps W ↦ gW and A ↦ A g⁻¹, so that A W stays what it is. For a layer between that is
    homogeneous of degree p, σ(c z) = c^p σ(z), ``power=p`` gives the readers a^(−p). Each tensor keeps its dtype.

    Args:
        group: a group that acts on units: Scaling, Permutation, Sign, SignedPermutation, Monomial, Orthogonal,
            Rotation, FixingOnes, GeneralLinear, ComplexScaling; or a ``Power`` of one, then axes are pairs (axis of
            copies, axis of units).
        writes: path or glob pattern → axis that holds the units, for each tensor that produces them (biases too): a
            number, a pair, or a pattern such as ``"d_in (copies units)"`` (see ``eqprop.actions.axes``).
        reads: likewise for each tensor that consumes them.
        power: the degree p of what lies between; other than 1 only for ``Scaling`` and its ``Power``.
        name: used in reports and test ids.

    Raises:
        InvalidInput: at once, for no axes at all, a group without an action on units or without real powers; at the
            first use on parameters, for a pattern that matches nothing, a tensor that is not floating point, an axis
            that does not exist or does not have the group's size, a tensor that is moved twice along one axis.
    """
    return units_between(
        {"writes": writes}, {"reads": reads}, group, power=power, name=name, constructor="hidden_units"
    )


def units_between(
    writes: Mapping[str, Axes | None],
    reads: Mapping[str, Axes | None],
    group: Group,
    *,
    name: str,
    constructor: str,
    power: float = 1.0,
) -> Transformation:
    """``hidden_units`` under the names that a constructor has for the two roles, so that messages speak of them.

    Args:
        writes: role → tensors, for each role that writes.
        reads: likewise.
        group: as in ``hidden_units``.
        name: as in ``hidden_units``.
        constructor: what the user called.
        power: as in ``hidden_units``.
    """
    where = call_of(constructor, name)
    power = _degree(power, where)
    declarations = [move for role, axes in writes.items() for move in moves(axes, f"{where}: {role}")]
    declarations += [m for role, axes in reads.items() for m in moves(axes, f"{where}: {role}", dual=True, power=power)]
    roles = " or ".join(f"{role}=" for role in dict.fromkeys((*writes, *reads)))
    _check_declaration(group, declarations, power, where, roles)
    return declared(group, declarations, name=name, where=where)


def _degree(power: object, where: str) -> float:
    """The degree as Python's own number, NumPy's included; a whole one stays whole."""
    if not is_finite(power):
        msg = f"{where}: power is {got(power)}; expected a finite number, the degree p of σ(c z) = c^p σ(z)."
        raise InvalidInput(msg)
    whole = as_index(power)
    return float(power) if whole is None else whole


def _check_declaration(group: object, declarations: Sequence[Move], power: float, where: str, roles: str) -> None:
    """Raise for what is wrong before any parameters are seen."""
    if not isinstance(group, Group):
        msg = f"{where}: group is {short(group)}; expected a Group such as groups.Scaling(16)."
        raise InvalidInput(msg)
    if not declarations:
        msg = f"{where}: no tensor is named by {roles}; nothing would move."
        raise InvalidInput(msg)
    if group.size is None:
        msg = f"{where}: {group!r} does not act on hidden units; write on_params yourself."
        raise InvalidInput(msg)
    if power != 1:
        # Groups without real powers say so themselves; here, and not at the first use on parameters.
        jax.eval_shape(partial(group.power, exponent=power), group.identity())
