"""What is looked for along each interface, the largest groups first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from eqprop.finding.activations import by_activation
from eqprop.finding.algebra import fields
from eqprop.finding.blocks import Block, Interface, Occurrence
from eqprop.finding.complexes import complex_group, mixed_along, pairings_along
from eqprop.finding.copies import copies
from eqprop.finding.discrete import negated, permutation_group, permutations_along, sign_group, signs_along
from eqprop.finding.found import Found
from eqprop.finding.lengths import told_apart
from eqprop.finding.looped import looped
from eqprop.finding.matrices import matrices_along, matrix_group
from eqprop.finding.moving import moved
from eqprop.finding.samples import EQUAL, side_by_side
from eqprop.finding.scalings import scaling_group, scalings
from eqprop.finding.shifts import bias_shifts, free_tensors, joint_shifts, shift_group, shifts_along
from eqprop.finding.subject import Subject
from eqprop.finding.trades import exchanges, factor_swaps
from eqprop.finding.whole import whole_scalings
from eqprop.finding.writing import Unwritable
from eqprop.groups import Element

SMALL = 0.2
"""The reach of the element with which a finding is tried on f."""


class _Matrices(NamedTuple):
    """A group of matrices or of complex factors.

    Attributes:
        blocks: what it moves.
        atoms: along each of these −1 is in it; along none where that is not.
        permuted: along this one all permutations are.
    """

    blocks: frozenset[Block]
    atoms: frozenset[int]
    permuted: int | None


class _Mixture(NamedTuple):
    """What seems to mix the units of an interface.

    Attributes:
        what: acts, for words.
        make: the finding.
        shared: along these atoms it may differ.
        negates: whether −1 on a single unit is among it.
    """

    what: str
    make: Callable[[], Found]
    shared: tuple[int, ...]
    negates: bool = True


class Search:
    """All templates on all interfaces of a model.

    Args:
        subject: the model.
        refuted: the claims of findings that are none; what they would contain is looked for.

    Attributes:
        found: every symmetry that a template shows; some may be contained in others.
        unwritten: those that no constructor can declare, in words.
        hidden: what no gradient sees and changes f nevertheless, in words: a derivative is wrong, missing or stopped.
        carrying: what moves state continuously, in words: its identities lack a part, and it conserves nothing.
    """

    def __init__(self, subject: Subject, refuted: Collection[str] = ()) -> None:
        self._subject = subject
        self._refuted = refuted
        self._held: dict[Found, bool] = {}
        self._matrices: list[_Matrices] = []
        self._signs: set[frozenset[frozenset[tuple[int, int]]]] = set()
        self.unwritten: list[str] = []
        self.hidden: list[str] = []
        self._carrying: list[Found] = []
        self.found: list[Found] = []
        interfaces = told_apart(subject) if subject.guessed else subject.active
        for interface in interfaces:
            self.found += self._continuous(interface)
        for interface in interfaces:
            self.found += self._discrete(interface)
        for interface in looped(subject):
            self.found += self._written(
                "permutations", interface, lambda i=interface: permutation_group(subject, i, ())
            )
        self.found += exchanges(subject, self.found)
        self.found += free_tensors(subject)
        self.found += bias_shifts(subject)
        shifted = list(copies(subject))
        known = {frozenset(one.tensors) for one in shifted}
        self.found = [one for one in self.found if one.kind != "joint" or frozenset(one.tensors) not in known] + shifted
        self.found += whole_scalings(subject)
        self.found = [one for one in self.found if self._stands(one)]
        self.carrying = [_words(one) for one in self._carrying if not self._carried_beside(one)]

    def _carried_beside(self, one: Found) -> bool:
        """Whether what moves more units of the same state is told: it contains this one, with what moves none."""
        own = self._subject.state.intersection(one.tensors)
        return any(other.units > one.units and own.issubset(other.tensors) for other in self._carrying)

    def _stands(self, found: Found) -> bool:
        """Whether it was not refuted, moves no state continuously, and f has what gradients show."""
        if found not in self._held:
            stands = found.claim not in self._refuted and (not found.continuous or self._holds(found))
            carries = found.continuous and not self._subject.state.isdisjoint(found.tensors)
            if stands and carries:
                self._carrying.append(found)
            self._held[found] = stands and not carries
        return self._held[found]

    def _holds(self, found: Found) -> bool:
        """Whether a small element of what gradients show leaves f as it is; of state nobody promised a derivative."""
        element = found.transformation.group.sample(np.random.default_rng(0), SMALL)
        holds = self._subject.unchanged(found.call, [element])
        if not (holds or self._subject.state.intersection(found.tensors) or self._seen_behind(found, element)):
            self.hidden.append(_words(found))
        return holds

    def _seen_behind(self, found: Found, element: Element) -> bool:
        """Whether gradients see it broken where the element leads to: a kink lies on the way, as of a clamp."""
        subject = self._subject
        leaves, params, inputs = subject.whole.param_leaves, subject.held_out.params, subject.held_out.inputs
        (there,) = moved(found.transformation, [element], leaves, params)
        behind = tuple(there.get(i, leaf) for i, leaf in enumerate(params))
        gradients = side_by_side(subject.sampler.gradients(behind, inputs))
        along = fields(subject.whole, found.transformation, behind, np.random.default_rng(0))
        terms = along.reshape(-1, *gradients.shape) * gradients
        return bool(np.any(np.abs(terms.sum(-1)) > EQUAL * np.abs(terms).sum(-1)))

    def _written(self, what: str, interface: Interface, make: Callable[[], Found]) -> Iterator[Found]:
        yield from self._all_written(what, interface, lambda: [make()])

    def _all_written(self, what: str, interface: Interface, make: Callable[[], list[Found]]) -> list[Found]:
        try:
            return make()
        except Unwritable:
            self._unwritable(what, interface)
            return []

    def _unwritable(self, what: str, interface: Interface) -> None:
        where = dict.fromkeys(self._subject.paths[o.block.leaf] for o in interface.occurrences)
        self.unwritten.append(f"{what} on {', '.join(where)}")

    def _mixtures(self, interface: Interface) -> Iterator[_Mixture]:
        """The largest first."""
        subject = self._subject
        if mixed := mixed_along(subject, interface):
            yield _Mixture("complex", partial(complex_group, subject, interface, mixed), mixed.shared)
        for matrices in matrices_along(subject, interface):
            make = partial(matrix_group, subject, interface, matrices)
            yield _Mixture(matrices.kind, make, matrices.shared, matrices.negates)

    def _mixed(self, interface: Interface, mixture: _Mixture, permuted: int | None) -> Iterator[Found]:
        """The finding where it stands; nothing that it holds is looked for then."""
        found = list(self._written(mixture.what, interface, mixture.make))
        if all(map(self._stands, found)):
            blocks = frozenset(o.block for o in interface.occurrences)
            atoms = frozenset((interface.root, *mixture.shared)) if mixture.negates else frozenset[int]()
            self._matrices.append(_Matrices(blocks, atoms, permuted))
            yield from found

    def _continuous(self, interface: Interface) -> Iterator[Found]:
        subject, known, hidden = self._subject, len(self._matrices), len(self.hidden)
        for mixture in self._mixtures(interface):
            yield from self._mixed(interface, mixture, interface.root)
            if len(self._matrices) > known:
                break
        else:
            for pairing in pairings_along(subject, interface):
                make = partial(complex_group, subject, interface, pairing)
                yield from self._mixed(interface, _Mixture("complex", make, pairing.shared), None)
        del self.hidden[hidden + 1 :]  # the largest that is hidden from gradients contains the others
        for one in scalings(subject, interface):
            yield from self._written("scalings", interface, lambda s=one: scaling_group(subject, interface, s))
        for occurrence in interface.occurrences:
            if shifts_along(subject, occurrence):
                yield from self._written("shifts", interface, lambda o=occurrence: shift_group(subject, o))
        yield from self._all_written("joint shifts", interface, lambda: list(joint_shifts(subject, interface)))

    def _discrete(self, interface: Interface) -> Iterator[Found]:
        subject = self._subject
        permuted = any(m.permuted == interface.root for m in self._matrices)
        shared = None if permuted else permutations_along(subject, interface)
        if shared is not None:
            yield from self._written("permutations", interface, lambda: permutation_group(subject, interface, shared))
        if shared is not None or interface.size == 1:
            yield from by_activation(subject, interface)
            yield from factor_swaps(subject, interface)
        for along, some in signs_along(subject, interface):
            if not (self._negates(interface, along, some) or self._known(along, some, interface.size)):
                yield from self._written(
                    "signs", interface, lambda a=along, o=some: sign_group(subject, interface, a, o)
                )

    def _known(self, shared: tuple[int, ...], some: tuple[Occurrence, ...], size: int) -> bool:
        """Whether these signs were found along another interface: of one unit along several axes, say."""
        own = negated(some, shared, size)
        known = own in self._signs
        self._signs.add(own)
        return known

    def _negates(self, interface: Interface, shared: tuple[int, ...], some: tuple[Occurrence, ...]) -> bool:
        """Whether these signs are among the elements of a group of matrices."""
        blocks, atoms = frozenset(o.block for o in some), {interface.root, *shared}
        return any(m.blocks == blocks and atoms <= m.atoms for m in self._matrices)


def _words(found: Found) -> str:
    return f"{found.group} on {', '.join(found.tensors)}"
