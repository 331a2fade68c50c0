"""f and K as functions of floating-point leaves, traced once for all that is asked of a pair."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

import eqprop
from eqprop import groups
from eqprop.claims import functions_of
from eqprop.engine import numbers_context, separated_caches
from eqprop.evaluation import Program
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import by_name


def counting(calls: list[str]) -> eqprop.Pair:
    """A linear model whose units are rescaled, which notes when Python runs f or K."""

    def apply(params, inputs):
        calls.append("f")
        return inputs @ params["w"] @ params["v"]

    def rescale(element, params):
        calls.append("K")
        return {"w": params["w"] * element[None, :], "v": params["v"] / element[:, None]}

    params = {"w": np.ones((3, 2)), "v": np.ones((2, 1))}
    model = eqprop.Model(apply, params, np.ones((4, 3)))
    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), rescale))


def test_a_second_program_of_a_pair_traces_neither_its_model_nor_its_action():
    calls: list[str] = []
    pair = counting(calls)
    with separated_caches("float64"):
        Program(pair, [by_name("equivariance"), by_name("gradient-covariance")], SQUARED_ERROR)
        assert calls.count("f") == calls.count("K") == 1
        Program(pair, [by_name("hessian-covariance"), by_name("jacobian-covariance")], SQUARED_ERROR)
        assert calls.count("f") == calls.count("K") == 1


def test_each_precision_has_a_trace_of_its_own():
    pair = counting([])
    pair = replace(pair, model=replace(pair.model, params=np.float32(1) * jnp.ones(2), apply=lambda p, x: p * x))
    f = functions_of(pair).f
    assert f((np.ones(2, np.float32),), np.ones(2, np.float32)).dtype == np.float32
    with numbers_context("float64"):
        assert f((np.ones(2),), np.ones(2)).dtype == np.float64


def test_a_pair_goes_with_what_was_traced_of_it():
    pair = counting([])
    functions_of(pair)
    gone = weakref.ref(pair)
    del pair
    gc.collect()
    assert gone() is None
