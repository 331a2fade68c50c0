"""The reference of all primitives of the walk, docs/walk.md, from the table that the tests hold them to.

python -m eqprop.engine.walk.reference > docs/walk.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from eqprop.engine.walk import primitives
from eqprop.engine.walk.table import FAMILIES

COMMAND = "python -m eqprop.engine.walk.reference > docs/walk.md"


def reference() -> str:
    """The whole of docs/walk.md."""
    return "\n".join([*_introduction(), *_families()])


def _introduction() -> Iterator[str]:
    count = sum(len(family.entries) for family in FAMILIES)
    yield f"""\
<!-- Written by `{COMMAND}` from the code. Do not edit: change the table. -->

# The primitives of the walk

{count} primitives of JAX are evaluated by NumPy and SciPy, all rows of a batch at once. Each was compared with what XLA
compiles for a CPU, over drawn shapes, types and parameters (`tests/engine/walk`); loops, branches and calls are not
among them. What has no rule, or parameters that its rule does not know, is left to JAX.

- **bits**: equal to the last bit. **ulp**: units in the last place of the result. **eps**: the distance from 1 to the
  next number, times a size that is named; for complex numbers, times the absolute value of the result.
- The bound of the small floats, float16 and bfloat16, is in their own, larger units. They are computed with in float32
  and rounded once, as by XLA; sums along an axis (`reduce_sum`, `cumsum`) round after each term, as XLA's do, and
  products of tensors are summed in float32.
- **A row's results are the same to the last bit** whatever other rows are beside it, and however its operands lie in
  memory. Sums are therefore taken in an order of their own: one by one up to 32 entries, longer axes by pairs where
  they are innermost and by blocks of 32 where not; and products of matrices for each row apart, by BLAS, on copies of
  one layout. BLAS has one thread meanwhile: how many there are may change the last bit.
- **Numbers below the smallest normal one** are kept, as IEEE 754 says. XLA rounds them to zero, as operands and as
  results, in float32, float64 and bfloat16 alike, and even where it compares them. They count as equal here.
- NumPy has two implementations of exponentials and their kin; numbers that lie backwards in memory get the other one,
  which differs in the last bit. Such operands are laid out forwards first.
"""


def _families() -> Iterator[str]:
    for family in FAMILIES:
        module = getattr(primitives, family.module)
        title, _, rest = (module.__doc__ or "").partition("\n")
        yield f"## {title.rstrip('.')}\n"
        if rest.strip():
            yield rest.strip().replace("``", "`") + "\n"
        yield f"Compared: {family.compared}.\n"
        yield "| primitive | by | agrees with XLA | remarks |"
        yield "|---|---|---|---|"
        for entry in family.entries:
            note = entry.note.replace("|", "\\|")
            by, agreement = entry.by.replace("|", "\\|"), str(entry.agreement).replace("|", "\\|")
            yield f"| `{entry.name}` | {by} | {agreement} | {note} |"
        yield ""


def main() -> None:
    """Write the page to the standard output, in UTF-8 whatever the terminal's encoding is."""
    sys.stdout.buffer.write(reference().encode())


if __name__ == "__main__":
    main()
