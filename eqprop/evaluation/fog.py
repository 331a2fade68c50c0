"""What leaves no digits to compare: the operation, or the input, whose rounding alone makes most of a floor.

A probe settles nothing where its floor is as large as the sides. The floor is made of errors, one behind each operation
that rounds and one in each input: they are put in again a half at a time, and the half that makes more of the floor is
looked at closer, until one operation (one line of a model) or one input is left. A floor that does not grow with the
errors is a jump: there some operation decides one way in one copy and the other way in another, at a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from eqprop.engine import FINEST, aval_of, described, leaf_paths
from eqprop.evaluation.row import Row
from eqprop.evaluation.walked import Walked
from eqprop.probes import Probe
from eqprop.rounding import judgement, perturbed

T = TypeVar("T", bound=Hashable)

COPIES = 8
"""Of each probe, as often as errors are put in."""

LOUDER = 16.0
"""By how much errors are made larger to see whether the floor grows with them."""

GROWS = 4.0
"""By how much it must. What is smooth grows as the errors do, what jumps does not: this lies between 1 and 16."""

PREFERRED = 4.0
"""An operation is named unless the inputs make so many times its floor: it has a line, and they have not. In a low
precision, which an operation brings in, they are not asked."""

LIKE_PARAMS = ("params", "tangent", "tangent2")
"""Fields of a probe that have a leaf for each tensor that is differentiated."""

DECIDING = frozenset({"ceil", "floor", "round", "sign"})
"""Operations that give one floating-point number or another. Those that compare give other types."""


@dataclass(frozen=True)
class Fog:
    """What leaves no digits to compare.

    Attributes:
        source: the operation and its place, ``div (net.py:12)``, or the input.
        share: how large a part of the floor it makes alone.
        dtype: of the operation's result; empty for an input.
        kink: whether it is an operation that decides otherwise in copies which differ by rounding.
    """

    source: str
    share: float
    dtype: str = ""
    kink: bool = False

    @property
    def said(self) -> str:
        """What it does, in words."""
        if self.kink:
            return f"{self.source} decides otherwise in copies that differ by a rounding: the probes lie at a kink"
        how = f"rounding in {self.source}" if self.dtype else f"moving {self.source} by a unit in the last place"
        return f"{how} makes {self.share:.0%} of the floor, which leaves no digits to compare"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        if self.kink:
            return "take another batch or parameters, off the kink, or keep those that are drawn off it with domain="
        if self.dtype:
            return (
                "write it so that no large terms cancel and nothing saturates there, take another batch, or say with "
                "domain= where the parameters live"
            )
        return "take a batch or parameters that are better scaled, or say with domain= where the parameters live"


def fog_of(row: Row, probes: Probe, rng: np.random.Generator) -> Fog | None:
    """What makes the floor of a property at probes that settle nothing; None where there is no floor.

    Args:
        row: of one property.
        probes: a batch of few.
        rng: of errors.

    Raises:
        Unsupported: where the program cannot be walked.
    """
    return _Search(row, probes, rng).found()


class _Search:
    def __init__(self, row: Row, probes: Probe, rng: np.random.Generator) -> None:
        self._row, self._probes, self._rng = row, probes, rng
        self._walked = Walked(row)
        (self._name,) = (prop.name for prop in row.properties)
        self._eps = self._walked.units[self._name].eps
        self._families = _Families()
        self._walked.erring(self._families.met)
        self._still = perturbed(probes, COPIES, 0.0, rng)

    def found(self) -> Fog | None:
        operations = self._families.all
        leaves, low = range(len(jax.tree.leaves(self._probes))), self._eps > FINEST.eps
        inside = self._of_operations(operations)
        entering = 0.0 if low and inside else self._of_inputs(leaves)
        if max(inside, entering) == 0:
            return None
        if operations and inside * PREFERRED >= entering:
            operation = _narrowed(operations, self._of_operations)
            alone, loud = self._of_operations([operation]), self._of_operations([operation], LOUDER)
            fog = Fog(operation[0], _part(alone, inside), operation[1])
        else:
            leaf = _narrowed(leaves, self._of_inputs)
            alone, loud = self._of_inputs([leaf]), self._of_inputs([leaf], LOUDER)
            fog = Fog(_inputs(self._row, self._probes)[leaf], _part(alone, entering))
        decides = self._deciding() if loud < GROWS * alone else ""
        return Fog(decides, 1.0, kink=True) if decides else fog

    def _of_operations(self, some: Sequence[tuple[str, str]], ulps: float = 1.0) -> float:
        """How large a floor these operations make, for the sides."""
        chosen = {*some}
        walked = self._walked.erring(lambda equation: ulps if self._families.of(equation) in chosen else 0.0)
        return self._floor(walked, self._still)

    def _of_inputs(self, some: Sequence[int], ulps: float = 1.0) -> float:
        """How large a floor the errors of some leaves of the probes make, for the sides."""
        moved = jax.tree.leaves(perturbed(self._probes, COPIES, ulps * self._eps, self._rng))
        still, treedef = jax.tree.flatten(self._still)
        rows = [moved[i] if i in some else leaf for i, leaf in enumerate(still)]
        return self._floor(self._walked, jax.tree.unflatten(treedef, rows), plain=True)

    def _floor(self, walked: Walked, rows: Probe, *, plain: bool = False) -> float:
        measured = walked.measured(rows, COPIES, self._rng, plain=plain)[self._name]
        found = judgement(measured, self._eps).resolution
        return float(np.median(np.where(np.isnan(found), np.inf, found)))

    def _deciding(self) -> str:
        """The first operation that decides otherwise in a copy than in its probe, of those in a user's lines."""
        seen: dict[str, None] = {}

        def watch(equation: JaxprEqn, results: tuple[Any, ...]) -> None:
            if any((found != found[..., :1]).any() for found in _decided(equation, results)):
                seen.setdefault(described(equation))

        walked = self._walked.erring(lambda _: 1.0, watch)
        one = self._probes.at(slice(0, 1))
        walked.measured(perturbed(one, COPIES, self._eps, self._rng), COPIES, self._rng)
        return next((named for named in seen if "(" in named), next(iter(seen), ""))


