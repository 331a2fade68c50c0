"""A model: what is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eqprop.arguments import flag, function_of, name_of, texts_of
from eqprop.engine import Partition, Tree, tree_of

Params = Any
Inputs = Any
Outputs = Any
"""Of a model: any pytree of arrays, or of numbers; of parameters θ, inputs x and outputs f(θ, x)."""


@dataclass(frozen=True, eq=False)
class Model:
    """A function of parameters and inputs, with an example of each.

    Attributes:
        apply: ``apply(params, inputs) -> outputs``, traceable by JAX and deterministic. Parameters, inputs and outputs
            are arbitrary pytrees; outputs are floating point. Integer and boolean parameters are never
            differentiated; they are what K makes of the example's.
        params: example parameters: structure, shapes and dtypes are taken from them. Where ``trained`` is set, the
            values are probed too.
        inputs: an example batch. Integer inputs (tokens) are redrawn within the range that the example spans.
        loss: ``loss(outputs) -> scalar``, the targets inside it. Without one, losses are drawn.
        name: used in reports and test ids.
        trained: whether the example parameters are a point of interest: half of the probes are then taken at them
            and in their neighbourhood.
        domain: maps arbitrary real parameters into the set where the model is defined (a variance made positive, say);
            elementwise in NumPy, because a leading axis of probes is present. Identity by default.
        state: paths, or glob patterns of paths, of floating-point parameters that are not trained: running statistics.
            As integers they keep the example's values, are never differentiated, and K moves them with the rest.

    Raises:
        InvalidInput: for a function that is none or takes other arguments, a name that is no text, a ``trained`` that
            is neither True nor False, a ``state`` that is no tuple of texts, parameters or inputs that are no pytree.
            What the functions do, and which parameters a pattern matches, is looked at where the model is verified.
    """

    apply: Callable[[Params, Inputs], Outputs]
    params: Params
    inputs: Inputs
    loss: Callable[[Outputs], Tree] | None = None
    name: str = "model"
    trained: bool = True
    domain: Callable[[Params], Params] | None = None
    state: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = f"model {name_of(self.name, 'Model')!r}"
        function_of(self.apply, ("params", "inputs"), f"{what}: apply")
        if self.loss is not None:
            function_of(self.loss, ("outputs",), f"{what}: loss")
        if self.domain is not None:
            function_of(self.domain, ("params",), f"{what}: domain")
        flag(self.trained, f"{what}: trained")
        texts_of(self.state, "('batch_stats/*',)", f"{what}: state")
        tree_of(self.params, f"{what}: params")
        tree_of(self.inputs, f"{what}: inputs")

    @cached_property
    def param_leaves(self) -> Partition:
        """The split of the parameters into differentiated and carried leaves."""
        return Partition.of(self.params, self.state)

    @cached_property
    def input_leaves(self) -> Partition:
        """The split of the inputs."""
        return Partition.of(self.inputs)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self.param_leaves.size} parameters in {len(self.param_leaves.paths)} tensors)"
