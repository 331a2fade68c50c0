"""Blocks of released models of 2024 to 2026: each beside the same thing written in another way."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop import groups
from eqprop.strategies.attention_variants import Variant, softmax_with_sinks
from eqprop.strategies.gains import Gained
from eqprop.strategies.hyper_connections import HyperConnections, doubly_stochastic
from eqprop.strategies.latent_attention import Latent
from eqprop.strategies.mamba import Mamba2, states_read
from eqprop.strategies.orbits import OrbitNet, images_moved, sources
from eqprop.strategies.surroundings import Block, gaussian_like

RNG = np.random.default_rng(5)
EXACT = 1e-13
"""Sums of a few numbers of size 1, in another order."""


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        yield


def drawn(block: Block) -> dict[str, np.ndarray]:
    return gaussian_like(dict(block.shapes), np.random.default_rng(3))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_latent_attention_is_attention_with_queries_keys_and_values_of_two_parts():
    design = Latent(heads=2, latent=3, query_latent=2, key_width=2, value_width=2, d_in=3, d_out=2, tokens=3)
    block = design.block()
    p, h = drawn(block), RNG.standard_normal((3, 3))
    kept, asking = h @ p["latent"], h @ p["query_latent"]
    turn = lambda z: np.exp(1j * np.arange(3)) * (z[:, 0] + 1j * z[:, 1])  # noqa: E731
    out = np.zeros((3, 2))
    for head in range(2):
        turned = turn(asking @ p["wq_turned"][head])[:, None] * turn(h @ p["wk_turned"]).conj()[None, :]
        scores = (asking @ p["wq"][head]) @ (kept @ p["wk"][head]).T + turned.real
        out += softmax(scores / 2.0) @ (kept @ p["wv"][head]) @ p["wo"][head]
    np.testing.assert_allclose(block.apply(p, h), out, atol=EXACT)


def test_a_sink_is_a_key_whose_value_is_zero():
    scores, sinks = RNG.standard_normal((2, 1, 3, 3)), RNG.standard_normal(2)
    found = np.asarray(softmax_with_sinks(jnp.asarray(scores), jnp.asarray(sinks)))
    whole = softmax(np.concatenate([scores, np.broadcast_to(sinks[:, None, None, None], (2, 1, 3, 1))], -1))
    np.testing.assert_allclose(found, whole[..., :3], atol=EXACT)
    assert (found.sum(-1) < 1).all()


def test_an_output_gate_that_is_open_halves_what_leaves_a_head():
    plain, gated = (Variant(groups=2, d_in=2, value_width=2, tokens=3, gated=gate) for gate in (False, True))
    p, h = drawn(gated.block()), RNG.standard_normal((3, 2))
    half = gated.block().apply({**p, "wg": np.zeros_like(p["wg"])}, h)
    np.testing.assert_allclose(half, 0.5 * plain.block().apply(p, h), atol=EXACT)


def test_a_recurrence_with_one_decay_a_head_is_masked_linear_attention():
    """The duality of Dao & Gu 2024: y_t = Σ_s (C_t · B_s) e^(−Σ δ exp(decay)) δ_s x_s."""
    t, heads, width, n = 4, 2, 3, 2
    x, b, c = (RNG.standard_normal(shape) for shape in ((t, heads, width), (t, n), (t, n)))
    step, decay = RNG.uniform(0.1, 1, (t, heads)), RNG.standard_normal(heads)
    passed = np.cumsum(step * np.exp(decay), 0)
    seen = np.tril(np.ones((t, t)))[:, :, None] * np.exp(np.minimum(passed[None] - passed[:, None], 0))
    expected = np.einsum("ts,tsh,sh,shp->thp", c @ b.T, seen, step, x)
    np.testing.assert_allclose(states_read(*map(jnp.asarray, (x, b, c, step, decay))), expected, atol=EXACT)


def test_the_convolution_of_a_mamba_block_sees_this_step_and_the_one_before():
    design = Mamba2(d_in=2, states=2, steps=3, convolved=True)
    p, h = drawn(design.block()), RNG.standard_normal((1, 3, 2))
    z = h[0] @ p["w_b"]
    late = np.concatenate([np.zeros((1, 2)), z[:-1]])
    mixed = p["kernel_b"][1] * z + p["kernel_b"][0] * late + p["bias_b"]
    np.testing.assert_allclose(design._projected(p, h, "b")[0], mixed / (1 + np.exp(-mixed)), atol=EXACT)


def test_normalising_rows_and_columns_makes_columns_sum_to_one():
    mix = np.asarray(doubly_stochastic(jnp.asarray(RNG.standard_normal((3, 3)))))
    np.testing.assert_allclose(mix.sum(0), np.ones(3), atol=EXACT)
    assert abs(mix.sum(1) - 1).max() < 0.2  # a property of two rounds on these numbers


def test_one_stream_that_keeps_itself_is_a_residual_network():
    design = HyperConnections(streams=1, width=2, hidden=2, d_in=2, d_out=2, batch=3)
    net = design.net()
    p, x = net.params, net.inputs
    alone = {"read": np.ones(1), "write": np.ones(1), "mix": np.ones((1, 1))}
    found = net.apply({**p, "blocks": [{**block, **alone} for block in p["blocks"]]}, x)
    h = np.asarray(x) @ p["embed"]
    for block in p["blocks"]:
        normed = h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-2)
        h = h + np.tanh(normed @ block["w_in"]) @ block["w_out"]
    np.testing.assert_allclose(found, h @ p["unembed"], atol=EXACT)


def test_all_images_of_a_ring_are_its_turns_and_their_mirror_images():
    ring = np.array([0, 1, 2, 3])
    turns = {tuple(np.roll(side, r)) for side in (ring, ring[::-1]) for r in range(4)}
    assert {tuple(ring[source]) for source in sources(4)} == turns
    assert len(turns) == 8


def test_what_moves_the_images_of_a_ring_composes_as_the_group_does():
    group, y = groups.Dihedral(5), jnp.asarray(RNG.standard_normal((10, 2)))
    elements = list(group.simple())
    for first in elements:
        for second in elements:
            there = images_moved(first, images_moved(second, y, 5), 5)
            np.testing.assert_array_equal(there, images_moved(group.compose(first, second), y, 5))


def test_a_pooled_network_puts_out_the_mean_over_the_images():
    each, pooled = (OrbitNet(hidden=2, batch=2, pooled=pool).net() for pool in (False, True))
    np.testing.assert_allclose(
        pooled.apply(pooled.params, pooled.inputs), each.apply(each.params, each.inputs).mean(0), atol=EXACT
    )


@pytest.mark.parametrize(("stored", "made"), [("minus one", lambda g: g - 1), ("log", np.log)])
def test_a_gain_that_is_stored_otherwise_is_the_same_gain(stored: str, made: object):
    plain, other = (Gained(width=3, d_out=2, stored=kind).block() for kind in ("plain", stored))
    p, h = drawn(plain), RNG.standard_normal((4, 3))
    p["gain"] = np.abs(p["gain"])
    np.testing.assert_allclose(other.apply({**p, "gain": made(p["gain"])}, h), plain.apply(p, h), atol=EXACT)
