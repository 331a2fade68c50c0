"""Actions that single activations leave, tried where units are exchanged and not otherwise moved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from eqprop.finding.blocks import Interface, Occurrence
from eqprop.finding.found import Found
from eqprop.finding.subject import Subject
from eqprop.finding.writing import Call
from eqprop.groups import Group, Integers, Sign

MOST_READERS = 2
"""Mirrors are looked for where so few tensors read the units."""


def by_activation(subject: Subject, interface: Interface) -> Iterator[Found]:
    """Shifted sines, mirrored sigmoids, mirrored units beside a linear skip."""
    for writers, readers in _sides(subject, interface):
        yield from _sine(subject, interface, writers, readers)
        if len(readers) <= MOST_READERS:
            yield from _sigmoid(subject, interface, writers, readers)
        if len(readers) == 1:
            yield from _skip(subject, interface, writers, readers[0])


Side = list[Occurrence]


def _sides(subject: Subject, interface: Interface) -> Iterator[tuple[Side, Side]]:
    """What may write the units and what may read them, of whole tensors only: a bias writes."""
    whole = [o for o in interface.occurrences if o.block.positions.shape == subject.shapes[o.block.leaf]]
    biased = {o.parity for o in whole if len(o.block.factors) == 1}
    for parity in (1, -1):
        writers, readers = ([o for o in whole if o.parity == side] for side in (parity, -parity))
        if len(whole) == len(interface.occurrences) and writers and readers and -parity not in biased:
            yield writers, readers


def _sine(subject: Subject, interface: Interface, writers: Side, readers: Side) -> Iterator[Found]:
    for bias, period in product((o for o in writers if len(o.block.factors) == 1), subject.half_periods):
        named = {"bias": subject.paths[bias.block.leaf], "reads": subject.axes(readers)}
        apart = {} if period == math.pi else {"half_period": period}
        call = Call("half_periods", (interface.size,), named | apart)
        if holds_for(subject, call, Integers(interface.size)):
            blocks = [bias.block, *(o.block for o in readers)]
            text = f"Z^{interface.size}, half periods"
            yield subject.found("periodic", text, blocks, interface.size, call, continuous=False)
            return


def _sigmoid(subject: Subject, interface: Interface, writers: Side, readers: Side) -> Iterator[Found]:
    options = [list(_behind(subject, o)) for o in readers]
    for after in product(*options):
        named = {
            "writes": subject.axes(writers),
            "reads": {subject.paths[o.block.leaf]: (o.place, c) for o, c in zip(readers, after, strict=True)},
        }
        call = Call("sigmoid_mirror", (interface.size,), named)
        if _holds(subject, call, interface.size):
            yield _mirrors(subject, interface, call)
            return


def _behind(subject: Subject, reader: Occurrence) -> Iterator[str]:
    """Biases of the shape that is left of a tensor without its units."""
    shape = subject.shapes[reader.block.leaf]
    left = (*shape[: reader.place], *shape[reader.place + 1 :])
    yield from (path for path, own in zip(subject.paths, subject.shapes, strict=True) if own == left)


def _skip(subject: Subject, interface: Interface, writers: Side, reader: Occurrence) -> Iterator[Found]:
    shape = subject.shapes[reader.block.leaf]
    out = (*shape[: reader.place], *shape[reader.place + 1 :])
    options: list[list[str]] = []
    for o in writers:
        own = subject.shapes[o.block.leaf]
        left = (*own[: o.place], *own[o.place + 1 :], *out)
        taken = {w.block.leaf for w in (*writers, reader)}
        options.append([path for i, path in enumerate(subject.paths) if subject.shapes[i] == left and i not in taken])
    for after in product(*options):
        named = {
            "writes": {subject.paths[o.block.leaf]: (o.place, s) for o, s in zip(writers, after, strict=True)},
            "reads": (subject.paths[reader.block.leaf], reader.place),
        }
        call = Call("skip_mirror", (interface.size,), named)
        if _holds(subject, call, interface.size):
            yield _mirrors(subject, interface, call)
            return


def _mirrors(subject: Subject, interface: Interface, call: Call) -> Found:
    blocks, text = [o.block for o in interface.occurrences], f"mirrors of {interface.size}"
    return subject.found("mirror", text, blocks, interface.size, call, continuous=False)


def _holds(subject: Subject, call: Call, units: int) -> bool:
    """Whether mirrored units change no output."""
    return holds_for(subject, call, Sign(units))


def holds_for(subject: Subject, call: Call, group: Group) -> bool:
    """Whether a discrete claim changes no output.

    The first of the simple elements and one that moves many units are tried: the others are the property library's.
    """
    return subject.unchanged(call, (next(iter(group.simple())), group.sample(np.random.default_rng(0), 1.0)))
