"""Windows that slide over arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eqprop.engine.walk.primitives.moving import padding
from eqprop.engine.walk.primitives.operand import Array, Step, apart, blank


@dataclass(frozen=True)
class Windows:
    """Windows that slide over the last axes of an array, behind those of its rows.

    Attributes:
        shape: of one row.
        window: the window's length along each axis.
        strides: how far it moves.
        config: (low, high, interior) of zeros around and between the entries.
        dilation: how far apart the entries of a window lie.
    """

    shape: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    config: tuple[tuple[int, int, int], ...]
    dilation: tuple[int, ...]

    @property
    def padded(self) -> tuple[int, ...]:
        """The shape with what is put around and between the entries."""
        return tuple(
            max(low + high + size + max(size - 1, 0) * interior, 0)
            for size, (low, high, interior) in zip(self.shape, self.config, strict=True)
        )

    @property
    def counts(self) -> tuple[int, ...]:
        """How many windows fit along each axis."""
        return tuple(
            max((size - (width - 1) * apart - 1) // stride + 1, 0)
            for size, width, apart, stride in zip(self.padded, self.window, self.dilation, self.strides, strict=True)
        )

    def reordered(self, axes: Sequence[int]) -> Windows:
        """Over the same array with its axes in another order."""
        return Windows(
            shape=tuple(self.shape[axis] for axis in axes),
            window=tuple(self.window[axis] for axis in axes),
            strides=tuple(self.strides[axis] for axis in axes),
            config=tuple(self.config[axis] for axis in axes),
            dilation=tuple(self.dilation[axis] for axis in axes),
        )

    def filled(self, number: Any) -> Step:
        """The step that puts a number around and between the entries."""
        if all(parts == (0, 0, 0) for parts in self.config):
            return lambda x: x
        source, target = padding(self.shape, self.config)
        shape = self.padded

        def fill(x: Array) -> Array:
            result = blank(shape, x.shape[-1], x.dtype, ahead=apart(x))
            result.fill(number)
            result[target] = x[source]
            return result

        return fill

    def view(self) -> Step:
        """The step from the padded array to its windows: counts, then the window's axes, then rows."""
        shape = (*self.counts, *self.window)
        strides, dilation = self.strides, self.dilation

        def windows(x: Array) -> Array:
            *steps, between = x.strides
            moves = [step * stride for step, stride in zip(steps, strides, strict=True)]
            inside = [step * apart for step, apart in zip(steps, dilation, strict=True)]
            lengths = (*shape, x.shape[-1])
            return np.lib.stride_tricks.as_strided(x, lengths, (*moves, *inside, between), writeable=False)

        return windows
