"""What precision products of float32 may run in: on a GPU not that of their type. There is none here to run them on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from eqprop.engine import lowest_precisions
from eqprop.engine.products import coarser_product

A = jnp.ones((2, 2), jnp.float32)


def equation(precision: str | None = None, operand: jax.Array = A):
    with jax.default_matmul_precision(precision):
        traced = jax.make_jaxpr(lambda a: a @ a)(operand)
    (only,) = [one for one in traced.jaxpr.eqns if one.primitive.name == "dot_general"]
    return only


@pytest.mark.parametrize(
    ("precision", "platform", "found"),
    [
        (None, "gpu", "tensorfloat32"),
        (None, "cuda", "tensorfloat32"),
        ("high", "gpu", "tensorfloat32"),
        ("highest", "gpu", None),
        ("float32", "gpu", None),
        (None, "cpu", None),
        ("highest", "cpu", None),
        ("TF32_TF32_F32", "gpu", "tensorfloat32"),
        ("TF32_TF32_F32_X3", "gpu", None),
        ("BF16_BF16_F32", "gpu", "bfloat16"),
        ("F32_F32_F32", "gpu", None),
    ],
)
def test_a_product_of_float32_on_a_gpu_may_run_in_tensor_float_unless_more_is_asked_for(precision, platform, found):
    coarser = coarser_product(equation(precision), platform)
    assert (coarser and coarser[0]) == found


def test_products_of_other_types_are_what_their_types_say():
    assert coarser_product(equation(operand=A.astype(jnp.bfloat16)), "gpu") is None
    with jax.enable_x64(True):
        assert coarser_product(equation(operand=jnp.ones((2, 2), jnp.float64)), "gpu") is None


def test_the_environment_takes_it_back(monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert coarser_product(equation(), "gpu") is None


def test_a_program_knows_which_product_sets_its_floor(monkeypatch):
    program = jax.make_jaxpr(lambda a: jnp.tanh(jax.jit(lambda b: b @ b)(a)))(A)
    assert [unit.name for unit in lowest_precisions(program)] == ["float32"]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    (unit,) = lowest_precisions(program)
    assert (unit.name, unit.eps) == ("tensorfloat32", 2.0**-10)
    assert "dot_general" in unit.origin
