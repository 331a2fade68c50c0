"""Forms tried: at one drawn element, then by the property library."""

# pyright: reportMissingImports=false

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import torch

from eqprop.actions import combined
from eqprop.claims import Pair
from eqprop.engine import each, numbers_context
from eqprop.errors import InvalidInput
from eqprop.evaluation import Program, climbed
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import LIBRARY
from eqprop.transformers.anatomy import Anatomy
from eqprop.transformers.attention import HEADS, QUERIES, VALUES
from eqprop.transformers.forms import Family, Form
from eqprop.transformers.networks import VERSION, network_of
from eqprop.transformers.rows import Cell, Row
from eqprop.transformers.stream import SHIFT, gain_families, rotation
from eqprop.transformers.units import EXPERTS, UNITS

NOTICED = 1e-6
"""A form that changes the outputs by a larger part of their size, in float64, is not worth the library's time. One that
does not is no more than a candidate: the library judges it."""

PROBES = 4
PREMISE = next(prop for prop in LIBRARY if prop.name == "equivariance")


def row_of(architecture: str) -> Row:
    """All families on a tiny model of a type."""
    try:
        network = network_of(architecture, raised=True, outputs=lambda logits: torch.log_softmax(logits, -1))
    except InvalidInput as error:
        return Row(architecture, VERSION, why=str(error))
    anatomy = Anatomy(network)
    gains = [_Tried(anatomy, family) for family in gain_families(anatomy)]
    turned = rotation({one.family.name for one in gains if one.fits})
    tried = [_Tried(anatomy, family) for family in (HEADS, QUERIES, VALUES, turned, UNITS, EXPERTS, SHIFT)]
    judged = _judged(anatomy, [one for one in (*tried, *gains) if one.fits])
    cells = [one.cell(judged) for one in tried]
    return Row(architecture, VERSION, (*cells[:3], _together([one.cell(judged) for one in gains]), *cells[3:]))


class _Tried:
    """A family on a network: the first form that leaves the outputs as they are, else the one that changes them least.

    Args:
        anatomy: of the network.
        family: to be tried.
    """

    def __init__(self, anatomy: Anatomy, family: Family) -> None:
        self.family = family
        self.anatomy = anatomy
        self.form: Form | None = None
        self.change = np.inf
        self.unread = ""
        for form in family.forms(anatomy):
            try:
                change = _change(anatomy, form)
            except InvalidInput as error:  # the reading does not fit the tensors, and says which
                self.unread = str(error)
                continue
            if change < self.change or self.form is None:
                self.form, self.change = form, change
            if change < NOTICED:
                break

    @property
    def fits(self) -> bool:
        """Whether the form goes to the library."""
        return self.form is not None and self.change < NOTICED

    def cell(self, judged: dict[int, tuple[str, str]]) -> Cell:
        """What is said of it."""
        name = self.family.name
        if self.form is None and self.unread:
            return Cell(name, "unsettled", why=self.unread)
        if self.form is None:
            return Cell(name, "absent", why=self.family.absent)
        if not self.fits:
            return Cell(name, "broken", self.form.text, self.family.why(self.anatomy), _rounded(self.change))
        outcome, why = judged[id(self)]
        return Cell(name, outcome, self.form.text, why)


def _rounded(change: float) -> float:
    """To one digit, so that the table does not change with the last bits."""
    return float(f"{change:.0e}")


def _change(anatomy: Anatomy, form: Form) -> float:
    """By which part of their size the outputs change under a drawn element; infinite where they are not finite."""
    model, rng = anatomy.network.model, np.random.default_rng(1)
    params = dict(model.params) if form.domain is None else form.domain(model.params)
    element = form.transformation.group.sample(rng, 0.3)
    with numbers_context("float64"):
        rows = jax.tree.map(lambda leaf: np.asarray(leaf)[None], (element, params))
        moved = jax.tree.map(lambda leaf: leaf[0], each(form.text, form.transformation.on_params, *rows))
        before, after = (np.asarray(model.apply(p, model.inputs)) for p in (params, moved))
    difference = float(np.max(np.abs(after - before)) / np.max(np.abs(before)))
    return difference if np.isfinite(difference) else np.inf


def _judged(anatomy: Anatomy, tried: list[Any]) -> dict[int, tuple[str, str]]:
    """What the library says of each: of all at once where it holds, else of one after the other."""
    by_domain: dict[bool, list[Any]] = {}
    for one in tried:
        by_domain.setdefault(one.form.domain is not None, []).append(one)
    found: dict[int, tuple[str, str]] = {}
    for together in by_domain.values():
        outcome = _verdict(anatomy, together)
        alone = len(together) == 1 or outcome[0] == "holds"
        found |= {id(one): outcome if alone else _verdict(anatomy, [one]) for one in together}
    return found


def _verdict(anatomy: Anatomy, tried: list[Any]) -> tuple[str, str]:
    forms = [one.form for one in tried]
    whole = forms[0].transformation if len(forms) == 1 else combined(*(form.transformation for form in forms))
    pair = Pair(replace(anatomy.network.model, domain=forms[0].domain), whole)
    name, rng = PREMISE.name, np.random.default_rng(0)
    program = Program(pair, (PREMISE,), SQUARED_ERROR)
    probes = program.draw(rng, PROBES)
    found = climbed(program, name, probes, program.judge(probes, rng)[name], rng)
    if found.violations.size:
        return "broken", "the property library finds another output"
    told = ~(found.settled.inconclusive | found.settled.vacuous)
    return ("holds", "") if told.any() else ("unsettled", f"{program.lowest[name]} leaves no digits")


def _together(cells: list[Cell]) -> Cell:
    """The norms of a network as one cell: each with what it is traded against."""
    name = "norm gains"
    told = [cell for cell in cells if cell.outcome != "absent"]
    if not told:
        return Cell(name, "absent", why="no gains that a known tensor reads")
    holding = [f"{_last(cell)}: {cell.form}" for cell in told if cell.outcome == "holds"]
    broken = [_last(cell) for cell in told if cell.outcome != "holds"]
    outcome = "holds" if holding else told[0].outcome
    return Cell(name, outcome, "; ".join(holding), f"{', '.join(broken)} traded with nothing" if broken else "")


def _last(cell: Cell) -> str:
    """The name of a norm without that of the module it lies in."""
    return cell.symmetry.rpartition(".")[2]
