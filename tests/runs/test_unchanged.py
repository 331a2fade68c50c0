"""What a pair was when a ledger was written: every change of what its verdicts depend on is seen, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from textwrap import dedent

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from jax.extend.core import Primitive
from jax.interpreters import ad

import eqprop
from eqprop import groups
from eqprop.engine import function_text
from eqprop.runs import Told, as_kept, as_tasks, digest, make_options

OPTIONS = make_options(properties=["equivariance", "noether"], max_architectures=1, probes=8)
SCALE = np.ones(2)
GROUP = groups.Scaling(2)


def kernel(factor):
    """A ReLU with a backward rule of its own, and the factor in nothing but that."""

    @jax.custom_vjp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defvjp(lambda x: (relu(x), x), lambda x, g: (jnp.where(x > 0, factor * g, 0),))
    return relu


def twice(factor):
    """A backward rule that calls a kernel, whose own backward rule has the factor: a defect of second order."""
    inner = kernel(factor)

    @jax.custom_vjp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defvjp(lambda x: (relu(x), x), lambda x, g: (g * inner(x),))
    return relu


def forward(factor):
    """A derivative rule by forward mode."""

    @jax.custom_jvp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defjvp(lambda p, t: (relu(p[0]), jnp.where(p[0] > 0, factor * t[0], 0)))
    return relu


def net(relu=jax.nn.relu, scale=SCALE, params=None, group=GROUP, power=1, **more):
    params = {"w": np.ones((2, 2)), "v": np.ones((2, 1))} if params is None else params
    model = eqprop.Model(
        lambda p, x: relu(x @ p["w"]) * scale[None] @ p["v"], params, np.ones((3, 2)), name="m", **more
    )
    units = eqprop.hidden_units(group, writes={"w": 1}, reads={"v": 0}, power=power, name="units")
    return eqprop.Pair(model, units, name="net")


def told(pair, options=OPTIONS) -> str:
    (task,) = as_tasks(pair)
    return digest(task, options)


def test_the_same_again_is_the_same():
    assert told(net())
    assert told(net()) == told(net())
    assert told(net(kernel(1.0))) == told(net(kernel(1.0)))


CHANGES = {
    "the model": lambda: net(jax.nn.gelu),
    "a constant in a closure": lambda: net(scale=np.array([1.0, 1.0 + 1e-12])),
    "the action": lambda: net(power=2),
    "the loss": lambda: net(loss=lambda y: jnp.sum(y**2)),
    "the example": lambda: net(params={"w": np.full((2, 2), 1.5), "v": np.ones((2, 1))}),
    "a shape": lambda: net(params={"w": np.ones((2, 2)), "v": np.ones((2, 3))}),
    "whether it is trained": lambda: net(trained=False),
    "the domain": lambda: net(domain=lambda p: {**p, "w": p["w"] * p["w"]}),
    "the group": lambda: net(group=groups.Permutation(2)),
    "an allowance": lambda: net().replaced(allow_inconclusive={"noether": (0.5, "why")}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen(change):
    changed = told(change())
    assert changed
    assert changed != told(net())


def constant(factor):
    """A backward rule that is a number: nothing of it is in derivatives of higher order."""

    @jax.custom_vjp
    def line(x):
        return factor * 0 + x

    line.defvjp(lambda x: (x, x), lambda x, _: (jnp.full_like(x, factor),))
    return line


def forward_twice(factor):
    """A rule by forward mode that calls one by forward mode, which has the factor: a defect of second order."""
    inner = forward(factor)

    @jax.custom_jvp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defjvp(lambda p, t: (relu(p[0]), inner(p[0]) * t[0]))
    return relu


def forward_of_backward(factor):
    """A rule by forward mode that calls a kernel, whose backward rule has the factor: forward mode cannot tell it."""
    inner = kernel(factor)

    @jax.custom_jvp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defjvp(lambda p, t: (relu(p[0]), inner(p[0]) * t[0]))
    return relu


@pytest.mark.parametrize("rule", [kernel, twice, forward, forward_twice, forward_of_backward, constant])
def test_a_change_of_a_derivative_rule_alone_is_seen(rule):
    assert told(net(rule(1.0)))
    assert told(net(rule(1.0))) != told(net(rule(0.5)))


def bound(factor):
    """An operation of one's own, with a derivative that is registered and in no program of the model."""
    own = Primitive("own")
    own.def_impl(jnp.sin)
    own.def_abstract_eval(lambda x: x)
    ad.primitive_jvps[own] = lambda p, t: (own.bind(*p), factor * jnp.cos(p[0]) * t[0])
    return own.bind


def test_a_derivative_of_an_operation_of_ones_own_is_seen():
    assert told(net(bound(1.0)))
    assert told(net(bound(1.0))) == told(net(bound(1.0)))
    assert told(net(bound(1.0))) != told(net(bound(0.5)))


def picky(x):
    """A rule that is told which of its arguments are derived, of which one program shows one answer."""

    @jax.custom_jvp
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defjvp(lambda p, t: (relu(p[0]), t[0]), symbolic_zeros=True)
    return relu(x)


