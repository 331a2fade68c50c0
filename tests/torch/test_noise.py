"""Random rounding inside of a graph of torch's operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from eqprop.torch.graphs import Graph  # noqa: E402
from eqprop.torch.kernels import Kernels  # noqa: E402
from eqprop.torch.noise import Errors, Signs, with_errors  # noqa: E402
from eqprop.torch.operations import as_batched, compact  # noqa: E402
from eqprop.torch.recording import recorded  # noqa: E402

ROWS, TABLE = 64, 1021


def noisy(function, *operands):
    """At one point, once without errors and then with the errors of many rows."""
    graph = Graph(lambda tensors, again: (function(*tensors),), operands)
    signs = np.random.default_rng(0).choice([-1, 1], (1 + ROWS, TABLE)).astype(np.int8)
    signs[0] = 0
    rows = [operand.expand(1 + ROWS, *operand.shape) for operand in operands]
    (without,), (found,) = graph.many(rows, None), graph.many(rows, Signs(signs))
    return without[0], found[0], found[1:]


def normal(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(1).standard_normal(shape))


FUNCTIONS = {
    "a product with a bias": (torch.nn.functional.linear, normal(8, 3), normal(16, 3), normal(16)),
    "a softmax": (lambda x: x.softmax(-1), normal(5, 7)),
    "a layer norm": (lambda x: torch.nn.functional.layer_norm(x, (7,)), normal(5, 7)),
    "attention": (
        lambda x: torch.nn.functional.scaled_dot_product_attention(x, x + 1, 2 * x),
        normal(2, 3, 5, 4),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_row_without_signs_has_no_errors_and_all_others_have(name):
    without, exact, erring = noisy(*FUNCTIONS[name])
    assert torch.equal(exact, without)
    moved = (erring - exact).abs() / exact.abs()
    assert (moved.amax(0) > 0).all()
    assert moved.median() < 10 * np.finfo(float).eps


def test_what_no_error_has_reached_is_worked_out_once_for_results_with_and_without_errors():
    def function(a, b, c):
        return (torch.exp(a @ b) + c).sum(0)

    operands = normal(4, 3), normal(3, 5), normal(5)
    traced = torch.fx.experimental.proxy_tensor.make_fx(function)(*operands)
    signs = Signs(np.random.default_rng(0).choice([-1, 1], (1, TABLE)).astype(np.int8))

    def errors() -> Errors:
        return Errors(lambda dtype: signs.factors(dtype, 0)[0])

    both = with_errors(traced, {}, beside=True)
    erring, exact = both(errors(), *operands)
    assert torch.equal(exact, traced(*operands))
    assert torch.equal(erring, with_errors(traced, {})(errors(), *operands))
    called = [node.target for node in both.graph.nodes]
    assert called.count(torch.ops.aten.mm.default) == 1
    assert called.count(torch.ops.aten.exp.default) == 2


def test_a_product_with_a_bias_rounds_twice_for_many_rows_as_it_does_without_errors():
    written = as_batched(recorded(torch.nn.functional.linear, (normal(8, 3), normal(16, 3), normal(16))))
    called = [node.target for node in written.graph.nodes if node.op == "call_function"]
    assert called == [torch.ops.aten.t.default, torch.ops.aten.mm.default, torch.ops.aten.add.Tensor]
    assert not Kernels(written, (normal(8, 3), normal(16, 3), normal(16))).found


def test_a_product_that_has_a_factor_of_its_own_stays_a_kernel():
    written = as_batched(recorded(lambda *t: torch.addmm(*t, alpha=2.0), (normal(4), normal(8, 3), normal(3, 4))))
    assert [node.target for node in written.graph.nodes if node.op == "call_function"] == [torch.ops.aten.addmm.default]


def test_a_matrix_that_is_turned_twice_is_itself():
    turned = compact(recorded(lambda a: a.t().t().t().exp(), (normal(3, 4),)))
    called = [node.target for node in turned.graph.nodes if node.op == "call_function"]
    assert called == [torch.ops.aten.t.default, torch.ops.aten.exp.default]


def test_a_slice_that_is_changed_in_place_is_run_for_many_rows_at_once():
    def tripled(a):
        whole = a.clone()
        whole[1:].mul_(3)
        return whole

    _, exact, erring = noisy(tripled, normal(3, 4))
    assert torch.equal(exact, tripled(normal(3, 4)))
    assert torch.equal(erring[:, 0], exact[0].expand(ROWS, 4))
    graph = Graph(lambda tensors, again: (tripled(*tensors),), (normal(3, 4),))
    assert torch.ops.aten.mul_.Tensor not in [node.target for node in graph._whole.graph.nodes]
    assert graph._rowwise.batches


def kernels_of(function, *operands):
    return list(Kernels(recorded(function, operands), operands).found.values())


def test_a_kernel_that_graphs_call_alike_is_taken_apart_once():
    (first,) = kernels_of(lambda x: x.softmax(-1), normal(5, 7))
    (second,) = kernels_of(lambda x: (2 * x).softmax(-1) + 1, normal(5, 7))
    assert second is first


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((lambda x: x.softmax(0), normal(5, 7)), id="along another axis"),
        pytest.param((lambda x: x.softmax(-1), normal(5, 8)), id="of another shape"),
        pytest.param((lambda x: x.softmax(-1), normal(7, 5).T), id="of what lies otherwise in memory"),
        pytest.param((lambda x: x.softmax(-1), normal(5, 7).float()), id="of another type"),
    ],
)
def test_a_kernel_that_is_called_otherwise_is_another(other):
    (first,), (second,) = kernels_of(lambda x: x.softmax(-1), normal(5, 7)), kernels_of(*other)
    assert second is not first


def test_errors_inside_of_a_kernel_are_those_of_the_differences_that_it_takes():
    nearly_constant = 1e6 + normal(4, 16)
    without, _, erring = noisy(lambda x: torch.nn.functional.layer_norm(x, (16,)), nearly_constant)
    moved = (erring - without).abs().amax() / without.abs().mean()
    assert 1e5 * np.finfo(float).eps < moved < 1e7 * np.finfo(float).eps


def test_an_infinity_that_a_kernel_gives_stays_one():
    _, _, erring = noisy(lambda x: torch.logsumexp(x, -1), torch.full((3, 2), -torch.inf, dtype=torch.float64))
    assert (erring == -torch.inf).all()


def test_entries_are_chosen_by_a_mask_that_is_the_same_for_all_rows_with_errors_too():
    mask = torch.tensor([1.0, 0.0, 1.0])
    without, exact, erring = noisy(lambda x: x[:, mask * 1.5 > 1] * 1.5, normal(2, 3))
    assert torch.equal(exact, without)
    assert without.shape == (2, 2)
    assert torch.allclose(erring, without)
