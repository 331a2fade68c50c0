"""Kernels of PyTorch that are right and hard on floors, that have no second derivative, or a wrong one."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import Outcome, groups
from eqprop.actions import attention_heads
from eqprop.engine import equations, is_foreign

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch
from eqprop.torch.recording import recorded  # noqa: E402

nn = torch.nn
functional = nn.functional

WORDS = np.random.default_rng(0).standard_normal((3, 4))


def verdicts(pair: eqprop.Pair, *properties: str, probes: int = 16) -> dict[str, eqprop.Verdict]:
    report = eqprop.run(
        pair, properties=list(properties), probes=probes, max_architectures=1, unseen=False, profile="quick"
    )
    return {verdict.property.name: verdict for verdict in report.verdicts}


FIRST, SECOND = ("equivariance", "gradient-covariance", "noether"), ("hessian-covariance", "hessian-generator")


def mirror() -> eqprop.Pair:
    """σ(−z) = 1 − σ(z): units change their signs, and the bias behind them takes up the 1."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))

    def mirrored(s, p):
        taken_up = jnp.where(s[None] < 0, p["2.weight"], 0).sum(axis=1)
        signed = {
            "0.weight": p["0.weight"] * s[:, None],
            "0.bias": p["0.bias"] * s,
            "2.weight": p["2.weight"] * s[None],
        }
        return {**signed, "2.bias": p["2.bias"] + taken_up}

    action = eqprop.Transformation(groups.Sign(4), mirrored, lambda s, y: y, name="mirror")
    return eqprop.Pair(from_module(net, np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)), action)


class OffByMillionths(torch.autograd.Function):
    """tanh, whose derivative is off by another millionth for each unit."""

    @staticmethod
    def forward(ctx: Any, z: Any) -> Any:
        ctx.save_for_backward(z)
        return torch.tanh(z)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (z,) = ctx.saved_tensors
        return gradient * (1 - torch.tanh(z) ** 2) * (1 + 1e-6 * torch.arange(z.shape[-1], dtype=z.dtype))


