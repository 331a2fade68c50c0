"""Residual streams: what may be done to all that writes a stream, and undone in all that reads it."""

from __future__ import annotations

from functools import partial

from hypothesis import strategies as st

from eqprop.actions import residual_stream
from eqprop.claims import Pair
from eqprop.mutants import Mutant, acting_otherwise, forgets, leaf_at, usual, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import Domain, balanced, domain, told_apart
from eqprop.strategies.streams import Norm, Stream, streams

ASHKBOOS = "Ashkboos et al. 2024, SliceGPT (arXiv 2401.15024)"
SECOND = "second order after Yang & Ziyin (2512.21447)"


def _tame(design: Stream) -> Domain:
    """Where nothing cancels to the last bit, which would leave rounding alone.

    Features of the stream are told apart; so are tokens and positions, which add up to 0 where they are opposite, and
    the rows of what reads a layer norm: its features sum to 0, and a reader that is alike in all of them returns 0.
    """
    layer = design.norm == "layer"
    of_leaves = {"all": told_apart if layer else balanced, "embed": told_apart}
    of_leaves |= {"positions": lambda values: 0.75 * values} if design.ends != "dense" else {}
    of_leaves |= {"blocks/*/gain": told_apart} if design.gains else {}
    of_leaves |= dict.fromkeys(design.reads, partial(told_apart, axis=-2)) if layer else {}
    return domain(**of_leaves)


def _moved(design: Stream, *, claimed: Norm | None = None) -> Pair:
    """The stream with what its norm leaves, or with what another norm would."""
    net = design.net()
    norm = claimed or design.norm
    move = residual_stream(design.width, writes=design.writes, reads=design.reads, norm=norm, params=net.params)
    return net.pair("stream", move, design.architecture, domain=_tame(design))


ROTATION = {
    "generator": "k_ξ = (W ξᵀ, b ξᵀ) on writers, ξ A on readers, ξ antisymmetric",
    "charge": "none: Dk_ξ is antisymmetric",
    "hessian": "H k_ξ = −Dk_ξᵀ ∇L; K is orthogonal: the spectrum is kept along the orbit",
}
LAST_WRITER, READER = "blocks/0/w_out", "unembed"


@register(
    name="residual-gl",
    reference=f"own derivation, after the linear case (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.2); {SECOND}",
    action="writers (W, b) ↦ (W M, b M), readers A ↦ M⁻¹ A, one M ∈ GL(d) for the whole stream",
    generator="k_ξ = (W ξ, b ξ) on writers, −ξ A on readers",
    charge="Σ over writers of WᵀW + bᵀb, less Σ over readers of A Aᵀ (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("no norms on the stream", "skip connections are identities"),
    pitfalls="every writer and every reader moves, embeddings and output biases included",
    mutants=[*usual(LAST_WRITER, READER), forgets("blocks/*/w_in"), forgets("blocks/*/b_out"), wrong_inverse(READER)],
)
@st.composite
def residual_gl(draw: st.DrawFn) -> Pair:
    """A residual stream without norms may be written in any basis."""
    return _moved(draw(streams()))


@register(
    name="rmsnorm-rotation",
    reference=f"{ASHKBOOS}: the group; {SECOND}",
    action="writers (W, b) ↦ (W Rᵀ, b Rᵀ), readers A ↦ R A, R ∈ O(d)",
    **ROTATION,
    hypotheses=("RMSNorm without gains in front of every reader, with any ε",),
    pitfalls="gains must be folded first; LayerNorm singles out the direction 1",
    mutants=[
        *usual(LAST_WRITER, READER, finite=True),
        forgets("embed"),
        forgets("blocks/*/b_out"),
    ],
)
@st.composite
def rmsnorm_rotation(draw: st.DrawFn) -> Pair:
    """RMSNorm sees the length of a stream only, and a rotation of all writers and readers keeps it."""
    return _moved(draw(streams(norm="rms", least_width=2, epsilons=(0.0, 1e-5, 1e-2))))


@register(
    name="rotation-with-gains",
    reference=f"negative control of rmsnorm-rotation; {ASHKBOOS}: gains are folded first",
    action="as rmsnorm-rotation, the gains left where they are",
    control="a gain multiplies each feature by a number of its own, which a rotation mixes",
)
@st.composite
def rotation_with_gains(draw: st.DrawFn) -> Pair:
    """A stream is rotated before the gains of its norms are folded into the readers."""
    return _moved(draw(streams(norm="rms", least_width=2, gains=True)))


def _shifts_unevenly(pair: Pair, element: object, params: object, path: str) -> object:
    moved, kept = leaf_at(pair.transformation.on_params(element, params), path), leaf_at(params, path)
    return moved.at[..., -1].set(kept[..., -1])


