"""Integrals over segments inside compiled programs, each with an estimate of its own error.

Everything runs a number of pieces that is known when the program is traced, and each integrand is traced once, inside a
loop. A probe and its perturbed copies take the same pieces, but for those that could only make rounding errors smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    where_needed,
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
def _kronrod() -> tuple[Row, Float[np.ndarray, "6 nodes"]]:
    """Nodes on [0, 1] from end to end, and what is applied to the values there.

    First the weights of the rule of degree 22. Then three rows that vanish on smooth values: its distance from the
    Gauss rule of degree 13 inside it, and the values' coefficients of the Legendre polynomials of degree 12 and 13;
    the ends have no part in these. The last two take values to what they miss at the ends when the inner ones are
    extrapolated.
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
    inner = [np.pad(row, 1) / 2 for row in (weights, weights - within, *(2 * row for row in high))]
    return (1 + np.concatenate([[-1.0], x, [1.0]])) / 2, np.stack([*inner, *ends])


FINISHED = 16.0
"""In units of eps of the integral: no piece is cut where all estimates together are smaller."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Integral:
    """∫₀¹ of a function with values in ℝ, piece by piece.

    Attributes:
        starts: of the pieces.
        widths: of the pieces; 0 of those that were not needed.
        values: of the integral over each piece.
        errors: estimates of the error on each piece.
    """

    starts: Float[Array, " pieces"]
    widths: Float[Array, " pieces"]
    values: Float[Array, " pieces"]
    errors: Float[Array, " pieces"]

    @property
    def value(self) -> Number:
        return jnp.sum(self.values)

    @property
    def error(self) -> Number:
        return jnp.sum(self.errors)

    def of(self, function: Callable[[Number], Tree]) -> tuple[Tree, Tree]:
        """∫₀¹ of another function over the same pieces, a tree, and for each number of it an estimate of the error.

        One piece is held at a time, so that the tree may be large.
        """
        function = jitted(function)
        example = jax.eval_shape(function, self.starts[0])
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), (example, example))

        def added(found: Tree, piece: tuple[Number, Number]) -> tuple[Tree, None]:
            return where_needed(piece[1] > 0, lambda found: add(found, _of_piece(function, *piece)), found), None

        return scanned(added, blank, (self.starts, self.widths))[0]


def integral(function: Callable[[Number], Number], *, pieces: int = PIECES) -> Integral:
    """∫₀¹ function(t) dt of a number, with an estimate of the error.

    Gauss–Kronrod 7–15, the piece with the largest error cut in two ``pieces − 1`` times, or until rounding is all that
    is left: exact, to rounding, where the integrand is a polynomial of degree up to 13; where it jumps, each cut of the
    piece about halves the error. The estimate is the distance of the two rules (or a higher coefficient, whichever is
    larger), which for a smooth integrand is far larger than the error.
    """
    function = jitted(function)
    none = jnp.zeros(pieces, jax.eval_shape(function, jnp.zeros(())).dtype)

    def evaluated(found: Integral, where: Tree) -> tuple[Integral, None]:
        value, error = _of_piece(function, found.starts[where], found.widths[where])
        values, errors = found.values.at[where].set(value), found.errors.at[where].set(error)
        return replace(found, values=values, errors=errors), None

    def cut(place: Tree, found: Integral) -> Integral:
        worst = jnp.argmax(found.errors)
        left = SPLIT * found.widths[worst]
        starts = found.starts.at[place].set(found.starts[worst] + left)
        widths = found.widths.at[place].set(found.widths[worst] - left).at[worst].set(left)
        both = jnp.stack([worst, jnp.asarray(place, worst.dtype)])
        return scanned(evaluated, replace(found, starts=starts, widths=widths), both)[0]

    def closer(place: Tree, found: Integral) -> Integral:
        finished = FINISHED * jnp.finfo(none.dtype).eps * jnp.sum(jnp.abs(found.values))
        return where_needed(found.error > finished, lambda found: cut(place, found), found)

    # A segment that is cut is not evaluated whole: it is the worst piece until it is.
    start = Integral(none, none.at[0].set(1), none, none.at[0].set(jnp.inf))
    return repeated(range(1, pieces), closer, start) if pieces > 1 else evaluated(start, 0)[0]


def _of_piece(function: Callable[[Number], Tree], start: Number, width: Number) -> tuple[Tree, Tree]:
    """The integral over a piece, and the estimate of its error."""
    values = batched(function)(start + width * _kronrod()[0].astype(start.dtype))
    both = jax.tree.map(lambda v: _of_values(v, width.astype(v.dtype)), values)
    return jax.tree.transpose(jax.tree.structure(values), None, both)


CONVERGED = 2 / 3
"""Of the digits: to so many the two rules agree where an integrand is taken for smooth."""

WIDEST_GAP, END_GAP = 0.11, 0.0043
"""Between two nodes, and between the last node and the end: a jump that lies there is not seen."""


def _of_values(values: Float[Array, "nodes ..."], width: Number) -> tuple[Float[Array, ...], Float[Array, ...]]:
    """The integral over a piece, and the error: how far the rules lie apart, and what a jump between nodes may hide.

    At a jump or a kink the two rules may agree by chance; hardly do the highest coefficients vanish there, too. Where
    the rules do not agree to many digits it is taken for a jump. Behind the last node it shows when the values are
    extrapolated to the end.
    """
    rows = jnp.asarray(_kronrod()[1], values.dtype)
    total, *others = width * jnp.tensordot(rows, values, 1)
    apart, *high, first, last = map(jnp.abs, others)
    greatest, least = jnp.max(values, 0), jnp.min(values, 0)
    agreed = float(jnp.finfo(values.dtype).eps) ** CONVERGED * width * jnp.maximum(jnp.abs(greatest), jnp.abs(least))
    seen = jnp.maximum(apart, jnp.maximum(*high))
    jump = jnp.maximum(seen, WIDEST_GAP * width * (greatest - least))
    return total, jnp.where(apart > agreed, jump, seen) + END_GAP * jnp.maximum(first, last)


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