class _Families:
    """Operations of one name, line and type as one."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[JaxprEqn, tuple[str, str]]] = {}

    def of(self, equation: JaxprEqn) -> tuple[str, str]:
        """The family of an operation, which is kept so that its id stays its own."""
        if id(equation) not in self._known:
            self._known[id(equation)] = equation, (described(equation), str(aval_of(equation.outvars[0]).dtype))
        return self._known[id(equation)][1]

    def met(self, equation: JaxprEqn) -> float:
        """Note an operation that a walk has errors behind."""
        self.of(equation)
        return 0.0

    @property
    def all(self) -> list[tuple[str, str]]:
        """Those that were met, in their order."""
        return list(dict.fromkeys(family for _, family in self._known.values()))


def _narrowed(candidates: Sequence[T], floor_of: Callable[[Sequence[T]], float]) -> T:
    """The one that is left where the half which makes the larger floor is kept, again and again."""
    while len(candidates) > 1:
        half = len(candidates) // 2
        candidates = max(candidates[:half], candidates[half:], key=floor_of)
    return candidates[0]


def _part(alone: float, whole: float) -> float:
    return 1.0 if not np.isfinite(whole) or alone >= whole else alone / whole


def _decided(equation: JaxprEqn, results: tuple[Any, ...]) -> list[Any]:
    """Those results of an operation on floating-point numbers that jump: of a sort, the places and not the values."""
    given = [aval_of(atom).dtype for atom in equation.invars]
    if not any(jnp.issubdtype(dtype, jnp.inexact) for dtype in given):  # NumPy does not know bfloat16
        return []
    if equation.primitive.name in DECIDING:
        return [*results]
    made = zip(equation.outvars, results, strict=True)
    return [found for var, found in made if not jnp.issubdtype(aval_of(var).dtype, jnp.inexact)]


def _inputs(row: Row, probes: Probe) -> list[str]:
    """The names of a probe's leaves: ``params['w']``, ``inputs``, ``element``."""
    names, of_params = list[str](), row.pair.model.param_leaves.float_paths
    for field in fields(Probe):
        tree = getattr(probes, field.name)
        paths = leaf_paths(tree)
        if field.name in LIKE_PARAMS and tree is not None:
            paths = of_params
        names += [field.name if path in (".", "") else f"{field.name}[{path!r}]" for path in paths]
    return names
