"""Modules of PyTorch as models: names, arguments, what is refused, and whose derivatives they have."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eqprop
from eqprop import groups
from eqprop.errors import InvalidInput

torch = pytest.importorskip("torch")

from eqprop.torch import from_module  # noqa: E402 - it needs torch

nn = torch.nn

X = np.random.default_rng(0).standard_normal((5, 3))


def network(dtype: Any = torch.float64) -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)


def twin(p, x):
    return jnp.tanh(x @ p["0.weight"].T + p["0.bias"][None]) @ p["2.weight"].T + p["2.bias"][None]


def test_parameters_are_a_flat_dict_with_the_names_that_people_know():
    model = from_module(network(), X)
    assert list(model.params) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert model.param_leaves.paths == ("0.bias", "0.weight", "2.bias", "2.weight")
    assert model.name == "Sequential"


def test_names_with_dots_are_paths_for_declared_actions():
    model = from_module(network(), X)
    action = eqprop.hidden_units(groups.Sign(4), writes={"0.*": 0}, reads={"2.weight": 1})
    moved = action.on_params(np.array([1, -1, 1, -1]), model.params)
    assert np.array_equal(moved["2.weight"], model.params["2.weight"] * [1, -1, 1, -1])


def test_value_and_derivatives_up_to_the_third_are_those_of_the_same_network_in_jax():
    model = from_module(network(), X)

    def slope(f):
        return jax.grad(lambda p: jnp.sum(f(p, X) ** 3))

    with jax.enable_x64(True):
        direction = jax.tree.map(np.cos, model.params)

        def bent(g):
            return lambda p: jax.vjp(g, p)[1](direction)[0]

        for f in (lambda g: g(model.params), lambda g: bent(g)(model.params), lambda g: bent(bent(g))(model.params)):
            found, expected = f(slope(model.apply)), f(slope(twin))
            # A few units in the last place of sums of twenty terms of size 10.
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), found, expected)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.tensor([1.0, 2.0, 3.0]))
        self.steps = 0

    def forward(self, x: Any, *, shift: Any = 0.0) -> Any:
        self.steps += 1
        return {"moved": (x - self.mean) * self.scale + shift, "nothing": None}


@pytest.mark.parametrize(
    ("inputs", "shift"),
    [(X, 0), ((X,), 0), ({"x": X, "shift": X}, X), (torch.tensor(X), 0)],
    ids=["only", "tuple", "dict", "tensor"],
)
def test_inputs_are_the_arguments_of_forward(inputs, shift):
    model = from_module(Named(), inputs)
    with jax.enable_x64(True):
        found = model.apply({**model.params, "scale": np.full(3, 2.0)}, model.inputs)
    np.testing.assert_array_equal(found["moved"], (X - [1, 2, 3]) * 2 + shift)
    assert list(found) == ["moved"]


def test_a_module_in_training_mode_keeps_its_running_statistics():
    norm = nn.BatchNorm1d(3)
    before = norm.running_mean.clone()
    model = from_module(norm, X.astype(np.float32))
    found = model.apply(model.params, model.inputs)
    np.testing.assert_allclose(np.asarray(found).mean(axis=0), 0, atol=1e-6)  # it normalised by the batch
    assert torch.equal(norm.running_mean, before)


def test_buffers_move_with_their_units_and_are_not_differentiated():
    torch.manual_seed(0)
    norm = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).double().eval()
    model = from_module(norm, X)
    units = {"0.*": 0, "1.weight": 0, "1.bias": 0, "1.running_*": 0}
    pair = eqprop.Pair(model, eqprop.hidden_units(groups.Permutation(4), writes=units, reads={"3.weight": 1}))
    report = eqprop.run(pair, properties=["equivariance", "gradient-covariance"], probes=32, max_architectures=1)
    assert [verdict.outcome for verdict in report.verdicts] == [eqprop.Outcome.HOLDS] * 2


@pytest.mark.parametrize("training", [False, True])
def test_a_batch_norm_gets_verdicts_of_all_orders(training):
    torch.manual_seed(0)
    norm = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).train(training)
    units = {"0.*": 0, "1.weight": 0, "1.bias": 0, "1.running_*": 0}
    permutation = eqprop.hidden_units(groups.Permutation(4), writes=units, reads={"3.weight": 1})
    names = ["equivariance", "jacobian-covariance", "derivative", "gradient-covariance", "hessian-covariance"]
    pair = eqprop.Pair(from_module(norm, X.astype(np.float32)), permutation)
    report = eqprop.run(pair, properties=names, probes=16, max_architectures=1)
    assert [verdict.outcome for verdict in report.verdicts] == [eqprop.Outcome.HOLDS] * len(names)


def test_a_module_in_float64_may_make_tensors_of_its_own():
    class Scattered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 2, dtype=torch.float64))

        def forward(self, x):
            return torch.zeros(2, 2, dtype=torch.float64).index_add(0, torch.tensor([0, 1, 0]), x[:3] @ self.weight)

    model = from_module(Scattered(), X)
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            model.apply(model.params, model.inputs), np.stack([X[0] + X[2], X[1]]) @ np.ones((3, 2))
        )


def test_a_layer_norm_of_a_batch_of_sequences_gets_a_verdict():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)).double()
    model = from_module(net, np.random.default_rng(0).standard_normal((2, 5, 3)))
    units = eqprop.hidden_units(groups.Permutation(4), writes={"0.*": 0, "1.*": 0}, reads={"2.weight": 1})
    report = eqprop.run(eqprop.Pair(model, units), properties=["equivariance"], probes=4, max_architectures=1)
    assert report.verdicts[0].outcome is eqprop.Outcome.HOLDS


def test_tokens_are_whole_numbers_of_the_type_that_the_module_takes():
    model = from_module(nn.Embedding(7, 2), np.array([[1, 6], [0, 3]]))
    found = model.apply(model.params, np.array([[2, 2], [5, 0]], np.int32))
    np.testing.assert_array_equal(found, model.params["weight"][[[2, 2], [5, 0]]])


def test_a_loss_of_torch_is_bridged_too():
    targets = torch.tensor([0, 1, 1, 0, 1])
    model = from_module(network(), X, loss=lambda logits: nn.functional.cross_entropy(logits, targets))
    assert model.loss is not None

    def plain(logits):
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(5), targets.numpy()])

    logits = np.random.default_rng(1).standard_normal((5, 2))
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.grad(model.loss)(logits), jax.grad(plain)(logits), rtol=1e-12)


def test_outputs_are_picked_where_not_all_of_them_are_verified():
    lstm = nn.LSTM(3, 2)
    model = from_module(lstm, X[:, None].astype(np.float32), outputs=lambda found: found[0])
    assert model.apply(model.params, model.inputs).shape == (5, 1, 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: from_module(twin, X), "module is <function twin"),
        (lambda: from_module(nn.Dropout(0.5), X), "Dropout gives different outputs for the same inputs"),
        (lambda: from_module(network(), X[:, :2]), "Sequential: forward raised RuntimeError: mat1 and mat2"),
        (lambda: from_module(nn.MaxPool1d(2, return_indices=True), X), "forward returned a tensor of torch.int64"),
        (lambda: from_module(nn.Linear(1, 1, device="meta"), X), "'weight' is on meta; move the module"),
        (lambda: from_module(nn.LazyLinear(2), X), "'weight' has no numbers yet, .* call the module once"),
        (lambda: from_module(network(), "x"), "inputs have 'x' \\(str\\); expected tensors or arrays"),
    ],
    ids=["no module", "random", "shapes", "indices", "device", "lazy", "no arrays"],
)
def test_what_cannot_be_a_model_is_refused_with_how_to_mend_it(given, said):
    with pytest.raises(InvalidInput, match=said):
        given()


class Nowhere(nn.Module):
    """NaN, as a softmax of a row that is masked throughout."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, dtype=torch.float64))

    def forward(self, x):
        return torch.softmax(torch.where(x > torch.inf, x * self.weight, -torch.inf), -1)


