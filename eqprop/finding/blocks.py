"""Tensors cut into blocks along whose axes something moves, and interfaces: what moves together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np

from eqprop.finding.atoms import Atoms, Axis, Factor
from eqprop.finding.tracing import Piece

MOST_BLOCKS = 64
"""Of one tensor: one that is taken apart further is read row by row (by a loop over tokens, say) and is left whole."""


@dataclass(frozen=True, eq=False)
class Span:
    """A part of an axis of a tensor that is a product of atoms: its entries, with an axis for each of them."""

    entries: np.ndarray
    factors: tuple[Factor, ...]


@dataclass(frozen=True, eq=False)
class Block:
    """A part of a tensor that is a product of atoms.

    Attributes:
        leaf: which of the floating-point leaves.
        spans: where it lies along each axis of the leaf.
        positions: in the flattened leaf, with an axis for each atom.
        factors: the atom and the parity of each of these axes.
    """

    leaf: int
    spans: tuple[Span, ...]
    positions: np.ndarray
    factors: tuple[Factor, ...]

    @cached_property
    def in_order(self) -> bool:
        """Whether its positions follow one another from the first on: a whole leaf is looked at without a copy."""
        return np.array_equal(self.positions.reshape(-1), np.arange(self.positions.size))


@dataclass(frozen=True, eq=False)
class Occurrence:
    """A block with the axis along which an interface moves it; parity −1 reads what parity 1 writes."""

    block: Block
    place: int
    parity: int


@dataclass(frozen=True, eq=False)
class Interface:
    """All axes that move together.

    Attributes:
        root: the atom.
        size: how many units.
        occurrences: where it lies.
        shared: sets of other atoms that each block has exactly once: what moves may differ along these. The largest
            first, the empty one last.
        self_dual: whether its parities contradict each other.
    """

    root: int
    size: int
    occurrences: tuple[Occurrence, ...]
    shared: tuple[tuple[int, ...], ...]
    self_dual: bool


def blocks_of(atoms: Atoms, leaf: int, shape: tuple[int, ...], pieces: Sequence[Piece]) -> list[Block]:
    """The blocks of a leaf."""
    return [block for piece in pieces for block in _blocks(atoms, leaf, shape, piece)]


def _blocks(atoms: Atoms, leaf: int, shape: tuple[int, ...], piece: Piece) -> list[Block]:
    spans = [[_span(e, f) for f, e in _expanded(atoms, atoms.of(axis))] for axis in piece.axes]
    if np.prod([len(s) for s in spans], dtype=int) > MOST_BLOCKS:
        spans = [[Span(np.arange(n), atoms.new(n))] for n in map(atoms.size, piece.axes)]
    if spans:
        spans[piece.axis] = [Span(s.entries + piece.start, s.factors) for s in spans[piece.axis]]
    return [_block(leaf, shape, chosen) for chosen in product(*spans)]


def _span(entries: np.ndarray, factors: tuple[Factor, ...]) -> Span:
    """A part of an axis, without factors of length 1 beside others."""
    kept = [place for place, size in enumerate(entries.shape) if size > 1] or list(range(len(factors)))[:1]
    return Span(entries.reshape([entries.shape[place] for place in kept]), tuple(factors[place] for place in kept))


def _block(leaf: int, shape: tuple[int, ...], spans: Sequence[Span]) -> Block:
    grid = np.ix_(*(span.entries.reshape(-1) for span in spans))
    flat = np.ravel_multi_index(grid, shape) if shape else np.zeros((), int)
    sizes = [size for span in spans for size in span.entries.shape]
    factors = tuple(factor for span in spans for factor in span.factors)
    return Block(leaf, tuple(spans), np.asarray(flat).reshape(sizes), factors)


def _expanded(atoms: Atoms, axis: Axis) -> list[tuple[Axis, np.ndarray]]:
    """The products that an axis is made of, each with the entries of the axis that it takes."""
    found: list[tuple[Axis, np.ndarray]] = [((), np.zeros((), int))]
    for factor in axis:
        size = atoms.size((factor,))
        parts = _parts(atoms, factor)
        found = [
            ((*before, *factors), np.add.outer(entries * size, inner))
            for before, entries in found
            for factors, inner in parts
        ]
    return found


def _parts(atoms: Atoms, factor: Factor) -> list[tuple[Axis, np.ndarray]]:
    atom, parity = factor
    found: list[tuple[Axis, np.ndarray]] = []
    start = 0
    for part in atoms.parts(atom):
        resolved = atoms.of(tuple((a, s * parity) for a, s in part))
        found += [(factors, start + entries) for factors, entries in _expanded(atoms, resolved)]
        start += atoms.size(part)
    return found or [((factor,), np.arange(atoms.size((factor,))))]


def interfaces_of(atoms: Atoms, blocks: Sequence[Block]) -> list[Interface]:
    """Every atom that lies in a block, with all its places."""
    where: dict[int, list[Occurrence]] = {}
    for block in blocks:
        for place, (root, parity) in enumerate(block.factors):
            where.setdefault(root, []).append(Occurrence(block, place, parity))
    return [_interface(atoms, root, places) for root, places in where.items()]


def _interface(atoms: Atoms, root: int, places: Sequence[Occurrence]) -> Interface:
    first = places[0].parity
    oriented = tuple(Occurrence(o.block, o.place, o.parity * first) for o in places)
    size = places[0].block.positions.shape[places[0].place]
    return Interface(root, size, oriented, shared_by(places, root), root in atoms.self_dual)


def shared_by(places: Sequence[Occurrence], root: int) -> tuple[tuple[int, ...], ...]:
    """The sets of other atoms that each block has exactly once, the largest first."""
    common = set.intersection(*({r for r, _ in o.block.factors} for o in places)) - {root}
    once = sorted(r for r in common if _length(places[0].block, r) > 1 and all(_has_once(o.block, r) for o in places))
    return tuple(s for count in range(len(once), -1, -1) for s in combinations(once, count))


def _has_once(block: Block, root: int) -> bool:
    return [r for r, _ in block.factors].count(root) == 1


def _length(block: Block, root: int) -> int:
    return block.positions.shape[[r for r, _ in block.factors].index(root)]
