"""Scalings with a power of their own on each tensor."""

from __future__ import annotations

from collections.abc import Mapping

from eqprop.actions.axes import Axes
from eqprop.actions.moves import Move, declared, moves
from eqprop.arguments import call_of, is_finite, short, whole_number
from eqprop.claims import Transformation
from eqprop.errors import InvalidInput
from eqprop.groups import Power, Scaling


def scaled_units(
    count: int, powers: Mapping[float, Axes], *, copies: int | None = None, name: str = "scaled-units"
) -> Transformation:
    """A factor c for each unit, which multiplies every tensor by a power of its own: W ↦ c^p W.

    ``hidden_units(Scaling(n), writes=…, reads=…, power=p)`` has the powers 1 and −p; networks with layers of several
    degrees, or with several norms, need more of them.

    Args:
        count: how many units.
        powers: the power → the axis of the units in each tensor that is multiplied by it, given as there.
        copies: where each of so many copies has units of its own (then axes are pairs, or patterns that name both).
        name: used in reports and test ids.

    Raises:
        InvalidInput: without any tensor, or for a power that is no finite number; as ``hidden_units`` at the first use.
    """
    where = call_of("scaled_units", name)
    units = Scaling(whole_number(count, f"{where}: count is"))
    declarations: list[Move] = []
    if not isinstance(powers, Mapping) or not all(map(is_finite, powers)):
        msg = f"{where}: powers is {short(powers)}; expected numbers → tensors: {{1: {{'w1': 1}}, -2: {{'w2': 0}}}}."
        raise InvalidInput(msg)
    for power, axes in powers.items():
        declarations += moves(axes, f"{where}: powers[{power!r}]", power=power)
    if not declarations:
        msg = f"{where}: no tensor is named by powers=; nothing would move."
        raise InvalidInput(msg)
    acting = units if copies is None else Power(units, whole_number(copies, f"{where}: copies is", least=1))
    return declared(acting, declarations, name=name, where=where)
