"""The lowest precision that a program computes in is found wherever it hides, output by output."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import Roundoff, lowest_precisions

EPS = float(np.finfo(np.float64).eps)


def rounded(x: Any, dtype: Any) -> Any:
    return x.astype(dtype).astype(x.dtype)


def in_scan(x: Any, dtype: Any) -> Any:
    return jax.lax.scan(lambda c, y: (c + rounded(y, dtype), None), jnp.zeros((), x.dtype), x)[0]


def in_while(x: Any, dtype: Any) -> Any:
    return jax.lax.while_loop(lambda c: c[0] > 3, lambda c: rounded(c, dtype) / 2, x)


def in_cond(x: Any, dtype: Any) -> Any:
    return jax.lax.cond(x[0] > 0, lambda y: y, lambda y: rounded(y, dtype), x)


def in_nested_jit(x: Any, dtype: Any) -> Any:
    return jax.jit(lambda y: jax.jit(lambda z: jnp.sum(rounded(z, dtype)))(y) + 1)(x)


def in_custom_rule(x: Any, dtype: Any) -> Any:
    rule = jax.custom_vjp(lambda y: rounded(y, dtype))
    rule.defvjp(lambda y: (y, None), lambda _, w: (w,))
    return rule(x)


def in_a_gradient_alone(x: Any, dtype: Any) -> Any:
    rule = jax.custom_vjp(lambda y: y)
    rule.defvjp(lambda y: (y, None), lambda _, w: (rounded(w, dtype),))
    return jax.grad(lambda y: jnp.sum(rule(y) ** 2))(x)


def closed_over_a_table(x: Any, dtype: Any) -> Any:
    return x * jnp.asarray(np.ones(3), dtype)


PLACES = [rounded, in_scan, in_while, in_cond, in_nested_jit, in_custom_rule, in_a_gradient_alone, closed_over_a_table]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16], ids=["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("place", PLACES)
def test_a_lower_precision_is_found_wherever_the_program_hides_it(place: Any, dtype: Any, float64: None):
    jaxpr = jax.make_jaxpr(lambda x: place(x, dtype))(np.ones(3))
    assert lowest_precisions(jaxpr)[0] == Roundoff(float(jnp.finfo(dtype).eps), np.dtype(dtype).name)


@pytest.mark.parametrize("place", PLACES)
def test_a_program_in_float64_throughout_has_the_precision_of_float64(place: Any, float64: None):
    assert lowest_precisions(jax.make_jaxpr(lambda x: place(x, np.float64))(np.ones(3)))[0] == Roundoff(EPS, "float64")


def test_a_program_of_integers_has_the_finest_precision():
    assert lowest_precisions(jax.make_jaxpr(lambda i: i + 1)(np.arange(3))) == [Roundoff(EPS, "float64")]


def test_each_output_has_the_precision_of_what_it_depends_on(float64: None):
    def program(x: Any, y: Any) -> Any:
        low = jnp.sin(rounded(y, jnp.float32))
        return x + 1, jnp.cos(x) * low, jax.jit(lambda z: z * 2)(x)

    jaxpr = jax.make_jaxpr(program)(np.ones(3), np.ones(3))
    assert [unit.name for unit in lowest_precisions(jaxpr)] == ["float64", "float32", "float64"]


def test_an_input_that_is_passed_through_and_a_constant_have_their_own_precision(float64: None):
    jaxpr = jax.make_jaxpr(lambda x, y: (x, y, np.float32(2)))(np.ones(2), np.ones(2, np.float32))
    assert [unit.name for unit in lowest_precisions(jaxpr)] == ["float64", "float32", "float32"]
