"""A function of one row at many rows: as what ``vmap`` comes to for so many, recorded, or one row after the other.

``vmap`` decides of every operation anew how it goes for many rows, and its products of small matrices take two to six
times as long as NumPy's (docs/decisions/others.md).
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.func import vmap

from eqprop.torch.derivatives import NO_VALUE, Tensors, undefined
from eqprop.torch.recording import recorded

BLOCK = 1024
"""Rows that are run at once."""

LOOPED = 20
"""So many times as many operations as for one row are those of a loop over rows, which is how torch batches some."""

OFTEN = 20
"""Calls that take about as long as to record one."""

MOST = 400
"""Operations for one row, up to which it pays: for many a call takes as long as before, and to record fifty calls."""

IN_NUMPY = (torch.float32, torch.float64)


class Rowwise:
    """A function at many rows.

    Args:
        function: of the tensors of one row.
        example: of these.
        size: how many operations it has, about.

    Attributes:
        batches: whether torch can run it at several rows at once.
    """

    def __init__(self, function: Callable[..., Tensors], example: Tensors, size: int) -> None:
        self._function = function
        self._size = size
        self._results = function(*example)
        self._met: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, Callable[..., Tensors]] = {}
        self._often = OFTEN if size <= MOST else math.inf
        self.batches = self._can_be_batched(example)

    def __call__(self, rows: Sequence[torch.Tensor]) -> Tensors:
        """So many rows at a time that their tables of signs are a few megabytes; NaN where torch has no value.

        Args:
            rows: the operands, with a leading axis of rows, or of 1 where all have the same.
        """
        count = max(map(len, rows), default=1)
        blocks = [
            self._block([leaf if len(leaf) == 1 else leaf[start : start + BLOCK] for leaf in rows])
            for start in range(0, count, BLOCK)
        ]
        return blocks[0] if len(blocks) == 1 else tuple(map(torch.cat, zip(*blocks, strict=True)))

    def _block(self, rows: Sequence[torch.Tensor]) -> Tensors:
        if self.batches:
            with suppress(NO_VALUE):  # at one of the rows
                return self._at_once(rows)(*rows)
        return one_by_one(self._defined, rows)

    def _defined(self, *row: torch.Tensor) -> Tensors:
        try:
            return self._function(*row)
        except NO_VALUE:
            return undefined(self._results)

    def _at_once(self, rows: Sequence[torch.Tensor]) -> Callable[..., Tensors]:
        """The function for such rows; recorded once they were met as often as that takes longer than to run it."""
        layout = tuple((leaf.shape, leaf.stride()) for leaf in rows)
        batched = partial(_batched, self._function)
        self._met[layout] += 1
        if self._met[layout] == self._often:
            self._recorded[layout] = self._recording(batched, rows) or batched
        return self._recorded.get(layout, batched)

    def _recording(
        self, batched: Callable[..., Tensors], rows: Sequence[torch.Tensor]
    ) -> Callable[..., Tensors] | None:
        try:
            module = recorded(batched, rows, instead=PRODUCTS)
        except NO_VALUE:
            raise
        except Exception:  # noqa: BLE001 - whatever stops a trace: vmap runs it, as before
            return None
        return module.forward if len(module.graph.nodes) < LOOPED * self._size else None

    def _can_be_batched(self, example: Tensors) -> bool:
        try:
            _batched(self._function, *(operand.expand(2, *operand.shape) for operand in example))
        except Exception:  # noqa: BLE001 - whatever torch says of an operation that it cannot batch: there is another way
            return False
        return True


def _batched(function: Callable[..., Tensors], *rows: torch.Tensor) -> Tensors:
    """At all rows at once; what is the same for all is not repeated."""
    if all(len(leaf) == 1 for leaf in rows):
        return one_by_one(function, rows)
    axes = tuple(None if len(leaf) == 1 else 0 for leaf in rows)
    given = [leaf[0] if axis is None else leaf for leaf, axis in zip(rows, axes, strict=True)]
    try:
        return vmap(function, in_dims=axes, randomness="same")(*given)  # torch calls attention random, for its dropout
    except NO_VALUE:
        raise
    except RuntimeError:
        # A batch norm in training mode stores into its statistics: those of one row cannot be the same for all.
        count = max(map(len, rows))
        return vmap(function, randomness="same")(*(leaf.expand(count, *leaf.shape[1:]) for leaf in rows))


def one_by_one(function: Callable[..., Tensors], rows: Sequence[torch.Tensor]) -> Tensors:
    """At one row after the other.

    Args:
        function: of a row.
        rows: the operands, as in ``Rowwise``.
    """
    count = max(map(len, rows), default=1)
    found = [function(*(leaf[min(i, len(leaf) - 1)] for leaf in rows)) for i in range(count)]
    return tuple(map(torch.stack, zip(*found, strict=True)))


def product(first: torch.Tensor, second: torch.Tensor) -> Any:
    """Of the matrices of each row.

    Args:
        first: of shape (rows, m, k).
        second: of shape (rows, k, n).
    """
    if first.dtype not in IN_NUMPY or second.dtype != first.dtype:
        return torch.bmm(first, second)
    return torch.from_numpy(np.matmul(first.resolve_neg().numpy(), second.resolve_neg().numpy()))


PRODUCTS = {torch.ops.aten.bmm.default: product}
"""What is the same up to rounding, in the place of torch's."""
