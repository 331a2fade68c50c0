"""Convolutions: a view of all windows, contracted with the kernel.

The derivatives of derivatives hold convolutions of a small image, padded to many times its size, with a kernel as large
as an image. Their windows would be mostly zeros, and too many to keep: there each place of the image is multiplied with
the whole kernel, and the products are added where they belong.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.contraction import Sides, contraction, precisely
from eqprop.engine.walk.primitives.operand import Array, Rule, Step, dtype_of, shape_of
from eqprop.engine.walk.primitives.sliding import Windows


def convolve(equation: JaxprEqn) -> Step:
    """``lax.conv_general_dilated``: groups of samples or of channels meet kernels of their own."""
    params, names = equation.params, equation.params["dimension_numbers"]
    image, kernel = (shape_of(v) for v in equation.invars)
    windows = _windows(params, [image[axis] for axis in names.lhs_spec], [kernel[axis] for axis in names.rhs_spec])
    if _by_places_takes_less(params, windows):
        return precisely(equation, _by_places(equation, windows))
    by_samples = params["batch_group_count"] > 1
    groups = max(params["feature_group_count"], params["batch_group_count"])
    outputs, depth = (kernel[axis] for axis in names.rhs_spec[:2])
    patches = (*_split(windows.shape[:2], groups, by_samples=by_samples), *windows.counts[2:], *windows.window[2:])
    kernels = (groups, outputs // groups, depth, *windows.window[2:])
    places = len(image) - 2
    product = contraction(
        Sides(
            (patches, kernels),
            ((2, *range(3 + places, 3 + 2 * places)), tuple(range(2, 3 + places))),
            ((0 if by_samples else 1,), (0,)),
        ),
        joint=is_complex(dtype_of(equation.outvars[0])),
    )
    fill, view = windows.filled(0), windows.view()
    first, second = (*names.lhs_spec, len(image)), (*names.rhs_spec, len(image))
    back, shape = _result_order(names.out_spec), shape_of(equation.outvars[0])

    def step(x: Array, weights: Array) -> Array:
        seen = view(fill(x.transpose(first))).reshape((*patches, x.shape[-1]))
        against = weights.transpose(second).reshape((*kernels, weights.shape[-1]))
        found = product(seen, against).transpose(back)
        return found.reshape((*shape, found.shape[-1]))

    return precisely(equation, step)


def _by_places_takes_less(params: Any, windows: Windows) -> bool:
    """Whether the image has fewer places than the window, and nothing but the usual is asked for."""
    usual = max(params["feature_group_count"], params["batch_group_count"]) == 1 and set(windows.strides) == {1}
    places = math.prod(windows.shape[2:])
    return usual and 0 < places < math.prod(windows.window[2:]) and places < math.prod(windows.counts[2:])


def _by_places(equation: JaxprEqn, windows: Windows) -> Step:
    """Each place of the image with the whole kernel: the entry w of it goes to place · spacing + low − w · dilation."""
    names, kernel = equation.params["dimension_numbers"], shape_of(equation.invars[1])
    first, second = ((*spec, len(spec)) for spec in (names.lhs_spec, names.rhs_spec))
    image, counts = windows.shape, windows.counts[2:]
    weights = tuple(kernel[axis] for axis in names.rhs_spec)
    product = contraction(
        Sides((image, weights), ((1,), (1,)), ((), ())), joint=is_complex(dtype_of(equation.outvars[0]))
    )
    moves = [(place, *_target(place, windows)) for place in np.ndindex(*image[2:])]
    moves = [(place, taken, given) for place, taken, given in moves if all(part.stop > part.start for part in taken)]
    back = tuple(np.argsort([*names.out_spec, len(names.out_spec)]))

    def step(x: Array, y: Array) -> Array:
        found = product(x.transpose(first), y.transpose(second))  # samples, places, outputs, window, rows
        whole = np.zeros((image[0], weights[0], *counts, found.shape[-1]), found.dtype)
        for place, taken, given in moves:
            whole[(slice(None), slice(None), *given)] += found[(slice(None), *place, slice(None), *taken)]
        return np.ascontiguousarray(whole.transpose(back))

    return step


def _target(place: tuple[int, ...], windows: Windows) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Which entries of the kernel a place of the image meets, and where their products go: backwards."""
    taken, given = [], []
    parts = zip(place, windows.config[2:], windows.dilation[2:], windows.window[2:], windows.counts[2:], strict=True)
    for at, (low, _, between), apart, width, count in parts:
        here = at * (between + 1) + low
        start = max(-((count - 1 - here) // apart), 0)
        stop = min(here // apart + 1, width) if here >= 0 else 0
        taken.append(slice(start, stop))
        last = here - (stop - 1) * apart - apart
        given.append(slice(here - start * apart, last if last >= 0 else None, -apart))
    return tuple(taken), tuple(given)


def _windows(params: Any, image: list[int], kernel: list[int]) -> Windows:
    """Over samples and channels one by one, over places as the parameters say."""
    around = zip(params["padding"], params["lhs_dilation"], strict=True)
    return Windows(
        shape=tuple(image),
        window=(1, 1, *kernel[2:]),
        strides=(1, 1, *params["window_strides"]),
        config=((0, 0, 0), (0, 0, 0), *((low, high, apart - 1) for (low, high), apart in around)),
        dilation=(1, 1, *params["rhs_dilation"]),
    )


def _split(heads: tuple[int, ...], groups: int, *, by_samples: bool) -> tuple[int, ...]:
    """The axes of samples and channels, with that of groups before the one that falls into groups."""
    samples, channels = heads
    return (groups, samples // groups, channels) if by_samples else (samples, groups, channels // groups)


def _result_order(out_spec: tuple[int, ...]) -> tuple[int, ...]:
    """Where the axes (groups, samples, places, outputs, rows) of the product go; outputs lie within their groups."""
    places = len(out_spec) - 2
    parts = {out_spec[0]: (1,), out_spec[1]: (0, 2 + places)}
    parts.update({axis: (2 + number,) for number, axis in enumerate(out_spec[2:])})
    return (*(part for axis in range(len(out_spec)) for part in parts[axis]), 3 + places)


RULES: dict[str, Rule] = {"conv_general_dilated": convolve}
