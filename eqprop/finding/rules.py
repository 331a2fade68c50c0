"""What each operation does to the axes of its operands: which it keeps, which it joins, which are new."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine import Typed
from eqprop.finding.atoms import Atoms, Axes, Axis

Rule = Callable[[Atoms, JaxprEqn, Sequence[Axes]], Sequence[Axes]]
"""Of the atoms, an operation, and the axes of its operands: the axes of its results."""


def shape_of(variable: Typed) -> tuple[int, ...]:
    """Of a variable or a literal of a traced program."""
    return tuple(variable.aval.shape)


def elementwise(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    """Entry by entry: the operands' axes move together. Scalars have none, and axes of length 1 are repeated."""
    shape = shape_of(equation.outvars[0])
    out: list[Axis] = []
    for place, size in enumerate(shape):
        alike = [axes[place] for axes in given if len(axes) == len(shape) and atoms.size(axes[place]) == size]
        for axis in alike[1:]:
            atoms.join(alike[0], axis)
        out.append(alike[0] if alike else atoms.new(size))
    return [tuple(out) if shape_of(o) == shape else atoms.fresh(shape_of(o)) for o in equation.outvars]


def _join_all(atoms: Atoms, first: Axes, second: Axes, but: int | None = None) -> None:
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        if place != but:
            atoms.join(a, b)


def _dot_general(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    first, second = given
    for i, j in zip(left, right, strict=True):
        atoms.join(first[i], second[j], -1)
    for i, j in zip(left_batch, right_batch, strict=True):
        atoms.join(first[i], second[j])
    kept = [axis for i, axis in enumerate(first) if i not in left and i not in left_batch]
    kept += [axis for i, axis in enumerate(second) if i not in right and i not in right_batch]
    return [(*(first[i] for i in left_batch), *kept)]


def _convolution(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    numbers, groups = equation.params["dimension_numbers"], equation.params["feature_group_count"]
    images, kernel = given
    read, written = images[numbers.lhs_spec[1]], kernel[numbers.rhs_spec[0]]
    inside = kernel[numbers.rhs_spec[1]]
    if groups > 1:
        over_in, within = atoms.regrouped((read,), (groups, atoms.size(read) // groups))
        over_out, _ = atoms.regrouped((written,), (groups, atoms.size(written) // groups))
        atoms.join(over_in, over_out)
        atoms.join(within, inside, -1)
    else:
        atoms.join(read, inside, -1)
    out = list(atoms.fresh(shape_of(equation.outvars[0])))
    out[numbers.out_spec[0]] = images[numbers.lhs_spec[0]]
    out[numbers.out_spec[1]] = written
    return [tuple(out)]


def _broadcast(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    shape = equation.params["shape"]
    out = list(atoms.fresh(shape))
    for axis, place in zip(given[0], equation.params["broadcast_dimensions"], strict=True):
        if atoms.size(axis) == shape[place]:
            out[place] = axis
    return [tuple(out)]


def _reshape(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    return [atoms.regrouped(given[0], shape_of(equation.outvars[0]))]


def _squeeze(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    del atoms
    return [tuple(axis for place, axis in enumerate(given[0]) if place not in equation.params["dimensions"])]


def _transpose(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    del atoms
    return [tuple(given[0][place] for place in equation.params["permutation"])]


def _reduce(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    del atoms
    kept = tuple(axis for place, axis in enumerate(given[0]) if place not in equation.params["axes"])
    return [kept for _ in equation.outvars]


def _slice(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    params = equation.params
    steps = params["strides"] or (1,) * len(given[0])
    bounds = zip(given[0], params["start_indices"], params["limit_indices"], steps, strict=True)
    return [tuple(atoms.cut(axis, *map(int, bound)) for axis, *bound in bounds)]


def _split(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    place = equation.params["axis"]
    ends = np.cumsum(equation.params["sizes"]).tolist()
    parts = [atoms.cut(given[0][place], a, b) for a, b in zip([0, *ends], ends, strict=False)]
    return [(*given[0][:place], part, *given[0][place + 1 :]) for part in parts]


def _concatenate(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    place = equation.params["dimension"]
    for axes in given[1:]:
        _join_all(atoms, given[0], axes, but=place)
    joined = atoms.side_by_side([axes[place] for axes in given])
    return [(*given[0][:place], joined, *given[0][place + 1 :])]


def _stack(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    for axes in given[1:]:
        _join_all(atoms, given[0], axes)
    place = equation.params["axis"]
    return [(*given[0][:place], atoms.new(len(given)), *given[0][place:])]


def _pad(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    padded = zip(given[0], equation.params["padding_config"], shape_of(equation.outvars[0]), strict=True)
    return [tuple(_padded(atoms, axis, config, size) for axis, config, size in padded)]


def _padded(atoms: Atoms, axis: Axis, config: tuple[int, int, int], size: int) -> Axis:
    low, high, inside = config
    if (low, high, inside) == (0, 0, 0):
        return axis
    if inside or low < 0 or high < 0:
        return atoms.new(size)
    return atoms.side_by_side([atoms.new(low), axis, atoms.new(high)])


def _gather(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    """Whole axes of the operand, and the axes of the indices: an embedding keeps its features and takes the tokens'."""
    numbers = equation.params["dimension_numbers"]
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    inside = iter([axis for place, axis in enumerate(given[0]) if place not in gone])
    outside = iter(given[1][:-1])
    out: list[Axis] = []
    for place, size in enumerate(shape_of(equation.outvars[0])):
        axis = next(inside if place in numbers.offset_dims else outside)
        out.append(axis if atoms.size(axis) == size else atoms.new(size))
    for a, b in zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True):
        atoms.join(given[0][a], given[1][b])
    return [tuple(out)]


def _whole_axes(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    """Axes of the first operand that come out as long as they were."""
    return [
        tuple(
            axis if atoms.size(axis) == size else atoms.new(size)
            for axis, size in zip(given[0], shape_of(out), strict=True)
        )
        for out in equation.outvars
    ]


def _dynamic_update_slice(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    del equation
    for whole, part in zip(given[0], given[1], strict=True):
        if atoms.size(whole) == atoms.size(part):
            atoms.join(whole, part)
    return [given[0]]


def _reversed(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    gone = equation.params["dimensions"]
    return [tuple(atoms.new(atoms.size(a)) if place in gone else a for place, a in enumerate(given[0]))]


def unknown(atoms: Atoms, equation: JaxprEqn, given: Sequence[Axes]) -> Sequence[Axes]:
    """Nothing is known of what comes out."""
    del given
    return [atoms.fresh(shape_of(out)) for out in equation.outvars]


REDUCTIONS = ("sum", "max", "min", "prod", "and", "or", "xor")
RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "dynamic_slice": _whole_axes,
    "dynamic_update_slice": _dynamic_update_slice,
    "expand_dims": _reshape,
    "gather": _gather,
    "iota": unknown,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reversed,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "top_k": _whole_axes,
    "transpose": _transpose,
    **dict.fromkeys((f"reduce_{name}" for name in REDUCTIONS), _reduce),
    **dict.fromkeys(("argmax", "argmin"), _reduce),
    **dict.fromkeys((f"reduce_window{name}" for name in ("", "_sum", "_max", "_min")), _whole_axes),
    **dict.fromkeys(("scatter", "scatter-add", "scatter_add", "scatter-mul", "select_and_scatter_add"), _whole_axes),
}
"""By the names of JAX's operations; all others that keep a shape go entry by entry."""
