"""Routing to the largest logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.actions import softmax_shift
from eqprop.claims import Model, Pair
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.strategies.activations import SOFTPLUS, TANH
from eqprop.strategies.domains import domain, moderate, told_apart
from eqprop.strategies.experts import Experts, largest
from eqprop.strategies.surroundings import examples

pytestmark = pytest.mark.usefixtures("float64")


def test_a_sample_goes_to_the_experts_with_the_largest_logits():
    logits = np.array([[1.0, 3.0, 2.0], [0.0, -1.0, -2.0]])
    np.testing.assert_array_equal(largest(logits, 2), [[-np.inf, 3.0, 2.0], [0.0, -1.0, -np.inf]])


def test_of_tied_experts_the_first_is_chosen():
    np.testing.assert_array_equal(largest(np.array([1.0, 2.0, 1.0]), 2), [1.0, 2.0, -np.inf])


def test_no_probe_is_lost_to_the_choice_of_experts():
    """With a threshold in the place of indices, half of these probes and more had another choice on either side."""
    design = Experts("router", SOFTPLUS, count=3, biases=True, top=2)
    params, inputs = examples(design.shapes, (4, 1))
    tame = domain(all=moderate, router=told_apart)
    model = Model(design.block().apply, params, inputs, name="experts", trained=False, domain=tame)
    pair = Pair(model, softmax_shift(params, {"router": 1}))
    program = Program(pair, [by_name("gradient-covariance"), by_name("hessian-covariance")], SQUARED_ERROR)
    rng = np.random.default_rng(171)
    judged = program.judge(program.draw(rng, 64), rng)
    assert {name: int(each.inconclusive.sum()) for name, each in judged.items()} == dict.fromkeys(judged, 0)


def test_an_expert_that_is_not_chosen_has_no_gradient_and_the_others_share_theirs():
    gradient = jax.grad(lambda z: jax.nn.softmax(largest(z, 2))[0])(jnp.array([1.0, 0.5, -1.0]))
    assert gradient[2] == 0
    assert gradient[0] == -gradient[1] != 0


def test_a_mixture_of_two_of_three_is_that_of_those_two():
    design = Experts("router", TANH, count=3, d_in=2, hidden=2, d_out=2, biases=True, top=2)
    rng = np.random.default_rng(0)
    params = {name: rng.standard_normal(shape) for name, shape in design.shapes.items()}
    params["router_b"] = np.array([9.0, -9.0, 8.0])
    two = Experts("router", TANH, count=2, d_in=2, hidden=2, d_out=2, biases=True)
    kept = {name: np.delete(leaf, 1, axis=1 if name == "router" else 0) for name, leaf in params.items()}
    x = rng.standard_normal((4, 2))
    expected = two.block().apply(kept, x)
    np.testing.assert_allclose(design.block().apply(params, x), expected, atol=1e-15)