def test_a_module_that_is_nan_at_the_example_is_said_to_be_so_and_not_to_be_random():
    nothing = eqprop.Transformation(groups.Translation(1), lambda c, p: p, name="nothing")
    pair = eqprop.Pair(from_module(Nowhere(), X), nothing)
    report = eqprop.run(pair, properties=["equivariance"], save=None, profile="quick")
    assert [verdict.outcome for verdict in report.verdicts] == [eqprop.Outcome.ERROR]
    assert "is NaN or infinite at the example" in report.verdicts[0].reason


class Dirty(nn.Module):
    """Least squares by a kernel that goes by what its memory held; here it is given one thing after another."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.calls % 2 * torch.finfo(x.dtype).eps * x


def test_last_bits_that_change_from_call_to_call_are_refused_with_the_kernel_that_is_known_for_it():
    with pytest.raises(InvalidInput, match=r"gives different outputs .* torch.linalg.lstsq is not, unless it is told"):
        from_module(Dirty(), X)


class Fading(nn.Module):
    """It changes something that it is given at each call: a parameter, its input, or a buffer."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2, dtype=torch.float64)
        self.register_buffer("gain", torch.ones(2, dtype=torch.float64))
        self.what = what

    def forward(self, x: Any) -> Any:
        with torch.no_grad():
            {"parameter": self.inner.bias, "input": x, "buffer": self.gain}[self.what].mul_(0.5)
        return self.inner(x) * self.gain


@pytest.mark.parametrize(("what", "named"), [("parameter", "parameter 'inner.bias'"), ("input", "input '.'")])
def test_what_forward_changes_in_place_is_named(what, named):
    net = Fading(what)
    before = net.inner.bias.clone()
    with pytest.raises(InvalidInput, match=f"Fading gives different outputs .* Its forward changes {named} in place"):
        from_module(net, X)
    assert torch.equal(net.inner.bias, before)


def test_what_forward_stores_into_a_buffer_is_forgotten():
    model = from_module(Fading("buffer"), X)
    np.testing.assert_array_equal(model.params["gain"], np.ones(2))
