"""Mixtures of experts and ensembles: members trade places, and routers forget what is added to all of their logits."""

from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import strategies as st

from eqprop.actions import experts as permuted
from eqprop.actions import softmax_shift
from eqprop.claims import Pair
from eqprop.mutants import forgets, usual, usual_of_shifts, wrong_inverse
from eqprop.registry import register
from eqprop.strategies.domains import domain, moderate, skewed, small, told_apart
from eqprop.strategies.experts import Experts, experts
from eqprop.strategies.surroundings import embedded

OWN = "own derivation, after the permutation of neurons (Brea et al. 2019, arXiv 1907.02911)"
KUNIN = "own derivation, after the translation symmetry of softmax (Kunin et al. 2021, arXiv 2012.04728)"
APART = partial(told_apart, axis=-3)
"""Experts that are all alike leave nothing to route, and opposite ones cancel."""

TAME = domain(all=moderate, a=APART)


def _permuted(draw: st.DrawFn, design: Experts, *, without: str = "") -> Pair:
    """The experts in a random network trade places, in all of their tensors or all but one."""
    axes = {path: axis for path, axis in design.axes.items() if path != without}
    return embedded(draw, design.block()).pair(
        "experts", permuted(design.count, axes), design.architecture, domain=TAME
    )


def _several(pair: Pair) -> bool:
    return pair.transformation.group.size != 2


FINITE = {
    "generator": "none: the group is finite",
    "charge": "none: the group is finite",
    "hessian": "Kᵀ H(Kθ) K = H(θ) with K orthogonal: the spectrum is kept, eigenvectors are permuted",
}


@register(
    name="expert-permutation",
    reference=f"{OWN}; mixtures: Shazeer et al. 2017 (arXiv 1701.06538)",
    action="(W_e, b_e, A_e, R_e, r_e) ↦ the same of the expert that takes the place of e",
    **FINITE,
    hypotheses=("experts of one shape and activation", "a softmax router over all of them"),
    pitfalls="with top-k routing ties, and a capacity that is filled in the order of the experts, break it",
    mutants=[
        *usual("block/w", "block/a", finite=True),
        forgets("block/router"),
        wrong_inverse("block/router").only(_several),
    ],
)
@st.composite
def expert_permutation(draw: st.DrawFn) -> Pair:
    """The experts of a mixture may trade places if the columns of the router follow."""
    return _permuted(draw, draw(experts("router")))


@register(
    name="expert-permutation-forgets-router",
    reference="negative control of expert-permutation; own derivation",
    action="as expert-permutation, with the router left where it is",
    control="the router sends a sample to the expert that has moved away",
)
@st.composite
def expert_permutation_forgets_router(draw: st.DrawFn) -> Pair:
    """Experts trade places behind the back of their router."""
    return _permuted(draw, draw(experts("router")), without="block/router")


@register(
    name="router-shift",
    reference=KUNIN,
    action="R ↦ R + a 1ᵀ: the same vector added to the logits of all experts",
    generator="k_ξ = a 1ᵀ, constant",
    charge="row sums of R (one for each feature)",
    hessian="H k_ξ = 0 everywhere",
    hypotheses=("a softmax router, over all experts or over those with the largest logits",),
    pitfalls="a z-loss breaks it, and so does a router of sigmoids; with top-k routing the model jumps at ties",
    mutants=usual_of_shifts("block/router"),
)
@st.composite
def router_shift(draw: st.DrawFn) -> Pair:
    """A softmax router forgets what is added to the logits of all experts alike, which never changes who is chosen."""
    design = draw(experts("router", most=3, top=True))
    return _router_shifted(draw, design)


def _router_shifted(draw: st.DrawFn, design: Experts) -> Pair:
    net = embedded(draw, design.block(), most_before=1, most_after=0, residual=False)
    move = softmax_shift(net.params, {"block/router": 1}, name="router-shift")
    return net.pair("experts", move, design.architecture, domain=domain(all=moderate, router=_off_ties, a=APART))


def _off_ties(router: np.ndarray) -> np.ndarray:
    """Small, and such that no two experts have the same logit, even where features of size 1 cancel in each of them.

    Rounding would choose the largest logits there.
    """
    return told_apart(skewed(small(router)))


@register(
    name="sigmoid-router-shift",
    reference="negative control of router-shift; own derivation",
    action="as router-shift",
    control="each sigmoid sees its own logit, and none is compared with the others",
)
@st.composite
def sigmoid_router_shift(draw: st.DrawFn) -> Pair:
    """The shift of a router is claimed where every expert has a sigmoid of its own."""
    return _router_shifted(draw, draw(experts("sigmoid router", most=3)))


@register(
    name="ensemble-permutation",
    reference=OWN,
    action="(W_e, b_e, A_e) ↦ the same of the member that takes the place of e",
    **FINITE,
    hypotheses=("members of one shape and activation, with equal weights",),
    pitfalls="members that see different data in a batch are no ensemble of equals",
    mutants=[*usual("block/w", "block/a", finite=True), wrong_inverse("block/a").only(_several)],
)
@st.composite
def ensemble_permutation(draw: st.DrawFn) -> Pair:
    """The members of an ensemble may trade places: only their mean is seen."""
    return _permuted(draw, draw(experts("mean")))


@register(
    name="mixture-logit-shift",
    reference=KUNIN,
    action="l ↦ l + s 1 on the logits of the mixture",
    generator="k_ξ = s 1, constant",
    charge="Σ l",
    hessian="H k_ξ = 0 everywhere: one flat direction",
    hypotheses=("weights softmax(l)",),
    pitfalls="a prior on the logits breaks it",
    mutants=usual_of_shifts("block/logits"),
)
@st.composite
def mixture_logit_shift(draw: st.DrawFn) -> Pair:
    """The weights of a mixture forget what is added to all of its logits."""
    design = draw(experts("logits"))
    net = embedded(draw, design.block())
    tame = domain(all=moderate, logits=small, a=APART)
    return net.pair("mixture", softmax_shift(net.params, {"block/logits": 0}), design.architecture, domain=tame)
