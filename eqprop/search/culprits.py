"""Which properties cannot be evaluated, told apart from those that can: one takes no other down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from eqprop.engine import has_no_derivative, unexpected
from eqprop.errors import EqpropError, NotDifferentiable
from eqprop.evaluation import NotCompared
from eqprop.properties import Property

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why a property cannot be evaluated on a pair.

    Attributes:
        reason: in one line.
        undefined: whether there is nothing that the property is about (a derivative that JAX does not have, a program
            that cannot be evaluated twice): there it does not apply.
    """

    reason: str
    undefined: bool = False

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """What an exception says. The exception itself would keep everything that was traced alive."""
        if isinstance(error, NotDifferentiable | NotCompared):
            return cls(str(error), undefined=True)
        if has_no_derivative(error):
            return cls(f"JAX has no derivative of this order ({unexpected(error)})", undefined=True)
        return cls(str(error) if isinstance(error, EqpropError) else unexpected(error))


def separated(
    properties: Sequence[Property],
    attempt: Callable[[tuple[Property, ...]], Result],
    alone: Callable[[Property], object],
) -> tuple[list[Result], dict[str, Failure]]:
    """Attempt something with all properties together; where it raises, once more without those that are to blame.

    Args:
        properties: all of them.
        attempt: what is to be done. It changes nothing that outlives it where it raises.
        alone: a first part of it, for a single property, that costs little: what raises there is to blame. Where
            nothing does, the properties are halved until what raises stands alone.

    Returns:
        What the attempts gave (one, where nothing raised), and the failures by name of the property.
    """
    given = tuple(properties)
    try:
        return [attempt(given)], {}
    except Exception as error:  # noqa: BLE001 - of whatever a user's model raises some property is to blame
        failure = Failure.of(error)
    if len(given) == 1:
        return [], {given[0].name: failure}
    failed = {prop.name: found for prop in given if (found := _failure(alone, prop))}
    left = tuple(prop for prop in given if prop.name not in failed)
    parts = (left,) if failed else (left[: len(left) // 2], left[len(left) // 2 :])
    done: list[Result] = []
    for part in filter(None, parts):
        results, more = separated(part, attempt, _nothing)
        done += results
        failed |= more
    return done, failed


def _failure(call: Callable[[Property], object], prop: Property) -> Failure | None:
    try:
        call(prop)
    except Exception as error:  # noqa: BLE001 - likewise
        return Failure.of(error)
    return None


def _nothing(prop: Property) -> None:
    """What was tried alone once is not tried again."""
    del prop
