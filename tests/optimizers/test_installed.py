"""The optimisers that are installed: found by their signatures, and none of them listed here."""

from __future__ import annotations

import warnings
from typing import Any

import optax
import pytest

from eqprop.optimizers import installed
from eqprop.optimizers.grid import chosen, search_cell
from eqprop.torch import is_optimizer


def names() -> list[str]:
    return [address.partition(":")[2] for address in installed.addresses()]


def test_what_has_a_rate_is_an_optimiser_and_a_part_of_one_is_not():
    found = names()
    assert {"optax_adam", "optax_lbfgs", "optax_polyak_sgd", "contrib_muon", "contrib_prodigy"} <= set(found)
    assert not {name for name in found if "scale_by" in name or name in ("optax_chain", "contrib_mechanize")}


def test_an_optimiser_of_tomorrow_is_found_without_being_listed(monkeypatch):
    def tomorrow(learning_rate: float, *, decay: float = 0.5) -> Any:
        return optax.sgd(learning_rate * decay)

    monkeypatch.setattr(optax, "tomorrow", tomorrow, raising=False)
    assert "optax_tomorrow" in names()
    assert hasattr(installed.__getattr__("optax_tomorrow")(), "update")


def test_each_is_made_by_the_name_that_a_replay_has():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of noisy_sgd, which wants a key from the next release of optax on
        made = {name: getattr(installed, name)() for name in names()}
    assert not [name for name, one in made.items() if not (hasattr(one, "init") or is_optimizer(one))]
    with pytest.raises(AttributeError, match="has no attribute 'optax_nothing'"):
        installed.__getattr__("optax_nothing")


def test_stacked_matrices_trade_places_under_an_optimiser_that_nobody_predicted():
    ((row, column),) = chosen("stacked", ["eqprop.optimizers.installed:optax_novograd"])
    cell = search_cell(row, column)
    assert (cell.predicted, cell.step, cell.trajectory, cell.agrees) == ("?", "yes", "yes", True)


def test_what_refuses_some_parameters_does_not_apply_to_these(monkeypatch):
    def picky(learning_rate: float) -> Any:
        def init(params: Any) -> Any:
            msg = "matrices only"
            raise ValueError(msg)

        return optax.GradientTransformation(init, optax.sgd(learning_rate).update)

    monkeypatch.setattr(optax, "picky", picky, raising=False)
    ((row, column),) = chosen("stacked", ["eqprop.optimizers.installed:optax_picky"])
    cell = search_cell(row, column)
    assert (cell.found, cell.agrees) == ("n/a", True)
    assert "it refuses such parameters: " in cell.reason
    assert "matrices only" in cell.reason
