"""Norms and streams by the names of their tensors: invariance of layers in plain NumPy, and every refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

from eqprop import groups
from eqprop.actions import norm_gain, norm_scale, residual_stream
from eqprop.claims import Transformation
from eqprop.errors import InvalidInput

D, HIDDEN, OUT, BATCH = 4, 3, 2, 5
REACHES = (0.05, 0.3, 0.6)
EPSILON = 0.1

Params = dict[str, Any]
Layer = Callable[[Params, np.ndarray], np.ndarray]


def numbers(**shapes: tuple[int, ...]) -> Params:
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def inputs(features: int = 3) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((BATCH, features))


def standardised(z: np.ndarray, axis: int, epsilon: Any = EPSILON) -> np.ndarray:
    centred = z - z.mean(axis=axis, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axis, keepdims=True) + epsilon)


def rms_normed(z: np.ndarray) -> np.ndarray:
    return z / np.sqrt((z**2).mean(axis=-1, keepdims=True) + EPSILON)


def plain(z: np.ndarray) -> np.ndarray:
    return z


def layer_normed(z: np.ndarray) -> np.ndarray:
    return standardised(z, -1)


def image(move: Transformation, params: Params, reach: float) -> Params:
    with jax.enable_x64(True):
        element = move.group.sample(np.random.default_rng(2), reach)
        return jax.tree.map(np.asarray, move.on_params(element, params))


def furthest(move: Transformation, layer: Layer, params: Params, x: np.ndarray) -> float:
    """The largest change of the outputs, relative to them, over elements that move something visibly."""
    before = layer(params, x)
    found = 0.0
    for reach in REACHES:
        moved = image(move, params, reach)
        assert any(np.abs(moved[name] - params[name]).max() > 1e-3 for name in params)
        found = max(found, float(np.abs(layer(moved, x) - before).max() / np.abs(before).max()))
    return found


def check(move: Transformation, layer: Layer, params: Params, x: np.ndarray) -> None:
    # A few dozen operations on terms that are at most 100 times the outputs (the condition of g at these reaches).
    assert furthest(move, layer, params, x) <= 1e-12


def check_broken(move: Transformation, layer: Layer, params: Params, x: np.ndarray) -> None:
    assert furthest(move, layer, params, x) > 1e-3


# -- gains ------------------------------------------------------------------------------------------------------------


def gained(params: Params, h: np.ndarray) -> np.ndarray:
    return (layer_normed(h) * params["gain"] + params["shift"]) @ params["w"]


GAINED = {"gain": (D,), "shift": (D,), "w": (D, OUT)}


def test_the_reader_divides_out_what_the_gain_multiplies_in():
    check(norm_gain(D, gains={"gain": 0, "shift": 0}, reads={"w": 0}), gained, numbers(**GAINED), inputs(D))


def test_a_shift_that_stays_behind_its_gain_is_seen():
    check_broken(norm_gain(D, gains={"gain": 0}, reads={"w": 0}), gained, numbers(**GAINED), inputs(D))


@pytest.mark.parametrize("sides", [{"gains": {"gain": 0}, "reads": {}}, {"gains": {}, "reads": {"w": 0}}])
def test_a_gain_without_its_reader_is_refused(sides: Any):
    with pytest.raises(InvalidInput, match=r"norm_gain\('norm-gain'\): give gains= and reads="):
        norm_gain(D, **sides)


def test_a_gain_of_another_length_is_refused_by_the_name_of_the_constructor():
    move = norm_gain(D + 1, gains={"gain": 0}, reads={"w": 0})
    with pytest.raises(InvalidInput, match=r"norm_gain\('norm-gain'\): tensor 'gain' of shape \(4,\) has length 4"):
        image(move, numbers(**GAINED), 0.3)


# -- the scale of what is normalised ----------------------------------------------------------------------------------


def batch_normed(params: Params, h: np.ndarray) -> np.ndarray:
    return standardised(h @ params["w"] + params["b"], 0, params.get("epsilon", 0.0))


BEFORE = {"w": (3, D), "b": (D,)}


def test_a_batch_norm_without_epsilon_removes_the_scale_of_each_feature():
    check(norm_scale(D, writes={"w": 1, "b": 0}), batch_normed, numbers(**BEFORE), inputs())


def with_epsilon() -> Params:
    return {**numbers(**BEFORE), "epsilon": np.linspace(0.1, 0.4, D)}


def test_an_epsilon_takes_the_square_of_the_factor():
    move = norm_scale(D, writes={"w": 1, "b": 0}, epsilon={"epsilon": 0})
    check(move, batch_normed, with_epsilon(), inputs())


def test_an_epsilon_that_stays_is_seen():
    check_broken(norm_scale(D, writes={"w": 1, "b": 0}), batch_normed, with_epsilon(), inputs())


def group_normed(params: Params, h: np.ndarray) -> np.ndarray:
    z = (h @ params["w"] + params["b"]).reshape(BATCH, 2, D)
    return standardised(z, -1, 0.0).reshape(BATCH, 2 * D)


def test_a_group_norm_removes_one_factor_for_each_group():
    move = norm_scale(2, writes={"w": "d_in (units members)", "b": "(units members)"})
    check(move, group_normed, numbers(w=(3, 2 * D), b=(2 * D,)), inputs())


def weight_normed(params: Params, h: np.ndarray) -> np.ndarray:
    return h @ (params["g"] * params["v"] / np.linalg.norm(params["v"], axis=0))


def test_a_weight_norm_removes_the_length_of_each_direction():
    check(norm_scale(D, writes={"v": 1}), weight_normed, numbers(v=(3, D), g=(D,)), inputs())


def test_a_scale_of_nothing_is_refused():
    with pytest.raises(InvalidInput, match=r"norm_scale\('norm-scale'\): writes= names no tensor"):
        norm_scale(D, writes={}, epsilon={"epsilon": 0})


# -- streams ----------------------------------------------------------------------------------------------------------

STREAM = {
    "embed": (3, D),
    "w_in": (D, HIDDEN),
    "w_out": (HIDDEN, D),
    "b_out": (D,),
    "unembed": (D, OUT),
}
WRITES, READS = {"embed": 1, "w_out": 1, "b_out": 0}, {"w_in": 0, "unembed": 0}


def stream(norm: Callable[[np.ndarray], np.ndarray], *, last: bool = True, tied: bool = False) -> Layer:
    """x = h E; x = x + tanh(norm(x) W_in) W_out + b_out; norm(x) U, or norm(x) Eᵀ."""

    def apply(params: Params, h: np.ndarray) -> np.ndarray:
        x = h @ params["embed"]
        x = x + np.tanh(norm(x) @ params["w_in"]) @ params["w_out"] + params["b_out"]
        return (norm(x) if last else x) @ (params["embed"].T if tied else params["unembed"])

    return apply


def moved_stream(norm: Any, **options: Any) -> Transformation:
    given = {"writes": WRITES, "reads": READS, "params": numbers(**STREAM), **options}
    return residual_stream(D, norm=norm, **given)


LEFT = {"none": plain, "rms": rms_normed, "layer": layer_normed}


@pytest.mark.parametrize("norm", LEFT)
def test_a_stream_keeps_what_its_norm_leaves(norm: str):
    check(moved_stream(norm), stream(LEFT[norm]), numbers(**STREAM), inputs())


@pytest.mark.parametrize(
    ("claimed", "actual"), [("none", "rms"), ("rms", "layer"), ("layer", "rms"), ("layer", "none")]
)
def test_a_stream_does_not_keep_what_another_norm_leaves(claimed: str, actual: str):
    check_broken(moved_stream(claimed), stream(LEFT[actual]), numbers(**STREAM), inputs())


def test_a_rotation_is_one_of_a_stream_without_norms():
    check(moved_stream("rms"), stream(plain), numbers(**STREAM), inputs())


@pytest.mark.parametrize("forgotten", [*WRITES, *READS])
def test_every_writer_and_every_reader_moves(forgotten: str):
    sides = [{name: axis for name, axis in side.items() if name != forgotten} for side in (WRITES, READS)]
    move = moved_stream("rms", writes=sides[0], reads=sides[1])
    check_broken(move, stream(rms_normed), numbers(**STREAM), inputs())


def test_a_reader_without_a_layer_norm_sees_the_shift():
    check_broken(moved_stream("layer"), stream(layer_normed, last=False), numbers(**STREAM), inputs())


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_a_tied_embedding_is_named_among_the_writers(norm: str):
    move = moved_stream(norm, reads={"w_in": 0})
    check(move, stream(LEFT[norm], tied=True), numbers(**STREAM), inputs())


def test_a_tied_embedding_leaves_no_general_matrix():
    check_broken(moved_stream("none", reads={"w_in": 0}), stream(plain, tied=True), numbers(**STREAM), inputs())


def test_readers_stay_where_layer_norms_stand_before_them():
    params = numbers(**STREAM)
    moved = image(moved_stream("layer"), params, 0.5)
    for name in READS:
        np.testing.assert_array_equal(moved[name], params[name])


def test_each_writer_has_a_shift_for_each_of_its_rows():
    assert moved_stream("layer").group == groups.Translation(3 + HIDDEN + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "batch"}, "norm is 'batch'; expected 'none', 'rms' or 'layer'"),
        ({"norm": "rms", "writes": {}}, "writes= names no tensor; nothing would move"),
        ({"norm": "layer", "writes": {}}, "writes= names no tensor; nothing would move"),
        ({"norm": "layer", "params": None}, "norm='layer' needs params="),
        ({"norm": "layer", "writes": {"embed": "d_in units"}}, "with norm='layer' axes are numbers; got"),
        ({"norm": "layer", "writes": {"embed": 0}}, r"has not the stream's 4 features along axis 0"),
        ({"norm": "layer", "writes": {"embed": 2}}, "has no axis 2"),
        ({"norm": "layer", "writes": {"positions": 1}}, "no parameter matches 'positions'"),
    ],
)
def test_a_stream_that_is_declared_wrongly_is_refused_at_once(options: Any, message: str):
    with pytest.raises(InvalidInput, match=message):
        moved_stream(**options)


@pytest.mark.parametrize("norm", ["none", "rms"])
def test_a_stream_of_another_width_is_refused_by_the_name_of_the_constructor(norm: str):
    move = moved_stream(norm, writes={"embed": 0}, reads={})
    with pytest.raises(
        InvalidInput, match=r"residual_stream\('stream'\): tensor 'embed' of shape \(3, 4\) has length 3"
    ):
        image(move, numbers(**STREAM), 0.3)
