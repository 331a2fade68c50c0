"""Convolutions: a view of all windows, contracted with the kernel."""

from __future__ import annotations

from typing import Any

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.contraction import Sides, contraction, precisely
from eqprop.engine.walk.primitives.operand import Array, Rule, Step, dtype_of, shape_of
from eqprop.engine.walk.primitives.sliding import Windows


def convolve(equation: Any) -> Step:
    """``lax.conv_general_dilated``: groups of samples or of channels meet kernels of their own."""
    params, names = equation.params, equation.params["dimension_numbers"]
    image, kernel = (shape_of(v) for v in equation.invars)
    windows = _windows(params, [image[axis] for axis in names.lhs_spec], [kernel[axis] for axis in names.rhs_spec])
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
