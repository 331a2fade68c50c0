"""State-space and simple recurrent layers: the basis of a state that only its readout sees."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop import groups
from eqprop.actions import states
from eqprop.claims import Pair
from eqprop.groups import Group
from eqprop.mutants import forgets, usual, wrong_axis, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.activations import ABS, LEAKY_RELU
from eqprop.strategies.domains import Domain, domain, moderate, small
from eqprop.strategies.state_space import StateSpace, state_spaces
from eqprop.strategies.surroundings import embedded

OWN = "own derivation, after the layered case (Du, Hu & Lee 2018, arXiv 1806.00900)"
SECOND = "second order after Yang & Ziyin (2512.21447)"
TAME = domain(all=moderate)


def _state_moved(draw: st.DrawFn, design: StateSpace, group: Group, *, tame: Domain = TAME) -> Pair:
    """The layer in a random network, its states moved by a group; A too, where it is a matrix."""
    batch = draw(st.integers(1, 3))
    net = embedded(draw, design.block(), leading=(batch, design.steps), most_before=1, most_after=0, residual=False)
    outputs = {"block/w_c": -1 if design.transition == "selective" else 0}
    recurrent = {"block/a": (1, 0)} if design.transition == "dense" else {}
    move = states(group, inputs=design.inputs, outputs=outputs, recurrent=recurrent)
    return net.pair("state-space", move, design.architecture, domain=tame)


@register(
    name="rnn-linear-gl",
    reference=f"{OWN}; similarity of linear systems: Kalman 1963; {SECOND}",
    action="(A, B, b, s₀, C) ↦ (M⁻¹ A M, B M, b M, s₀ M, M⁻¹ C) for s' = s A + x B + b, y = s C, M ∈ GL(n)",
    generator="k_ξ = (A ξ − ξ A, B ξ, b ξ, s₀ ξ, −ξ C)",
    charge="AᵀA − A Aᵀ + BᵀB + bᵀb + s₀ᵀs₀ − C Cᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("a linear recurrence (an RNN without activation, a dense state-space model)",),
    pitfalls="the initial state moves too; a state that starts at zero meets A from the second step on only",
    mutants=[
        *usual("block/w_b", "block/w_c"),
        forgets("block/a").only(lambda pair: pair.model.params["block"]["a"].size > 1),  # similar to itself only
        forgets("block/s0"),
        wrong_inverse("block/w_c"),
    ],
)
@st.composite
def rnn_linear_gl(draw: st.DrawFn) -> Pair:
    """The state of a linear recurrent layer may be written in any basis: A by similarity, B and C on one side."""
    design = draw(state_spaces("dense"))
    return _state_moved(draw, design, groups.GeneralLinear(design.states))


@register(
    name="rnn-relu-rescaling",
    reference=f"{OWN}; {SECOND}",
    action="(A, B, b, s₀, C) ↦ (D⁻¹ A D, B D, b D, s₀ D, D⁻¹ C) for s' = σ(s A + x B + b), D > 0 diagonal",
    generator="k_ξ = (A ξ − ξ A, B ξ, b ξ, s₀ ξ, −ξ C), ξ diagonal",
    charge="the diagonal of AᵀA − A Aᵀ + BᵀB + bᵀb + s₀ᵀs₀ − C Cᵀ",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("σ(cz) = c σ(z) for c > 0",),
    pitfalls="a weight of a unit on itself does not move at all",
    mutants=[*usual("block/w_b", "block/w_c"), forgets("block/s0"), wrong_axis("block/a")],
)
@st.composite
def rnn_relu_rescaling(draw: st.DrawFn) -> Pair:
    """Units of a recurrent layer with a homogeneous activation may be rescaled, in all that writes and reads them."""
    design = draw(st.sampled_from((ABS, LEAKY_RELU)).flatmap(lambda a: state_spaces("dense", activation=a)))
    return _state_moved(draw, design, groups.Scaling(design.states))


@register(
    name="ssm-diagonal-scaling",
    reference=f"{OWN}; diagonal state spaces: Gupta et al. 2022 (arXiv 2203.14343); {SECOND}",
    action="(B, b, s₀, C) ↦ (B D, b D, s₀ D, D⁻¹ C), D > 0 diagonal",
    generator="k_ξ = (B ξ, b ξ, s₀ ξ, −ξ C), ξ diagonal",
    charge="‖B_i‖² + b_i² + s₀ᵢ² − ‖C_i‖² per state",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("a diagonal A, which stays where it is",),
    pitfalls="a norm on B or C breaks it",
    mutants=[*usual("block/w_b", "block/w_c"), wrong_inverse("block/w_c"), forgets("block/b")],
)
@st.composite
def ssm_diagonal_scaling(draw: st.DrawFn) -> Pair:
    """A state of a diagonal state-space layer is scaled up in B and down in C."""
    design = draw(state_spaces("diagonal"))
    return _state_moved(draw, design, groups.Scaling(design.states))


@register(
    name="ssm-complex-scaling",
    reference=f"{OWN}; diagonal state spaces: Gupta et al. 2022 (arXiv 2203.14343); {SECOND}",
    action="(B_j, b_j, s₀ⱼ) ↦ c_j (B_j, b_j, s₀ⱼ), C_j ↦ C_j / conj(c_j), c_j ≠ 0 complex, y = Re(conj(C) s)",
    generator="k_ξ = (ξ_j B_j, ξ_j b_j, ξ_j s₀ⱼ, −conj(ξ_j) C_j)",
    charge="‖B_j‖² + |b_j|² + |s₀ⱼ|² − ‖C_j‖² per state, for real ξ_j; imaginary ξ_j give none",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("a complex diagonal A, which stays where it is",),
    pitfalls="real and imaginary parts may not be mixed otherwise: a generic GL(2) does not commute with A",
    mutants=[*usual("block/w_b", "block/w_c"), wrong_inverse("block/w_c")],
)
@st.composite
def ssm_complex_scaling(draw: st.DrawFn) -> Pair:
    """A complex state may be multiplied by any complex number in B, if C is divided by its conjugate."""
    design = draw(state_spaces("complex"))
    return _state_moved(draw, design, groups.ComplexScaling(design.states), tame=domain(all=moderate, decay=small))


@register(
    name="ssm-complex-generic-gl",
    reference="negative control of ssm-complex-scaling; own derivation",
    action="as rnn-linear-gl on the real and imaginary parts, A left where it is",
    control="a matrix that is not complex-linear does not commute with the multiplication by a complex decay",
)
@st.composite
def ssm_complex_generic_gl(draw: st.DrawFn) -> Pair:
    """The general linear group of the real and imaginary parts of a diagonal complex state is claimed."""
    design = draw(state_spaces("complex"))
    return _state_moved(draw, design, groups.GeneralLinear(2 * design.states))


@register(
    name="selective-ssm-scaling",
    reference=f"{OWN}; selective state spaces: Gu & Dao 2023 (arXiv 2312.00752); {SECOND}",
    action="(W_B, W_C) ↦ (W_B D, W_C D⁻¹), D > 0 diagonal, for s' = e^(−δa) s + δ (x W_B) x, y = ⟨x W_C, s⟩",
    generator="k_ξ = (W_B ξ, −W_C ξ), ξ diagonal",
    charge="‖W_B,i‖² − ‖W_C,i‖² per state",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("B and C are linear in the input, without norms on them",),
    pitfalls="the step δ stays where it is",
    mutants=[*usual("block/w_b", "block/w_c"), wrong_inverse("block/w_c")],
)
@st.composite
def selective_ssm_scaling(draw: st.DrawFn) -> Pair:
    """In a selective state-space layer the maps that make B and C of the input share the size of each state freely."""
    design = draw(state_spaces("selective"))
    return _state_moved(draw, design, groups.Scaling(design.states))
