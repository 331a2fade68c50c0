"""Every property that applies holds on pairs that are equivariant, and one that does not apply says why."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.claims import unmoved
from eqprop.evaluation import Program, applicable, rounding_inside
from eqprop.probes.losses import SMOOTH
from eqprop.properties import CORE, LIBRARY, by_name
from tests.properties import calculus
from tests.properties.bent_pairs import conversion
from tests.properties.dense import OF_CALCULUS, OF_DEFECTS

ALONG_SEGMENTS = {*OF_CALCULUS, "hessian-integral"}


def linear_gl() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: x @ p["w1"] @ p["w2"],
        {"w1": np.ones((2, 2)), "w2": np.ones((2, 2))},
        np.ones((3, 2)),
        trained=False,
    )
    return eqprop.Pair(model, eqprop.hidden_units(groups.GeneralLinear(2), writes={"w1": 1}, reads={"w2": 0}))


def homogeneous() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: (x @ p["w1"]) ** 2 @ p["w2"],
        {"w1": np.ones((2, 3)), "w2": np.ones((3, 2))},
        np.ones((3, 2)),
        trained=False,
    )

    def grow(c, p):
        return jax.tree.map(lambda leaf: leaf * c[0], p)

    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), grow, lambda c, y: y * c[0] ** 3))


def sheared() -> eqprop.Pair:
    """K nonlinear: f depends on p + q² alone."""
    model = eqprop.Model(
        lambda p, x: jnp.sin(x @ (p["p"] + p["q"] ** 2)),
        {"p": np.ones(2), "q": np.ones(2)},
        np.ones((3, 2)),
        trained=False,
    )

    def act(g, p):
        return {"p": p["p"] + p["q"] ** 2 - (g * p["q"]) ** 2, "q": g * p["q"]}

    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), act))


def powers() -> eqprop.Pair:
    """T nonlinear: exp(x·cw) = exp(x·w)^c."""
    model = eqprop.Model(lambda p, x: jnp.exp(0.1 * x @ p), np.ones(2), np.ones((3, 2)), trained=False)
    small = groups.Scaling(1)
    return eqprop.Pair(model, eqprop.Transformation(small, lambda c, p: c[0] * p, lambda c, y: y ** c[0]))


def scaled_inputs() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"],
        {"w": np.ones((2, 3)), "a": np.ones(3)},
        np.ones((3, 2)),
        trained=False,
    )

    def act(c, p):
        return {**p, "w": p["w"] / c[:, None]}

    return eqprop.Pair(model, eqprop.Transformation(groups.Scaling(2), act, on_inputs=lambda c, x: x * c[None]))


def everything_moves() -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: (x @ p) ** 2, np.ones((2, 3)), np.ones((3, 2)), trained=False)

    def act(c, p):
        return p / c[0]

    return eqprop.Pair(
        model, eqprop.Transformation(groups.Scaling(1), act, lambda c, y: c[0] ** 2 * y, lambda c, x: c[0] ** 2 * x)
    )


def rotated_readout() -> eqprop.Pair:
    model = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["a"],
        {"w": np.ones((2, 3)), "a": np.ones((3, 2))},
        np.ones((3, 2)),
        trained=False,
    )

    def act(r, p):
        return {**p, "a": p["a"] @ r.T}

    return eqprop.Pair(
        model,
        eqprop.Transformation(groups.Rotation(2), act, lambda r, y: y @ r.T, isometry=True, name="rotated-readout"),
    )


def gain_folded() -> eqprop.Pair:
    example = {"gain": np.ones(2), "w1": np.ones((2, 3)), "w2": np.ones((3, 1))}
    model = eqprop.Model(
        lambda p, x: jnp.tanh((x * p["gain"][None]) @ p["w1"]) @ p["w2"], example, np.ones((3, 2)), trained=False
    )
    target = eqprop.Model(
        lambda p, x: jnp.tanh(x @ p["v"]) @ p["w2"], {"v": np.ones((2, 3)), "w2": np.ones((3, 1))}, np.ones((3, 2))
    )
    group = groups.Permutation(3)

    def fold(s, p):
        return {"v": group.act(s, p["gain"][:, None] * p["w1"], 1), "w2": group.act_dual(s, p["w2"], 0)}

    return eqprop.Pair(model, eqprop.Transformation(group, fold), target)


EQUIVARIANT = [linear_gl, homogeneous, sheared, powers, scaled_inputs, everything_moves, rotated_readout, gain_folded]


@pytest.mark.parametrize("make", EQUIVARIANT)
def test_every_property_that_applies_holds_where_the_premise_does(make: Callable[[], eqprop.Pair]):
    pair = make()
    properties = applicable(pair, LIBRARY)
    program = Program(pair, properties, SMOOTH)
    rng = np.random.default_rng(5)
    probes = program.draw(rng, 24)
    for name, judged in program.judge(probes, rng).items():
        suspects = np.flatnonzero(judged.suspect)
        assert not suspects.size or not rounding_inside(program, name, probes.at(suspects), rng).suspect.any(), name
        assert (~judged.inconclusive & ~judged.vacuous).sum() >= 8, f"{name}: too few probes settle anything"
        resolutions = judged.resolution[~judged.vacuous & ~judged.inconclusive]
        # Short segments keep clear of kinks and leave few digits of a difference; on long ones an error of 1e-9 shows.
        seen = np.min(resolutions) if name in ALONG_SEGMENTS else np.median(resolutions)
        assert seen < 1e-9, name


# -- hypotheses -------------------------------------------------------------------------------------------------------


NOT_APPLICABLE = [
    ("group-laws", gain_folded, "two models"),
    ("jacobian-generator", gain_folded, "is discrete: it has no generator"),
    ("noether", conversion, "two models"),
    ("hessian-generator", conversion, "two models"),
    ("orbit-curvature", scaled_inputs, "X = identity"),
    ("damped-gauss-newton", homogeneous, "every ξ moves the outputs"),
    ("critical-orbit", homogeneous, "T = identity"),
    ("gauss-newton-null", scaled_inputs, "X = identity"),
    ("tangent-kernel-covariance", linear_gl, "DK DKᵀ = 1"),
]


@pytest.mark.parametrize(
    ("name", "make", "reason"), NOT_APPLICABLE, ids=[f"{n}-{m.__name__}" for n, m, _ in NOT_APPLICABLE]
)
def test_a_hypothesis_that_is_not_met_is_named(name: str, make: Callable[[], eqprop.Pair], reason: str):
    assert reason in str(by_name(name).reason_if_not_applicable(make()))


def test_a_hypothesis_that_is_met_says_nothing():
    of_exact = [p for p in CORE if p.name not in OF_DEFECTS]
    assert [p.name for p in of_exact if p.reason_if_not_applicable(linear_gl())] == ["tangent-kernel-covariance"]
    assert [p.name for p in of_exact if p.reason_if_not_applicable(rotated_readout())] == []


def test_a_property_rests_only_on_properties_of_no_higher_order():
    for prop in LIBRARY:
        assert all(by_name(name).order <= prop.order for name in prop.rests_on)


def test_an_unknown_property_is_answered_with_all_names():
    with pytest.raises(eqprop.InvalidInput, match=r"no property is called 'nother'.*noether"):
        by_name("nother")


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_group_laws_tell_a_left_action_from_a_right_action(side: str):
    multiply = {"left": lambda m, w: m @ w, "right": lambda m, w: w @ m}
    for claimed in ("left", "right"):
        model = eqprop.Model(lambda w, x: x @ w, np.ones((2, 2)), np.ones((1, 2)))
        pair = eqprop.Pair(model, eqprop.Transformation(groups.GeneralLinear(2), multiply[side], side=claimed))
        program = Program(pair, (by_name("group-laws"),), SMOOTH)
        rng = np.random.default_rng(0)
        assert program.judge(program.draw(rng, 8), rng)["group-laws"].suspect.any() == (claimed != side)


def test_an_isometry_that_is_none_is_falsified_by_the_property_that_relies_on_it():
    good = linear_gl()
    claimed = eqprop.Transformation(groups.GeneralLinear(2), good.transformation.on_params, isometry=True)
    program = Program(good.replaced(transformation=claimed), (by_name("tangent-kernel-covariance"),), SMOOTH)
    rng = np.random.default_rng(0)
    assert program.judge(program.draw(rng, 8), rng)["tangent-kernel-covariance"].suspect.any()


def test_transformations_without_actions_on_outputs_and_inputs_are_told_apart_from_those_with_trivial_ones():
    trivial = eqprop.Transformation(groups.Scaling(1), unmoved, lambda g, y: y)
    assert trivial.moves_outputs
    assert not trivial.moves_inputs


def test_an_action_that_indexes_an_element_by_an_input_has_group_laws():
    """The identity is an array of JAX like all elements; one of NumPy's refuses to be indexed by a traced one."""
    params, tokens = {"embedding": np.ones((5, 3))}, np.array([[0, 3, 1], [4, 4, 2]])

    def moved(g, params):
        return {"embedding": params["embedding"][jnp.argsort(g)]}

    renamed = eqprop.Transformation(groups.Permutation(5), moved, on_inputs=lambda g, x: g[x])
    pair = eqprop.Pair(eqprop.Model(lambda p, x: p["embedding"][x], params, tokens), renamed)
    assert calculus.judged(pair, (by_name("group-laws"),))[1] == set()
