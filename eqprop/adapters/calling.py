"""How a module is called: its arguments, and what it raises where it is called for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from eqprop.claims import Inputs
from eqprop.engine import unexpected
from eqprop.errors import EqpropError, InvalidInput

Result = TypeVar("Result")


def arguments_of(inputs: Inputs) -> tuple[Inputs, ...]:
    """The positional arguments: the entries of a tuple, and anything else as the only one."""
    return inputs if isinstance(inputs, tuple) else (inputs,)


def initialised(what: str, call: Callable[[], Result], *, remedy: str = "") -> Result:
    """What a first call gives, which makes the weights.

    Args:
        what: the call, as in ``"linen module 'Net': init"``.
        call: without arguments.
        remedy: what else mends it, as a sentence.

    Raises:
        InvalidInput: with what it raised.
    """
    try:
        return call()
    except EqpropError:
        raise
    except Exception as error:
        msg = (
            f"{what} raised {unexpected(error)}. What the call needs besides its inputs is given by name, as in "
            f"from_module(…, train=False); several inputs are a tuple.{remedy and ' '}{remedy}"
        )
        raise InvalidInput(msg) from error
