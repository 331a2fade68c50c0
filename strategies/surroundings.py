"""A block inside a larger random network: what is transformed is rarely the whole model."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

from eqprop.arguments import whole_number
from eqprop.claims import Inputs, Model, Outputs, Pair, Params, Transformation
from eqprop.engine import Array, Tree
from eqprop.errors import InvalidInput
from eqprop.strategies.activations import GELU, IDENTITY, LEAKY_RELU, SOFTPLUS, TANH, Activation

WIDEST = 6
LARGEST_BATCH = 4
SURROUNDING_ACTIVATIONS = (IDENTITY, TANH, LEAKY_RELU, GELU, SOFTPLUS)
"""What is drawn between the layers around a block; ReLU would leave narrow layers dead, and claims empty, too often."""
EXAMPLE_SEED = 0

Shape = tuple[int, ...]
Apply = Callable[[Params, Inputs], Outputs]


@dataclass(frozen=True)
class Block:
    """The part that a transformation acts on.

    Attributes:
        apply: ``apply(params, h) -> h``; h has shape (*leading, d_in) and becomes (*leading, d_out).
        shapes: of its parameters, by name.
        d_in: the last axis of what it takes.
        d_out: the last axis of what it returns.
    """

    apply: Apply
    shapes: Mapping[str, Shape]
    d_in: int
    d_out: int


def _alone(apply: Apply) -> Apply:
    return apply


class Embedded(NamedTuple):
    """A model's function, example parameters, example inputs, and what was drawn (hashable values).

    ``around`` puts another block's function, of the same widths, into the same surroundings.
    """

    apply: Apply
    params: dict[str, Params]
    inputs: Inputs
    architecture: Mapping[str, Hashable]
    around: Callable[[Apply], Apply] = _alone

    def model(self, name: str, *, domain: Callable[[Params], Params] | None = None) -> Model:
        """The model; its example numbers carry shapes only (``trained`` is off), but lie in ``domain`` as probes do."""
        params = self.params if domain is None else domain(self.params)
        return Model(self.apply, params, self.inputs, name=name, trained=False, domain=domain)

    def pair(
        self,
        name: str,
        transformation: Transformation,
        own: Mapping[str, Hashable],
        *,
        domain: Callable[[Params], Params] | None = None,
        loss: Callable[[Outputs], Array] | None = None,
    ) -> Pair:
        """The model with a transformation of it.

        Args:
            name: of the model.
            transformation: claimed of it.
            own: what was drawn for the block itself; together with the surroundings it is the pair's architecture.
            domain: as in ``model``.
            loss: of the outputs; drawn by default.
        """
        model = replace(self.model(name, domain=domain), loss=loss)
        return Pair(model, transformation, architecture={**own, **self.architecture})


def widths(least: int = 1, most: int = WIDEST) -> st.SearchStrategy[int]:
    """Layer widths; shrinks to the least.

    Raises:
        InvalidInput: for what is no whole number, or where there is nothing between the two.
    """
    least = whole_number(least, "widths: least is")
    most = whole_number(most, "widths: most is", least=least)
    return st.integers(least, most)


def batches(least: int = 1) -> st.SearchStrategy[int]:
    """Batch sizes; shrinks to the least.

    Raises:
        InvalidInput: for what is no whole number, or more than the largest batch.
    """
    least = whole_number(least, "batches: least is", most=LARGEST_BATCH)
    return st.integers(least, LARGEST_BATCH)


def gaussian_like(shapes: Tree, rng: np.random.Generator) -> Tree:
    """Normal float64 arrays for a tree of dicts and lists of shapes."""
    if isinstance(shapes, dict):
        return {name: gaussian_like(shape, rng) for name, shape in shapes.items()}
    if isinstance(shapes, list):
        return [gaussian_like(shape, rng) for shape in shapes]
    return rng.standard_normal(shapes)


def examples(shapes: Tree, input_shape: Shape) -> tuple[Params, np.ndarray]:
    """Example parameters and inputs of these shapes: the same numbers each time, because only the shapes matter."""
    rng = np.random.default_rng(EXAMPLE_SEED)
    return gaussian_like(shapes, rng), rng.standard_normal(input_shape)


def shifted(h: Array, bias: Array) -> Array:
    """h + b along the last axis, written out for those who forbid NumPy's implicit rank promotion."""
    return h + jnp.broadcast_to(bias, h.shape)


