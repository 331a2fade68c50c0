"""The Python that pages show runs as it stands, beside what they take for granted; so does the README's example."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jax
import pytest

import eqprop
from tests.pages import Reader, blocks, python_of

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

NET = """
import jax
import jax.numpy as jnp
import numpy as np
import eqprop
from eqprop import groups

def dense(params, x):
    return jax.nn.relu(x @ params["w1"] + params["b1"]) @ params["w2"]

x = np.random.default_rng(0).standard_normal((3, 8))
"""
ATTENTION = """
heads, width, features = 2, 3, 8

def attention(p, x):
    normed = p["norm/scale"] * x / jnp.sqrt(jnp.mean(x**2, -1, keepdims=True)) + p["norm/bias"]
    q, k = (jnp.reshape(x @ p[f"attn/w{name}"], (-1, heads, width)) for name in "qk")
    scores = jax.nn.softmax(jnp.einsum("ihu,jhu->hij", q, k))
    return jnp.sum(scores, 0) @ jax.nn.relu(normed @ p["mlp/w_in"])

shapes = {"attn/wq": (8, 6), "attn/wk": (8, 6), "norm/scale": (8,), "norm/bias": (8,), "mlp/w_in": (8, 4)}
rng = np.random.default_rng(0)
model = eqprop.Model(attention, {path: rng.standard_normal(shape) for path, shape in shapes.items()}, x)

weights = {"0.weight": np.ones((5, 8)), "0.bias": np.ones(5)}
torch_model = eqprop.Model(lambda p, x: x @ p["0.weight"].T + p["0.bias"], weights, x)
kernel = {"Dense_0/kernel": np.ones((8, 5)), "Dense_0/bias": np.ones(5)}
flax_model = eqprop.Model(lambda p, x: x @ p["Dense_0/kernel"] + p["Dense_0/bias"], kernel, x)
"""
OPTIMISER = """
import optax
params = {"w1": jnp.ones((8, 4)), "b1": jnp.zeros(4), "w2": jnp.ones((4, 2))}
swap = eqprop.hidden_units(groups.Permutation(4), writes={"w1": 1, "b1": 0}, reads={"w2": 0})
pair = eqprop.Pair(eqprop.Model(dense, params, x), swap)
"""
GIVEN = {
    "README.md": "import jax\nimport jax.numpy as jnp\n",
    "docs/constructors.md": NET + ATTENTION,
    "docs/optimizers.md": NET + OPTIMISER,
}
"""Page → what its readers have already."""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A search that is soon over, and that raises as ``verify`` does; users write ordinary JAX."""
    asked = {"profile": "quick", "probes": 16, "unseen": False, "save": None}
    verify = eqprop.verify
    monkeypatch.setattr(eqprop, "verify", lambda pair, **options: verify(pair, **asked, **options))
    with jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("page", GIVEN)
def test_the_python_of_a_page_runs(page):
    names: dict[str, Any] = {}
    exec(GIVEN[page], names)
    for text in python_of(ROOT / page, torch=False):
        exec(text, names)


def test_the_kernel_of_the_readme_is_that_of_the_example():
    example = (ROOT / "examples" / "broken.py").read_text(encoding="utf-8")
    parts = python_of(README, torch=False)[0].rstrip().split("\n\n\n")
    assert [part for part in parts if part not in example] == []


def test_the_example_of_the_readme_shows_what_happens(tmp_path):
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "broken.py", tmp_path / "examples")
    reader = Reader(tmp_path)
    consoles = [block for block in blocks(README.read_text(encoding="utf-8")) if block.language == "console"]
    for console in consoles[:1]:  # the two behind it are those of `.ci/run`
        reader.follow(console)
    assert len(consoles) == 3
    assert reader.code == 1
