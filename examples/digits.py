"""Two networks trained on scikit-learn's handwritten digits, and the symmetries that they have after training.

An Equinox perceptron and a Flax attention classifier that reads an 8×8 image as 8 tokens of 8 pixels. Both are trained
in float32 by Adam for a few seconds, at the first use in a process. ``pairs()`` is what eqprop verifies; run as a
script, this module prints the accuracies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from sklearn.datasets import load_digits

import eqprop
from eqprop import groups

CLASSES = 10
TRAIN = 1437
"""The first four fifths of the 1,797 images, in a shuffled order; the rest are for testing."""

HIDDEN = 16
TOKENS, PIXELS, WIDTH, HEADS, HEAD_WIDTH = 8, 8, 16, 2, 4

Apply = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Trained:
    """A network as eqprop takes it: ``apply(params, images) -> logits``, shapes (batch, 64) -> (batch, 10)."""

    apply: Apply
    params: Any

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The part of the images whose most probable class is the label."""
        return float(np.mean(np.argmax(self.apply(self.params, images), axis=-1) == labels))


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """All images, shuffled and standardised by one mean and one deviation, shape (1797, 64); and their labels."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return ((images - images.mean()) / images.std()).astype(np.float32)[order], labels[order]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean of −log softmax(logits)[label]."""
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(labels)))


def train(apply: Apply, params: Any, *, steps: int, rate: float, batch: int = 128) -> Any:
    """The parameters after Adam on random minibatches, compiled as one loop."""
    images, labels = (jnp.asarray(a[:TRAIN]) for a in digits())
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(state: Any, key: Any) -> tuple[Any, None]:
        params, moments = state
        chosen = jax.random.randint(key, (batch,), 0, TRAIN)
        gradient = jax.grad(lambda p: cross_entropy(apply(p, images[chosen]), labels[chosen]))(params)
        updates, moments = optimiser.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), None

    keys = jax.random.split(jax.random.key(0), steps)
    start = (params, optimiser.init(params))
    return jax.jit(lambda state: jax.lax.scan(step, state, keys))(start)[0][0]


@cache
def perceptron() -> Trained:
    """64–16–16–10 with ReLU, in Equinox. A Linear's weight has shape (out, in); paths read ``layers/0/weight``."""
    with jax.enable_x64(False):  # float32, also where the caller computes in float64
        net = eqx.filter_jit(eqx.nn.MLP)(TOKENS * PIXELS, CLASSES, HIDDEN, depth=2, key=jax.random.key(0))
        params, static = eqx.partition(net, eqx.is_inexact_array)

        def apply(params: Any, images: Any) -> Any:
            return jax.vmap(eqx.combine(params, static))(images)

        return Trained(apply, train(apply, params, steps=500, rate=5e-3))


class AttentionClassifier(nn.Module):
    """Rows of pixels as tokens: embedding, a pre-norm attention block with a residual connection, mean, linear head."""

    def setup(self) -> None:
        self.embed = nn.Dense(WIDTH)
        self.position = self.param("position", nn.initializers.normal(0.5), (TOKENS, WIDTH))
        self.norm = nn.RMSNorm()
        self.attention = nn.MultiHeadAttention(num_heads=HEADS, qkv_features=HEADS * HEAD_WIDTH)
        self.head = nn.Dense(CLASSES)

    def __call__(self, images: Any) -> Any:
        rows = jnp.reshape(images, (-1, TOKENS, PIXELS))
        stream = self.embed(rows) + self.position
        stream = stream + self.attention(self.norm(stream))
        return self.head(jnp.mean(stream, axis=1))


@cache
def attention_classifier() -> Trained:
    """The classifier in Flax. Kernels of heads have shape (in, heads, units); paths read ``attention/query/kernel``."""
    with jax.enable_x64(False):
        net = AttentionClassifier()
        params = jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, TOKENS * PIXELS)))["params"]

        def apply(params: Any, images: Any) -> Any:
            return net.apply({"params": params}, images)

        return Trained(apply, train(apply, params, steps=600, rate=1e-2))


