"""Forms tried: at one drawn element, then by the property library."""

# pyright: reportMissingImports=false

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain
from typing import Any

import jax
import numpy as np
import torch

from eqprop.actions import combined
from eqprop.claims import Pair
from eqprop.engine import each, numbers_context, unexpected
from eqprop.errors import InvalidInput
from eqprop.evaluation import Program, climbed
from eqprop.probes import SQUARED_ERROR
from eqprop.properties import LIBRARY
from eqprop.transformers.anatomy import Anatomy
from eqprop.transformers.attention import attention_families
from eqprop.transformers.experts import EXPERTS, ROUTER
from eqprop.transformers.forms import Family, Form
from eqprop.transformers.gains import gain_families
from eqprop.transformers.latents import LATENT
from eqprop.transformers.merging import gains_together, merged
from eqprop.transformers.networks import VERSION, network_of
from eqprop.transformers.rows import Cell, Row
from eqprop.transformers.stream import SHIFT, rotation
from eqprop.transformers.units import unit_families

NOTICED = 1e-6
"""A form that changes the outputs by a larger part of their size, in float64, is not worth the library's time. One that
does not is no more than a candidate: the library judges it."""

PROBES = 4
PREMISE = next(prop for prop in LIBRARY if prop.name == "equivariance")


def row_of(architecture: str) -> Row:
    """All families on a tiny model of a type; a row without cells, which says why, where something raises."""
    try:
        network = network_of(architecture, raised=True, outputs=lambda logits: torch.log_softmax(logits, -1))
        return Row(architecture, VERSION, _cells(Anatomy(network)))
    except InvalidInput as error:
        return Row(architecture, VERSION, why=_anywhere(str(error)))
    except Exception as error:  # noqa: BLE001 - the library's own code is run, and the row says what it raised
        return Row(architecture, VERSION, why=f"{_raised(error)} while its symmetries were tried")


def _raised(error: Exception) -> str:
    return _anywhere(unexpected(error))


def _anywhere(why: str) -> str:
    """A reason that is the same wherever the libraries are installed."""
    return re.sub(r"\(\S*site-packages/", "(", why)


def _cells(anatomy: Anatomy) -> tuple[Cell, ...]:
    """A cell for each symmetry, whatever the parts of the network that have one."""
    gains, tried = _all_tried(anatomy)
    judged = _judged(anatomy, [one for one in (*chain(*tried), *gains) if one.fits])
    cells = [merged([(one.family.place, one.cell(judged)) for one in column]) for column in tried]
    return (*cells[:4], gains_together([one.cell(judged) for one in gains]), *cells[4:])


def fitting(anatomy: Anatomy) -> list[tuple[str, Form]]:
    """The forms that leave the outputs as they are, with the names of their symmetries; of gains, of their norms."""
    gains, tried = _all_tried(anatomy)
    return [(one.family.name, one.form) for one in (*chain(*tried), *gains) if one.form is not None and one.fits]


def _all_tried(anatomy: Anatomy) -> tuple[list[_Tried], list[list[_Tried]]]:
    """Norm gains, and the families of every other column."""
    gains = [_Tried(anatomy, family) for family in gain_families(anatomy)]
    turned = rotation({one.family.name for one in gains if one.fits})
    columns = [*attention_families(anatomy), [LATENT], [turned], unit_families(anatomy), [EXPERTS], [ROUTER], [SHIFT]]
    return gains, [[_Tried(anatomy, family) for family in column] for column in columns]


class _Tried:
    """A family on a network: the first form that leaves the outputs as they are, else the first of all.

    Args:
        anatomy: of the network.
        family: to be tried.
    """

    def __init__(self, anatomy: Anatomy, family: Family) -> None:
        self.family = family
        self.anatomy = anatomy
        self.form: Form | None = None
        self.change = np.inf
        self.unread = family.unread(anatomy)
        try:
            for form in family.forms(anatomy):
                self._compare(form)
                if self.fits:
                    break
        except Exception as error:  # noqa: BLE001 - said in the cell, which is unsettled unless something fitted before
            self.unread = _raised(error)

    def _compare(self, form: Form) -> None:
        """Keep a form that fits, or the first. Which of the others changes the outputs least would be chance."""
        try:
            change = _change(self.anatomy, form)
        except InvalidInput as error:  # the reading does not fit the tensors, and says which
            self.unread = str(error)
        except Exception as error:  # noqa: BLE001 - likewise
            self.unread = f"{form.text}: {_raised(error)}"
        else:
            if self.form is None or change < NOTICED:
                self.form, self.change = form, change

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
            why = self.family.why(self.anatomy)
            outcome = "broken" if why or not self.unread else "unsettled"
            return Cell(name, outcome, self.form.text, why or self.unread, _rounded(self.change))
        outcome, why = judged[id(self)]
        if outcome == "broken" and self.unread:  # at some parameters, and nothing seen says at which
            outcome, why = "unsettled", f"{why}; {self.unread}"
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
    by_domain: dict[Any, list[Any]] = {}
    for one in tried:
        by_domain.setdefault(one.form.domain, []).append(one)
    found: dict[int, tuple[str, str]] = {}
    for together in by_domain.values():
        outcome = _told(anatomy, together)
        alone = len(together) == 1 or outcome[0] == "holds"
        found |= {id(one): outcome if alone else _told(anatomy, [one]) for one in together}
    return found


def _told(anatomy: Anatomy, tried: list[Any]) -> tuple[str, str]:
    """What the library says, or what was raised on the way there."""
    try:
        return _verdict(anatomy, tried)
    except Exception as error:  # noqa: BLE001 - likewise
        return "unsettled", _raised(error)


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
