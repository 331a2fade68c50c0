"""Factorisations and solutions, to the last bit: LAPACK is the same."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax import lax

from tests.engine.walk.conformance import COMPLEX, FLOATS, bound, conforms, numbers

pytestmark = pytest.mark.usefixtures("float64")

DTYPES = (*FLOATS[:2], *COMPLEX)


def matrices(dtype, rows=4, columns=4, seed=1):
    """Two for each of three rows."""
    return numbers(seed, dtype, (2, rows, columns, 3), special=False)


def positive(dtype):
    a = matrices(dtype, 4, 6)
    return np.einsum("zikb,zjkb->zijb", a, a.conj()).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cholesky_agrees_with_xla_and_is_nothing_where_there_is_none(dtype):
    a = positive(dtype)
    a[1, :, :, 1] = -a[1, :, :, 1]
    conforms(bound("cholesky"), a)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (True, True)])
def test_triangular_solutions_agree_with_xla(dtype, left, transposed):
    a, b = matrices(dtype), matrices(dtype, *((4, 3) if left else (3, 4)), seed=2)
    for lower in (True, False):
        params = {"left_side": left, "lower": lower, "unit_diagonal": not left}
        solve = bound("triangular_solve", transpose_a=transposed[0], conjugate_a=transposed[1], **params)
        conforms(solve, a, b)


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_lu_and_qr_agree_with_xla(dtype, shape):
    a = matrices(dtype, *shape)
    a[0, :, :, 0] = 0  # singular
    conforms(bound("lu"), a)
    conforms(bound("geqrf"), a)
    for full in (True, False):
        conforms(bound("qr", full_matrices=full, pivoting=False, use_magma=None), a)


def test_products_of_reflections_agree_with_xla():
    a = matrices(np.float64, 5, 3)
    conforms(bound("householder_product"), a, numbers(3, np.float64, (2, 3, 3), special=False))


def test_interchanges_agree_with_xla():
    pivots = np.array([[2, 2, 2], [1, 3, 2]], np.int32).T[..., None]
    conforms(bound("lu_pivots_to_permutation", permutation_size=5), np.moveaxis(pivots, 0, 1))


def parameters(name, function):
    """Those of a primitive as the installed JAX has them: its name and those of its function's arguments stay."""
    program = jax.make_jaxpr(function)(np.eye(2))
    (found,) = [e for e in program.jaxpr.eqns if e.primitive.name == name]
    return found.params


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lower", [True, False])
def test_spectra_agree_with_xla(dtype, lower):
    params = parameters("eigh", lambda a: lax.linalg.eigh(a, symmetrize_input=False, lower=lower))
    conforms(bound("eigh", **params), positive(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sides", [(False, True), (True, False), (True, True), (False, False)], ids=str)
def test_spectra_of_any_matrix_agree_with_xla(dtype, sides):
    asked = {"compute_left_eigenvectors": sides[0], "compute_right_eigenvectors": sides[1]}
    conforms(bound("eig", **parameters("eig", lambda a: lax.linalg.eig(a, **asked))), matrices(dtype))


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_singular_values_agree_with_xla(dtype, shape):
    for asked in ({"full_matrices": True}, {"full_matrices": False}, {"compute_uv": False}):
        params = parameters("svd", lambda a, asked=asked: lax.linalg.svd(a, **asked))
        conforms(bound("svd", **params), matrices(dtype, *shape))
