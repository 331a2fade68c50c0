"""What is said of trees in other containers than the example's, and of examples that are not finite."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.validation import check_pair

RNG = np.random.default_rng(0)
V, W, X = (RNG.standard_normal(shape) for shape in ((3, 2), (2, 3), (2, 2)))


class Layers(NamedTuple):
    v: Any
    w: Any


class Marked:
    """A container that is told apart by its mark."""

    def __init__(self, mark: str, leaf: Any) -> None:
        self.mark, self.leaf = mark, leaf


jax.tree_util.register_pytree_node(Marked, lambda m: ((m.leaf,), m.mark), lambda mark, kept: Marked(mark, *kept))


def said(params: Any = (V, W), inputs: Any = X, outputs: Any = None, **actions: Any) -> str:
    """What a pair of such trees is refused with."""

    def apply(p: Any, x: Any) -> Any:
        total = sum(map(jnp.sum, jax.tree.leaves((p, x))))
        return {"y": total} if outputs is None else outputs(total)

    model = eqprop.Model(apply, params, inputs, name="net")
    moved = eqprop.Transformation(groups.Scaling(1), **{"on_params": lambda a, p: p, **actions}, name="moves")
    with pytest.raises(eqprop.InvalidInput, match=r"\A\S+ \S+") as caught:
        check_pair(eqprop.Pair(model, moved), "float64")
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "returned", "message"),
    [
        ((V, W), list, "changed the type of the tree from tuple to list; expected the same. Return the leaves in"),
        (Layers(V, W), tuple, "changed the type of the tree from Layers to tuple"),
        ((V, W), lambda p: Layers(*p), "changed the type of the tree from tuple to Layers"),
        ({"a": (V,), "b": W}, lambda p: {**p, "a": list(p["a"])}, "changed the type of 'a' from tuple to list"),
        (OrderedDict(v=V, w=W), dict, "changed the type of the tree from OrderedDict to dict"),
        (OrderedDict(v=V, w=W), lambda p: OrderedDict(w=p["w"], v=p["v"]), "changed the order or the static data of"),
        ([{"a": W, "b": ()}], lambda p: [{"a": p[0]["a"], "b": None}], "changed the type of '0/b' from tuple to None"),
        ({"m": Marked("x", W)}, lambda p: {"m": Marked("y", p["m"].leaf)}, "static data of 'm' (Marked)"),
        ({"a": V, "b": None}, lambda p: {**p, "b": p["a"]}, "changed the structure of the tree (missing: none; new"),
        ({"a": V, "b": W}, lambda p: {"a": p["a"], "c": p["b"]}, "(missing: b; new: c)"),
        ({"a": V, "b": W}, lambda p: {"a": p["a"], "b": None}, "(missing: b; new: none)"),
    ],
)
def test_another_container_is_named_with_its_place(given, returned, message):
    assert message in said(given, on_params=lambda a, p: returned(p))
    assert message in said(inputs=given, on_inputs=lambda a, x: returned(x))


def test_another_container_of_the_outputs_is_named_too():
    found = said(outputs=lambda y: (y, y), on_outputs=lambda a, y: list(y))
    assert "transformation 'moves': on_outputs changed the type of the tree from tuple to list" in found


@pytest.mark.parametrize("number", [np.nan, -np.inf])
def test_inputs_that_are_not_finite_are_named(number):
    found = said(inputs={"x": X, "mask": np.full(2, number)})
    assert found.startswith("model 'net': input 'mask' of the example has NaN or infinite entries; pass finite ones")


def test_infinite_inputs_that_are_not_probed_are_as_good_as_others():
    model = eqprop.Model(lambda p, x: x @ p, W, np.full((2, 2), -np.inf), name="net", trained=False)
    check_pair(eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), lambda a, p: p, name="still")), "float64")
