"""The table architecture × symmetry as plain data and as text; neither PyTorch nor JAX is needed to read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from eqprop.arguments import each_of


@dataclass(frozen=True)
class Cell:
    """One symmetry of one architecture.

    Attributes:
        symmetry: the family.
        outcome: ``holds``; ``broken`` where no form of it leaves the outputs as they are, for a reason that is known;
            ``absent`` where the network has no such part; ``unsettled`` where a part of it is not read, where nothing
            says why no form fits, or where the property library could not tell.
        form: the exact form that holds, or the last one that was tried.
        why: what breaks it, or what is absent.
        change: of the outputs under the best form, as a part of their size.
    """

    symmetry: str
    outcome: str
    form: str = ""
    why: str = ""
    change: float = 0.0

    @property
    def text(self) -> str:
        """What a reader sees."""
        if self.outcome == "holds":
            return self.form
        measured = f"{self.form} changes the outputs by {self.change:.0e}" if self.change else ""
        why = self.why or measured
        settled = {"broken": f"no: {why}", "absent": "–"}
        return settled.get(self.outcome, f"? {'; '.join(filter(None, (self.why, measured)))}")


@dataclass(frozen=True)
class Row:
    """One architecture.

    Attributes:
        architecture: the model type, as ``transformers`` calls it.
        version: of ``transformers``.
        cells: one for each family; empty where no tiny model could be made.
        why: why there are none.
    """

    architecture: str
    version: str
    cells: tuple[Cell, ...] = ()
    why: str = ""


PREFACE = """# Released architectures

Which symmetries causal language models of `transformers` {version} have, tried on a tiny random model of each at order
0, in float64 (every request for float32 inside answered in float64). The outputs are log-probabilities. Written by
`eqprop architectures --format markdown`; `eqprop architectures llama` prints one row.

A cell has the form that holds: of query–key and value–output the group in each head (ℂ^n: one complex factor for each
rotary frequency, whose pairs are interleaved or halves), of latents the rotation between what makes and what reads them
once the gain between is folded, of norm gains what each is traded against and how it is stored (γ, or 1 + γ), of the
rotation the group once gains are folded, and which further gains have to be 1 for it. Parts of a network that differ
stand one after the other. "no": none of the forms that are tried holds, for the reason that is said. "?": none of them
holds and nothing seen says why, or a part of the network has names and shapes that are not known here; such a symmetry
may be there. "–" is for what the network has not. Parameters on which no output depends (cross attention without an
encoder, towers for images) are left out. Below the table are the types of which no tiny model could be made.

"""


def as_json(rows: Iterable[Row]) -> str:
    """The rows as a list of objects.

    Raises:
        InvalidInput: for what is no list of rows.
    """
    return json.dumps([asdict(row) for row in _rows(rows)], indent=1, ensure_ascii=False)


def as_text(rows: Sequence[Row]) -> str:
    """The rows for a terminal: a paragraph for each architecture.

    Raises:
        InvalidInput: for what is no list of rows.
    """
    return "\n\n".join(_paragraph(row) for row in _rows(rows))


def _rows(rows: object) -> list[Row]:
    return each_of(rows, Row, "rows", example="what eqprop.transformers.table returns")


def _paragraph(row: Row) -> str:
    lines = [f"{row.architecture} (transformers {row.version})"]
    lines += [f"  {cell.symmetry:<14} {cell.text}" for cell in row.cells]
    return "\n".join(lines if row.cells else [*lines, f"  not tried: {row.why}"])


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as a page with a table, and below it what could not be tried.

    Raises:
        InvalidInput: for what is no list of rows.
    """
    rows = _rows(rows)
    tried = [row for row in rows if row.cells]
    if not tried:
        return ""
    head = ["architecture", *(cell.symmetry for cell in tried[0].cells)]
    body = [[f"`{row.architecture}`", *(cell.text for cell in row.cells)] for row in tried]
    lines = [_line(head), _line(["---"] * len(head)), *map(_line, body)]
    left_out = [f"- `{row.architecture}`: {row.why}" for row in rows if not row.cells]
    preface = PREFACE.format(version=tried[0].version)
    return preface + "\n".join([*lines, *(["", "Not tried:", "", *left_out] if left_out else [])]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(text.replace('|', '∣') for text in cells)} |"
