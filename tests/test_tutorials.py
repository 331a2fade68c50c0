"""The tutorials are followed as they are written, each in an empty folder, and show what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import Reader, blocks, check_installed, edited, same, typed

pytestmark = pytest.mark.checkout

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.md"))
SLOW = ("conversion", "gate", "kernel", "model", "symmetry")
"""They take more than fifteen seconds, and their commands have tests elsewhere."""


@pytest.mark.parametrize(
    "tutorial",
    [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in TUTORIALS],
)
def test_a_tutorial_shows_what_happens(tutorial, tmp_path):
    reader = Reader(tmp_path)
    for block in blocks(tutorial.read_text(encoding="utf-8")):
        reader.follow(block)


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=[path.stem for path in TUTORIALS])
def test_a_tutorial_begins_with_an_installation_and_leaves_no_block_aside(tutorial):
    found = list(blocks(tutorial.read_text(encoding="utf-8")))
    assert found[0].text.startswith("$ pip install ")
    assert [block.line for block in found if block.language != "console" and not block.title] == []


def test_a_page_that_shows_something_else_is_seen(tmp_path):
    reader = Reader(tmp_path)
    (block,) = blocks("```console\n$ eqprop --version\neqprop, version 0.0.9\n```\n")
    with pytest.raises(AssertionError, match="shown"):
        reader.follow(block)


def test_three_dots_and_figures_of_a_machine_are_equal_to_others_and_numbers_are_not():
    assert same("found ...\nin 3.5 s, peak 0.1 GiB", "found this\nand that\nin 12.0 s, peak 3.4 GiB")
    assert same("resolution 1e-09", "resolution 3.5e-13")
    assert same("20 passed in 6.68s", "20 passed in 61.69s (0:01:01)")
    assert not same("37 holds", "36 holds")


def test_what_is_typed_is_told_from_what_is_printed():
    assert list(typed("$ a\nb\nc\n$ d\n")) == [("a", "b\nc"), ("d", "")]


def test_an_edit_is_made_in_one_place_or_refused():
    assert edited("a\nb\nc\n", " a\n-b\n+d\n") == "a\nd\nc\n"
    with pytest.raises(AssertionError, match="in 0 places"):
        edited("a\n", "-b\n+c\n")


def test_an_extra_that_nobody_has_is_refused():
    check_installed("eqprop[flax,torch]")
    with pytest.raises(AssertionError, match="no extras"):
        check_installed("eqprop[no_such]")
