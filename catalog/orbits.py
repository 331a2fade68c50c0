"""Data closed under turns and reflections: symmetries of parameters that are symmetries of the data set."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st

from eqprop import groups
from eqprop.claims import Pair, Params, Transformation, unmoved
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.mutants import Mutant, acting_otherwise, forgets, leaf_at, usual
from eqprop.registry import register
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.orbits import OrbitNet, images_moved, orbit_nets, same_for_all

CLOSED = "data closed under a group, L(Kθ) = L(θ): Li, Zhang & Arora 2021 (arXiv 2010.08515); own derivation"
FINITE = {
    "generator": "none: the group is finite",
    "charge": "none: the group is finite",
    "hessian": "Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
}


def _pair(design: OrbitNet, axes: dict[str, tuple[int, ...]]) -> Pair:
    """K moves these axes; T moves the images, where each has an output of its own."""
    group = groups.Dihedral(design.corners)

    def on_params(element: Element, params: Params) -> Params:
        moved = dict(params)
        for path, along in axes.items():
            for axis in along:
                moved[path] = group.act(element, moved[path], axis)
        return moved

    on_outputs = unmoved if design.pooled else partial(images_moved, corners=design.corners)
    move = Transformation(group, on_params, on_outputs, name="polygon", isometry=True)
    tame = domain(all=moderate)
    return design.net().pair("orbit-net", move, design.architecture, domain=tame, loss=same_for_all)


def _turns_only(pair: Pair, element: Element, params: Params, path: str) -> Array:
    """Reflections are left out."""
    turned, side = element
    return leaf_at(pair.transformation.on_params((turned, side * side), params), path)


@register(
    name="closed-data-symmetry",
    reference=CLOSED,
    action="rows of W ↦ P_g W, g ∈ D_n: what is done to the inputs, which are closed under D_n; T permutes the images",
    **FINITE,
    hypotheses=("with each ring of n numbers the data have all its turns and reflections", "one label for all of them"),
    pitfalls="minibatches that are not closed break it; so do labels that tell the images apart",
    mutants=[
        *usual("w", finite=True)[1:],
        Mutant("forgets-reflections", 0, "K leaves reflections out", acting_otherwise("w", _turns_only)),
    ],
)
@st.composite
def closed_data_symmetry(draw: st.DrawFn) -> Pair:
    """A transformation of inputs that maps the data to themselves is a symmetry of the loss in the first layer."""
    return _pair(draw(orbit_nets()), {"w": (0,)})


@register(
    name="dihedral-weight-sharing",
    reference=f"{CLOSED}; weight sharing: Ravanbakhsh, Schneider & Póczos 2017 (arXiv 1702.08389)",
    action="(W, b, a) ↦ (P_g W P_gᵀ, P_g b, P_g a), g ∈ D_n, on n numbers and n units in a ring",
    **FINITE,
    hypotheses=("as closed-data-symmetry, with as many hidden units as numbers in a ring",),
    pitfalls="where weights are shared, W_gi,gj = W_ij, g fixes θ: sharing stays, and H splits into isotypic blocks",
    mutants=[
        *usual("w", "a", finite=True),
        forgets("b"),
        Mutant("forgets-reflections", 0, "K leaves reflections out", acting_otherwise("w", _turns_only)),
    ],
)
@st.composite
def dihedral_weight_sharing(draw: st.DrawFn) -> Pair:
    """On closed data weights that are shared over a polygon's symmetries stay shared: a finite group fixes them."""
    return _pair(draw(orbit_nets(ring_of_units=True)), {"w": (0, 1), "b": (0,), "a": (0,)})
