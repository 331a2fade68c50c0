"""Actions declared by axes: invariance of two-layer networks in plain NumPy, patterns, and every refusal."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.errors import InvalidInput
from eqprop.groups import Group
from eqprop.groups.base import SizedGroup

WIDTH = 4
LINEAR = (
    groups.Scaling(WIDTH),
    groups.Permutation(WIDTH),
    groups.Sign(WIDTH),
    groups.SignedPermutation(WIDTH),
    groups.Orthogonal(WIDTH),
    groups.FixingOnes(WIDTH),
    groups.Rotation(WIDTH),
    groups.GeneralLinear(WIDTH),
    groups.ComplexScaling(WIDTH // 2),
    groups.ComplexScaling(WIDTH // 2, "halves"),
    groups.ComplexLinear(WIDTH // 2),
    groups.ComplexLinear(WIDTH // 2, "halves"),
    groups.Cyclic(WIDTH),
    groups.DirectSum(groups.GeneralLinear(WIDTH - 1), groups.Scaling(1)),
)
RELU = (groups.Scaling(WIDTH), groups.Permutation(WIDTH))
ODD = (groups.Sign(WIDTH), groups.SignedPermutation(WIDTH), groups.Permutation(WIDTH))


def network(params: Any, x: np.ndarray, activation: Any) -> np.ndarray:
    return activation(x @ params["w1"] + params["b1"]) @ params["w2"]


def magnitude(params: Any, x: np.ndarray, activation: Any) -> float:
    """The size of the terms that cancel in the network's output."""
    absolute = {name: np.abs(leaf) for name, leaf in params.items()}
    hidden = np.abs(activation(x @ params["w1"] + params["b1"]))
    return float(max((hidden @ absolute["w2"]).max(), (np.abs(x) @ absolute["w1"]).max() * absolute["w2"].max()))


def example(rng: np.random.Generator, width: int = WIDTH) -> tuple[dict[str, np.ndarray], np.ndarray]:
    params = {
        "w1": rng.standard_normal((3, width)),
        "b1": rng.standard_normal(width),
        "w2": rng.standard_normal((width, 2)),
    }
    return params, rng.standard_normal((5, 3))


def moved(transformation: Any, element: Any, params: Any) -> Any:
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, transformation.on_params(element, params))


def error(group: Group, activation: Any, **options: Any) -> float:
    """How far outputs move when K moves the parameters, in units of what rounding may do to them."""
    rng = np.random.default_rng(0)
    transformation = hidden_units(group, writes={"w1": 1, "b1": 0}, reads={"w2": 0}, **options)
    worst = 0.0
    for reach in (0.05, 0.3, 0.7, 1.0):
        params, x = example(rng)
        image = moved(transformation, group.sample(rng, reach), params)
        assert np.abs(image["w1"] - params["w1"]).max() > 1e-3
        expected, found = network(params, x, activation), network(image, x, activation)
        # Roundoff is relative to the terms that cancel at the image, times a few dozen operations; 1e-12 is 4,500 ulps,
        # and leaves room for the error of an inverse with a condition number up to 1e6 (the terms carry the rest).
        bound = 1e-12 * max(magnitude(image, x, activation), magnitude(params, x, activation))
        worst = max(worst, np.abs(found - expected).max() / bound)
    return worst


@pytest.mark.parametrize("group", LINEAR, ids=repr)
def test_a_linear_network_is_invariant(group: Group) -> None:
    assert error(group, lambda z: z) <= 1


@pytest.mark.parametrize("group", RELU, ids=repr)
def test_a_relu_network_is_invariant(group: Group) -> None:
    assert error(group, lambda z: np.maximum(z, 0)) <= 1


@pytest.mark.parametrize("group", ODD, ids=repr)
def test_a_tanh_network_is_invariant(group: Group) -> None:
    assert error(group, np.tanh) <= 1


@pytest.mark.parametrize("degree", [2, 3, 0.5])
def test_readers_take_the_power_of_a_homogeneous_activation(degree: float) -> None:
    assert error(groups.Scaling(WIDTH), lambda z: np.maximum(z, 0) ** degree, power=degree) <= 1


def test_a_general_matrix_breaks_a_relu_network() -> None:
    assert error(groups.GeneralLinear(WIDTH), lambda z: np.maximum(z, 0)) > 1e6


