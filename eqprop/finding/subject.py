"""What is looked at: a model's interfaces, and its gradients at random points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from eqprop.claims import Model
from eqprop.engine import Again
from eqprop.finding.blocks import Block, Interface, Occurrence, blocks_of, interfaces_of
from eqprop.finding.found import Found
from eqprop.finding.moving import Moved, moved
from eqprop.finding.periods import half_periods_of
from eqprop.finding.samples import Leaves, Points, Sampler, counts_for, same, side_by_side, with_state
from eqprop.finding.tracing import traced_axes
from eqprop.finding.writing import Call, Place, Spelled, Tensors, Unwritable, merged, place_of, spelled
from eqprop.groups import Group, Power

ROUNDING = 1e-12
"""Gradients below this part of the largest one are rounding: of a key's bias, say, which a softmax does not see."""

Roles = Mapping[Any, Sequence[Occurrence]]
Maker = Callable[[dict[Any, Tensors], int | None], Call]


@dataclass(frozen=True, eq=False)
class Subject:
    """A model with what is known of it.

    Attributes:
        model: as it was given.
        whole: with its state among the parameters; this is what is looked at.
        sampler: evaluates it.
        blocks: of all its floating-point leaves.
        interfaces: of these.
        points: at which conditions are read off.
        held_out: at which they must hold as well.
        guessed: whether interfaces are only axes of one length.
    """

    model: Model
    whole: Model
    sampler: Sampler
    blocks: tuple[Block, ...]
    interfaces: tuple[Interface, ...]
    points: Points
    held_out: Points
    guessed: bool = False

    @classmethod
    def of(cls, model: Model, seed: int) -> Subject:
        """Trace a model, and take its gradients. Its precision is that in force.

        Args:
            model: the callable with its example.
            seed: of the points.
        """
        whole = with_state(model)
        atoms, pieces = traced_axes(whole)
        leaves = whole.param_leaves
        floats = [pieces[i] for i, floating in enumerate(leaves.floating) if floating]
        shaped = enumerate(zip(leaves.float_shapes, floats, strict=True))
        blocks = tuple(block for i, (shape, own) in shaped for block in blocks_of(atoms, i, shape, own))
        sampler = Sampler(whole, seed)
        count, held_out = counts_for(leaves.size)
        points = sampler.points(count)
        return cls(
            model,
            whole,
            sampler,
            blocks,
            tuple(interfaces_of(atoms, blocks)),
            points.rows(0, count - held_out),
            points.rows(count - held_out, count),
            atoms.guessed,
        )

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return self.whole.param_leaves.float_paths

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.whole.param_leaves.float_shapes

    @cached_property
    def by_shape(self) -> Mapping[tuple[int, ...], Sequence[int]]:
        """The leaves of each shape."""
        found: dict[tuple[int, ...], list[int]] = {}
        for leaf, shape in enumerate(self.shapes):
            found.setdefault(shape, []).append(leaf)
        return found

    @cached_property
    def idle(self) -> frozenset[Block]:
        """Blocks of which nothing is seen: every gradient is rounding beside the largest one at its point.

        Nor do outputs change where other numbers stand there: what is only hidden from derivatives is not idle.
        """
        return frozenset(block for block in self.blocks if self._without_gradient(block) and self._unseen(block))

    def _unseen(self, block: Block) -> bool:
        leaf = self.held_out.params[block.leaf].copy()
        leaf.reshape(len(leaf), -1)[:, block.positions.reshape(-1)] *= -2
        return self.holds({block.leaf: leaf})

    def _without_gradient(self, block: Block) -> bool:
        for gradients, largest in self._largest:
            own = gradients[block.leaf].reshape(len(largest), -1)
            own = own if block.positions.size == own.shape[1] else own[:, block.positions.reshape(-1)]
            if np.any(_magnitudes(own) > ROUNDING * largest):
                return False
        return True

    @cached_property
    def _largest(self) -> tuple[tuple[Leaves, np.ndarray], ...]:
        """Gradients, and the largest number among them at each point."""
        both = (self.points.gradients, self.held_out.gradients)
        return tuple((leaves, np.max([_magnitudes(leaf) for leaf in leaves], axis=0)) for leaves in both)

    @cached_property
    def active(self) -> tuple[Interface, ...]:
        """The interfaces with the occurrences of which something is seen."""
        kept = (replace(i, occurrences=self._seen(i)) for i in self.interfaces)
        return tuple(interface for interface in kept if interface.occurrences)

    def _seen(self, interface: Interface) -> tuple[Occurrence, ...]:
        return tuple(o for o in interface.occurrences if o.block not in self.idle)

    @cached_property
    def _again(self) -> Again:
        return self.sampler.again(self.held_out)

    @cached_property
    def outputs(self) -> np.ndarray:
        """Of the model at the points that were held out."""
        return side_by_side(self._again.results)

    def outputs_of(self, moved: Moved, rows: int | None = None) -> np.ndarray:
        """The outputs where these leaves stand in the place of the model's, shape (times, rows, outputs).

        Args:
            moved: at the first points that were held out, once or several times.
            rows: how many points; all of them by default.
        """
        before = self.outputs[:rows]
        return side_by_side(self._again.changed(moved, len(before))).reshape(-1, *before.shape)

    def holds(self, moved: Moved) -> bool:
        """Whether no output changes at any point that was held out."""
        return same(self.outputs, self.outputs_of(moved)[0])

    def unchanged(self, call: Call, elements: Iterable[Any]) -> bool:
        """Whether a claim's elements change no output where they leave it finite, which must be somewhere."""
        leaves = self.whole.param_leaves
        for there in moved(call.made(self.model.params), elements, leaves, self.held_out.params):
            after = self.outputs_of(there)[0]
            told = np.isfinite(after).all(1)
            if not told.any() or not same(self.outputs[told], after[told]):
                return False
        return True

    @property
    def state(self) -> frozenset[str]:
        """The paths of what is not trained."""
        return frozenset(self.paths) - frozenset(self.model.param_leaves.float_paths)

    @cached_property
    def half_periods(self) -> tuple[float, ...]:
        """Of the sines in its program."""
        return half_periods_of(self.model)

    def axes(
        self, occurrences: Iterable[Occurrence], shared: Sequence[int] = (), fixed: Mapping[int, int] | None = None
    ) -> Tensors:
        """The tensors of some occurrences with the axis of the units in each, as constructors take them.

        Args:
            occurrences: where the units lie.
            shared: the atom along which each copy has an element of its own, if there is one.
            fixed: atoms → the index to which the finding is confined.

        Raises:
            Unwritable: where constructors have no word for it.
        """
        by_leaf: dict[int, list[Place]] = {}
        for occurrence in occurrences:
            roots = [root for root, _ in occurrence.block.factors]
            labels = {occurrence.place: "units", **{roots.index(root): "copies" for root in shared}}
            at = {roots.index(root): index for root, index in (fixed or {}).items()}
            by_leaf.setdefault(occurrence.block.leaf, []).append(place_of(occurrence.block, labels, at))
        found: Tensors = {}
        for leaf, parts in by_leaf.items():
            for place in merged(parts):
                for path, axis in spelled(self.paths[leaf], self.shapes[leaf], place).items():
                    found[_unused(path, axis, found, len(self.shapes[leaf]))] = axis
        return found

    def call(self, roles: Roles, shared: Sequence[int], make: Maker) -> Call:
        """One call, or several combined: with copies of a group along one shared axis, or written out along all.

        Args:
            roles: the occurrences in each role.
            shared: the atoms along which elements may differ.
            make: the call for tensors in their roles, and the number of copies if there are any.

        Raises:
            Unwritable: where neither is possible.
        """
        sizes = _sizes(next(filter(None, roles.values()))[0].block)
        for copies in (tuple(shared[-1:]), ()) if shared else ((),):
            fixed = [root for root in shared if root not in copies]
            ranges = [range(sizes[root]) for root in fixed]
            try:
                calls = tuple(
                    self._call(roles, copies, dict(zip(fixed, at, strict=True)), make, sizes) for at in product(*ranges)
                )
            except Unwritable:
                continue
            return calls[0] if len(calls) == 1 else Call("combined", calls, {})
        raise Unwritable

    def _call(
        self, roles: Roles, copies: Sequence[int], fixed: Mapping[int, int], make: Maker, sizes: Mapping[int, int]
    ) -> Call:
        tensors = {role: self.axes(given, copies, fixed) for role, given in roles.items() if given}
        return make(tensors, sizes[copies[0]] if copies else None)

    def found(
        self, kind: str, group: str, blocks: Sequence[Block], units: int, call: Call, *, continuous: bool = True
    ) -> Found:
        """A symmetry of this model."""
        tensors = tuple(dict.fromkeys(self.paths[block.leaf] for block in blocks))
        return Found(self.model, kind, group, tensors, units, call, continuous=continuous)


