"""A pair: a model with a transformation of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from eqprop.arguments import got, mapping_of, name_of, short
from eqprop.claims.model import Model
from eqprop.claims.transformation import Transformation
from eqprop.errors import InvalidInput
from eqprop.kept import allowances_in

_numbers = count()


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
        allow_inconclusive: property name → ``(share, reason)``, for cells of which that share of the probes may settle
            nothing: ``{"hessian-symmetry": (0.5, "kinks are what it is made of")}``.

    Raises:
        InvalidInput: where a field has the wrong type, a known failure or an allowance has no reason, a share is no
            part, what was drawn has no hash, or a conversion is claimed up to a defect.
    """

    model: Model
    transformation: Transformation
    target: Model | None = None
    name: str = ""
    architecture: Mapping[str, Hashable] = field(default_factory=dict[str, Hashable])
    known_failures: Mapping[str, str] = field(default_factory=dict[str, str])
    allow_inconclusive: Mapping[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])
    _number: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Not id(self), which a pair that is made after this one is gone may have again.
        object.__setattr__(self, "_number", next(_numbers))
        for label, value, kind in (
            ("model", self.model, Model),
            ("transformation", self.transformation, Transformation),
        ):
            if not isinstance(value, kind):
                msg = f"Pair: {label} is {short(value)}; expected an eqprop.{kind.__name__}."
                raise InvalidInput(msg)
        if self.target is not None and not isinstance(self.target, Model):
            msg = f"Pair: target is {short(self.target)}; expected an eqprop.Model or None."
            raise InvalidInput(msg)
        if isinstance(self.name, str) and not self.name:
            object.__setattr__(self, "name", f"{self.model.name}/{self.transformation.name}")
        what = f"Pair {name_of(self.name, 'Pair')!r}"
        if self.target is not None and self.transformation.defect is not None:
            msg = f"{what}: the transformation has a defect=, which is a bound for one model, and there is a target=."
            raise InvalidInput(msg)
        mapping_of(self.architecture, "{'width': 16}", f"{what}: architecture")
        for key, value in self.architecture.items():
            if not _hashable(value):
                msg = f"{what}: architecture[{key!r}] is {got(value)}, which has no hash; write a tuple, or its repr."
                raise InvalidInput(msg)
        check_known_failures(self.known_failures, f"{what}: known_failures")
        allowances_in(self.allow_inconclusive, f"{what}: allow_inconclusive")

    @property
    def image(self) -> Model:
        """The model f′ that is evaluated at the moved parameters."""
        return self.model if self.target is None else self.target

    @property
    def key(self) -> Hashable:
        """Equal for pairs that one compiled program serves."""
        if self.architecture:
            return (self.name, tuple(sorted(self.architecture.items(), key=lambda item: item[0])))
        return (self.name, self._number)

    def replaced(self, **changes: Any) -> Pair:
        """This pair with some fields changed."""
        return replace(self, **changes)

    def __repr__(self) -> str:
        drawn = f", {', '.join(f'{k}={v!r}' for k, v in self.architecture.items())}" if self.architecture else ""
        return f"Pair({self.name!r}{drawn})"


def _hashable(value: object) -> bool:
    """Whether it really has a hash: a tuple of lists claims to."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def check_known_failures(known: Mapping[str, str], what: str) -> None:
    """Known failures are texts, each with a reason: nobody else knows why a cell was expected to fail.

    Raises:
        InvalidInput: for what is no mapping, or an empty reason.
    """
    for name, reason in mapping_of(known, "{'noether': 'why it fails'}", what).items():
        if not isinstance(reason, str) or not reason.strip():
            msg = f"{what}[{name!r}] is {got(reason)}; expected the reason, as a text that is not empty."
            raise InvalidInput(msg)
