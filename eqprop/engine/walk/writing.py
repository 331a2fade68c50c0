"""A traced program as data, which ``kept`` reads: what is read is walked as what was traced.

Not a pickle, which would be code in a folder. Of each operation its name is written, the parameters that the rules
read, and shapes and types. Literals are constants of the program there.
"""

from __future__ import annotations

import base64
import json
import zlib
from enum import Enum
from functools import cache
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Primitive, Var

from eqprop.engine.jaxprs import PLAIN, aval_of
from eqprop.engine.walk.calls import CALLS

LEVEL = 1
"""Of compression: a tenth of the size in little time."""


class NotKept(Exception):  # noqa: N818 - it reads as what happened
    """Something in a program that is no data: a function, or a type that NumPy does not have."""


READ = {
    "scan": ("jaxpr", "length", "reverse"),
    "while": ("cond_jaxpr", "body_jaxpr", "cond_nconsts", "body_nconsts"),
    "cond": ("branches",),
}
"""Of loops and branches what a walk reads: releases of JAX write down different things beside it."""

SHORT = 2
"""Operations of a program that is compared with others."""


def written(program: ClosedJaxpr) -> bytes:
    """The program as data: a table of all programs that it holds, itself last, and one of all shapes and types.

    Raises:
        NotKept: where some of it is none.
    """
    if program.effects:
        msg = f"effects ({', '.join(map(str, program.effects))})"
        raise NotKept(msg)
    writer = _Writer()
    writer.program(program)
    tables = {"kinds": list(writer.kinds), "programs": writer.programs}
    return zlib.compress(json.dumps(tables, separators=(",", ":")).encode(), LEVEL)


class _Writer:
    """Writes each program once, whatever holds it: operations name it by its place.

    Attributes:
        programs: as data; one that another holds stands before that.
        kinds: shapes and types of values, with their places.
    """

    def __init__(self) -> None:
        self.programs: list[dict[str, Any]] = []
        self.kinds: dict[tuple[Any, ...], int] = {}
        self._places: dict[int, int] = {}
        self._short: dict[str, int] = {}

    def program(self, program: ClosedJaxpr | Jaxpr) -> int:
        """Write it, and give its place."""
        closed = isinstance(program, ClosedJaxpr)
        jaxpr, constants = (program.jaxpr, program.consts) if closed else (program, ())
        fresh = count()
        numbers: dict[Var, int] = {}
        literals: dict[Any, int] = {}
        consts: list[Any] = []

        def number(variable: Var) -> int:
            numbers[variable] = next(fresh)
            return numbers[variable]

        def read(atom: Var | Literal) -> int:
            if not isinstance(atom, Literal):
                return numbers[atom]
            array = np.asarray(atom.val, aval_of(atom).dtype)
            key = (array.dtype, array.shape, array.tobytes())
            if key not in literals:
                literals[key] = next(fresh)
                consts.append([literals[key], _array(array)])
            return literals[key]

        for variable, constant in zip(jaxpr.constvars, constants, strict=True):
            consts.append([number(variable), _array(np.asarray(constant))])
        invars = [[number(variable), self._kind(variable)] for variable in jaxpr.invars]
        equations: list[Any] = []
        for equation in jaxpr.eqns:
            operands = [read(atom) for atom in equation.invars]
            results = [number(variable) for variable in equation.outvars]
            kinds = [self._kind(variable) for variable in equation.outvars]
            called, params = equation.primitive, self._params(equation)
            equations.append([called.name, called.multiple_results, operands, results, kinds, params])
        outs = [read(atom) for atom in jaxpr.outvars]
        return self._placed({"consts": consts, "invars": invars, "eqns": equations, "outs": outs})

    def _placed(self, data: dict[str, Any]) -> int:
        """Where a program is, once it is in the table: a short one, as scatters have, is one wherever it stands."""
        if len(data["eqns"]) > SHORT:
            self.programs.append(data)
            return len(self.programs) - 1
        place = self._short.setdefault(json.dumps(data), len(self.programs))
        if place == len(self.programs):
            self.programs.append(data)
        return place

    def _params(self, equation: JaxprEqn) -> list[Any]:
        """Of a call its program alone: the rest are rules of derivatives, and how it would be compiled."""
        name, params = equation.primitive.name, equation.params
        if name in CALLS:
            names = [next(key for key in (CALLS[name], "call_jaxpr", "jaxpr") if key in params)]
        else:
            names = READ.get(name, params)
        return [[key, self._data(params[key])] for key in names]

    def _kind(self, variable: Var | Literal) -> int:
        aval = variable.aval
        if not isinstance(aval, ShapedArray) or not _type_name(aval.dtype):
            msg = f"a value of type {aval}"
            raise NotKept(msg)
        return self.kinds.setdefault((aval.shape, _type_name(aval.dtype)), len(self.kinds))

    def _data(self, value: Any) -> Any:
        """A parameter: lists are tuples, and all else is marked by what it is."""
        if type(value) in PLAIN:
            return value
        if isinstance(value, tuple | list):
            names = getattr(value, "_fields", None)
            if names:
                return {"fields": [[name, self._data(part)] for name, part in zip(names, value, strict=True)]}
            return [self._data(part) for part in value]
        if isinstance(value, Enum):
            return {"name": value.name}
        if isinstance(value, dict):
            return {"dict": [[self._data(key), self._data(part)] for key, part in value.items()]}
        if isinstance(value, ClosedJaxpr | Jaxpr):
            if id(value) not in self._places:
                self._places[id(value)] = self.program(value)
            return {"program": self._places[id(value)]}
        if isinstance(value, Primitive):
            return {"name": value.name}
        if isinstance(value, np.generic):
            return self._data(value.item())
        if isinstance(value, np.ndarray | jax.Array):
            return {"array": _array(np.asarray(value))}
        if isinstance(value, type | np.dtype):
            try:
                return {"dtype": np.dtype(value).name}
            except TypeError:
                pass
        msg = f"a parameter of type {type(value).__name__}"
        raise NotKept(msg)


@cache
def _type_name(dtype: Any) -> str:
    """Empty for the types of JAX's own, of random keys say."""
    return "" if jnp.issubdtype(dtype, jax.dtypes.extended) else np.dtype(dtype).name


def _array(array: np.ndarray) -> list[Any]:
    if jnp.issubdtype(array.dtype, jax.dtypes.extended) or array.dtype == object:
        msg = f"an array of {array.dtype}"
        raise NotKept(msg)
    return [list(array.shape), array.dtype.name, base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]