class Checkpointed(nn.Module):
    """A perceptron that is run once more in each backward pass."""

    def __init__(self, dtype: Any, activation: Any = torch.tanh) -> None:
        super().__init__()
        self.activation = activation
        torch.manual_seed(0)
        self.w = nn.Parameter(torch.randn(3, 4, dtype=dtype))
        self.v = nn.Parameter(torch.randn(4, 2, dtype=dtype))

    def forward(self, x: Any) -> Any:
        def part(x: Any) -> Any:
            return self.activation(x @ self.w) @ self.v

        return torch.utils.checkpoint.checkpoint(part, x, use_reentrant=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_run_again_in_a_backward_pass_has_the_parameters_that_it_was_run_with(dtype):
    module = Checkpointed(torch.from_numpy(np.zeros(1, dtype)).dtype)
    units = eqprop.hidden_units(groups.Permutation(4), writes={"w": 1}, reads={"v": 0})
    pair = eqprop.Pair(from_module(module, np.random.default_rng(0).standard_normal((5, 3)).astype(dtype)), units)
    found = verdicts(pair, *FIRST, "jacobian-covariance", "derivative", *SECOND)
    assert {verdict.outcome for verdict in found.values()} <= {Outcome.HOLDS, Outcome.NOT_APPLICABLE}
    assert found["hessian-covariance"].outcome is Outcome.HOLDS


def test_a_wrong_backward_of_what_is_run_again_is_caught_at_first_order():
    module = Checkpointed(torch.float64, OffByMillionths.apply)
    units = eqprop.hidden_units(groups.Permutation(4), writes={"w": 1}, reads={"v": 0})
    found = verdicts(eqprop.Pair(from_module(module, np.ones((5, 3))), units), "equivariance", "jacobian-covariance")
    outcomes = [found[name].outcome for name in ("equivariance", "jacobian-covariance")]
    assert outcomes == [Outcome.HOLDS, Outcome.FALSIFIED]


class Attention(nn.Module):
    """Two heads, computed in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.v, self.o = (nn.Linear(4, 4, bias=False, dtype=torch.float64) for _ in range(4))
        self.how = how

    def forward(self, x: Any) -> Any:
        q, k, v = (layer(x).reshape(3, 2, 2).transpose(0, 1)[None] for layer in (self.q, self.k, self.v))
        return self.o(self.mixed(q, k, v)[0].transpose(0, 1).reshape(3, 4))

    def mixed(self, q: Any, k: Any, v: Any) -> Any:
        if self.how == "softmax in float32":
            scores = (q @ k.transpose(-1, -2)).float()
            return torch.softmax(scores, dim=-1).to(v.dtype) @ v
        if self.how == "fused":
            return functional.scaled_dot_product_attention(q, k, v)
        with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
            return functional.scaled_dot_product_attention(q, k, v)


def attention(how: str) -> eqprop.Pair:
    circuits = attention_heads(2, 2, queries={"q.weight": "(copies units) d"}, keys={"k.weight": "(copies units) d"})
    return eqprop.Pair(from_module(Attention(how), WORDS, name="attention"), circuits)


def test_a_sigmoid_under_its_mirror_raises_no_alarm():
    found = verdicts(mirror(), "equivariance", "gradient-covariance", "hessian-covariance", probes=128)
    assert {verdict.outcome for verdict in found.values()} == {Outcome.HOLDS}


def test_attention_by_the_backend_that_has_second_derivatives_holds():
    found = verdicts(attention("math"), *FIRST, *SECOND)
    assert {verdict.outcome for verdict in found.values()} == {Outcome.HOLDS}


def test_a_softmax_in_float32_inside_sets_the_floor_and_raises_no_alarm():
    found = verdicts(attention("softmax in float32"), *FIRST)
    assert {verdict.outcome for verdict in found.values()} == {Outcome.HOLDS}
    assert {verdict.precision for verdict in found.values()} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("of", [mirror, partial(attention, "math"), partial(attention, "softmax in float32")])
def test_ten_thousand_probes_raise_no_alarm(of):
    report = eqprop.run(of(), probes=3_400, max_architectures=1, unseen=False)  # of each of the profile's batches
    applied = [verdict for verdict in report.verdicts if verdict.outcome is not Outcome.NOT_APPLICABLE]
    assert {verdict.outcome for verdict in applied} == {Outcome.HOLDS}
    assert sum(verdict.probes >= 10_000 for verdict in applied) >= 12


def test_a_fused_kernel_without_a_second_derivative_has_verdicts_of_order_0_and_1():
    found = verdicts(attention("fused"), *FIRST, *SECOND, probes=4)
    assert {found[name].outcome for name in FIRST} == {Outcome.HOLDS}
    for name in SECOND:
        assert found[name].outcome is Outcome.NOT_APPLICABLE
        assert "attention: torch has no derivative of order 2" in found[name].reason
        assert "sdpa_kernel(SDPBackend.MATH)" in found[name].reason


class InPlace(nn.Module):
    """Changes what the gradient of the tanh is worked out from."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        return self.a(x).tanh_().add_(1)


def test_what_is_changed_before_its_gradient_is_taken_is_refused_in_words_of_torch():
    action = eqprop.Transformation(groups.Sign(1), lambda s, p: p, lambda s, y: y, name="nothing")
    pair = eqprop.Pair(from_module(InPlace(), np.ones((1, 2), np.float32)), action)
    found = verdicts(pair, "equivariance", "gradient-covariance")
    assert found["equivariance"].outcome is Outcome.HOLDS
    assert found["gradient-covariance"].outcome is Outcome.ERROR
    reason = found["gradient-covariance"].reason
    assert "InPlace: torch has no derivative of order 1 (RuntimeError: one of" in reason
    assert "y = y + 1 in place of y += 1" in reason
    assert "JAX" not in reason


def weight_norm(dim: int | None) -> eqprop.Pair:
    """The scale of the direction v, which the norm takes off again: of each row, or of the whole."""
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 1, bias=False, dtype=torch.float64), dim=dim)
    direction = "parametrizations.weight.original1"

    def scaled(c, p):
        return {**p, direction: p[direction] * c[:, None]}

    action = eqprop.Transformation(groups.Scaling(1), scaled, lambda c, y: y, name="direction-scale")
    return eqprop.Pair(from_module(layer, np.ones((1, 2)), name="weight-norm"), action)


