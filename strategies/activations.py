"""Activation functions, by the hypotheses under which symmetries hold: homogeneous, odd, mirrored, smooth, any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from hypothesis import strategies as st

from eqprop.arguments import whole_number
from eqprop.engine import Array

Mirror = Literal["", "odd", "complement", "skip"]


@dataclass(frozen=True)
class Activation:
    """σ, applied entry by entry.

    Attributes:
        name: identifies the function; part of architectures.
        function: σ itself.
        degree: p where σ(cz) = c^p σ(z) for c > 0, else None.
        mirror: what σ(−z) is: ``odd`` −σ(z), ``complement`` 1 − σ(z), ``skip`` σ(z) − z, or nothing simple.
        smooth: whether σ has all derivatives everywhere.
    """

    name: str
    function: Callable[[Array], Array]
    degree: int | None = None
    mirror: Mirror = ""
    smooth: bool = True

    @property
    def odd(self) -> bool:
        """Whether σ(−z) = −σ(z)."""
        return self.mirror == "odd"

    def __call__(self, z: Array) -> Array:
        return self.function(z)

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


def _identity(z: Array) -> Array:
    return z


def _prelu(z: Array) -> Array:
    return jnp.where(z > 0, z, 0.25 * z)


def _relu_squared(z: Array) -> Array:
    return jax.nn.relu(z) ** 2


def _exact_gelu(z: Array) -> Array:
    return jax.nn.gelu(z, approximate=False)


IDENTITY = Activation("identity", _identity, degree=1, mirror="odd")
TANH = Activation("tanh", jnp.tanh, mirror="odd")
SIN = Activation("sin", jnp.sin, mirror="odd")
ERF = Activation("erf", jax.scipy.special.erf, mirror="odd")
RELU = Activation("relu", jax.nn.relu, degree=1, mirror="skip", smooth=False)
LEAKY_RELU = Activation("leaky-relu", jax.nn.leaky_relu, degree=1, smooth=False)
PRELU = Activation("prelu-0.25", _prelu, degree=1, smooth=False)
ABS = Activation("abs", jnp.abs, degree=1, smooth=False)
RELU_SQUARED = Activation("relu-squared", _relu_squared, degree=2, smooth=False)
SIGMOID = Activation("sigmoid", jax.nn.sigmoid, mirror="complement")
GELU = Activation("gelu", _exact_gelu, mirror="skip")
GELU_TANH = Activation("gelu-tanh", jax.nn.gelu, mirror="skip")
SILU = Activation("silu", jax.nn.silu, mirror="skip")
SOFTPLUS = Activation("softplus", jax.nn.softplus, mirror="skip")

EXP = Activation("exp", jnp.exp)
"""Not among ``ACTIVATIONS``: it overflows in networks that are drawn without regard to it."""


def squareplus(epsilon: float) -> Activation:
    """(z + √(z² + ε))/2, a ReLU made smooth (Barron 2021, arXiv 2112.11687): zσ′ − σ is −ε/(2√(z² + ε))."""
    return Activation(f"squareplus-{epsilon:g}", lambda z: 0.5 * (z + jnp.sqrt(z**2 + epsilon)))


ACTIVATIONS = (
    IDENTITY,
    TANH,
    RELU,
    GELU,
    SILU,
    SIN,
    ABS,
    LEAKY_RELU,
    PRELU,
    SIGMOID,
    SOFTPLUS,
    GELU_TANH,
    ERF,
    RELU_SQUARED,
)
"""All of them, simplest first: what ``activations()`` draws from and shrinks towards the front of."""


def activations() -> st.SearchStrategy[Activation]:
    """Any activation; shrinks to the identity."""
    return st.sampled_from(ACTIVATIONS)


def nonlinear_activations() -> st.SearchStrategy[Activation]:
    """Any activation but the identity; shrinks to tanh."""
    return st.sampled_from(ACTIVATIONS[1:])


def homogeneous_activations(degree: int = 1) -> st.SearchStrategy[Activation]:
    """σ(cz) = c^p σ(z) for c > 0, with a kink; degree 1 shrinks to ReLU, degree 2 is ReLU squared.

    The identity is left out: a layer with it has a larger group.

    Raises:
        InvalidInput: for another degree.
    """
    degree = whole_number(degree, "homogeneous_activations: the degree is", least=1, most=2)
    found = tuple(a for a in ACTIVATIONS if a.degree == degree and a is not IDENTITY)
    return st.sampled_from(found)


def odd_activations() -> st.SearchStrategy[Activation]:
    """σ(−z) = −σ(z), the identity left out; shrinks to tanh."""
    return st.sampled_from(tuple(a for a in ACTIVATIONS if a.odd and a is not IDENTITY))


def smooth_activations() -> st.SearchStrategy[Activation]:
    """Smooth, neither odd nor homogeneous; shrinks to GELU."""
    return st.sampled_from(tuple(a for a in ACTIVATIONS if a.smooth and not a.odd))


def skip_activations() -> st.SearchStrategy[Activation]:
    """Smooth with σ(z) − σ(−z) = z, so that a linear skip absorbs a sign flip; shrinks to GELU."""
    return st.sampled_from(tuple(a for a in ACTIVATIONS if a.smooth and a.mirror == "skip"))
