"""A traced program that was kept as data (``writing``), as what can be walked.

What comes back has no operation that could be run but by NumPy.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr


@dataclass(frozen=True, slots=True)
class Named:
    """What has a name and nothing else that a rule reads: an operation, or one of the choices that a parameter has.

    Attributes:
        name: of it.
        multiple_results: whether an operation gives several.
    """

    name: str
    multiple_results: bool = False


class Fields:
    """A tuple whose parts have names.

    Args:
        parts: the names, and what they name.
    """

    def __init__(self, parts: Sequence[tuple[str, Any]]) -> None:
        self.__dict__.update(parts)
        self._parts = tuple(parts)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)


@dataclass(eq=False, slots=True)
class Variable:
    """A value of a program, by its shape and type."""

    aval: ShapedArray


@dataclass(eq=False, slots=True)
class Equation:
    """An operation of a program; its fields are those of ``JaxprEqn`` that are read."""

    primitive: Named
    params: Mapping[str, Any]
    invars: Sequence[Variable]
    outvars: Sequence[Variable]


@dataclass(eq=False, slots=True)
class Program:
    """A program with its constants; its fields are those of ``ClosedJaxpr`` and of ``Jaxpr``."""

    constvars: Sequence[Variable]
    consts: Sequence[np.ndarray]
    invars: Sequence[Variable]
    outvars: Sequence[Variable]
    eqns: Sequence[Equation]
    effects: frozenset[object] = frozenset()

    @property
    def jaxpr(self) -> Program:
        """Itself: constants are no arguments."""
        return self


CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""One object each: operations whose parameters are NaN are the same where it is the same NaN."""


def read(data: bytes) -> ClosedJaxpr:
    """The program that was written, with all of it that a walk reads.

    Raises:
        Exception: of whatever kind, for what was not written by ``written``.
    """
    return cast("ClosedJaxpr", _Reader(json.loads(zlib.decompress(data), parse_constant=CONSTANTS.get)).programs[-1])


class _Reader:
    """Reads the tables.

    Attributes:
        programs: in their places; each is the same object for all that hold it.
    """

    def __init__(self, tables: dict[str, Any]) -> None:
        self._avals = [ShapedArray(tuple(shape), np.dtype(dtype)) for shape, dtype in tables["kinds"]]
        self.programs: list[Program] = []
        for found in tables["programs"]:
            self.programs.append(self._program(found))

    def _program(self, found: dict[str, Any]) -> Program:
        known: dict[int, Variable] = {}

        def variable(number: int, aval: ShapedArray) -> Variable:
            known[number] = Variable(aval)
            return known[number]

        arrays = [(number, _array_of(array)) for number, array in found["consts"]]
        constvars = [variable(number, ShapedArray(array.shape, array.dtype)) for number, array in arrays]
        invars = [variable(number, self._avals[kind]) for number, kind in found["invars"]]
        equations = [
            Equation(
                Named(name, many),
                {key: self._value(value) for key, value in params},
                [known[i] for i in operands],
                [variable(i, self._avals[kind]) for i, kind in zip(results, kinds, strict=True)],
            )
            for name, many, operands, results, kinds, params in found["eqns"]
        ]
        return Program(constvars, [array for _, array in arrays], invars, [known[i] for i in found["outs"]], equations)

    def _value(self, data: Any) -> Any:
        if isinstance(data, list):
            return tuple(map(self._value, data))
        if not isinstance(data, dict):
            return data
        ((mark, value),) = data.items()
        return self._marked(mark, value)

    def _marked(self, mark: str, value: Any) -> Any:
        if mark == "name":
            return Named(value)
        if mark == "fields":
            return Fields([(name, self._value(part)) for name, part in value])
        if mark == "dict":
            return {self._value(key): self._value(part) for key, part in value}
        if mark == "program":
            return self.programs[value]
        if mark == "array":
            return _array_of(value)
        assert mark == "dtype", mark
        return np.dtype(value)


def _array_of(found: Sequence[Any]) -> np.ndarray:
    shape, dtype, data = found
    return np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape)
