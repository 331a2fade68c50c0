"""The examples do what their docstrings say: the networks learn, and the planted bug hides where it is said to."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.evaluation import Program, applicable
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import CORE, LIBRARY

pytestmark = pytest.mark.installed

broken, digits = import_module("examples.broken"), import_module("examples.digits")

QUICK = ("equivariance", "noether", "hessian-generator")

OWN = ("linen_mlp", "nnx_mlp", "equinox_mlp", "haiku_mlp", "keras_mlp", "torch_mlp")
"""A network of each library that there is an adapter to."""

TEST = slice(digits.TRAIN, None)


@pytest.fixture(autouse=True)
def users_write_ordinary_jax():
    with jax.numpy_rank_promotion("allow"):
        yield


NETWORKS = pytest.mark.parametrize(
    "build", [digits.perceptron, digits.attention_classifier], ids=lambda build: build.__name__
)


@NETWORKS
def test_the_checkpoint_reads_more_than_nine_test_images_in_ten(build):
    images, labels = digits.digits()
    network = build()
    assert network.accuracy(network.restored(), images[TEST], labels[TEST]) > 0.9


def test_the_checkpoint_has_the_first_test_images():
    images, labels = digits.digits()
    kept = digits.checkpoint()
    assert np.array_equal(kept["images"], images[TEST][: digits.BATCH])
    assert np.array_equal(kept["labels"], labels[TEST][: digits.BATCH])


def test_a_checkpoint_of_other_networks_is_refused(monkeypatch):
    monkeypatch.setattr(digits, "HIDDEN", 17)
    with pytest.raises(ValueError, match=r"digits.json is of other networks .* python -m examples.digits"):
        digits.perceptron().restored()


@pytest.mark.slow
@NETWORKS
def test_training_again_is_in_float32_and_reads_as_well(build):
    images, labels = digits.digits()
    with jax.enable_x64(True):
        params = build().train()
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}
    assert build().accuracy(params, images[TEST], labels[TEST]) > 0.9


@pytest.mark.slow
def test_every_pair_has_a_name_of_its_own_and_computes_in_float64_throughout():
    pairs = digits.pairs()
    assert len({pair.name for pair in pairs}) == len(pairs)
    programs = [Program(pair, LIBRARY[:2], SQUARED_ERROR) for pair in pairs]
    assert {name for program in programs for name in program.lowest.values()} == {"float64"}


def test_the_broken_kernel_has_the_right_forward_pass():
    x, b = jnp.asarray(np.random.default_rng(0).standard_normal((2, 5, 3)))
    assert np.array_equal(broken.fused_bias_relu(x, b[0]), jax.nn.relu(x + b[0]))


def test_the_broken_kernel_has_the_right_gradient_while_biases_are_zero():
    x = jnp.asarray(np.random.default_rng(0).standard_normal((5, 3)))
    b = jnp.zeros(3)
    right = jax.grad(lambda x, b: jnp.sum(jax.nn.relu(x + b) ** 3), (0, 1))(x, b)
    found = jax.grad(lambda x, b: jnp.sum(broken.fused_bias_relu(x, b) ** 3), (0, 1))(x, b)
    assert all(np.array_equal(a, b) for a, b in zip(right, found, strict=True))


def test_the_broken_kernel_satisfies_order_0_and_is_no_derivative_and_violates_the_identities_along_the_orbit():
    pair = broken.pairs()
    program = Program(pair, [p for p in applicable(pair, CORE) if p.order < 2], SQUARED_ERROR)
    rng = np.random.default_rng(0)
    judged = program.judge(program.draw(rng, 64), rng)
    violated = {name for name, judgement in judged.items() if judgement.suspect.any()}
    assert violated == {"jacobian-generator", "noether", "derivative", "input-derivative"}


def test_the_public_door_runs_the_example():
    with pytest.raises(eqprop.Falsified, match="jacobian-generator"):
        eqprop.verify(broken.pairs(), profile="quick")


@pytest.mark.parametrize("name", OWN)
def test_a_network_of_a_library_has_its_verdict_in_at_most_twelve_lines(name):
    if name in {"keras_mlp", "torch_mlp"}:
        pytest.importorskip(name.removesuffix("_mlp"))
    example = import_module(f"examples.{name}")
    report = eqprop.run(example.pair, profile="quick", properties=QUICK, probes=32, unseen=False, save=None)
    assert {str(verdict.outcome) for verdict in report.verdicts} == {"holds"}
    assert {verdict.precision for verdict in report.verdicts} == {"float64"}
    assert statements(inspect.getsource(example)) <= 12


def statements(source: str) -> int:
    """The lines that somebody wrote: not those that are blank or text, and one for what the formatter broke."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    return sum(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in nodes)


def test_statements_are_counted_without_text_and_blank_lines():
    assert statements('"""Text."""\n\nimport os\n\n\ndef f(\n    x,\n):\n    return x\n') == 3
