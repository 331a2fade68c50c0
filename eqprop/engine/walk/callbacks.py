"""Callbacks to Python: a plain call for each row, with its arguments in the types that the program has them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import JaxprEqn

from eqprop.engine.trees import Tree
from eqprop.engine.walk.batch import widest
from eqprop.engine.walk.building import Builder, value_of
from eqprop.engine.walk.graph import Emitted, Emitter, Operation, Value, Wanted
from eqprop.engine.walk.primitives.operand import Step
from eqprop.errors import InvalidInput


def pure_callback(builder: Builder, equation: JaxprEqn, given: Sequence[Value]) -> Sequence[Value]:
    """Put a callback where it stands: it is called as often as the program says."""
    results = [value_of(variable, builder.block) for variable in equation.outvars]
    return builder.append(Callback(equation, given, results))


class Callback(Operation):
    """A function of arrays, called row by row; once, where all rows are the same."""

    __slots__ = ("_equation",)

    def __init__(self, equation: JaxprEqn, operands: Sequence[Value], results: Sequence[Value]) -> None:
        super().__init__(operands, results)
        self._equation = equation

    @property
    def exact(self) -> bool:
        return False

    def reads(self, wanted: Wanted) -> Sequence[Value]:
        del wanted
        return self.operands

    def emitted(self, emitter: Emitter) -> Emitted:
        return Emitted(self.operands, emitter.rounding.after(self._equation, _calling(self._equation)), self.results)


def _calling(equation: JaxprEqn) -> Step:
    callback, promised = equation.params["callback"], equation.params["result_avals"]

    def called(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        rows = [_row(callback, promised, [_at(array, i) for array in arrays]) for i in range(widest(arrays))]
        return tuple(np.stack(parts, axis=-1) for parts in zip(*rows, strict=True))

    return called


def _at(array: np.ndarray, row: int) -> jax.Array:
    """A row of an array, as JAX hands it to a callback."""
    return jnp.asarray(np.array(array[..., row if array.shape[-1] > 1 else 0], order="C"))


def _row(
    callback: Callable[..., Tree], promised: Sequence[ShapedArray], arguments: Sequence[jax.Array]
) -> list[np.ndarray]:
    found = [np.asarray(leaf) for leaf in jax.tree.leaves(callback(*arguments))]
    kinds = [(leaf.shape, leaf.dtype) for leaf in found]
    expected = [(aval.shape, np.dtype(aval.dtype)) for aval in promised]
    if kinds != expected:
        msg = f"a callback gave {_listed(kinds)}; its result_shape_dtypes promise {_listed(expected)}."
        raise InvalidInput(msg)
    return found


def _listed(kinds: Sequence[tuple[tuple[int, ...], np.dtype]]) -> str:
    return ", ".join(f"{dtype}[{','.join(map(str, shape))}]" for shape, dtype in kinds) or "nothing"