@register(
    name="prenorm-shift",
    reference=f"own derivation, after the translation symmetry of norms (Kunin et al. 2021, 2012.04728); {SECOND}",
    action="W ↦ W + a 1ᵀ, b ↦ b + β 1 for every writer",
    generator="k_ξ = (a 1ᵀ, β 1), constant",
    charge="row sums of every writer, and the sums of the output biases",
    hessian="H k_ξ = 0 everywhere",
    hypotheses=("LayerNorm in front of every reader, the last one included, with any ε",),
    pitfalls="any reader without a norm sees the shift",
    mutants=[
        Mutant("forgets-last-feature", 0, "K leaves a feature alone", acting_otherwise(LAST_WRITER, _shifts_unevenly)),
        *usual("embed")[3:],
    ],
)
@st.composite
def prenorm_shift(draw: st.DrawFn) -> Pair:
    """Behind layer norms, what is added to all features of a stream alike is taken off again."""
    return _moved(draw(streams(norm="layer", least_width=3, epsilons=(1e-2, 1e-5))))


@register(
    name="prenorm-shift-unnormed-reader",
    reference="negative control of prenorm-shift; own derivation",
    action="as prenorm-shift",
    control="the last reader has no norm, and sees what is added to all features",
)
@st.composite
def prenorm_shift_unnormed_reader(draw: st.DrawFn) -> Pair:
    """The shift of a pre-norm stream is claimed without a norm in front of the unembedding."""
    design = draw(streams(norm="layer", least_width=3, epsilons=(1e-2,), final_norm=False))
    return _moved(design)


# -- tokens at both ends ----------------------------------------------------------------------------------------------


@register(
    name="untied-embedding-gl",
    reference=f"own derivation, after the linear case (Du, Hu & Lee 2018, arXiv 1806.00900, Thm 2.2); {SECOND}",
    action="(E, P) ↦ (E M, P M), writers and readers of the blocks as in residual-gl, U ↦ M⁻¹ U, M ∈ GL(d)",
    generator="k_ξ = (E ξ, P ξ, −ξ U), and as in residual-gl",
    charge="EᵀE + PᵀP − U Uᵀ + …: writers less readers (one number for each symmetric ξ)",
    hessian="H k_ξ = −Dk_ξᵀ ∇L: flat at critical points",
    hypotheses=("no norms", "embedding and unembedding are different tensors"),
    pitfalls="the position table moves, too",
    mutants=[*usual("embed", READER), forgets("positions")],
)
@st.composite
def untied_embedding_gl(draw: st.DrawFn) -> Pair:
    """Embedding, position table and unembedding of tokens may be written in any basis of the stream."""
    return _moved(draw(streams(ends="untied")))


@register(
    name="tied-embedding-rotation",
    reference=f"own derivation, after {ASHKBOOS}; {SECOND}",
    action="(E, P) ↦ (E Rᵀ, P Rᵀ), blocks as in rmsnorm-rotation, R ∈ O(d); logits are norm(x) Eᵀ",
    **ROTATION,
    hypotheses=("RMSNorm without gains in front of every reader", "the embedding is the unembedding"),
    pitfalls="tying reduces GL(d) to O(d), with or without norms",
    mutants=[*usual("embed", LAST_WRITER, finite=True), forgets("positions"), forgets("blocks/*/w_in")],
)
@st.composite
def tied_embedding_rotation(draw: st.DrawFn) -> Pair:
    """A tied embedding writes and reads the stream: a rotation of its rows is undone by itself."""
    return _moved(draw(streams(norm="rms", least_width=2, epsilons=(1e-2, 1e-5), ends="tied")))


@register(
    name="tied-embedding-shift",
    reference=f"own derivation, after the translation symmetry of norms (Kunin et al. 2021, 2012.04728); {SECOND}",
    action="E ↦ E + a 1ᵀ, P ↦ P + p 1ᵀ, writers of the blocks as in prenorm-shift; logits are norm(x) Eᵀ",
    generator="k_ξ = (a 1ᵀ, p 1ᵀ, …), constant",
    charge="row sums of E and P, and of every writer",
    hessian="H k_ξ = 0 everywhere",
    hypotheses=("LayerNorm without gain and shift in front of every reader", "the embedding is the unembedding"),
    pitfalls="a gain or a shift of the last norm lets the unembedding see a",
    mutants=[
        Mutant("forgets-last-feature", 0, "K leaves a feature alone", acting_otherwise("embed", _shifts_unevenly)),
        *usual("embed")[3:],
    ],
)
@st.composite
def tied_embedding_shift(draw: st.DrawFn) -> Pair:
    """What a layer norm returns sums to 0, so that a tied embedding does not see a shift of itself either."""
    design = draw(streams(norm="layer", least_width=3, epsilons=(1e-2, 1e-5), ends="tied"))
    return _moved(design)


@register(
    name="tied-embedding-gl",
    reference="negative control of untied-embedding-gl; own derivation",
    action="as untied-embedding-gl, with one tensor at both ends that is moved as an embedding",
    control="logits (x M) (E M)ᵀ are x M Mᵀ Eᵀ: a tied embedding leaves orthogonal M only",
)
@st.composite
def tied_embedding_gl(draw: st.DrawFn) -> Pair:
    """The general linear group of an untied stream is claimed for a tied one."""
    return _moved(draw(streams(ends="tied")), claimed="none")
