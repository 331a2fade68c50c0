"""What a transformation says of its own generator, and says wrongly."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax.dtypes import float0

from eqprop.claims import Inputs, Pair, Params
from eqprop.engine import Array, Tree, is_floating, with_derivative
from eqprop.groups import Algebra, Element, LieGroup
from eqprop.mutants.base import Mutant
from eqprop.mutants.checking import checked
from eqprop.properties.traits import action_traits_of, traits_of


@checked
def slides_along_orbit(delta: float = 0.5, *, name: str = "slides-along-orbit") -> Mutant:
    """K is exact, its derivative in the element is k_ξ (1 + δq) with q = ‖θ‖²/(1 + ‖θ‖²).

    Such a field is tangent to the orbits everywhere: gradient and Hessian identities of a symmetry hold for it. But the
    fields of two ξ do not close. Groups of one dimension, whose brackets vanish, and pairs whose T would tell cannot
    carry the defect.
    """

    def change(pair: Pair) -> Pair | None:
        group = pair.transformation.group
        if not isinstance(group, LieGroup) or pair.transformation.moves_outputs:
            return None
        if sum(leaf.size for leaf in jax.tree.leaves(group.zero())) < 2:
            return None
        on_params = pair.transformation.on_params

        def sliding(element: Element, params: Params) -> Params:
            square = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params) if is_floating(leaf))
            return on_params(_slid(element, delta * square / (1 + square)), params)

        return pair.replaced(transformation=replace(pair.transformation, on_params=sliding))

    return Mutant(name, 1, "the derivative of K in the element is along the orbit, but no action's", change)


def _faster(_: Tree, tangent: Array, excess: Array) -> Array:
    return jax.tree.map(lambda leaf: leaf if leaf.dtype == float0 else leaf * (1 + excess), tangent)


_slid = with_derivative(_faster)


@checked
def claims_isometry(*, name: str = "claims-isometry") -> Mutant:
    """The transformation says that DK DKᵀ = 1, and it is not."""

    def change(pair: Pair) -> Pair | None:
        if pair.transformation.isometry or action_traits_of(pair).coisometric_action:
            return None
        return pair.replaced(transformation=replace(pair.transformation, isometry=True))

    return Mutant(name, 2, "the transformation declares an isometry that is none", change)


@checked
def understates_defect(factor: float = 4.0, *, name: str = "understates-defect") -> Mutant:
    """A near-symmetry is off by more than it says. A transformation that is claimed to be exact has no such defect."""

    def change(pair: Pair) -> Pair | None:
        defect = pair.transformation.defect
        if defect is None:
            return None

        def understated(algebra: Algebra, params: Params, inputs: Inputs) -> Array:
            return defect(algebra, params, inputs) / factor

        return pair.replaced(transformation=replace(pair.transformation, defect=understated))

    return Mutant(name, 0, f"the bound of the defect is {factor:g} times too small", change)


@checked
def misstates_charge(*, name: str = "misstates-charge") -> Mutant:
    """The declared charge lacks its factor ½. Where none is declared, or there is none, there is no such defect."""

    def change(pair: Pair) -> Pair | None:
        charge = pair.transformation.charge
        if charge is None or not traits_of(pair).symmetric.dimension:
            return None
        doubled = replace(pair.transformation, charge=lambda algebra, params: 2 * charge(algebra, params))
        return pair.replaced(transformation=doubled)

    return Mutant(name, 0, "the declared charge is twice what has the generator as its gradient", change)
