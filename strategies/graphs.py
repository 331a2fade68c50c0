"""Graph networks, sets and towers: models whose inputs have a symmetry of their own, or come in two kinds."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array
from eqprop.groups import Element
from eqprop.strategies.activations import Activation
from eqprop.strategies.surroundings import EXAMPLE_SEED, Embedded, Shape, gaussian_like, shifted

GraphKind = Literal["gcn", "gin", "scattering"]


def rows_moved(permutation: Element, x: Array, *axes: int) -> Array:
    """The entries along some axes moved from i to permutation[i]."""
    back = jnp.argsort(permutation)
    for axis in axes:
        x = jnp.take(x, back, axis=axis)
    return x


@dataclass(frozen=True)
class Graph:
    """A network on the nodes of weighted graphs with a hidden layer of features; the defaults are what it shrinks to.

    Attributes:
        kind: a graph convolution A σ(A x W + b) V; an isomorphism network σ(((1 + ε) x + A x) W + b) V; or the moments
            of geometric scattering |(P^(j) − P^(2j)) x| with mixed features, P = (1 + A) / 2.
        activation: σ.
        nodes: of the graph.
        d_in: features of a node.
        hidden: features between.
        d_out: features that leave.
        bias: whether there is a b.
        pooled: whether the outputs are summed over the nodes.
    """

    kind: GraphKind
    activation: Activation
    nodes: int = 2
    d_in: int = 1
    hidden: int = 1
    d_out: int = 1
    bias: bool = False
    pooled: bool = False

    @property
    def architecture(self) -> dict[str, Hashable]:
        """Every field, for ``Pair.architecture``."""
        return {**asdict(self), "activation": self.activation.name}

    @property
    def writes(self) -> dict[str, int]:
        """The tensors that write the hidden features."""
        return {"w": 1} | ({"b": 0} if self.bias else {})

    def net(self) -> Embedded:
        """The network on {"edges": (nodes, nodes), "nodes": (nodes, d_in)}."""
        shapes: dict[str, Shape] = {"w": (self.d_in, self.hidden), "v": (self.hidden, self.d_out)}
        shapes |= ({"b": (self.hidden,)} if self.bias else {}) | ({"epsilon": (1,)} if self.kind == "gin" else {})
        rng = np.random.default_rng(EXAMPLE_SEED)
        inputs = gaussian_like({"edges": (self.nodes, self.nodes), "nodes": (self.nodes, self.d_in)}, rng)
        return Embedded(self._apply, gaussian_like(shapes, rng), inputs, {})

    def _apply(self, params: Params, graph: Inputs) -> Outputs:
        edges, x = graph["edges"] / self.nodes, graph["nodes"]
        if self.kind == "scattering":
            step = (np.eye(self.nodes) + edges) / 2
            x = jnp.abs(step @ x - step @ (step @ x))
        elif self.kind == "gin":
            x = (1 + params["epsilon"][0]) * x + edges @ x
        else:
            x = edges @ x
        z = x @ params["w"]
        z = self.activation(shifted(z, params["b"]) if self.bias else z)
        out = (edges @ z if self.kind == "gcn" else z) @ params["v"]
        return jnp.sum(out, axis=0) if self.pooled else out


@st.composite
def graphs(
    draw: st.DrawFn,
    kinds: tuple[GraphKind, ...],
    activations: st.SearchStrategy[Activation],
    *,
    least_hidden: int = 1,
    least_nodes: int = 2,
) -> Graph:
    """Graph networks; shrinks to the first kind, the least nodes and hidden features, one feature in and out.

    Args:
        draw: of the strategy.
        kinds: to choose from.
        activations: of the hidden features.
        least_hidden: the smallest number of these.
        least_nodes: the smallest number of nodes.
    """
    return Graph(
        draw(st.sampled_from(kinds)),
        draw(activations),
        nodes=draw(st.integers(least_nodes, 4)),
        d_in=draw(st.integers(1, 3)),
        hidden=draw(st.integers(least_hidden, 3)),
        d_out=draw(st.integers(1, 2)),
        bias=draw(st.booleans()),
        pooled=draw(st.booleans()),
    )


@st.composite
def two_towers(draw: st.DrawFn, *, cosine: bool) -> tuple[int, Embedded]:
    """The shared size and the model of similarities between two kinds of samples, τ (a A)(b B)ᵀ, or their cosines.

    Args:
        draw: of the strategy.
        cosine: whether projections are divided by their length.
    """
    size, samples = draw(st.integers(1 + cosine, 3)), draw(st.integers(1, 3))
    d_a, d_b, temperature = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.booleans())
    shapes: dict[str, Shape] = {"a": (d_a, size), "b": (d_b, size)} | ({"temperature": (1,)} if temperature else {})

    def projected(x: Array, w: Array) -> Array:
        z = x @ w
        return z / jnp.sqrt(jnp.sum(z**2, axis=-1, keepdims=True)) if cosine else z

    def apply(params: Params, inputs: Inputs) -> Outputs:
        similarity = projected(inputs["a"], params["a"]) @ projected(inputs["b"], params["b"]).T
        return similarity * params["temperature"][0] if temperature else similarity

    rng = np.random.default_rng(EXAMPLE_SEED)
    inputs = gaussian_like({"a": (samples, d_a), "b": (samples, d_b)}, rng)
    drawn = {"size": size, "samples": samples, "d_a": d_a, "d_b": d_b, "temperature": temperature}
    return size, Embedded(apply, gaussian_like(shapes, rng), inputs, drawn)
