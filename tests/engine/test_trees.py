"""Leaf paths, patterns, and the split into differentiated and carried leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine import Partition, is_floating, leaf_paths, matching
from eqprop.errors import InvalidInput


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    weight: Any
    bias: Any


MIXED = {
    "layers": [Layer(np.ones((2, 3), np.float32), np.zeros(3)), Layer(np.ones((3, 0)), None)],
    "mask": np.array([True, False]),
    "steps": 3,
}


def test_paths_are_written_with_slashes_through_dicts_lists_and_attributes() -> None:
    assert leaf_paths(MIXED) == ("layers/0/weight", "layers/0/bias", "layers/1/weight", "mask", "steps")


def test_the_path_of_a_bare_array_is_a_dot() -> None:
    assert leaf_paths(np.ones(3)) == (".",)


def test_an_empty_tree_has_no_paths() -> None:
    assert leaf_paths({"a": [], "b": None}) == ()


@pytest.mark.parametrize(
    ("leaf", "floating"),
    [
        (1.0, True),
        (np.ones(2, np.float16), True),
        (jnp.ones(2, jnp.bfloat16), True),
        (1, False),
        (True, False),
        (np.arange(2), False),
        (np.ones(2, np.complex64), False),
        (jax.random.key(0), False),
    ],
    ids=["float", "float16", "bfloat16", "int", "bool", "integers", "complex", "key"],
)
def test_derivatives_act_on_real_floating_point_leaves_alone(leaf: Any, *, floating: bool) -> None:
    assert is_floating(leaf) == floating


PATHS = ("a/w", "a/b", "b/w", "w[0]", "w0")


@pytest.mark.parametrize(
    ("pattern", "positions"),
    [
        ("a/w", (0,)),
        ("*w", (0, 2)),
        ("a/*", (0, 1)),
        ("?/w", (0, 2)),
        ("w[[]0]", (3,)),
        ("w[0-9]", (4,)),
        ("*", (0, 1, 2, 3, 4)),
    ],
)
def test_a_pattern_names_the_paths_it_matches_and_a_path_itself(pattern: str, positions: tuple[int, ...]) -> None:
    assert matching(PATHS, pattern, role="reads") == positions


def test_a_pattern_is_case_sensitive_and_a_misspelt_one_lists_the_paths() -> None:
    with pytest.raises(InvalidInput, match=r"reads: no parameter matches 'A/w'. .*The paths are: a/w, a/b, b/w"):
        matching(PATHS, "A/w", role="reads")


def test_a_pattern_on_an_empty_tree_says_that_there_is_nothing() -> None:
    with pytest.raises(InvalidInput, match=r"The paths are: \(none\)"):
        matching((), "w", role="reads")


def test_joining_what_was_split_gives_the_tree_back() -> None:
    partition = Partition.of(MIXED)
    again = partition.join(partition.split(MIXED))
    assert jax.tree.structure(again) == jax.tree.structure(MIXED)
    jax.tree.map(np.testing.assert_array_equal, again, MIXED)


def test_carried_leaves_are_kept_from_the_example_and_floating_leaves_replaced() -> None:
    partition = Partition.of(MIXED)
    joined = partition.join(tuple(np.full(shape, 7.0) for shape in partition.float_shapes))
    np.testing.assert_array_equal(joined["layers"][0].weight, 7.0)
    np.testing.assert_array_equal(joined["mask"], [True, False])
    assert joined["steps"] == 3


def test_a_partition_describes_its_floating_leaves() -> None:
    partition = Partition.of(MIXED)
    assert partition.float_paths == ("layers/0/weight", "layers/0/bias", "layers/1/weight")
    assert partition.float_shapes == ((2, 3), (3,), (3, 0))
    assert partition.float_dtypes[0] == np.float32
    assert partition.size == 9


def test_a_tree_of_another_structure_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="Dict key mismatch"):
        Partition.of(MIXED).split({"layers": 1})
