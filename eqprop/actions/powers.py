"""Scalings with a power of their own on each tensor, also of what is stored less a number, or as a logarithm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from eqprop.actions.axes import Axes
from eqprop.actions.moves import Move, declared, moves
from eqprop.actions.parts import parts
from eqprop.arguments import call_of, is_finite, short, whole_number
from eqprop.claims import Params, Transformation
from eqprop.engine import leaf_paths
from eqprop.errors import InvalidInput
from eqprop.groups import Element, Power, Scaling


def scaled_units(
    count: int,
    powers: Mapping[float, Axes],
    *,
    logarithms: Mapping[float, Axes] | None = None,
    origins: Mapping[str, float] | None = None,
    copies: int | None = None,
    name: str = "scaled-units",
) -> Transformation:
    """A factor c for each unit, which multiplies every tensor by a power of its own: W ↦ c^p W.

    ``hidden_units(Scaling(n), writes=…, reads=…, power=p)`` has the powers 1 and −p; networks with layers of several
    degrees, or with several norms, need more of them.

    Args:
        count: how many units.
        powers: the power → the axis of the units in each tensor that is multiplied by it, given as there.
        logarithms: likewise, for tensors that hold the logarithm of what is multiplied: s ↦ s + p log c.
        origins: some of the tensors of ``powers``, as they are named there → the point o about which they are scaled,
            w ↦ c^p (w − o) + o: −1 for a gain that is stored as what it adds to 1.
        copies: where each of so many copies has units of its own (then axes are pairs, or patterns that name both).
        name: used in reports and test ids.

    Raises:
        InvalidInput: without any tensor, for a power or an origin that is no finite number, for an origin of a tensor
            without a power; as ``hidden_units`` at the first use.
    """
    where = call_of("scaled_units", name)
    units = Scaling(whole_number(count, f"{where}: count is"))
    multiplied = _declarations(powers, f"{where}: powers")
    logs = _declarations({} if logarithms is None else logarithms, f"{where}: logarithms")
    if not multiplied and not logs:
        msg = f"{where}: no tensor is named by powers=; nothing would move."
        raise InvalidInput(msg)
    about = _origins({} if origins is None else origins, multiplied, where)
    acting = units if copies is None else Power(units, whole_number(copies, f"{where}: copies is", least=1))
    scaled = declared(acting, [*multiplied, *logs], name=name, where=where)
    if not about and not logs:
        return scaled

    def on_params(element: Element, params: Params) -> Params:
        before, treedef = jax.tree.flatten(params)
        stored = list(_stored(leaf_paths(params), about, [move.pattern for move in logs], where))
        inside = [*before]
        for place, slices, origin in stored:
            whole = jnp.asarray(inside[place])
            inside[place] = whole.at[slices].set(
                jnp.ones_like(whole[slices]) if origin is None else whole[slices] - origin
            )
        after = jax.tree.leaves(scaled.on_params(element, jax.tree.unflatten(treedef, inside)))
        for place, slices, origin in stored:
            moved, was = after[place][slices], jnp.asarray(before[place])[slices]
            outside = was + jnp.log(moved) if origin is None else moved + origin
            after[place] = after[place].at[slices].set(outside.astype(was.dtype))
        return jax.tree.unflatten(treedef, after)

    return Transformation(acting, on_params, name=name, side="left")


def _declarations(powers: Any, what: str) -> list[Move]:
    if not isinstance(powers, Mapping) or not all(map(is_finite, powers)):
        msg = f"{what} is {short(powers)}; expected numbers → tensors: {{1: {{'w1': 1}}, -2: {{'w2': 0}}}}."
        raise InvalidInput(msg)
    return [move for power, axes in powers.items() for move in moves(axes, f"{what}[{power!r}]", power=power)]


def _origins(origins: Any, multiplied: Sequence[Move], where: str) -> dict[str, float]:
    named = {move.pattern for move in multiplied}
    if not isinstance(origins, Mapping) or not all(path in named and is_finite(o) for path, o in origins.items()):
        msg = f"{where}: origins is {short(origins)}; expected tensors of powers= → finite numbers: {{'gain': -1}}."
        raise InvalidInput(msg)
    return dict(origins)


def _stored(
    paths: tuple[str, ...], about: Mapping[str, float], logs: Sequence[str], where: str
) -> Iterator[tuple[int, Any, float | None]]:
    """What is not stored as it is scaled: its place, the slices of it, and its origin; None for a logarithm.

    Of a logarithm it is 1 that is scaled, which says what is added.
    """
    for pattern, origin in (*about.items(), *dict.fromkeys(logs).items()):
        yield from ((place, slices, origin) for place, slices in parts(paths, pattern, role=where))
