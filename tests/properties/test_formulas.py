"""Each property's two sides against the formula written out with dense Jacobians and Hessians.

The pairs are not equivariant: the two sides differ, so that a side computed from the other, or from the composed map,
shows. That each property holds where the premise does, is tested in test_equivariant.py on pairs that are.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import eqprop
from eqprop.engine import compiler_options
from eqprop.evaluation import Program, applicable
from eqprop.probes import output_shapes, probes_of
from eqprop.properties import CORE, LIBRARY, Point, by_name
from tests.properties.bent_pairs import CASES
from tests.properties.dense import COMPARED, OF_CALCULUS, OF_DEFECTS, dense_sides

FIELDS = frozenset(eqprop.Probe.__dataclass_fields__) - {"involution"}  # scalings have none


@pytest.mark.parametrize("case", ["T = id, X = id", "T ≠ id, X ≠ id"])
def test_a_property_alone_reads_no_other_field_of_the_probe_than_it_declares(case: str, float64: None):
    make, loss = CASES[case]
    pair = make()
    for prop in (*applicable(pair, LIBRARY), by_name("order-4")):
        rng, shapes = np.random.default_rng(0), output_shapes(pair, "float64")
        probe = probes_of(pair, loss, shapes, prop.needs, rng, 1).at(0)
        parts = jax.eval_shape(lambda at, prop=prop: [part.lhs for part in prop.sides(Point(pair, at, loss))], probe)
        assert jax.tree.leaves(parts), prop.name


MOST = [pytest.param(case, marks=[pytest.mark.slow] * (case == "reverse-only, T = id")) for case in CASES]
"""The one that is slow has the derivatives of another case and the transformation of a third."""


@pytest.mark.parametrize("case", MOST)
def test_the_sides_of_every_property_are_those_of_the_dense_formula(case: str, float64: None):
    make, loss = CASES[case]
    pair = make()
    properties = applicable(pair, COMPARED)
    program = Program(pair, properties, loss)
    rng = np.random.default_rng(7)
    probes = probes_of(pair, loss, output_shapes(pair, "float64"), FIELDS, rng, 3)
    elements = pair.transformation.group.sample_many(rng, np.full(3, 0.05))
    probes = eqprop.Probe(**{**vars(probes), "element": elements, "element2": elements[::-1]})
    probes = program.cast(probes)
    found, judged = program.evaluate(probes.only(program.needed)), program.judge(probes.only(program.needed), rng)
    expected = jax.jit(jax.vmap(lambda p: dense_sides(pair, p, loss)), compiler_options=compiler_options())(probes)
    assert program.reverse_only == case.startswith("reverse-only")
    for prop in properties:
        lhs, rhs, *_ = found[prop.name]
        for side, dense in zip((lhs, rhs), expected[prop.name], strict=True):
            # Sums of a few hundred terms in float64: far below 1e-11 of the largest; a wrong term is of its size.
            np.testing.assert_allclose(side, in_order(dense, side), atol=1e-11 * np.abs(dense).max(initial=1.0), rtol=0)
        if prop.name == "bracket":  # the generators of diagonal scalings commute, whatever they scale
            continue
        assert (np.abs(lhs - rhs).max(axis=1) > 1e-3).all(), (
            f"{prop.name}: the sides agree where nothing is equivariant"
        )
        assert judged[prop.name].suspect.any(), f"{prop.name}: judged to hold where nothing is equivariant"


def in_order(dense: Any, side: np.ndarray) -> np.ndarray:
    assert dense.reshape(len(side), -1).shape == side.shape
    return np.asarray(dense).reshape(side.shape)


def test_every_property_is_among_those_compared():
    compared = {p.name for make, _ in CASES.values() for p in applicable(make(), COMPARED)}
    assert compared == {p.name for p in COMPARED}
    assert {p.name for p in set(CORE) - set(COMPARED)} == OF_CALCULUS | OF_DEFECTS
