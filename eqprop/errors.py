"""What eqprop raises. Every message names the thing, its value, what was expected and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eqprop.results import Report


class EqpropError(Exception):
    """Base of everything that eqprop raises on its own account."""


class InvalidInput(EqpropError, ValueError):  # noqa: N818 - it reads as what happened
    """The model, the transformation, the group or the target given by the user cannot be verified as it stands."""


class NotDifferentiable(InvalidInput):
    """There is no derivative of the model that a property needs: JAX has none, or who evaluates the model."""


class Stalled(EqpropError):  # noqa: N818 - likewise
    """A compiled program stands still and cannot be interrupted."""


class Falsified(EqpropError, AssertionError):  # noqa: N818 - likewise
    """At least one property was falsified (or could not be settled); ``report`` holds every verdict."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.failures_text())
