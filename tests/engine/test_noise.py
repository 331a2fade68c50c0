"""Random rounding inside a program: exact without signs, and seen where the inputs' perturbation is blind."""

from __future__ import annotations

from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.engine import TABLE, with_rounding_noise
from eqprop.engine.walk import Walk
from eqprop.evaluation import Choice, Program, fresh_perturbations, rounding_inside
from eqprop.probes import SQUARED_ERROR, Probe
from eqprop.properties import by_name
from eqprop.rounding import perturbed

pytestmark = pytest.mark.usefixtures("float64")

EPS = float(np.finfo(np.float64).eps)
X = np.random.default_rng(0).standard_normal((3, 3))


def elementary(x: Any) -> Any:
    return {"a": jnp.tanh(x @ x) / (1 + x**2), "b": (jnp.sum(jnp.exp(x), axis=0), jnp.max(x)), "i": jnp.argsort(x[0])}


def scanned(x: Any) -> Any:
    return jax.lax.scan(lambda carry, row: (jnp.sin(carry + row), carry @ row), x[0], x)


def fori(x: Any) -> Any:
    return jax.lax.fori_loop(0, 4, lambda i, y: y @ x + jnp.cos(y), x)


def while_loop(x: Any) -> Any:
    return jax.lax.while_loop(lambda y: jnp.sum(y**2) > 1, lambda y: y / 3, x)


def while_loop_of_each_entry(x: Any) -> Any:
    return jax.vmap(while_loop)(x * jnp.array([[1.0], [9.0], [30.0]]))


def branched(x: Any) -> Any:
    return jax.lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x) + jax.lax.switch(1, [jnp.exp, jnp.tanh], x)


def with_custom_jvp(x: Any) -> Any:
    return jax.nn.relu(x) + jax.nn.silu(x) + jax.nn.logsumexp(x)


@jax.custom_vjp
def cube(x: Any) -> Any:
    return x**3


cube.defvjp(lambda x: (cube(x), x), lambda x, w: (3 * x**2 * w,))


def with_custom_vjp(x: Any) -> Any:
    return jax.grad(lambda y: jnp.sum(cube(y) * y))(x)


def second_derivative(x: Any) -> Any:
    return jax.jvp(jax.grad(lambda y: jnp.sum(jax.nn.softmax(y @ y) ** 2)), (x,), (jnp.ones((3, 3)),))[1]


def factored(x: Any) -> Any:
    symmetric = x @ x.T + jnp.eye(3)
    return jnp.linalg.inv(symmetric), jnp.linalg.cholesky(symmetric), jnp.linalg.eigh(symmetric)[0], jnp.linalg.qr(x)[1]


def checkpointed(x: Any) -> Any:
    return jax.grad(lambda y: jnp.sum(jax.checkpoint(jnp.sin)(y @ y)))(x)


def closed_over(x: Any) -> Any:
    return jax.jit(lambda y: y @ X + jnp.asarray(X) * y)(x)


def convolved(x: Any) -> Any:
    return jax.lax.conv_general_dilated(x[None, None], x[None, None], (1, 1), "SAME")


def in_float32(x: Any) -> Any:
    return jax.nn.softmax(x.astype(jnp.float32)).astype(x.dtype)


