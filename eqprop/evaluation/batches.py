"""What programs take and return: rows of numbers, chunk by chunk, and where the leaves lie in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from eqprop.engine import Tree
from eqprop.probes import Probe


@dataclass(frozen=True)
class Layout:
    """Where the leaves of a property's sides lie in the flat vectors that a program returns.

    Attributes:
        names: of the leaves.
        starts: where each leaf starts in a vector, and its length at the end: shape (leaves + 1,).
        shapes: of the leaves; a leaf has as many numbers as lie between its start and the next.
    """

    names: tuple[str, ...]
    starts: np.ndarray
    shapes: tuple[tuple[int, ...], ...]

    @staticmethod
    def of(names: Sequence[str], leaves: Sequence[Tree]) -> Layout:
        """Of leaves one after the other."""
        shapes = tuple(tuple(jnp.shape(leaf)) for leaf in leaves)
        return Layout(tuple(names), np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]), shapes)

    def leaves(self, flat: np.ndarray) -> Iterator[np.ndarray]:
        """A flat vector as the leaves that it was made of."""
        for i, shape in enumerate(self.shapes):
            yield flat[self.starts[i] : self.starts[i + 1]].reshape(shape)

    @property
    def first(self) -> Layout:
        """Of the first leaf, of vectors in which others may be behind it."""
        return Layout(self.names[:1], self.starts[:2], self.shapes[:1])

    def as_json(self) -> list[Tree]:
        """In plain values."""
        return [self.names, self.starts.tolist(), self.shapes]

    @staticmethod
    def from_json(values: list[Tree]) -> Layout:
        """What ``as_json`` gave."""
        names, starts, shapes = values
        return Layout(tuple(names), np.array(starts, dtype=int), tuple(tuple(shape) for shape in shapes))


def flat(leaves: Sequence[Tree]) -> Tree:
    """Leaves as one vector, inside a program."""
    if not leaves:
        return jnp.zeros((0,))
    return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])


def in_chunks(rows: Probe, call: Callable[[Probe], Tree], held: int) -> list[dict[str, tuple[Tree, ...]]]:
    """What a program says about ``held`` rows at a time; the last ones are filled up by repeating the last row."""
    total = rows.count
    chunks: list[dict[str, tuple[Tree, ...]]] = []
    for start in range(0, total, held):
        stop = start + held
        picked = slice(start, stop) if stop <= total else np.minimum(np.arange(start, stop), total - 1)
        chunks.append(call(rows.at(picked)))
    return chunks


def joined(chunks: Sequence[tuple[Tree, ...]], total: int) -> tuple[np.ndarray, ...]:
    """The fields of all chunks in float64, without what filled up the last one."""
    fields: list[np.ndarray] = []
    for parts in zip(*chunks, strict=True):
        arrays = [np.asarray(part, dtype=np.float64) for part in parts]
        fields.append((np.concatenate(arrays) if len(arrays) > 1 else arrays[0])[:total])
    return tuple(fields)