@pytest.mark.parametrize("group", LINEAR, ids=repr)
def test_the_moved_tensors_are_the_dense_products(group: Group) -> None:
    """Against the matrix of the action: its columns are the images of the coordinate directions."""
    rng = np.random.default_rng(1)
    params, _ = example(rng)
    element = group.sample(rng, 0.6)
    with jax.enable_x64(True):
        matrix = np.asarray(group.act(element, np.eye(WIDTH), 0))
    image = moved(hidden_units(group, writes={"w1": 1, "b1": -1}, reads={"w2": 0}), element, params)
    inverse = np.linalg.inv(matrix)
    # Both sides are products of 4 terms; the inverses differ by eps · cond ≤ 2e-16 · 4e3 of their size at this reach.
    for found, expected in (
        (image["w1"], params["w1"] @ matrix.T),
        (image["b1"], matrix @ params["b1"]),
        (image["w2"], inverse.T @ params["w2"]),
    ):
        assert np.abs(found - expected).max() <= 1e-11 * np.abs(expected).max()


@pytest.mark.parametrize("axes", [((0, 2), (0, 1)), ((0, -1), (-3, -2))])
def test_a_power_moves_each_head_by_its_own_element(axes: Any) -> None:
    heads, width = 2, 3
    rng = np.random.default_rng(2)
    group = groups.Power(groups.GeneralLinear(width), heads)
    params = {"v": rng.standard_normal((heads, 5, width)), "o": rng.standard_normal((heads, width, 4))}
    element = group.sample(rng, 0.4)
    image = moved(hidden_units(group, writes={"v": axes[0]}, reads={"o": axes[1]}), element, params)
    for i in range(heads):
        np.testing.assert_allclose(image["v"][i], params["v"][i] @ element[i].T, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(image["o"][i], np.linalg.inv(element[i]).T @ params["o"][i], rtol=1e-11, atol=1e-13)


def test_the_axis_of_the_copies_may_come_last() -> None:
    group = groups.Power(groups.Permutation(3), 2)
    tensor = np.arange(12.0).reshape(3, 2, 2)
    element = np.array([[1, 0, 2], [2, 0, 1]])
    image = moved(hidden_units(group, writes={".": (2, 0)}), element, tensor)
    np.testing.assert_array_equal(image[:, :, 0], tensor[[1, 0, 2], :, 0])
    np.testing.assert_array_equal(image[:, :, 1], tensor[np.argsort([2, 0, 1]), :, 1])


def test_a_power_of_scalings_takes_real_powers() -> None:
    group = groups.Power(groups.Scaling(2), 2)
    element = np.array([[2.0, 4.0], [8.0, 1.0]])
    image = moved(hidden_units(group, reads={".": (0, 1)}, power=2), element, np.ones((2, 2)))
    np.testing.assert_array_equal(image, element**-2.0)


def test_glob_patterns_cross_levels_of_a_tree() -> None:
    params = {"layers": [{"w": np.ones((2, 3)), "b": np.ones(3)}, {"w": np.ones((2, 3)), "b": np.ones(3)}]}
    transformation = hidden_units(groups.Scaling(3), writes={"layers/*/w": 1, "*b": 0})
    image = moved(transformation, np.array([2.0, 3.0, 4.0]), params)
    for layer in image["layers"]:
        np.testing.assert_array_equal(layer["w"], np.tile([2.0, 3.0, 4.0], (2, 1)))
        np.testing.assert_array_equal(layer["b"], [2.0, 3.0, 4.0])


def test_tensors_that_are_not_named_stay_as_they_are() -> None:
    params = {"moved": np.ones(2), "stays": np.ones(2), "steps": 3}
    image = moved(hidden_units(groups.Scaling(2), writes={"moved": 0}), np.array([2.0, 3.0]), params)
    np.testing.assert_array_equal(image["stays"], 1)
    assert image["steps"] == 3


def test_a_tensor_may_write_and_read_along_different_axes() -> None:
    transformation = hidden_units(groups.Scaling(2), writes={"w": 0}, reads={"*": 1})
    image = moved(transformation, np.array([2.0, 4.0]), {"w": np.ones((2, 2))})
    np.testing.assert_array_equal(image["w"], [[1.0, 0.5], [2.0, 1.0]])


@pytest.mark.parametrize("kind", sorted({type(group) for group in LINEAR if isinstance(group, SizedGroup)}, key=str))
def test_a_layer_of_width_zero_is_moved_to_itself(kind: Any) -> None:
    group = kind(0)
    params, _ = example(np.random.default_rng(0), width=0)
    transformation = hidden_units(group, writes={"w1": 1, "b1": 0}, reads={"w2": 0})
    image = moved(transformation, group.identity(), params)
    assert [image[name].shape for name in ("w1", "b1", "w2")] == [(3, 0), (0,), (0, 2)]


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize("lowered", [True, False])
@pytest.mark.parametrize("group", LINEAR, ids=repr)
def test_tensors_keep_their_dtypes_whatever_the_element_has(group: Group, *, lowered: bool, x64: bool) -> None:
    element = group.sample(np.random.default_rng(0), 0.5)
    if lowered:
        element = jax.tree.map(lambda a: a.astype(np.float32) if a.dtype == np.float64 else a, element)
    params = {
        "w1": np.ones((3, WIDTH), np.float32),
        "b1": np.ones(WIDTH, np.float16),
        "w2": np.ones((WIDTH, 2), np.float32),
    }
    transformation = hidden_units(group, writes={"w1": 1, "b1": 0}, reads={"w2": 0})
    with jax.enable_x64(x64):
        image = transformation.on_params(element, params)
    assert {name: leaf.dtype for name, leaf in image.items()} == {name: leaf.dtype for name, leaf in params.items()}


@pytest.mark.parametrize(
    ("group", "isometry"),
    [
        (groups.Orthogonal(2), True),
        (groups.Sign(2), True),
        (groups.Scaling(2), False),
        (groups.Power(groups.Permutation(2), 3), True),
        (groups.Power(groups.GeneralLinear(2), 3), False),
    ],
    ids=repr,
)
def test_the_transformation_is_an_isometry_where_the_group_acts_by_them(group: Group, *, isometry: bool) -> None:
    axis: Any = (0, 1) if "Power" in repr(group) else 0
    assert hidden_units(group, writes={"w": axis}).isometry == isometry


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group": 16, "writes": {"w": 0}}, r"group is 16; expected a Group such as"),
        ({"group": groups.Scaling(2)}, "no tensor is named by writes= or reads="),
        ({"group": groups.Translation(2), "writes": {"w": 0}}, "Translation.* does not act on hidden units"),
        ({"group": groups.Product(groups.Sign(2)), "writes": {"w": 0}}, "does not act on hidden units"),
        (
            {"group": groups.Power(groups.Power(groups.Sign(2), 2), 2), "writes": {"w": 0}},
            "does not act on hidden units",
        ),
        ({"group": groups.Sign(2), "writes": {"w": 0}, "power": 2}, r"Sign.* has no real powers; only groups.Scaling"),
        ({"group": groups.Scaling(2), "writes": {"w": 0}, "power": "2"}, r"power is '2' \(str\); expected a finite"),
        ({"group": groups.Scaling(2), "writes": {"w": 0}, "power": float("nan")}, "power is nan"),
    ],
    ids=str,
)
def test_a_wrong_declaration_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        hidden_units(**arguments)