def _magnitudes(leaf: np.ndarray) -> np.ndarray:
    """The largest one in each row."""
    flat = leaf.reshape(len(leaf), -1)
    return np.maximum(flat.max(1, initial=0.0), -flat.min(1, initial=0.0))


def _unused(path: str, axis: Spelled, found: Tensors, axes: int) -> str:
    """The path, with empty slices where it is taken: a recurrent kernel is moved along two of its axes."""
    spellings = [path, *(f"{path}[{', '.join(':' * n)}]" for n in range(1, axes + 1))]
    free = [spelling for spelling in spellings if found.get(spelling, axis) == axis]
    if not free or (free[0] != path and path.endswith("]")):
        raise Unwritable
    return free[0]


def _sizes(block: Block) -> dict[int, int]:
    """The length of each atom in a block."""
    return dict(zip((root for root, _ in block.factors), block.positions.shape, strict=True))


def each_of(interface: Interface, shared: Sequence[int]) -> str:
    """How often a group acts, as text; empty where once."""
    sizes = _sizes(interface.occurrences[0].block)
    count = int(np.prod([sizes[root] for root in shared], dtype=int))
    return f" in each of {count}" if shared else ""


def powered(group: Group, copies: int | None) -> Group:
    """The group, once or for each copy."""
    return group if copies is None else Power(group, copies)
