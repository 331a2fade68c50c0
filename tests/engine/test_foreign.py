"""Functions that somebody else evaluates: bridged by a cotangent map, walked, compiled, with rounding inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import FINEST, TABLE, Roundoff, Walk, bridged, lowest_precisions, opaque_inside, with_rounding_noise
from eqprop.errors import NotDifferentiable

pytestmark = pytest.mark.usefixtures("float64")

EPS = float(np.finfo(np.float64).eps)


def value(w, x):
    return (np.sin(x @ w),)


def pulled(w, x, c):
    slope = c * np.cos(x @ w)
    return np.outer(x, slope), w @ slope


def pushed(w, x, u, v):
    """The transpose of ``pulled``: the derivative along u of w and v of x."""
    return (np.cos(x @ w) * (x @ u + v @ w),)


def twice(w, x, c, u, v):
    """The cotangents of w, x and c of ⟨pulled, (u, v)⟩."""
    inner, moved = x @ w, x @ u + v @ w
    bent = -c * np.sin(inner) * moved
    slope = c * np.cos(inner)
    return np.outer(x, bent) + np.outer(v, slope), w @ bent + u @ slope, np.cos(inner) * moved


def twice_turned(w, x, c, dw, dx, dc):
    """The transpose of ``twice``: the derivative of ``pulled`` along dw, dx and dc."""
    inner = x @ w
    slope = c * np.cos(inner)
    bent = dc * np.cos(inner) - c * np.sin(inner) * (x @ dw + dx @ w)
    return np.outer(dx, slope) + np.outer(x, bent), dw @ slope + w @ bent


W, X, C = (3, 2), (3,), (2,)


@dataclass(eq=False)
class Adjoint:
    """A solver with an adjoint: sin(x w), its derivatives written by hand up to the second."""

    function: Callable[..., Any] = value
    shapes: tuple[tuple[int, ...], ...] = (C,)
    linear: int = 0
    adjoint: Callable[..., Any] = pulled
    lowest: Roundoff = FINEST
    opaque: str = ""
    name: str = "solver"

    @property
    def results(self):
        return [jax.ShapeDtypeStruct(shape, np.float64) for shape in self.shapes]

    @property
    def cotangents(self):
        if not hasattr(self, "_next"):
            if self.function is twice:
                msg = "solver: there is no third derivative"
                raise NotDifferentiable(msg)
            later = (twice, (W, X, C), 2) if self.linear else (self.adjoint, (W, X), 1)
            self._next = Adjoint(*later, lowest=self.lowest, opaque=self.opaque)
        return self._next

    @property
    def transposed(self):
        if not hasattr(self, "_turned"):
            of_map = self.function is twice
            self._turned = Adjoint(*((twice_turned, (W, X)) if of_map else (pushed, (C,))))
        return self._turned

    def values(self, *operands):
        rows = zip(*operands, strict=True)
        return [np.stack(parts) for parts in zip(*(self.function(*row) for row in rows), strict=True)]

    def rounded(self, *operands, signs, start=0):
        count = max(len(leaf) for leaf in (*operands, *([] if signs is None else [signs])))
        found = self.values(*(np.broadcast_to(leaf, (count, *leaf.shape[1:])) for leaf in operands))
        if signs is None:
            return found
        return [leaf * (1 + EPS * signs[:, start : start + 1].reshape(-1, *[1] * (leaf.ndim - 1))) for leaf in found]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def plain(w, x):
    return jnp.sin(x @ w)


def total(f):
    return lambda w, x: jnp.sum(f(w, x) ** 3)


def foreign(w, x):
    return SOLVER(w, x)[0]


SOLVER = bridged(Adjoint())


def derivatives(f, w, x) -> dict[str, Any]:
    """Of every order that the solver has, each the way that a reverse-only function allows."""
    slope = jax.grad(total(f), (0, 1))
    _, pull = jax.vjp(f, w, x)
    u, v = drawn(*W, seed=1), drawn(*X, seed=2)
    _, push = jax.vjp(pull, jnp.zeros(C))
    return {
        "value": f(w, x),
        "gradient": slope(w, x),
        "pushed": push((u, v)),
        "Hessian, reverse over reverse": jax.vjp(slope, w, x)[1]((u, v)),
        "bent": jax.grad(lambda w: jnp.sum(jax.vjp(jax.vjp(f, w, x)[1], jnp.zeros(C))[1]((u, v))[0]))(w),
    }


def assert_close(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)  # a few units in the last place of sums of size 10


@pytest.mark.parametrize("name", ["value", "gradient", "pushed", "Hessian, reverse over reverse", "bent"])
def test_derivatives_are_those_of_the_same_function_in_jax(name):
    w, x = drawn(*W), drawn(*X, seed=3)
    assert_close(derivatives(foreign, w, x)[name], derivatives(plain, w, x)[name])


def test_derivatives_of_a_cotangent_map_by_an_operand_and_by_the_cotangent_may_be_pulled_together():
    w, x, c = drawn(*W), drawn(*X, seed=3), drawn(*C)
    u, v = drawn(*W, seed=1), drawn(*X, seed=2)

    def both(f):
        of_map = jax.jit(lambda w, c: jax.vjp(f, w, x)[1](c))
        _, by_w = jax.vjp(lambda w: of_map(w, c), w)
        _, by_c = jax.vjp(lambda c: of_map(w, c), c)
        return by_w((u, v)), by_c((u, v))

    assert_close(both(foreign), both(plain))


def test_a_row_of_a_compiled_batch_has_all_its_digits():
    w, x = drawn(5, *W), drawn(*X)
    found = jax.jit(jax.vmap(jax.grad(total(foreign)), in_axes=(0, None)))(w, x)
    assert_close(found, jax.vmap(jax.grad(total(plain)), in_axes=(0, None))(w, x))


def test_operands_of_a_batch_within_a_batch_are_rows():
    w, x = drawn(4, *W), drawn(5, *X)
    both = jax.vmap(jax.vmap(foreign, in_axes=(None, 0)), in_axes=(0, None))
    assert_close(both(w, x), jnp.sin(jnp.einsum("bi,aij->abj", x, w)))


def last(leaf):
    return np.ascontiguousarray(np.moveaxis(leaf, 0, -1))


@pytest.mark.parametrize("inner", [False, True], ids=["of a row", "of a batch in each row"])
def test_a_walk_gives_what_xla_gives(inner):
    function = jax.grad(total(jax.vmap(foreign, in_axes=(None, 0)) if inner else foreign))
    w, x = drawn(6, *W), drawn(6, 4, *X) if inner else drawn(6, *X)
    walk = Walk(jax.make_jaxpr(function)(w[0], x[0]))
    (found,) = walk([last(w), last(x)])
    assert walk.foreign
    assert_close(np.moveaxis(found, -1, 0), jax.vmap(function)(w, x))


@pytest.mark.parametrize("inner", [False, True], ids=["of a row", "of a batch in each row"])
def test_functions_without_results_have_as_many_rows_as_others(inner: bool):
    solver = bridged(Adjoint(shapes=((0,),)))
    function = jax.vmap(lambda w, x: solver(w, x)[0], in_axes=(None, 0)) if inner else lambda w, x: solver(w, x)[0]
    w, x = np.zeros((6, 3, 0)), drawn(6, 4, *X) if inner else drawn(6, *X)
    (found,) = Walk(jax.make_jaxpr(function)(w[0], x[0]))([last(w), last(x)])
    assert found.shape == ((4, 0, 6) if inner else (0, 6))
    assert jax.vmap(function)(w, x).shape == ((6, 4, 0) if inner else (6, 0))


def test_what_is_asked_twice_is_evaluated_once():
    walk = Walk(jax.make_jaxpr(lambda w, x: foreign(w, x) + foreign(w, x))(drawn(*W), drawn(*X)))
    assert walk.steps == 2


def test_rounding_inside_differs_from_row_to_row_and_is_none_where_signs_are_zero():
    w, x = drawn(*W), drawn(*X)
    walk = Walk(jax.make_jaxpr(foreign)(w, x))
    signs = np.ones((TABLE, 2))
    signs[:, 0] = 0
    (found,) = walk([last(w[None]), last(x[None])], signs)
    assert found[..., 0].tolist() == value(w, x)[0].tolist()
    assert (found[..., 1] != found[..., 0]).all()


def test_compiled_programs_round_inside_too():
    w, x = drawn(*W), drawn(*X)
    noisy = jax.jit(with_rounding_noise(lambda at: foreign(*at), (w, x)))
    assert noisy((w, x), np.zeros(TABLE)).tolist() == value(w, x)[0].tolist()
    assert (noisy((w, x), np.ones(TABLE)) != value(w, x)[0]).all()


def test_the_lowest_precision_inside_is_that_of_the_program():
    low = Roundoff(2.0**-23, "float32", "the solver's table")
    function = bridged(Adjoint(lowest=low))
    program = jax.make_jaxpr(lambda w, x: (function(w, x)[0], x))(drawn(*W), drawn(*X))
    assert [unit.origin for unit in lowest_precisions(program)] == ["the solver's table", ""]


def test_what_hides_its_rounding_is_found_in_a_program():
    program = jax.make_jaxpr(bridged(Adjoint(opaque="it is closed")))(drawn(*W), drawn(*X))
    assert opaque_inside(program) == "it is closed"
    assert not opaque_inside(jax.make_jaxpr(foreign)(drawn(*W), drawn(*X)))


# -- as a model --------------------------------------------------------------------------------------------------------


def pair(solver: Adjoint) -> eqprop.Pair:
    function = bridged(solver)
    model = eqprop.Model(lambda p, x: function(p["w"], x)[0] * p["a"], {"w": drawn(*W), "a": drawn(*C)}, drawn(*X))
    return eqprop.Pair(model, eqprop.hidden_units(groups.Sign(2), writes={"w": 1}, reads={"a": 0}))


def verdicts(solver: Adjoint, **options: Any) -> dict[str, eqprop.Verdict]:
    report = eqprop.run(pair(solver), profile="quick", probes=64, max_architectures=1, unseen=False, **options)
    return {verdict.property.name: verdict for verdict in report.verdicts}


@pytest.fixture(scope="module")
def right() -> dict[str, eqprop.Verdict]:
    return verdicts(Adjoint())


def test_a_right_solver_holds_up_to_the_order_that_it_has(right):
    assert {v.outcome for v in right.values()} <= {eqprop.Outcome.HOLDS, eqprop.Outcome.NOT_APPLICABLE}
    assert right["gradient-covariance"].outcome is right["hessian-symmetry"].outcome is eqprop.Outcome.HOLDS


def test_a_derivative_that_the_solver_does_not_have_is_asked_of_nobody():
    found = verdicts(Adjoint(), properties=["equivariance", "third-order"])
    assert found["equivariance"].outcome is eqprop.Outcome.HOLDS
    assert found["third-order"].outcome is eqprop.Outcome.NOT_APPLICABLE


def wrong(w, x, c):
    return tuple((1 + 1e-6) * leaf for leaf in pulled(w, x, c))


def test_an_adjoint_that_is_wrong_by_a_millionth_is_falsified_at_order_1():
    found = verdicts(Adjoint(adjoint=wrong), properties=["equivariance", "derivative"])
    assert found["equivariance"].outcome is eqprop.Outcome.HOLDS
    assert found["derivative"].outcome is eqprop.Outcome.FALSIFIED


def test_of_a_closed_solver_a_violation_is_inconclusive_and_says_why():
    found = verdicts(Adjoint(adjoint=wrong, opaque="it is closed"), properties=["equivariance", "derivative"])
    assert found["equivariance"].outcome is eqprop.Outcome.HOLDS
    assert found["derivative"].outcome is eqprop.Outcome.INCONCLUSIVE
    assert "rounding inside of it, which cannot be seen (it is closed)" in found["derivative"].reason
