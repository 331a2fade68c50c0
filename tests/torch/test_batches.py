"""A function of a row at many rows: recorded as torch batches it, once that is worth it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from eqprop.torch import batches  # noqa: E402
from eqprop.torch.batches import OFTEN, Rowwise, one_by_one, product  # noqa: E402


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def layer(x, w, b):
    return torch.relu(x @ w) + b, (x.mT @ x).sum(0)


ROW = (normal(4, 3), normal(3, 5), normal(5))


def rows_of(function, example, size=8) -> Rowwise:
    return Rowwise(function, example, size)


@pytest.fixture
def recordings(monkeypatch):
    """The rows at which something is recorded."""
    found, record = [], batches.recorded

    def noted(function, rows, **more):
        found.append(len(rows[0]))
        return record(function, rows, **more)

    monkeypatch.setattr(batches, "recorded", noted)
    return found


def test_a_recording_gives_what_was_given_before_at_other_numbers(recordings):
    rowwise = rows_of(layer, ROW)
    for call in range(OFTEN + 3):
        rows = normal(7, 4, 3), normal(1, 3, 5), normal(7, 5)
        for found, expected in zip(rowwise(rows), one_by_one(layer, rows), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
        assert recordings == [7] * (call + 1 >= OFTEN)


def test_other_numbers_of_rows_are_recorded_for_themselves_and_blocks_are_joined(recordings, monkeypatch):
    monkeypatch.setattr(batches, "BLOCK", 4)
    rowwise = rows_of(layer, ROW)
    rows = normal(6, 4, 3), normal(6, 3, 5), normal(6, 5)
    *_, found = (rowwise(rows) for _ in range(OFTEN))
    assert recordings == [4, 2]
    for leaf, expected in zip(found, one_by_one(layer, rows), strict=True):
        torch.testing.assert_close(leaf, expected, rtol=1e-13, atol=1e-13)


def test_rows_that_lie_otherwise_in_memory_are_not_those_that_were_recorded(recordings):
    rowwise = rows_of(lambda x: (x.view(-1) * 2,), (normal(2, 3),))
    for _ in range(OFTEN):
        rowwise((normal(5, 2, 3),))
    assert recordings == [5]
    one = normal(2, 3)
    (found,) = rowwise((one.expand(5, 2, 3),))
    assert torch.equal(found, (one * 2).reshape(1, 6).expand(5, 6))


def test_a_row_without_a_value_is_nan_once_it_is_recorded_too(recordings):
    rowwise = rows_of(lambda a: (torch.linalg.inv(a),), (torch.eye(2, dtype=torch.float64),))
    good, bad = torch.eye(2, dtype=torch.float64), torch.zeros(2, 2, dtype=torch.float64)
    for _ in range(OFTEN + 1):
        rowwise((torch.stack([good, 2 * good]),))
    (found,) = rowwise((torch.stack([bad, 2 * good]),))
    assert found[0].isnan().all()
    assert torch.equal(found[1], good / 2)
    assert recordings == [2]


def test_a_loop_over_rows_is_not_written_out(monkeypatch):
    rowwise = rows_of(lambda x: (x * 2,), (normal(3),), size=1)
    monkeypatch.setattr(batches, "LOOPED", 1)
    *_, (found,) = (rowwise((torch.ones(4, 3),)) for _ in range(OFTEN + 1))
    assert torch.equal(found, torch.full((4, 3), 2.0))
    assert not any(
        isinstance(getattr(one, "__self__", None), torch.fx.GraphModule) for one in rowwise._recorded.values()
    )


def test_what_has_many_operations_is_not_recorded(recordings):
    rowwise = rows_of(layer, ROW, size=batches.MOST + 1)
    for _ in range(OFTEN + 1):
        rowwise((normal(7, 4, 3), normal(1, 3, 5), normal(7, 5)))
    assert recordings == []


def test_a_parameter_that_is_no_operand_is_multiplied_by(recordings):
    hidden = torch.nn.Parameter(normal(3, 3))
    rowwise = rows_of(lambda x: (x @ hidden @ x.mT,), (normal(2, 3),))
    rows = normal(5, 2, 3)
    with torch.enable_grad():
        *_, (found,) = (rowwise((rows,)) for _ in range(OFTEN + 1))
    torch.testing.assert_close(found, (rows @ hidden @ rows.mT).detach())
    assert recordings == [5]


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.complex128, torch.int64])
def test_products_are_those_of_torch_in_every_type(kind):
    first, second = ((10 * normal(6, 2, 3)).to(kind), (10 * normal(6, 3, 4)).to(kind))
    torch.testing.assert_close(product(first, second), torch.bmm(first, second))
    assert product(first, second).dtype == kind


def test_products_of_what_is_negative_by_a_mark_are_those_of_torch():
    marked = torch.complex(normal(2, 3, 3), normal(2, 3, 3)).conj().imag
    assert marked.is_neg()
    torch.testing.assert_close(product(marked, marked.mT), torch.bmm(marked, marked.mT))
