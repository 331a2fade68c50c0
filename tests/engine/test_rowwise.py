"""A function over rows: all at once, or one after the other where XLA is bad at the batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import batched, multiply_adds, over_rows, primitives
from eqprop.engine.jaxprs import equations
from eqprop.engine.rowwise import TOGETHER
from eqprop.evaluation import Program, compiled, rounding_inside
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.properties.numerics import integral

IMAGES = ("NHWC", "HWIO", "NHWC")
ROWS = 6


def convolved(x: Any, kernel: Any, **options: Any) -> Any:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=IMAGES, **options)


def transposed(x: Any, kernel: Any) -> Any:
    return jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=IMAGES)


def separable(x: Any, kernel: Any) -> Any:
    return convolved(x, kernel.reshape(3, 3, 1, 4), feature_group_count=2)


def loss(layer: Any, kernel: Any, x: Any) -> Any:
    return jnp.sum(jnp.tanh(layer(x, kernel)) ** 2)


def drawn(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).standard_normal((ROWS, *shape))


KERNELS, IMAGE = drawn(3, 3, 2, 2), drawn(1, 5, 5, 2)
LAYERS = {"plain": convolved, "transposed": transposed, "separable": separable}


def most_groups(program: Any) -> int:
    found = [e.params for e, _ in equations(program) if e.primitive.name == "conv_general_dilated"]
    return max(max(p["feature_group_count"], p["batch_group_count"]) for p in found)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_kernels_that_differ_from_row_to_row_do_not_become_groups(name: str, order: int):
    gradient: Any = jax.grad(loss, 1)

    def row(kernel: Any, x: Any) -> Any:
        def function(kernel: Any) -> Any:
            return gradient(LAYERS[name], kernel, x) if order else loss(LAYERS[name], kernel, x)

        return jax.jvp(function, (kernel,), (kernel,))[1] if order == 2 else function(kernel)

    jitted, traced = over_rows(row, KERNELS, IMAGE)
    assert most_groups(jax.make_jaxpr(jax.vmap(row))(KERNELS, IMAGE)) >= ROWS
    assert most_groups(traced.jaxpr) < ROWS
    whole = jax.vmap(row)(KERNELS, IMAGE)
    np.testing.assert_allclose(jitted(KERNELS, IMAGE), whole, atol=1e-13 * float(jnp.max(jnp.abs(whole))), rtol=0)


def test_kernels_that_are_the_same_for_all_rows_leave_the_rows_together():
    traced = over_rows(lambda x: convolved(x, KERNELS[0]), IMAGE)[1]
    assert "scan" not in set(primitives(traced.jaxpr))


def test_a_dense_layer_leaves_the_rows_together():
    traced = over_rows(lambda w, x: jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w)))(w), drawn(2, 3), drawn(4, 2))[1]
    assert "scan" not in set(primitives(traced.jaxpr))


def test_rows_that_make_a_large_array_come_one_after_the_other():
    for size, apart in ((TOGETHER // 4, False), (TOGETHER // 4 + 1, True)):
        traced = over_rows(lambda t, size=size: jnp.sum(t * jnp.ones(size)), jnp.ones(4))[1]
        assert ("scan" in set(primitives(traced.jaxpr))) == apart


@pytest.mark.usefixtures("float64")
def test_a_quadrature_takes_its_nodes_one_by_one_through_a_convolution():
    def over_a_segment(kernel: Any) -> Any:
        return integral(lambda t: t).of(lambda t: convolved(IMAGE[0], t * kernel))[0]

    assert most_groups(jax.make_jaxpr(over_a_segment)(KERNELS[0])) == 1
    half = 0.5 * convolved(IMAGE[0], KERNELS[0])
    np.testing.assert_allclose(over_a_segment(KERNELS[0]), half, atol=1e-13)


def test_an_error_of_the_function_is_its_own():
    def refuses(x: Any) -> Any:
        msg = "no such layer"
        raise TypeError(msg)

    with pytest.raises(TypeError, match="no such layer"):
        batched(refuses)(IMAGE)


def test_products_of_a_convolution_are_counted_with_the_rounds_of_its_loops():
    once = jax.make_jaxpr(convolved)(IMAGE[0], KERNELS[0])
    assert multiply_adds(once) == (5 * 5 * 2) * (3 * 3 * 2)
    many = jax.make_jaxpr(lambda x, k: jax.lax.fori_loop(0, 7, lambda _, h: convolved(h, k), x))(IMAGE[0], KERNELS[0])
    assert multiply_adds(many) == 7 * multiply_adds(once)
    # A grouped one as XLA expands it: every output channel with every input channel.
    apart = jax.make_jaxpr(lambda x, k: convolved(x, k, feature_group_count=2))(IMAGE[0], KERNELS[0][:, :, :1])
    assert multiply_adds(apart) == multiply_adds(once)


def conv_pair() -> eqprop.Pair:
    def apply(p: Any, x: Any) -> Any:
        return convolved(jax.nn.relu(convolved(x, p["k"]) + p["b"].reshape(1, 1, 1, -1)), p["head"])

    rng = np.random.default_rng(0)
    shapes = {"k": (3, 3, 1, 4), "b": (4,), "head": (3, 3, 4, 2)}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    move = eqprop.channels(4, writes={"k": 3, "b": 0}, reads={"head": 2})
    return eqprop.Pair(eqprop.Model(apply, params, rng.standard_normal((2, 6, 6, 1)), name="cnn"), move)


def test_a_convolutional_net_is_verified():
    report = eqprop.run(conv_pair(), profile="quick", properties=["equivariance", "gradient-covariance", "noether"])
    assert report.ok, report.summary()
    assert all(verdict.probes >= 64 for verdict in report.verdicts)


def test_a_convolutional_net_whose_head_forgets_a_channel_is_falsified_under_noise_too():
    right = conv_pair()

    def forgets(element: Any, params: Any) -> Any:
        moved = right.transformation.on_params(element, params)
        return {**moved, "head": moved["head"].at[:, :, 0].set(params["head"][:, :, 0])}

    wrong = right.replaced(transformation=eqprop.Transformation(groups.Scaling(4), forgets))
    program = Program(wrong, (by_name("equivariance"),), SQUARED_ERROR, probes=4)
    probes = program.draw(np.random.default_rng(0), 4)
    assert program.judge(probes, np.random.default_rng(0))["equivariance"].suspect.all()
    assert rounding_inside(program, "equivariance", probes, np.random.default_rng(0)).suspect.all()


def test_a_program_that_convolves_much_is_compiled_to_run_fast_at_once(monkeypatch: pytest.MonkeyPatch):
    asked: list[bool] = []

    monkeypatch.setattr(compiled, "compiler_options", lambda *, long=False: asked.append(long))
    small = Program(conv_pair(), (by_name("equivariance"),), SQUARED_ERROR, evaluator="xla", probes=2)
    monkeypatch.setattr(compiled, "HOT", small.evaluator.rows * small.pair.model.param_leaves.size)
    Program(conv_pair(), (by_name("equivariance"),), SQUARED_ERROR, evaluator="xla", probes=2)
    assert asked == [False, True]
