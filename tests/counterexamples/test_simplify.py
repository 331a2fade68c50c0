"""The numbers of a counterexample are made readable, and it stays one."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.counterexamples import simplified, simplify
from eqprop.counterexamples.drafts import complexity
from eqprop.evaluation import Program, fresh_perturbations
from eqprop.probes import READABLE, SQUARED_ERROR
from eqprop.properties import by_name
from eqprop.rounding import CONFIRMING_COPIES


def net(p, x):
    return jax.nn.relu(x @ p["w"]) @ p["v"]


def program_of(name="equivariance", apply=net, hidden=3, reads=None, inputs=None, writes=None):
    rng = np.random.default_rng(0)
    params = {"v": rng.standard_normal((hidden, 2)), "w": rng.standard_normal((2, hidden))}
    inputs = rng.standard_normal((1, 2)) if inputs is None else inputs
    move = eqprop.hidden_units(groups.Scaling(hidden), writes=writes or {"w": 1}, reads=reads or {})
    pair = eqprop.Pair(eqprop.Model(apply, params, inputs, trained=False), move)
    return Program(pair, (by_name(name),), SQUARED_ERROR)


def violation(program, name="equivariance", seed=0):
    rng = np.random.default_rng(seed)
    probes = program.draw(rng, 64)
    return probes.at(int(np.flatnonzero(program.judge(probes, rng)[name].suspect)[0]))


def readable(program, name, probe, rng):
    """The simplest probe that was found."""
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe)
    return next(simplified(program, name, probe, program.judge(batch, np.random.default_rng(9))[name], rng))


def real_numbers(probe):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(probe)]
    return np.concatenate([leaf.ravel() for leaf in leaves if leaf.dtype.kind == "f"])


def test_zeros_are_simplest_and_unreadable_numbers_hardest():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, -3.0], [0.1, 0.0]])
    ranks = [complexity(row).sum() for row in rows]
    assert ranks[0] == 0
    assert (np.diff(ranks) > 0).all()


@pytest.mark.parametrize("name", ["equivariance", "jacobian-covariance", "noether"])
def test_every_number_becomes_simple_and_the_violation_stays(name):
    program = program_of(name)
    probe = readable(program, name, violation(program, name), np.random.default_rng(0))
    assert np.isin(real_numbers(probe), [0.0, *READABLE]).all()
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe)
    assert fresh_perturbations(program, name, batch, np.random.default_rng(1)).suspect.all()


def test_what_the_violation_does_not_need_becomes_zero():
    program = program_of()
    probe = readable(program, "equivariance", violation(program), np.random.default_rng(0))
    assert np.count_nonzero(probe.params[0]) == np.count_nonzero(probe.params[1]) == 1


def test_a_few_numbers_of_several_hundred_are_left():
    program = program_of(hidden=60)
    probe = readable(program, "equivariance", violation(program), np.random.default_rng(0))
    assert np.count_nonzero(probe.params[0]) == np.count_nonzero(probe.params[1]) == 1


def test_few_of_the_candidates_are_looked_at_closely(monkeypatch):
    program, judged = program_of(hidden=6), {True: 0, False: 0}
    drawn, judge = violation(program), Program.judge

    def counted(self, probes, rng, copies=None, only=""):
        judged[copies == CONFIRMING_COPIES] += probes.count
        return judge(self, probes, rng, copies, only)

    monkeypatch.setattr(Program, "judge", counted)
    readable(program, "equivariance", drawn, np.random.default_rng(0))
    assert 0 < judged[True] < judged[False] / 4


def test_changes_that_only_seemed_to_leave_a_violation_do_not_end_it(monkeypatch):
    program = program_of()
    drawn, judge = violation(program), Program.judge

    def credulous(self, probes, rng, copies=None, only=""):
        found = judge(self, probes, rng, copies, only)
        if copies == CONFIRMING_COPIES:
            return found
        everything = replace(found["equivariance"], residual=found["equivariance"].size + 1.0)
        return {"equivariance": replace(everything, size=everything.residual, floor=everything.residual / 1e6)}

    monkeypatch.setattr(Program, "judge", credulous)
    probe = readable(program, "equivariance", drawn, np.random.default_rng(0))
    assert np.count_nonzero(probe.params[0]) == np.count_nonzero(probe.params[1]) == 1


def test_the_same_seed_simplifies_alike():
    program = program_of()
    first, second = (readable(program, "equivariance", violation(program), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(real_numbers(first), real_numbers(second))


def test_integer_inputs_stay_as_they_were_drawn():
    program = program_of(apply=lambda p, x: p["w"][x] @ p["v"], inputs=np.array([0, 1]))
    drawn = violation(program)
    probe = readable(program, "equivariance", drawn, np.random.default_rng(0))
    np.testing.assert_array_equal(probe.inputs, drawn.inputs)


def test_a_violation_at_large_numbers_only_keeps_them():
    def saturating(p, x):
        large = jax.numpy.max(jax.numpy.abs(x)) > 50.0
        return net(p, x) * jax.numpy.where(large, 1.0, 0.0)

    program = program_of(apply=saturating)
    rng = np.random.default_rng(0)
    probes = program.draw(rng, 8)
    far = program.cast(eqprop.Probe(params=probes.params, inputs=probes.inputs * 1e3, element=probes.element)).at(0)
    probe = readable(program, "equivariance", far, rng)
    assert np.abs(probe.inputs).max() > 50.0
    assert np.isin(real_numbers(probe.params), [0.0, *READABLE]).all()


def scaled_by(program, error):
    """The program's judgements of residuals that are so many times as large as they are."""
    judge = program.judge

    def judged(probes, rng, copies=None, only=""):
        found = judge(probes, rng, copies, only)
        return {name: replace(one, residual=one.residual * error) for name, one in found.items()}

    program.judge = judged
    return program


