"""The page of the catalog says of each entry what the code says, and what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eqprop.authoring import explanation, listing, own_entries
from eqprop.authoring.catalog_page import COMMAND, CONTENTS, main, pages
from eqprop.authoring.expected import cells
from eqprop.authoring.explain import group_of
from eqprop.errors import InvalidInput
from eqprop.mutants import COVARIANT
from eqprop.registry import Entry
from eqprop.registry import entry as named

DOCS = Path(__file__).parents[2] / "docs"

every_entry = pytest.mark.parametrize("entry", own_entries().values(), ids=own_entries())


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return pages()


def page_of(entry: Entry) -> str:
    return f"catalog/{entry.origin.partition(':')[0].rpartition('.')[2]}.md"


def kept(docs: Path) -> dict[str, str]:
    found = [docs / CONTENTS, *(docs / "catalog").iterdir()]
    return {path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in found}


@pytest.mark.checkout
def test_the_pages_are_what_the_code_says(written):
    stale = {path for path, _ in written.items() ^ kept(DOCS).items()}
    assert not stale, f"{sorted(stale)} are out of date; write them: {COMMAND}"


def test_pages_of_files_that_are_gone_are_removed(tmp_path, written):
    (tmp_path / "catalog").mkdir()
    for old in (CONTENTS, "catalog/gone.md", "catalog/rescaling.md"):
        (tmp_path / old).write_text("old\n", encoding="utf-8")
    main([str(tmp_path)])
    assert kept(tmp_path) == written


def test_a_folder_that_is_not_the_documentation_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path)])
    assert f"there is no catalog.md in {str(tmp_path)!r}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_file_of_the_catalog_has_a_page_of_its_own(written):
    assert set(written) == {CONTENTS, *map(page_of, own_entries().values())}


@every_entry
def test_the_contents_lead_to(entry, written):
    assert f"[`{entry.name}`]({page_of(entry)}#{entry.name})" in written[CONTENTS]


@every_entry
def test_a_page_has_a_section_with_every_fact_of(entry, written):
    section = written[page_of(entry)].split(f"\n## {entry.name}\n")[1].split("\n## ")[0]
    plain = section.replace("\\", "")
    assert " ".join(entry.statement.split()) in section
    for text in (entry.action, entry.reference, entry.pitfalls, entry.hessian, entry.control):
        assert text in plain
    for mutant in set(entry.mutants) - set(COVARIANT):
        assert f"| {mutant.order} | `{mutant.name}` | {mutant.why} | " in plain
    assert "not measured" not in section
    for name, resolution in () if entry.control else cells()[entry.name].items():
        found = re.search(rf"\[{name}\]\(\.\./properties\.md#{name}\) ([\de.-]*)", section)
        assert found is not None
        assert resolution is None or float(found[1]) == resolution


def test_the_mutants_of_every_entry_are_listed_once(written):
    section = written[CONTENTS].split("\n## Mutants of every entry\n")[1].split("\n## ")[0]
    assert "not measured" not in section
    for mutant in COVARIANT:
        assert f"| {mutant.order} | `{mutant.name}` | {mutant.why} | " in section
        assert sum(text.count(f"`{mutant.name}`") for text in written.values()) == 1


@every_entry
def test_an_entry_says_all_that_a_reader_needs(entry):
    assert entry.statement
    assert entry.statement.endswith(".")
    assert entry.reference
    if not entry.control:
        assert all((entry.action, entry.generator, entry.charge, entry.hessian, entry.hypotheses, entry.pitfalls))


BACKED_BY = {
    "indefinite": "scale-invariance",
    "spectrum is kept|spectrum stays|eigenvectors": "equal-spectra",
    "negative curvature": "layer-spectrum",
    "sharpness": "sharpness",
    "inertia is kept": "inertia",
    "flat at critical points": "critical-null-space",
}
"""What an entry says of eigenvalues → the property that computes a number of theirs."""


@every_entry
def test_what_an_entry_says_of_eigenvalues_and_sharpness_is_computed_for_it(entry):
    said = {name for words, name in BACKED_BY.items() if re.search(words, entry.hessian)}
    assert entry.control or said <= cells()[entry.name].keys()


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
