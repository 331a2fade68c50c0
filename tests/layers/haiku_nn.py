"""The symmetries of layers of Haiku."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

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

VOLUMES = jnp.stack([IMAGES[:, :4, :4]] * 4, axis=1)


def net(inputs: Any, move: Move, apply: Callable[[Any], Any]) -> Build:
    """A network, and a transformation or what makes one of its parameters."""

    def build(numbers: Numbers) -> eqprop.Pair:
        transformed = hk.transform_with_state(apply)
        with jax.enable_x64(True):  # or running statistics are float32, and the floors those of float32
            made, state = transformed.init(jax.random.key(0), typed(inputs, numbers))
        params, state = keyed(made), typed(state, numbers)

        def of_params(params: Any, x: Any) -> Any:
            return transformed.apply(params, state, jax.random.key(0), x)[0]

        return pair_of(of_params, params, inputs, numbers, move)

    return build


def keyed(params: Any) -> dict[str, Any]:
    """Parameters as a plain dictionary."""
    return {name: keyed(leaf) if isinstance(leaf, Mapping) else leaf for name, leaf in params.items()}


def stacked(inputs: Any, move: Move, *layers: Callable[[], Callable[[Any], Any]] | Callable[[Any], Any]) -> Build:
    """Layers one after the other: constructors with a name are called first."""

    def apply(x: Any) -> Any:
        for layer in layers:
            x = layer()(x) if isinstance(layer, partial) else layer(x)
        return x

    return net(inputs, move, apply)


DENSE, HEAD = partial(hk.Linear, UNITS, name="dense"), partial(hk.Linear, D_OUT, name="head")
AROUND = Around(
    writes={"dense/w": 1, "dense/b": 0},
    reads={"head/w": 0},
    gains={"norm/scale": 1, "norm/offset": 1},
)
WRITES, READS = AROUND.writes, AROUND.reads


def layer(kind: Any, *args: Any, **options: Any) -> Any:
    return partial(kind, *args, name="layer", **options)


def writing(made: Any, axis: int, inputs: Any = FEATURES, *behind: Any) -> Build:
    """The features of a layer, rescaled behind a ReLU; a pool or what else is homogeneous may follow."""
    move = channels(UNITS, writes={"layer/w": axis, "layer/b": 0}, reads=READS)
    return stacked(inputs, move, made, jax.nn.relu, *behind, HEAD)


def between(made: Any, inputs: Any = FEATURES, first: Any = DENSE, axis: int = 1) -> Build:
    """The units in front of a layer that lets their scale through."""
    move = channels(UNITS, writes={"dense/w": axis, "dense/b": 0}, reads=READS)
    return stacked(inputs, move, first, made, HEAD)


CENTRED: dict[str, Any] = {"create_scale": True, "create_offset": True}
NORMS: dict[str, Callable[..., Any]] = {
    "layer": partial(hk.LayerNorm, axis=-1, **CENTRED),
    "rms": partial(hk.RMSNorm, axis=-1),
    "group": partial(hk.GroupNorm, 1),
    "instance": partial(hk.InstanceNorm, **CENTRED),
    "batch": partial(hk.BatchNorm, decay_rate=0.9, **CENTRED),
}


def normed(kind: str, x: Any, **options: Any) -> Any:
    made = NORMS[kind](name="norm", **options)
    return made(x, is_training=True) if kind == "batch" else made(x)


def through(kind: str, **options: Any) -> Callable[[Any], Any]:
    return lambda x: normed(kind, x, **options)


def gain(kind: str, inputs: Any = FEATURES) -> Build:
    axis = 1 if kind == "batch" else 0  # Haiku's batch norm has gains of shape (1, features)
    gains = {"norm/scale": axis} | ({} if kind == "rms" else {"norm/offset": axis})
    return stacked(inputs, norm_gain(UNITS, gains=gains, reads=READS), DENSE, through(kind), HEAD)


def grouped() -> Build:
    """Four channels, of which each half is read by a group of a convolution."""
    writes = {"dense/w": "h w d_in (copies units)", "dense/b": "(copies units)"}
    move = hidden_units(
        groups.Power(groups.Scaling(2), 2), writes=writes, reads={"layer/w": "h w units (copies d_out)"}
    )
    first = partial(hk.Conv2D, 4, 3, name="dense")
    return stacked(IMAGES, move, first, jax.nn.relu, layer(hk.Conv2D, 2 * D_OUT, 3, feature_group_count=2))


def attending(move: Transformation) -> Build:
    def apply(x: Any) -> Any:
        init = hk.initializers.VarianceScaling()
        attention = hk.MultiHeadAttention(HEADS, WIDTH, w_init=init, model_size=D_OUT, name="attention")
        return attention(x, x, x)

    return net(TOKENS, move, apply)


def projection(name: str, units: str) -> dict[str, str]:
    """A projection whose columns are the units of one head after the other."""
    return {f"attention/{name}/w": f"d_in {units}", f"attention/{name}/b": units}


SPLIT, WHOLE = "(copies units)", "(units width)"
OUTPUTS = "attention/linear/w"


def unrolled(core: Callable[[], Any], x: Any) -> Any:
    cell = core()
    start = jax.tree.map(lambda leaf: leaf.astype(x.dtype), cell.initial_state(x.shape[0]))
    return hk.dynamic_unroll(cell, x, start, time_major=False)[0]


def recurrent(core: Any, move: Transformation, inputs: Any = TOKENS) -> Build:
    return net(inputs, move, lambda x: HEAD()(unrolled(partial(core, name="cell"), x)))


def lstm_units() -> Transformation:
    """By hand: one tensor has the rows of the inputs, and below them those of the state."""
    group = groups.Permutation(UNITS)

    def gates(order: Any, array: Any) -> Any:
        return group.act(order, array.reshape(*array.shape[:-1], 4, UNITS), array.ndim).reshape(array.shape)

    def on_params(order: Any, params: Any) -> Any:
        w, b = params["cell/linear"]["w"], params["cell/linear"]["b"]
        rows = jnp.concatenate([w[:D_IN], group.act(order, w[D_IN:], 0)])
        read = {**params["head"], "w": group.act_dual(order, params["head"]["w"], 0)}
        return {**params, "cell/linear": {"w": gates(order, rows), "b": gates(order, b)}, "head": read}

    return Transformation(group, on_params, name="lstm-units")


def convolutional_lstm(kind: Any, space: int) -> Build:
    """The channels of a cell whose gates share two kernels."""
    axes = " ".join("dhw"[:space])
    move = states(
        groups.Permutation(UNITS),
        inputs={"cell/input_to_hidden/w": f"{axes} d_in (gates units)", "cell/*_to_hidden/b": "(gates units)"},
        recurrent={"cell/hidden_to_hidden/w": (f"{axes} hidden (gates units)", space)},
        outputs=READS,
    )
    inputs = jnp.broadcast_to(TOKENS[:2, :2].reshape(2, 2, *(1,) * space, D_IN), (2, 2, *(2,) * space, D_IN))
    return recurrent(partial(kind, (2,) * space, UNITS, 2), move, inputs)


VANILLA = states(
    groups.Permutation(UNITS),
    inputs={"cell/linear/w": 1, "cell/linear*/b": 0},
    recurrent={"cell/linear_1/w": (1, 0)},
    outputs=READS,
)
GRU = states(
    groups.Permutation(UNITS),
    inputs={"cell/w_i": "d_in (gates units)", "cell/b": "(gates units)"},
    recurrent={"cell/w_h": ("hidden (gates units)", 0)},
    outputs=READS,
)


def deep(x: Any) -> Any:
    """A cell between layers, each at every step."""
    core = hk.DeepRNN([hk.VanillaRNN(UNITS, name="cell"), HEAD()])
    start = jax.tree.map(lambda leaf: leaf.astype(x.dtype), core.initial_state(x.shape[0]))
    return hk.dynamic_unroll(core, x, start, time_major=False)[0]


def scaled(epsilon: float) -> eqprop.Pair:
    made = stacked(FEATURES, norm_scale(UNITS, writes=WRITES), DENSE, through("batch", eps=epsilon), HEAD)
    return made(NUMBERS["float64"])


def spectral(x: Any) -> Any:
    """A matrix through a spectral norm, whose vectors stay as they are."""
    w = hk.get_parameter("w", (D_IN, UNITS), x.dtype, init=hk.initializers.RandomNormal())
    return HEAD()(x @ hk.SpectralNorm(eps=0.0, name="norm")(w, update_stats=False))


def in_sequence(x: Any) -> Any:
    return hk.Sequential([DENSE(), jax.nn.relu, HEAD()])(x)


def flat_image(x: Any) -> Any:
    return hk.Flatten()(hk.Reshape((4, -1))(x))


SEPARABLE: Any = hk.SeparableDepthwiseConv2D  # pyright: ignore[reportPrivateImportUsage] - haiku shows it unlisted
CONV = layer(hk.Conv2D, UNITS, 3)
FIRST = partial(hk.Conv2D, UNITS, 3, name="dense")
MLP = channels(UNITS, writes={"layer/~/linear_0/w": 1, "layer/~/linear_0/b": 0}, reads={"layer/~/linear_1/w": 0})

LIBRARY = Library(
    claims={
        "Linear, permuted": stacked(FEATURES, AROUND.permuted, DENSE, jnp.tanh, HEAD),
        "Linear, rescaled": stacked(FEATURES, AROUND.rescaled, DENSE, jax.nn.relu, HEAD),
        "MLP, rescaled": stacked(FEATURES, MLP, layer(hk.nets.MLP, [UNITS, D_OUT])),
        "Sequential, rescaled": net(FEATURES, AROUND.rescaled, in_sequence),
        "Flatten Reshape, rescaled": stacked(
            IMAGES,
            channels(UNITS, writes={"dense/w": 3, "dense/b": 0}, reads={"head/w": "(pixels units) d_out"}),
            FIRST,
            jax.nn.relu,
            flat_image,
            HEAD,
        ),
        "Bias, rescaled": stacked(
            FEATURES,
            channels(UNITS, writes={"dense/w": 1, "layer/b": 0}, reads=READS),
            partial(hk.Linear, UNITS, with_bias=False, name="dense"),
            layer(hk.Bias),
            jax.nn.relu,
            HEAD,
        ),
        "Embed, units": stacked(
            WORDS,
            channels(UNITS, writes={"layer/embeddings": 1}, reads=READS),
            layer(hk.Embed, VOCABULARY, UNITS),
            HEAD,
        ),
        "Conv1D, rescaled": writing(layer(hk.Conv1D, UNITS, 2), 2, TOKENS),
        "Conv2D, rescaled": writing(CONV, 3, IMAGES),
        "Conv3D, rescaled": writing(layer(hk.Conv3D, UNITS, 2), 4, VOLUMES),
        "Conv2D MaxPool, rescaled": writing(CONV, 3, IMAGES, partial(hk.MaxPool, (2, 2, 1), (2, 2, 1), "VALID")),
        "Conv2D AvgPool, rescaled": writing(CONV, 3, IMAGES, partial(hk.AvgPool, (2, 2, 1), (2, 2, 1), "VALID")),
        "Conv2D strided, rescaled": writing(layer(hk.Conv2D, UNITS, 3, stride=2), 3, IMAGES),
        "Conv2D dilated, rescaled": writing(layer(hk.Conv2D, UNITS, 3, rate=2), 3, IMAGES),
        "Conv2D grouped, rescaled in each group": grouped(),
        "Conv1DTranspose, rescaled": writing(layer(hk.Conv1DTranspose, UNITS, 3, stride=2), 1, TOKENS),
        "Conv2DTranspose, rescaled": writing(layer(hk.Conv2DTranspose, UNITS, 3, stride=2), 2, IMAGES),
        "Conv3DTranspose, rescaled": writing(layer(hk.Conv3DTranspose, UNITS, 2), 3, VOLUMES),
        "DepthwiseConv1D, rescaled": between(
            layer(hk.DepthwiseConv1D, 1, 2, with_bias=False), TOKENS, partial(hk.Conv1D, UNITS, 2, name="dense"), 2
        ),
        "DepthwiseConv2D, rescaled": between(layer(hk.DepthwiseConv2D, 1, 3, with_bias=False), IMAGES, FIRST, 3),
        "DepthwiseConv3D, rescaled": between(
            layer(hk.DepthwiseConv3D, 1, 2, with_bias=False), VOLUMES, partial(hk.Conv3D, UNITS, 2, name="dense"), 4
        ),
        "SeparableDepthwiseConv2D, rescaled": between(layer(SEPARABLE, 1, 3, with_bias=False), IMAGES, FIRST, 3),
        "LayerNorm, gain": gain("layer"),
        "LayerNorm, shift": stacked(FEATURES, AROUND.shift, DENSE, through("layer")),
        "RMSNorm, gain": gain("rms"),
        "GroupNorm, gain": gain("group"),
        "InstanceNorm, gain": gain("instance", TOKENS),
        "BatchNorm, gain": gain("batch"),
        "BatchNorm, bias before it": stacked(FEATURES, AROUND.bias_and_gain, DENSE, through("batch"), HEAD),
        "SpectralNorm, size": net(FEATURES, norm_scale(1, writes={"~/w": "d_in (units members)"}), spectral),
        "MultiHeadAttention, queries and keys": attending(
            attention_heads(HEADS, WIDTH, queries=projection("query", SPLIT), keys=projection("key", SPLIT))
        ),
        "MultiHeadAttention, values and outputs": attending(
            attention_heads(HEADS, WIDTH, values=projection("value", SPLIT), outputs={OUTPUTS: f"{SPLIT} d_out"})
        ),
        "MultiHeadAttention, heads": attending(
            experts(
                HEADS,
                {
                    **projection("query", WHOLE),
                    **projection("key", WHOLE),
                    **projection("value", WHOLE),
                    OUTPUTS: f"{WHOLE} d_out",
                },
            )
        ),
        "VanillaRNN, units": recurrent(partial(hk.VanillaRNN, UNITS), VANILLA),
        "DeepRNN VanillaRNN, units": net(TOKENS, VANILLA, deep),
        "LSTM, units": recurrent(partial(hk.LSTM, UNITS), lstm_units()),
        "GRU, units": recurrent(partial(hk.GRU, UNITS), GRU),
        "Conv1DLSTM, channels": convolutional_lstm(hk.Conv1DLSTM, 1),
        "Conv2DLSTM, channels": convolutional_lstm(hk.Conv2DLSTM, 2),
        "Conv3DLSTM, channels": convolutional_lstm(hk.Conv3DLSTM, 3),
    },
    exported=exported(hk, hk.Module) | {"MLP"},
    out_of_scope={
        **dict.fromkeys(("ConvND", "ConvNDTranspose"), "tested with each number of axes"),
        "RNNCore": "abstract",
        **dict.fromkeys(("IdentityCore", "ResetCore"), "has no parameters of its own: it holds another core"),
        **dict.fromkeys(
            ("EMAParamsTree", "ExponentialMovingAverage", "SNParamsTree"),
            "is no layer: it keeps or changes the parameters of others",
        ),
    },
    told=False,
    scaled=scaled,
    stopping=frozenset({"SpectralNorm, size"}),
)
