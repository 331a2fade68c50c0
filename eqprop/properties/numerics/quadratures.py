"""Integrals over segments inside compiled programs, each with an estimate of its own error.

Everything runs a number of pieces that is known when the program is traced, so that a probe and its perturbed copies
take the same ones, and each integrand is traced once, inside a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqprop.engine import (
    Tree,
    add,
    batched,
    inner,
    inner_magnitude,
    jitted,
    repeated,
    scanned,
    subtract,
    value_and_gradient,
)

Number = Float[Array, ""]
Row = Float[np.ndarray, " nodes"]

# -- integrals --------------------------------------------------------------------------------------------------------

KRONROD_NODES = np.array([
    0.991455371120812639206854697526329, 0.949107912342758524526189684047851, 0.864864423359769072789712788640926,
    0.741531185599394439863864773280788, 0.586087235467691130294144691693301, 0.405845151377397166906606412076961,
    0.207784955007898467600689403773245, 0.0,
])  # fmt: skip
KRONROD_WEIGHTS = np.array([
    0.022935322010529224963732008058970, 0.063092092629978553290700663189204, 0.104790010322250183839876322541518,
    0.140653259715525918745189590510238, 0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
    0.204432940075298892414161999234649, 0.209482141084727828012999174891714,
])  # fmt: skip
"""Gauss–Kronrod 7–15 on [−1, 1], the half with nodes from 1 down to 0 (QUADPACK, Piessens et al. 1983)."""

PIECES = 12

SPLIT = 0.4437
"""Where a piece is cut: at no simple fraction, lest a kink that a symmetry puts there lie between two pieces unseen."""


@cache
def _kronrod() -> tuple[Row, Row, Float[np.ndarray, "3 nodes"], Float[np.ndarray, "2 nodes"]]:
    """Nodes on [0, 1] from end to end, and what is applied to the values there.

    First the weights of the rule of degree 22. Then three rows that vanish on smooth values: its distance from the
    Gauss rule of degree 13 inside it, and the values' coefficients of the Legendre polynomials of degree 12 and 13;
    the ends have no part in these. The last array, of shape (2, 17), takes values to what they miss at the ends when
    the inner ones are extrapolated.
    """
    gauss_weights = np.polynomial.legendre.leggauss(7)[1]
    x = np.concatenate([-KRONROD_NODES, KRONROD_NODES[:-1][::-1]])
    weights = np.concatenate([KRONROD_WEIGHTS, KRONROD_WEIGHTS[:-1][::-1]])
    within = np.zeros_like(x)
    within[1::2] = gauss_weights  # every second node is one of Gauss's
    apart = x[:, None] - x + np.eye(len(x))
    ends = np.zeros((2, len(x) + 2))
    for row, end in zip(ends, (-1.0, 1.0), strict=True):
        row[1:-1] = [np.prod(np.delete(end - x, i)) / np.prod(apart[i]) for i in range(len(x))]
        row[0 if end < 0 else -1] = -1.0
    high = [weights * np.sqrt(2 * n + 1) * np.polynomial.Legendre.basis(n)(x) for n in (12, 13)]
    inner, *smooth = (np.pad(row, 1) / 2 for row in (weights, weights - within, *(2 * row for row in high)))
    return (1 + np.concatenate([[-1.0], x, [1.0]])) / 2, inner, np.stack(smooth), ends


def integral(function: Callable[[Number], Tree], *, pieces: int = PIECES) -> tuple[Tree, Tree]:
    """∫₀¹ function(t) dt of a tree, and for each number of it an estimate of the error.

    Gauss–Kronrod 7–15, the piece with the largest error cut in two ``pieces − 1`` times: exact, to rounding, where the
    integrand is a polynomial of degree up to 13; where it jumps, each cut of the piece about halves the error. The
    estimate is the distance of the two rules (or a higher coefficient, whichever is larger), which for a smooth
    integrand is far larger than the error.
    """
    nodes, weights, smooth, ends = _kronrod()
    function = jitted(function)

    def of_piece(start: Number, width: Number) -> tuple[Tree, Tree]:
        values = batched(function)(start + width * nodes.astype(start.dtype))
        total = jax.tree.map(lambda v: width * jnp.tensordot(weights.astype(v.dtype), v, 1), values)
        return total, jax.tree.map(lambda v: _off(v, width, smooth, ends), values)

    example = jax.eval_shape(function, jnp.zeros(()))
    dtype = jnp.result_type(*jax.tree.leaves(example))
    blank = jax.tree.map(lambda leaf: jnp.zeros((pieces, *leaf.shape), leaf.dtype), example)
    starts, widths = jnp.zeros(pieces, dtype), jnp.zeros(pieces, dtype).at[0].set(1)

    def evaluated(state: Tree, where: Tree) -> tuple[Tree, None]:
        starts, widths, values, errors = state
        value, error = of_piece(starts[where], widths[where])
        return (starts, widths, _put(values, where, value), _put(errors, where, error)), None

    def cut(place: Tree, state: Tree) -> tuple[Tree, Tree, Tree, Tree]:
        starts, widths, values, errors = state
        worst = jnp.argmax(sum(jnp.sum(leaf.reshape(pieces, -1), 1) for leaf in jax.tree.leaves(errors)))
        left = SPLIT * widths[worst]
        starts = starts.at[place].set(starts[worst] + left)
        widths = widths.at[place].set(widths[worst] - left).at[worst].set(left)
        both = jnp.stack([worst, jnp.asarray(place, worst.dtype)])
        return scanned(evaluated, (starts, widths, values, errors), both)[0]

    # A segment that is cut is not evaluated whole: no piece has an error yet then, and the first is the worst.
    state = (starts, widths, blank, blank)
    *_, values, errors = repeated(range(1, pieces), cut, state) if pieces > 1 else evaluated(state, 0)[0]
    return tuple(jax.tree.map(lambda leaf: jnp.sum(leaf, 0), tree) for tree in (values, errors))  # pyright: ignore[reportReturnType]


CONVERGED = 2 / 3
"""Of the digits: to so many the two rules agree where an integrand is taken for smooth."""

WIDEST_GAP, END_GAP = 0.11, 0.0043
"""Between two nodes, and between the last node and the end: a jump that lies there is not seen."""


def _off(
    values: Float[Array, "nodes ..."],
    width: Number,
    smooth: Float[np.ndarray, "3 nodes"],
    ends: Float[np.ndarray, "2 nodes"],
) -> Float[Array, ...]:
    """The error on a piece: how far the rules lie apart, and what a jump between two nodes may hide.

    At a jump or a kink the two rules may agree by chance; hardly do the highest coefficients vanish there, too. Where
    the rules do not agree to many digits it is taken for a jump. Behind the last node it shows when the values are
    extrapolated to the end.
    """
    spread = jnp.max(values, 0) - jnp.min(values, 0)
    apart, *high = width * jnp.abs(jnp.tensordot(smooth.astype(values.dtype), values, 1))
    least = float(jnp.finfo(values.dtype).eps) ** CONVERGED
    rough = apart > least * width * jnp.max(jnp.abs(values), 0)
    missed = jnp.max(jnp.abs(jnp.tensordot(ends.astype(values.dtype), values, 1)), 0)
    seen = jnp.maximum(apart, jnp.maximum(*high))
    return jnp.where(rough, jnp.maximum(seen, WIDEST_GAP * width * spread), seen) + END_GAP * width * missed


def _put(rows: Tree, place: Tree, row: Tree) -> Tree:
    return jax.tree.map(lambda many, one: many.at[place].set(one.astype(many.dtype)), rows, row)


# -- short segments ---------------------------------------------------------------------------------------------------

CAUTION = 4.0
"""By how much the error of a short segment is taken to be larger than what shows of it: of random piecewise linear
functions with up to a thousand kinks one in a million then has an error of more than 30 such estimates."""


@cache
def _lobatto() -> tuple[Row, Row, Float[np.ndarray, "2 nodes"], Row]:
    """Nodes and weights on [0, 1] of Lobatto's rule of degree 7, and what vanishes on smooth integrands.

    Of the values of a derivative the coefficients of the Legendre polynomials of degree 3 and 4, and of the values of
    its antiderivative the fourth difference: the ends are nodes, so that no kink hides behind the last of them.
    """
    x = np.array([-1, -np.sqrt(3 / 7), 0, np.sqrt(3 / 7), 1])
    weights = np.array([1 / 20, 49 / 180, 16 / 45, 49 / 180, 1 / 20])
    legendre = np.stack([np.polynomial.Legendre.basis(n)(x) for n in (3, 4)])
    smooth = legendre * weights / np.sqrt(legendre**2 @ weights)[:, None]
    apart = np.array([1 / np.prod(np.delete(x[i] - x, i)) for i in range(5)])
    return (1 + x) / 2, weights, smooth, apart / np.abs(apart).sum()


@dataclass(frozen=True)
class Start:
    """What a function with values in ℝ, and its derivative in reverse mode, give where a segment starts.

    Attributes:
        value: of the function.
        terms: their size.
        slopes: the gradient.
    """

    value: Number
    terms: Number
    slopes: Tree


@dataclass(frozen=True)
class Increment:
    """What a derivative says of the increment of a function along a short segment, and the increment itself.

    Attributes:
        integral: of the derivative along the segment.
        difference: of the function's values at the ends.
        error: an estimate of the quadrature's error; at a kink as large as the jump there.
        size: of the terms that cancel in the derivative along the segment.
        absorbed: of the values that the difference is taken of.
    """

    integral: Number
    difference: Number
    error: Number
    size: Number
    absorbed: Number


def increment(
    function: Callable[[Tree], tuple[Number, Number]],
    start: Tree,
    step: Tree,
    over: Callable[..., Callable[..., Tree]] = batched,
    first: Start | None = None,
) -> Increment:
    """The increment of a function with values in ℝ from start to start + step, by five derivatives in reverse mode.

    Args:
        function: gives its value, and the size of the terms that were added up in it.
        start: where the segment starts.
        step: to where it ends; short, so that a smooth function has nearly no higher derivatives along it.
        over: how a function of one number is taken over several.
        first: what is known at the start, where something else has need of it, too.
    """
    nodes, weights, smooth, apart = _lobatto()
    nodes = jnp.asarray(nodes, jnp.result_type(*jax.tree.leaves(start)))
    step = subtract(add(start, step), start)  # as it is once it is rounded

    def along(value: Number, terms: Number, slopes: Tree) -> tuple[Number, Number, Number, Number]:
        return value, terms, inner(slopes, step), inner_magnitude(slopes, step)

    def at(t: Number) -> tuple[Number, Number, Number, Number]:
        here = jax.tree.map(lambda a, d: a + (t * d).astype(a.dtype), start, step)
        (value, terms), slopes = value_and_gradient(function, beside=True)(here)
        return along(value, terms, slopes)

    if first is None:
        value, terms, slope, size = over(at)(nodes)
    else:
        pairs = zip(along(first.value, first.terms, first.slopes), over(at)(nodes[1:]), strict=True)
        value, terms, slope, size = (jnp.concatenate([one[None], others]) for one, others in pairs)
    weights, smooth, apart = (jnp.asarray(rows, slope.dtype) for rows in (weights, smooth, apart))
    seen = jnp.maximum(jnp.max(jnp.abs(smooth @ slope)), CAUTION * jnp.abs(apart @ value))
    return Increment(weights @ slope, value[-1] - value[0], CAUTION * seen, jnp.max(size), jnp.max(terms))
