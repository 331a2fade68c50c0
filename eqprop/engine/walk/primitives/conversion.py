"""From one type to another, by value or by bits."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex, is_inexact
from eqprop.engine.walk.primitives.operand import NARROW, TINY, Array, DType, Rule, Step, dtype_of, require


def convert(equation: JaxprEqn) -> Step:
    """The nearest number; the real part of complex ones; whole numbers wrap around, floats saturate where they go.

    To 16 bits XLA goes by way of float32, so that a number is rounded twice; to eight bits once. ml_dtypes rounded
    twice everywhere before 0.7, and once from there on, so that neither is left to it.
    """
    return converted(dtype_of(equation.invars[0]), dtype_of(equation.outvars[0]))


def converted(source: DType, target: DType) -> Step:
    """Likewise, between these types."""
    require(TINY.isdisjoint((source, target)) or is_inexact(source), "eight-bit floats from or to whole numbers")
    if source == target:
        return lambda x: x
    if is_complex(source) and not is_complex(target):
        inner = _real(np.dtype(f"f{source.itemsize // 2}"), target)
        return lambda x: inner(x.real)
    return _real(source, target)


def _real(source: DType, target: DType) -> Step:
    if target == np.bool_:
        return lambda x: x != 0
    if is_inexact(source) and not is_inexact(target):
        return _saturating(source, target)
    if target in NARROW:
        return lambda x: x.astype(np.float32, copy=False).astype(target)
    if target in TINY and source == np.float64:
        return lambda x: _odd(x).astype(target)
    return lambda x: x.astype(target)


def _odd(x: Array) -> Array:
    """As float32, towards zero, with an odd last bit where something is lost: rounding that is rounding once."""
    near = x.astype(np.float32)
    bits = near.view(np.uint32)
    bits -= np.abs(near) > np.abs(x)
    bits |= (near != x) & ~np.isnan(x)
    return near


def _saturating(source: DType, target: DType) -> Step:
    """Towards zero, within what the target holds; NaN is 0."""
    within = np.dtype(np.float32) if source in NARROW or source in TINY else source
    least, most = np.iinfo(target).min, np.iinfo(target).max
    low, high = within.type(least), within.type(most)
    beyond = int(high) > most
    most_within = np.nextafter(high, within.type(0)) if beyond else high

    def clamp(x: Array) -> Array:
        x = x.astype(within, copy=False)
        kept = np.where(np.isnan(x), 0, np.maximum(np.minimum(x, most_within), low))
        whole = kept.astype(target)
        return np.where(x >= high, target.type(most), whole) if beyond else whole

    return clamp


def bitcast(equation: JaxprEqn) -> Step:
    """The same bits read as another type; an axis of parts appears or vanishes where the widths differ."""
    source, target = dtype_of(equation.invars[0]), dtype_of(equation.outvars[0])
    if source.itemsize == target.itemsize:
        return lambda x: x.view(target)
    parts = source.itemsize // target.itemsize
    if parts:
        return lambda x: _last(np.ascontiguousarray(x)[..., None].view(target))
    return lambda x: np.ascontiguousarray(np.moveaxis(x, -2, -1)).view(target)[..., 0]


def _last(x: Array) -> Array:
    """Rows behind the parts again."""
    return np.moveaxis(x, -1, -2)


def reduce_precision(equation: JaxprEqn) -> Step:
    """The nearest float with fewer bits of exponent and mantissa, even where two are as near."""
    dtype = dtype_of(equation.invars[0])
    exponent, mantissa = equation.params["exponent_bits"], equation.params["mantissa_bits"]
    require(not is_complex(dtype) and dtype not in TINY, f"reduce_precision of {dtype}")
    require(mantissa > 0, "reduce_precision to no mantissa, where XLA takes NaN to ∞")
    info = jnp.finfo(dtype)
    keep, limit = _mantissa(dtype, info.nmant, mantissa), _exponent(dtype, info, exponent)

    def reduce(x: Array) -> Array:
        bits = np.ascontiguousarray(x).view(f"u{dtype.itemsize}")
        sign = bits & SIGN[dtype.itemsize]
        return np.where(np.isnan(x), x, (limit(keep(bits ^ sign)) | sign).view(dtype))

    return reduce


SIGN = {width: np.dtype(f"u{width}").type(1 << (8 * width - 1)) for width in (2, 4, 8)}
"""The bit of the sign, by bytes."""


def _mantissa(dtype: DType, bits: int, wanted: int) -> Step:
    """The bits of a positive float with fewer of its mantissa."""
    if wanted >= bits:
        return lambda size: size
    unit, dropped = np.dtype(f"u{dtype.itemsize}").type, bits - wanted
    half, kept = unit((1 << (dropped - 1)) - 1), SIGN[dtype.itemsize] | (SIGN[dtype.itemsize] - unit(1 << dropped))
    return lambda size: (size + half + ((size >> unit(dropped)) & unit(1))) & kept


def _exponent(dtype: DType, info: Any, wanted: int) -> Step:
    """The bits of a positive float, infinity or zero where fewer bits of the exponent do not reach."""
    if wanted >= info.nexp:
        return lambda size: size
    unit = np.dtype(f"u{dtype.itemsize}").type
    bias, reduced = (1 << (info.nexp - 1)) - 1, (1 << (wanted - 1)) - 1
    infinite, beyond = (unit(exponent << info.nmant) for exponent in ((1 << info.nexp) - 1, bias + reduced + 1))
    least = unit((bias - reduced + 1) << info.nmant)
    return lambda size: np.where(size >= beyond, infinite, np.where(size < least, unit(0), size))


RULES: dict[str, Rule] = {
    "convert_element_type": convert,
    "bitcast_convert_type": bitcast,
    "reduce_precision": reduce_precision,
}
