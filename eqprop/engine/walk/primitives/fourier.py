"""Discrete Fourier transforms, by SciPy."""

from __future__ import annotations

import math

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.walk.primitives.of_scipy import of_scipy
from eqprop.engine.walk.primitives.operand import Array, Rule, Step, dtype_of, require, shape_of


def fft(equation: JaxprEqn) -> Step:
    """Over the last axes, with their lengths where real numbers come out.

    One axis after the other: of transforms of several axes SciPy 1.18 chooses the order by how the numbers lie in
    memory, and a row alone would get other last bits than the row among others.
    """
    lengths = tuple(equation.params["fft_lengths"])
    kind = equation.params["fft_type"].name
    dtype, rank = dtype_of(equation.outvars[0]), len(shape_of(equation.invars[0]))
    axes = tuple(range(rank - len(lengths), rank))
    require(kind in TRANSFORMS and math.prod(shape_of(equation.outvars[0])) > 0, f"fft {kind}")
    last = [(TRANSFORMS[kind], axes[-1], lengths[-1])]
    others = [(TRANSFORMS[OF_COMPLEX[kind]], axis, n) for axis, n in zip(axes[:-1], lengths[:-1], strict=True)]
    order = others + last if kind == "IRFFT" else last + others

    def axis_by_axis(x: Array) -> Array:
        x = np.ascontiguousarray(x)
        for transform, axis, n in order:
            x = transform(x, n=n, axis=axis)
        return x.astype(dtype, copy=False)

    return axis_by_axis


TRANSFORMS = {
    "FFT": of_scipy("fft.fft"),
    "IFFT": of_scipy("fft.ifft"),
    "RFFT": of_scipy("fft.rfft"),
    "IRFFT": of_scipy("fft.irfft"),
}

OF_COMPLEX = {"FFT": "FFT", "IFFT": "IFFT", "RFFT": "FFT", "IRFFT": "IFFT"}
"""What the axes before the last take, whose numbers are complex."""

RULES: dict[str, Rule] = {"fft": fft}