PAIRED = groups.Power(groups.Scaling(3), 2)


@pytest.mark.parametrize(
    ("group", "writes", "message"),
    [
        (groups.Scaling(3), {"v": 1}, "no parameter matches 'v'. The paths are: n, w"),
        (
            groups.Scaling(3),
            {"w": 0},
            r"'w' of shape \(2, 3\) has length 2 along axis 0, but Scaling\(n=3\) acts on 3 units",
        ),
        (groups.Scaling(3), {"w": 2}, r"'w' of shape \(2, 3\) has no axis 2"),
        (groups.Scaling(3), {"w": -3}, "has no axis -3"),
        (groups.Scaling(3), {"w": 1, "?": -1}, r"axis 1 of 'w' is declared twice|'n'"),
        (groups.Scaling(3), {"w": (0, 1)}, r"the axis is \(0, 1\); Scaling\(n=3\) needs one axis"),
        (groups.Scaling(3), {"w": "1"}, "the axis is '1'; .* needs one axis"),
        (groups.Scaling(3), {"n": 0}, r"tensor 'n' of shape \(3,\) is int.*: integers are moved by permutations only"),
        (PAIRED, {"w": 1}, "the axis is 1; .* needs a pair"),
        (PAIRED, {"w": (1, 1)}, r"are the same in \(1, 1\)"),
        (PAIRED, {"w": (1, 0)}, "has length 3 along axis 1, but .* acts on 2 copies there"),
    ],
    ids=str,
)
def test_a_declaration_that_does_not_fit_the_parameters_is_refused(group: Group, writes: Any, message: str) -> None:
    params = {"w": np.ones((2, 3)), "n": np.arange(3)}
    transformation = hidden_units(group, writes=writes, name="mine")
    with pytest.raises(InvalidInput, match=rf"^hidden_units\('mine'\): .*({message})"):
        transformation.on_params(group.identity(), params)


def test_an_axis_that_is_both_written_and_read_is_refused() -> None:
    transformation = hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"w": -1})
    with pytest.raises(InvalidInput, match="axis 1 of 'w' is declared twice; name it once"):
        transformation.on_params(np.ones(3), {"w": np.ones((2, 3))})
