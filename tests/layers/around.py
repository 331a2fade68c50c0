"""What stands around a layer under test: the dense layers that write and read its units, and a pair of the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import eqprop
from eqprop import groups
from eqprop.actions import channels, combined, hidden_units, norm_gain, softmax_shift, translations
from eqprop.claims import Transformation
from tests.layers.statements import UNITS, Numbers, model

Move = Transformation | Callable[[Any], Transformation]
"""A transformation, or what makes one of the parameters."""


def pair_of(apply: Callable[[Any, Any], Any], params: Any, inputs: Any, numbers: Numbers, move: Move) -> eqprop.Pair:
    """A network as a library made it, in the type that is asked for, and what moves its parameters."""
    chosen = move if isinstance(move, Transformation) else move(params)
    return eqprop.Pair(model(apply, params, inputs, numbers), chosen)


@dataclass(frozen=True)
class Around:
    """The layers before and behind, by the paths of their tensors in a library.

    Attributes:
        writes: kernel and bias, in this order, of the layer that writes the units: path → axis.
        reads: kernel of the layer that reads them.
        gains: scale and offset of a norm between the two.
    """

    writes: Mapping[str, int]
    reads: Mapping[str, int]
    gains: Mapping[str, int]

    @property
    def permuted(self) -> Transformation:
        """The units in another order."""
        return hidden_units(groups.Permutation(UNITS), writes=self.writes, reads=self.reads)

    @property
    def rescaled(self) -> Transformation:
        """Each unit in another unit of measurement."""
        return channels(UNITS, writes=self.writes, reads=self.reads)

    def shift(self, params: Any) -> Transformation:
        """The same added to what is written to every unit."""
        return softmax_shift(params, self.writes)

    def bias_and_gain(self, params: Any) -> Transformation:
        """Along the bias alone both sides would be 0: the gain makes them say something."""
        _, bias = self.writes
        gains = norm_gain(UNITS, gains=self.gains, reads=self.reads)
        return combined(translations(params, {bias: None}), gains, name="bias and gain")
