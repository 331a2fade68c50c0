"""Gated units with clamps, (clamp(up) + 1) ∘ g σ(1.702 g) with g = clamp(gate), as in gpt-oss: what is left of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import glu
from eqprop.claims import Outputs, Pair, Params
from eqprop.engine import Array
from eqprop.groups import Group
from eqprop.mutants import forgets, usual
from eqprop.registry import register
from eqprop.strategies.surroundings import Apply, Block, Embedded, batches, embedded, shifted, widths

STEEPNESS = 1.702
LIMITS = (7.0, 1.3)
"""That of the released models, and one that is met often."""


def _clamped(limit: float) -> Apply:
    def apply(params: Params, h: Array) -> Outputs:
        gate, up = (shifted(h @ params[f"w_{part}"], params[f"b_{part}"]) for part in ("gate", "up"))
        gate, up = jnp.minimum(gate, limit), jnp.clip(up, -limit, limit)
        return shifted(((up + 1) * gate * jax.nn.sigmoid(STEEPNESS * gate)) @ params["w_down"], params["b_down"])

    return apply


class ClampedUnit(NamedTuple):
    """A clamped unit in a random network, its size, and what was drawn for it."""

    net: Embedded
    hidden: int
    own: dict[str, Hashable]


def _clamped_unit(draw: st.DrawFn, least: int) -> ClampedUnit:
    d_in, n, d_out, limit = (
        draw(widths(1, 4)),
        draw(widths(least, 4)),
        draw(widths(1, 4)),
        draw(st.sampled_from(LIMITS)),
    )
    shapes: dict[str, tuple[int, ...]] = {"w_gate": (d_in, n), "w_up": (d_in, n), "w_down": (n, d_out)}
    shapes |= {"b_gate": (n,), "b_up": (n,), "b_down": (d_out,)}
    net = embedded(draw, Block(_clamped(limit), shapes, d_in, d_out), leading=(draw(batches()),))
    return ClampedUnit(net, n, {"limit": limit, "d_in": d_in, "hidden": n, "d_out": d_out})


def _moved(unit: ClampedUnit, group: Group, *parts: str) -> Pair:
    up = {f"block/{kind}_{part}": axis for part in parts for kind, axis in (("w", 1), ("b", 0))}
    move = glu(unit.hidden, up=up, down={"block/w_down": 0}, group=group)
    return unit.net.pair("clamped-glu", move, unit.own)


@register(
    name="clamped-glu-permutation",
    reference="own derivation; the unit: OpenAI 2025, gpt-oss (arXiv 2508.10925), its code",
    action="(W_g, b_g, W_u, b_u, W_d) ↦ (W_g Pᵀ, P b_g, W_u Pᵀ, P b_u, P W_d), P a permutation of the hidden units",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("clamps, the 1 that is added and the steepness are the same for all units",),
    pitfalls="gate and up lie in one tensor in released checkpoints, in turn; a scaling of up is no symmetry",
    mutants=[*usual("block/w_up", "block/w_down", finite=True), forgets("block/w_gate"), forgets("block/b_up")],
)
@st.composite
def clamped_glu_permutation(draw: st.DrawFn) -> Pair:
    """Of the symmetries of a gated unit a clamp, and a 1 that is added, leave the permutations of the units."""
    unit = _clamped_unit(draw, 2)
    return _moved(unit, groups.Permutation(unit.hidden), "gate", "up")


@register(
    name="clamped-glu-rescaling",
    reference="negative control of glu-rescaling; own derivation",
    action="as glu-rescaling",
    control="up + 1 and a clamped up are not linear in the up-projection",
)
@st.composite
def clamped_glu_rescaling(draw: st.DrawFn) -> Pair:
    """The up-projection of a clamped unit is scaled as if it were linear."""
    unit = _clamped_unit(draw, 1)
    return _moved(unit, groups.Scaling(unit.hidden), "up")