def test_a_rule_inside_of_a_loop_is_seen():
    def looped(factor):
        relu = kernel(factor)
        return lambda x: jax.lax.scan(lambda c, _: (relu(jax.jit(relu)(c)), None), x, None, length=2)[0]

    assert told(net(looped(1.0)))
    assert told(net(looped(1.0))) != told(net(looped(0.5)))


def test_settings_are_seen():
    other = [replace(OPTIONS, seed=3), replace(OPTIONS, precision="model"), replace(OPTIONS, evaluator="xla")]
    other += [make_options(properties=["equivariance"], max_architectures=1, probes=8)]
    digests = [told(net(), options) for options in (OPTIONS, *other)]
    assert all(digests)
    assert len(set(digests)) == len(digests)


@dataclass(frozen=True)
class OwnGroup(groups.Scaling):
    pass


def called_back(x):
    return jax.pure_callback(lambda z: np.maximum(z, 0), jax.ShapeDtypeStruct(x.shape, x.dtype), x)


UNTOLD = {
    "a callback": lambda: net(called_back),
    "a rule that looks at what is derived": lambda: net(picky),
    "a group of one's own": lambda: net(group=OwnGroup(2)),
    "a domain in NumPy": lambda: net(domain=lambda p: {**p, "w": np.asarray(p["w"]) + 1}),
    "a known failure": lambda: net().replaced(known_failures={"noether": "why"}),
    "what is drawn": lambda: st.integers().map(lambda _: net()),
}


@pytest.mark.parametrize("pair", UNTOLD.values(), ids=UNTOLD)
def test_of_what_cannot_be_told_nothing_is(pair):
    assert told(pair()) == ""


def test_a_property_of_ones_own_cannot_be_told():
    own = replace(OPTIONS.properties[0], name="own")
    assert told(net(), replace(OPTIONS, properties=(own,))) == ""


def test_an_entry_of_the_catalog_is_what_the_package_says():
    (task,) = as_tasks(eqprop.entry("relu-rescaling"))
    assert digest(task, OPTIONS)
    assert digest(task, OPTIONS) != digest(as_tasks(eqprop.entry("glu-sign"))[0], OPTIONS)


def test_a_model_is_told_once_for_all_of_its_pairs_in_a_run_and_anew_in_the_next(monkeypatch):
    model = net().model
    calls: list[object] = []

    def counted(function, *rest):
        calls.append(function)
        return function_text(function, *rest)

    monkeypatch.setattr("eqprop.runs.unchanged.function_text", counted)
    pairs = [eqprop.Pair(model, net(power=power).transformation, name=f"power-{power}") for power in (1, 2)]
    one, two = as_tasks(pairs)
    told = Told()
    in_one_run = [digest(task, OPTIONS, told) for task in (one, two)]
    assert calls.count(model.apply) == 1
    assert [digest(task, OPTIONS) for task in (one, two)] == in_one_run
    assert calls.count(model.apply) == 3
    assert len(set(in_one_run)) == 2


def test_a_model_that_is_equal_and_another_one_is_told_for_itself():
    told = Told()
    digests = [digest(as_tasks(net(kernel(factor)))[0], OPTIONS, told) for factor in (1.0, 0.5)]
    assert all(digests)
    assert digests[0] != digests[1]


def test_what_is_unchanged_is_said_and_what_changed_is_not():
    (task,) = as_tasks(net())
    kept = digest(task, OPTIONS)
    found = as_kept(task, OPTIONS, kept, ["equivariance"]) or ()
    assert [(v.property.name, str(v.outcome)) for v in found] == [
        ("equivariance", "unchanged"),
        ("noether", "not applicable"),
    ]
    assert as_kept(task, OPTIONS, kept, []) is None
    assert as_kept(task, OPTIONS, "", ["equivariance"]) is None
    assert as_kept(as_tasks(net(kernel(0.5)))[0], OPTIONS, kept, ["equivariance"]) is None


SCRIPT = """
    import numpy as np
    import eqprop
    from eqprop import groups
    from eqprop.runs import as_tasks, digest, make_options

    units = eqprop.hidden_units(groups.Scaling(2), writes={"w": 1}, reads={"v": 0}, name="units")
    params = {"w": np.ones((2, 2)), "v": np.ones((2, 1))}
    model = eqprop.Model(lambda p, x: x @ p["w"] @ p["v"], params, np.ones((3, 2)), name="m")
    print(digest(as_tasks(eqprop.Pair(model, units, name="n"))[0], make_options()))
"""


@pytest.mark.slow
def test_nothing_of_scipy_is_imported_to_tell():
    program = f"import sys\n{dedent(SCRIPT)}\nprint(sorted(name for name in sys.modules if name.startswith('scipy.')))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_every_process_says_the_same():
    runs = [
        subprocess.run(
            [sys.executable, "-c", dedent(SCRIPT)],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "JAX_PLATFORMS": "cpu"},
        )
        for seed in ("1", "2")
    ]
    first, second = (run.stdout.strip() for run in runs)
    assert first == second
    assert first