PROGRAMS = [
    elementary,
    scanned,
    fori,
    while_loop,
    while_loop_of_each_entry,
    branched,
    with_custom_jvp,
    with_custom_vjp,
    second_derivative,
    factored,
    checkpointed,
    closed_over,
    convolved,
    in_float32,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_signs_the_program_is_reproduced_bit_for_bit(program: Any):
    found = with_rounding_noise(program, X)(X, np.zeros(TABLE))
    plain = jax.make_jaxpr(program)(X)
    with (
        jax.disable_jit()
    ):  # operation by operation, as the noisy program runs: compiled, both may be fused differently
        expected = jax.extend.core.jaxpr_as_fun(plain)(X)
    assert jax.tree.structure(found) == jax.tree.structure(program(X))
    for a, b in zip(jax.tree.leaves(found), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("program", PROGRAMS)
def test_with_signs_the_results_move_by_some_units_in_the_last_place(program: Any):
    eps = float(np.finfo(np.float32).eps) if program is in_float32 else EPS
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (20, TABLE))
    noisy = jax.jit(jax.vmap(with_rounding_noise(program, X), in_axes=(None, 0)))(X, signs)
    for rows, exact in zip(jax.tree.leaves(noisy), jax.tree.leaves(program(X)), strict=True):
        if not jnp.issubdtype(exact.dtype, jnp.floating):
            np.testing.assert_array_equal(rows, np.broadcast_to(exact, rows.shape))
            continue
        moved = np.abs(np.asarray(rows) - np.asarray(exact)).max() / np.abs(exact).max()
        # A handful of roundings, amplified by the condition of a 3×3 matrix at most.
        assert moved < 1e3 * eps
        assert moved > 0 or exact.ndim == 0


def test_an_operation_that_does_not_round_stays_exact():
    noisy = with_rounding_noise(lambda x: (jnp.max(-x.T.reshape(9)), jnp.sort(x, axis=0), x[::-1, 1:]), X)
    for a, b in zip(noisy(X, np.ones(TABLE)), (np.max(-X), np.sort(X, axis=0), X[::-1, 1:]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_entry_and_each_operation_has_a_sign_of_its_own():
    signs = np.random.default_rng(1).choice([-1.0, 1.0], TABLE)
    once, twice = with_rounding_noise(lambda x: (x * 1.0, x * 1.0 + 0.0), np.ones(100))(np.ones(100), signs)
    assert 20 < (np.asarray(once) > 1).sum() < 80
    assert 10 < (np.asarray(twice) == 1).sum() < 90


def test_a_result_larger_than_the_table_of_signs_gets_noise_throughout():
    large = np.ones(3 * TABLE + 7)
    noisy = np.asarray(with_rounding_noise(lambda x: x * 1.0, large)(large, np.ones(TABLE)))
    np.testing.assert_array_equal(noisy, 1 + EPS)


def test_each_round_of_a_loop_rounds_in_its_own_way():
    def products(x: Any) -> Any:
        return jax.lax.scan(lambda _, row: (None, row * 1.0), None, jnp.ones((50, 4)) * x)[1]

    signs = np.random.default_rng(2).choice([-1.0, 1.0], TABLE)
    rounds = np.asarray(with_rounding_noise(products, np.ones(()))(np.ones(()), signs))
    assert len(np.unique(rounds, axis=0)) > 10


def in_scan(f: Any, x: Any) -> Any:
    return jax.lax.scan(lambda _, once: (f(once), None), jnp.zeros_like(x), x[None])[0]


def in_while(f: Any, x: Any) -> Any:
    return jax.lax.while_loop(lambda state: state[0] < 1, lambda state: (state[0] + 1, f(x)), (0, jnp.zeros_like(x)))[1]


def in_branch(f: Any, x: Any) -> Any:
    return jax.lax.cond(x[0] > 0, f, lambda x: x, x)


@pytest.mark.parametrize("within", [in_scan, in_while, in_branch])
def test_what_a_loop_or_a_branch_absorbs_is_seen(within: Any):
    def lost(x: Any) -> Any:
        return (1e18 * x + 3.3) - 1e18 * x

    noisy = with_rounding_noise(lambda x: within(lost, x), np.ones(1))
    found = [float(noisy(np.ones(1), signs)[0]) for signs in np.random.default_rng(0).choice([-1.0, 1.0], (8, TABLE))]
    assert len(set(found)) > 1


def absorbed(p: Any, x: Any) -> Any:
    """d, if it were not lost between u·v and itself."""
    return (p["u"] * p["v"] + p["d"]) - p["u"] * p["v"] + 0 * x


THETA = (np.array([3.3]), np.array([1.1e8]), np.array([1.3e8]))  # d, u, v: one unit in the last place of u·v is 2


def test_absorption_is_invisible_to_perturbed_inputs_and_visible_to_the_noise():
    batch = Probe(params=jax.tree.map(lambda leaf: leaf[None], THETA), inputs=np.zeros((1, 1)))
    rows = perturbed(batch, 63, EPS, np.random.default_rng(0))

    def f(probe):
        return absorbed(dict(zip("duv", probe.params, strict=True)), probe.inputs)

    assert set(np.ravel(jax.vmap(f)(rows))) == {4.0}
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (64, TABLE))
    noisy = jax.vmap(with_rounding_noise(f, rows.at(0)))(rows, signs)
    assert len(set(np.ravel(noisy))) > 1


GRADED = np.array([[1e8, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.5, 1.0]])


@pytest.mark.parametrize(
    "matrix", [GRADED, GRADED + 0.5j * (np.eye(3, k=1) - np.eye(3, k=-1))], ids=["real", "complex"]
)
@pytest.mark.parametrize("spectrum", [jnp.linalg.eigvalsh, lambda a: jnp.linalg.svd(a, compute_uv=False)[::-1]])
@pytest.mark.parametrize("walked", [True, False], ids=["walked", "compiled"])
def test_a_small_eigenvalue_beside_a_large_one_has_the_errors_of_the_large_one(walked: Any, spectrum: Any, matrix: Any):
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (64, TABLE))
    signs[0] = 0
    if walked:
        (moved,) = Walk(jax.make_jaxpr(spectrum)(matrix))([matrix[..., None]], signs.T)
        smallest = moved[0]
    else:
        smallest = jax.vmap(with_rounding_noise(spectrum, matrix), in_axes=(None, 0))(matrix, signs)[:, 0]
    off = np.abs(np.asarray(smallest) - smallest[0]).max() / (1e8 * EPS)
    assert 0.1 < off < 10


def test_eigenvalues_of_a_graded_matrix_are_no_false_alarm():
    def apply(p: Any, x: Any) -> Any:
        hidden = x @ p["w"]
        return jnp.tanh(jnp.linalg.eigh(hidden.T @ hidden)[0])

    model = eqprop.Model(apply, {"w": np.ones((3, 3))}, np.ones((2, 3)), trained=False)
    turned = eqprop.Transformation(groups.Orthogonal(3), lambda q, p: {"w": p["w"] @ q}, side="right")
    found = eqprop.check(
        eqprop.Pair(model, turned),
        "noether",
        loss="Huber",
        params={"w": np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 34.44815193168466, 0.0]])},
        inputs=np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]),
        algebra=np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]),
        targets=np.zeros(3),
    )
    assert found.outcome is not eqprop.Outcome.FALSIFIED


