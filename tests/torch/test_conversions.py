"""Weights of PyTorch's modules in Flax's: the mapping that people write, and its classic mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flax import linen

import eqprop
from eqprop.conversions import transposed
from eqprop.errors import InvalidInput
from eqprop.properties import CORE
from tests.torch.judging import judged, violated

torch = pytest.importorskip("torch")

nn = torch.nn

EMBED, HEADS, WIDTH, HIDDEN = 4, 2, 2, 3
WORDS = np.random.default_rng(0).standard_normal((3, EMBED))
PREMISE = [prop for prop in CORE if prop.name == "equivariance"]
OF_EACH_ORDER = [prop for prop in CORE if prop.name in ("equivariance", "gradient-covariance", "hessian-covariance")]


class Theirs(nn.Module):
    """Attention and a layer behind it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.attn, self.fc = nn.MultiheadAttention(EMBED, HEADS), nn.Linear(EMBED, HIDDEN)

    def forward(self, x: Any) -> Any:
        return torch.tanh(self.fc(self.attn(x, x, x)[0]))


class Ours(linen.Module):
    """The same in Flax."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return linen.tanh(linen.Dense(HIDDEN)(linen.MultiHeadDotProductAttention(num_heads=HEADS)(x)))


def projection(place: int) -> Any:
    """The rows of a packed projection as Flax has them: the features that are read, heads, units."""
    return lambda packed: packed[place * EMBED : (place + 1) * EMBED].T.reshape(EMBED, HEADS, WIDTH)


def shared(place: int) -> Any:
    return lambda packed: packed[place * EMBED : (place + 1) * EMBED].reshape(HEADS, WIDTH)


ATTENTION = "MultiHeadDotProductAttention_0"
MAPPING: dict[str, Any] = {
    **{
        f"{ATTENTION}/{name}/kernel": (projection(place), "attn.in_proj_weight")
        for place, name in enumerate(("query", "key", "value"))
    },
    **{
        f"{ATTENTION}/{name}/bias": (shared(place), "attn.in_proj_bias")
        for place, name in enumerate(("query", "key", "value"))
    },
    f"{ATTENTION}/out/kernel": (lambda w: w.T.reshape(HEADS, WIDTH, EMBED), "attn.out_proj.weight"),
    f"{ATTENTION}/out/bias": "attn.out_proj.bias",
    "Dense_0/kernel": (transposed, "fc.weight"),
    "Dense_0/bias": "fc.bias",
}


def pair(**changes: Any) -> eqprop.Pair:
    """Converted by the mapping with some rules of its own; the target's own weights are any."""
    theirs = eqprop.torch.from_module(Theirs().double(), WORDS)
    ours = eqprop.flax.from_module(Ours(), WORDS)
    mapping = MAPPING | {f"{ATTENTION}/{path}/kernel": rule for path, rule in changes.items()}
    return eqprop.conversion(theirs, ours, mapping, checkpoint=False)


def test_attention_of_torch_is_attention_of_flax_in_every_order():
    program, _, found = judged(pair(), 8, properties=OF_EACH_ORDER)
    assert {prop.order for prop in program.properties} == {0, 1, 2}
    assert not [name for name, one in found.items() if one.suspect.any() or one.inconclusive.all()]


MISTAKES = {
    "heads inside of units": {
        "query": (lambda w: w[:EMBED].T.reshape(EMBED, WIDTH, HEADS).swapaxes(1, 2), "attn.in_proj_weight")
    },
    "keys for values": {"value": (projection(1), "attn.in_proj_weight")},
    "output not turned": {"out": (lambda w: w.reshape(HEADS, WIDTH, EMBED), "attn.out_proj.weight")},
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_classic_mistake_is_falsified(name):
    assert violated(pair(**MISTAKES[name]), 8, properties=PREMISE) == {0}


def test_of_a_checkpoint_the_wrong_tensor_is_named():
    theirs = eqprop.torch.from_module(Theirs().double(), WORDS)
    ours = eqprop.flax.from_module(Ours(), WORDS)
    converted = {
        path: rule[0](theirs.params[rule[1]]) if isinstance(rule, tuple) else theirs.params[rule]
        for path, rule in MAPPING.items()
    }
    value = f"{ATTENTION}/value/kernel"
    converted[value] = projection(1)(theirs.params["attn.in_proj_weight"])
    wrong = eqprop.Model(ours.apply, {path: np.asarray(leaf) for path, leaf in converted.items()}, WORDS)
    with pytest.raises(InvalidInput, match=rf"'{value}' is not what the mapping makes of 'attn.in_proj_weight'"):
        eqprop.conversion(theirs, wrong, MAPPING)
