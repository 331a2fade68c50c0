"""A network of drawn widths whose units are rescaled, searched: correct, or with a defect; and planted properties."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.profiles import PROFILES
from eqprop.properties import Property, by_name
from eqprop.properties.parts import of_numbers
from eqprop.search import Options, Search, SearchTask, search

SMALL = replace(PROFILES["gate"], name="small", architectures=2, examples=6, probes=16)
BIAS_FORGOTTEN, GRADIENT_SCALED = "bias forgotten", "gradient scaled"


@jax.custom_vjp
def scaled(x):
    return jax.nn.relu(x)


def _scaled_backward(x, w):
    return (w * (x > 0) * (1 + 1e-6 * jnp.reshape(jnp.arange(1.0, 1.0 + x.size), x.shape)),)


scaled.defvjp(lambda x: (jax.nn.relu(x), x), _scaled_backward)


def build(d_in, hidden, d_out, batch, defect):
    rng = np.random.default_rng(0)
    shapes = {"b": (1, hidden), "v": (hidden, d_out), "w": (d_in, hidden)}
    relu = scaled if defect == GRADIENT_SCALED else jax.nn.relu

    def apply(p, x):
        return relu(x @ p["w"] + jnp.broadcast_to(p["b"], (batch, hidden))) @ p["v"]

    writes = {"w": 1} if defect == BIAS_FORGOTTEN else {"w": 1, "b": 1}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    model = eqprop.Model(apply, params, rng.standard_normal((batch, d_in)), trained=False)
    drawn = {"d_in": d_in, "hidden": hidden, "d_out": d_out, "batch": batch}
    rescaling = eqprop.hidden_units(groups.Scaling(hidden), writes=writes, reads={"v": 0})
    return eqprop.Pair(model, rescaling, name="net", architecture=drawn)


def nets(defect=""):
    width = st.integers(1, 5)
    return st.builds(build, width, width, width, st.integers(1, 4), st.just(defect))


def searched(defect="", names=("equivariance",), *, seed=0, profile=SMALL, **task):
    options = Options(profile, seed=seed, properties=tuple(by_name(name) for name in names))
    return search(SearchTask("net", nets(defect), **task), options)


def explored(defect, names=("equivariance",), profile=SMALL, **task):
    found = Search(SearchTask("net", nets(defect), **task), Options(profile, properties=tuple(map(by_name, names))))
    found.explore()
    return found


def planted(sides, name="planted", **changes):
    """A property of the parameters alone; costly."""
    return replace(Property(name, 0, "", "", sides, frozenset({"params"}), costly=True), **changes)


def holds(point):
    total = jnp.sum(point.theta[2] ** 2)
    return (of_numbers(total, total, total),)


def judged(*properties, pairs=None, **budget):
    """The verdicts, with the architectures and the probes of each batch that was judged."""
    profile = replace(SMALL, examples=40, architectures=40, probes=5, **budget)
    return search(SearchTask("net", nets() if pairs is None else pairs), Options(profile, properties=properties))
