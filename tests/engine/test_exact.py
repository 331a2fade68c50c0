"""What does not round keeps its bits in both evaluators, whatever the signs of the errors; what rounds does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from eqprop.engine import TABLE, with_rounding_noise
from eqprop.engine.exact import EXACT, is_short
from eqprop.engine.walk import Walk

pytestmark = pytest.mark.usefixtures("float64")

X = np.random.default_rng(0).standard_normal((4, 4))
SIGNS = np.random.default_rng(1).choice([-1.0, 1.0], TABLE)
INDEX = np.array([2, 0])

ROWS = jax.lax.ScatterDimensionNumbers((1,), (0,), (0,))


def scattered(scatter: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda x: scatter(x, INDEX[:, None], x[:2], ROWS)


def window(x: Any, start: Any, choose: Any) -> Any:
    return jax.lax.reduce_window(x, start, choose, (2, 2), (1, 1), "VALID")


KEEP = {
    "bitcast_convert_type": lambda x: jax.lax.bitcast_convert_type(
        jax.lax.bitcast_convert_type(x, np.int64), np.float64
    ),
    "broadcast_in_dim": lambda x: jnp.broadcast_to(x, (2, 4, 4)),
    "concatenate": lambda x: jnp.concatenate([x, x]),
    "copy": jnp.copy,
    "copy_p": jnp.array,
    "device_put": jax.device_put,
    "dynamic_slice": lambda x: jax.lax.dynamic_slice(x, (jnp.argmax(x[0]), 0), (2, 2)),
    "dynamic_update_slice": lambda x: jax.lax.dynamic_update_slice(x, x[:1], (jnp.argmax(x[0]), 0)),
    "empty": lambda x: jnp.empty((2, 2)),
    "empty2": jnp.zeros_like,
    "gather": lambda x: x[INDEX, INDEX],
    "iota": lambda x: jax.lax.iota(np.float64, len(x)),
    "name": lambda x: checkpoint_name(x, "x"),
    "optimization_barrier": jax.lax.optimization_barrier,
    "pad": lambda x: jnp.pad(x, 1),
    "reshape": lambda x: x.reshape(2, 8),
    "rev": lambda x: jax.lax.rev(x, (0,)),
    "scatter": scattered(jax.lax.scatter),
    "slice": lambda x: x[1:, 1:3],
    "split": lambda x: jnp.split(x, 2),
    "squeeze": lambda x: jnp.squeeze(x[:1]),
    "stack": lambda x: jnp.stack([x[0], x[1]]),
    "stop_gradient": jax.lax.stop_gradient,
    "tile": lambda x: jnp.tile(x, (2, 3)),
    "transpose": lambda x: x.T,
    "unstack": jnp.unstack,
    "clamp": lambda x: jax.lax.clamp(-0.5, x, 0.5),
    "cummax": jax.lax.cummax,
    "cummin": jax.lax.cummin,
    "max": lambda x: jnp.maximum(x, x.T),
    "min": lambda x: jnp.minimum(x, x.T),
    "reduce_max": lambda x: x.max(0),
    "reduce_min": lambda x: x.min(0),
    "reduce_window_max": lambda x: window(x, -jnp.inf, jax.lax.max),
    "reduce_window_min": lambda x: window(x, jnp.inf, jax.lax.min),
    "scatter-max": scattered(jax.lax.scatter_max),
    "scatter-min": scattered(jax.lax.scatter_min),
    "select_n": lambda x: jnp.where(x > 0, x, x.T),
    "sort": jnp.sort,
    "top_k": lambda x: jax.lax.top_k(x, 2)[0],
    "abs": jnp.abs,
    "ceil": jnp.ceil,
    "complex": lambda x: jax.lax.complex(x, x.T),
    "conj": lambda x: jnp.conj(jax.lax.complex(x, x.T)),
    "floor": jnp.floor,
    "imag": lambda x: jnp.imag(jax.lax.complex(x, x.T)),
    "neg": jnp.negative,
    "nextafter": lambda x: jnp.nextafter(x, x.T),
    "real": lambda x: jnp.real(jax.lax.complex(x, x.T)),
    "round": jnp.round,
    "sign": jnp.sign,
}


def by_xla(function: Callable[[Any], Any]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The results with the signs that are given."""
    noisy = with_rounding_noise(function, X)
    return lambda signs: [np.asarray(leaf) for leaf in jax.tree.leaves(noisy(X, signs))]