def test_a_clear_violation_stays_clear():
    program = program_of()
    drawn = violation(program)
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], drawn)
    floors = program.judge(batch, np.random.default_rng(0))["equivariance"].floors[0]
    scaled_by(program, 300.0 / floors)  # about 300 floors at the drawn probe, and fewer at simpler ones
    probe = readable(program, "equivariance", drawn, np.random.default_rng(0))
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], probe)
    assert fresh_perturbations(program, "equivariance", batch, np.random.default_rng(1)).floors[0] > 45.0


def test_behind_the_simplest_come_less_simple_ones_and_the_probe_itself_at_last():
    program = program_of(hidden=6)
    drawn = violation(program)
    batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], drawn)
    judged = program.judge(batch, np.random.default_rng(0))["equivariance"]
    found = list(simplified(program, "equivariance", drawn, judged, np.random.default_rng(0)))
    far = [complexity(real_numbers(probe)).sum() for probe in found]
    assert len(found) > 2
    assert far == sorted(far)
    np.testing.assert_array_equal(real_numbers(found[-1]), real_numbers(drawn))


def test_of_a_model_that_is_too_large_the_probe_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(simplify, "NUMBERS_JUDGED", 1000)
    program = program_of(hidden=60)
    drawn = violation(program)
    probe = readable(program, "equivariance", drawn, np.random.default_rng(0))
    np.testing.assert_array_equal(real_numbers(probe), real_numbers(drawn))


def test_what_is_judged_ends_with_the_numbers_there_may_be(monkeypatch):
    program, judged = program_of(hidden=60), []
    drawn, judge = violation(program), Program.judge

    def counted(self, probes, rng, copies=None, only=""):
        judged.append(probes.count if copies == simplify.COPIES_OF_CANDIDATES else 0)
        return judge(self, probes, rng, copies, only)

    monkeypatch.setattr(Program, "judge", counted)
    readable(program, "equivariance", drawn, np.random.default_rng(0))
    without_end, judged[:] = sum(judged), []
    numbers = len(real_numbers(drawn)) * (1 + simplify.COPIES_OF_CANDIDATES)
    monkeypatch.setattr(simplify, "NUMBERS_JUDGED", 50 * numbers)
    simpler = readable(program, "equivariance", drawn, np.random.default_rng(0))
    assert sum(judged) < 75 < without_end
    assert complexity(real_numbers(simpler)).sum() < complexity(real_numbers(drawn)).sum()
