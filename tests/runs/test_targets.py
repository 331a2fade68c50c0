"""Targets, as users write them, become subjects or a clear error."""

from __future__ import annotations

import sys
from textwrap import dedent

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import eqprop
from eqprop import groups
from eqprop.registry import entries
from eqprop.runs import as_tasks, resolve_all
from eqprop.runs.targets import resolve

NETS = """
    import numpy as np
    from hypothesis import strategies as st
    import eqprop
    from eqprop import groups

    model = eqprop.Model(lambda p, x: x * p, np.ones(2), np.ones(2), name="product")
    def pair(name):
        action = eqprop.Transformation(groups.Sign(2), on_params=lambda s, p: s * p, on_outputs=lambda s, y: s * y)
        return eqprop.Pair(model, action, name=name)

    one = pair("one")
    two = [pair("one"), pair("other")]
    twice = [pair("one"), pair("one")]
    named = {"left": pair("x"), "right": st.just(pair("x"))}
    drawn = st.just(pair("drawn"))
    empty = []
    number = 3
    mixed = [one, 3]
    def made(): return two
    def generated(): yield from two
    def needs(width): return two
    def raises(): raise ValueError("no data here")
    @st.composite
    def composed(draw): return pair(draw(st.just("c")))
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A folder with a module ``nets``, as the current one."""
    (tmp_path / "nets.py").write_text(dedent(NETS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("nets", "broken", "lacking"):
        sys.modules.pop(name, None)


def pair(name: str = "pair") -> eqprop.Pair:
    model = eqprop.Model(lambda p, x: jnp.sum(p * x), np.ones(2), np.ones(2))
    return eqprop.Pair(model, eqprop.Transformation(groups.Sign(2), on_params=lambda s, p: s * p), name=name)


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        ("one", ["one"]),
        ("two", ["one", "other"]),
        ("named", ["left", "right"]),
        ("drawn", ["drawn"]),
        ("made", ["one", "other"]),
        ("generated", ["one", "other"]),
        ("composed", ["composed"]),
    ],
)
def test_an_attribute_of_a_module_of_the_current_folder_gives_subjects(nets, attribute, names):
    tasks = resolve(f"nets:{attribute}")
    assert [task.name for task in tasks] == names
    assert {task.address for task in tasks} == {f"nets:{attribute}"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nets:", "names nothing behind a colon"),
        ("nets:ones", "'nets' has no attribute 'ones'. Did you mean one"),
        ("nets:number", r"nets:number is 3 \(int\); expected an eqprop.Pair"),
        ("nets:mixed", r"item 1 is 3 \(int\)"),
        ("nets:empty", "nets:empty is empty"),
        ("nets:twice", "several subjects are called 'one'"),
        ("nets:needs", "needs needs arguments .*width"),
        ("nets:raises", r"raises\(\) raised ValueError: no data here \(nets.py:23\)"),
        ("nets.py:one", "names a file; expected a module: nets:one"),
        ("missing.nets:one", "no module named 'missing'"),
        ("broken:one", r"raised while it was imported: ZeroDivisionError: division by zero \(broken.py:1\)"),
        ("lacking:one", "imports a module that is not installed: ModuleNotFoundError: No module named 'nonesuch'"),
        ("catalog:nonesuch", "the catalog has no entry 'nonesuch'"),
        ("relu-rescalin", "Did you mean relu-rescaling"),
    ],
)
def test_a_target_that_cannot_be_used_is_explained(nets, target, message):
    (nets / "broken.py").write_text("1 / 0")
    (nets / "lacking.py").write_text("import nonesuch")
    with pytest.raises(eqprop.InvalidInput, match=message):
        resolve(target)


def test_no_target_means_every_entry_of_the_catalog_with_its_own_address():
    tasks = resolve()
    assert [task.name for task in tasks] == list(entries())
    assert {task.address for task in tasks} == {f"catalog:{name}" for name in entries()}


def test_a_bare_name_means_the_entry():
    name = next(iter(entries()))
    assert [task.address for task in resolve(name)] == [f"catalog:{name}"]


def test_two_targets_may_not_name_a_subject_alike(nets):
    with pytest.raises(eqprop.InvalidInput, match="the targets: several subjects are called 'one'"):
        resolve_all(["nets:one", "nets:two"])


def test_a_pair_keeps_its_known_failures():
    known = pair().replaced(known_failures={"noether": "stopped gradient"})
    assert as_tasks(known)[0].known_failures == {"noether": "stopped gradient"}


def test_strategies_without_a_name_are_numbered_and_never_shown_by_their_repr():
    names = [s.name for s in as_tasks([st.just(pair()), st.just(pair())], where="pkg:pairs")]
    assert names == ["pairs-0", "pairs-1"]


def test_a_mapping_renames_the_pair_itself():
    task = as_tasks({"renamed": pair("before")})[0]
    assert repr(task.pairs) == "just(Pair('renamed'))"
