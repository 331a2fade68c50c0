"""NaN and infinite values name the tensor, the operation where they arise and what would help."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.results import Outcome
from eqprop.search.pool import ProgramPool
from eqprop.validation import first_unusable_order, why_not_finite

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3))


def pair_of(apply: Any, params: Any, **fields: Any) -> eqprop.Pair:
    signs = eqprop.Transformation(groups.Sign(1), lambda s, p: {**p, "w": p["w"] * s}, on_outputs=lambda s, y: y * s)
    return eqprop.Pair(eqprop.Model(apply, params, X, name="net", **fields), signs)


def distance(p: Any, x: Any) -> Any:
    """The backward pass has 0 · ∞ where b vanishes."""
    square = p["b"] ** 2
    return jnp.where(square > 0, jnp.sqrt(square), 0.0).sum() * (x @ p["w"])


def normalised(p: Any, x: Any) -> Any:
    return (x * jax.lax.rsqrt(p["variance"] + 1e-5)[None]) @ p["w"]


W = RNG.standard_normal(3)
AT_ZERO = {"b": np.zeros(2), "w": W}
NORM = {"variance": np.ones(3), "w": W}


def said_of(pair: eqprop.Pair, **changes: Any) -> str:
    params = tuple(changes.get(name, leaf) for name, leaf in sorted(pair.model.params.items()))
    return why_not_finite(pair, "float64", params, X)


def test_a_gradient_that_is_nan_at_the_models_own_example_names_tensor_operation_and_place():
    said = said_of(pair_of(distance, AT_ZERO))
    assert said.startswith(
        "the gradient with respect to 'b' is NaN at the model's own example, where the outputs are finite"
    )
    assert "arises first in" in said
    assert "(test_diagnosis.py:" in said
    assert "jnp.where" in said


def test_a_variance_that_is_drawn_negative_is_named_with_its_remedy():
    said = said_of(pair_of(normalised, NORM), variance=np.array([1.0, -1.0, 1.0]))
    assert said.startswith("the outputs are NaN at a drawn probe: NaN arises first in rsqrt (test_diagnosis.py:")
    assert "of 'variance', which was drawn negative; say where it lives with Model(domain=...)" in said


def test_an_overflow_names_its_operation_and_no_domain():
    said = said_of(pair_of(lambda p, x: jnp.exp(x @ p["w"]), {"w": W}), w=1e5 * np.ones(3))
    assert "inf arises first in exp" in said
    assert "domain" not in said


def test_what_is_finite_has_nothing_to_be_said_of_it():
    assert said_of(pair_of(normalised, NORM)) == ""


def test_an_operation_inside_of_a_function_that_is_jitted_is_found():
    inner = jax.jit(lambda v: jnp.log(v))  # noqa: PLW0108 - a function of its own
    said = said_of(pair_of(lambda p, x: x @ p["w"] * inner(p["b"]).sum(), {"b": np.ones(2), "w": W}), b=-np.ones(2))
    assert "in log (test_diagnosis.py:" in said
    assert "'b', which was drawn negative" in said


def test_a_search_says_so_and_how_often():
    report = eqprop.run(pair_of(normalised, NORM), profile="quick", properties=["gradient-covariance"])
    (verdict,) = report.verdicts
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "of them not finite: " in verdict.reason
    assert "Model(domain=...)" in verdict.reason


def power(p: Any, x: Any) -> Any:
    """|b|^(3/2): its second derivative is infinite where b vanishes."""
    return jnp.sum(jnp.abs(p["b"]) ** 1.5) * (x @ p["w"])


@pytest.mark.parametrize(
    ("apply", "order", "said"),
    [
        (distance, 1, "the gradient with respect to 'b' is NaN at the model's own example, where the outputs are"),
        (power, 2, "the second derivative with respect to 'b' is "),
    ],
    ids=["gradient", "second derivative"],
)
def test_what_has_no_finite_derivative_at_the_example_is_said_before_anything_of_that_order_is_searched(
    apply: Any, order: int, said: str, monkeypatch: pytest.MonkeyPatch
):
    searched: set[str] = set()
    judged = ProgramPool.judged
    monkeypatch.setattr(ProgramPool, "judged", lambda *args: searched.update(p.name for p in args[2]) or judged(*args))
    names = ["group-laws", "equivariance", "gradient-covariance", "hessian-covariance"]
    report = eqprop.run(pair_of(apply, AT_ZERO), profile="quick", properties=names)
    told = {v.property.name: v for v in report.verdicts if v.outcome is Outcome.ERROR}
    assert set(told) == set(names[1 + order :])
    assert all(v.reason.startswith(said) and "(test_diagnosis.py:" in v.reason for v in told.values())
    assert searched == set(names) - set(told)
    assert {v.outcome for v in report.verdicts} == {Outcome.ERROR, Outcome.HOLDS}


def test_reverse_only_models_are_asked_the_way_that_jax_allows():
    fused = jax.custom_vjp(lambda x: jnp.tanh(x))  # noqa: PLW0108 - custom_vjp wants a function of its own
    fused.defvjp(lambda x: (fused(x), x), lambda x, g: (g * (1 - fused(x) ** 2),))
    assert first_unusable_order(pair_of(lambda p, x: fused(x @ p["w"]), {"w": W}), "float64") is None


def squared_with(double: Any) -> eqprop.Pair:
    """Even in w. The derivative of the square is worked out by the host, and has none of its own."""
    square = jax.custom_vjp(lambda x: x * x)

    def backward(x: Any, g: Any) -> tuple[Any]:
        like = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return (jax.pure_callback(double, like, x, vmap_method="expand_dims") * g,)

    square.defvjp(lambda x: (x * x, x), backward)
    signs = eqprop.Transformation(groups.Sign(1), lambda s, p: {"w": p["w"] * s}, name="sign")
    return eqprop.Pair(eqprop.Model(lambda p, x: square(x @ p["w"]), {"w": W}, X, name="net"), signs)


def refused(x: Any) -> Any:
    msg = f"no derivative of {np.size(x)} numbers"
    raise RuntimeError(msg)


@pytest.mark.parametrize(
    ("double", "outcomes", "said"),
    [
        (lambda x: 2 * np.asarray(x), ["holds", "holds", "not applicable"], "JAX has no derivative of this order"),
        (refused, ["holds", "error", "not applicable"], "JAX has no derivative of this order"),
    ],
    ids=["none of second order", "a first one that raises"],
)
def test_a_derivative_that_cannot_be_evaluated_at_the_example_takes_no_lower_order_down(
    double: Any, outcomes: list[str], said: str
):
    names = ["equivariance", "gradient-covariance", "hessian-covariance"]
    found = eqprop.run(squared_with(double), profile="quick", properties=names, precision="model").verdicts
    assert [str(v.outcome) for v in found] == outcomes
    assert said in found[2].reason


def test_what_is_not_looked_at_by_what_cannot_be_evaluated_takes_no_cell_down():
    report = eqprop.run(squared_with(lambda x: 2 * np.asarray(x)), profile="quick", precision="model")
    assert "error" not in report.counts()
    assert {v.property.name for v in report.verdicts if v.outcome is Outcome.HOLDS} >= {"equivariance", "derivative"}


@pytest.mark.parametrize("field", ["on_params", "on_inputs", "on_outputs"])
def test_an_action_that_is_not_finite_at_the_example_is_said_at_once(field: str):
    def divided(element: Any, tree: Any) -> Any:
        del element
        return jax.tree.map(lambda leaf: leaf / jnp.zeros_like(leaf), tree)

    model = eqprop.Model(lambda p, x: x @ p["w"], {"w": W}, X, name="net")
    actions = {"on_params": lambda s, p: p, field: divided}
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), **actions, name="moves"))
    (verdict,) = eqprop.run(pair, profile="quick", properties=["equivariance"]).verdicts
    assert verdict.outcome is Outcome.ERROR
    assert f"transformation 'moves': {field} gives NaN or infinite numbers for" in verdict.reason


def test_with_its_domain_the_same_model_holds():
    def positive(p: Any) -> Any:
        return {**p, "variance": np.abs(p["variance"])}

    report = eqprop.run(pair_of(normalised, NORM, domain=positive), profile="quick", properties=["gradient-covariance"])
    assert report.ok
