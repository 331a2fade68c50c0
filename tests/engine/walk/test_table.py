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


@pytest.mark.parametrize(
    "function",
    [
        lambda: jnp.zeros(3, jnp.float8_e4m3fn) + jnp.ones(3, jnp.float8_e4m3fn),
        lambda: jnp.zeros(3, jnp.int4) + jnp.ones(3, jnp.int4),
        lambda: jax.lax.reduce_prod(jnp.ones(3, jnp.complex64), (0,)),
        lambda: jax.lax.reduce_precision(jnp.ones(3), 3, 0),
        lambda: jax.lax.dot(jnp.ones(3), jnp.ones(3), precision=jax.lax.DotAlgorithmPreset.BF16_BF16_F32),
    ],
)
def test_what_no_rule_knows_is_left_to_jax(function):
    program = jax.make_jaxpr(function)()
    with pytest.raises(Unsupported):
        for equation in program.jaxpr.eqns:
            if "call" not in equation.primitive.name and equation.primitive.name not in ("jit", "pjit"):
                RULES[equation.primitive.name](equation)


def test_rows_of_a_value_that_all_share_stay_one():
    (found,) = jax.make_jaxpr(jnp.negative)(np.float32(1)).jaxpr.eqns
    assert RULES["neg"](found)(np.ones(1, np.float32)).shape == (1,)
