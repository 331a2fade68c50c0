"""The page of a report: what it shows, that it needs nothing else, and how it looks in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from eqprop.reports import html
from eqprop.results import Counterexample, Outcome, PairName, PropertyName, Report, Series, Verdict

FOUND = Counterexample(
    pair="a <net>",
    property="noether",
    order=1,
    statement="the gradient is orthogonal to the orbit",
    formula="⟨∇L, k⟩ = 0",
    residual=3.0,
    floor=1e-16,
    margin=30,
    leaf="w",
    index=(0, 1),
    lhs=2.0,
    rhs=-1.0,
    architecture={},
    code="import eqprop",
    numbers=4,
    shrunk="",
    notes=(),
    replay="eqprop replay x.json",
    file="x.json",
    recipe={},
    shape=(2, 2),
    left=(1.0, 2.0, 0.0, 0.5),
    right=(1.0, -1.0, 0.0, 0.5),
)


def cell(pair: str, name: str, outcome: Outcome = Outcome.HOLDS, reason: str = "", **rest: object) -> Verdict:
    figures = {"seconds": 2.0, "resolution": 1e-9, "probes": 8, **rest}
    return Verdict(PairName(pair), PropertyName(name, 1), outcome, reason, **figures)


CELLS = (
    cell("a <net>", "noether", Outcome.FALSIFIED, counterexample=FOUND),
    cell("a <net>", "bracket", Outcome.NOT_APPLICABLE, "no algebra"),
    cell("b", "noether", Outcome.INCONCLUSIVE, 'it is "NaN" & <worse>'),
    cell("b", "charge-flow", series=Series("Q of <b>", (1.0, 0.5, 0.25), (1.0, 0.5, 0.3))),
)
PAGE = html(Report(CELLS, places={"a <net>": "nets.py:12"}))


class Read(HTMLParser):
    """Tags, attributes and text of a page; every tag that is opened is closed."""

    EMPTY = ("meta", "!doctype")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open += [] if tag in self.EMPTY else [tag]

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


def test_the_page_has_a_row_for_each_pair_and_a_column_for_each_property():
    matrix = PAGE[PAGE.index('id="matrix"') : PAGE.index("</table>")]
    assert re.findall(r'scope="col">([^<]+)<', matrix) == ["noether", "bracket", "charge-flow"]
    assert [unescape(name) for name in re.findall(r'scope="row">([^<]+)<', matrix)] == ["a <net>", "b"]
    assert [unescape(cell) for cell in re.findall(r"<td style[^>]*>(?:<a[^>]*>)?(.)", matrix)] == ["✗", "·", "?", "✓"]
    assert re.findall(r'class="figure">([^<]+)<', matrix) == ["1e-09", "8", "2.0"] * 2


def test_links_lead_to_what_is_on_the_page():
    read = Read(PAGE)
    links = read.all("href")
    assert "#EQ103" in links
    assert "#EQ201" in links
    assert {link.removeprefix("#") for link in links} <= set(read.all("id"))
    assert len(set(read.all("id"))) == len(read.all("id"))


def test_the_page_needs_nothing_from_elsewhere():
    read = Read(PAGE)
    assert {tag for tag, _ in read.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert all(link.startswith("#") for link in read.all("href"))
    assert read.all("src") == []
    assert "url(" not in PAGE
    assert "@import" not in PAGE


def test_what_users_write_is_text_and_no_mark_up():
    read = Read(PAGE)
    assert "worse" not in {tag for tag, _ in read.tags}
    assert 'it is "NaN" & <worse>' in read.text
    assert "nets.py:12" in read.text
    assert "Falsified: noether (order 1) for a <net>" in read.text


def test_both_sides_of_a_counterexample_and_their_difference_are_pictures():
    pictures = re.findall(r'aria-label="([^"]+)"', PAGE)
    assert pictures == ["left: w", "right: w", "left − right: w", "charge-flow for b"]
    assert re.findall(r"<title>\[0, 1\] ([^<]+)<", PAGE) == ["2", "-1", "3"]


@pytest.mark.parametrize("shape", [(), (300,), (30, 1)])
def test_sides_that_nobody_could_see_are_no_pictures(shape):
    values = tuple(0.0 for _ in range(shape[0])) if shape else ()
    found = replace(FOUND, shape=shape, left=values, right=values)
    page = html(Report((cell("a", "noether", Outcome.FALSIFIED, counterexample=found),)))
    assert "<svg" not in page


def test_a_page_of_nothing_that_fails_is_green():
    page = html(Report(CELLS[3:]))
    assert "<h1>eqprop is green</h1>" in page
    assert "Failures" not in page


LOOK = """<script>
const shown = (e) => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 };
const place = (a) => document.getElementById(decodeURIComponent(a.hash.slice(1)));
const colours = [...document.querySelectorAll("#matrix td[style]")].map((e) => getComputedStyle(e).backgroundColor);
const measured = {
  pictures: [...document.querySelectorAll("svg")].filter(shown).length,
  cells: colours.length,
  colours: [...new Set(colours)].length,
  links: [...document.querySelectorAll("a")].every((a) => shown(place(a))),
  wide: document.documentElement.scrollWidth <= window.innerWidth,
  turned: document.querySelector("th.property").offsetHeight > 40,
};
document.body.setAttribute("data-measured", JSON.stringify(measured));
</script>"""


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_shows_the_page(tmp_path):
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert chromium, "no Chromium on the PATH: install one to look at the page"
    file = tmp_path / "report.html"
    file.write_text(PAGE.replace("</body>", f"{LOOK}</body>"), encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--dump-dom"]
    done = subprocess.run([*command, file.as_uri()], check=True, capture_output=True, text=True, timeout=120)
    found = re.search(r'data-measured="([^"]+)"', done.stdout)
    assert found, done.stdout[-500:]
    shown = {"pictures": 4, "cells": 4, "colours": 4, "links": True, "wide": True, "turned": True}
    assert json.loads(unescape(found[1])) == shown
