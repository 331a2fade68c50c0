"""Streams behind norms: what of the rotations is left is found, written, proven and counted."""

from __future__ import annotations

import pytest

from eqprop import groups
from eqprop.actions import hidden_units
from eqprop.finding import covered, find
from tests.finding.networks import streaming

MOVED = ("a", "b", "c", "e", "s", "u")


def of_units(symmetries, size=4):
    """What acts on the stream, without shifts of single tensors."""
    return [one.found for one in symmetries.found if one.found.units == size and one.found.kind != "shift"]


@pytest.mark.parametrize(
    ("norm", "group", "dimension"), [("layer", "O(3), Q 1 = 1", 3 + 11), ("rms", "O(4)", 6)], ids=["layer", "rms"]
)
def test_a_norm_that_takes_the_mean_away_leaves_the_rotations_that_fix_the_ones(norm, group, dimension):
    symmetries = find(streaming(norm), prove=False)
    (turned,) = of_units(symmetries)
    assert (turned.group, turned.tensors, turned.charge) == (group, MOVED, "")
    assert symmetries.dimension == symmetries.rank == dimension


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_no_rotation_is_left_in_front_of_a_gain_and_permutations_are(norm):
    kinds = [one.kind for one in of_units(find(streaming(norm, gain=True), prove=False))]
    assert not {"fixing", "orthogonal"}.intersection(kinds)
    assert {"permutation", "scaling"} <= set(kinds)


def test_what_fixes_the_ones_is_written_as_a_call():
    (turned,) = of_units(find(streaming("layer"), prove=False))
    axes = "{'a': 0, 'b': 1, 'c': 0, 'e': 1, 's': 0, 'u': 0}"
    code = " ".join(turned.call.code().split())
    assert f"eqprop.hidden_units( groups.FixingOnes(4), writes={axes}, name='fixing', )" == code


@pytest.mark.slow
def test_what_fixes_the_ones_is_proven_by_all_properties():
    verdicts = {one.found.kind: (one.verdict, one.why) for one in find(streaming("layer")).found}
    assert verdicts["fixing"] == ("proven", "")


def test_streams_side_by_side_are_turned_each_by_itself():
    (turned,) = of_units(find(streaming("layer", heads=2), prove=False))
    assert turned.group == "O(3), Q 1 = 1 in each of 2"
    assert turned.transformation.group == groups.Power(groups.FixingOnes(4), 2)


@pytest.mark.parametrize(
    ("group", "there"),
    [
        pytest.param(groups.Permutation(4), True, id="permutations"),
        pytest.param(groups.Sign(4), False, id="signs"),
        pytest.param(groups.Orthogonal(4), False, id="all rotations"),
    ],
)
def test_permutations_are_among_what_fixes_the_ones_and_signs_and_other_rotations_are_not(group, there):
    model = streaming("layer")
    axes = {path: int(path in "be") for path in MOVED}
    fixing = hidden_units(groups.FixingOnes(4), writes=axes)
    assert covered(model, [hidden_units(group, writes=axes)], [fixing]) == [there]


def test_two_units_have_no_rotation_that_fixes_the_ones():
    """A condition on nothing holds: of two units one element other than the identity is left, which exchanges them."""
    kinds = [one.kind for one in of_units(find(streaming("layer", width=2), prove=False), size=2)]
    assert "fixing" not in kinds
    assert "permutation" in kinds
