"""The table, the rules and the page say the same."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eqprop.engine.walk import primitives
from eqprop.engine.walk.primitives import FAMILIES, RULES
from eqprop.engine.walk.reference import COMMAND, reference
from eqprop.engine.walk.table import AGREEMENT
from eqprop.engine.walk.table import FAMILIES as TABLE
from eqprop.engine.walk.unsupported import Unsupported
from tests.engine.walk.conformance import bound

PAGE = Path(__file__).resolve().parents[3] / "docs" / "walk.md"


def test_every_rule_is_in_the_table_once():
    names = [entry.name for family in TABLE for entry in family.entries]
    assert sorted(names) == sorted(RULES) == sorted(AGREEMENT)
    for family in TABLE:
        assert {entry.name for entry in family.entries} == set(getattr(primitives, family.module).RULES)
    assert len(names) == sum(len(family.RULES) for family in FAMILIES)


@pytest.mark.checkout
def test_the_page_is_what_the_table_says():
    assert PAGE.read_text("utf-8") == reference(), f"write it anew: {COMMAND}"


EIGHT, FOUR = (np.dtype(t) for t in (jnp.float8_e4m3fn, jnp.int4))
LEFT = {
    "float8_e4m3fn": (jax.lax.add, [(EIGHT, (3,)), (EIGHT, (3,))]),
    "int4": (jax.lax.add, [(FOUR, (3,)), (FOUR, (3,))]),
    "products of complex numbers": (bound("reduce_prod", axes=(0,), out_sharding=None), [(np.complex64, (3,))]),
    "no mantissa": (lambda x: jax.lax.reduce_precision(x, 3, 0), [(np.float32, (3,))]),
    "a product by": (
        lambda x, y: jax.lax.dot(x, y, precision=jax.lax.DotAlgorithmPreset.BF16_BF16_F32),
        [(np.float32, (3,)), (np.float32, (3,))],
    ),
}
"""By what the refusal says."""


@pytest.mark.parametrize("said", LEFT)
def test_what_no_rule_knows_is_left_to_jax(said):
    function, operands = LEFT[said]
    (found,) = jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(shape, dtype) for dtype, shape in operands)).jaxpr.eqns
    with pytest.raises(Unsupported, match=said):
        RULES[found.primitive.name](found)


def test_rows_of_a_value_that_all_share_stay_one():
    (found,) = jax.make_jaxpr(jnp.negative)(np.float32(1)).jaxpr.eqns
    assert RULES["neg"](found)(np.ones(1, np.float32)).shape == (1,)
