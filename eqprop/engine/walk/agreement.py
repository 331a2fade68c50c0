"""What each primitive is computed by, and how far its results lie from XLA's on a CPU.

The tests hold every primitive to what is written here, and ``docs/walk.md`` prints it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Agreement:
    """How far results may lie from those of XLA.

    Attributes:
        unit: what distances are counted in: ``ulp``, units in the last place of the result; ``eps``, the distance from
            1 to the next number, times the size that ``of`` names.
        wide: for float64 and float32.
        narrow: for float16 and bfloat16, whose units are larger.
        of: the size that ``eps`` is times.
        joint: for complex numbers, in eps of their absolute value.
        zeros: whether zeros of both signs are the same.
    """

    unit: str = "ulp"
    wide: float = 0
    narrow: float = 0
    of: str = ""
    joint: float = 0
    zeros: bool = False

    def __str__(self) -> str:
        unit = f"{self.unit} of {self.of}" if self.of else self.unit
        bounds = f"{self.wide:g}" if self.wide == self.narrow else f"{self.wide:g} (small floats {self.narrow:g})"
        floats = f"{bounds} {unit}" if self.wide else "bits"
        signs = ", signs of zeros aside" if self.zeros else ""
        return f"{floats}{signs}; complex {self.joint:g} eps" if self.joint else f"{floats}{signs}"


BITS = Agreement()
EXTREME = Agreement(zeros=True)


def rounded(joint: float) -> Agreement:
    """Bits, but for complex numbers."""
    return Agreement(joint=joint)


def ulp(wide: float, narrow: float = 1, joint: float = 0) -> Agreement:
    """So many units in the last place."""
    return Agreement("ulp", wide, narrow, joint=joint)


def terms(wide: float, narrow: float = 1) -> Agreement:
    """So many eps of the sum of the sizes of all terms."""
    return Agreement("eps", wide, narrow, "the terms' sizes", joint=2 * wide)


def largest(wide: float) -> Agreement:
    """So many eps of the largest entry."""
    return Agreement("eps", wide, wide, "the largest entry", joint=wide)


def absolute(wide: float, narrow: float = 1) -> Agreement:
    """So many eps of the result, or of 1 where it is smaller."""
    return Agreement("eps", wide, narrow, "max(1, |result|)")


@dataclass(frozen=True)
class Entry:
    """One primitive.

    Attributes:
        name: as programs have it.
        by: what computes it.
        agreement: with XLA.
        note: what else is to be said.
    """

    name: str
    by: str
    agreement: Agreement = field(default=BITS)
    note: str = ""


@dataclass(frozen=True)
class Family:
    """Primitives of one kind, which are computed in one module and compared in one way.

    Attributes:
        module: of ``eqprop.engine.walk.primitives``.
        compared: over what.
        entries: in the order of the page.
    """

    module: str
    compared: str
    entries: tuple[Entry, ...]
