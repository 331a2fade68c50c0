"""Blocks for norms, heads and attention: what they compute, and the domains that keep them well conditioned."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import find, settings

from eqprop.strategies.attention import Attention, attentions, fused_attention, plain_attention, rotated
from eqprop.strategies.domains import at_least_a_tenth, domain, each_apart, moderate, small, told_apart
from eqprop.strategies.norms import Normalised, batch_norm, group_norm


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    """Models broadcast biases over their batch, as users' models do."""
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        yield


# -- attention --------------------------------------------------------------------------------------------------------


def scores_input(heads: int = 2, tokens: int = 3, width: int = 2) -> tuple[jax.Array, ...]:
    rng = np.random.default_rng(1)
    return tuple(jnp.asarray(rng.standard_normal((heads, tokens, width))) for _ in range(3))


CAUSAL = Attention(heads=2, tokens=3, causal=True, alibi=True)._score_offsets()


def test_the_fused_kernel_computes_what_the_plain_one_does():
    q, k, v = scores_input()
    np.testing.assert_allclose(fused_attention(q, k, v, CAUSAL), plain_attention(q, k, v, CAUSAL), atol=1e-14)


@pytest.mark.parametrize("argument", [0, 1, 2], ids=["queries", "keys", "values"])
def test_the_fused_kernel_has_the_gradient_of_the_plain_one(argument: int):
    qkv = scores_input()
    fused, plain = (
        jax.grad(lambda *a, kernel=kernel: jnp.sum(jnp.sin(kernel(*a, CAUSAL))), argument)(*qkv)
        for kernel in (fused_attention, plain_attention)
    )
    np.testing.assert_allclose(fused, plain, atol=1e-14)  # entries of size 1, a few dozen operations


def test_the_fused_kernel_has_the_second_derivatives_of_the_plain_one():
    q, k, v = scores_input()
    fused, plain = (
        jax.jacrev(jax.grad(lambda at, kernel=kernel: jnp.sum(jnp.sin(kernel(q, at, v, CAUSAL)))))(k)
        for kernel in (fused_attention, plain_attention)
    )
    np.testing.assert_allclose(fused, plain, atol=1e-13)


def test_the_fused_kernel_refuses_forward_mode():
    q, k, v = scores_input()
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda at: fused_attention(at, k, v, CAUSAL), (q,), (q,))


@pytest.mark.parametrize("layout", ["interleaved", "halves"])
def test_rotary_scores_depend_on_the_distance_of_tokens_only(layout: str):
    q, k = (np.tile(np.random.default_rng(i).standard_normal(4), (4, 1)) for i in range(2))
    scores = rotated(q, layout) @ rotated(k, layout).T  # pyright: ignore[reportArgumentType]
    np.testing.assert_allclose(scores[1:, 1:], scores[:-1, :-1], atol=1e-14)
    assert abs(scores[0, 1] - scores[0, 2]) > 1e-3


def test_the_two_rotary_layouts_differ_by_a_reordering_of_units():
    q = np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_array_equal(rotated(q, "halves")[:, [0, 2, 1, 3]], rotated(q[:, [0, 2, 1, 3]], "interleaved"))


def test_a_causal_block_does_not_let_the_first_token_see_the_others():
    block = Attention(tokens=3, d_in=2, d_out=2, causal=True).block()
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal(shape) for name, shape in block.shapes.items()}
    tokens = rng.standard_normal((1, 3, 2))
    changed = tokens + np.array([0.0, 1.0, 1.0])[:, None]
    first, second = block.apply(params, tokens), block.apply(params, changed)
    np.testing.assert_array_equal(first[:, 0], second[:, 0])
    assert not np.array_equal(first[:, 1:], second[:, 1:])


@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
def test_attention_shrinks_to_one_head_and_two_tokens(rotary: bool):
    simplest = find(attentions(rotary=rotary), lambda design: True, settings=settings(database=None))
    expected = Attention(key_width=2, rotary="interleaved") if rotary else Attention()
    assert simplest == expected


# -- norms ------------------------------------------------------------------------------------------------------------


def test_batch_norm_standardises_each_feature_over_the_batch():
    z = batch_norm(np.random.default_rng(0).standard_normal((4, 5, 3)), 0.0)
    np.testing.assert_allclose(np.mean(z, axis=(0, 1)), 0, atol=1e-15)
    np.testing.assert_allclose(np.var(z, axis=(0, 1)), 1, atol=1e-14)


def test_group_norm_standardises_each_group_of_each_example():
    z = group_norm(np.random.default_rng(0).standard_normal((4, 6)), 2, 0.0).reshape(4, 2, 3)
    np.testing.assert_allclose(np.mean(z, axis=-1), 0, atol=1e-15)
    np.testing.assert_allclose(np.var(z, axis=-1), 1, atol=1e-14)


def test_epsilon_is_added_to_the_variance():
    z = np.array([[1.0, -1.0, 0.0, 0.0]])
    np.testing.assert_allclose(group_norm(z, 1, 0.5), z, atol=1e-15)


def test_a_norm_block_has_the_parameters_that_were_asked_for():
    block = Normalised(kind="batch", d_in=2, group_width=3, bias=True, affine=True, epsilon=None).block()
    assert block.shapes == {"w": (2, 3), "b": (3,), "epsilon": (3,), "gain": (3,), "shift": (3,)}
    assert Normalised(d_in=2, groups=2).block().shapes == {"w": (2, 6)}


# -- domains ----------------------------------------------------------------------------------------------------------


def test_domains_change_the_named_parameters_of_the_block_only():
    params = {"block": {"w": np.array([-5.0]), "epsilon": np.array([-2.0])}, "after": [{"w": np.array([7.0])}]}
    tamed = domain(epsilon=at_least_a_tenth)(params)
    assert (tamed["block"]["epsilon"], tamed["block"]["w"], tamed["after"][0]["w"]) == (2.0, -5.0, 7.0)
    assert domain(all=moderate)(params)["after"][0]["w"] == 3.0


def test_readable_numbers_are_left_alone_by_moderate_and_small():
    np.testing.assert_array_equal(moderate(np.array([0.5, -3.0, 2.0])), [0.5, -3.0, 2.0])
    np.testing.assert_array_equal(small(np.array([0.5, -1.0])), [0.5, -1.0])


def test_units_that_are_equal_are_told_apart():
    assert len(set(told_apart(np.ones((2, 4)))[0])) == 4


def test_numbers_that_are_equal_are_told_apart():
    found = each_apart(np.ones((2, 3, 3, 2)))
    assert len(set(found[0].ravel())) == 18
    assert found.min() >= 1
    assert found.max() < 2
    np.testing.assert_array_equal(found[0], found[1])