POINT: dict[str, Any] = {
    "params": {"parametrizations.weight.original0": [[0.0]], "parametrizations.weight.original1": [[0.0, 1.0]]},
    "inputs": [[0.0, 1.0]],
    "algebra": [1.0],
    "targets": [[1.0]],
}
"""Where the search ends: seven numbers."""


def test_the_second_derivative_of_weight_norm_by_rows_is_wrong():
    pair = weight_norm(0)
    elsewhere = {name: 2.0 + np.array(leaf) for name, leaf in POINT["params"].items()}  # where no term vanishes
    assert eqprop.check(pair, "noether", **{**POINT, "params": elsewhere}).outcome is Outcome.HOLDS
    with pytest.raises(eqprop.Falsified, match="left -1, right 0"):
        eqprop.check(pair, "hessian-generator", **POINT)


def test_the_second_derivative_of_weight_norm_as_a_whole_is_right():
    params = {**POINT["params"], "parametrizations.weight.original0": 0.0}
    verdict = eqprop.check(weight_norm(None), "hessian-generator", **{**POINT, "params": params})
    assert verdict.outcome is Outcome.HOLDS


class Tanh(torch.autograd.Function):
    """By NumPy, which torch does not see; its backward is off by a thousandth."""

    @staticmethod
    def forward(ctx, x):
        y = torch.from_numpy(np.tanh(x.detach().numpy()))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (1 - y * y) * 1.001


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        return Tanh.apply(self.a(x))


def test_of_what_torch_does_not_see_a_violation_is_inconclusive_and_says_so():
    model = from_module(Hidden(), np.ones((1, 2), np.float32))
    flip = eqprop.Transformation(
        groups.Sign(1), lambda s, p: {k: v * s[0] for k, v in p.items()}, lambda s, y: y * s[0], name="flip"
    )
    found = verdicts(eqprop.Pair(model, flip), "equivariance", "derivative", probes=4)
    assert found["equivariance"].outcome is Outcome.HOLDS, found["equivariance"].reason
    assert found["derivative"].outcome is Outcome.INCONCLUSIVE
    assert "runs outside of torch's operations" in found["derivative"].reason


class CrossEntropy(nn.Module):
    """As an output: torch records it in other operations than it runs, which round otherwise."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Linear(3, 4, bias=False, dtype=torch.float64)

    def forward(self, x: Any) -> Any:
        shares = torch.linspace(0, 1, 4, dtype=torch.float64).expand(len(x), 4)
        return functional.binary_cross_entropy_with_logits(self.a(x), shares, reduction="none")


def test_what_torch_records_with_other_last_bits_is_looked_into():
    rows = np.random.default_rng(0).standard_normal((40, 3))  # of so many entries some come out otherwise
    model = from_module(CrossEntropy(), rows)
    traced = jax.make_jaxpr(model.apply)(model.params, model.inputs)
    (function,) = (equation.params["function"] for equation, _ in equations(traced) if is_foreign(equation))
    assert function.opaque == ""


def test_zeros_that_hold_no_memory_are_recorded_as_zeros_that_do():
    def added(x):
        return x + torch._efficientzerotensor(x.shape, dtype=x.dtype)

    graph = recorded(added, (torch.ones(2, dtype=torch.float64),)).graph
    assert [str(node.target) for node in graph.nodes if node.op == "call_function"] == [
        "aten.zeros.default",
        "aten.add.Tensor",
    ]
