"""Which elements a statement about elements is made of, where only a part of a group leaves the loss, or the outputs.

The ξ with s_ξ = 0 are a subalgebra: what two flows keep, the flow of their bracket keeps. Along exp(tξ) the loss stays,
so that ℓ∘T_g = ℓ for all g of the connected subgroup that they generate, whatever the rest of the group does; likewise
T_g = id where τ_ξ = 0. Exponentials are drawn, of whose products the statements follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from eqprop.claims import Pair
from eqprop.properties.traits import Subspace, keeps_loss, traits_of


@dataclass(frozen=True)
class Subgroup:
    """Some of the elements of a pair's group.

    Attributes:
        what: a ξ that generates it does, in words.
        part: the ξ that generate it; None where it is all of the group.
    """

    what: str
    part: Callable[[Pair], Subspace | None]


LEAVING_LOSS = Subgroup("leaves the loss", lambda pair: None if keeps_loss(pair) else traits_of(pair).still.loss)
"""The elements with ℓ∘T_g = ℓ."""

LEAVING_OUTPUTS = Subgroup(
    "leaves the outputs", lambda pair: traits_of(pair).still.outputs if pair.transformation.moves_outputs else None
)
"""The elements with T_g = id."""

TURNING_ALONE = Subgroup(
    "turns the parameters and leaves the loss",
    lambda pair: None if keeps_loss(pair) else traits_of(pair).still.antisymmetric,
)
"""The elements with ℓ∘T_g = ℓ and orthogonal DK_g, where every k_ξ is affine."""
