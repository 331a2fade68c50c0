"""One property that cannot be evaluated takes no other down: not where it is traced, run, looked into or shrunk."""

from __future__ import annotations

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.profiles import PROFILES
from eqprop.properties import Property, by_name
from eqprop.properties.parts import of_numbers
from eqprop.results import Outcome
from eqprop.search import Options, Search, SearchTask, search
from eqprop.search.culprits import Failure, separated

SMALL = replace(PROFILES["gate"], name="small", architectures=2, examples=6, probes=8)


@pytest.fixture(autouse=True)
def _storage(tmp_path, monkeypatch):
    """Each test starts with an empty example database."""
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", str(tmp_path / "hypothesis"))


def build(hidden):
    def apply(p, x):
        return jnp.tanh(x @ p["w"]) @ p["v"]

    rng = np.random.default_rng(0)
    params = {"v": rng.standard_normal((hidden, 2)), "w": rng.standard_normal((3, hidden))}
    model = eqprop.Model(apply, params, rng.standard_normal((4, 3)), trained=False)
    move = eqprop.hidden_units(groups.Permutation(hidden), writes={"w": 1}, reads={"v": 0})
    return eqprop.Pair(model, move, name="net", architecture={"hidden": hidden})


NETS = st.integers(2, 6).map(build)


def planted(name, sides, **changes):
    return replace(Property(name, 0, "", "", sides, frozenset({"params"})), **changes)


def total(point):
    return jnp.sum(point.theta[1] ** 2)


def holds(point):
    return (of_numbers(total(point), total(point), total(point)),)


def raises(point):
    msg = f"refuses {len(point.theta)} tensors"
    raise RuntimeError(msg)


def on_host(check):
    """Sides that a host function has to let through at run time."""

    def sides(point):
        size = jax.pure_callback(
            check, jax.ShapeDtypeStruct((), np.float32), jnp.float32(total(point)), vmap_method="sequential"
        )
        return (of_numbers(size, size, size),)

    return sides


def refuse(size):
    msg = "the host refuses"
    raise RuntimeError(msg)


def verdicts(*properties, pairs=NETS, **options):
    found = search(SearchTask("net", pairs), Options(SMALL, properties=properties, **options))
    return {v.property.name: v for v in found}


# -- telling the culprits apart ---------------------------------------------------------------------------------------


def attempts(bad, alone_bad=()):
    """What was attempted, in a list, and the two functions that ``separated`` takes."""
    seen = []

    def attempt(properties):
        seen.append("".join(p.name for p in properties))
        if set(bad) & set(seen[-1]):
            msg = f"among {seen[-1]}"
            raise RuntimeError(msg)
        return seen[-1]

    def alone(prop):
        if prop.name in alone_bad:
            msg = f"{prop.name} alone"
            raise RuntimeError(msg)

    return seen, attempt, alone


LETTERS = [planted(name, holds) for name in "abcdefgh"]


def test_where_nothing_raises_everything_is_attempted_once():
    seen, attempt, alone = attempts("")
    assert separated(LETTERS, attempt, alone) == (["abcdefgh"], {})
    assert seen == ["abcdefgh"]


def test_culprits_that_raise_alone_are_left_out_of_one_second_attempt():
    seen, attempt, alone = attempts("cf", "cf")
    done, failed = separated(LETTERS, attempt, alone)
    assert (done, set(failed)) == (["abdegh"], {"c", "f"})
    assert failed["c"].reason.startswith("RuntimeError: c alone (")
    assert seen == ["abcdefgh", "abdegh"]


def test_culprits_that_show_only_later_are_found_by_halves():
    _, attempt, alone = attempts("cf", "c")
    done, failed = separated(LETTERS, attempt, alone)
    assert set(failed) == {"c", "f"}
    assert sorted("".join(done)) == list("abdegh")
    assert failed["f"].reason.startswith("RuntimeError: among f (")


def test_a_derivative_that_jax_does_not_have_is_told_from_other_errors():
    with pytest.raises(ValueError, match="JVP") as caught:
        jax.jvp(lambda x: jax.pure_callback(np.sin, x, x), (1.0,), (1.0,))
    assert Failure.of(caught.value).undefined
    assert "JAX has no derivative" in Failure.of(caught.value).reason
    with pytest.raises(ValueError, match="Reverse-mode") as caught:
        jax.grad(lambda x: jax.lax.while_loop(lambda y: y < 3, lambda y: y * 2, x))(1.0)
    assert Failure.of(caught.value).undefined
    assert not Failure.of(ValueError("shapes do not match")).undefined
    assert Failure.of(eqprop.InvalidInput("as it is said")).reason == "as it is said"


# -- in a search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [raises, on_host(refuse)], ids=["traced", "run"])
@pytest.mark.parametrize("costly", [False, True])
def test_a_property_that_raises_is_an_error_of_its_own_cell(sides, costly):
    found = verdicts(planted("good", holds), planted("bad", sides, costly=costly), by_name("equivariance"))
    assert {name: v.outcome for name, v in found.items()} == {
        "good": Outcome.HOLDS,
        "bad": Outcome.ERROR,
        "equivariance": Outcome.HOLDS,
    }
    assert "refuses" in found["bad"].reason
    assert found["good"].architectures == 2


