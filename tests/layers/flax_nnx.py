"""The symmetries of layers of Flax's nnx."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

import eqprop
from eqprop import groups
from eqprop.actions import (
    attention_heads,
    channels,
    experts,
    hidden_units,
    low_rank,
    norm_gain,
    norm_scale,
    states,
)
from eqprop.claims import Transformation
from tests.layers.around import Around, Move, pair_of
from tests.layers.statements import (
    D_IN,
    D_OUT,
    FEATURES,
    HEADS,
    IMAGES,
    NUMBERS,
    TOKENS,
    UNITS,
    VOCABULARY,
    WIDTH,
    WORDS,
    Build,
    Library,
    Numbers,
    exported,
    typed,
)


class Stack(nnx.Module):
    """Layers by name, each on what the one before returned."""

    def __init__(self, layers: Mapping[str, Any]) -> None:
        self.names = tuple(layers)
        for name, layer in layers.items():
            setattr(self, name, layer)

    def __call__(self, x: Any) -> Any:
        for name in self.names:
            x = getattr(self, name)(x)
        return x


class Spectral(nnx.Module):
    """A layer behind a spectral norm, whose vectors stay as they are."""

    def __init__(self, layer: Any, rngs: Any) -> None:
        self.norm = nnx.SpectralNorm(layer, epsilon=0.0, update_stats=False, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.norm(x)


def stacked(inputs: Any, move: Move, **layers: Any) -> Build:
    """Layers one after the other, and a transformation of their parameters or what makes one."""

    def build(numbers: Numbers) -> eqprop.Pair:
        with jax.enable_x64(True):  # running statistics as precise as what they are taken of
            net = Stack({name: made(layer, numbers) for name, layer in layers.items()})
        graph, params, rest = nnx.split(net, nnx.Param, ...)
        rest = jax.tree.map(lambda leaf: typed(leaf, numbers), rest)

        def apply(params: Any, x: Any) -> Any:
            return nnx.merge(graph, params, rest, copy=True)(x)  # the layer changes its statistics in place

        return pair_of(apply, params, inputs, numbers, move)

    return build


def made(layer: Any, numbers: Numbers) -> Any:
    """A layer, and the layers inside it, with the types that it can be told, and a stream of random numbers."""
    if not isinstance(layer, partial):
        return layer
    accepted = inspect.signature(layer.func.__init__).parameters
    options = {**numbers.options(accepted), **({"rngs": nnx.Rngs(0)} if "rngs" in accepted else {})}
    return layer.func(*(made(part, numbers) for part in layer.args), **{**options, **layer.keywords})


DENSE, HEAD = partial(nnx.Linear, D_IN, UNITS), partial(nnx.Linear, UNITS, D_OUT)
AROUND = Around(
    writes={"dense/kernel/value": 1, "dense/bias/value": 0},
    reads={"head/kernel/value": 0},
    gains={"norm/scale/value": 0, "norm/bias/value": 0},
)
WRITES, READS = AROUND.writes, AROUND.reads


def writing(layer: Any, axis: int, inputs: Any = FEATURES, **behind: Any) -> Build:
    """The features of a layer, rescaled behind a ReLU; a pool or what else is homogeneous may follow."""
    move = channels(UNITS, writes={"layer/kernel/value": axis, "layer/bias/value": 0}, reads=READS)
    return stacked(inputs, move, layer=layer, relu=jax.nn.relu, **behind, head=HEAD)


def between(layer: Any, *, inputs: Any = FEATURES, first: Any = DENSE, axis: int = 1) -> Build:
    """The units in front of a layer that lets their scale through."""
    writes = {"dense/kernel/value": axis, "dense/bias/value": 0}
    return stacked(inputs, channels(UNITS, writes=writes, reads=READS), dense=first, layer=layer, head=HEAD)


def gain(norm: Any, inputs: Any = FEATURES, *, bias: bool = True) -> Build:
    gains = {"norm/scale/value": 0} | ({"norm/bias/value": 0} if bias else {})
    return stacked(inputs, norm_gain(UNITS, gains=gains, reads=READS), dense=DENSE, norm=norm, head=HEAD)


def pooled(x: Any) -> Any:
    return nnx.max_pool(x, (2, 2), strides=(2, 2))


def averaged(x: Any) -> Any:
    return nnx.avg_pool(x, (2, 2), strides=(2, 2))


CONV = partial(nnx.Conv, D_IN, UNITS, (3, 3))
BATCH_NORM = partial(nnx.BatchNorm, UNITS, use_running_average=False)


def grouped() -> Build:
    """Four channels, of which each half is read by a group of a convolution."""
    writes = {"dense/kernel/value": "h w d_in (copies units)", "dense/bias/value": "(copies units)"}
    move = hidden_units(
        groups.Power(groups.Scaling(2), 2), writes=writes, reads={"layer/kernel/value": "h w units (copies d_out)"}
    )
    layer = partial(nnx.Conv, 4, 2 * D_OUT, (3, 3), feature_group_count=2)
    return stacked(IMAGES, move, dense=partial(nnx.Conv, D_IN, 4, (3, 3)), relu=jax.nn.relu, layer=layer)


def attention(move: Transformation) -> Build:
    layer = partial(nnx.MultiHeadAttention, HEADS, D_IN, qkv_features=HEADS * WIDTH, out_features=D_OUT, decode=False)
    return stacked(TOKENS, move, attention=layer)


def projection(name: str) -> dict[str, tuple[int, int]]:
    return {f"attention/{name}/kernel/value": (1, 2), f"attention/{name}/bias/value": (0, 1)}


OUTPUTS = "attention/out/kernel/value"
QK = attention_heads(HEADS, WIDTH, queries=projection("query"), keys=projection("key"))
VO = attention_heads(HEADS, WIDTH, values=projection("value"), outputs={OUTPUTS: (0, 1)})
WHOLE = experts(HEADS, {"attention/[qkv]*/kernel/value": 1, "attention/[qkv]*/bias/value": 0, OUTPUTS: 0})


def recurrent(cell: Any, biases: Mapping[str, str], at: str = "rnn/cell") -> Build:
    """The units of a cell whose gates are fused in two kernels; in both directions the same."""
    move = states(
        groups.Permutation(UNITS),
        inputs={
            f"{at}/dense_i/kernel/value": "d_in (gates units)",
            **{f"{at}/{k}": axis for k, axis in biases.items()},
        },
        recurrent={f"{at}/dense_h/kernel/value": ("hidden (gates units)", 0)},
        outputs={"head/kernel/value": "(directions units) d_out"},
    )
    one = partial(nnx.RNN, partial(cell, D_IN, UNITS, recurrent_kernel_init=NORMAL))
    both = "*" in at
    head = partial(nnx.Linear, 2 * UNITS, D_OUT) if both else HEAD
    return stacked(TOKENS, move, rnn=partial(nnx.Bidirectional, one, one) if both else one, head=head)


def lstm() -> Build:
    """The units of a cell with a kernel for each gate."""
    move = states(
        groups.Permutation(UNITS),
        inputs={"rnn/cell/i*/kernel/value": 1, "rnn/cell/h?/bias/value": 0},
        recurrent={"rnn/cell/h?/kernel/value": (1, 0)},
        outputs=READS,
    )
    cell = partial(nnx.LSTMCell, D_IN, UNITS, recurrent_kernel_init=NORMAL)
    return stacked(TOKENS, move, rnn=partial(nnx.RNN, cell), head=HEAD)


def scaled(epsilon: float) -> eqprop.Pair:
    norm = partial(BATCH_NORM, epsilon=epsilon)
    return stacked(FEATURES, norm_scale(UNITS, writes=WRITES), dense=DENSE, norm=norm, head=HEAD)(NUMBERS["float64"])


NORMAL = nnx.initializers.lecun_normal()
"""By default recurrent kernels are orthogonal, by a QR decomposition, which LAPACK has not in bfloat16."""

FUSED_GRU, FUSED_LSTM = {"dense_i/bias/value": "(gates units)"}, {"dense_h/bias/value": "(gates units)"}
SIMPLE = {"dense_i/bias/value": "(gates units)"}

LIBRARY = Library(
    claims={
        "Linear, permuted": stacked(FEATURES, AROUND.permuted, dense=DENSE, tanh=jnp.tanh, head=HEAD),
        "Linear, rescaled": writing(DENSE, 1),
        "LinearGeneral, rescaled": writing(partial(nnx.LinearGeneral, D_IN, UNITS), 1),
        "Einsum, rescaled": writing(partial(nnx.Einsum, "bi,io->bo", (D_IN, UNITS), (UNITS,)), 1),
        "Sequential List, rescaled": stacked(
            FEATURES,
            channels(UNITS, writes={"layer/layers/0/kernel/value": 1, "layer/layers/0/bias/value": 0}, reads=READS),
            layer=partial(nnx.Sequential, DENSE, jax.nn.relu),
            head=HEAD,
        ),
        "LoRA, basis": stacked(
            FEATURES,
            low_rank(2, writes={"layer/lora_a/value": 1}, reads={"layer/lora_b/value": 0}),
            layer=partial(nnx.LoRA, D_IN, 2, UNITS),
        ),
        "LoRALinear, basis": stacked(
            FEATURES,
            low_rank(2, writes={"layer/lora/lora_a/value": 1}, reads={"layer/lora/lora_b/value": 0}),
            layer=partial(nnx.LoRALinear, D_IN, UNITS, lora_rank=2),
        ),
        "Embed, units": stacked(
            WORDS,
            channels(UNITS, writes={"layer/embedding/value": 1}, reads=READS),
            layer=partial(nnx.Embed, VOCABULARY, UNITS),
            head=HEAD,
        ),
        "PReLU, rescaled": between(partial(nnx.PReLU)),
        "Dropout, rescaled": between(partial(nnx.Dropout, 0.5, deterministic=True)),
        "Conv signals, rescaled": writing(partial(nnx.Conv, D_IN, UNITS, (2,)), 2, TOKENS),
        "Conv images, rescaled": writing(CONV, 3, IMAGES),
        "Conv max pool, rescaled": writing(CONV, 3, IMAGES, pool=pooled),
        "Conv mean pool, rescaled": writing(CONV, 3, IMAGES, pool=averaged),
        "Conv strided, rescaled": writing(partial(CONV, strides=2), 3, IMAGES),
        "Conv dilated, rescaled": writing(partial(CONV, kernel_dilation=2), 3, IMAGES),
        "Conv grouped, rescaled in each group": grouped(),
        "Conv depthwise, rescaled": between(
            partial(nnx.Conv, UNITS, UNITS, (3, 3), feature_group_count=UNITS, use_bias=False),
            inputs=IMAGES,
            first=CONV,
            axis=3,
        ),
        "ConvTranspose, rescaled": writing(partial(nnx.ConvTranspose, D_IN, UNITS, (3, 3), strides=2), 3, IMAGES),
        "LayerNorm, gain": gain(partial(nnx.LayerNorm, UNITS)),
        "LayerNorm, shift": stacked(FEATURES, AROUND.shift, dense=DENSE, norm=partial(nnx.LayerNorm, UNITS)),
        "RMSNorm, gain": gain(partial(nnx.RMSNorm, UNITS), bias=False),
        "GroupNorm, gain": gain(partial(nnx.GroupNorm, UNITS, num_groups=1)),
        "InstanceNorm, gain": gain(partial(nnx.InstanceNorm, UNITS), TOKENS),
        "BatchNorm, gain": gain(BATCH_NORM),
        "BatchNorm, bias before it": stacked(FEATURES, AROUND.bias_and_gain, dense=DENSE, norm=BATCH_NORM, head=HEAD),
        "WeightNorm, length of directions": stacked(
            FEATURES,
            norm_scale(UNITS, writes={"layer/layer_instance/kernel/value": 1}),
            layer=partial(nnx.WeightNorm, DENSE, epsilon=0.0),  # 1e-12 by default, which is seen
            head=HEAD,
        ),
        "SpectralNorm, size": stacked(
            FEATURES,
            norm_scale(1, writes={"layer/norm/layer_instance/kernel/value": "d_in (units members)"}),
            layer=partial(Spectral, DENSE),
            head=HEAD,
        ),
        "MultiHeadAttention, queries and keys": attention(QK),
        "MultiHeadAttention, values and outputs": attention(VO),
        "MultiHeadAttention, heads": attention(WHOLE),
        "RNN SimpleCell, units": recurrent(nnx.SimpleCell, SIMPLE),
        "RNN GRUCell, units": recurrent(nnx.GRUCell, FUSED_GRU),
        "RNN OptimizedLSTMCell, units": recurrent(nnx.OptimizedLSTMCell, FUSED_LSTM),
        "RNN LSTMCell, units": lstm(),
        "Bidirectional GRUCell, units": recurrent(nnx.GRUCell, FUSED_GRU, "rnn/*_rnn/cell"),
    },
    exported=exported(nnx, nnx.Module),
    out_of_scope={
        "RNNCellBase": "abstract",
        "Dict": "has no parameters of its own: it holds other layers",
        "RoPE": "has no parameters, and is not in every release: Equinox's rotary positions are tested",
    },
    told=True,
    scaled=scaled,
    stopping=frozenset({"SpectralNorm, size"}),
)
