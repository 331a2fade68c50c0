"""Multi-head latent attention: what heads share with one latent of each token, and with one rotary key."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop.actions import attention_heads, combined, hidden_units
from eqprop.claims import Pair
from eqprop.groups import ComplexScaling, GeneralLinear, Group, Orthogonal
from eqprop.mutants import forgets, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import balanced, domain, moderate, told_apart
from eqprop.strategies.latent_attention import Latent, latents
from eqprop.strategies.surroundings import Embedded, batches, embedded

DEEPSEEK = "multi-head latent attention: DeepSeek-AI 2024 (arXiv 2405.04434)"
TAME = domain(all=moderate)


def _net(draw: st.DrawFn, design: Latent) -> Embedded:
    leading = (draw(batches()), design.tokens)
    return embedded(draw, design.block(), leading=leading, most_before=1, most_after=0, residual=False)


@register(
    name="latent-attention-heads",
    reference=f"own derivation, after attention-qk, rope-qk and attention-vo; {DEEPSEEK}",
    action="in each head (U_Q, U_K) ↦ (U_Q Mᵀ, U_K M⁻¹) and (U_V, W_O) ↦ (U_V Nᵀ, N⁻ᵀ W_O), M, N ∈ GL; "
    "q_j ↦ c_j q_j in all heads alike, k_j ↦ k_j / conj(c_j) on the one rotary key, c_j ≠ 0 complex",
    generator="k = (U_Q ξᵀ, −U_K ξ, U_V ηᵀ, −ηᵀ W_O, ζ_j q_j, −conj(ζ_j) k_j)",
    charge="U_QᵀU_Q − U_KᵀU_K and U_VᵀU_V − W_O W_Oᵀ per head; Σ_heads ‖Q_j‖² − ‖K_j‖² per frequency",
    hessian="H k = −Dkᵀ ∇L: flat at critical points",
    hypotheses=("the latents may have norms, and gains",),
    pitfalls="all heads share the rotary key: a complex factor of one head alone is no symmetry",
    mutants=[
        *usual("block/wq", "block/wk"),
        forgets("block/wk_turned"),
        wrong_inverse("block/wo"),
        wrong_inverse("block/wk_turned"),
    ],
)
@st.composite
def latent_attention_heads(draw: st.DrawFn) -> Pair:
    """Behind its latents a head keeps the basis changes of any head; what positions turn is one key for all heads."""
    design = draw(latents(norms=("none", "rms", "gained rms")))
    heads, queries, keys = design.heads, {"block/wq": (0, 2)}, {"block/wk": (0, 2)}
    values, outputs = {"block/wv": (0, 2)}, {"block/wo": (0, 1)}
    asked, seen = {"block/wq_turned": 2}, {"block/wk_turned": 1}
    scores = attention_heads(heads, design.key_width, queries=queries, keys=keys, name="qk")
    mixed = attention_heads(heads, design.value_width, values=values, outputs=outputs, name="vo")
    rotary = hidden_units(ComplexScaling(design.planes), writes=asked, reads=seen, name="rotary")
    move = combined(scores, mixed, rotary, name="heads")
    return _net(draw, design).pair("latent-attention", move, design.architecture, domain=TAME)


def _latents_moved(draw: st.DrawFn, design: Latent, group: type[GeneralLinear | Orthogonal]) -> Pair:
    """A group of the latent, and one of the queries' latent, between what writes and what reads each."""

    def of(size: int, writes: str, reads: str) -> tuple[Group, dict[str, int], dict[str, int]]:
        return group(size), {f"block/{writes}": 1}, {f"block/{reads}": 1}

    both = (
        of(design.latent, "latent", "w[kv]"),
        of(design.query_latent, "query_latent", "wq*"),
    )
    moves = [hidden_units(acting, writes=writes, reads=reads, name="latent") for acting, writes, reads in both]
    # Told apart: what positive and negative features of a latent add up to is not 0 by chance.
    tame = domain(all=balanced, latent=told_apart, query_latent=told_apart)
    return _net(draw, design).pair("latent-attention", combined(*moves), design.architecture, domain=tame)


@register(
    name="latent-attention-gl",
    reference=f"own derivation, after the linear case (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.2); {DEEPSEEK}",
    action="D_KV ↦ D_KV M, (U_K, U_V) ↦ M⁻¹ (U_K, U_V) in all heads, M ∈ GL(r); D_Q, U_Q likewise",
    generator="k_ξ = (D_KV ξ, −ξ U_K, −ξ U_V)",
    charge="D_KVᵀD_KV − Σ_heads (U_K U_Kᵀ + U_V U_Vᵀ) (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("no norm between the projections down and up",),
    pitfalls="the released models have RMSNorm there; keys and values read the same latent",
    mutants=[*usual("block/latent", "block/wk"), forgets("block/wv"), wrong_inverse("block/wv")],
)
@st.composite
def latent_attention_gl(draw: st.DrawFn) -> Pair:
    """Latents without norms may be written in any basis."""
    return _latents_moved(draw, draw(latents(norms=("none",), query=True)), GeneralLinear)


@register(
    name="latent-attention-rotation",
    reference=f"own derivation, after Ashkboos et al. 2024, SliceGPT (arXiv 2401.15024); {DEEPSEEK}",
    action="D_KV ↦ D_KV Rᵀ, (U_K, U_V) ↦ R (U_K, U_V) in all heads, R ∈ O(r); D_Q, U_Q likewise",
    generator="k_ξ = (D_KV ξᵀ, ξ U_K, ξ U_V), ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric",
    hessian="H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
    hypotheses=("RMSNorm of the latents without gain, with any ε",),
    pitfalls="the gain is folded into U_K and U_V first; the rotary key has no norm, and no part in it",
    mutants=[*usual("block/latent", "block/wk", finite=True), forgets("block/wv"), forgets("block/wq")],
)
@st.composite
def latent_attention_rotation(draw: st.DrawFn) -> Pair:
    """RMSNorm leaves the rotations of a latent."""
    return _latents_moved(draw, draw(latents(norms=("rms",), least=2, query=True)), Orthogonal)


@register(
    name="latent-attention-gl-through-norm",
    reference="negative control of latent-attention-gl; own derivation",
    action="as latent-attention-gl",
    control="a norm between the projections sees the length of the latent, which a basis change moves",
)
@st.composite
def latent_attention_gl_through_norm(draw: st.DrawFn) -> Pair:
    """The basis of a latent is changed as if no norm stood between the projections down and up."""
    return _latents_moved(draw, draw(latents(norms=("rms", "gained rms"), least=2, query=True)), GeneralLinear)
