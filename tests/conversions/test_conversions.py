"""Conversions: what is usually done holds in every order, and its classic mistake is caught, the tensor named."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop.conversions import fused, fused_by_head, rotary_halves, rotary_interleaved, transposed
from eqprop.errors import InvalidInput
from tests.conversions.nets import CASES, HEADS, flax_dense, torch_linear

ORDERS = ("equivariance", "jacobian-covariance", "gradient-covariance", "hessian-covariance", "model-second-order")
DENSE = {"Dense_0/kernel": (transposed, "fc.weight"), "Dense_0/bias": "fc.bias"}


def outcomes(pair: eqprop.Pair, properties: tuple[str, ...]) -> dict[str, str]:
    report = eqprop.run(pair, properties=properties, profile="quick", save=None, unseen=False, probes=32)
    return {verdict.property.name: str(verdict.outcome) for verdict in report.verdicts}


ONE_OF_EACH = {
    "a linear layer that is not transposed",
    "a convolution with height and width exchanged",
    "keys in the place of queries",
    "rotary halves that are taken for pairs",
    "an update that is merged without its scale",
    "a batch norm that is folded without epsilon",
}
SISTERS = [pytest.param(name, marks=[pytest.mark.slow] * (name not in ONE_OF_EACH)) for name in CASES]


@pytest.mark.parametrize("name", SISTERS)
def test_a_conversion_holds_in_every_order_and_its_classic_mistake_is_falsified(name):
    assert set(outcomes(CASES[name].pair(), ORDERS).values()) == {"holds"}
    assert outcomes(CASES[name].pair(mistaken=True), ORDERS[:1]) == {"equivariance": "falsified"}


@pytest.mark.parametrize("name", CASES)
def test_the_tensor_of_a_classic_mistake_is_named_and_no_other(name):
    """Whichever side it is on: the mapping, or the weights that somebody converted."""
    case = CASES[name]
    for mistaken, where in ((True, "look for the mistake in the mapping"), (False, "in them first")):
        with pytest.raises(InvalidInput, match=where) as refused:
            case.pair(mistaken=mistaken, weights=case.weights(mistaken=not mistaken))
        assert set(re.findall(r"'([^']+)' is not what", str(refused.value))) == set(case.wrong)
        assert ("the same numbers in another order" in str(refused.value)) == case.reordered
    case.pair(weights=case.weights())


def converted(**changes) -> eqprop.Model:
    """A target with weights that somebody has converted, in float32."""
    source, target = torch_linear(), flax_dense()
    weights = {"Dense_0/kernel": source.params["fc.weight"].T, "Dense_0/bias": source.params["fc.bias"]} | changes
    return eqprop.Model(target.apply, {k: np.asarray(v, np.float32) for k, v in weights.items()}, target.inputs)


def test_weights_that_were_converted_in_a_coarser_type_are_those_of_the_mapping():
    pair = eqprop.conversion(torch_linear(), converted(), DENSE)
    assert outcomes(pair, ORDERS[:1]) == {"equivariance": "holds"}


def test_a_wrong_tensor_of_the_checkpoint_is_named_with_its_worst_entry():
    kernel = torch_linear().params["fc.weight"].T.copy()
    kernel[2, 5] += 1e-4
    with pytest.raises(
        InvalidInput, match=r"'Dense_0/kernel' is not what the mapping makes of 'fc.weight': at \[2, 5\]"
    ):
        eqprop.conversion(torch_linear(), converted(**{"Dense_0/kernel": kernel}), DENSE)


def test_it_is_said_whether_the_checkpoint_or_the_mapping_is_to_blame():
    wrong = {**DENSE, "Dense_0/kernel": "fc.weight"}
    with pytest.raises(InvalidInput, match=r"'Dense_0/kernel' is not .* look for the mistake in the mapping"):
        eqprop.conversion(torch_linear(), converted(), wrong)
    untransposed = {"Dense_0/kernel": torch_linear().params["fc.weight"]}
    with pytest.raises(InvalidInput, match=r"'Dense_0/kernel' is not .* look for the mistake in them first"):
        eqprop.conversion(torch_linear(), converted(**untransposed), DENSE)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"Dense_0/bias": "fc.bias"}, "nothing makes 'Dense_0/kernel' of the target 'dense'"),
        ({**DENSE, "Dense_0/bias": (jnp.diagonal, "fc.weight")}, r"'fc.bias' of the source .* unused=\('fc.bias',\)"),
        ({**DENSE, "Dense_1/bias": "fc.bias"}, r"has no tensor 'Dense_1/bias'. Did you mean Dense_0/bias"),
        (
            {**DENSE, "Dense_0/bias": "fc.bia"},
            r"the source 'torch-linear' has no tensor 'fc.bia'. Did you mean fc.bias",
        ),
        ({**DENSE, "Dense_0/bias": 3}, r"\['Dense_0/bias'\] is 3 \(int\); expected a path of the source"),
        (
            {**DENSE, "Dense_0/bias": (fused(1), "fc.bias")},
            "'Dense_0/bias' of 'fc.bias' .*: fused: the axis is 1;",
        ),
        ([], "expected a mapping such as"),
    ],
    ids=["missing", "unused", "no such target", "no such source", "no rule", "a function that raises", "no mapping"],
)
def test_a_mapping_that_does_not_fit_is_said_by_tensor(mapping, message):
    with pytest.raises(InvalidInput, match=message):
        eqprop.conversion(torch_linear(), flax_dense(), mapping)


def test_a_shape_that_does_not_fit_is_said_with_what_would():
    source = eqprop.Model(lambda p, x: x @ p["w"].T, {"w": np.ones((2, 3))}, np.ones((1, 3)))
    target = eqprop.Model(lambda p, x: x @ p["kernel"], {"kernel": np.ones((3, 2))}, np.ones((1, 3)))
    with pytest.raises(
        InvalidInput, match=r"'kernel' has shape \(3, 2\).*\(2, 3\). Its transpose fits: \(transposed, …\)"
    ):
        eqprop.conversion(source, target, {"kernel": "w"})


def test_what_is_no_model_is_refused():
    with pytest.raises(InvalidInput, match=r"target is .*expected an eqprop.Model"):
        eqprop.conversion(torch_linear(), {"w": np.ones(2)}, DENSE)


def test_rotary_layouts_are_inverses_and_reorder_each_head():
    w = jnp.arange(8.0)
    assert rotary_interleaved(HEADS)(w).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    wide = jnp.arange(24.0)[:, None]
    assert jax.numpy.array_equal(rotary_halves(2)(rotary_interleaved(2)(wide)), wide)
    assert not jax.numpy.array_equal(rotary_halves(2)(wide), rotary_interleaved(2)(wide))


def test_parts_are_fused_one_after_the_other_or_head_by_head():
    q, k = jnp.arange(4.0), 10 + jnp.arange(4.0)
    assert fused()(q, k).tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert fused_by_head(2)(q, k).tolist() == [0, 1, 10, 11, 2, 3, 12, 13]
    assert fused_by_head(2, axis=-1)(q[None], k[None]).shape == (1, 8)
