"""The reference says of each property what the code says, and the kill matrix what it is good for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from eqprop.authoring import explanation, own_entries
from eqprop.authoring.independence import PARTS, apart, independent, readings
from eqprop.authoring.kills import Kill, kills, own_cells, parsed, updated, written
from eqprop.authoring.reference import COMMAND, alone, facts, first, reference
from eqprop.mutants import COVARIANT
from eqprop.profiles import PROFILES
from eqprop.properties import HIGHER, LIBRARY, by_name
from eqprop.properties.base import PAPER

PAGE = Path(__file__).parents[2] / "docs" / "properties.md"
MEASURE = "python -m benchmarks.power --write"

properties = pytest.mark.parametrize("prop", LIBRARY, ids=lambda prop: prop.name)

RESTED_ON = {name for prop in LIBRARY for name in (*prop.rests_on, *prop.consequence_of)}
"""What breaks one of these breaks others, so that it need not catch anything alone."""


def premises(name: str, below: tuple[str, ...] = ()) -> set[str]:
    """What implies a property, by way of others too."""
    assert name not in below, f"{name} is a consequence of itself"
    above = by_name(name).consequence_of
    return set(above).union(*(premises(other, (*below, name)) for other in above))


@cache
def page() -> str:
    return reference()


def kill(mutant: str, *falsified: str, entry: str = "e") -> Kill:
    return Kill(entry, mutant, 0, falsified)


# -- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.checkout
def test_the_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == reference(), f"docs/properties.md is out of date; write it: {COMMAND}"


@pytest.mark.installed
def test_the_command_writes_the_page_in_utf_8_whatever_the_terminal_has():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, *COMMAND.split(" > ", maxsplit=1)[0].split()[1:]]
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("utf-8") == reference()


@properties
def test_the_page_has_a_section_with_every_fact_of(prop):
    section = page().split(f"\n### {prop.name}\n")[1].split("\n## ")[0].split("\n### ")[0]
    assert f"Order {prop.order}: {prop.statement}." in section
    assert f"\n{prop.formula}\n" in section
    assert f"\n{prop.derivation}\n" in section
    assert [label for label, text in facts(prop).items() if text] == [
        label for label in facts(prop) if f"- **{label}**: " in section or label in ("claim", "formula", "derivation")
    ]


def test_the_page_lists_the_properties_in_the_order_of_the_library_within_each_family():
    found = [line.removeprefix("### ") for line in page().splitlines() if line.startswith("### ")]
    assert sorted(found) == sorted(prop.name for prop in LIBRARY)
    for family in {prop.sides.__module__ for prop in LIBRARY}:
        members = [prop.name for prop in LIBRARY if prop.sides.__module__ == family]
        assert [name for name in found if name in members] == members


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_page_says_on_how_much_properties_are_judged_in(profile):
    architectures = [profile.architectures, profile.first_order, profile.second_order]
    cells = [*architectures, profile.probes, f"at most {profile.costly_batches}", profile.costly_probes]
    assert f"| `{profile.name}` | {' | '.join(map(str, cells))} |" in page()


def test_the_page_counts_and_lists_what_is_independent_and_what_is_a_reading():
    free, implied = independent(), readings()
    assert sorted(prop.name for prop in (*free, *implied)) == sorted(prop.name for prop in LIBRARY)
    section = page().split("## What is independent")[1].split("\n## ")[0]
    assert f"Of {len(LIBRARY)} statements {len(free)} are implied by no others" in section
    assert f"The other {len(implied)} are readings" in section
    told = section.split("|---|---|\n")
    assert [row.split("`")[1] for row in told[-1].strip().splitlines()] == [prop.name for prop in implied]
    assert [row.split("`")[1] for row in told[1].splitlines() if row.startswith("| [")] == [prop.name for prop in free]


def test_the_page_says_of_every_statement_what_it_needs():
    rows = page().split("## What each statement needs")[1].split("\n## ")[0].splitlines()
    assert [row.split("`")[1] for row in rows if row.startswith("| [")] == [prop.name for prop in LIBRARY]
    needed = {row.split("`")[1]: row for row in rows if row.startswith("| [")}
    assert "C³ | generators: the identity's component | invertible" in needed["third-order"]
    assert "C¹; ℓ is C² | each element | any" in needed["gauss-newton-covariance"]
    assert "C² | each element, or the connected subgroup that leaves the loss | invertible" in needed["inertia"]
    assert "C² | an involution that fixes θ | orthogonal" in needed["fixed-point"]
    assert "f alone | – | no" in needed["derivative"]


def test_the_drawing_has_every_statement_and_an_arrow_for_each_implication():
    drawn = page().split("```mermaid\n")[1].split("\n```")[0].splitlines()
    arrows = [line.strip() for line in drawn if "-->" in line]
    assert len(drawn) == 1 + len(LIBRARY) + len(arrows)
    assert len(arrows) == sum(len(prop.consequence_of) for prop in LIBRARY)
    assert "jacobian_generator_ --> noether_" in arrows


def test_every_reading_goes_back_to_independent_statements():
    free = {prop.name for prop in independent()}
    for prop in readings():
        assert premises(prop.name) & free


@pytest.mark.parametrize("prop", independent(), ids=lambda prop: prop.name)
def test_no_other_independent_statement_catches_some_mutant_of(prop):
    """So no arrow to it is missing: what implied it would be falsified with it."""
    assert apart(prop, kills()), f"{prop.name} follows from others, as far as the mutants tell"


def test_the_parts_name_each_independent_statement_once():
    named = [name for names in PARTS.values() for name in names]
    assert sorted(named) == sorted(prop.name for prop in independent())


def test_a_mutant_that_only_readings_catch_besides_sets_a_statement_apart():
    matrix = [
        kill("a", "noether", "jacobian-generator"),
        kill("b", "jacobian-generator", "bracket"),
        kill("c", "noether"),
    ]
    assert apart(by_name("jacobian-generator"), matrix) == matrix[:1]


def test_every_source_says_what_is_derived_here_and_cites_the_paper_in_one_way():
    for prop in LIBRARY:
        assert "arXiv 2512.21447" not in prop.source.replace(PAPER, "")
        assert PAPER not in prop.source or "derived here" in prop.source or prop.order == 0


def test_the_page_tells_the_two_meanings_of_eta_apart():
    (line,) = (line for line in page().splitlines() if line.startswith("| η | "))
    element, step = line.split("; the step size in ")
    assert "(#orbit-curvature)" in element
    assert "(#charge-drift)" in step


@pytest.mark.parametrize("prop", [*LIBRARY, *HIGHER.values()], ids=lambda prop: prop.name)
def test_explain_shows_every_fact_of(prop):
    lines = [line.strip() for line in explanation(prop.name).splitlines()]
    assert lines[0] == f"{prop.name}: a property of order {prop.order}"
    for label, text in facts(prop).items():
        if text:
            head, *others = text.splitlines()
            start = lines.index(f"{label:<10}  {head}")
            assert lines[start + 1 : start + 1 + len(others)] == others


# -- what each property says of itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("prop", [*LIBRARY, *HIGHER.values()], ids=lambda prop: prop.name)
def test_a_derivation_of_two_lines_and_a_source_has(prop):
    first_line, second_line = prop.derivation.split("\n")
    assert first_line.strip()
    assert second_line.strip()
    assert prop.source


@properties
def test_what_it_rests_on_or_is_implied_by_is_another_property_of_no_higher_order_for(prop):
    others = [by_name(name) for name in (*prop.rests_on, *prop.consequence_of)]
    assert prop not in others
    assert all(other.order <= prop.order for other in others)


ABOUT_SPECTRA = re.compile("sharp|indefinite|multiplicit|-fold|eigenv|λ_max|λ_min")

COMPUTED = {
    "scale-invariance": "the product of two Ritz values, which is negative",
    "layer-spectrum": "how many pivots are negative; the curvature where power steps lead, beside the bound",
    "weight-decay-stationary": "(H + λ)k beside 2λk",
    "identical-units": "Lanczos' matrix from each arrangement of a direction",
    "carried-inertia": "how many pivots are positive, and how many negative, in both models",
    "exponential-translation": "the Rayleigh quotient along b, which is at most λ_max",
    "sharpness": "the curvature where power steps lead, and that along its preimage",
}
"""The number behind the word."""


def test_what_is_said_of_eigenvalues_and_sharpness_is_said_where_a_number_of_theirs_is_computed():
    said = {prop.name: prop.statement + prop.formula + prop.derivation for prop in LIBRARY}
    assert {name for name, text in said.items() if ABOUT_SPECTRA.search(text)} == set(COMPUTED)


def test_no_property_is_a_consequence_of_itself_by_way_of_others():
    assert all(prop.name not in premises(prop.name) for prop in LIBRARY)


# -- the kill matrix --------------------------------------------------------------------------------------------------


SHARED = {mutant.name for mutant in COVARIANT}
"""The mutants that every entry has besides its own."""


def test_the_kill_matrix_has_every_mutant_that_an_entry_names_and_none_that_is_gone():
    measured = {kill.cell for kill in kills()}
    assert measured <= own_cells(), f"measure it again: {MEASURE}"
    assert {cell for cell in own_cells() - measured if cell[1] not in SHARED} == set(), f"measure it again: {MEASURE}"


@pytest.mark.parametrize("name", sorted(SHARED))
def test_the_kill_matrix_has_a_dozen_entries_or_more_with_the_shared_mutant(name):
    """Of all entries they would take as long to measure as everything else together."""
    assert len({kill.entry for kill in kills() if kill.mutant == name}) >= 12, MEASURE


def test_the_kill_matrix_names_only_properties_that_exist():
    assert {name for kill in kills() for name in kill.falsified} <= {prop.name for prop in LIBRARY}, MEASURE


def test_the_kill_matrix_has_each_mutant_caught_at_its_own_order():
    orders = {(e.name, mutant.name): mutant.order for e in own_entries().values() for mutant in e.mutants}
    lowest = {kill.cell: min((by_name(name).order for name in kill.falsified), default=None) for kill in kills()}
    assert lowest == {cell: orders.get(cell) for cell in lowest}
    assert {kill.cell: kill.order for kill in kills()} == lowest


@properties
def test_the_kill_matrix_shows_what_would_be_missed_without(prop):
    """A mutant that only it catches; of what others rest on, one that no property before it catches."""
    caught = alone(prop, kills()) or (prop.name in RESTED_ON and first(prop, kills()))
    assert caught or prop.consequence_of, f"{prop.name} catches no mutant that the others miss"


@pytest.mark.parametrize("prop", [prop for prop in LIBRARY if prop.consequence_of], ids=lambda prop: prop.name)
def test_the_kill_matrix_has_nothing_that_falsifies_a_consequence_and_nothing_that_implies_it(prop):
    caught = [kill for kill in kills() if prop.name in kill.falsified]
    assert [kill.cell for kill in caught if not premises(prop.name) & set(kill.falsified)] == []


def test_the_kill_matrix_is_kept_as_it_is_written():
    assert parsed(written(kills())) == kills()


def test_a_matrix_is_written_in_alphabetical_order_with_a_line_for_each_mutant():
    text = written([kill("b", "noether", "equivariance"), kill("a", entry="f"), kill("a")])
    assert text.splitlines() == [
        "{",
        '  "e": {',
        '    "a": {"falsified": [], "order": 0},',
        '    "b": {"falsified": ["equivariance", "noether"], "order": 0}',
        "  },",
        '  "f": {',
        '    "a": {"falsified": [], "order": 0}',
        "  }",
        "}",
    ]


def test_what_was_measured_again_replaces_the_old_and_what_is_gone_is_dropped():
    old = [kill("kept", "noether"), kill("again", "noether"), kill("gone", "noether")]
    new = [kill("again", "bracket"), kill("foreign", "bracket")]
    cells = {("e", "kept"), ("e", "again")}
    assert updated(old, new, cells) == (kill("kept", "noether"), kill("again", "bracket"))


def test_alone_is_a_mutant_that_no_other_property_catches():
    matrix = [kill("a", "noether"), kill("b", "bracket", "noether"), kill("c")]
    assert alone(by_name("noether"), matrix) == matrix[:1]
    assert alone(by_name("bracket"), matrix) == []


def test_first_is_the_first_of_the_library_and_consequences_come_last():
    assert kill("a", "hessian-generator", "jacobian-generator", "noether").first == "jacobian-generator"
    assert kill("b", "hessian-covariance", "model-second-order").first == "model-second-order"
    assert kill("c", "orbit-curvature", "noether").first == "noether"
    assert kill("d").first == ""


@pytest.mark.parametrize(
    ("name", "matrix", "said"),
    [
        ("bracket", [kill("a", "bracket"), kill("b")], ["1 of 2 mutants; only it catches:", "e[a]"]),
        ("noether", [kill("a", "noether", "bracket")], ["1 of 1 mutants; a consequence of jacobian-generator: no "]),
        (
            "equivariance",
            [kill("a", "equivariance", "noether")],
            ["1 of 1 mutants; no property before it catches 1:", "e[a]"],
        ),
        ("bracket", [kill("a", "bracket", "equivariance")], ["1 of 1 mutants; a property before it catches each"]),
        ("bracket", [kill("a", "equivariance")], ["0 of 1 mutants"]),
        ("order-4", [], ["not in the kill matrix"]),
    ],
)
def test_the_kills_of_a_property_are_told_as(name, matrix, said, monkeypatch):
    monkeypatch.setattr("eqprop.authoring.reference.kills", lambda: tuple(matrix))
    lines = facts(by_name(name))["kills"].splitlines()
    assert [line.startswith(start) for line, start in zip(lines, said, strict=True)] == [True] * len(said)


def test_a_mutant_is_told_with_what_is_wrong_in_it(monkeypatch):
    entry = next(entry for entry in own_entries().values() if entry.mutants)
    mutant = entry.mutants[0]
    found = (kill(mutant.name, "bracket", entry=entry.name),)
    monkeypatch.setattr("eqprop.authoring.reference.kills", lambda: found)
    assert f"\n{entry.name}[{mutant.name}]: {mutant.why}" in facts(by_name("bracket"))["kills"]