def test_a_hypothesis_that_raises_is_an_error_of_its_own_cell():
    def hypothesis(pair):
        msg = f"cannot look at {pair.name}"
        raise RuntimeError(msg)

    found = verdicts(planted("good", holds), planted("bad", holds, hypotheses=(hypothesis,)))
    assert found["good"].outcome is Outcome.HOLDS
    assert found["bad"].outcome is Outcome.ERROR
    assert re.fullmatch(r"RuntimeError: cannot look at net \(.*\), for Pair\('net', hidden=\d\)", found["bad"].reason)


def test_a_property_that_raises_on_one_architecture_is_judged_on_the_others_and_an_error_all_the_same():
    def sides(point):
        return raises(point) if point.theta[0].shape[0] == 2 else holds(point)

    found = verdicts(planted("bad", sides))
    assert found["bad"].outcome is Outcome.ERROR
    assert found["bad"].probes > 0


def test_a_derivative_that_does_not_exist_makes_a_property_inapplicable_and_no_other():
    @jax.custom_jvp
    def square(x):
        return x * x

    @square.defjvp
    def _(primals, tangents):
        like = jax.ShapeDtypeStruct(primals[0].shape, primals[0].dtype)
        double = jax.pure_callback(lambda x: 2 * np.asarray(x), like, primals[0], vmap_method="expand_dims")
        return square(primals[0]), double * tangents[0]

    pair = build(3)
    model = replace(pair.model, apply=lambda p, x: square(x @ p["w"]) @ p["v"])
    names = ("equivariance", "gradient-covariance", "hessian-covariance", "model-second-order")
    found = verdicts(*map(by_name, names), pairs=st.just(pair.replaced(model=model)), precision="model")
    assert [found[name].outcome for name in names[:2]] == [Outcome.HOLDS] * 2
    for name in names[2:]:
        assert found[name].outcome is Outcome.NOT_APPLICABLE
        assert "do not support JVP" in found[name].reason


def test_who_reads_no_verdicts_is_told_of_errors():
    state = Search(SearchTask("net", NETS), Options(SMALL, properties=(planted("bad", raises), planted("good", holds))))
    state.explore()
    with pytest.raises(
        eqprop.InvalidInput, match="net: some properties cannot be evaluated: bad: RuntimeError: refuses"
    ):
        state.expect_evaluated()


def test_a_reason_is_not_cut_off_before_what_it_says():
    (verdict,) = verdicts(planted("bad", on_host(refuse))).values()
    assert "RuntimeError: the host refuses" in verdict.reason
    assert "Traceback" not in verdict.reason


# -- falsifications are not lost --------------------------------------------------------------------------------------


def off(point):
    return (of_numbers(total(point), total(point) * 1.001, total(point)),)


def test_a_structure_that_cannot_be_evaluated_is_no_smaller_violation():
    def sides(point):
        return raises(point) if point.theta[0].shape[0] < 4 else off(point)

    found = verdicts(planted("bad", sides), pairs=st.integers(4, 6).map(build) | NETS)["bad"]
    assert found.outcome is Outcome.FALSIFIED
    assert found.counterexample.architecture == {"hidden": "4"}


def test_a_failure_while_numbers_are_made_simple_leaves_the_violation_as_it_was_found(monkeypatch):
    monkeypatch.setattr("eqprop.search.shrinking.simplified", lambda *_: raises(build(2).model.param_leaves))
    found = verdicts(planted("bad", off), pairs=st.just(build(3)))["bad"]
    assert found.outcome is Outcome.FALSIFIED
    assert found.counterexample.residual > 0
    assert any(note.startswith("not shrunk: ") for note in found.counterexample.notes)


def test_a_violation_that_is_not_found_again_is_made_readable_as_it_was_found(monkeypatch):
    monkeypatch.setattr("eqprop.search.shrinking.Shrinker._smallest", lambda self, prop, first: first)

    def off_above_zero(point):
        size = jnp.reshape(jnp.maximum(total(point), 0.0), (1,))[0]
        return (of_numbers(size, size * 1.001, size),)

    reads_more = planted("good", holds, needs=frozenset({"params", "inputs", "tangent"}))
    found = verdicts(planted("bad", off_above_zero), reads_more, pairs=st.just(build(3)))["bad"]
    assert found.outcome is Outcome.FALSIFIED
    assert found.counterexample.notes == ()


def test_a_violation_that_cannot_be_shown_is_falsified_all_the_same(monkeypatch):
    monkeypatch.setattr("eqprop.search.shrinking.counterexample", lambda *_, **__: refuse(0))
    found = verdicts(planted("bad", off), pairs=st.just(build(3)))["bad"]
    assert (found.outcome, found.counterexample) == (Outcome.FALSIFIED, None)
    assert found.reason.startswith("its counterexample cannot be shown (RuntimeError: the host refuses (")


# -- the closer look --------------------------------------------------------------------------------------------------


def absorbed(point):
    """(a + b) − a for an a that absorbs most of b: rounding inside, of which the inputs show nothing."""
    small, large = 1e-9 * point.theta[1][0, 0], 1e6 * jnp.cosh(point.theta[0][0, 0])
    return (of_numbers((large + small) - large, small, small),)


def test_what_a_closer_look_clears_is_counted_and_never_shown_as_too_many_floors():
    found = verdicts(planted("absorbing", absorbed), pairs=st.just(build(3)), evaluator="xla")["absorbing"]
    assert found.outcome is not Outcome.FALSIFIED
    assert found.cleared > 0
    assert found.floors <= 30
