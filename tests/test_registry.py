"""The registry: what it accepts, what it refuses, and how it finds entries."""

from __future__ import annotations

import importlib.metadata
import pkgutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import find, settings
from hypothesis import strategies as st

from eqprop import catalog, groups, registry
from eqprop.actions import hidden_units
from eqprop.claims import Model, Pair
from eqprop.errors import InvalidInput
from eqprop.mutants import COVARIANT, forgets

pytestmark = pytest.mark.installed

PAIR = Pair(
    Model(lambda p, x: x @ p["w"] @ p["a"], {"w": np.ones((2, 3)), "a": np.ones((3, 1))}, np.ones((1, 2))),
    hidden_units(groups.Scaling(3), writes={"w": 1}, reads={"a": 0}),
    architecture={"hidden": 3},
)


def pairs() -> st.SearchStrategy[Pair]:
    """Claim of the entry."""
    return st.just(PAIR)


def registered(**changes: Any) -> registry.Entry:
    given = {"name": "an-entry", "reference": "nobody", "mutants": [forgets("w")], **changes}
    registry.register(**given)(pairs)
    return registry.entries()[given["name"]]


def test_an_isolated_registry_starts_empty_and_leaves_no_trace():
    before = registry.entries()
    with registry.isolated():
        assert registry.entries() == {}
        registered(name="passing-by")
    assert registry.entries() == before


def test_the_decorated_function_is_returned_unchanged():
    with registry.isolated():
        assert registry.register(name="x", reference="", mutants=[forgets("w")])(pairs) is pairs


def test_an_entry_takes_its_statement_from_the_docstring_and_its_origin_from_the_function():
    with registry.isolated():
        entry = registered()
    assert entry.statement == "Claim of the entry."
    assert entry.origin == f"{__name__}:pairs"


def test_drawn_pairs_carry_the_name_of_the_entry_and_keep_their_architecture():
    with registry.isolated():
        drawn = find(registered().pairs, lambda pair: True, settings=settings(database=None))
    assert drawn.name == "an-entry"
    assert drawn.architecture == {"hidden": 3}


def test_a_composite_function_can_be_registered():
    with registry.isolated():

        @registry.register(name="composite", reference="", mutants=[forgets("w")])
        @st.composite
        def composite(draw: st.DrawFn) -> Pair:
            """Claim."""
            return draw(st.just(PAIR))

        entry = registry.entry("composite")
    assert entry.statement == "Claim."
    assert entry.origin.endswith("composite")
    assert "accept" not in entry.origin


def test_a_name_taken_twice_is_refused_naming_both_places():
    with registry.isolated():
        registered()
        with pytest.raises(
            InvalidInput, match=rf"'an-entry' is registered twice: by {__name__}:pairs and by {__name__}:pairs"
        ):
            registered()


@pytest.mark.parametrize("name", ["Relu", "relu_rescaling", "", "relu--rescaling", "-relu", "relu rescaling", 7])
def test_a_name_that_is_not_kebab_case_is_refused(name: Any):
    with registry.isolated(), pytest.raises(InvalidInput, match="kebab-case"):
        registered(name=name)


def test_every_entry_but_a_control_has_the_covariant_mutants_behind_its_own():
    with registry.isolated():
        assert registered().mutants[1:] == COVARIANT
        assert registered(name="a-control", control="it is false").mutants[1:] == ()


def test_an_entry_without_mutants_is_refused_unless_it_is_a_control():
    with registry.isolated():
        with pytest.raises(InvalidInput, match="a check that cannot fail is a defect"):
            registered(mutants=[])
        assert registered(mutants=[], control="it is false").control == "it is false"


def test_two_mutants_of_one_name_are_refused():
    with registry.isolated(), pytest.raises(InvalidInput, match="several mutants called forgets-w"):
        registered(mutants=[forgets("w"), forgets("w")])


def test_a_function_with_arguments_is_refused():
    with (
        registry.isolated(),
        pytest.raises(InvalidInput, match=r"without arguments .* missing a required argument: 'n'"),
    ):
        registry.register(name="x", reference="", mutants=[forgets("w")])(lambda n: st.just(PAIR))


def test_a_function_that_returns_no_strategy_is_refused():
    with registry.isolated(), pytest.raises(InvalidInput, match=r"st\.composite"):
        registry.register(name="x", reference="", mutants=[forgets("w")])(lambda: PAIR)  # pyright: ignore[reportArgumentType]


def test_a_strategy_of_something_else_is_refused_when_drawn():
    with registry.isolated():
        registry.register(name="x", reference="", mutants=[forgets("w")])(lambda: st.just(3))  # pyright: ignore[reportArgumentType]
        with pytest.raises(InvalidInput, match=r"drew 3 \(int\); expected an eqprop\.Pair"):
            find(registry.entry("x").pairs, lambda pair: True, settings=settings(database=None))


def test_an_unknown_entry_is_answered_with_the_closest_names():
    with registry.isolated():
        registered(name="relu-rescaling")
        with pytest.raises(InvalidInput, match="Did you mean relu-rescaling"):
            registry.entry("relu-rescalling")


def test_an_unknown_mutant_is_answered_with_the_known_ones():
    with registry.isolated(), pytest.raises(InvalidInput, match="its mutants are: forgets-w"):
        registered().mutant("forgets-v")


def test_entries_come_in_alphabetical_order():
    with registry.isolated():
        for name in ("b", "c", "a"):
            registered(name=name)
        assert list(registry.entries()) == ["a", "b", "c"]


def test_every_module_beside_the_catalog_is_discovered_and_registers_entries():
    modules = {f"eqprop.catalog.{m.name}" for m in pkgutil.iter_modules(catalog.__path__)}
    assert modules <= set(sys.modules)
    assert modules == {entry.origin.partition(":")[0] for entry in registry.entries().values()}


def test_every_built_in_entry_says_what_it_claims_and_where_it_comes_from():
    for entry in registry.entries().values():
        assert entry.statement, entry.name
        assert entry.reference, entry.name
        assert entry.control or {m.order for m in entry.mutants} >= {0, 1, 2}, entry.name
        assert entry.control or (entry.action and entry.generator and entry.charge and entry.hessian), entry.name


# -- entry points of other packages -----------------------------------------------------------------------------------

MODULE = """
from eqprop import registry
from eqprop.mutants import forgets
import tests_shared_pairs

registry.register(name="foreign", reference="", mutants=[forgets("w")])(tests_shared_pairs.pairs)
"""


def declare(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> None:
    """A foreign package with the entry point ``theirs``, and a registry that has not loaded it."""
    (folder / "foreign_catalog.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "tests_shared_pairs", sys.modules[__name__])
    monkeypatch.delitem(sys.modules, "foreign_catalog", raising=False)
    point = importlib.metadata.EntryPoint("theirs", "foreign_catalog", registry.ENTRY_POINTS)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [point])


def test_entries_of_another_package_are_found_through_its_entry_point(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    declare(monkeypatch, tmp_path, MODULE)
    with registry.isolated(load=True):
        assert "foreign" in registry.entries()
    monkeypatch.delitem(sys.modules, "foreign_catalog")


def test_an_entry_point_that_fails_to_import_is_named_with_its_cause_each_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    declare(monkeypatch, tmp_path, MODULE + "raise RuntimeError('no GPU')")
    with registry.isolated(load=True):
        for _ in range(2):
            with pytest.raises(InvalidInput, match=r"'theirs' = 'foreign_catalog' .* RuntimeError: no GPU"):
                registry.entries()
