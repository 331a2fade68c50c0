"""The symmetries of layers of Equinox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import equinox as eqx
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
)

KEY = jax.random.key(0)


def _is_state(leaf: Any) -> bool:
    return isinstance(leaf, eqx.nn.StateIndex)


SIGNALS, PICTURES = jnp.swapaxes(TOKENS, 1, 2), jnp.moveaxis(IMAGES, -1, 1)
VOLUMES = jnp.stack([PICTURES[..., :4, :4]] * 4, axis=-1)


def net(
    inputs: Any, move: Move, apply: Callable[[Any, Any], Any] | None = None, *, axis_name: str = "", **layers: Any
) -> Build:
    """Layers one after the other, or as ``apply(layers, sample)`` says, and a transformation of their parameters."""

    def in_turn(made: Mapping[str, Any], sample: Any) -> Any:
        for layer in made.values():
            sample = layer(sample)
        return sample

    def build(numbers: Numbers) -> eqprop.Pair:
        with jax.enable_x64(numbers.precision == "float64"):  # counters are as wide as where they are counted on
            ready = {name: layer() if isinstance(layer, partial) else layer for name, layer in layers.items()}
        params, static = eqx.partition(ready, eqx.is_inexact_array, is_leaf=_is_state)

        def of_batch(params: Any, x: Any) -> Any:
            made = {name: eqx.combine(params[name], static[name]) for name in layers}
            return jax.vmap(lambda sample: (apply or in_turn)(made, sample), axis_name=axis_name or None)(x)

        return pair_of(of_batch, params, inputs, numbers, move)

    return build


def dense() -> Any:
    return eqx.nn.Linear(D_IN, UNITS, key=KEY)


def head(d_in: int = UNITS) -> Any:
    return eqx.nn.Linear(d_in, D_OUT, key=KEY)


def flat(sample: Any) -> Any:
    return jnp.mean(sample.reshape(sample.shape[0], -1), axis=1)


AROUND = Around(
    writes={"dense/weight": 0, "dense/bias": 0},
    reads={"head/weight": 1},
    gains={"norm/weight": 0, "norm/bias": 0},
)
WRITES, READS = AROUND.writes, AROUND.reads
OF_LAYER = channels(UNITS, writes={"layer/weight": 0, "layer/bias": 0}, reads=READS)


def between(layer: Any) -> Build:
    """The units in front of a layer that lets their scale through."""
    return net(FEATURES, AROUND.rescaled, dense=dense(), layer=layer, head=head())


def writing(layer: Any, inputs: Any, *behind: Any) -> Build:
    """The channels of a convolution, rescaled behind a ReLU and perhaps a pool."""
    pools = {f"pool{i}": pool for i, pool in enumerate(behind)}
    return net(inputs, OF_LAYER, layer=layer, relu=jax.nn.relu, **pools, flat=flat, head=head())


def gain(norm: Any, inputs: Any = FEATURES, apply: Any = None, **options: Any) -> Build:
    move = norm_gain(UNITS, gains=AROUND.gains, reads=READS)
    return net(inputs, move, apply, dense=dense(), norm=norm, head=head(), **options)


BATCH_NORM = partial(eqx.nn.BatchNorm, UNITS, "batch", mode="batch")


def through_batch_norm(made: Mapping[str, Any], sample: Any) -> Any:
    """Its running statistics are not looked at, and thrown away."""
    norm = made["norm"]
    return made["head"](norm(made["dense"](sample), eqx.nn.State(norm))[0])


def grouped() -> Build:
    """Four channels, of which each half is read by a group of a convolution."""
    writes = {"dense/weight": "(copies units) d_in h w", "dense/bias": "(copies units) h w"}
    move = hidden_units(
        groups.Power(groups.Scaling(2), 2), writes=writes, reads={"layer/weight": "(copies d_out) units h w"}
    )
    first, layer = eqx.nn.Conv2d(D_IN, 4, 3, key=KEY), eqx.nn.Conv2d(4, 2 * D_OUT, 3, groups=2, key=KEY)
    return net(PICTURES, move, dense=first, relu=jax.nn.relu, layer=layer)


def attention(move: Transformation, *, key_bias: bool = True) -> Build:
    biases = dict.fromkeys(("use_query_bias", "use_value_bias", "use_output_bias"), True) | {"use_key_bias": key_bias}
    made = eqx.nn.MultiheadAttention(HEADS, D_IN, qk_size=WIDTH, vo_size=WIDTH, output_size=D_OUT, key=KEY, **biases)
    return net(TOKENS, move, lambda layers, x: layers["attention"](x, x, x), attention=made)


def projection(name: str, units: str, *, bias: bool = True) -> dict[str, str]:
    """A projection whose rows are the units of one head after the other."""
    of_bias = {f"attention/{name}_proj/bias": units} if bias else {}
    return {f"attention/{name}_proj/weight": f"{units} d_in"} | of_bias


SPLIT, WHOLE = "(copies units)", "(units width)"
OUTPUTS = "attention/output_proj/weight"


def rotated(made: Mapping[str, Any], x: Any) -> Any:
    """Attention of one head with rotary positions."""
    q, k, v = (jax.vmap(made[name])(x) for name in ("query", "key", "value"))
    q, k = made["rotary"](q), made["rotary"](k)
    return jax.nn.softmax(q @ k.T) @ v


def rotary() -> Build:
    """One complex factor for each frequency is left between queries and keys."""
    layers = {name: eqx.nn.Linear(D_IN, 4, key=KEY) for name in ("query", "key", "value")}
    sides = ({f"{name}/weight": "(copies units) d_in", f"{name}/bias": "(copies units)"} for name in ("query", "key"))
    queries, keys = sides
    move = attention_heads(1, 4, queries=queries, keys=keys, rotary="halves")
    return net(TOKENS, move, rotated, rotary=eqx.nn.RotaryPositionalEmbedding(4), **layers)


def recurrent(cell: Any, carries: int, biases: Mapping[str, Any]) -> Build:
    move = states(
        groups.Permutation(UNITS),
        inputs={"cell/weight_ih": "(gates units) d_in", **biases},
        recurrent={"cell/weight_hh": ("(gates units) hidden", 1)},
        outputs=READS,
    )

    def apply(made: Mapping[str, Any], sample: Any) -> Any:
        zeros = jnp.zeros(UNITS, sample.dtype)
        start = (zeros, zeros) if carries == 2 else zeros
        state, _ = jax.lax.scan(lambda state, x: (made["cell"](x, state), None), start, sample)
        return made["head"](state[0] if isinstance(state, tuple) else state)

    return net(TOKENS, move, apply, cell=cell(D_IN, UNITS, key=KEY), head=head())


def scaled(epsilon: float) -> eqprop.Pair:
    writes = {"dense/weight": "(units members) d_in", "dense/bias": "(units members)"}
    norm = eqx.nn.LayerNorm(UNITS, eps=epsilon)
    return net(FEATURES, norm_scale(1, writes=writes), dense=dense(), norm=norm, head=head())(NUMBERS["float64"])


def normed_spectrum(made: Mapping[str, Any], sample: Any) -> Any:
    """With the vectors of the start, which stay as they are."""
    norm = made["layer"]
    return made["head"](norm(sample, eqx.nn.State(norm), inference=True)[0])


conv = partial(eqx.nn.Conv2d, D_IN, UNITS, 3, key=KEY)
MLP = channels(UNITS, writes={"mlp/layers/0/weight": 0, "mlp/layers/0/bias": 0}, reads={"mlp/layers/1/weight": 1})
SEQUENTIAL = channels(UNITS, writes={"layers/layers/0/weight": 0}, reads={"layers/layers/2/weight": 1})

LIBRARY = Library(
    claims={
        "Linear, permuted": net(FEATURES, AROUND.permuted, dense=dense(), tanh=jnp.tanh, head=head()),
        "Linear, rescaled": net(FEATURES, AROUND.rescaled, dense=dense(), relu=jax.nn.relu, head=head()),
        "MLP, rescaled": net(FEATURES, MLP, mlp=eqx.nn.MLP(D_IN, D_OUT, UNITS, 1, key=KEY)),
        "Sequential Lambda, rescaled": net(
            FEATURES,
            SEQUENTIAL,
            layers=eqx.nn.Sequential(
                [eqx.nn.Linear(D_IN, UNITS, use_bias=False, key=KEY), eqx.nn.Lambda(jax.nn.relu), head()]
            ),
        ),
        "Embedding, units": net(
            WORDS,
            channels(UNITS, writes={"layer/weight": 1}, reads=READS),
            lambda made, words: jax.vmap(lambda word: made["head"](made["layer"](word)))(words),
            layer=eqx.nn.Embedding(VOCABULARY, UNITS, key=KEY),
            head=head(),
        ),
        "PReLU, rescaled": between(eqx.nn.PReLU()),
        "Identity, rescaled": between(eqx.nn.Identity()),
        "Dropout, rescaled": between(eqx.nn.Dropout(inference=True)),
        "Conv1d, rescaled": writing(eqx.nn.Conv1d(D_IN, UNITS, 2, key=KEY), SIGNALS),
        "Conv2d, rescaled": writing(conv(), PICTURES),
        "Conv3d, rescaled": writing(eqx.nn.Conv3d(D_IN, UNITS, 2, key=KEY), VOLUMES),
        "Conv2d strided, rescaled": writing(conv(stride=2, padding=1), PICTURES),
        "Conv2d dilated, rescaled": writing(conv(dilation=2), PICTURES),
        "Conv2d grouped, rescaled in each group": grouped(),
        "Conv2d depthwise, rescaled": net(
            PICTURES,
            AROUND.rescaled,
            dense=conv(),
            layer=eqx.nn.Conv2d(UNITS, UNITS, 3, groups=UNITS, use_bias=False, key=KEY),
            flat=flat,
            head=head(),
        ),
        "ConvTranspose1d, rescaled": writing(eqx.nn.ConvTranspose1d(D_IN, UNITS, 3, stride=2, key=KEY), SIGNALS),
        "ConvTranspose2d, rescaled": writing(eqx.nn.ConvTranspose2d(D_IN, UNITS, 3, stride=2, key=KEY), PICTURES),
        "ConvTranspose3d, rescaled": writing(eqx.nn.ConvTranspose3d(D_IN, UNITS, 2, key=KEY), VOLUMES),
        "MaxPool1d, rescaled": writing(eqx.nn.Conv1d(D_IN, UNITS, 2, key=KEY), SIGNALS, eqx.nn.MaxPool1d(2)),
        "MaxPool2d, rescaled": writing(conv(), PICTURES, eqx.nn.MaxPool2d(2, 2)),
        "MaxPool3d, rescaled": writing(eqx.nn.Conv3d(D_IN, UNITS, 2, key=KEY), VOLUMES, eqx.nn.MaxPool3d(2)),
        "AvgPool1d, rescaled": writing(eqx.nn.Conv1d(D_IN, UNITS, 2, key=KEY), SIGNALS, eqx.nn.AvgPool1d(2)),
        "AvgPool2d, rescaled": writing(conv(), PICTURES, eqx.nn.AvgPool2d(2, 2)),
        "AvgPool3d, rescaled": writing(eqx.nn.Conv3d(D_IN, UNITS, 2, key=KEY), VOLUMES, eqx.nn.AvgPool3d(2)),
        "AdaptiveAvgPool1d AdaptiveMaxPool1d, rescaled": writing(
            eqx.nn.Conv1d(D_IN, UNITS, 1, key=KEY), SIGNALS, eqx.nn.AdaptiveAvgPool1d(2), eqx.nn.AdaptiveMaxPool1d(1)
        ),
        "AdaptiveAvgPool2d AdaptiveMaxPool2d, rescaled": writing(
            conv(), PICTURES, eqx.nn.AdaptiveAvgPool2d(2), eqx.nn.AdaptiveMaxPool2d(1)
        ),
        "AdaptiveAvgPool3d AdaptiveMaxPool3d, rescaled": writing(
            eqx.nn.Conv3d(D_IN, UNITS, 2, key=KEY),
            VOLUMES,
            eqx.nn.AdaptiveAvgPool3d(2),
            eqx.nn.AdaptiveMaxPool3d(1),
        ),
        "LayerNorm, gain": gain(eqx.nn.LayerNorm(UNITS)),
        "LayerNorm, shift": net(FEATURES, AROUND.shift, dense=dense(), norm=eqx.nn.LayerNorm(UNITS)),
        "RMSNorm, gain": gain(eqx.nn.RMSNorm(UNITS)),
        "GroupNorm, gain": gain(eqx.nn.GroupNorm(1, UNITS)),
        "BatchNorm, gain": gain(BATCH_NORM, FEATURES, through_batch_norm, axis_name="batch"),
        "BatchNorm, bias before it": net(
            FEATURES,
            AROUND.bias_and_gain,
            through_batch_norm,
            axis_name="batch",
            dense=dense(),
            norm=BATCH_NORM,
            head=head(),
        ),
        "WeightNorm, length of directions": net(
            FEATURES,
            norm_scale(UNITS, writes={"layer/layer/weight": 0}),
            layer=eqx.nn.WeightNorm(dense()),
            head=head(),
        ),
        "SpectralNorm, size": net(
            FEATURES,
            norm_scale(1, writes={"layer/layer/weight": "(units members) d_in"}),
            normed_spectrum,
            layer=eqx.nn.SpectralNorm(dense(), "weight", key=KEY),
            head=head(),
        ),
        "MultiheadAttention, queries and keys": attention(
            attention_heads(
                HEADS, WIDTH, queries=projection("query", SPLIT), keys=projection("key", SPLIT, bias=False)
            ),
            key_bias=False,  # no softmax sees it: a claim that leaves it alone is as true
        ),
        "MultiheadAttention, values and outputs": attention(
            attention_heads(HEADS, WIDTH, values=projection("value", SPLIT), outputs={OUTPUTS: f"d_out {SPLIT}"})
        ),
        "MultiheadAttention, heads": attention(
            experts(
                HEADS,
                {
                    **projection("query", WHOLE),
                    **projection("key", WHOLE),
                    **projection("value", WHOLE),
                    OUTPUTS: f"d_out {WHOLE}",
                },
            )
        ),
        "RotaryPositionalEmbedding, queries and keys": rotary(),
        "LSTMCell, units": recurrent(eqx.nn.LSTMCell, 2, {"cell/bias": "(gates units)"}),
        "GRUCell, units": recurrent(eqx.nn.GRUCell, 1, {"cell/bias": "(gates units)", "cell/bias_n": 0}),
    },
    exported=exported(eqx.nn, eqx.Module),
    out_of_scope={
        **dict.fromkeys(("Conv", "ConvTranspose", "Pool", "AdaptivePool"), "tested with each number of axes"),
        **dict.fromkeys(("StateIndex", "StatefulLayer"), "has no parameters: it keeps what other layers remember"),
        "Shared": "has no parameters of its own: it ties those of other layers",
    },
    told=False,
    scaled=scaled,
)
