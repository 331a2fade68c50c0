"""LAPACK and BLAS, row by row: the routines of SciPy, which are those that JAX calls on a CPU.

JAX takes them from SciPy itself, so that results agree to the last bit. What fails becomes NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine.exact import is_complex
from eqprop.engine.walk.primitives.of_scipy import found
from eqprop.engine.walk.primitives.operand import Array, Rule, Step, dtype_of, require, shape_of

LETTERS = {
    np.dtype(np.float32): "s",
    np.dtype(np.float64): "d",
    np.dtype(np.complex64): "c",
    np.dtype(np.complex128): "z",
}
"""What the names of routines begin with."""

Matrices = Callable[..., tuple[Array, ...]]
"""From the arrays of one row and place to those of the results."""


def routine(name: str, equation: JaxprEqn, *, library: str = "lapack") -> Any:
    """A routine for the type of an operation's first operand."""
    dtype = dtype_of(equation.invars[0])
    require(dtype in LETTERS, f"{name} of {dtype}")
    return found(f"linalg.{library}.{LETTERS[dtype]}{name}")


def each(equation: JaxprEqn, function: Matrices, ranks: tuple[int, ...] = (2,)) -> Step:
    """The step that applies a function to the matrices of each row, and of each place in front of their axes.

    Args:
        equation: the operation.
        function: of one matrix of each operand.
        ranks: how many axes of each operand are the matrix's (or vector's).
    """
    shapes, dtypes = [shape_of(v) for v in equation.outvars], [dtype_of(v) for v in equation.outvars]
    require(all(math.prod(shape_of(v)) for v in (*equation.invars, *equation.outvars)), "empty matrices")
    places = shape_of(equation.invars[0])[: len(shape_of(equation.invars[0])) - ranks[0]]
    count = math.prod(places)
    cores = [shape[len(places) :] for shape in shapes]

    def apply(*operands: Array) -> tuple[Array, ...]:
        rows = np.broadcast_shapes(*(x.shape[-1:] for x in operands))[0]
        heads = [np.moveaxis(x, -1, 0).reshape((x.shape[-1], count, *x.shape[len(places) : -1])) for x in operands]
        results = [np.empty((rows, count, *core), dtype) for core, dtype in zip(cores, dtypes, strict=True)]
        for row, place in np.ndindex(rows, count):
            found = function(*(head[row if len(head) > 1 else 0, place] for head in heads))
            for result, one in zip(results, found, strict=True):
                result[row, place] = one
        return tuple(
            np.moveaxis(result, 0, -1).reshape((*shape, rows)) for result, shape in zip(results, shapes, strict=True)
        )

    return apply if equation.primitive.multiple_results else lambda *operands: apply(*operands)[0]


def _unless(failed: bool, *results: Array) -> tuple[Array, ...]:
    return tuple(np.full_like(result, np.nan) for result in results) if failed else results


def cholesky(equation: JaxprEqn) -> Step:
    """The lower factor; above the diagonal the matrix itself, which JAX clears afterwards."""
    factor = routine("potrf", equation)

    def lower(a: Array) -> tuple[Array, ...]:
        found, info = factor(a, lower=1, clean=0)
        return _unless(info != 0, found)

    return each(equation, lower)


def triangular_solve(equation: JaxprEqn) -> Step:
    """x of a x = b, or of x a = b."""
    params, solve = equation.params, routine("trsm", equation, library="blas")
    conjugate = params["conjugate_a"] and not params["transpose_a"]
    transposed = (2 if params["conjugate_a"] else 1) if params["transpose_a"] else 0
    options = {"lower": params["lower"], "trans_a": transposed, "diag": params["unit_diagonal"]}

    def divide(a: Array, b: Array) -> tuple[Array, ...]:
        return (solve(1.0, a.conj() if conjugate else a, b, side=not params["left_side"], **options),)

    return each(equation, divide, (2, 2))


def permutation(pivots: Array, size: int) -> Array:
    """The order of rows that interchanges amount to."""
    order = np.arange(size, dtype=np.int32)
    for row, pivot in enumerate(pivots):
        order[[row, pivot]] = order[[pivot, row]]
    return order


def lu(equation: JaxprEqn) -> Step:
    """Both factors in one matrix, the interchanges, and the order of rows that they amount to."""
    factor, size = routine("getrf", equation), shape_of(equation.invars[0])[-2]

    def both(a: Array) -> tuple[Array, ...]:
        found, pivots, info = factor(a)
        return (*_unless(info < 0, found), pivots, permutation(pivots, size))

    return each(equation, both)


def pivots_to_permutation(equation: JaxprEqn) -> Step:
    """The order of rows that interchanges amount to."""
    size = equation.params["permutation_size"]
    return each(equation, lambda pivots: (permutation(pivots, size),), (1,))


def _reflections(equation: JaxprEqn) -> Matrices:
    """R above the reflections of a QR factorisation, and their factors."""
    factor, query = routine("geqrf", equation), routine("geqrf_lwork", equation)
    length = int(query(*shape_of(equation.invars[0])[-2:])[0].real)

    def reflect(a: Array) -> tuple[Array, ...]:
        found, factors, _, _ = factor(a, lwork=length)
        return found, factors

    return reflect


