"""Whatever is put in the place of an argument, a constructor either makes something or says in a line what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eqprop
from eqprop import actions, conversions, groups
from eqprop.runs import make_options

PARAMS = {"w": np.ones((2, 3)), "b": np.ones(3)}
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=3),
    st.just(np.int64(1)),
    st.just(np.ones(2)),
    st.just(groups.Sign),
    st.just(groups.Sign(3)),
    st.just(object()),
)
WRONG = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=2), st.integers(0, 2)), inner, max_size=2),
    ),
    max_leaves=4,
)
AXES: Any = {"w": 1}
NET = eqprop.Model(lambda p, x: x @ p["w"] + p["b"], PARAMS, np.ones((4, 2)), name="net")

MAKERS: dict[str, Callable[[Any], Any]] = {
    "model-apply": lambda x: eqprop.Model(x, PARAMS, np.ones(2)),
    "model-name": lambda x: eqprop.Model(lambda p, i: i, PARAMS, np.ones(2), name=x),
    "transformation-group": lambda x: eqprop.Transformation(x, lambda g, p: p),
    "transformation-side": lambda x: eqprop.Transformation(groups.Sign(3), lambda g, p: p, side=x),
    "hidden-units-group": lambda x: actions.hidden_units(x, writes=AXES),
    "hidden-units-writes": lambda x: actions.hidden_units(groups.Scaling(3), writes=x),
    "hidden-units-axis": lambda x: actions.hidden_units(groups.Scaling(3), writes={"w": x}),
    "hidden-units-power": lambda x: actions.hidden_units(groups.Scaling(3), writes=AXES, power=x),
    "attention-heads": lambda x: actions.attention_heads(x, 2, queries=AXES, keys=AXES),
    "experts-count": lambda x: actions.experts(x, AXES),
    "states-recurrent": lambda x: actions.states(groups.Scaling(3), inputs=AXES, recurrent=x),
    "norm-scale-epsilon": lambda x: actions.norm_scale(3, writes=AXES, epsilon=x),
    "stream-norm": lambda x: actions.residual_stream(3, writes=AXES, norm=x, params=PARAMS),
    "shift-classes": lambda x: actions.softmax_shift(PARAMS, x),
    "shift-axis": lambda x: actions.softmax_shift(PARAMS, {"w": x}),
    "combined": lambda x: actions.combined(x),  # noqa: PLW0108 - the name of the argument is the same for all
    "scaling": lambda x: groups.Scaling(x),  # noqa: PLW0108
    "power-count": lambda x: groups.Power(groups.Sign(2), x),
    "product": lambda x: groups.Product(x),  # noqa: PLW0108
    "conversion-mapping": lambda x: eqprop.conversion(NET, NET, x),
    "conversion-rule": lambda x: eqprop.conversion(NET, NET, {"w": x, "b": "b"}),
    "conversion-unused": lambda x: eqprop.conversion(NET, NET, {"w": "w", "b": "b"}, unused=x),
    "fused-axis": lambda x: conversions.fused(x),  # noqa: PLW0108
    "merged-scale": lambda x: conversions.merged(x),  # noqa: PLW0108
    "permuted-axis": lambda x: conversions.permuted(0, x),
    "split-heads": lambda x: conversions.split_heads(x),  # noqa: PLW0108
    "folded-epsilon": lambda x: conversions.folded_bias(x),  # noqa: PLW0108
    "inspect": lambda x: eqprop.inspect(x),  # noqa: PLW0108
    "find-model": lambda x: eqprop.find(x),  # noqa: PLW0108
    "check-property": lambda x: eqprop.check(eqprop.Pair(NET, actions.hidden_units(groups.Scaling(3), writes=AXES)), x),
    "seed": lambda x: make_options(seed=x),
    "profile": lambda x: make_options(profile=x),
    "properties": lambda x: make_options(properties=x),
    "save": lambda x: make_options(save=x),
}


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=30, deadline=None, database=None, derandomize=True)
@given(wrong=WRONG)
def test_a_constructor_makes_something_or_says_what_is_wrong(maker, wrong):
    said = ""
    try:
        MAKERS[maker](wrong)
    except eqprop.InvalidInput as error:
        said = str(error) or "nothing\n"
    assert "\n" not in said
