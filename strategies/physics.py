"""Energies of configurations: spins and particles are the parameters, couplings are among the inputs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from string import ascii_lowercase

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.surroundings import Apply, Embedded, Shape, examples


def energy(apply: Apply, shapes: dict[str, Shape], couplings: Shape, drawn: Mapping[str, Hashable]) -> Embedded:
    """A model of energies: one for each sample of the couplings, which have a leading axis for these."""
    params, inputs = examples(shapes, couplings)
    return Embedded(apply, params, inputs, drawn)


@st.composite
def spin_glasses(draw: st.DrawFn, degrees: tuple[int, ...]) -> tuple[int, Embedded]:
    """The degree p and the energies Σ J_ij… σ_i σ_j … of p-spin glasses with soft spins; shrinks to one spin."""
    p, spins, samples = draw(st.sampled_from(degrees)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    letters = ascii_lowercase[:p]

    def apply(params: Params, couplings: Inputs) -> Outputs:
        return jnp.einsum(f"z{letters},{','.join(letters)}->z", couplings, *[params["spins"]] * p)

    drawn = {"degree": p, "spins": spins, "samples": samples}
    return p, energy(apply, {"spins": (spins,)}, (samples, *(spins,) * p), drawn)


@st.composite
def vector_spins(draw: st.DrawFn) -> tuple[int, Embedded]:
    """The dimension n and the energies Σ J_ij ⟨S_i, S_j⟩ + Σ u_i (|S_i|² − 1)² of O(n) spins; shrinks to two spins."""
    spins, n, samples = draw(st.integers(2, 4)), draw(st.integers(2, 3)), draw(st.integers(1, 4))
    quartic = draw(st.booleans())

    def apply(params: Params, couplings: Inputs) -> Outputs:
        gram = params["spins"] @ params["spins"].T
        exchange = jnp.einsum("zij,ij->z", couplings, gram)
        excess = (jnp.diagonal(gram) - 1) ** 2
        return exchange + jnp.einsum("zii,i->z", couplings, excess) if quartic else exchange

    drawn = {"spins": spins, "dimension": n, "samples": samples, "quartic": quartic}
    return n, energy(apply, {"spins": (spins, n)}, (samples, spins, spins), drawn)


def _squares(x: Array) -> Array:
    """|x_i − x_j|² for all pairs of particles i < j, (pairs,)."""
    i, j = np.triu_indices(x.shape[0], 1)
    return jnp.sum((x[i] - x[j]) ** 2, axis=-1)


@st.composite
def particles(draw: st.DrawFn, *, softened: bool) -> tuple[int, int, float, Embedded]:
    """How many particles, in how many dimensions, the power p, and the energies Σ q_ij |x_i − x_j|^p.

    Args:
        draw: of the strategy.
        softened: whether distances are √(|x_i − x_j|² + 1), which is no power law.
    """
    count, dimension, samples = draw(st.integers(2, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    power = draw(st.sampled_from((2.0, 4.0, -1.0, 1.0, -2.0)))

    def apply(params: Params, charges: Inputs) -> Outputs:
        squares = _squares(params["positions"])
        return charges @ (squares + 1 if softened else squares) ** (power / 2)

    pairs = count * (count - 1) // 2
    drawn = {"particles": count, "dimension": dimension, "power": power, "samples": samples, "softened": softened}
    net = energy(apply, {"positions": (count, dimension)}, (samples, pairs), drawn)
    return count, dimension, power, net


@st.composite
def neural_odes(draw: st.DrawFn) -> Embedded:
    """x(T) of x' = tanh(x W + b) A, by two to three steps of Euler's or Heun's method; T is a parameter."""
    width, hidden, steps = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.sampled_from((2, 2, 3)))
    batch, bias, heun = draw(st.integers(1, 4)), draw(st.booleans()), draw(st.booleans())
    shapes: dict[str, Shape] = {"w": (width, hidden), "a": (hidden, width), "time": (1,)}
    shapes |= {"b": (hidden,)} if bias else {}

    def apply(params: Params, x: Array) -> Outputs:
        step = params["time"][0] / steps

        def field(x: Array) -> Array:
            z = x @ params["w"]
            return jnp.tanh(z + jnp.broadcast_to(params["b"], z.shape) if bias else z) @ params["a"]

        for _ in range(steps):
            slope = field(x)
            slope = (slope + field(x + step * slope)) / 2 if heun else slope
            x = x + step * slope
        return x

    params, inputs = examples(shapes, (batch, width))
    drawn = {"width": width, "hidden": hidden, "steps": steps, "batch": batch, "bias": bias, "heun": heun}
    return Embedded(apply, params, inputs, drawn)
