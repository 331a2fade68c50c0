"""The part of an algebra along which the loss stays, s_ξ = 0, and the part along which the outputs do, τ_ξ = 0.

Both are null spaces of what is linear in ξ, seen at random outputs: of a group that rescales two layers and multiplies
the outputs beside it, the rescaling is such a part. What is said of a symmetry holds for it, and not for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np

from eqprop.claims import Pair
from eqprop.engine import Array, Tree, floats_as, generator, gradient, inner, norm
from eqprop.groups import LieGroup
from eqprop.probes import gaussian, output_shapes
from eqprop.properties.traits.actions import Survey
from eqprop.properties.traits.losses import SIZES, keeps_loss
from eqprop.properties.traits.subspaces import SPARE_ROWS, Span, Subspace


@dataclass(frozen=True)
class Still:
    """Parts of the algebra, or all of it, along which nothing is seen to change.

    Attributes:
        loss: the ξ with s_ξ = 0: T leaves the outputs, or the model's own loss does not see what it does to them.
        outputs: the ξ with τ_ξ = 0.
        constant: those of ``loss`` with Dk_ξ = 0, without those with k_ξ = 0; likewise the next two.
        symmetric: those of ``loss`` with Dk_ξ = Dk_ξᵀ.
        antisymmetric: those of ``loss`` with Dk_ξ = −Dk_ξᵀ.
    """

    loss: Subspace = field(default_factory=lambda: Subspace(0))
    outputs: Subspace = field(default_factory=lambda: Subspace(0))
    constant: Subspace = field(default_factory=lambda: Subspace(0))
    symmetric: Subspace = field(default_factory=lambda: Subspace(0))
    antisymmetric: Subspace = field(default_factory=lambda: Subspace(0))


def still_of(
    pair: Pair, span: Span, kernel: np.ndarray, kinds: Mapping[str, np.ndarray], known: Mapping[str, Subspace]
) -> Still:
    """What of the algebra, and of each kind of generator, leaves the loss or the outputs.

    Args:
        pair: whose T and loss are asked.
        span: the elements that are looked at.
        kernel: those that move no parameters, as coefficients of the span's rows.
        kinds: by kind of generator, the forms of size 1 that vanish for it.
        known: the null spaces of these.
    """
    whole = Subspace(span.size - len(kernel))
    if not pair.transformation.moves_outputs:
        return Still(whole, whole, **known)
    moved, seen = _Changes(pair).forms(span)
    outputs = span.null_space(moved, kernel, 1.0)
    if keeps_loss(pair):
        return Still(whole, outputs, **known)
    parts = {name: span.null_space(np.concatenate([forms, seen]), kernel, 1.0) for name, forms in kinds.items()}
    return Still(span.null_space(seen, kernel, 1.0), outputs, **parts)


class _Changes(Survey):
    def forms(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients in ξ of ⟨w, τ_ξ(y)⟩ and of s_ξ(y) = ⟨∇ℓ, τ_ξ(y)⟩ at several outputs, of size 1.

        A drawn loss sees everything: both are then the same. Where a number is not finite, as of powers of outputs or a
        loss that is for outputs of some kind only, what it is of is said to vanish for no ξ.
        """
        loss, move, group = self.pair.model.loss, self.pair.transformation.on_outputs, self.group
        assert isinstance(group, LieGroup), "null spaces are looked for in the algebra of a Lie group"
        zeros, identity = np.zeros(span.size), floats_as(jnp.float64, group.identity())

        def row(y: Array, w: Array) -> tuple[Array, Array]:
            def against(v: Tree) -> Array:
                tau = lambda xi: generator(move, identity, group.tangent(span.element(xi)))(y)  # noqa: E731
                length = norm(v)
                return gradient(lambda xi: inner(v, tau(xi)))(zeros) / jnp.where(length > 0, length, 1)

            moved = against(w)
            seen = moved if loss is None else against(gradient(loss)(y))
            size = jnp.max(jnp.abs(moved))
            size = jnp.where(size > 0, size, 1)
            return moved / size, seen / size

        def finite(forms: Tree) -> np.ndarray:
            return forms if np.isfinite(forms).all() else np.eye(span.size)

        moved, seen = self.run(row, *(self._drawn(span.size + SPARE_ROWS) for _ in range(2)))
        return finite(moved), finite(seen)

    def _drawn(self, count: int) -> Tree:
        """Outputs of several sizes, as a loss may be flat far out, or near 0."""
        sizes = np.resize(SIZES, count)

        def of_leaf(shape: jax.ShapeDtypeStruct) -> np.ndarray:
            return gaussian(self.rng, (count, *shape.shape)) * sizes.reshape(-1, *(1,) * len(shape.shape))

        return jax.tree.map(of_leaf, output_shapes(self.pair, "float64"))