def dense(params: Params, h: Array) -> Array:
    """h w, plus b where there is one."""
    z = h @ params["w"]
    return shifted(z, params["b"]) if "b" in params else z


def dense_shapes(sizes: tuple[int, ...], *, bias: bool) -> list[dict[str, Shape]]:
    """The parameters of the dense layers between these widths."""
    layers: list[dict[str, Shape]] = []
    for d_in, d_out in pairwise(sizes):
        layers.append({"w": (d_in, d_out), "b": (d_out,)} if bias else {"w": (d_in, d_out)})
    return layers


def embedded(
    draw: st.DrawFn,
    block: Block,
    *,
    leading: Shape | None = None,
    most_before: int = 1,
    most_after: int = 1,
    residual: bool = True,
) -> Embedded:
    """The block with drawn dense layers before and after it, and a drawn residual connection around it.

    The parameters are ``{"before": [{"w", "b"}, …], "block": {…}, "after": [{"w", "b"}, …]}``. Layers before the block
    end in an activation; layers behind it begin with one, so that the last layer is affine.

    Shrinks to: no layers around, no residual, widths 1, batch 1, no biases, identity activation.

    Args:
        draw: of a composite strategy.
        block: what is surrounded.
        leading: the axes of the inputs before the features; one axis, a drawn batch, by default.
        most_before: the largest number of layers before the block; 0 where it must see the inputs.
        most_after: the largest number of layers behind it; 0 where it must be the head.
        residual: whether a residual connection around the block is allowed; drawn where the block keeps the width.

    Returns:
        The model's parts. What the block itself drew is for the caller to add to the architecture.

    Raises:
        InvalidInput: for a block of no width.
    """
    if block.d_in < 1 or block.d_out < 1:
        msg = f"embedded: the block maps {block.d_in} to {block.d_out} features; expected at least 1 each."
        raise InvalidInput(msg)
    lead = (draw(batches()),) if leading is None else leading
    before = (*draw(st.lists(widths(), max_size=most_before)), block.d_in)
    after = (block.d_out, *draw(st.lists(widths(), max_size=most_after)))
    # Every choice is drawn always, used or not: hypothesis prefers fewer choices to smaller ones, so that a residual
    # drawn only for equal widths would shrink to unequal widths.
    bias, activation, skip = draw(st.booleans()), draw(st.sampled_from(SURROUNDING_ACTIVATIONS)), draw(st.booleans())
    around = len(before) + len(after) > 2
    bias, activation = around and bias, activation if around else IDENTITY
    skip = skip and residual and block.d_in == block.d_out
    shapes = {
        "before": dense_shapes(before, bias=bias),
        "block": dict(block.shapes),
        "after": dense_shapes(after, bias=bias),
    }
    params, inputs = examples(shapes, (*lead, before[0]))
    architecture: dict[str, Hashable] = {
        "leading": lead,
        "widths before": before,
        "widths after": after,
        "outer bias": bias,
        "outer activation": activation.name,
        "residual": skip,
    }
    around = partial(_surrounded, activation=activation, skip=skip)
    return Embedded(around(block.apply), params, inputs, architecture, around)


def _surrounded(block: Apply, activation: Activation, *, skip: bool) -> Apply:
    def apply(params: Params, inputs: Inputs) -> Outputs:
        h = inputs
        for layer in params["before"]:
            h = activation(dense(layer, h))
        inside = block(params["block"], h)
        h = h + inside if skip else inside
        for layer in params["after"]:
            h = dense(layer, activation(h))
        return h

    return apply
