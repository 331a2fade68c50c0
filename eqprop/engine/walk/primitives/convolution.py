"""Convolutions: all windows as a matrix, contracted with the kernel.

The matrix has the axes in the order of the image's own, so that what lies together is copied together: neighbours with
all their channels, where channels come last. In another order these copies take most of the time.

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
    image, kernel = (shape_of(variable) for variable in equation.invars)
    samples, channels, *places = (image[axis] for axis in names.lhs_spec)
    inside = [kernel[axis] for axis in names.rhs_spec[2:]]
    windows = _windows(params, (samples, channels, *places), inside)
    if _by_places_takes_less(params, windows):
        return precisely(equation, _by_places(equation, windows))
    by_samples = params["batch_group_count"] > 1
    groups = max(params["feature_group_count"], params["batch_group_count"])
    heads = (groups, samples // groups, channels) if by_samples else (groups, samples, channels // groups)
    divided = "samples" if by_samples else "channels"
    return precisely(equation, _by_windows(equation, _windows(params, (*heads, *places), inside), divided))


def _by_windows(equation: JaxprEqn, windows: Windows, divided: str) -> Step:
    """All windows contracted with the kernel.

    Args:
        equation: the convolution.
        windows: of the image: over groups, samples, channels and places.
        divided: which of samples and channels fall into groups.
    """
    names, places = equation.params["dimension_numbers"], [str(place) for place in range(len(windows.shape) - 3)]
    image = _axes(names.lhs_spec, ("samples", "channels", *places), divided)
    kernel = _axes(names.rhs_spec, ("outputs", "channels", *map(_inside, places)), "outputs")
    result = _axes(names.out_spec, ("samples", "outputs", *places), "outputs")
    given = ("groups", "samples", "channels", *places)
    windows = windows.reordered([given.index(axis) for axis in image])
    kept = [axis for axis in image if axis not in ("groups", "channels")]
    summed = [axis if axis == "channels" else _inside(axis) for axis in image if axis not in ("groups", "samples")]
    seen = ["groups", *(kept + summed if _ends_inside(image, windows) else summed + kept)]
    found = ["groups", *kept, "outputs"]

    viewed = [*image, *map(_inside, image)]
    order = [viewed.index(axis) for axis in seen]
    single = sorted({*range(len(viewed))} - {*order})  # windows of one group, one sample, one channel
    lengths = (*windows.counts, *windows.window)
    lengths = tuple(lengths[axis] for axis in order)
    sizes = dict(zip(seen, lengths, strict=True)) | {"outputs": _outputs(equation) // lengths[0]}
    weights = tuple(sizes[axis] for axis in kernel)
    product = contraction(
        Sides(
            (lengths, weights),
            (tuple(map(seen.index, summed)), tuple(map(kernel.index, summed))),
            ((0,), (kernel.index("groups"),)),
        ),
        joint=is_complex(dtype_of(equation.outvars[0])),
    )
    fill, view, shape = windows.filled(0), windows.view(), shape_of(equation.outvars[0])
    turned = (*order, *single, len(viewed))
    back = (*map(found.index, result), len(found))

    def step(x: Array, y: Array) -> Array:
        matrix = view(fill(x.reshape((*windows.shape, x.shape[-1])))).transpose(turned)
        whole = product(matrix.reshape((*lengths, x.shape[-1])), y.reshape((*weights, y.shape[-1]))).transpose(back)
        return whole.reshape((*shape, whole.shape[-1]))

    return step


def _axes(spec: tuple[int, ...], names: tuple[str, ...], divided: str) -> list[str]:
    """What the axes of an operand are, as they lie; groups come before the axis that falls into them."""
    lying = [names[spec.index(axis)] for axis in range(len(spec))]
    lying.insert(lying.index(divided), "groups")
    return lying


def _inside(axis: str) -> str:
    """The axis within a window that moves along another one."""
    return f"in {axis}"


def _outputs(equation: JaxprEqn) -> int:
    """How many channels the result has."""
    return shape_of(equation.outvars[0])[equation.params["dimension_numbers"].out_spec[1]]


def _ends_inside(image: list[str], windows: Windows) -> bool:
    """Whether what lies next to each other in an image is part of one window, or else of many."""
    axes = zip(image, windows.counts, windows.window, windows.padded, strict=True)
    name, count, width, _ = [axis for axis in axes if axis[-1] > 1 or axis[0] == image[0]][-1]
    return name == "channels" or width > count


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


def _windows(params: Any, shape: tuple[int, ...], inside: list[int]) -> Windows:
    """Over what comes before the places one by one, over places as the parameters say."""
    heads = len(shape) - len(inside)
    plain, around = (1,) * heads, zip(params["padding"], params["lhs_dilation"], strict=True)
    return Windows(
        shape=shape,
        window=(*plain, *inside),
        strides=(*plain, *params["window_strides"]),
        config=(*((0, 0, 0) for _ in plain), *((low, high, apart - 1) for (low, high), apart in around)),
        dilation=(*plain, *params["rhs_dilation"]),
    )


RULES: dict[str, Rule] = {"conv_general_dilated": convolve}
