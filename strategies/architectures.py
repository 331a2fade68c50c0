"""Dense architectures: one hidden layer as a block, and whole networks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

from hypothesis import strategies as st

from eqprop.claims import Inputs, Outputs, Params
from eqprop.engine import Array
from eqprop.strategies.activations import Activation
from eqprop.strategies.surroundings import (
    Apply,
    Block,
    Embedded,
    Shape,
    batches,
    dense,
    dense_shapes,
    embedded,
    examples,
    shifted,
    widths,
)

DEEPEST = 4


class HiddenLayer(NamedTuple):
    """A network around one hidden layer, h ↦ σ(h w_in + b_in) w_out + b_out.

    Attributes:
        net: the network; the layer's parameters lie under ``block``.
        hidden: how many units it has.
        bias: whether there is a ``b_in``.
        architecture: everything that was drawn.
    """

    net: Embedded
    hidden: int
    bias: bool
    architecture: Mapping[str, Hashable]

    @property
    def writes(self) -> dict[str, int]:
        """The tensors that write the hidden units, for ``hidden_units``."""
        return {"block/w_in": 1} | ({"block/b_in": 0} if self.bias else {})

    @property
    def reads(self) -> dict[str, int]:
        """The tensor that reads them."""
        return {"block/w_out": 0}


def hidden_layer(
    draw: st.DrawFn,
    activations: st.SearchStrategy[Activation],
    *,
    least_in: int = 1,
    least_hidden: int = 1,
    least_batch: int = 1,
    most_before: int = 1,
    most_after: int = 1,
    bias: bool | None = None,
    bias_out: bool | None = None,
    skip: bool = False,
    residual: bool = True,
) -> HiddenLayer:
    """A hidden layer with a drawn activation, at a drawn place in a drawn dense network.

    Shrinks to: 1 → 1 → 1 (or the least hidden width), the first activation, no biases, nothing around.

    Args:
        draw: of a composite strategy.
        activations: of the hidden layer.
        least_in: the smallest number of features that enter.
        least_hidden: the smallest number of hidden units.
        least_batch: the smallest batch; with several units and samples some unit is alive nearly always.
        most_before: the largest number of layers before it.
        most_after: the largest number of layers behind it; 0 where it must be the head.
        bias: whether there is a ``b_in``; drawn by default.
        bias_out: whether there is a ``b_out``; drawn by default.
        skip: whether a linear map ``w_skip`` leads past the hidden units.
        residual: whether a residual connection around the layer is allowed; where inputs move it carries them past.
    """
    d_in, hidden, d_out = draw(widths(least_in)), draw(widths(least_hidden)), draw(widths())
    activation = draw(activations)
    biased = draw(st.booleans()) if bias is None else bias
    biased_out = draw(st.booleans()) if bias_out is None else bias_out
    shapes: dict[str, Shape] = {"w_in": (d_in, hidden), "w_out": (hidden, d_out)}
    shapes |= {"b_in": (hidden,)} if biased else {}
    shapes |= {"b_out": (d_out,)} if biased_out else {}
    shapes |= {"w_skip": (d_in, d_out)} if skip else {}
    net = embedded(
        draw,
        Block(_hidden(activation), shapes, d_in, d_out),
        leading=(draw(batches(least_batch)),),
        most_before=most_before,
        most_after=most_after,
        residual=residual,
    )
    own: dict[str, Hashable] = {
        "activation": activation.name,
        "d_in": d_in,
        "hidden": hidden,
        "d_out": d_out,
        "bias": biased,
        "bias out": biased_out,
    }
    return HiddenLayer(net, hidden, biased, {**own, **net.architecture})


def _hidden(activation: Activation) -> Apply:
    def apply(params: Params, h: Array) -> Outputs:
        z = h @ params["w_in"]
        if "b_in" in params:
            z = shifted(z, params["b_in"])
        out = activation(z) @ params["w_out"]
        if "w_skip" in params:
            out = out + h @ params["w_skip"]
        return shifted(out, params["b_out"]) if "b_out" in params else out

    return apply


class DenseNet(NamedTuple):
    """A whole dense network, ``{"layers": [{"w", "b"}, …]}``, the last layer affine.

    Attributes:
        net: the network.
        activation: between the layers.
        depth: how many layers it has.
        architecture: everything that was drawn.
    """

    net: Embedded
    activation: Activation
    depth: int
    architecture: Mapping[str, Hashable]


def dense_net(
    draw: st.DrawFn,
    activations: st.SearchStrategy[Activation],
    *,
    bias: bool,
    deepest: int = DEEPEST,
    alive: bool = False,
) -> DenseNet:
    """A dense network of one to ``deepest`` layers with one drawn activation; shrinks to a single 1×1 layer.

    Args:
        draw: of a composite strategy.
        activations: between the layers.
        bias: whether every layer has one.
        deepest: the largest number of layers.
        alive: whether layers have two units and batches three samples at least: some ReLU is alive nearly always then.
    """
    batch = draw(batches(3 if alive else 1))
    sizes = tuple(draw(st.lists(widths(2 if alive else 1), min_size=2, max_size=deepest + 1)))
    activation = draw(activations)

    def apply(params: Params, inputs: Inputs) -> Outputs:
        h = dense(params["layers"][0], inputs)
        for layer in params["layers"][1:]:
            h = dense(layer, activation(h))
        return h

    params, inputs = examples({"layers": dense_shapes(sizes, bias=bias)}, (batch, sizes[0]))
    architecture: dict[str, Hashable] = {"batch": batch, "widths": sizes, "activation": activation.name, "bias": bias}
    net = Embedded(apply, params, inputs, architecture)
    return DenseNet(net, activation, len(sizes) - 1, architecture)
