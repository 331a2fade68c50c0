"""A transformation: a group with its actions on parameters, outputs and inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from eqprop.arguments import flag, function_of, name_of, one_of, short
from eqprop.claims.model import Inputs, Params
from eqprop.engine import Tree
from eqprop.errors import InvalidInput
from eqprop.groups import Algebra, Element, Group, LieGroup

Moved = TypeVar("Moved")
Action = Callable[[Element, Tree], Tree]
Side = Literal["left", "right"]


def unmoved(element: Element, point: Moved) -> Moved:
    """The trivial action: every element leaves the point where it is."""
    del element
    return point


@dataclass(frozen=True, eq=False)
class Transformation:
    """K, T and X: how a group acts on parameters, on outputs and on inputs.

    The premise that it states of a model f is ``f(K_g θ, X_g x) = T_g f(θ, x)``. With the default T (identity) it is a
    symmetry; with another it is a general equivariance.

    Attributes:
        group: the group that acts.
        on_params: ``on_params(element, params) -> params`` of the target model; may be nonlinear in the parameters.
        on_outputs: T, likewise; identity by default.
        on_inputs: X, likewise; identity by default.
        name: used in reports and test ids.
        side: ``"left"`` where K_g K_h = K_gh, ``"right"`` where K_g K_h = K_hg (``w[:, perm]`` or ``W @ M``).
        isometry: the claim that DK DKᵀ = 1 at every point (that DK is orthogonal, where K maps one model's parameters
            to themselves). It need not be made: properties that rest on it see it of K. Made, it is compared
            (``tangent-kernel-covariance``), and falsified where it is not so.
        charge: Q in closed form, ``charge(algebra, params) -> number`` with ∇Q_ξ = k_ξ, where it is known. It is not
            needed (charges are built from the generator) but checked.
        defect: how far from exact the claim is, of a near-symmetry of one model: ``defect(algebra, params, inputs)``,
            one number that no entry of J k_ξ + ∂f/∂x·χ_ξ − τ_ξ(f) exceeds in size. What rests on the premise then does
            not apply, and what a bound implies does (``near-equivariance``, ``defect``, ``defect-drift``).

    Raises:
        InvalidInput: for a group that is none, a function that is none or takes other arguments, a side that is
            neither, a name that is no text, a defect along the generators of a group with a discrete factor.
    """

    group: Group
    on_params: Action
    on_outputs: Action = unmoved
    on_inputs: Action = unmoved
    name: str = "transformation"
    side: Side = "left"
    isometry: bool = False
    charge: Callable[[Algebra, Params], Tree] | None = None
    defect: Callable[[Algebra, Params, Inputs], Tree] | None = None

    def __post_init__(self) -> None:
        what = f"Transformation {name_of(self.name, 'Transformation')!r}"
        if not isinstance(self.group, Group):
            msg = f"{what}: group is {short(self.group)}; expected a Group such as groups.Scaling(16)."
            raise InvalidInput(msg)
        for field in ("on_params", "on_outputs", "on_inputs"):
            function_of(getattr(self, field), ("element", field[3:]), f"{what}: {field}")
        if self.charge is not None:
            function_of(self.charge, ("algebra", "params"), f"{what}: charge")
        if self.defect is not None:
            function_of(self.defect, ("algebra", "params", "inputs"), f"{what}: defect")
            if self.group.discrete_factor or not isinstance(self.group, LieGroup):
                msg = f"{what}: defect is a bound along generators; {self.group!r} is discrete, or a part of it."
                raise InvalidInput(msg)
        one_of(self.side, ("left", "right"), f"{what}: side")
        flag(self.isometry, f"{what}: isometry")

    @property
    def moves_outputs(self) -> bool:
        """Whether a T was given. Without one the transformation is a symmetry."""
        return self.on_outputs is not unmoved

    @property
    def moves_inputs(self) -> bool:
        """Whether an X was given."""
        return self.on_inputs is not unmoved

    def __repr__(self) -> str:
        moved = [w for w, m in (("outputs", self.moves_outputs), ("inputs", self.moves_inputs)) if m]
        also = f", also on {' and '.join(moved)}" if moved else ""
        return f"Transformation({self.name!r}, {self.group!r}, {self.side} action{also})"
