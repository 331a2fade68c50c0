"""What may trade places: factors of a product unit by unit, and parts of a network that have tensors of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from eqprop.finding.activations import holds_for
from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.discrete import MOST_SUBSETS
from eqprop.finding.found import Found
from eqprop.finding.subject import Subject
from eqprop.finding.writing import Call
from eqprop.groups import Permutation, Sign

Two = tuple[Occurrence, Occurrence]


def factor_swaps(subject: Subject, interface: Interface) -> Iterator[Found]:
    """Two kernels along an interface, with a bias each or without, that trade places in any of the units."""
    whole = [o for o in interface.occurrences if o.block.positions.shape == subject.shapes[o.block.leaf]]
    twos = [two for two in combinations(whole, 2) if _alike(*two)] if len(whole) <= MOST_SUBSETS else []
    kernels = [two for two in twos if len(two[0].block.factors) > 1]
    biases = [two for two in twos if len(two[0].block.factors) == 1]
    for kernel in kernels:
        for bias in [None, *biases, *((second, first) for first, second in biases)]:
            trading = [kernel] if bias is None else [kernel, bias]
            call = Call("factor_swap", (interface.size, _trades(subject, trading)), {})
            if holds_for(subject, call, Sign(interface.size)):
                blocks = [o.block for two in trading for o in two]
                text = f"swaps of factors in {interface.size}"
                yield subject.found("swap", text, blocks, interface.size, call, continuous=False)
                break


def _alike(one: Occurrence, other: Occurrence) -> bool:
    shapes = one.block.positions.shape, other.block.positions.shape
    return one.block.leaf != other.block.leaf and (one.place, shapes[0]) == (other.place, shapes[1])


def _trades(subject: Subject, trading: Sequence[Two]) -> dict[str, tuple[str, int]]:
    return {subject.paths[one.block.leaf]: (subject.paths[other.block.leaf], one.place) for one, other in trading}


def exchanges(subject: Subject, found: Sequence[Found]) -> Iterator[Found]:
    """Parts of the parameters, side by side in a list or a mapping, whose tensors may trade places as wholes.

    Args:
        subject: the model.
        found: what is known: factors that are swapped unit by unit are not said again.
    """
    idle = {block.leaf for block in subject.idle}
    known = {frozenset(one.tensors) for one in found if one.kind == "swap"}
    for parts in _parts(subject):
        moved = {leaf for part in parts for leaf in part}
        if moved <= idle or frozenset(subject.paths[leaf] for leaf in moved) in known:
            continue
        paths = [[subject.paths[leaf] for leaf in part] for part in parts]
        call = Call("exchanged", tuple(paths), {})
        if holds_for(subject, call, Permutation(len(parts))):
            blocks = [block for block in subject.blocks if block.leaf in moved]
            text = f"S_{len(parts)} of parts"
            yield subject.found("exchange", text, blocks, len(parts), call, continuous=False)


def _parts(subject: Subject) -> Iterator[list[list[int]]]:
    """Branches of one node of the parameters with the same names and shapes below, as positions of their leaves."""
    below: dict[str, dict[str, list[int]]] = {}
    for leaf, path in enumerate(subject.paths):
        steps = path.split("/")
        for depth in range(len(steps)):
            below.setdefault("/".join(steps[:depth]), {}).setdefault(steps[depth], []).append(leaf)
    for node, branches in below.items():
        alike: dict[object, list[list[int]]] = {}
        for name, leaves in branches.items():
            first = len(f"{node}/{name}" if node else name)
            key = tuple((subject.paths[leaf][first:], subject.shapes[leaf]) for leaf in leaves)
            alike.setdefault(key, []).append(leaves)
        yield from (parts for parts in alike.values() if len(parts) > 1)
