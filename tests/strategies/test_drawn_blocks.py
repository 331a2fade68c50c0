"""What the strategies of blocks and networks draw, and what they shrink to.

Both are told by ``architecture``: all that was drawn, by name. The claims are the same for every strategy.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis import strategies as st

from eqprop.strategies import (
    asymmetric,
    attention,
    attention_variants,
    autoencoders,
    conversions,
    convolution,
    experts,
    factorisation,
    gains,
    graphs,
    hyper_connections,
    images,
    latent_attention,
    mamba,
    norms,
    orbits,
    physics,
    recurrent,
    sets,
    state_space,
    streams,
)
from eqprop.strategies.activations import IDENTITY, activations

STRATEGIES: Mapping[str, tuple[st.SearchStrategy[Any], set[str]]] = {
    "asymmetric layers": (asymmetric.asymmetric_layers("weights", IDENTITY), {"residual", "kind", "sigma"}),
    "attention": (attention.attentions(), {"rotary", "free_key_bias"}),
    "rotary attention": (attention.attentions(rotary=True), {"alibi", "kernel", "free_key_bias"}),
    "variants of attention": (attention_variants.variants(), {"frequencies", "normed", "scores", "gated", "sinks"}),
    "latent attention": (latent_attention.latents(norms=("none", "rms", "gained rms")), set()),
    "Mamba-2 blocks": (mamba.mamba2s(convolved=True), {"convolved"}),
    "hyper-connections": (hyper_connections.hyper_connections("free", dynamic=None), {"mixing"}),
    "networks on orbits": (orbits.orbit_nets(), set()),
    "autoencoders": (autoencoders.linear_autoencoders(), set()),
    "variational autoencoders": (autoencoders.linear_vaes(), set()),
    "norms to fold": (conversions.gained_norms(), set()),
    "batch norms to fold": (conversions.batch_normed_layers(), {"padding"}),
    "updates to merge": (conversions.low_rank_updates(), set()),
    "convolutional networks": (convolution.conv_nets(activations()), set()),
    "mixtures of experts": (experts.experts("softmax"), {"weighting", "top"}),
    "factorised matrices": (factorisation.matrices(), set()),
    "canonical tensors": (factorisation.canonical(), set()),
    "Tucker tensors": (factorisation.tucker(), set()),
    "tensor trains": (factorisation.tensor_trains(), set()),
    "gains behind norms": (gains.gained_norms("log"), {"stored"}),
    "directions and lengths": (gains.directed_weights(), set()),
    "graph networks": (graphs.graphs(("gcn", "gin"), activations()), set()),
    "two towers": (graphs.two_towers(cosine=True), set()),
    "batch norms": (norms.batch_norms(), {"kind", "groups", "bias", "epsilon"}),
    "group norms": (norms.group_norms(), {"kind"}),
    "images": (images.image_nets(activations(), depthwise=True), {"groups"}),
    "images in groups": (images.image_nets(activations(), least_groups=2), {"depthwise", "head"}),
    "spin glasses": (physics.spin_glasses((2, 3)), set()),
    "vector spins": (physics.vector_spins(), set()),
    "particles": (physics.particles(softened=False), {"softened"}),
    "neural ODEs": (physics.neural_odes(), set()),
    "recurrent cells": (recurrent.recurrent_cells("lstm"), {"kind"}),
    "deep sets": (sets.deep_sets(), set()),
    "networks of signals": (sets.signal_nets(), set()),
    "state spaces": (state_space.state_spaces("diagonal"), {"transition", "activation"}),
    "residual streams": (streams.streams(), {"heads", "norm", "gains", "ends", "epsilon", "final_norm"}),
    "transformers": (
        streams.transformers(),
        {"width", "norm", "gains", "ends", "epsilon", "final_norm", "tokens"},
    ),
}
"""Each with the names of what its arguments (or the block itself) leave nothing of to draw."""

DRAWS = 120
QUIET = settings(max_examples=DRAWS, database=None, suppress_health_check=list(HealthCheck))

every_strategy = pytest.mark.parametrize(("strategy", "fixed"), STRATEGIES.values(), ids=STRATEGIES)


def architecture(drawn: Any) -> dict[str, Hashable]:
    """Of a design, or of a network that comes last in a tuple with what a transformation needs to know of it."""
    return dict(getattr(drawn, "architecture", None) or drawn[-1].architecture)


@cache
def drawn_values(strategy: st.SearchStrategy[Any]) -> dict[str, set[Hashable]]:
    """What was seen under each name."""
    seen: dict[str, set[Hashable]] = {}

    @seed(0)
    @settings(QUIET, phases=[Phase.generate])
    @given(strategy)
    def collect(drawn: Any) -> None:
        for name, value in architecture(drawn).items():
            seen.setdefault(name, set()).add(value)

    collect()
    return seen


@every_strategy
def test_everything_varies_but_what_the_arguments_fix(strategy: st.SearchStrategy[Any], fixed: set[str]):
    assert {name for name, values in drawn_values(strategy).items() if len(values) == 1} == fixed


@every_strategy
def test_sizes_shrink_to_the_least_and_extras_away(strategy: st.SearchStrategy[Any], fixed: set[str]):
    shrunk = architecture(find(strategy, lambda drawn: True, settings=QUIET))
    for name, values in drawn_values(strategy).items():
        if all(isinstance(value, int | tuple) for value in values):
            least = min(values, key=lambda value: (len(value), value) if isinstance(value, tuple) else (0, value))
            assert shrunk[name] == least, name
