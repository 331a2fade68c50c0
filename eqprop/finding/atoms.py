"""Axes as products of atoms, which are joined where a program makes them move together.

An axis is a product of atoms in row-major order: ``(heads · units)`` of a projection is two of them once it was
reshaped. An atom may also turn out to be several parts side by side: three, of a fused QKV; two, of a rotary embedding.
Each atom in an axis has a parity: along joined atoms of parity −1 the contragredient matrix M⁻ᵀ moves what M moves
along those of parity 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import prod

Factor = tuple[int, int]
"""An atom and its parity."""
Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]
"""Those of a value, one for each of its dimensions."""


def flipped(axis: Axis, parity: int = -1) -> Axis:
    """The axis with every parity multiplied."""
    return tuple((atom, sign * parity) for atom, sign in axis)


class Atoms:
    """A union-find of atoms that can still be split while it grows.

    Attributes:
        self_dual: roots that were joined to themselves with parity −1: only what is its own contragredient moves them.
        guessed: whether axes were joined for their lengths alone, where no program was to be had.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._above: list[Factor] = []
        self._products: dict[int, Axis] = {}
        self._sums: dict[int, Axes] = {}
        self.self_dual: set[int] = set()
        self.guessed = False

    def new(self, size: int) -> Axis:
        """An axis that nothing is known of."""
        self._sizes.append(size)
        self._above.append((len(self._above), 1))
        return ((len(self._above) - 1, 1),)

    def fresh(self, shape: Iterable[int]) -> Axes:
        """Axes that nothing is known of."""
        return tuple(self.new(size) for size in shape)

    def size(self, axis: Axis) -> int:
        """How many entries an axis has."""
        return prod(self._sizes[atom] for atom, _ in axis)

    def of(self, axis: Axis) -> Axis:
        """The axis in roots, products multiplied out."""
        found: list[Factor] = []
        for atom, sign in axis:
            root, parity = self._root(atom)
            if root in self._products:
                found += self.of(flipped(self._products[root], sign * parity))
            else:
                found.append((root, sign * parity))
        return tuple(found)

    def parts(self, root: int) -> Axes:
        """The axes that lie side by side in an atom; none where it is whole."""
        return self._sums.get(root, ())

    def _root(self, atom: int) -> Factor:
        above, sign = self._above[atom]
        if above == atom:
            return atom, 1
        root, parity = self._root(above)
        self._above[atom] = root, sign * parity
        return self._above[atom]

    def join(self, first: Axis, second: Axis, parity: int = 1) -> None:
        """Two axes move together; where they have no common refinement nothing is known, and nothing joined."""
        a, b = self.of(first), self.of(flipped(second, parity))
        while a and b:
            (x, sign_x), (y, sign_y) = a[0], b[0]
            m, n = self._sizes[x], self._sizes[y]
            if m == n:
                self._unite(x, y, sign_x * sign_y)
                a, b = a[1:], b[1:]
            elif 1 in (m, n):
                a, b = a[m == 1 :], b[n == 1 :]
            elif not (self._split(x, n) if m % n == 0 else n % m == 0 and self._split(y, m)):
                return
            a, b = self.of(a), self.of(b)

    def _unite(self, x: int, y: int, parity: int) -> None:
        if x == y:
            if parity < 0:
                self.self_dual.add(x)
            return
        self._above[y] = x, parity
        if y in self.self_dual:
            self.self_dual.add(x)
        product, parts = self._products.pop(y, ()), self._sums.pop(y, ())
        if product:
            self._multiply(x, flipped(product, parity))
        if parts:
            self._place(x, tuple(flipped(part, parity) for part in parts))

    def _multiply(self, x: int, product: Axis) -> None:
        """The atom is this product, too."""
        parts = self._sums.pop(x, ())
        known = self._products.setdefault(x, product)
        if known is not product:
            self.join(known, product)
        if parts:
            self._place(x, parts)

    def _place(self, x: int, parts: Axes) -> None:
        """The atom is these parts side by side, too."""
        if x in self._products:
            self._fold(self._products[x], parts)
        elif x in self._sums:
            self._sums[x] = self._aligned(self._sums[x], parts)
        else:
            self._sums[x] = parts

    def _fold(self, product: Axis, parts: Axes) -> None:
        """A product that is parts side by side: where each is one index of the leading axis, they all move alike."""
        factors = self.of(product)
        if self._sizes[factors[0][0]] == len(parts):
            for part in parts:
                self.join(factors[1:], part)

    def _aligned(self, first: Axes, second: Axes) -> Axes:
        """The common refinement of two sums, its parts joined."""
        a, b, found = list(first), list(second), list[Axis]()
        while a and b:
            size = min(self.size(a[0]), self.size(b[0]))
            for side in (a, b):
                whole = side.pop(0)
                if self.size(whole) > size:
                    side.insert(0, self.cut(whole, size, self.size(whole)))
                    whole = self.cut(whole, 0, size)
                found.append(whole)
            self.join(found[-2], found.pop())
        return tuple(found)

    def _split(self, x: int, leading: int) -> bool:
        """Make an atom a product whose first factor has this size; False where its parts are no product."""
        rest = self._sizes[x] // leading
        parts = self._sums.pop(x, ())
        if parts and any(self.size(part) != rest for part in parts):
            self._sums[x] = parts
            return False
        self._products[x] = (*self.new(leading), *self.new(rest))
        if parts:
            self._fold(self._products[x], parts)
        return True

    def cut(self, axis: Axis, start: int, stop: int, step: int = 1) -> Axis:
        """The part of an axis that a slice leaves."""
        whole, count = self.size(axis), len(range(start, stop, step))
        if count == whole:
            return axis
        if step > 1 and count > 1:
            return self._every(axis, start, step, count)
        stop = start + count
        head, *tail = self.of(axis)
        rest = self.size(tuple(tail))
        if start % rest == 0 and stop % rest == 0:
            return (*self._part(head, start // rest, stop // rest), *tail)
        if start // rest == (stop - 1) // rest:
            return self.cut(tuple(tail), start % rest, start % rest + count)
        return self.new(count)

    def _every(self, axis: Axis, start: int, step: int, count: int) -> Axis:
        """Every so many entries: one of each group of neighbours, the first group whole or not at all."""
        first = start - start % step
        if first + count * step > self.size(axis):
            return self.new(count)
        outer, inner = self.regrouped((self.cut(axis, first, first + count * step),), (count, step))
        self.cut(inner, start % step, start % step + 1)
        return outer

    def _part(self, factor: Factor, start: int, stop: int) -> Axis:
        root, sign = factor
        size = self._sizes[root]
        if root not in self._sums:
            cuts = sorted({0, start, stop, size})
            self._sums[root] = self.fresh(b - a for a, b in pairwise(cuts))
        pieces: list[Axis] = []
        inside: list[Axis] = []
        at = 0
        for part in self._sums[root]:
            end = at + self.size(part)
            cuts = sorted({at, end, *(c for c in (start, stop) if at < c < end)})
            for a, b in pairwise(cuts):
                pieces.append(self.cut(part, a - at, b - at))
                if start <= a and b <= stop:
                    inside.append(pieces[-1])
            at = end
        self._sums[root] = tuple(pieces)
        return flipped(self.side_by_side(inside), sign)

    def side_by_side(self, axes: Sequence[Axis]) -> Axis:
        """The axis of a concatenation."""
        present = tuple(axis for axis in axes if self.size(axis))
        if len(present) == 1:
            return present[0]
        joined = self.new(sum(map(self.size, present)))
        if present:
            self._sums[joined[0][0]] = present
        return joined

    def regrouped(self, axes: Axes, shape: Sequence[int]) -> Axes:
        """The axes of a reshape; new ones from where the shapes have no common refinement."""
        pending, found = self.of(tuple(factor for axis in axes for factor in axis)), list[Axis]()
        for place, size in enumerate(shape):
            taken: Axis = ()
            while self.size(taken) < size or (size == 1 and not taken and pending[:1] and self.size(pending[:1]) == 1):
                fits = self._fits(pending, size // self.size(taken))
                if fits is None:
                    return (*found, *self.fresh(shape[place:]))
                pending = fits
                taken, pending = (*taken, pending[0]), pending[1:]
            found.append(taken)
        return tuple(found)

    def _fits(self, pending: Axis, need: int) -> Axis | None:
        """The factors, the first of them split if it is larger than what is needed; None where that is not possible."""
        pending = self.of(pending)
        if not pending:
            return None
        size = self.size(pending[:1])
        if need % size == 0:
            return pending
        return self.of(pending) if size % need == 0 and self._split(pending[0][0], need) else None
