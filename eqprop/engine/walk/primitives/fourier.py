"""Discrete Fourier transforms, by SciPy."""

from __future__ import annotations

import math

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.walk.primitives.of_scipy import of_scipy
from eqprop.engine.walk.primitives.operand import Rule, Step, dtype_of, require, shape_of


def fft(equation: JaxprEqn) -> Step:
    """Over the last axes, with their lengths where real numbers come out."""
    lengths = tuple(equation.params["fft_lengths"])
    kind = equation.params["fft_type"].name
    dtype, rank = dtype_of(equation.outvars[0]), len(shape_of(equation.invars[0]))
    axes = tuple(range(rank - len(lengths), rank))
    require(kind in TRANSFORMS and math.prod(shape_of(equation.outvars[0])) > 0, f"fft {kind}")
    transform = TRANSFORMS[kind]
    # SciPy 1.18 takes another way, with other last bits, where numbers lie otherwise in memory.
    return lambda x: transform(np.ascontiguousarray(x), s=lengths, axes=axes).astype(dtype, copy=False)


TRANSFORMS = {
    "FFT": of_scipy("fft.fftn"),
    "IFFT": of_scipy("fft.ifftn"),
    "RFFT": of_scipy("fft.rfftn"),
    "IRFFT": of_scipy("fft.irfftn"),
}

RULES: dict[str, Rule] = {"fft": fft}
