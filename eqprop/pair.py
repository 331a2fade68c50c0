"""A pair: a model with a transformation of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from eqprop.errors import InvalidInput
from eqprop.model import Model
from eqprop.transformation import Transformation


@dataclass(frozen=True, eq=False)
class Pair:
    """A model with a transformation that it is claimed to be equivariant under.

    Attributes:
        model: the model f, evaluated at θ.
        transformation: K, T, X.
        target: the model f′ evaluated at K_g θ, where the transformation maps between two models (a conversion);
            the model itself by default.
        name: used in reports and test ids; model and transformation names joined by default.
        architecture: what was drawn to build this pair. Two pairs of one catalog entry with equal architectures are
            the same pair: programs compiled for one serve the other. Empty for a pair that was not drawn.
        known_failures: property name → reason, for cells that are expected to be falsified.

    Raises:
        InvalidInput: where a field has the wrong type, or a conversion claims to be a group acting on one space.
    """

    model: Model
    transformation: Transformation
    target: Model | None = None
    name: str = ""
    architecture: Mapping[str, Hashable] = field(default_factory=dict[str, Hashable])
    known_failures: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        for label, value, kind in (
            ("model", self.model, Model),
            ("transformation", self.transformation, Transformation),
        ):
            if not isinstance(value, kind):
                msg = f"Pair: {label} is {value!r}; expected an eqprop.{kind.__name__}."
                raise InvalidInput(msg)
        if self.target is not None and not isinstance(self.target, Model):
            msg = f"Pair: target is {self.target!r}; expected an eqprop.Model or None."
            raise InvalidInput(msg)
        if not self.name:
            object.__setattr__(self, "name", f"{self.model.name}/{self.transformation.name}")

    @property
    def image(self) -> Model:
        """The model f′ that is evaluated at the moved parameters."""
        return self.model if self.target is None else self.target

    @property
    def key(self) -> Hashable:
        """Equal for pairs that one compiled program serves."""
        if self.architecture:
            return (self.name, tuple(sorted(self.architecture.items(), key=lambda item: item[0])))
        return (self.name, id(self))

    def replaced(self, **changes: Any) -> Pair:
        """This pair with some fields changed."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        drawn = f", {', '.join(f'{k}={v!r}' for k, v in self.architecture.items())}" if self.architecture else ""
        return f"Pair({self.name!r}{drawn})"
