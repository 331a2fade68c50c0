"""What is usually done to tensors on their way into another layout: functions of arrays, for a mapping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from eqprop.arguments import as_index, finite, short, whole_number
from eqprop.engine import axis_in, shape_of
from eqprop.errors import InvalidInput

Tensor = Shaped[Array, "..."]
Change = Callable[..., Tensor]


def transposed(w: Tensor) -> Tensor:
    """W ↦ Wᵀ: the weight of a torch ``Linear`` (out, in) as the kernel of a ``Dense`` (in, out)."""
    if len(shape_of(w, "transposed: the tensor")) < 2:
        msg = f"transposed: the tensor has the shape {w.shape}; expected two axes or more."
        raise InvalidInput(msg)
    return jnp.swapaxes(w, -1, -2)


def permuted(*axes: int) -> Change:
    """The axes in another order: ``permuted(2, 3, 1, 0)`` makes HWIO of the OIHW of a torch convolution."""
    order = tuple(_axis(axis, "permuted") for axis in axes)

    def change(w: Tensor) -> Tensor:
        lengths = shape_of(w, "permuted: the tensor")
        front = [axis_in(lengths, axis, "permuted: the axis is") for axis in order]
        if sorted(front) != list(range(len(lengths))):
            msg = f"permuted: the axes are {order}; expected each axis of a tensor of shape {lengths} once."
            raise InvalidInput(msg)
        return jnp.transpose(w, front)

    return change


def split_heads(heads: int, axis: int = -1) -> Change:
    """An axis of heads · width as two: the kernel (d, heads · width) as Flax's (d, heads, width)."""
    heads, axis = _heads(heads, "split_heads"), _axis(axis, "split_heads")

    def change(w: Tensor) -> Tensor:
        at, width = _width(w, heads, axis, "split_heads")
        return jnp.reshape(w, (*w.shape[:at], heads, width, *w.shape[at + 1 :]))

    return change


def fused(axis: int = 0) -> Change:
    """Tensors one after the other along an axis: queries, keys and values as one projection."""
    axis = _axis(axis, "fused")
    return lambda *parts: jnp.concatenate(parts, _beside(parts, axis, "fused"))


def fused_by_head(heads: int, axis: int = 0) -> Change:
    """The same with the parts of one head beside each other: q₁ k₁ v₁ q₂ k₂ v₂ …, as GPT-NeoX and Megatron have it."""
    heads, axis = _heads(heads, "fused_by_head"), _axis(axis, "fused_by_head")

    def change(*parts: Tensor) -> Tensor:
        at = _beside(parts, axis, "fused_by_head")
        apart = [split_heads(heads, at)(part) for part in parts]
        together = jnp.concatenate(apart, at + 1)
        return jnp.reshape(together, (*together.shape[:at], -1, *together.shape[at + 2 :]))

    return change


def rotary_interleaved(heads: int, axis: int = 0) -> Change:
    """Rotary pairs (i, i + width/2) as pairs (2i, 2i + 1), in each head: x₀ … x₃ ↦ x₀ x₂ x₁ x₃."""
    heads, axis = _heads(heads, "rotary_interleaved"), _axis(axis, "rotary_interleaved")
    return lambda w: _paired(w, heads, axis, "rotary_interleaved", before=(2, -1))


def rotary_halves(heads: int, axis: int = 0) -> Change:
    """The way back: pairs (2i, 2i + 1) as pairs (i, i + width/2), as Llama in ``transformers`` has them."""
    heads, axis = _heads(heads, "rotary_halves"), _axis(axis, "rotary_halves")
    return lambda w: _paired(w, heads, axis, "rotary_halves", before=(-1, 2))


def _paired(w: Tensor, heads: int, axis: int, what: str, before: tuple[int, int]) -> Tensor:
    """Each head's units as a table of this shape, read column by column."""
    at, width = _width(w, 2 * heads, axis, what)
    table = jnp.reshape(w, (*w.shape[:at], heads, *_filled(before, 2 * width), *w.shape[at + 1 :]))
    return jnp.reshape(jnp.swapaxes(table, at + 1, at + 2), w.shape)


def _filled(shape: tuple[int, int], size: int) -> tuple[int, ...]:
    return tuple(size // 2 if n == -1 else n for n in shape)


def merged(scale: float) -> Change:
    """(W, A, B) ↦ W + s B A: an update of low rank, s = α / r, A (r, in) and B (out, r) as LoRA has them in PyTorch."""
    scale = finite(scale, "merged: scale is")
    return lambda w, a, b: w + scale * (b @ a)


def folded_kernel(epsilon: float, axis: int = -1) -> Change:
    """(W, γ, σ²) ↦ W γ / √(σ² + ε) along the axis of what the layer writes: a batch norm behind it, folded."""
    epsilon, axis = finite(epsilon, "folded_kernel: epsilon is", least=0), _axis(axis, "folded_kernel")

    def change(w: Tensor, gain: Tensor, variance: Tensor) -> Tensor:
        factors = gain / jnp.sqrt(variance + epsilon)
        at = axis_in(shape_of(w, "folded_kernel: the tensor"), axis, "folded_kernel: the axis is")
        return w * jnp.reshape(factors, (1,) * at + (-1,) + (1,) * (w.ndim - at - 1))

    return change


def folded_bias(epsilon: float) -> Change:
    """(b, γ, σ², μ, β) ↦ (b − μ) γ / √(σ² + ε) + β; four tensors where the layer has no b."""
    epsilon = finite(epsilon, "folded_bias: epsilon is", least=0)

    def change(*given: Any) -> Tensor:
        bias, gain, variance, mean, shift = given if len(given) == 5 else (0, *given)
        return (bias - mean) * gain / jnp.sqrt(variance + epsilon) + shift

    return change


def _axis(axis: object, what: str) -> int:
    number = as_index(axis)
    if number is None:
        msg = f"{what}: axis is {short(axis)}; expected a whole number, such as 0, or -1 for the last axis."
        raise InvalidInput(msg)
    return number


def _heads(heads: object, what: str) -> int:
    return whole_number(heads, f"{what}: heads is", least=1)


def _width(w: Tensor, parts: int, axis: int, what: str) -> tuple[int, int]:
    """An axis, and how long each of so many equal parts of it is."""
    lengths = shape_of(w, f"{what}: the tensor")
    at = axis_in(lengths, axis, f"{what}: the axis is")
    if lengths[at] % parts:
        msg = f"{what}: axis {axis} of a tensor of shape {lengths} does not split into {parts} equal parts."
        raise InvalidInput(msg)
    return at, lengths[at] // parts


def _beside(parts: tuple[Tensor, ...], axis: int, what: str) -> int:
    """The axis along which tensors stand one after the other."""
    shapes = [shape_of(part, f"{what}: a tensor") for part in parts]
    at = axis_in(shapes[0] if shapes else (), axis, f"{what}: the axis is")
    if len({(*shape[:at], *shape[at + 1 :]) for shape in shapes}) > 1 or len({len(shape) for shape in shapes}) > 1:
        msg = f"{what}: the tensors have the shapes {shapes}; expected the same but along axis {at}."
        raise InvalidInput(msg)
    return at
