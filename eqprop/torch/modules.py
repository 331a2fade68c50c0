"""A ``torch.nn.Module`` as a model."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import torch

from eqprop.arguments import got
from eqprop.claims import Model
from eqprop.engine import ARRAYS, bridged, explained
from eqprop.errors import InvalidInput
from eqprop.torch.arrays import as_array, as_tensor
from eqprop.torch.derivatives import Tensors
from eqprop.torch.functions import TorchFunction
from eqprop.torch.session import alone


def from_module(
    module: torch.nn.Module,
    inputs: Any,
    *,
    outputs: Callable[[Any], Any] | None = None,
    loss: Callable[[Any], Any] | None = None,
    name: str = "",
    trained: bool = True,
    domain: Callable[[Any], Any] | None = None,
) -> Model:
    """The module as a model whose values and derivatives of every order are torch's own.

    Its parameters are a flat dict with the names of ``named_parameters()``: ``"layers.0.weight"``. Buffers are
    constants: running statistics are what they are, and are in no derivative; what a module in training mode stores
    into them is forgotten. Where parameters are probed in float64, buffers in floating point are raised with them.

    Args:
        module: on the CPU, deterministic; leave it as it is while it is verified.
        inputs: an example batch, tensors or arrays: a tuple of the arguments of ``forward``, a dict of arguments by
            name, or the only argument.
        outputs: picks what is verified from what ``forward`` returns; by default every tensor in it.
        loss: of the outputs so picked, a torch function with its targets inside. Without one, losses are drawn.
        name: used in reports and test ids; that of the class by default.
        trained: see ``eqprop.Model``.
        domain: likewise, of the flat dict.

    Raises:
        InvalidInput: for what is no module, parameters on another device or not in floating point, arguments that
            ``forward`` does not take, outputs that are no tensors in floating point, a module that draws random
            numbers.
    """
    whole = _Module(_checked(module), name or type(module).__name__, _arrays(inputs), outputs)
    return Model(
        whole.apply,
        whole.params,
        whole.inputs,
        loss=None if loss is None else whole.bridged_loss(loss),
        name=whole.name,
        trained=trained,
        domain=domain,
    )


def _checked(module: Any) -> torch.nn.Module:
    if not isinstance(module, torch.nn.Module):
        msg = f"eqprop.torch.from_module: module is {got(module)}; expected a torch.nn.Module."
        raise InvalidInput(msg)
    for path, leaf in (*module.named_parameters(), *module.named_buffers()):
        if leaf.device.type != "cpu":
            msg = f"eqprop.torch.from_module: {path!r} is on {leaf.device}; move the module with module.cpu()."
            raise InvalidInput(msg)
    return module


def _arrays(inputs: Any) -> Any:
    def array(leaf: Any) -> np.ndarray:
        if isinstance(leaf, torch.Tensor):
            return as_array(leaf)
        if not isinstance(leaf, ARRAYS):
            msg = f"eqprop.torch.from_module: inputs have {got(leaf)}; expected tensors or arrays."
            raise InvalidInput(msg)
        return np.asarray(leaf)

    return jax.tree.map(array, inputs)


class _Module:
    """A module between trees of arrays and tuples of tensors.

    Attributes:
        name: in reports.
        params: the example parameters.
        inputs: the example inputs.
    """

    def __init__(self, module: torch.nn.Module, name: str, inputs: Any, pick: Callable[[Any], Any] | None) -> None:
        self.name = name
        self.inputs = inputs
        self._module = module
        self._pick = pick
        self.params = {path: as_array(leaf) for path, leaf in module.named_parameters()}
        self._input_leaves, self._input_tree = jax.tree.flatten(inputs)
        self._bridges = _Bridges(name, self._called, [*self.params.values(), *self._input_leaves])
        with alone():
            example = tuple(map(as_tensor, (*self.params.values(), *self._input_leaves)))
            found = explained(f"{name}: forward", lambda: [self._outputs(example) for _ in range(2)])
        leaves, self._output_tree = jax.tree.flatten(found[0])
        self._example_outputs = list(map(as_array, leaves))
        if not all(map(torch.equal, leaves, jax.tree.leaves(found[1]))):
            msg = (
                f"{name} gives different outputs for the same inputs. Make it deterministic: call module.eval(), set "
                "the rate of dropout to 0."
            )
            raise InvalidInput(msg)

    def apply(self, params: Any, inputs: Any) -> Any:
        """f(θ, x), as JAX traces it."""
        operands = [*(params[path] for path in self.params), *jax.tree.leaves(inputs)]
        return jax.tree.unflatten(self._output_tree, self._bridges(operands))

    def bridged_loss(self, loss: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A loss of torch, as JAX traces it."""

        def called(operands: Tensors, again: bool) -> Tensors:
            del again
            return (loss(jax.tree.unflatten(self._output_tree, operands)),)

        bridges = _Bridges(f"{self.name}: loss", called, self._example_outputs)
        return lambda outputs: bridges(jax.tree.leaves(outputs))[0]

    def _called(self, operands: Tensors, again: bool) -> Tensors:
        del again
        return tuple(jax.tree.leaves(self._outputs(operands)))

    def _outputs(self, operands: Tensors) -> Any:
        """What the module returns, as a tree that JAX knows."""
        count = len(self.params)
        given = dict(zip(self.params, operands[:count], strict=True))
        leaves = [
            t if t.is_floating_point() else t.to(as_tensor(example).dtype)
            for t, example in zip(operands[count:], self._input_leaves, strict=True)
        ]
        inputs = jax.tree.unflatten(self._input_tree, leaves)
        positional, named = _arguments(inputs)
        state = {**self._buffers(operands), **given}
        found = torch.func.functional_call(self._module, state, positional, named)
        return _plain(self._pick(found) if self._pick else found, self.name)

    def _buffers(self, operands: Tensors) -> dict[str, torch.Tensor]:
        """Copies, which the module may store into; raised where the operands are."""
        wide = any(t.dtype == torch.float64 for t in operands)
        return {
            path: leaf.double() if wide and leaf.is_floating_point() and leaf.dtype != torch.float64 else leaf.clone()
            for path, leaf in self._module.named_buffers()
        }


