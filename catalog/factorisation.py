"""Factorisations: what may be put between the factors of a product without the product noticing."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import combined, hidden_units, low_rank
from eqprop.claims import Pair
from eqprop.mutants import usual, wrong_axis, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.factorisation import canonical, low_ranks, matrices, tensor_trains, tucker
from eqprop.strategies.surroundings import embedded

ZHAO = "Zhao et al. 2023 (arXiv 2210.17216): the group and its charges"
MARCOTTE = "Marcotte, Gribonval & Peyré 2023 (arXiv 2307.00144): the number of conservation laws"
OWN_HESSIAN = "second order after Yang & Ziyin (2512.21447)"


@register(
    name="lora-gl",
    reference=f"da Silva, Dangel & Oh 2025 (arXiv 2505.05409): the group; {OWN_HESSIAN}",
    action="A ↦ A M, B ↦ M⁻¹ B for rows h W₀ + s h A B, M ∈ GL(r)",
    generator="k_ξ = (A ξ, −ξ B)",
    charge="AᵀA − BBᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −(∇_A L ξᵀ, −ξᵀ ∇_B L): flat at critical points",
    hypotheses=("nothing acts on the rank's components between A and B",),
    pitfalls="at B = 0, where training starts, the orbit has half the dimension",
    mutants=[*usual("block/a", "block/b"), wrong_inverse("block/b"), wrong_axis("block/a")],
)
@st.composite
def lora_gl(draw: st.DrawFn) -> Pair:
    """A low-rank update keeps its product when a basis change is put between its factors."""
    design = draw(low_ranks())
    move = low_rank(design.rank, writes={"block/a": 1}, reads={"block/b": 0})
    return embedded(draw, design.block()).pair("low-rank", move, vars(design))


@register(
    name="matrix-factorisation-gl",
    reference=f"{ZHAO}; {MARCOTTE}; {OWN_HESSIAN}",
    action="(U, V) ↦ (U M, V M⁻ᵀ) for U Vᵀ, M ∈ GL(r)",
    generator="k_ξ = (U ξ, −V ξᵀ)",
    charge="UᵀU − VᵀV (one number for each symmetric ξ)",
    hessian="H k_ξ = −(∇_U L ξᵀ, −∇_V L ξ): flat at critical points",
    hypotheses=("the loss sees the product only",),
    pitfalls="separate penalties on U and V leave O(r)",
    mutants=[*usual("u", "v"), wrong_inverse("v")],
)
@st.composite
def matrix_factorisation_gl(draw: st.DrawFn) -> Pair:
    """A matrix that is known by linear measurements of U Vᵀ does not tell the basis between U and V."""
    rank, net = draw(matrices())
    return net.pair("factorisation", low_rank(rank, writes={"u": 1}, reads={"v": 1}), {})


@register(
    name="symmetric-factorisation-rotation",
    reference=f"own derivation, after the general case ({ZHAO}); {OWN_HESSIAN}",
    action="U ↦ U Rᵀ for U Uᵀ, R ∈ O(r)",
    generator="k_ξ = U ξᵀ, ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric",
    hessian="H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
    hypotheses=("the loss sees the product only",),
    pitfalls="with one column the group is a sign",
    mutants=[*usual("u", finite=True)[1:], wrong_axis("u")],
)
@st.composite
def symmetric_factorisation_rotation(draw: st.DrawFn) -> Pair:
    """U Uᵀ does not tell rotations and reflections of the rows of U."""
    rank, net = draw(matrices(symmetric=True))
    return net.pair("symmetric", low_rank(rank, writes={"u": 1}), {})


@register(
    name="cp-scaling",
    reference=f"own derivation, after the matrix case ({MARCOTTE}); {OWN_HESSIAN}",
    action="(a_r, b_r, c_r) ↦ (s_r a_r, t_r b_r, c_r / (s_r t_r)) for Σ_r a_r ⊗ b_r ⊗ c_r",
    generator="k_(ξ, η) = (ξ_r a_r, η_r b_r, −(ξ_r + η_r) c_r)",
    charge="‖a_r‖² − ‖c_r‖² and ‖b_r‖² − ‖c_r‖²",
    hessian="H k = −Dkᵀ ∇L with Dk diagonal: flat at critical points",
    hypotheses=("the loss sees the tensor only",),
    pitfalls="components may also trade places; nothing more may be mixed between them",
    mutants=[*usual("a", "c"), wrong_inverse("b")],
)
@st.composite
def cp_scaling(draw: st.DrawFn) -> Pair:
    """The three vectors of each component of a CP decomposition may share its size in any way."""
    rank, net = draw(canonical())
    first, second = (
        hidden_units(groups.Scaling(rank), writes={factor: 1}, reads={"c": 1}, name=f"{factor}-c") for factor in "ab"
    )
    return net.pair("cp", combined(first, second, name="scaling"), {})


@register(
    name="tucker-gl",
    reference=f"own derivation, after the matrix case ({ZHAO}); {OWN_HESSIAN}",
    action="(U, V, G) ↦ (U M⁻¹, V N⁻¹, M G Nᵀ) for U G Vᵀ, M ∈ GL(p), N ∈ GL(q)",
    generator="k_(ξ, η) = (−U ξ, −V η, ξ G + G ηᵀ)",
    charge="UᵀU − G Gᵀ and VᵀV − GᵀG",
    hessian="H k = −Dkᵀ ∇L: flat at critical points",
    hypotheses=("the loss sees the tensor only",),
    pitfalls="orthonormal factors, as HOSVD has them, leave O(p) × O(q)",
    mutants=[*usual("core", "left"), wrong_inverse("right")],
)
@st.composite
def tucker_gl(draw: st.DrawFn) -> Pair:
    """Each mode of a Tucker decomposition has a basis change between its factor and the core."""
    (p, q), net = draw(tucker())
    modes = ((p, 0, "left"), (q, 1, "right"))
    moves = (low_rank(size, writes={"core": axis}, reads={side: 1}, name=side) for size, axis, side in modes)
    return net.pair("tucker", combined(*moves, name="gl"), {})


@register(
    name="tensor-train-gl",
    reference=f"own derivation, after the matrix case ({ZHAO}); {OWN_HESSIAN}",
    action="(A, B, C) ↦ (A M, M⁻¹ B N, N⁻¹ C) for the bonds of A B C, M ∈ GL(p), N ∈ GL(q)",
    generator="k_(ξ, η) = (A ξ, −ξ B + B η, −η C)",
    charge="AᵀA − Σ_j B_j B_jᵀ and Σ_j B_jᵀB_j − C Cᵀ",
    hessian="H k = −Dkᵀ ∇L: flat at critical points",
    hypotheses=("the loss sees the tensor only",),
    pitfalls="canonical forms fix the basis of each bond",
    mutants=[*usual("first", "middle"), wrong_inverse("last")],
)
@st.composite
def tensor_train_gl(draw: st.DrawFn) -> Pair:
    """Each bond of a tensor train has a basis change of its own."""
    (left, right), net = draw(tensor_trains())
    first = low_rank(left, writes={"first": 1}, reads={"middle": 0}, name="left")
    second = low_rank(right, writes={"middle": 2}, reads={"last": 0}, name="right")
    return net.pair("tensor-train", combined(first, second, name="gl"), {})