def equivariance(apply: Any, action: Any, example: Any, evaluator: Choice = "xla") -> Program:
    model = eqprop.Model(apply, example, np.ones(1), trained=False)
    pair = eqprop.Pair(model, eqprop.Transformation(groups.Scaling(1), action))
    return Program(pair, (by_name("equivariance"),), SQUARED_ERROR, evaluator=evaluator)


def test_a_false_alarm_by_absorption_does_not_survive_the_noise():
    example = {"d": np.ones(1), "u": np.ones(1), "v": np.ones(1)}
    program = equivariance(absorbed, lambda c, p: {**p, "u": c * p["u"]}, example)
    batch = Probe(params=tuple(leaf[None] for leaf in THETA), inputs=np.zeros((1, 1)), element=np.array([[1024.0]]))
    rng = np.random.default_rng(0)
    assert program.judge(batch, rng)["equivariance"].suspect[0]
    assert fresh_perturbations(program, "equivariance", batch, rng).suspect[0]
    under_noise = rounding_inside(program, "equivariance", batch, rng)
    assert not under_noise.suspect[0]
    assert under_noise.inconclusive[0]


def test_no_false_alarm_by_absorption_arises_where_programs_are_walked():
    example = {"d": np.ones(1), "u": np.ones(1), "v": np.ones(1)}
    program = equivariance(absorbed, lambda c, p: {**p, "u": c * p["u"]}, example, "numpy")
    batch = Probe(params=tuple(leaf[None] for leaf in THETA), inputs=np.zeros((1, 1)), element=np.array([[1024.0]]))
    judged = program.judge(batch, np.random.default_rng(0))["equivariance"]
    assert judged.inconclusive[0]
    assert not judged.suspect[0]


@pytest.mark.parametrize(("error", "genuine"), [(0.0, False), (1e-9, True)], ids=["correct", "off by 1e-9"])
def test_a_genuine_violation_survives_the_noise_and_correct_code_stays_below(error: float, genuine: bool):
    example = {"w": np.ones((3, 4)), "a": np.ones((4, 2))}
    program = equivariance(
        lambda p, x: jnp.tanh(jax.nn.relu(x @ p["w"][:1]) @ p["a"]),
        lambda c, p: {"w": p["w"] * c[0] * (1 + error), "a": p["a"] / c[0]},
        example,
    )
    rng = np.random.default_rng(3)
    probes = program.draw(rng, 16)
    plain, noisy = program.judge(probes, rng)["equivariance"], rounding_inside(program, "equivariance", probes, rng)
    settled = ~noisy.inconclusive & ~noisy.vacuous
    assert settled.sum() > 4
    assert plain.suspect[settled].any() == genuine
    assert noisy.suspect[settled].any() == genuine
    # The same numbers but for how XLA joins a product and a sum in either program.
    np.testing.assert_allclose(plain.residual, noisy.residual, rtol=0, atol=4 * np.finfo(float).eps)


def test_matrices_without_entries_are_decomposed_with_errors_too(float64: None):
    def spectrum(x: Any) -> Any:
        return jnp.linalg.eigh(x)[0]

    none = np.zeros((0, 0))
    (walked,) = Walk(jax.make_jaxpr(spectrum)(none))([none[..., None]], np.ones((TABLE, 1)))
    noisy = with_rounding_noise(spectrum, none)(none, np.ones(TABLE))
    assert (walked.shape[0], noisy.shape) == (0, (0,))