def classifier(name: str, network: Trained, batch: int = 4) -> eqprop.Model:
    """A trained network on the first test images, its loss the cross-entropy with their labels."""
    images, labels = (a[TRAIN : TRAIN + batch] for a in digits())
    return eqprop.Model(
        network.apply, network.params, images, loss=lambda logits: cross_entropy(logits, labels), name=name
    )


def centred(model: eqprop.Model) -> eqprop.Model:
    """The classifier with the mean of its logits taken off, which the cross-entropy does not see."""

    def apply(params: Any, images: Any) -> Any:
        logits = model.apply(params, images)
        return logits - jnp.mean(logits, axis=-1, keepdims=True)

    return replace(model, apply=apply)


def perceptron_pairs() -> list[eqprop.Pair]:
    """Factors and permutations of the units of each hidden layer, and shifts of the logits."""
    net = classifier("digits-mlp", perceptron())

    def shift_logits(shift: Any, params: Any) -> Any:
        """What the softmax does not see: a·h + s, the same for every class."""
        last = params.layers[-1]
        moved = (last.weight + shift[:-1], last.bias + shift[-1])
        return eqx.tree_at(lambda tree: (tree.layers[-1].weight, tree.layers[-1].bias), params, moved)

    hidden = [
        eqprop.hidden_units(
            group,
            writes={f"layers/{i}/weight": 0, f"layers/{i}/bias": 0},
            reads={f"layers/{i + 1}/weight": 1},
            name=f"{what}-{i}",
        )
        for i in (0, 1)
        for what, group in (("relu-rescaling", groups.Scaling(HIDDEN)), ("permutation", groups.Permutation(HIDDEN)))
    ]
    shift = eqprop.Transformation(groups.Translation(HIDDEN + 1), shift_logits, name="softmax-shift", isometry=True)
    return [
        *(eqprop.Pair(net, transformation) for transformation in hidden),
        eqprop.Pair(centred(net), shift),
    ]


def attention_pairs() -> list[eqprop.Pair]:
    """Bases of queries and keys, and of values, in each head; factors of the norm's gain; shifts of the logits."""
    net = classifier("digits-attention", attention_classifier())
    basis = groups.Power(groups.GeneralLinear(HEAD_WIDTH), HEADS)

    def shift_logits(shift: Any, params: Any) -> Any:
        head = params["head"]
        return {**params, "head": {"kernel": head["kernel"] + shift[:-1, None], "bias": head["bias"] + shift[-1]}}

    query_key = eqprop.hidden_units(
        basis,
        writes={"attention/query/kernel": (1, 2), "attention/query/bias": (0, 1)},
        reads={"attention/key/kernel": (1, 2), "attention/key/bias": (0, 1)},
        name="query-key-basis",
    )
    value_output = eqprop.hidden_units(
        basis,
        writes={"attention/value/kernel": (1, 2), "attention/value/bias": (0, 1)},
        reads={"attention/out/kernel": (0, 1)},
        name="value-output-basis",
    )
    gain = eqprop.hidden_units(
        groups.Scaling(WIDTH),
        writes={"norm/scale": 0},
        reads={f"attention/{role}/kernel": 0 for role in ("query", "key", "value")},
        name="norm-gain",
    )
    shift = eqprop.Transformation(groups.Translation(WIDTH + 1), shift_logits, name="softmax-shift", isometry=True)
    return [
        *(eqprop.Pair(net, transformation) for transformation in (query_key, value_output, gain)),
        eqprop.Pair(centred(net), shift),
    ]


def pairs() -> list[eqprop.Pair]:
    """What is verified."""
    return [*perceptron_pairs(), *attention_pairs()]


def main() -> None:
    """Train both networks and print how well they read digits."""
    images, labels = digits()
    for build in (perceptron, attention_classifier):
        network = build()
        seen, unseen = (network.accuracy(images[part], labels[part]) for part in (slice(TRAIN), slice(TRAIN, None)))
        print(f"{build.__name__:20}  {seen:.1%} of the training images, {unseen:.1%} of the test images")


if __name__ == "__main__":
    main()
