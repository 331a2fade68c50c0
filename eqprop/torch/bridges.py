"""A module between trees of arrays, which JAX traces, and tuples of tensors, which torch computes with."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce

import jax
import numpy as np
import torch
from jax.typing import ArrayLike

from eqprop.adapters import Module, Named, named
from eqprop.arguments import got
from eqprop.claims import Inputs, Outputs
from eqprop.engine import ARRAYS, Array, Tree, bridged, equal, explained, leaf_paths
from eqprop.errors import InvalidInput
from eqprop.torch.arrays import as_array, as_tensor
from eqprop.torch.derivatives import Hold, Tensors, called
from eqprop.torch.functions import TorchFunction
from eqprop.torch.hooks import hooked
from eqprop.torch.session import alone


def _checked(module: Module) -> torch.nn.Module:
    if not isinstance(module, torch.nn.Module):
        msg = f"eqprop.torch.from_module: module is {got(module)}; expected a torch.nn.Module."
        raise InvalidInput(msg)
    for path, leaf in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(leaf):
            msg = (
                f"eqprop.torch.from_module: {path!r} has no numbers yet, as a lazy module's before its first call; "
                "call the module once with its inputs."
            )
            raise InvalidInput(msg)
        if leaf.device.type != "cpu":
            msg = f"eqprop.torch.from_module: {path!r} is on {leaf.device}; move the module with module.cpu()."
            raise InvalidInput(msg)
    return module


def _is_state(buffer: torch.Tensor) -> bool:
    """Whether a buffer moves with a transformation: a mask and the turns of positions are constants of the module."""
    return not buffer.is_complex() and bool(torch.isfinite(buffer).all())


def _arrays(inputs: Inputs) -> Inputs:
    def array(leaf: object) -> np.ndarray:
        if isinstance(leaf, torch.Tensor):
            return as_array(leaf)
        if not isinstance(leaf, ARRAYS):
            msg = f"eqprop.torch.from_module: inputs have {got(leaf)}; expected tensors or arrays."
            raise InvalidInput(msg)
        return np.asarray(leaf)

    return jax.tree.map(array, inputs)


class Bridge:
    """A module as functions of arrays.

    Args:
        module: of torch.
        inputs: an example batch, of tensors or arrays.
        name: in reports; that of the class by default.
        pick: what is verified of what ``forward`` returns; None for all.

    Attributes:
        name: in reports.
        params: the example parameters.
        state: the example buffers, those of real numbers that are finite.
        inputs: the example inputs.
    """

    def __init__(self, module: Module, inputs: Inputs, name: str, pick: Callable[[Tree], Tree] | None) -> None:
        self._module = _checked(module)
        self.name = named(name, type(module).__name__, "eqprop.torch.from_module")
        self.inputs = _arrays(inputs)
        self._pick = pick
        self.params = {path: as_array(leaf) for path, leaf in module.named_parameters()}
        self.state = {path: as_array(leaf) for path, leaf in module.named_buffers() if _is_state(leaf)}
        self._paths = (*self.params, *self.state)
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self._own = [own[path] for path in self._paths]
        leaves, self._input_tree = jax.tree.flatten(self.inputs)
        example = [*self.params.values(), *self.state.values(), *leaves]
        self._types = [as_tensor(leaf).dtype for leaf in example]
        self._holder = _Holder(module)
        self._bridged = _Bridged(self.name, self._called, example, self._held)
        found = self._tried(tuple(map(as_tensor, example)))
        leaves, self._output_tree = jax.tree.flatten(found)
        self._example_outputs = list(map(as_array, leaves))

    def _tried(self, example: Tensors) -> Tree:
        """What the module returns at the example, each time."""
        before = tuple(leaf.clone() for leaf in example)
        with alone():
            found, again = explained(f"{self.name}: forward", lambda: [self._outputs(example) for _ in range(2)])
        if not equal(*(jax.tree.map(as_array, tree) for tree in (found, again))):
            msg = f"{self.name} gives different outputs for the same inputs. {self._remedy(before, example)}"
            raise InvalidInput(msg)
        return found

    def _remedy(self, before: Tensors, after: Tensors) -> str:
        """How to mend outputs that differ: what forward changed of what it was given, or what else may be random."""
        names = [*(f"parameter {path!r}" for path in self.params), *(f"buffer {path!r}" for path in self.state)]
        names += [f"input {path!r}" for path in leaf_paths(self.inputs)]
        pairs = zip(names, before, after, strict=True)
        changed = [name for name, a, b in pairs if not equal(as_array(a), as_array(b))]
        if changed:
            return (
                f"Its forward changes {', '.join(changed)} in place: make a new tensor there, or register what is to "
                "change from call to call as a buffer, whose changes are forgotten."
            )
        return (
            "Make it deterministic: call module.eval(), set the rate of dropout to 0. torch.linalg.lstsq is not, "
            'unless it is told a driver: driver="gels", or "gelsd".'
        )

    @property
    def module(self) -> Module:
        """The module itself."""
        return self._module

    def apply(self, tensors: Named, inputs: Inputs) -> Outputs:
        """f(θ, x), as JAX traces it, of parameters and buffers by their names."""
        operands = [*(tensors[path] for path in self._paths), *jax.tree.leaves(inputs)]
        return jax.tree.unflatten(self._output_tree, self._bridged(operands))

    def bridged_loss(self, loss: Callable[[Tree], torch.Tensor]) -> Callable[[Outputs], Array]:
        """A loss of torch, as JAX traces it."""

        def called(operands: Tensors, again: bool) -> Tensors:
            del again
            return (loss(jax.tree.unflatten(self._output_tree, operands)),)

        bridged = _Bridged(f"{self.name}: loss", called, self._example_outputs)
        return lambda outputs: bridged(jax.tree.leaves(outputs))[0]

    def _called(self, operands: Tensors, again: bool) -> Tensors:
        del again
        return tuple(jax.tree.leaves(self._outputs(operands)))

    def _outputs(self, operands: Tensors) -> Tree:
        """What the module returns, as a tree that JAX knows."""
        typed = self._typed(operands)
        positional, named = _arguments(jax.tree.unflatten(self._input_tree, typed[len(self._paths) :]))
        found = torch.func.functional_call(self._module, self._tensors(typed), positional, named)
        return _plain(self._pick(found) if self._pick else found, self.name)

    def _held(self, operands: Tensors, inner: Callable[[], Tensors]) -> Tensors:
        """What is called while the module has these tensors for its own, and they the hooks of its own."""
        tensors = self._tensors(self._typed(operands[: len(self._types)]))
        named = {f"module.{path}": leaf for path, leaf in tensors.items()}
        with hooked(self._own, operands[: len(self._own)]):
            return torch.func.functional_call(self._holder, named, inner)

    def _typed(self, operands: Tensors) -> list[torch.Tensor]:
        return [t if t.is_floating_point() else t.to(kind) for t, kind in zip(operands, self._types, strict=True)]

    def _tensors(self, typed: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Those of the module, by their names."""
        given = dict(zip(self._paths, typed, strict=False))
        # The module may store into its buffers: into copies. Of batch norms torch has no derivative by them.
        given |= {path: given[path].detach().clone() for path in self.state}
        inside = {path: leaf for path, leaf in self._module.named_buffers() if path not in given}
        return given | {path: self._as_wide(leaf, typed) for path, leaf in inside.items()}

    def _as_wide(self, buffer: torch.Tensor, typed: Sequence[torch.Tensor]) -> torch.Tensor:
        """A copy of one that stays inside; of complex numbers, it is as wide as operands that are another type now."""
        others = {t.dtype for t, kind in zip(typed, self._types, strict=False) if t.dtype != kind}
        kinds = [buffer.dtype, *(others if buffer.is_complex() else ())]
        return buffer.to(reduce(torch.promote_types, kinds), copy=True)


