"""Data closed under a group: a network that sees all turns and reflections of each of its inputs."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array, Tree
from eqprop.strategies.activations import GELU, SIGMOID, SOFTPLUS, TANH, Activation
from eqprop.strategies.surroundings import Embedded, batches, examples, shifted

ACTIVATIONS = (TANH, GELU, SOFTPLUS, SIGMOID)


@dataclass(frozen=True)
class OrbitNet:
    """A hidden layer on rings of numbers, at all 2n turns and reflections of each; the defaults are what it shrinks to.

    Attributes:
        activation: of the hidden layer.
        corners: n, numbers in a ring.
        hidden: units.
        d_out: features that leave.
        batch: rings.
        pooled: whether what leaves is the mean over the images of a ring, or each of them, (2n, batch, d_out).
    """

    activation: Activation = TANH
    corners: int = 3
    hidden: int = 1
    d_out: int = 1
    batch: int = 1
    pooled: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    def net(self) -> Embedded:
        """The network, with parameters w (n, hidden), b and a (hidden, d_out)."""
        shapes: Tree = {"w": (self.corners, self.hidden), "b": (self.hidden,), "a": (self.hidden, self.d_out)}
        params, inputs = examples(shapes, (self.batch, self.corners))
        return Embedded(self._apply, params, inputs, {})

    def _apply(self, params: Params, inputs: Inputs) -> Outputs:
        images = jnp.moveaxis(inputs[:, sources(self.corners)], 1, 0)
        out = self.activation(shifted(images @ params["w"], params["b"])) @ params["a"]
        return jnp.mean(out, axis=0) if self.pooled else out


def sources(corners: int) -> np.ndarray:
    """What each place of each image shows, (2n, n): image r is turned by r, image n + r reflected before that."""
    turned, place = np.arange(corners)[:, None], np.arange(corners)[None, :]
    return np.concatenate([place - turned, turned - place]) % corners


def images_moved(element: tuple[Array, Array], outputs: Array, corners: int) -> Array:
    """What left the image of g, of an element g of the dihedral group, is put at that of h g; (2n, …).

    Args:
        element: h.
        outputs: of each of the images.
        corners: n.
    """
    turned, side = element
    places = np.arange(corners)
    ahead, behind = (turned + side * places) % corners, corners * (side < 0)
    target = jnp.concatenate([ahead + behind, ahead + corners - behind])
    return jnp.zeros_like(outputs).at[target].set(outputs)


def same_for_all(outputs: Array) -> Array:
    """A loss that all images of a ring have in common: the mean of √(1 + (y − 1)²)."""
    return jnp.mean(jnp.sqrt(1 + (outputs - 1) ** 2))


@st.composite
def orbit_nets(draw: st.DrawFn, *, ring_of_units: bool = False) -> OrbitNet:
    """Designs; shrinks to triangles, one unit (or three), and an output for each image.

    Args:
        draw: of the strategy.
        ring_of_units: whether there are as many hidden units as numbers in a ring.
    """
    corners = draw(st.integers(3, 5))
    hidden = draw(st.integers(1, 3))
    return OrbitNet(
        draw(st.sampled_from(ACTIVATIONS)),
        corners=corners,
        hidden=corners if ring_of_units else hidden,
        d_out=draw(st.integers(1, 2)),
        batch=draw(batches()),
        pooled=draw(st.booleans()),
    )
