"""What the adapters have in common: tensors by their paths, new statistics, variances, libraries that are not there."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from eqprop.adapters import Tensors, library, model_of, named
from eqprop.errors import InvalidInput
from tests.junk import Hostile


def summed(tensors: Any, inputs: Any) -> Any:
    return sum(jax.numpy.sum(leaf) for leaf in tensors.values()) + inputs


def model(params: Any, state: Any, *, differentiate_state: bool = False) -> Any:
    return model_of(summed, params, state, np.ones(2), loss=None, name="m", differentiate_state=differentiate_state)


def test_a_tree_is_taken_apart_and_put_together_again():
    tree = {"a": [np.ones(2), jax.random.key(3)], "b": {"c": np.arange(3)}}
    tensors = Tensors.of(tree, str.upper)
    assert list(tensors.by_path) == ["A/0", "B/C"]
    rebuilt = tensors.rebuilt({"A/0": np.zeros(2), "B/C": np.arange(3) + 1, "another": np.ones(1)})
    assert jax.tree.structure(rebuilt) == jax.tree.structure(tree)
    assert rebuilt["a"][1] is tree["a"][1]
    assert np.array_equal(rebuilt["a"][0], np.zeros(2))
    assert np.array_equal(rebuilt["b"]["c"], [1, 2, 3])


def test_statistics_of_a_new_module_are_spread_within_their_valid_set_and_the_same_each_time():
    new = {"norm/mean": np.zeros(64, np.float32), "norm/moving_variance": np.ones(64, np.float32)}
    once, again = (model({}, new).params for _ in range(2))
    assert len(np.unique(once["norm/mean"])) == len(np.unique(once["norm/moving_variance"])) == 64
    assert once["norm/moving_variance"].min() > 0
    assert once["norm/mean"].dtype == np.float32
    assert all(np.array_equal(once[path], again[path]) for path in new)


def test_statistics_that_a_module_has_learnt_and_other_state_stay():
    learnt = {"mean": np.array([1.0, 2.0]), "mask": np.ones(2), "counter": np.zeros((), int)}
    assert all(np.array_equal(model({}, learnt).params[path], leaf) for path, leaf in learnt.items())


def test_floating_state_is_out_of_the_derivatives_unless_asked_otherwise():
    params, state = {"w": np.ones(2)}, {"mean": np.ones(2), "count": np.zeros((), int)}
    assert model(params, state).param_leaves.float_paths == ("w",)
    assert model(params, state, differentiate_state=True).param_leaves.float_paths == ("mean", "w")


def test_variances_that_are_differentiated_are_drawn_positive_and_nothing_else_is_changed():
    made = model({"w": np.ones(2)}, {"mean": np.ones(2), "var": np.ones(2)}, differentiate_state=True)
    drawn = {path: -np.ones((4, 2)) for path in made.params}
    found = made.domain(drawn)
    assert found["var"].min() > 0
    assert np.array_equal(found["mean"], drawn["mean"])
    assert np.array_equal(found["w"], drawn["w"])


def test_a_path_that_is_a_parameter_and_a_state_is_refused():
    with pytest.raises(InvalidInput, match="'w' is the path of a parameter and of a state"):
        model({"w": np.ones(2)}, {"w": np.ones(2)})


def test_a_library_that_is_not_installed_is_named_with_the_command_that_does():
    with pytest.raises(InvalidInput, match=r"needs_more, which is not installed; pip install 'eqprop\[flax\]'"):
        library("needs_more.nnx", extra="flax")


def test_what_a_library_itself_lacks_is_not_taken_for_the_library(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import needs_more")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="needs_more"):
        library("half_there", extra="flax")


def test_whether_state_is_differentiated_is_true_or_false():
    with pytest.raises(InvalidInput, match=r"model 'm': differentiate_state is 'no' \(str\); expected True or False"):
        model({"w": np.ones(2)}, {"mean": np.ones(2)}, differentiate_state="no")


@pytest.mark.parametrize("name", [3, b"net", ["net"], Hostile()], ids=["number", "bytes", "list", "hostile"])
def test_a_name_that_is_no_text_is_refused_and_nothing_is_the_librarys_own(name):
    with pytest.raises(InvalidInput, match=r"eqprop\.flax\.from_module: name is .*; expected a text such as 'my-mlp'"):
        named(name, "Dense", "eqprop.flax.from_module")
    assert [named(given, "Dense", "from_module") for given in ("", None, "net")] == ["Dense", "Dense", "net"]
