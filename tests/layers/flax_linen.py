"""The symmetries of layers of Flax's linen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
from flax import linen as nn

import eqprop
from eqprop import groups
from eqprop.actions import (
    attention_heads,
    channels,
    experts,
    hidden_units,
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


class Stack(nn.Module):
    """Layers by name, each on what the one before returned."""

    layers: Mapping[str, Callable[..., Any]]

    @nn.compact
    def __call__(self, x: Any) -> Any:
        for name, layer in self.layers.items():
            made = layer(name=name) if isinstance(layer, partial) else layer
            x = made(x)
        return x


class Spectral(nn.Module):
    """A layer behind a spectral norm, whose vectors stay as they are."""

    layer: nn.Module

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.SpectralNorm(self.layer, epsilon=0.0)(x, update_stats=False)


def stacked(inputs: Any, move: Move, **layers: Any) -> Build:
    """Layers one after the other, and a transformation of their parameters or what makes one."""

    def build(numbers: Numbers) -> eqprop.Pair:
        net = Stack({name: told(layer, numbers) for name, layer in layers.items()})
        with jax.enable_x64(True):  # running statistics as precise as what they are taken of
            variables = net.init(jax.random.key(0), typed(inputs, numbers))
        params = variables["params"]
        rest = typed({name: kept for name, kept in variables.items() if name != "params"}, numbers)

        def apply(params: Any, x: Any) -> Any:
            return net.apply({"params": params, **rest}, x, mutable=list(rest))[0]

        return pair_of(apply, params, inputs, numbers, move)

    return build


def told(layer: Any, numbers: Numbers) -> Any:
    """A layer, and the layers inside it, with the types that it can be told."""
    if not isinstance(layer, partial):
        return layer
    inner = {name: told(part, numbers)() for name, part in layer.keywords.items() if isinstance(part, partial)}
    args = [told(part, numbers)() if isinstance(part, partial) else part for part in layer.args]
    options = numbers.options(getattr(layer.func, "__dataclass_fields__", {}))
    return partial(layer.func, *args, **{**layer.keywords, **inner, **options})


DENSE, HEAD = partial(nn.Dense, UNITS), partial(nn.Dense, D_OUT)
AROUND = Around(
    writes={"dense/kernel": 1, "dense/bias": 0},
    reads={"head/kernel": 0},
    gains={"norm/scale": 0, "norm/bias": 0},
)
WRITES, READS = AROUND.writes, AROUND.reads


def writing(layer: Any, axis: int, inputs: Any = FEATURES, **behind: Any) -> Build:
    """The features of a layer, rescaled behind a ReLU; a pool or what else is homogeneous may follow."""
    move = channels(UNITS, writes={"layer/kernel": axis, "layer/bias": 0}, reads=READS)
    return stacked(inputs, move, layer=layer, relu=nn.relu, **behind, head=HEAD)


def between(layer: Any, *, bias: bool = True, inputs: Any = FEATURES, first: Any = DENSE, axis: int = 1) -> Build:
    """The units in front of a layer that lets their scale through."""
    writes = {"dense/kernel": axis} | ({"dense/bias": 0} if bias else {})
    return stacked(inputs, channels(UNITS, writes=writes, reads=READS), dense=first, layer=layer, head=HEAD)


def gain(norm: Any, inputs: Any = FEATURES, *, bias: bool = True) -> Build:
    gains = {"norm/scale": 0} | ({"norm/bias": 0} if bias else {})
    return stacked(inputs, norm_gain(UNITS, gains=gains, reads=READS), dense=DENSE, norm=norm, head=HEAD)


BATCH_NORM = partial(nn.BatchNorm, use_running_average=False)
CONV = partial(nn.Conv, UNITS, (3, 3))


def pooled(x: Any) -> Any:
    return nn.max_pool(x, (2, 2), strides=(2, 2))


def averaged(x: Any) -> Any:
    return nn.avg_pool(x, (2, 2), strides=(2, 2))


def grouped() -> Build:
    """Four channels, of which each half is read by a group of a convolution."""
    writes = {"dense/kernel": "h w d_in (copies units)", "dense/bias": "(copies units)"}
    move = hidden_units(
        groups.Power(groups.Scaling(2), 2), writes=writes, reads={"layer/kernel": "h w units (copies d_out)"}
    )
    layer = partial(nn.Conv, 2 * D_OUT, (3, 3), feature_group_count=2)
    return stacked(IMAGES, move, dense=partial(nn.Conv, 4, (3, 3)), relu=nn.relu, layer=layer)


def attention(kind: Any, move: Transformation) -> Build:
    made = partial(kind, num_heads=HEADS, qkv_features=HEADS * WIDTH, out_features=D_OUT)
    return stacked(TOKENS, move, attention=made)


def projection(name: str) -> dict[str, tuple[int, int]]:
    return {f"attention/{name}/kernel": (1, 2), f"attention/{name}/bias": (0, 1)}


QK = attention_heads(HEADS, WIDTH, queries=projection("query"), keys=projection("key"))
VO = attention_heads(HEADS, WIDTH, values=projection("value"), outputs={"attention/out/kernel": (0, 1)})
WHOLE = experts(HEADS, {"attention/[qkv]*/kernel": 1, "attention/[qkv]*/bias": 0, "attention/out/kernel": 0})


def recurrent(cell: Any, biases: Mapping[str, int], gates: str = "?", at: str = "rnn/cell") -> Build:
    """The units of a cell with a kernel for each gate; in both directions the same."""
    move = states(
        groups.Permutation(UNITS),
        inputs={f"{at}/i{gates}/kernel": 1, **{f"{at}/{name}": axis for name, axis in biases.items()}},
        recurrent={f"{at}/h{gates}/kernel": (1, 0)},
        outputs={"head/kernel": "(directions units) d_out"},
    )
    one = partial(nn.RNN, partial(cell, UNITS, recurrent_kernel_init=NORMAL))
    return stacked(TOKENS, move, rnn=partial(nn.Bidirectional, one, one) if "*" in at else one, head=HEAD)


def convolutional_lstm() -> Build:
    """The channels of a cell whose gates share two kernels."""
    move = states(
        groups.Permutation(UNITS),
        inputs={"rnn/cell/ih/kernel": "k d_in (gates units)", "rnn/cell/?h/bias": "(gates units)"},
        recurrent={"rnn/cell/hh/kernel": ("k hidden (gates units)", 1)},
        outputs=READS,
    )
    return stacked(TOKENS[:2, :, :, None], move, rnn=partial(nn.RNN, partial(nn.ConvLSTMCell, UNITS, (2,))), head=HEAD)


def scaled(epsilon: float) -> eqprop.Pair:
    norm = partial(BATCH_NORM, epsilon=epsilon)
    return stacked(FEATURES, norm_scale(UNITS, writes=WRITES), dense=DENSE, norm=norm, head=HEAD)(NUMBERS["float64"])


NORMAL = nn.initializers.lecun_normal()
"""By default recurrent kernels are orthogonal, by a QR decomposition, which LAPACK has not in bfloat16."""

LSTM_BIASES, GRU_BIASES = {"h?/bias": 0}, {"i?/bias": 0, "hn/bias": 0}
EINSUM = partial(nn.Einsum, (D_IN, UNITS), "bi,io->bo")

LIBRARY = Library(
    claims={
        "Dense, permuted": stacked(FEATURES, AROUND.permuted, dense=DENSE, tanh=nn.tanh, head=HEAD),
        "Dense, rescaled": writing(DENSE, 1),
        "DenseGeneral, rescaled": writing(partial(nn.DenseGeneral, UNITS), 1),
        "Einsum, rescaled": writing(EINSUM, 1),
        "Sequential, rescaled": stacked(
            FEATURES,
            channels(UNITS, writes={"layer/layers_0/kernel": 1, "layer/layers_0/bias": 0}, reads=READS),
            layer=partial(nn.Sequential, layers=[nn.Dense(UNITS), nn.relu]),
            head=HEAD,
        ),
        "Embed, units": stacked(
            WORDS,
            channels(UNITS, writes={"layer/embedding": 1}, reads=READS),
            layer=partial(nn.Embed, VOCABULARY, UNITS),
            head=HEAD,
        ),
        "PReLU, rescaled": between(partial(nn.PReLU)),
        "Dropout, rescaled": between(partial(nn.Dropout, 0.5, deterministic=True)),
        "Conv signals, rescaled": writing(partial(nn.Conv, UNITS, (2,)), 2, TOKENS),
        "Conv images, rescaled": writing(CONV, 3, IMAGES),
        "Conv max pool, rescaled": writing(CONV, 3, IMAGES, pool=pooled),
        "Conv mean pool, rescaled": writing(CONV, 3, IMAGES, pool=averaged),
        "Conv strided, rescaled": writing(partial(CONV, strides=2), 3, IMAGES),
        "Conv dilated, rescaled": writing(partial(CONV, kernel_dilation=2), 3, IMAGES),
        "Conv circular, rescaled": writing(partial(CONV, padding="CIRCULAR"), 3, IMAGES),
        "Conv grouped, rescaled in each group": grouped(),
        "Conv depthwise, rescaled": between(
            partial(CONV, feature_group_count=UNITS, use_bias=False), inputs=IMAGES, first=CONV, axis=3
        ),
        "ConvTranspose, rescaled": writing(partial(nn.ConvTranspose, UNITS, (3, 3), strides=(2, 2)), 3, IMAGES),
        "ConvLocal, rescaled": stacked(
            TOKENS,
            channels(UNITS, writes={"layer/kernel": 2, "layer/bias": 1}, reads=READS),
            layer=partial(nn.ConvLocal, UNITS, (2,)),
            relu=nn.relu,
            head=HEAD,
        ),
        "LayerNorm, gain": gain(partial(nn.LayerNorm)),
        "LayerNorm, shift": stacked(FEATURES, AROUND.shift, dense=DENSE, norm=partial(nn.LayerNorm)),
        "RMSNorm, gain": gain(partial(nn.RMSNorm), bias=False),
        "GroupNorm, gain": gain(partial(nn.GroupNorm, num_groups=1)),
        "InstanceNorm, gain": gain(partial(nn.InstanceNorm), TOKENS),
        "BatchNorm, gain": gain(BATCH_NORM),
        "BatchNorm, bias before it": stacked(FEATURES, AROUND.bias_and_gain, dense=DENSE, norm=BATCH_NORM, head=HEAD),
        "WeightNorm, length of directions": stacked(
            FEATURES,
            norm_scale(UNITS, writes={"layer/layer_instance/kernel": 1}),
            layer=partial(nn.WeightNorm, DENSE, epsilon=0.0),  # 1e-12 by default, which is seen
            head=HEAD,
        ),
        "SpectralNorm, size": stacked(
            FEATURES,
            norm_scale(1, writes={"layer/layer/kernel": "d_in (units members)"}),
            layer=partial(Spectral, DENSE),
            head=HEAD,
        ),
        "MultiHeadDotProductAttention, queries and keys": attention(nn.MultiHeadDotProductAttention, QK),
        "MultiHeadDotProductAttention, values and outputs": attention(nn.MultiHeadDotProductAttention, VO),
        "MultiHeadDotProductAttention, heads": attention(nn.MultiHeadDotProductAttention, WHOLE),
        "MultiHeadAttention, queries and keys": attention(nn.MultiHeadAttention, QK),
        "SelfAttention, values and outputs": attention(nn.SelfAttention, VO),
        "RNN SimpleCell, units": recurrent(nn.SimpleCell, {"i/bias": 0}, ""),
        "RNN GRUCell, units": recurrent(nn.GRUCell, GRU_BIASES),
        "RNN MGUCell, units": recurrent(nn.MGUCell, GRU_BIASES),
        "RNN LSTMCell, units": recurrent(nn.LSTMCell, LSTM_BIASES),
        "RNN OptimizedLSTMCell, units": recurrent(nn.OptimizedLSTMCell, LSTM_BIASES),
        "RNN ConvLSTMCell, channels": convolutional_lstm(),
        "Bidirectional SimpleCell, units": recurrent(nn.SimpleCell, {"i/bias": 0}, "", "rnn/*_rnn/cell"),
    },
    exported=exported(nn, nn.Module),
    out_of_scope={
        "RNNCellBase": "abstract",
        **dict.fromkeys(
            ("Fp8DirectDotGeneralOp", "Fp8DotGeneral", "Fp8DotGeneralOp", "Fp8Einsum", "NANOOFp8DotGeneralOp"),
            "computes in eight bits, of which three are the mantissa: no digit is left to compare",
        ),
    },
    told=True,
    scaled=scaled,
    stopping=frozenset({"SpectralNorm, size"}),
)
