"""Recordings of torch's operations: the same ones that make_fx notes, and nothing that it needs for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from eqprop.torch.recording import recorded  # noqa: E402


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def backward(x, w):
    x, w = (leaf.detach().requires_grad_() for leaf in (x, w))
    return torch.autograd.grad(torch.nn.functional.gelu(torch.nn.functional.linear(x, w)).sum(), (x, w))


def double_backward(x, w):
    w = w.detach().requires_grad_()
    (slope,) = torch.autograd.grad(torch.tanh(x @ w.T).pow(3).sum(), w, create_graph=True)
    return torch.autograd.grad(slope.exp().sum(), w)


def stored(x, w):
    y = x * 2
    y[1:].mul_(3)
    y.add_(w.sum())
    return y


def with_constants(x, w):
    started = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    started.add_(x[0])
    return started * torch.arange(3) + w.new_ones(3)


def several(x, w):
    deviation, mean = torch.std_mean(x, 0)
    largest, places = (x @ w.T).sort(-1)
    return deviation, mean, largest, places


def attention(x, w):
    heads = torch.stack([x, x + 1, x @ w.T[:3, :3]])[None]
    return torch.nn.functional.scaled_dot_product_attention(heads, heads, heads.exp())


def chosen(x, w):
    places = torch.tensor([0, 2, 1])
    return torch.nn.functional.embedding(places, x) + w[:3], x[:3][places.bool()]


FUNCTIONS = [backward, double_backward, stored, with_constants, several, attention, chosen]


def called(module):
    """The names of what a graph calls, in its order, without what gives what it is given: make_fx changes its name."""
    names = [str(node.target) for node in module.graph.nodes if node.op == "call_function"]
    return [name for name in names if name not in {"aten.detach.default", "aten.alias.default"}]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_operations_are_those_that_make_fx_notes(function):
    from torch.fx.experimental.proxy_tensor import make_fx

    example = normal(4, 3), normal(5, 3)
    ours, theirs = recorded(function, example), make_fx(function)(*example)
    assert called(ours) == called(theirs)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_recording_gives_elsewhere_what_the_function_gives_however_often(function):
    graph = recorded(function, (normal(4, 3), normal(5, 3)))
    for _ in range(2):
        at = normal(4, 3), normal(5, 3)
        found, expected = graph(*at), function(*at)
        if isinstance(expected, torch.Tensor):
            found, expected = (found,), (expected,)
        assert all(map(torch.equal, found, expected))


def test_a_kernel_that_torch_has_is_recorded_though_it_is_made_of_others():
    def slope(x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(torch.nn.functional.silu(x).sum(), x)

    assert "aten.silu_backward.default" in called(recorded(slope, (normal(3),)))


def test_notes_of_a_recording_have_the_layout_of_what_a_node_gives_and_no_numbers():
    graph = recorded(lambda x: torch.exp(x).t()[1:, ::2], (normal(4, 3),)).graph
    *_, last, _ = graph.nodes
    expected = normal(4, 3).t()[1:, ::2]
    note = last.meta["val"]
    assert (note.shape, note.stride(), note.storage_offset()) == (expected.shape, (1, 6), 1)
    assert note.device.type == "meta"


def test_a_number_that_depends_on_an_operand_is_an_error_and_one_that_does_not_is_none():
    def branching(x):
        return x * 2 if float(x.sum()) > 0 else x

    def steady(x):
        return x * float(torch.arange(4).sum())

    with pytest.raises(RuntimeError, match=r"^Python is given a number by aten\._local_scalar_dense"):
        recorded(branching, (normal(3),))
    assert torch.equal(recorded(steady, (normal(3),))(torch.ones(3)), torch.full((3,), 6.0))
    assert recorded(branching, (normal(3),), numbers=False).graph.find_nodes(
        op="call_function", target=torch.ops.aten._local_scalar_dense.default
    )


def test_a_parameter_that_is_no_operand_is_a_constant_that_nothing_is_differentiated_by():
    hidden = torch.nn.Parameter(normal(3, 3))
    graph = recorded(lambda x: x @ hidden, (normal(2, 3),))
    assert not graph(normal(2, 3)).requires_grad
    with torch.no_grad():
        hidden.mul_(2)
    assert torch.equal(graph(torch.eye(3, dtype=torch.float64)), hidden)


def test_a_generator_is_a_constant():
    drawn = torch.Generator().manual_seed(1)
    graph = recorded(lambda x: x + torch.rand(3, generator=drawn), (normal(3),))
    drawn.manual_seed(2)
    assert torch.equal(graph(torch.zeros(3)), torch.rand(3, generator=torch.Generator().manual_seed(2)))


def test_a_branch_of_torch_is_recorded_by_who_has_a_rule_for_it():
    def branching(x):
        return torch.cond(torch.tensor(True), lambda a: a.tanh(), lambda a: a.sin(), (x,))

    x = normal(3)
    assert torch.equal(recorded(branching, (normal(3),), numbers=False)(x), x.tanh())


def test_what_an_operation_comes_to_is_written_in_its_place_and_what_stands_for_it_is_not_run():
    x, silu = normal(2, 3), torch.nn.functional.silu
    apart = recorded(silu, (x,), parts={torch.ops.aten.silu.default: lambda t: t * torch.sigmoid(t)})
    assert called(apart) == ["aten.sigmoid.default", "aten.mul.Tensor"]
    instead = recorded(torch.exp, (x,), instead={torch.ops.aten.exp.default: torch.expm1})
    assert torch.equal(instead(x), torch.expm1(x))


def test_to_record_does_not_import_what_compiles():
    code = (
        "import sys, torch\n"
        "from eqprop.torch.recording import recorded\n"
        "def slope(x):\n"
        "    x = x.detach().requires_grad_()\n"
        "    return torch.autograd.grad(torch.nn.functional.gelu(x).sum(), x, create_graph=True)\n"
        "recorded(slope, (torch.ones(3),))\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