class _Holder(torch.nn.Module):
    """Calls what it is given, with a module inside."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inner: Callable[[], Tensors]) -> Tensors:
        return inner()


def _arguments(inputs: Inputs) -> tuple[tuple[Inputs, ...], dict[str, Inputs]]:
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}


def _plain(tree: Tree, name: str) -> Tree:
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


class _Bridged:
    """One function of tensors, bridged for every set of shapes and types that it is traced with.

    Args:
        name: in reports.
        function: of tensors.
        example: its operands.
        hold: what keeps them in force.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Tensors, bool], Tensors],
        example: Sequence[np.ndarray],
        hold: Hold = called,
    ) -> None:
        self._name = name
        self._hold = hold
        self._function = function
        self._example = example
        self._known: dict[Hashable, Callable[..., tuple[Array, ...]]] = {}

    def __call__(self, operands: Sequence[ArrayLike]) -> tuple[Array, ...]:
        kinds = tuple((tuple(np.shape(operand)), np.dtype(jax.numpy.result_type(operand))) for operand in operands)
        if kinds not in self._known:
            given = [
                np.resize(leaf, shape).astype(kind) for leaf, (shape, kind) in zip(self._example, kinds, strict=True)
            ]
            function = TorchFunction(self._function, tuple(map(as_tensor, given)), self._name, hold=self._hold)
            self._known[kinds] = bridged(function)
        return self._known[kinds](*operands)
