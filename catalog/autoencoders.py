"""Linear autoencoders: what a penalty, or a prior, leaves of the basis changes of the latent space."""

from __future__ import annotations

from hypothesis import strategies as st

from eqprop.actions import low_rank
from eqprop.claims import Pair
from eqprop.groups import GeneralLinear, Orthogonal
from eqprop.mutants import usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.autoencoders import linear_autoencoders, linear_vaes
from eqprop.strategies.domains import domain, moderate

KUNIN = "Kunin et al. 2019 (arXiv 1901.08168): loss landscapes of regularised linear autoencoders"


def _latent(bias: bool) -> dict[str, int]:
    return {"encode": 1} | ({"bias": 0} if bias else {})


@register(
    name="autoencoder-gl",
    reference=f"{KUNIN}; second order after Yang & Ziyin (2512.21447)",
    action="(E, b, D) ↦ (E M, b M, M⁻¹ D) for x ↦ (x E + b) D + c, M ∈ GL(k)",
    generator="k_ξ = (E ξ, b ξ, −ξ D)",
    charge="EᵀE + bᵀb − D Dᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("a linear encoder and decoder", "no penalty on either"),
    pitfalls="only the spanned subspace is learned, not its principal directions",
    mutants=[*usual("encode", "decode"), wrong_inverse("decode")],
)
@st.composite
def autoencoder_gl(draw: st.DrawFn) -> Pair:
    """Reconstructions of a linear autoencoder do not tell the basis of its latent space."""
    latent, bias, net = draw(linear_autoencoders())
    return net.pair("autoencoder", low_rank(latent, writes=_latent(bias), reads={"decode": 0}), {})


ROTATION_MUTANTS = usual("encode", "decode", finite=True)


@register(
    name="autoencoder-l2-rotation",
    reference=f"{KUNIN}; second order after Yang & Ziyin (2512.21447)",
    action="(E, b, D) ↦ (E Rᵀ, b Rᵀ, R D), R ∈ O(k)",
    generator="k_ξ = (−E ξ, −b ξ, ξ D), ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric",
    hessian="H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
    hypotheses=("a linear encoder and decoder", "one penalty for both"),
    pitfalls="penalties that differ between the latent units leave signs and permutations of equal ones",
    mutants=ROTATION_MUTANTS,
)
@st.composite
def autoencoder_l2_rotation(draw: st.DrawFn) -> Pair:
    """With weight decay among the outputs, rotations of the latent space are what is left of its basis changes."""
    latent, bias, net = draw(linear_autoencoders(least_latent=2, penalty=0.5))
    move = low_rank(latent, writes=_latent(bias), reads={"decode": 0}, group=Orthogonal(latent), name="rotation")
    return net.pair("autoencoder-l2", move, {})


@register(
    name="autoencoder-l2-gl",
    reference="negative control of autoencoder-l2-rotation; own derivation",
    action="as autoencoder-gl",
    control="‖E M‖² + ‖M⁻¹ D‖² is ‖E‖² + ‖D‖² for orthogonal M only",
)
@st.composite
def autoencoder_l2_gl(draw: st.DrawFn) -> Pair:
    """The general linear group of a latent space is claimed in spite of weight decay among the outputs."""
    latent, bias, net = draw(linear_autoencoders(penalty=0.5))
    move = low_rank(latent, writes=_latent(bias), reads={"decode": 0}, group=GeneralLinear(latent))
    return net.pair("autoencoder-l2", move, {})


@register(
    name="vae-rotation",
    reference="Lucas et al. 2019 (arXiv 1911.02469): linear VAEs; second order after Yang & Ziyin (2512.21447)",
    action="(E, D) ↦ (E Rᵀ, R D), R ∈ O(k)",
    generator="k_ξ = (−E ξ, ξ D), ξ antisymmetric",
    charge="none: Dk_ξ is antisymmetric",
    hessian="H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
    hypotheses=("a linear encoder and decoder", "a posterior with the same variance in all directions"),
    pitfalls="a learned variance for each latent unit leaves signed permutations",
    mutants=ROTATION_MUTANTS,
)
@st.composite
def vae_rotation(draw: st.DrawFn) -> Pair:
    """The evidence bound of a linear VAE with an isotropic posterior does not tell rotations of its latent space."""
    latent, net = draw(linear_vaes())
    move = low_rank(latent, writes={"encode": 1}, reads={"decode": 0}, group=Orthogonal(latent), name="rotation")
    return net.pair("linear-vae", move, {}, domain=domain(all=moderate))
