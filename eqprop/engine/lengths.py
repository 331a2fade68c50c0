"""The shape of what somebody passes as an array, and an axis of it, said in words where there is none."""

from __future__ import annotations

from eqprop.arguments import as_index, got, short
from eqprop.errors import InvalidInput


def shape_of(array: object, what: str) -> tuple[int, ...]:
    """The shape of an array of numbers, traced or not.

    Args:
        array: what was given.
        what: the thing, as in ``"groups.along: the array"``.

    Raises:
        InvalidInput: for what is no array of numbers.
    """
    shape, kind = getattr(array, "shape", None), getattr(getattr(array, "dtype", None), "kind", "O")
    if not isinstance(shape, tuple) or kind not in "biufcV":  # V: bfloat16 and its like
        msg = f"{what} is {got(array)}; expected an array of numbers."
        raise InvalidInput(msg)
    return shape  # pyright: ignore[reportUnknownVariableType]


def axis_in(lengths: tuple[int, ...], axis: object, what: str) -> int:
    """An axis of an array, counted from the front.

    Args:
        lengths: the array's shape.
        axis: its number, which may count from the end.
        what: the thing with its verb, as in ``"groups.along: the axis is"``.

    Raises:
        InvalidInput: for what is no whole number, or an axis that the array has not.
    """
    number = as_index(axis)
    if number is None or not -len(lengths) <= number < len(lengths):
        msg = f"{what} {short(axis)}; expected the number of an axis of an array of shape {lengths}."
        raise InvalidInput(msg)
    return number % len(lengths)
