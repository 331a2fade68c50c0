"""A counterexample as a script: it runs without eqprop, and fails until the model in it is mended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import jax
import numpy as np
import pytest

import eqprop
from eqprop.counterexamples import model_source
from eqprop.runs import script, scripting
from eqprop.runs.dialects import JAX, TORCH
from eqprop.runs.targets import resolve

NETS = """
    import os
    import jax
    import jax.numpy as jnp
    import eqprop
    from eqprop import groups

    HELPER = 0.0
    UNUSED = eqprop


    @jax.custom_vjp
    def fused(x, b):
        return jnp.maximum(x + b[None], HELPER)


    def backward(residuals, g):
        x, b = residuals
        g = jnp.where(x > 0, g, 0)  # $ the bug
        return g, jnp.sum(g, axis=0)


    fused.defvjp(lambda x, b: (fused(x, b), (x, b)), backward)


    @jax.jit
    def network(params, x):
        return fused(x @ params["w1"], params["b1"]) @ params["w2"]


    @jax.custom_vjp
    def late(x):
        return jnp.maximum(x, 0)


    late.defvjp(lambda x: (late(x), x), lambda x, g: (jnp.where(x > 1, g, 0),))


    def later(params, x):
        return late(x @ params["w1"] + params["b1"][None]) @ params["w2"]


    @jax.custom_vjp
    def steep(x):
        return jnp.maximum(x, 0)


    steep.defvjp(lambda x: (steep(x), x), lambda x, g: (jnp.where(x > 0, 1.25 * g, 0),))


    def steeper(params, x):
        return steep(x @ params["w1"] + params["b1"][None]) @ params["w2"]


    @jax.custom_vjp
    def squared(x):
        return jnp.maximum(x, 0) ** 2


    squared.defvjp(lambda x: (squared(x), x), lambda x, g: (g * 2 * jax.lax.stop_gradient(jnp.maximum(x, 0)),))


    def straight(params, x):
        return squared(x @ params["w1"] + params["b1"][None]) @ params["w2"]


    @jax.custom_vjp
    def uneven(x):
        return jnp.maximum(x, 0) ** 2


    def lost(x):
        return jnp.where(x > 1, jnp.maximum(x, 0), jax.lax.stop_gradient(jnp.maximum(x, 0)))


    uneven.defvjp(lambda x: (uneven(x), x), lambda x, g: (g * 2 * lost(x),))


    def bent(params, x):
        return uneven(x @ params["w1"] + params["b1"][None]) @ params["w2"]


    @jax.custom_vjp
    def lopsided(x):
        return jnp.maximum(x, 0) ** 2


    lopsided.defvjp(lambda x: (lopsided(x), x), lambda x, g: (jax.lax.stop_gradient(g) * 2 * jnp.maximum(x, 0),))


    def one_sided(params, x):
        return lopsided(x @ params["w1"] + params["b1"][None]) @ params["w2"]


    def cubic(params, x):
        return network(params, x) * (1 + params["b1"][0])


    def strange(params, x):
        assert eqprop
        return cubic(params, x)


    rescaling = eqprop.hidden_units(groups.Scaling(2), writes={"w1": 1, "b1": 0}, reads={"w2": 0}, name="rescaling")


    def pair(apply, move=rescaling):
        params = {"w1": jnp.eye(2), "b1": jnp.zeros(2), "w2": jnp.ones((2, 1))}
        return eqprop.Pair(eqprop.Model(apply, params, jnp.ones((1, 2)), name="mlp"), move, name="mlp")


    fused_pair, cubic_pair, strange_pair, late_pair = pair(network), pair(cubic), pair(strange), pair(later)
    steep_pair = pair(steeper)
    square = eqprop.hidden_units(groups.Scaling(2), writes={"w1": 1, "b1": 0}, reads={"w2": 0}, power=2, name="square")
    def doubled(c, params):
        return {**params, "w1": params["w1"] * c[None], "b1": params["b1"] * c}


    def fourfold(c, outputs):
        return outputs * c[0] ** 2


    alike = eqprop.Transformation(groups.Scaling(1), doubled, fourfold, name="alike")
    moved_pair, moved_bent_pair = pair(straight, alike), pair(bent, alike)


    def growing(params, x):
        return jnp.exp(bent(params, x))


    def powers(c, outputs):
        return outputs ** c[0] ** 2


    powers_pair = pair(growing, eqprop.Transformation(groups.Scaling(1), doubled, powers, name="powers"))
    straight_pair, bent_pair, one_sided_pair = pair(straight, square), pair(bent, square), pair(one_sided, square)
    def lawless(c, params):
        return {**params, "w1": params["w1"] * (2 * c - 1)[None]}


    lawless_pair = pair(network, eqprop.Transformation(groups.Scaling(2), lawless))
    unnamed_pair = pair(network, eqprop.Transformation(groups.Scaling(2), lambda c, p: lawless(c, p)))
    nameless_pair = pair(lambda params, x: cubic(params, x))
    joined_pair = pair(network, eqprop.combined(rescaling, eqprop.Transformation(groups.Scaling(2), lawless)))


    def ordered(params, x):
        return steep(x @ params["w1"] + params["b1"][None])[:, params["order"]] @ params["w2"]


    ordered_model = eqprop.Model(
        ordered,
        {"w1": jnp.eye(2), "b1": jnp.zeros(2), "w2": jnp.ones((2, 1)), "order": jnp.array([1, 0])},
        jnp.ones((1, 2)),
        name="ordered",
    )
    ordered_pair = eqprop.Pair(ordered_model, rescaling, name="ordered")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "script_nets.py").write_text(dedent(NETS), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield "script_nets"
    sys.modules.pop("script_nets", None)


def saved(target: str, name: str, folder: Path) -> str:
    budget = {"max_architectures": 1, "probes": 64, "unseen": False}
    (verdict,) = eqprop.run(resolve(target), properties=[name], save=folder, **budget).verdicts
    return verdict.counterexample.file


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """In an interpreter that has no eqprop, hypothesis or pytest to import."""
    ban = "import sys\nsys.modules.update(dict.fromkeys(('eqprop', 'hypothesis', 'pytest')))\n"
    (folder / "bug.py").write_text(ban + text, encoding="utf-8")
    return subprocess.run([sys.executable, "bug.py"], cwd=folder, check=False, capture_output=True, text=True)


MENDED = ("jnp.where(x > 0,", "jnp.where(x + b[None] > 0,")


@pytest.mark.parametrize(
    ("pair", "name", "mended"),
    [
        ("fused_pair", "noether", MENDED),
        pytest.param(
            "late_pair", "gradient-covariance", ("jnp.where(x > 1,", "jnp.where(x > 0,"), marks=pytest.mark.slow
        ),
        pytest.param("cubic_pair", "equivariance", (' * (1 + params["b1"][0])', ""), marks=pytest.mark.slow),
        ("ordered_pair", "equivariance", ('[:, params["order"]]', "")),
    ],
)
def test_a_script_fails_by_itself_until_the_model_in_it_is_mended(module, tmp_path, pair, name, mended):
    text = script(saved(f"{module}:{pair}", name, tmp_path / "found"))
    assert "eqprop" not in text
    (tmp_path / "alone").mkdir()
    done = run(text, tmp_path / "alone")
    assert done.returncode == 1, done.stderr
    assert "difference" in done.stdout
    assert mended[0] in text
    done = run(text.replace(*mended), tmp_path / "alone")
    assert done.returncode == 0, done.stdout + done.stderr


STOPPED = ("jax.lax.stop_gradient(jnp.maximum(x, 0))", "jnp.maximum(x, 0)")
OTHERS = [
    ("steep_pair", "derivative", ("1.25 * g", "g")),
    ("late_pair", "jacobian-covariance", ("jnp.where(x > 1,", "jnp.where(x > 0,")),
    ("lawless_pair", "group-laws", ("(2 * c - 1)", "c")),
    ("steep_pair", "input-derivative", ("1.25 * g", "g")),
    ("ordered_pair", "input-derivative", ("1.25 * g", "g")),
    ("fused_pair", "jacobian-generator", MENDED),
    ("straight_pair", "hessian-generator", STOPPED),
    ("moved_pair", "hessian-generator", STOPPED),
    ("bent_pair", "hessian-covariance", STOPPED),
    ("moved_bent_pair", "hessian-covariance", STOPPED),
    ("powers_pair", "hessian-covariance", STOPPED),
    ("one_sided_pair", "hessian-symmetry", ("jax.lax.stop_gradient(g)", "g")),
]


def exit_code(text: str) -> object:
    """Of a script that is run here: what it needs to be imported is shown above."""
    before = jax.config.values["jax_enable_x64"]
    try:
        with pytest.raises(SystemExit, match=r"^[01]$") as left:
            exec(compile(text, "bug.py", "exec"), {"__name__": "bug"})
    finally:
        jax.config.update("jax_enable_x64", before)
    return left.value.code


RUN_BY_HAND = ("jacobian-covariance", "jacobian-generator", "hessian-covariance", "hessian-generator")
"""Searches of seconds; what their scripts are made of the others have, too."""

EVERY = [
    pytest.param(*each, id=f"{each[0]}-{each[1]}", marks=[pytest.mark.slow] if each[1] in RUN_BY_HAND else [])
    for each in OTHERS
]


@pytest.mark.parametrize(("pair", "name", "mended"), EVERY)
def test_every_kind_of_script_fails_until_the_model_in_it_is_mended(module, tmp_path, pair, name, mended):
    text = script(saved(f"{module}:{pair}", name, tmp_path / "found"))
    assert "eqprop" not in text
    assert mended[0] in text
    assert exit_code(text) == 1
    assert exit_code(text.replace(*mended)) == 0


@pytest.mark.slow
def test_a_hessian_of_moved_outputs_is_shown_where_eqprop_cannot_be_imported(module, tmp_path):
    text = script(saved(f"{module}:moved_pair", "hessian-generator", tmp_path / "found"))
    (tmp_path / "alone").mkdir()
    for code, shown in ((1, text), (0, text.replace(*STOPPED))):
        done = run(shown, tmp_path / "alone")
        assert done.returncode == code, done.stdout + done.stderr
        assert "difference" in done.stdout


@pytest.mark.slow
def test_what_no_script_shows_is_refused(module, tmp_path, monkeypatch):
    for pair, message in (
        ("strange_pair", "script_nets.py:5: the model needs 'import eqprop'"),
        ("nameless_pair", r"<lambda>', which is no name of a module; .*: move it to the top level"),
    ):
        file = saved(f"{module}:{pair}", "equivariance", tmp_path / "found")
        with pytest.raises(eqprop.InvalidInput, match=message):
            script(file)
    file = saved(f"{module}:unnamed_pair", "group-laws", tmp_path / "found")
    with pytest.raises(eqprop.InvalidInput, match=r"the action is '<lambda>', which is no name of a module"):
        script(file)
    file = saved(f"{module}:joined_pair", "group-laws", tmp_path / "found")
    with pytest.raises(eqprop.InvalidInput, match=r"made by eqprop \('combined'\).* without --script shows them"):
        script(file)
    file = saved(f"{module}:ordered_pair", "derivative", tmp_path / "found")
    with pytest.raises(
        eqprop.InvalidInput, match=r"'ordered' has integers or state .*Make them constants of the model"
    ):
        script(file)
    file = saved(f"{module}:steep_pair", "input-derivative", tmp_path / "found")
    monkeypatch.delitem(scripting.SHOWN, "input-derivative")
    with pytest.raises(eqprop.InvalidInput, match="'input-derivative' has no script; those that have one are: group-l"):
        script(file)


def test_a_model_is_shown_with_what_it_needs_and_nothing_else(module):
    (task,) = resolve(f"{module}:fused_pair")
    name, text = model_source(eqprop.load(task.address).model.apply)
    assert name == "network"
    shown = ("import", "from", "HELPER", "UNUSED", "fused.")
    assert [line for line in text.splitlines() if line.startswith(shown)] == [
        "import jax",
        "import jax.numpy as jnp",
        "HELPER = 0.0",
        "fused.defvjp(lambda x, b: (fused(x, b), (x, b)), backward)",
    ]
    assert "@jax.custom_vjp" in text
    assert "def pair" not in text


def test_trees_are_written_as_python():
    tree = {"a": [np.ones(2, np.float32), (np.int32(3),)], "b": None}
    assert JAX.literal(tree) == "{'a': [jnp.array([1.0, 1.0], 'float32'), (jnp.array(3, 'int32'), ), ], 'b': None}"
    with pytest.raises(eqprop.InvalidInput, match="a script shows dictionaries, lists, tuples and arrays"):
        JAX.literal({"a": object()})
    assert TORCH.literal({"a": np.ones(2)}) == "{'a': torch.tensor([1.0, 1.0], dtype=torch.float64)}"
