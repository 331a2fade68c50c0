"""Tensors that are multiplied: products, convolutions, Fourier transforms."""

from __future__ import annotations

from itertools import permutations

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import COMPLEX, FLOATS, TRUTH, bound, conforms, numbers, operands, sweep

pytestmark = pytest.mark.usefixtures("float64")

MIXED = (*FLOATS, *COMPLEX, np.dtype(np.int32), TRUTH)


@st.composite
def products(draw, *dtypes):
    """Shared, contracted and free axes in any order on both sides, of one type or of one each."""
    sizes = st.sampled_from([1, 2, 3, 5, 12, 0])
    few = st.lists(sizes, max_size=2)
    shared, contracted, left, right = draw(st.lists(sizes, max_size=1)), draw(few), draw(few), draw(few)
    sides, axes = [], []
    for free in (left, right):
        lengths = [*shared, *contracted, *free]
        order = draw(st.permutations(range(len(lengths))))
        sides.append(tuple(lengths[n] for n in order))
        axes.append([order.index(n) for n in range(len(shared) + len(contracted))])
    batch, inner = ([a[: len(shared)] for a in axes], [a[len(shared) :] for a in axes])
    return (tuple(inner), tuple(batch)), draw(
        operands(*zip((dtypes[0], dtypes[-1]), sides, strict=True), special=False)
    )


@pytest.mark.parametrize("dtype", MIXED, ids=str)
def test_products_agree_with_xla(dtype, examples):
    sweep(products(dtype), lambda case: conforms(lambda x, y: lax.dot_general(x, y, case[0]), *case[1]), examples)


@pytest.mark.parametrize("dtypes", list(permutations(MIXED, 2)), ids=lambda dtypes: "-".join(map(str, dtypes)))
def test_products_of_two_types_agree_with_xla(dtypes, examples):
    def product(case):
        conforms(lambda x, y: lax.dot_general(x, y, case[0]), *case[1])

    sweep(products(*dtypes), product, max(examples // 4, 4))


@pytest.mark.parametrize("wanted", [*FLOATS, np.dtype(np.int32)], ids=str)
@pytest.mark.parametrize("dtypes", list(permutations(FLOATS, 2)), ids=lambda dtypes: "-".join(map(str, dtypes)))
def test_products_of_two_types_are_made_in_the_type_that_is_asked_for(dtypes, wanted):
    x, y = (numbers(n, dtype, (4, 4, 2), special=False) for n, dtype in enumerate(dtypes))
    conforms(lambda x, y: lax.dot(x, y, preferred_element_type=wanted), x, y)


@pytest.mark.parametrize("size", [1, 4, 5, 16, 70])
def test_products_of_matrices_agree_with_xla_by_either_way(size):
    x, y = (numbers(seed, np.float64, (size, size, 3), special=False) for seed in (1, 2))
    conforms(lax.dot, x, y)
    conforms(lax.dot, x[0], y[0])


@pytest.mark.parametrize("sides", [((0, 70), (70, 70)), ((2, 0), (0, 4)), ((70, 70), (70, 0))], ids=str)
def test_products_of_matrices_without_entries_agree_with_xla(sides):
    x, y = (numbers(seed, np.float64, (*side, 3)) for seed, side in enumerate(sides))
    conforms(lax.dot, x, y)
    conforms(lambda x, y: lax.dot_general(x, y, (((0,), (1,)), ((), ()))), x.swapaxes(0, 1), y.swapaxes(0, 1))


def test_products_are_summed_in_the_type_that_is_asked_for():
    wanted = {"preferred_element_type": np.float32}
    x, y = numbers(1, jnp.bfloat16, (3, 4, 2), special=False), numbers(2, jnp.bfloat16, (4, 5, 2), special=False)
    conforms(lambda x, y: lax.dot(x, y, **wanted), x, y)
    wanted = {"preferred_element_type": np.int32}
    conforms(lambda x, y: lax.dot(x, y, **wanted), numbers(1, np.int8, (3, 4, 2)), numbers(2, np.int8, (4, 5, 2)))


@st.composite
def convolutions(draw, dtype):
    """Of zero to two places, with groups of features or of samples."""
    places = draw(st.integers(0, 2))

    def each(values):
        return tuple(draw(st.lists(values, min_size=places, max_size=places)))

    features, samples = draw(st.sampled_from([(1, 1), (2, 1), (1, 2)]))
    image = (2 * samples, 2 * features, *each(st.integers(3, 6)))
    kernel = (2 * features * samples, 2, *each(st.integers(1, 3)))
    order = draw(st.permutations(range(places + 2)))
    names = lax.ConvDimensionNumbers(tuple(order), tuple(order[::-1]), tuple(order))
    image = tuple(image[order.index(n)] for n in range(places + 2))
    kernel = tuple(kernel[order[::-1].index(n)] for n in range(places + 2))
    params = {
        "window_strides": each(st.integers(1, 2)),
        "padding": each(st.tuples(st.integers(-1, 2), st.integers(0, 2))),
        "lhs_dilation": each(st.integers(1, 2)),
        "rhs_dilation": each(st.integers(1, 2)),
        "dimension_numbers": names,
        "feature_group_count": features,
        "batch_group_count": samples,
    }
    return params, draw(operands((dtype, image), (dtype, kernel), special=False))


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.complex64), np.dtype(np.int32)], ids=str)
def test_convolutions_agree_with_xla(dtype, examples):
    cases = convolutions(dtype)
    sweep(cases, lambda case: conforms(lambda x, y: lax.conv_general_dilated(x, y, **case[0]), *case[1]), examples)


@st.composite
def convolutions_of_small_images(draw, dtype):
    """Padded to more than the kernel, which is larger than they are: as derivatives of derivatives hold them."""
    places = draw(st.integers(1, 2))

    def each(values):
        return tuple(draw(st.lists(values, min_size=places, max_size=places)))

    names = lax.conv_dimension_numbers((1,) * (places + 2), (1,) * (places + 2), None)
    params = {
        "window_strides": (1,) * places,
        "padding": each(st.tuples(st.integers(0, 9), st.integers(5, 9))),
        "lhs_dilation": each(st.integers(1, 3)),
        "rhs_dilation": each(st.integers(1, 3)),
        "dimension_numbers": names,
    }
    image, kernel = (2, 3, *each(st.integers(1, 3))), (4, 3, *each(st.integers(3, 5)))
    return params, draw(operands((dtype, image), (dtype, kernel), special=False))


@pytest.mark.parametrize("dtype", [np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.complex64)], ids=str)
def test_convolutions_of_images_smaller_than_their_kernels_agree_with_xla(dtype, examples):
    cases = convolutions_of_small_images(dtype)
    sweep(cases, lambda case: conforms(lambda x, y: lax.conv_general_dilated(x, y, **case[0]), *case[1]), examples)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("lengths", [(8,), (3, 4), (2, 5, 3)])
def test_fourier_transforms_agree_with_xla(dtype, lengths):
    shape = (2, *lengths, 3)
    real, joint = numbers(1, dtype, shape, special=False), numbers(1, np.result_type(dtype, np.complex64), shape)
    half = joint[..., : lengths[-1] // 2 + 1, :]
    for kind, x in (("FFT", joint), ("IFFT", joint), ("RFFT", real), ("IRFFT", half)):
        conforms(bound("fft", fft_type=lax.FftType[kind], fft_lengths=lengths), x)