def _arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}


def _plain(tree: Any, name: str) -> Any:
    """Tuples and dicts of tensors in floating point, without what is None."""
    if isinstance(tree, torch.Tensor):
        if not tree.is_floating_point():
            msg = (
                f"{name}: forward returned a tensor of {tree.dtype}; eqprop verifies real outputs in floating point. "
                "Pick them with outputs=, as in outputs=lambda found: found[0]."
            )
            raise InvalidInput(msg)
        return tree
    if isinstance(tree, Mapping):
        return {str(key): _plain(value, name) for key, value in tree.items() if value is not None}
    if isinstance(tree, tuple | list):
        return tuple(_plain(value, name) for value in tree if value is not None)
    msg = f"{name}: forward returned {got(tree)}; expected tensors. Pick them with outputs=."
    raise InvalidInput(msg)


class _Bridges:
    """One function of tensors, bridged for every set of shapes and types that it is traced with.

    Args:
        name: in reports.
        function: of tensors.
        example: its operands.
    """

    def __init__(self, name: str, function: Callable[[Tensors, bool], Tensors], example: Sequence[np.ndarray]) -> None:
        self._name = name
        self._function = function
        self._example = example
        self._known: dict[Any, Callable[..., tuple[Any, ...]]] = {}

    def __call__(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        kinds = tuple((tuple(np.shape(operand)), np.dtype(jax.numpy.result_type(operand))) for operand in operands)
        if kinds not in self._known:
            given = [
                np.resize(leaf, shape).astype(kind) for leaf, (shape, kind) in zip(self._example, kinds, strict=True)
            ]
            function = TorchFunction(self._function, tuple(map(as_tensor, given)), self._name)
            self._known[kinds] = bridged(function)
        return self._known[kinds](*operands)
