"""A model: what is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eqprop.trees import Partition


@dataclass(frozen=True, eq=False)
class Model:
    """A function of parameters and inputs, with an example of each.

    Attributes:
        apply: ``apply(params, inputs) -> outputs``, traceable by JAX and deterministic. Parameters, inputs and outputs
            are arbitrary pytrees; outputs are floating point. Integer and boolean parameters are carried along as they
            are and never differentiated.
        params: example parameters: structure, shapes and dtypes are taken from them. Where ``trained`` is set, the
            values are probed too.
        inputs: an example batch. Integer inputs (tokens) are redrawn within the range that the example spans.
        loss: ``loss(outputs) -> scalar``, the targets inside it. Without one, losses are drawn.
        name: used in reports and test ids.
        trained: whether the example parameters are a point of interest: half of the probes are then taken at them
            and in their neighbourhood.
        domain: maps arbitrary real parameters into the set where the model is defined (a variance made positive, say);
            elementwise in NumPy, because a leading axis of probes is present. Identity by default.
    """

    apply: Callable[[Any, Any], Any]
    params: Any
    inputs: Any
    loss: Callable[[Any], Any] | None = None
    name: str = "model"
    trained: bool = True
    domain: Callable[[Any], Any] | None = None

    @cached_property
    def param_leaves(self) -> Partition:
        """The split of the parameters into differentiated and carried leaves."""
        return Partition.of(self.params)

    @cached_property
    def input_leaves(self) -> Partition:
        """The split of the inputs."""
        return Partition.of(self.inputs)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.param_leaves.size} parameters in {len(self.param_leaves.paths)} tensors)"
