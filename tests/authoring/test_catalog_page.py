"""The page of the catalog says of each entry what the code says, and what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eqprop.authoring import explanation, listing, own_entries
from eqprop.authoring.catalog_page import COMMAND, page, shortened
from eqprop.authoring.expected import cells
from eqprop.authoring.explain import group_of
from eqprop.errors import InvalidInput
from eqprop.mutants import COVARIANT
from eqprop.registry import entry as named

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"

every_entry = pytest.mark.parametrize("entry", own_entries().values(), ids=own_entries())


@pytest.fixture(scope="module")
def written() -> str:
    return page() + "\n"


@pytest.mark.checkout
def test_the_page_is_what_the_code_says(written):
    assert PAGE.read_text(encoding="utf-8") == written, f"docs/catalog.md is out of date; write it: {COMMAND}"


@every_entry
def test_the_page_has_a_section_with_every_fact_of(entry, written):
    section = written.split(f"\n### {entry.name}\n")[1].split("\n## ")[0].split("\n### ")[0]
    plain = section.replace("\\", "")
    assert " ".join(entry.statement.split()) in section
    for text in (entry.action, entry.reference, entry.pitfalls, entry.hessian, entry.control):
        assert shortened(text) in plain
    for mutant in set(entry.mutants) - set(COVARIANT):
        of_order = next(line for line in plain.splitlines() if line.startswith(f"  - order {mutant.order} ("))
        assert f"`{mutant.name}`: {shortened(mutant.why)}" in of_order
    assert "not measured" not in section
    for name in () if entry.control else cells()[entry.name]:
        assert re.search(rf" {name}[,;\n]", section)


def test_the_mutants_of_every_entry_are_listed_once(written):
    section = written.split("\n## Mutants of every entry\n")[1].split("\n## ")[0]
    assert "not measured" not in section
    for mutant in COVARIANT:
        assert f"- order {mutant.order}, `{mutant.name}`: {mutant.why} (" in section
        assert written.count(f"`{mutant.name}`") == 1


@every_entry
def test_an_entry_says_all_that_a_reader_needs(entry):
    assert entry.statement
    assert entry.statement.endswith(".")
    assert entry.reference
    if not entry.control:
        assert all((entry.action, entry.generator, entry.charge, entry.hessian, entry.hypotheses, entry.pitfalls))


def test_the_kind_of_group_is_that_of_the_simplest_pair():
    assert group_of(named("linear-gl")) == "GeneralLinear"
    assert group_of(named("attention-qk")) == "Power(GeneralLinear)"
    assert "group       Power(GeneralLinear)" in explanation("attention-qk")


def test_entries_are_listed_by_their_kind_of_group():
    listed = listing(group="generallinear")
    assert "linear-gl" in listed
    assert "relu-rescaling" not in listed
    assert "properties (" not in listed


def test_a_group_that_nobody_has_is_refused():
    with pytest.raises(InvalidInput, match="has a group like 'monster'"):
        listing(group="monster")
