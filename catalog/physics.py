"""Physical energies, and the time of a neural ODE: scalings, rotations and translations of configurations."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import low_rank, translations
from eqprop.claims import Pair, Params, Transformation
from eqprop.mutants import forgets_part, misapplies_to_outputs, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import balanced, domain, moderate
from eqprop.strategies.physics import neural_odes, particles, spin_glasses, vector_spins

FARTHER = 8.0
"""More than two balanced coordinates are apart."""

SECOND = "second order after Yang & Ziyin (2512.21447)"
WRONG_DEGREE = misapplies_to_outputs(
    lambda group, element: group.power(element, 2.0), name="wrong-degree", why="T has twice the degree of the energy"
)


def _dilation(degree: float) -> Transformation:
    """θ ↦ c θ for the whole configuration, T = c^degree."""
    return Transformation(
        groups.Scaling(1),
        lambda c, params: jax.tree.map(lambda leaf: leaf * c[0], params),
        lambda c, y: y * c[0] ** degree,
        name="scale",
    )


@register(
    name="spin-glass-scale",
    reference=f"own derivation from Euler's theorem; the model: Gross & Mézard 1984; {SECOND}",
    action="σ ↦ c σ, T = c^p, c > 0",
    generator="k_ξ = ξ σ, τ_ξ = p ξ E",
    charge="none: under gradient flow ½ d‖σ‖²/dt = −p E for L = E",
    hessian="H σ = (p − 1) ∇E",
    hypotheses=("soft spins", "a homogeneous energy of degree p, without fields"),
    pitfalls="an external field, or a penalty that keeps the spins' length, breaks it",
    mutants=[*usual("spins")[1:], WRONG_DEGREE, forgets_part("spins")],
)
@st.composite
def spin_glass_scale(draw: st.DrawFn) -> Pair:
    """The energy of a p-spin glass is homogeneous of degree p in soft spins."""
    p, net = draw(spin_glasses((2, 3)))
    return net.pair("spin-glass", _dilation(p), {})


@register(
    name="spin-glass-flip",
    reference=f"own derivation; {SECOND}",
    action="σ ↦ −σ, T = −1 for odd p",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="H(−σ) = −H(σ): the spectrum changes sign",
    hypotheses=("an odd degree p",),
    pitfalls="an equivariance that is no symmetry: the loss is not kept, unless it is even",
    mutants=usual("spins", finite=True)[1:],
)
@st.composite
def spin_glass_flip(draw: st.DrawFn) -> Pair:
    """Flipping all spins of a glass of odd degree changes the sign of the energy."""
    _, net = draw(spin_glasses((3, 1, 5)))
    flip = Transformation(
        groups.Sign(1),
        lambda s, params: {"spins": params["spins"] * s[0]},
        lambda s, y: y * s[0],
        name="flip",
        isometry=True,
    )
    return net.pair("spin-glass", flip, {})


@register(
    name="spin-rotation",
    reference=f"own derivation: internal rotations of the O(n) model; {SECOND}",
    action="S_i ↦ R S_i for all spins, R ∈ O(n)",
    generator="k_ξ = ξ S_i, ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric (the angular momentum, with inertia)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: Goldstone modes at equilibria",
    hypotheses=("couplings between scalar products only",),
    pitfalls="an anisotropy, or a field, leaves the rotations about its axis",
    mutants=[*usual("spins", finite=True)[1:], forgets_part("spins")],
)
@st.composite
def spin_rotation(draw: st.DrawFn) -> Pair:
    """The energy of vector spins does not tell rotations of all of them."""
    n, net = draw(vector_spins())
    return net.pair("vector-spins", low_rank(n, writes={"spins": 1}, name="rotation"), {}, domain=domain(all=balanced))


@register(
    name="n-body-translation",
    reference=f"own derivation: Noether's theorem for the Euclidean group's two parts; {SECOND}",
    action="x_i ↦ x_i + a for all particles",
    generator="k_a = a for each particle, constant",
    charge="the sum of positions, the centre of mass",
    hessian="H k_a = 0 everywhere: zero modes",
    hypotheses=("energies of distances only",),
    pitfalls="a trap, or walls, break it; equal positions are singular for powers below 2",
    mutants=[forgets_part("positions"), *usual("positions")[3:]],
)
@st.composite
def n_body_translation(draw: st.DrawFn) -> Pair:
    """The energy of particles that see their distances does not tell where they are together."""
    *_, net = draw(particles(softened=draw(st.booleans())))
    shift = translations(net.params, {"positions": 0}, name="translation")
    return net.pair("particles", shift, {}, domain=_separated)


@register(
    name="n-body-rotation",
    reference=f"own derivation: Noether's theorem; {SECOND}",
    action="x_i ↦ R x_i for all particles, R ∈ O(d)",
    generator="k_ξ = ξ x_i, ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric (the angular momentum, with inertia)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: zero modes at equilibria",
    hypotheses=("energies of distances only",),
    pitfalls="a trap that is not round breaks it",
    mutants=[*usual("positions", finite=True)[1:], forgets_part("positions")],
)
@st.composite
def n_body_rotation(draw: st.DrawFn) -> Pair:
    """The energy of particles that see their distances does not tell how they are turned together."""
    _, dimension, _, net = draw(particles(softened=draw(st.booleans())).filter(lambda drawn: drawn[1] > 1))
    return net.pair("particles", low_rank(dimension, writes={"positions": 1}, name="rotation"), {}, domain=_separated)


def _separated(params: Params) -> Params:
    """Particles that are not on top of each other: the first coordinate of each is moved by its number."""
    positions = balanced(params["positions"])
    apart = np.zeros(positions.shape[-2:])
    apart[:, 0] = FARTHER * np.arange(len(apart))
    return {"positions": positions + apart}


@register(
    name="power-law-scale",
    reference=f"own derivation from Euler's theorem; the virial theorem in physics; {SECOND}",
    action="x ↦ c x, T = c^p, c > 0",
    generator="k_ξ = ξ x, τ_ξ = p ξ E",
    charge="none: under gradient flow ½ d‖x‖²/dt = −p E for L = E (the virial)",
    hessian="H x = (p − 1) ∇E",
    hypotheses=("a power law of the distance, without cut-off or softening",),
    pitfalls="cut-offs, softened distances and mixed powers break it",
    mutants=[*usual("positions")[1:], WRONG_DEGREE, forgets_part("positions")],
)
@st.composite
def power_law_scale(draw: st.DrawFn) -> Pair:
    """The energy of particles under a power law is homogeneous in their positions."""
    *_, power, net = draw(particles(softened=False))
    return net.pair("particles", _dilation(power), {}, domain=_separated)


@register(
    name="softened-power-law-scale",
    reference="negative control of power-law-scale; own derivation",
    action="as power-law-scale",
    control="the distance √(r² + 1) is not homogeneous",
)
@st.composite
def softened_power_law_scale(draw: st.DrawFn) -> Pair:
    """The scaling of a power law is claimed for softened distances."""
    *_, power, net = draw(particles(softened=True))
    return net.pair("particles", _dilation(power), {}, domain=_separated)


@register(
    name="ode-time-scale",
    reference=f"own derivation; neural ODEs: Chen et al. 2018 (arXiv 1806.07366); {SECOND}",
    action="(A, T) ↦ (c A, T / c), c > 0",
    generator="k_ξ = (ξ A, −ξ T)",
    charge="‖A‖² − T²",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("steps of fixed number, their size in proportion to T",),
    pitfalls="adaptive solvers, whose steps depend on tolerances, break it",
    mutants=[*usual("a", "time"), wrong_inverse("time")],
)
@st.composite
def ode_time_scale(draw: st.DrawFn) -> Pair:
    """A field that is twice as fast gets as far in half the time."""
    net = draw(neural_odes())
    move = Transformation(
        groups.Scaling(1),
        lambda c, params: {**params, "a": params["a"] * c[0], "time": params["time"] / c[0]},
        name="time-scale",
    )
    return net.pair("neural-ode", move, {}, domain=domain(all=moderate))
