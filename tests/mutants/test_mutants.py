"""Mutants: each is broken where it says, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from eqprop import groups, mutants
from eqprop.actions import hidden_units
from eqprop.claims import Model, Pair
from eqprop.errors import InvalidInput
from eqprop.mutants import Mutant

W, A, X = np.array([[1.0, 2.0], [-1.0, 0.5]]), np.array([[2.0], [3.0]]), np.array([[1.0, -2.0]])
PARAMS = {"w": W, "a": A}
FACTORS = np.array([2.0, 5.0])
QUICK = settings(database=None, max_examples=20, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def pair(hidden: int = 2) -> Pair:
    rng = np.random.default_rng(0)
    params = PARAMS if hidden == 2 else {"w": rng.standard_normal((2, hidden)), "a": rng.standard_normal((hidden, 1))}
    model = Model(lambda p, x: jax.nn.relu(x @ p["w"]) @ p["a"], params, X, trained=False)
    move = hidden_units(groups.Scaling(hidden), writes={"w": 1}, reads={"a": 0})
    return Pair(model, move, name="relu", architecture={"hidden": hidden})


def broken(mutant: Mutant) -> Pair:
    found = mutant.broken(pair())
    assert found is not None
    return found


def moved(mutant: Mutant) -> Any:
    return broken(mutant).transformation.on_params(FACTORS, PARAMS)


CORRECT = {"w": W * FACTORS, "a": A / FACTORS[:, None]}


# -- order 0 ----------------------------------------------------------------------------------------------------------


def test_forgets_leaves_one_tensor_alone_and_moves_the_others():
    got = moved(mutants.forgets("a"))
    np.testing.assert_array_equal(got["a"], A)
    np.testing.assert_array_equal(got["w"], CORRECT["w"])


def test_forgets_part_leaves_the_first_entries_of_a_tensor_alone():
    got = moved(mutants.forgets_part("a"))
    np.testing.assert_array_equal(got["a"], [A[0], CORRECT["a"][1]])
    np.testing.assert_array_equal(got["w"], CORRECT["w"])


def test_what_a_shift_forgets_is_the_last_unit_of_the_last_axis():
    forgets_last, slips_unevenly = mutants.usual_of_shifts("w")[:2]
    np.testing.assert_array_equal(moved(forgets_last)["w"], np.stack([CORRECT["w"][:, 0], W[:, 1]], axis=1))
    slipped = moved(slips_unevenly)["w"] / CORRECT["w"] - 1
    np.testing.assert_allclose(slipped, 1e-9 * RAMP, rtol=1e-5)  # 1 + 1e-9 keeps seven digits of what it adds


@pytest.mark.parametrize("finite", [False, True])
def test_the_usual_mutants_are_of_every_order_and_of_different_names(finite: bool):
    usual = mutants.usual("w", "a", finite=finite)
    assert [mutant.order for mutant in usual] == sorted(mutant.order for mutant in usual)
    assert {mutant.order for mutant in usual} == {0, 1, 2}
    assert len({mutant.name for mutant in usual}) == len(usual)


def test_slips_moves_too_far_by_the_given_part():
    got = moved(mutants.slips("w", relative=0.25))
    np.testing.assert_array_equal(got["w"], CORRECT["w"] + 0.25 * (CORRECT["w"] - W))
    np.testing.assert_array_equal(got["a"], CORRECT["a"])


def test_slips_leaves_what_the_identity_leaves():
    same = broken(mutants.slips("w")).transformation.on_params(np.ones(2), PARAMS)
    np.testing.assert_array_equal(same["w"], W)


def test_wrong_inverse_moves_one_tensor_by_the_inverse():
    got = moved(mutants.wrong_inverse("a"))
    np.testing.assert_array_equal(got["a"], A * FACTORS[:, None])
    np.testing.assert_array_equal(got["w"], CORRECT["w"])


def test_wrong_power_moves_one_tensor_by_a_power():
    np.testing.assert_array_equal(moved(mutants.wrong_power("a"))["a"], A / FACTORS[:, None] ** 2)


def test_wrong_axis_acts_on_the_rows_in_place_of_the_columns():
    np.testing.assert_array_equal(moved(mutants.wrong_axis("w"))["w"], W * FACTORS[:, None])


def test_wrong_axis_cannot_be_carried_by_a_matrix_that_is_not_square():
    assert mutants.wrong_axis("w").broken(pair(hidden=3)) is None


def test_outputs_of_a_symmetry_cannot_be_misapplied():
    assert mutants.misapplies_to_outputs(lambda group, g: g, name="t", why="").broken(pair()) is None


# -- orders 1 and 2 ---------------------------------------------------------------------------------------------------

RAMP = np.array([[0.25, 0.5], [0.75, 1.0]])


def on_w(mutant: Mutant) -> Any:
    """The defect as seen by a model that is cubic in w alone: w ↦ Σ w³."""
    cubic = Pair(Model(lambda p, x: jnp.sum(p["w"] ** 3), PARAMS, X), pair().transformation)
    found = mutant.broken(cubic)
    assert found is not None
    return lambda w: found.model.apply({"w": w, "a": A}, X)


DERIVATIVE_MUTANTS = {
    "stopped": mutants.stopped("w"),
    "scaled_gradient": mutants.scaled_gradient("w", 0.5),
    "straight_through": mutants.straight_through("w", 0.5),
    "second_derivative": mutants.second_derivative("w", 0.5),
    "backward_drops_term": mutants.backward_drops_term("w"),
    "backward_scales": mutants.backward_scales("w", 0.5),
    "backward_bends": mutants.backward_bends("w", 0.5),
    "backward_straight_through": mutants.backward_straight_through("w", 0.5),
    "leaks_into": mutants.leaks_into("w", 0.5),
    "scaled_outputs": mutants.scaled_outputs(0.5),
    "bent_outputs": mutants.bent_outputs(0.5),
}


@pytest.mark.parametrize("name", DERIVATIVE_MUTANTS)
def test_the_forward_pass_of_a_derivative_mutant_is_exact(name: str):
    assert on_w(DERIVATIVE_MUTANTS[name])(W) == np.sum(W**3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stopped", 0 * W),
        ("scaled_gradient", 3 * W**2 * (1 + 0.5 * RAMP)),
        ("straight_through", 3 * W**2 * (1 + 0.5 * RAMP * W)),
        ("second_derivative", 3 * W**2),
        ("backward_drops_term", 3 * W**2 * np.array([[0, 1], [1, 1]])),
        ("backward_scales", 3 * W**2 * (1 + 0.5 * RAMP)),
        ("backward_bends", 3 * W**2),
        ("backward_straight_through", 3 * W**2 * (1 + 0.5 * RAMP * W)),
        ("leaks_into", 3 * W**2 + 0.5),
        ("scaled_outputs", 3 * W**2 * 1.5),
        ("bent_outputs", 3 * W**2),
    ],
)
def test_the_gradient_of_a_derivative_mutant_is_what_it_says(name: str, expected: np.ndarray):
    np.testing.assert_array_equal(jax.grad(on_w(DERIVATIVE_MUTANTS[name]))(W), expected)


@pytest.mark.parametrize("name", ["second_derivative", "backward_bends"])
def test_the_second_derivative_of_a_bent_operation_is_off_by_the_gradient_times_the_ramp(name: str):
    gradient = jax.grad(on_w(DERIVATIVE_MUTANTS[name]))
    _, pull = jax.vjp(gradient, W)
    np.testing.assert_array_equal(pull(np.ones_like(W))[0], 6 * W + 3 * W**2 * 0.5 * RAMP)


def test_the_second_derivative_of_bent_outputs_is_off_by_a_product_of_first_ones():
    gradient = jax.grad(on_w(DERIVATIVE_MUTANTS["bent_outputs"]))
    _, pull = jax.vjp(gradient, W)
    np.testing.assert_array_equal(pull(np.ones_like(W))[0], 6 * W + 0.5 * 3 * W**2 * np.sum(3 * W**2))


def test_backward_rules_refuse_forward_mode_as_fused_kernels_do():
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(on_w(DERIVATIVE_MUTANTS["backward_scales"]), (W,), (W,))


def test_no_two_entries_of_a_tensor_are_scaled_alike():
    assert len(np.unique(mutants.ramp(np.zeros((3, 4))))) == 12


def test_a_derivative_mutant_leaves_the_transformation_alone():
    assert broken(mutants.stopped("w")).transformation is not None
    np.testing.assert_array_equal(moved(mutants.stopped("w"))["w"], CORRECT["w"])


# -- as strategies ----------------------------------------------------------------------------------------------------


def test_a_mutant_names_its_pairs_and_keeps_their_architecture():
    drawn = find(mutants.forgets("w").of(st.just(pair())), lambda p: True, settings=QUICK)
    assert drawn.name == "relu[forgets-w]"
    assert drawn.architecture == {"hidden": 2}


def test_architectures_that_cannot_carry_a_defect_are_left_out():
    drawn = find(mutants.wrong_axis("w").of(st.integers(2, 4).map(pair)), lambda p: True, settings=QUICK)
    assert drawn.architecture["hidden"] == 2


def test_only_restricts_a_mutant_to_the_pairs_that_show_it():
    mutant = mutants.forgets("w").only(lambda p: p.architecture["hidden"] == 3)
    assert mutant.broken(pair(2)) is None
    assert mutant.broken(pair(3)) is not None


def test_a_misspelt_path_is_never_a_silent_pass():
    with pytest.raises(Unsatisfiable, match="Unable to satisfy"):
        find(mutants.forgets("wx").of(st.just(pair())), lambda p: True, settings=QUICK)


def test_glob_patterns_break_every_tensor_that_they_match():
    got = moved(mutants.forgets("*"))
    np.testing.assert_array_equal(got["w"], W)
    np.testing.assert_array_equal(got["a"], A)


@pytest.mark.parametrize(("path", "name"), [("block/w_in", "w-in"), ("layers/0/w", "layers-0-w"), ("*", "everything")])
def test_names_are_made_of_paths(path: str, name: str):
    assert mutants.forgets(path).name == f"forgets-{name}"


def test_a_name_that_is_not_kebab_case_is_refused():
    with pytest.raises(InvalidInput, match="kebab-case"):
        Mutant("No Name", 0, "", lambda p: p)


def test_an_order_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInput, match="expected 0, 1, 2 or 3"):
        Mutant("fourth", 4, "", lambda p: p)  # pyright: ignore[reportArgumentType]


# -- covariant ones ---------------------------------------------------------------------------------------------------


def gradients(mutant: Mutant) -> tuple[Any, Any]:
    """In parameters and inputs, of Σ w³ + Σ a x at the example."""
    model = Model(lambda p, x: jnp.sum(p["w"] ** 3) + jnp.sum(p["a"]) * jnp.sum(x), PARAMS, X)
    found = mutant.broken(Pair(model, pair().transformation))
    assert found is not None
    return jax.grad(found.model.apply, argnums=(0, 1))(PARAMS, X)


def test_all_gradients_are_scaled_alike():
    by_params, by_inputs = gradients(mutants.scales_all(0.5))
    np.testing.assert_array_equal(by_params["w"], 1.5 * 3 * W**2)
    np.testing.assert_array_equal(by_inputs, np.full_like(X, 1.5 * A.sum()))


def test_each_tensor_is_scaled_by_a_factor_of_its_own():
    by_params, by_inputs = gradients(mutants.scales_apart(0.5))
    np.testing.assert_array_equal(by_params["a"], np.full_like(A, 1.25 * X.sum()))
    np.testing.assert_array_equal(by_params["w"], 1.5 * 3 * W**2)
    np.testing.assert_array_equal(by_inputs, np.full_like(X, A.sum()))


def test_numbers_below_the_mean_size_are_masked():
    by_params, _ = gradients(mutants.masks_small())
    np.testing.assert_array_equal(by_params["w"], np.where(np.abs(W) >= np.abs(W).mean(), 3 * W**2, 0))


def test_a_wrong_cotangent_of_the_inputs_leaves_the_parameters_gradient():
    by_params, by_inputs = gradients(mutants.scales_cotangent_of_inputs(0.5))
    np.testing.assert_array_equal(by_params["w"], 3 * W**2)
    np.testing.assert_array_equal(by_inputs, np.full_like(X, 1.5 * A.sum()))


def test_whatever_the_inputs_are_a_cotangent_is_wrong():
    model = Model(lambda p, x: jnp.sum(p["w"] ** 3) * x[0], PARAMS, np.array([2]))
    found = mutants.scales_cotangent_of_inputs(0.5).broken(Pair(model, pair().transformation))
    assert found is not None
    np.testing.assert_array_equal(jax.grad(found.model.apply)(PARAMS, np.array([2]))["w"], 1.5 * 2 * 3 * W**2)


def test_a_turned_gradient_is_exact_and_its_derivative_is_off_by_its_product_with_the_parameters():
    cubic = Pair(Model(lambda p, x: jnp.sum(p["w"] ** 3), {"w": W}, X), pair().transformation)
    found = mutants.turns_gradient(0.5).broken(cubic)
    assert found is not None
    gradient = jax.grad(lambda w: found.model.apply({"w": w}, X))
    np.testing.assert_array_equal(gradient(W), 3 * W**2)
    turned = np.einsum("ij,kl->ijkl", 3 * W**2, 0.5 * W)
    np.testing.assert_allclose(jax.jacfwd(gradient)(W), jax.hessian(lambda w: jnp.sum(w**3))(W) + turned, rtol=1e-6)


def test_a_single_number_has_a_symmetric_hessian_whatever_is_wrong():
    single = Pair(Model(lambda p, x: p["w"] ** 3, {"w": np.ones(())}, X), pair().transformation)
    assert mutants.turns_gradient().broken(single) is None


def second(mutant: Mutant, model: Model, order: tuple[int, int]) -> Any:
    """∂²f of Σ w x, the derivative in one of parameters and inputs (0, 1) taken before the other."""
    found = mutant.broken(Pair(model, pair().transformation))
    assert found is not None
    inner, outer = order
    return jax.jacfwd(jax.grad(found.model.apply, argnums=inner), argnums=outer)({"w": W}, X)


PRODUCT = Model(lambda p, x: jnp.sum(x @ p["w"]), {"w": W}, X)


def test_turned_sensitivities_are_exact_and_wrong_as_functions_of_the_parameters_only():
    mutant = mutants.turns_sensitivity(0.5)
    by_params, by_inputs = gradients(mutant)
    np.testing.assert_array_equal(by_params["w"], 3 * W**2)
    np.testing.assert_array_equal(by_inputs, np.full_like(X, A.sum()))
    right = second(mutant, PRODUCT, (0, 1))["w"]
    wrong = second(mutant, PRODUCT, (1, 0))["w"]
    np.testing.assert_allclose(
        wrong[0] - np.moveaxis(right[..., 0, :], -1, 0), 0.5 * np.einsum("i,kl->ikl", W.sum(1), W)
    )


def test_without_floating_inputs_the_gradient_itself_is_turned():
    model = Model(lambda p, x: jnp.sum(p["w"] ** 3) * x[0], {"w": W}, np.array([1]))
    found = mutants.turns_sensitivity(0.5).broken(Pair(model, pair().transformation))
    assert found is not None
    hessian = jax.jacfwd(jax.grad(found.model.apply))({"w": W}, np.array([1]))["w"]["w"]
    assert np.abs(hessian - np.einsum("ijkl->klij", hessian)).max() > 0.1


def test_a_mixed_logarithm_has_no_first_derivative_and_a_mixed_one_that_is_the_same_in_either_order():
    mutant = mutants.mixes_logarithm("w", 0.5)
    for order in ((0, 1), (1, 0)):
        off = second(mutant, PRODUCT, order)["w"] - second(Mutant("none", 2, "", lambda p: p), PRODUCT, order)["w"]
        off = np.moveaxis(off[..., 0, :], -1, 0) if order == (0, 1) else off[0]
        np.testing.assert_allclose(off, np.broadcast_to(0.5 / W, off.shape), rtol=1e-6)
    found = mutant.broken(Pair(PRODUCT, pair().transformation))
    assert found is not None
    assert found.model.apply({"w": W}, X) == PRODUCT.apply({"w": W}, X)
    np.testing.assert_array_equal(jax.grad(found.model.apply)({"w": W}, X)["w"], np.repeat(X.T, 2, 1))


@pytest.mark.parametrize("mutant", mutants.COVARIANT, ids=lambda mutant: mutant.name)
def test_the_forward_pass_of_a_covariant_mutant_is_exact(mutant: Mutant):
    assert on_w(mutant)(W) == np.sum(W**3)
