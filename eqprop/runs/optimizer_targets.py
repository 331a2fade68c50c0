"""Optimisers as users name them: an object, or ``"package.module:attribute"`` of one."""

from __future__ import annotations

from typing import Any

from eqprop.errors import InvalidInput
from eqprop.properties import Property, by_name
from eqprop.properties.optimizers import CHARGE, STEP, TRAJECTORY, OptimizerProperty, optimizer_charge
from eqprop.properties.optimizers import optimizer_properties as of_object
from eqprop.runs.targets import attribute_of
from eqprop.torch import is_optimizer


def found(optimizer: Any) -> tuple[Any, str, str]:
    """(the optimiser, its name in reports, where a replay finds it).

    The attribute is an optimiser, or a function without arguments that makes one.

    Raises:
        InvalidInput: where it cannot be imported or found, or cannot be made.
    """
    if not isinstance(optimizer, str):
        return optimizer, "optimizer", ""
    value = attribute_of(optimizer, f"optimizer {optimizer!r}")
    if not hasattr(value, "update") and callable(value) and not is_optimizer(value):
        try:
            value = value()
        except InvalidInput:
            raise
        except (Exception, SystemExit) as error:
            msg = (
                f"optimizer {optimizer!r}: calling it raised {type(error).__name__}: {error}; expected an optimiser, "
                "or a function without arguments that makes one."
            )
            raise InvalidInput(msg) from error
    return value, optimizer.rpartition(":")[2].replace("_", " "), optimizer


def properties_of(optimizer: Any) -> tuple[OptimizerProperty, ...]:
    """The properties that ``optimizer=`` adds to a run."""
    value, name, found_at = found(optimizer)
    return of_object(value, name, found_at=found_at)


def property_named(name: str, optimizer: Any = None) -> Property:
    """A property of the library, or one of an optimiser.

    Raises:
        InvalidInput: for a name that there is not, or a property of an optimiser without one.
    """
    if not isinstance(name, str) or name not in (STEP, TRAJECTORY, CHARGE):
        return by_name(name)
    if optimizer is None:
        msg = (
            f"{name!r} is a property of an optimiser, and none was given. One that was passed as a Python object "
            f"cannot be found again: use eqprop.check(pair, {name!r}, optimizer=…, …)."
        )
        raise InvalidInput(msg)
    if name == CHARGE:
        value, title, _ = found(optimizer)
        return optimizer_charge(value, title)
    return next(prop for prop in properties_of(optimizer) if prop.name == name)
