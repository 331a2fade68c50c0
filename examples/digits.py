"""Two networks trained on scikit-learn's handwritten digits, and the symmetries that they have after training.

An Equinox perceptron and a Flax attention classifier that reads an 8×8 image as 8 tokens of 8 pixels. Both were trained
in float32 by Adam for a few seconds: run as a script, this module trains them again, prints how well they read, and
writes the checkpoint beside it. ``pairs()`` is what eqprop verifies, on that checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import eqprop
from eqprop import groups

CLASSES = 10
TRAIN = 1437
"""The first four fifths of the 1,797 images, in a shuffled order; the rest are for testing."""

HIDDEN = 16
TOKENS, PIXELS, WIDTH, HEADS, HEAD_WIDTH = 8, 8, 16, 2, 4

CHECKPOINT = Path(__file__).with_suffix(".json")
"""The parameters of both networks, leaf by leaf, and the batch on which they are verified: the first test images."""

BATCH = 4

Apply = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Network:
    """A network as eqprop takes it, and how it is trained.

    Attributes:
        name: of its parameters in the checkpoint.
        apply: ``apply(params, images) -> logits``, shapes (batch, 64) -> (batch, 10).
        initial: draws its parameters.
        steps: of Adam.
        rate: of learning, at the beginning; it falls to 0 as a cosine.
    """

    name: str
    apply: Apply
    initial: Callable[[], Any]
    steps: int
    rate: float

    def train(self, batch: int = 128) -> Any:
        """The parameters after Adam on random minibatches, in float32 also where the caller computes in float64."""
        import optax

        with jax.enable_x64(False):
            images, labels = (jnp.asarray(a[:TRAIN]) for a in digits())
            optimiser = optax.adam(optax.cosine_decay_schedule(self.rate, self.steps))

            def step(state: Any, key: Any) -> tuple[Any, None]:
                params, moments = state
                chosen = jax.random.randint(key, (batch,), 0, TRAIN)
                gradient = jax.grad(lambda p: cross_entropy(self.apply(p, images[chosen]), labels[chosen]))(params)
                updates, moments = optimiser.update(gradient, moments)
                return (optax.apply_updates(params, updates), moments), None

            keys, params = jax.random.split(jax.random.key(0), self.steps), self.initial()
            start = (params, optimiser.init(params))
            return jax.jit(lambda state: jax.lax.scan(step, state, keys))(start)[0][0]

    def restored(self) -> Any:
        """The parameters of the checkpoint."""
        leaves, treedef = jax.tree.flatten(jax.eval_shape(self.initial))
        kept = [leaf for name, leaf in checkpoint().items() if name.startswith(f"{self.name}/")]
        if [leaf.shape for leaf in kept] != [leaf.shape for leaf in leaves]:
            msg = f"{CHECKPOINT.name} is of other networks than these: train them again, python -m examples.digits"
            raise ValueError(msg)
        return jax.tree.unflatten(treedef, kept)

    def accuracy(self, params: Any, images: np.ndarray, labels: np.ndarray) -> float:
        """The part of the images whose most probable class is the label."""
        return float(np.mean(np.argmax(self.apply(params, images), axis=-1) == labels))


@cache
def checkpoint() -> dict[str, np.ndarray]:
    """What the file has, by name."""
    kept = json.loads(CHECKPOINT.read_text(encoding="utf-8"))
    return {name: np.asarray(numbers, np.float32 if name != "labels" else int) for name, numbers in kept.items()}


def written(kept: Mapping[str, np.ndarray]) -> str:
    """As text, a line for each array: float32 numbers in as few digits as tell them apart."""

    def line(name: str, numbers: np.ndarray) -> str:
        shortest = numbers.astype(str).astype(float) if numbers.dtype.kind == "f" else numbers
        return f"{json.dumps(name)}: {json.dumps(shortest.tolist())}"

    return "{\n" + ",\n".join(line(name, numbers) for name, numbers in kept.items()) + "\n}\n"


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """All images, shuffled and standardised by one mean and one deviation, shape (1797, 64); and their labels."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return ((images - images.mean()) / images.std()).astype(np.float32)[order], labels[order]


def cross_entropy(logits: Any, labels: Any) -> Any:
    """The mean of −log softmax(logits)[label]."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.asarray(labels)[:, None], axis=-1)
    return -jnp.mean(chosen)


def perceptron() -> Network:
    """64–16–16–10 with ReLU, in Equinox. A Linear's weight has shape (out, in); paths read ``layers/0/weight``."""

    def built() -> eqx.nn.MLP:
        return eqx.nn.MLP(TOKENS * PIXELS, CLASSES, HIDDEN, depth=2, key=jax.random.key(0))

    static = eqx.filter(eqx.filter_eval_shape(built), lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))

    def apply(params: Any, images: Any) -> Any:
        return jax.vmap(eqx.combine(params, static))(images)

    return Network("mlp", apply, lambda: eqx.filter(built(), eqx.is_inexact_array), steps=500, rate=5e-3)


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


def attention_classifier() -> Network:
    """The classifier in Flax. Kernels of heads have shape (in, heads, units); paths read ``attention/query/kernel``."""
    net = AttentionClassifier()

    def initial() -> Any:
        return net.init(jax.random.key(0), jnp.zeros((1, TOKENS * PIXELS)))["params"]

    def apply(params: Any, images: Any) -> Any:
        return net.apply({"params": params}, images)

    return Network("attention", apply, initial, steps=600, rate=1e-2)


def classifier(network: Network) -> eqprop.Model:
    """A trained network on the first test images, its loss the cross-entropy with their labels."""
    images, labels = checkpoint()["images"], checkpoint()["labels"]
    return eqprop.Model(
        network.apply,
        network.restored(),
        images,
        loss=lambda logits: cross_entropy(logits, labels),
        name=f"digits-{network.name}",
    )


def centred(model: eqprop.Model) -> eqprop.Model:
    """The classifier with the mean of its logits taken off, which the cross-entropy does not see."""

    def apply(params: Any, images: Any) -> Any:
        logits = model.apply(params, images)
        return logits - jnp.mean(logits, axis=-1, keepdims=True)

    return replace(model, apply=apply)


def perceptron_pairs() -> list[eqprop.Pair]:
    """Factors and permutations of the units of each hidden layer, and shifts of the logits."""
    net = classifier(perceptron())

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
    net = classifier(attention_classifier())
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
    """Train both networks, print how well they read digits, and keep them."""
    images, labels = digits()
    test = slice(TRAIN, TRAIN + BATCH)
    kept: dict[str, Any] = {"images": images[test], "labels": labels[test]}
    for network in (perceptron(), attention_classifier()):
        params = network.train()
        seen, unseen = (
            network.accuracy(params, images[part], labels[part]) for part in (slice(TRAIN), slice(TRAIN, None))
        )
        print(f"{network.name:10}  {seen:.1%} of the training images, {unseen:.1%} of the test images")
        kept |= {f"{network.name}/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(params))}
    CHECKPOINT.write_text(written(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