def by_walk(function: Callable[[Any], Any]) -> Callable[[np.ndarray], list[np.ndarray]]:
    walk = Walk(jax.make_jaxpr(function)(X))
    return lambda signs: [found[..., 0] for found in walk([X[..., None]], signs[:, None])]


EVALUATORS = {"xla": by_xla, "walk": by_walk}


def test_every_operation_that_is_called_exact_is_looked_at():
    assert set(KEEP) == EXACT


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("name", KEEP)
def test_an_operation_that_does_not_round_keeps_its_bits(name: str, evaluator: str):
    noisy = EVALUATORS[evaluator](KEEP[name])
    for moved, plain in zip(noisy(SIGNS), noisy(np.zeros(TABLE)), strict=True):
        np.testing.assert_array_equal(moved, plain)


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_a_conversion_to_a_wider_type_keeps_its_bits(evaluator: str):
    evaluated = EVALUATORS[evaluator]
    (narrow,) = evaluated(lambda x: x.astype(jnp.bfloat16))(SIGNS)
    (wide,) = evaluated(lambda x: x.astype(jnp.bfloat16).astype(np.float32).astype(np.complex64))(SIGNS)
    np.testing.assert_array_equal(wide, narrow.astype(np.complex64))


ROUND = {
    "the absolute value of a complex number": lambda x: jnp.abs(jax.lax.complex(x, x.T)),
    "the sign of a complex number": lambda x: jnp.sign(jax.lax.complex(x, x.T)),
    "a product of complex numbers": lambda x: jax.lax.complex(x, x.T) * jax.lax.complex(x.T, x),
    "the real part of a Fourier transform": lambda x: jnp.real(jnp.fft.fft(x)),
    "what is added where it is scattered": scattered(jax.lax.scatter_add),
}


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("what", ROUND)
def test_what_rounds_has_an_error(what: str, evaluator: str):
    noisy = EVALUATORS[evaluator](ROUND[what])
    for moved, plain in zip(noisy(SIGNS), noisy(np.zeros(TABLE)), strict=True):
        assert 0 < np.abs(moved - plain).max() < 1e-14


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_both_parts_of_a_complex_number_have_errors_of_their_own(evaluator: str):
    noisy = EVALUATORS[evaluator](lambda x: jax.lax.complex(x, x) * 1.0)
    (moved,) = noisy(SIGNS)
    assert (np.real(moved) != X).all()
    assert (np.imag(moved) != X).all()
    assert (np.real(moved) != np.imag(moved)).any()


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_an_infinite_part_of_a_complex_number_does_not_spoil_the_other_one(evaluator: str):
    noisy = EVALUATORS[evaluator](lambda x: jax.lax.complex(x, x * jnp.inf) + 1.0)
    (moved,) = noisy(SIGNS)
    assert np.isfinite(np.real(moved)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, jnp.bfloat16, np.complex128])
def test_a_number_is_short_that_has_at_most_half_of_its_digits(dtype: Any):
    short = np.array([0, 1, -2, 3, 0.375, 2.0**-9, np.inf], dtype)
    assert is_short(short)
    for long in (1 / 3, -np.pi, 1 + np.sqrt(2.0)):
        assert not is_short(np.array([1, long], dtype))


def test_a_complex_number_is_short_where_both_parts_are():
    assert is_short(np.array([3 - 2j]))
    assert not is_short(np.array([3 + 1j / 3]))
