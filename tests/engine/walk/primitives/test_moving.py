"""Entries that change their place: to the last bit, and keys like numbers."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from eqprop.engine.walk.primitives import RULES
from tests.engine.walk.conformance import (
    bound,
    conforms,
    equation,
    numbers,
    operands,
    primitives,
    shapes,
    sweep,
)

pytestmark = pytest.mark.usefixtures("float64")

DTYPES = (np.float64, jnp.bfloat16, jnp.float8_e4m3fn, np.int32, np.bool_, np.complex64)


@st.composite
def reshapes(draw):
    shape = draw(shapes)
    return draw(operands((np.float64, shape))), (*draw(st.permutations(shape)), 1)


@st.composite
def transposes(draw):
    shape = draw(shapes)
    return draw(operands((np.float64, shape))), tuple(draw(st.permutations(range(len(shape)))))


def test_reshapes_and_transposes_agree_with_xla(examples):
    sweep(reshapes(), lambda case: conforms(lambda x: lax.reshape(x, case[1]), *case[0]), examples)
    sweep(transposes(), lambda case: conforms(bound("transpose", permutation=case[1]), *case[0]), examples)


@pytest.mark.parametrize("dtype", DTYPES)
def test_axes_come_and_go_as_by_xla(dtype):
    x = numbers(1, np.float32, (2, 1, 3, 4), special=False).astype(dtype)
    conforms(lambda x: lax.squeeze(x, (1,)), x)
    conforms(lambda x: lax.broadcast_in_dim(x, (5, 2, 7, 3), (1, 2, 3)), x)
    conforms(lambda x: lax.broadcast_in_dim(x, (40, 2, 70, 3), (1, 2, 3)), x)
    conforms(lambda x: lax.slice(x, (0, 0, 0), (2, 1, 3), (1, 1, 2)), x)
    conforms(lambda x: lax.rev(x, (0, 2)), x)
    conforms(lambda x, y: lax.concatenate([x, y], 2), x, x[..., :1])


@pytest.mark.parametrize(
    ("shape", "wide", "axes"), [((0,), (0, 3), (0,)), ((1, 0), (4, 0), (0, 1)), ((0,), (3, 0), (1,))]
)
def test_what_is_empty_is_repeated_along_other_axes(
    shape: tuple[int, ...], wide: tuple[int, ...], axes: tuple[int, ...]
):
    conforms(lambda x: lax.broadcast_in_dim(x, wide, axes), np.zeros((*shape, 2)))


def test_broadcasts_and_parts_of_keys_are_those_of_their_data():
    keys = jax.random.split(jax.random.key(3), 6).reshape(3, 2)
    row = jax.ShapeDtypeStruct(keys.shape, keys.dtype)
    data = np.asarray(jax.random.key_data(keys))[..., None]
    for move in (
        lambda k: lax.transpose(k, (1, 0)),
        lambda k: lax.reshape(k, (6,)),
        lambda k: lax.slice(k, (1, 0), (3, 2)),
        lambda k: lax.broadcast_in_dim(k, (4, 3, 2), (1, 2)),
        lambda k: lax.concatenate([k, k], 0),
    ):
        (found,) = jax.make_jaxpr(move)(row).jaxpr.eqns
        moved = RULES[found.primitive.name](found)(*[data] * len(found.invars))
        assert np.array_equal(moved[..., 0], jax.random.key_data(move(keys)))


@st.composite
def pads(draw):
    shape = draw(shapes)
    low_high = st.integers(-4, 4)
    config = [(draw(low_high), draw(low_high), draw(st.integers(0, 2))) for _ in shape]
    for axis, (size, (low, high, interior)) in enumerate(zip(shape, config, strict=True)):
        if low + high + size + max(size - 1, 0) * interior < 0:
            config[axis] = (0, 0, interior)
    return config, draw(operands((np.float64, shape), (np.float64, ())))


def test_padding_agrees_with_xla_where_it_cuts_off_too(examples):
    sweep(pads(), lambda case: conforms(lambda x, y: lax.pad(x, y, case[0]), *case[1]), 3 * examples)


def test_pieces_agree_with_xla(examples):
    both = operands((np.float64, (2, 3)), (np.float64, (2, 0)), (np.float64, (2, 1)))
    sweep(both, lambda given: conforms(lambda *xs: lax.concatenate(xs, 1), *given), examples)
    conforms(lambda x: lax.split(x, (2, 0, 5), 1), numbers(1, np.float64, (2, 7, 3)))


@pytest.mark.parametrize("name", ["stack", "unstack", "tile"])
def test_pieces_of_newer_releases_agree_with_xla(name):
    x = numbers(1, np.float64, (2, 3, 4))
    params = {"reps": (2, 3)} if name == "tile" else {"axis": 1}
    if name in primitives():
        conforms(bound(name, **params), *([x, x[..., :1], x] if name == "stack" else [x]))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)], ids=str)
def test_counting_agrees_with_xla(shape):
    for axis in range(len(shape)):
        found = equation(lambda axis=axis: lax.broadcasted_iota(np.int32, shape, axis))
        counted = RULES["iota"](found)()
        assert counted.shape == (*shape, 1)
        assert np.array_equal(counted[..., 0], lax.broadcasted_iota(np.int32, shape, axis))


def test_what_holds_a_value_in_place_gives_it_back():
    x, y = numbers(1, np.float64, (2, 3)), numbers(2, np.int32, (4, 3))
    conforms(lambda x, y: lax.optimization_barrier((x, y)), x, y)
    conforms(bound("copy"), x)
