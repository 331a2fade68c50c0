"""What jaxtyping's annotations say of shapes, checked wherever tests call what is annotated.

A type checker for ``jaxtyping.install_import_hook`` that looks at shapes and at nothing else: whatever else users pass
wrong is answered by eqprop itself, and tests pass it on purpose.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import UnionType
from typing import Any, Union, get_args, get_origin

from jaxtyping import AbstractArray

ROOMS = ("eqprop.rounding", "eqprop.probes.sampling", "eqprop.properties.numerics", "eqprop.groups", "eqprop.actions")
"""Where shapes are annotated."""


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which raises TypeError for arguments or results of another shape or kind of number than it says."""
    signature = inspect.signature(function)
    hints = {name: p.annotation for name, p in signature.parameters.items() if says_shapes(p.annotation)}
    returns = signature.return_annotation
    if not hints and not says_shapes(returns):
        return function

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        for name, hint in hints.items():
            if name in given and not fits(given[name], hint):
                msg = f"{name} is no {hint}"
                raise TypeError(msg)
        result = function(*args, **kwargs)
        if not fits(result, returns):
            msg = f"the result is no {returns}"
            raise TypeError(msg)
        return result

    return call


def says_shapes(hint: Any) -> bool:
    """Whether an annotation is, or has in it, one of jaxtyping's."""
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or any(map(says_shapes, get_args(hint)))


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has the shape that an annotation asks for; True of annotations that ask for none."""
    if not says_shapes(hint):
        return True
    inner = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, each) if says_shapes(each) else isinstance(value, each) for each in inner)
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(value) == len(each) and all(map(fits, value, each))
    return not isinstance(hint, type) or isinstance(value, hint)
