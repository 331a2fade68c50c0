"""Pictures are XML that says what it shows, whatever the numbers are."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from eqprop.reports import heat_map, line_plot

SVG = "{http://www.w3.org/2000/svg}"


def drawn(picture: str) -> ET.Element:
    return ET.fromstring(picture)


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in drawn(picture).iter(f"{SVG}text")]


def paths(picture: str) -> list[str]:
    return [element.get("d", "") for element in drawn(picture).iter(f"{SVG}path")]


def test_a_plot_names_its_axes_and_lines():
    said = texts(line_plot({"law <1>": ([0, 1], [2, 3])}, title="Q & s", across="step", up="charge"))
    assert {"law <1>", "Q & s", "step", "charge"} <= set(said)


def test_a_line_that_lies_on_another_is_dashed():
    both = drawn(line_plot({"a": ([0], [1]), "b": ([0], [1])}, title="", across="", dashed=["b"])).iter(f"{SVG}path")
    assert ["stroke-dasharray" in path.attrib for path in both] == [False, True]


def test_a_larger_number_is_drawn_higher():
    (path,) = paths(line_plot({"a": ([0, 1], [2.0, 3.0])}, title="", across=""))
    heights = [float(point.split()[1]) for point in path.replace("L", "M").split("M")[1:]]
    assert heights[1] < heights[0]


@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_what_is_not_finite_interrupts_a_line(missing):
    (path,) = paths(line_plot({"a": ([0, 1, 2, 3], [1.0, missing, 2.0, 3.0])}, title="", across=""))
    assert (path.count("M"), path.count("L")) == (2, 1)


def test_what_is_not_positive_interrupts_a_line_on_a_logarithmic_axis():
    (path,) = paths(line_plot({"a": ([0, 1, 2], [1.0, 0.0, 2.0])}, title="", across="", logarithmic=True))
    assert (path.count("M"), path.count("L")) == (2, 0)


@pytest.mark.parametrize("values", [[], [1.0], [5.0, 5.0], [math.nan, math.nan], [1e-300, 1e300]])
def test_lines_of_few_equal_or_extreme_numbers_are_drawn(values):
    drawn(line_plot({"a": (range(len(values)), values)}, title="", across=""))


def test_cells_of_a_heat_map_say_their_numbers_and_show_their_signs():
    cells = drawn(heat_map([[2.0, -1.0], [0.0, math.nan]], title="left")).findall(f"{SVG}rect")[1:]
    assert [cell.find(f"{SVG}title").text for cell in cells] == ["[0, 0] 2", "[0, 1] -1", "[1, 0] 0", "[1, 1] nan"]
    assert [cell.get("fill") for cell in cells] == ["#d55e00", "#80b8d8", "#ffffff", "#999999"]