def geqrf(equation: JaxprEqn) -> Step:
    """R above the reflections of a QR factorisation, and their factors."""
    return each(equation, _reflections(equation))


def _product(equation: JaxprEqn) -> Matrices:
    """The first columns of a product of reflections."""
    multiply = routine("ungqr" if is_complex(dtype_of(equation.invars[0])) else "orgqr", equation)

    def columns(a: Array, factors: Array) -> tuple[Array, ...]:
        length = int(multiply(a, factors, lwork=-1)[1][0].real)
        return (multiply(a, factors, lwork=length)[0],)

    return columns


def householder_product(equation: JaxprEqn) -> Step:
    """The first columns of a product of reflections."""
    return each(equation, _product(equation), (2, 1))


def qr(equation: JaxprEqn) -> Step:
    """Q and R."""
    require(not equation.params["pivoting"], "qr with pivoting")
    rows, columns = shape_of(equation.invars[0])[-2:]
    reflect, multiply = _reflections(equation), _product(equation)
    whole = equation.params["full_matrices"] and rows > columns

    def both(a: Array) -> tuple[Array, ...]:
        found, factors = reflect(a)
        seed = found[:, :rows]
        if whole:
            seed = np.zeros((rows, rows), found.dtype)
            seed[:, :columns] = found
        (q,) = multiply(seed, factors)
        return q, np.triu(found if whole or rows < columns else found[:columns])

    return each(equation, both)


def eigh(equation: JaxprEqn) -> Step:
    """Eigenvectors and eigenvalues, ascending, of the triangle that is asked for."""
    params, size = equation.params, shape_of(equation.invars[0])[-1]
    require(params["subset_by_index"] in (None, (0, size)), "eigh of a part of the spectrum")
    require(getattr(params.get("algorithm"), "name", "QR") in ("QR", "DEFAULT"), f"eigh by {params.get('algorithm')}")
    solve = routine("heevd" if is_complex(dtype_of(equation.invars[0])) else "syevd", equation)

    def spectrum(a: Array) -> tuple[Array, ...]:
        values, vectors, info = solve(a, lower=params["lower"])
        return _unless(info != 0, vectors, values)

    return each(equation, spectrum)


def eig(equation: JaxprEqn) -> Step:
    """Eigenvalues, with left and right eigenvectors where they are asked for."""
    params, solve = equation.params, routine("geev", equation)
    require(
        getattr(params.get("implementation"), "name", "LAPACK") == "LAPACK", f"eig by {params.get('implementation')}"
    )
    left, right = params["compute_left_eigenvectors"], params["compute_right_eigenvectors"]
    joined = is_complex(dtype_of(equation.invars[0]))

    def spectrum(a: Array) -> tuple[Array, ...]:
        *values, lefts, rights, info = solve(a, compute_vl=left, compute_vr=right)
        whole = values[0] if joined else values[0] + 1j * values[1]
        sides = [v if joined else _paired(v, values[1]) for v, asked in ((lefts, left), (rights, right)) if asked]
        return _unless(info != 0, whole, *sides)

    return each(equation, spectrum)


def _paired(vectors: Array, imaginary: Array) -> Array:
    """Complex eigenvectors of a real matrix: LAPACK puts real and imaginary parts of a pair into two columns."""
    result = vectors.astype(np.result_type(vectors, np.complex64))
    for first in np.flatnonzero(imaginary > 0):
        result[:, first] = vectors[:, first] + 1j * vectors[:, first + 1]
        result[:, first + 1] = result[:, first].conj()
    return result


def svd(equation: JaxprEqn) -> Step:
    """Singular values, with both sides where they are asked for."""
    params, (rows, columns) = equation.params, shape_of(equation.invars[0])[-2:]
    require(params["subset_by_index"] in (None, (0, min(rows, columns))), "svd of a part of the spectrum")
    name = ALGORITHMS.get(getattr(params.get("algorithm"), "name", "DEFAULT"))
    require(name is not None, f"svd by {params.get('algorithm')}")
    solve, query = routine(f"{name}", equation), routine(f"{name}_lwork", equation)
    asked = {"compute_uv": params["compute_uv"], "full_matrices": params["full_matrices"]}
    length = int(query(rows, columns, **asked)[0].real)

    def values(a: Array) -> tuple[Array, ...]:
        left, found, right, info = solve(a, lwork=length, **asked)
        return _unless(info != 0, found, *((left, right) if params["compute_uv"] else ()))

    return each(equation, values)


ALGORITHMS = {"DEFAULT": "gesdd", "DIVIDE_AND_CONQUER": "gesdd", "QR": "gesvd"}
"""What computes singular values."""

RULES: dict[str, Rule] = {
    "cholesky": cholesky,
    "triangular_solve": triangular_solve,
    "lu": lu,
    "lu_pivots_to_permutation": pivots_to_permutation,
    "geqrf": geqrf,
    "householder_product": householder_product,
    "qr": qr,
    "eigh": eigh,
    "eig": eig,
    "svd": svd,
}
