"""What a claim does not look at is said, tensor by tensor, and told from what it looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE, LIBRARY, Property, by_name
from eqprop.results import Unseen, Verdict
from eqprop.search.looking import unseen

PARAMS = {"a": np.ones((3, 2)), "c": np.ones(2), "d": np.ones((2, 2)), "w": np.ones((2, 3))}
INPUTS = np.ones((4, 2))
LEFT_OUT = ("hessian-integral",)
"""The premises of calculus that are not among the properties that cost little."""


def net(params: Any, x: Any) -> Any:
    return jnp.tanh(jax.nn.relu(x @ params["w"]) @ params["a"] + params["c"][None]) @ params["d"]


def pair(group: Any = None, apply: Any = net, inputs: Any = INPUTS, **fields: Any) -> eqprop.Pair:
    moved = eqprop.hidden_units(group or groups.Scaling(3), writes={"w": 1}, reads={"a": 0}, name="units")
    return eqprop.Pair(eqprop.Model(apply, PARAMS, inputs, name="net", trained=False), moved, **fields)


def found(of: eqprop.Pair, properties: tuple[Property, ...] = CORE) -> Unseen | None:
    return unseen(of, properties, SQUARED_ERROR, "float64", reverse_only=False, seed=0)


def test_what_a_rescaling_does_not_move_it_does_not_look_at():
    assert found(pair()) == Unseen(never=("c", "d", "the inputs"), up_to_a_factor=(), of=5, unasked=LEFT_OUT)


def test_a_permutation_does_not_see_a_constant_factor():
    assert found(pair(groups.Permutation(3))) == Unseen(("c", "d", "the inputs"), ("a", "w"), 5, unasked=LEFT_OUT)


def test_whole_numbers_are_no_tensors_to_look_at():
    tokens = lambda params, x: net(params, params["d"][x])  # noqa: E731
    assert found(pair(apply=tokens, inputs=np.array([0, 1, 1]))) == Unseen(("c", "d"), (), 4, unasked=LEFT_OUT)


def test_state_is_no_tensor_to_look_at():
    of = pair()
    remembering = replace(of.model, state=("c",))
    assert found(of.replaced(model=remembering)) == Unseen(("d", "the inputs"), (), 4, unasked=LEFT_OUT)


def test_reverse_only_models_are_looked_at_likewise():
    @jax.custom_vjp
    def fused(x: Any) -> Any:
        return jax.nn.relu(x)

    fused.defvjp(lambda x: (jax.nn.relu(x), x), lambda x, g: (jnp.where(x > 0, g, 0),))
    of = pair(apply=lambda p, x: jnp.tanh(fused(x @ p["w"]) @ p["a"] + p["c"][None]) @ p["d"])
    assert unseen(of, CORE, SQUARED_ERROR, "float64", reverse_only=True, seed=0) == found(pair())


def test_inputs_that_the_group_moves_are_looked_at():
    model = eqprop.Model(lambda p, x: jnp.tanh(x @ p["w"]), {"w": np.ones((2, 3))}, INPUTS, trained=False)
    joint = eqprop.Transformation(
        groups.Scaling(2), lambda g, p: {"w": p["w"] * g[:, None]}, on_inputs=lambda g, x: x / g[None], name="joint"
    )
    assert found(eqprop.Pair(model, joint)) == Unseen((), (), 2, unasked=LEFT_OUT)


def absorbing(params: Any, x: Any) -> Any:
    """``net``, with a as (a + b) − b for a large b, which leaves a few digits of it to what is differentiated by w."""
    large = 1e6 * jnp.cosh(params["c"][0])
    return net({**params, "a": (params["a"] + large) - large}, x)


def test_rounding_inside_the_program_is_not_taken_for_what_notices_a_falsified_derivative():
    asked = tuple(by_name(name) for name in ("gradient-covariance", "noether"))
    of = pair(apply=absorbing)
    taken_as_they_are, looked_into = (
        unseen(of, asked, SQUARED_ERROR, "float64", reverse_only=False, seed=0, doubtful=doubtful, evaluator="xla")
        for doubtful in ((), [prop.name for prop in asked])
    )
    assert looked_into == found(pair(), asked)
    assert looked_into != taken_as_they_are


@pytest.mark.slow
def test_a_search_tells_which_properties_are_to_be_doubted():
    report = eqprop.run(pair(apply=absorbing), profile="quick", properties=["noether"], evaluator="xla")
    assert report.ok
    assert any(verdict.cleared for verdict in report.verdicts)
    assert [verdict.unseen for verdict in report.verdicts] == [found(pair(), (by_name("noether"),))]


def test_a_conversion_looks_at_all_parameters():
    target = eqprop.Model(net, PARAMS, INPUTS, trained=False)
    same = eqprop.Transformation(groups.Trivial(), lambda _, p: p, name="copy")
    source = eqprop.Model(net, PARAMS, INPUTS, trained=False)
    assert found(eqprop.Pair(source, same, target)) == Unseen(("the inputs",), (), 5, unasked=LEFT_OUT)


def test_premises_of_calculus_that_were_not_asked_are_not_said_to_look():
    told = found(pair())
    assert told is not None
    assert "premises of calculus, without hessian-integral (not asked), look at the derivatives in c" in told.line("p")
    asked = found(pair(), LIBRARY)
    assert asked is not None
    assert asked.unasked == ()
    assert "only the premises of calculus look at the derivatives in c" in asked.line("p")


def test_where_no_premise_of_calculus_was_asked_nothing_is_said_to_look():
    told = found(pair(), (by_name("noether"),))
    assert told is not None
    assert told.line("p") == (
        "p: nothing that was asked looks at the derivatives in c, d, the inputs (3 of 5 tensors); the premises of "
        "calculus (derivative, input-derivative, hessian-symmetry, hessian-integral) would; "
        "a further symmetry that moves them would, too"
    )


def test_who_asked_for_no_property_of_the_symmetry_is_told_nothing():
    assert found(pair(), (by_name("equivariance"), by_name("derivative"))) is None


def test_a_report_says_it_in_a_line_and_keeps_it():
    report = eqprop.run(pair(), profile="quick", properties=["noether", "derivative"])
    (line,) = report.unseen()
    assert line == (
        "net/units: only the premises of calculus, without input-derivative, hessian-symmetry, hessian-integral "
        "(not asked), look at the derivatives in c, d, the inputs (3 of 5 tensors); "
        "a further symmetry that moves them would, too"
    )
    assert report.summary().splitlines()[0] == line
    assert [Verdict.from_record(v.to_record()).unseen for v in report.verdicts] == [v.unseen for v in report.verdicts]
    assert eqprop.Report.from_record(report.to_record()).unseen() == (line,)


def test_a_search_that_is_out_of_time_does_not_begin_to_look():
    report = eqprop.run(pair(), profile="quick", properties=["noether", "derivative"], max_time=1e-9)
    assert all("out of time" in verdict.reason for verdict in report.verdicts)
    assert report.unseen() == ()


def test_who_does_not_want_to_know_is_told_nothing():
    report = eqprop.run(pair(), profile="quick", properties=["noether"], unseen=False)
    assert report.ok
    assert report.unseen() == ()
    with pytest.raises(eqprop.InvalidInput, match="unseen is 'no' \\(str\\); expected True or False"):
        eqprop.run(pair(), unseen="no")  # pyright: ignore[reportArgumentType]


def test_why_it_could_not_be_found_out_is_said(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: Any, **__: Any) -> Unseen:
        msg = "out of memory"
        raise RuntimeError(msg)

    monkeypatch.setattr("eqprop.search.pool.unseen", fails)
    report = eqprop.run(pair(), profile="quick", properties=["noether"])
    assert report.ok
    (line,) = report.unseen()
    assert line.startswith("net/units: what its claims do not look at could not be found out (RuntimeError: out of")
    assert eqprop.Report.from_record(report.to_record()).unseen() == (line,)


def test_a_pair_that_is_falsified_is_told_its_violation_and_no_more():
    broken = eqprop.hidden_units(groups.Scaling(3), writes={"w": 1}, name="units")
    report = eqprop.run(pair().replaced(transformation=broken), profile="quick", properties=["equivariance", "noether"])
    assert not report.ok
    assert report.unseen() == ()


@pytest.mark.parametrize(
    ("never", "factor", "said"),
    [
        ((), (), ""),
        (("a",), (), "p: only the premises of calculus look at the derivatives in a (1 of 9 tensors); "),
        ((), ("b",), "p: only the premises of calculus look at a constant factor in those in b; "),
        (
            tuple("abcdef"),
            (),
            "p: only the premises of calculus look at the derivatives in a, b, c, d and 2 more (6 of 9",
        ),
    ],
)
def test_the_line_of_a_pair(never: tuple[str, ...], factor: tuple[str, ...], said: str):
    assert Unseen(never, factor, 9).line("p").startswith(said)
    assert bool(Unseen(never, factor, 9).line("p")) == bool(said)
