"""Hyper-connections: what may be done to the streams between two blocks."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import combined, hidden_units
from eqprop.claims import Pair, Transformation
from eqprop.mutants import forgets, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import domain, moderate
from eqprop.strategies.hyper_connections import HyperConnections, hyper_connections

ZHU = "hyper-connections: Zhu et al. 2024 (arXiv 2409.19606)"
XIE = "manifold-constrained hyper-connections: Xie et al. 2026 (arXiv 2512.24880)"
Acting = groups.GeneralLinear | groups.Permutation


def _between_blocks(design: HyperConnections, group: type[Acting]) -> Transformation:
    """One element for the streams between each two blocks; those at both ends are given."""
    return combined(*(_behind(place, design, group(design.streams)) for place in range(design.blocks - 1)))


def _behind(place: int, design: HyperConnections, group: Acting) -> Transformation:
    """Of the streams between a block and the next one: what depends on the streams moves along what it reads."""
    here, there = f"blocks/{place}", f"blocks/{place + 1}"
    writes = {f"{here}/mix": 0, f"{here}/write": 0}
    reads = {f"{there}/mix": 1, f"{there}/read": 0}
    if design.dynamic:
        writes |= {f"{here}/mix_seen": 2, f"{here}/write_seen": 2, f"{there}/read_seen": 2, f"{there}/mix_seen": 3}
        reads |= {f"{there}/*_seen": 0}
    return hidden_units(group, writes=writes, reads=reads, name="streams")


def _pair(design: HyperConnections, group: type[Acting]) -> Pair:
    return design.net().pair(
        "hyper-connections", _between_blocks(design, group), design.architecture, domain=domain(all=moderate)
    )


@register(
    name="hyper-connection-gl",
    reference=f"own derivation, after deep-linear-gl (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.2); {ZHU}",
    action="(A_l, b_l) ↦ (M A_l, M b_l), A_(l+1) ↦ A_(l+1) M⁻¹, a_(l+1) ↦ M⁻ᵀ a_(l+1), one M ∈ GL(n) for each l",
    generator="k_ξ = (ξ A_l, ξ b_l, −A_(l+1) ξ, −ξᵀ a_(l+1))",
    charge="A_l A_lᵀ + b_l b_lᵀ − A_(l+1)ᵀ A_(l+1) − a_(l+1) a_(l+1)ᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("weights of streams are parameters, and depend on nothing", "blocks read one mixture of the streams"),
    pitfalls="the streams at both ends are copies, and are summed: those do not move",
    mutants=[*usual("blocks/0/mix", "blocks/1/mix"), forgets("blocks/0/write"), wrong_inverse("blocks/1/read")],
)
@st.composite
def hyper_connection_gl(draw: st.DrawFn) -> Pair:
    """Between two blocks the streams may be mixed by any invertible matrix: blocks see mixtures of them only."""
    return _pair(draw(hyper_connections("free")), groups.GeneralLinear)


@register(
    name="hyper-connection-permutation",
    reference=f"own derivation; {XIE}",
    action="streams between two blocks trade places, in all logits that write, mix and read them",
    generator="none: the group is finite",
    charge="none: the group is finite",
    hessian="Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
    hypotheses=("sigmoids and doubly stochastic matrices, which may depend on the normed streams",),
    pitfalls="what depends on the streams moves along the streams that it reads as well",
    mutants=[
        *usual("blocks/0/mix", "blocks/1/mix", finite=True),
        forgets("blocks/0/write"),
        forgets("blocks/1/read_seen"),
    ],
)
@st.composite
def hyper_connection_permutation(draw: st.DrawFn) -> Pair:
    """Of a basis change of the streams sigmoids and doubly stochastic matrices leave the permutations."""
    return _pair(draw(hyper_connections("doubly stochastic", dynamic=None)), groups.Permutation)


@register(
    name="hyper-connection-gl-of-logits",
    reference=f"negative control of hyper-connection-gl; own derivation; {XIE}",
    action="as hyper-connection-gl",
    control="what mixes the streams is a doubly stochastic matrix of the logits, and not linear in them",
)
@st.composite
def hyper_connection_gl_of_logits(draw: st.DrawFn) -> Pair:
    """The basis of the streams is changed in logits of doubly stochastic matrices."""
    return _pair(draw(hyper_connections("doubly stochastic")), groups.GeneralLinear)
