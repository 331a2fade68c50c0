"""One page that needs nothing else: the matrix pair × property, failures with pictures, series, what codes mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from eqprop.reports.drawing import heat_map, line_plot
from eqprop.results import KINDS, Counterexample, Outcome, Report, Verdict, code_of, number

SIGNS: Mapping[Outcome, str] = {
    Outcome.HOLDS: "✓",
    Outcome.FALSIFIED: "✗",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_APPLICABLE: "·",
    Outcome.BLOCKED: "⊘",
    Outcome.KNOWN_FAILURE: "k",
    Outcome.UNCHANGED: "=",
    Outcome.UNEXPECTED_PASS: "!",
    Outcome.MISSING: "∅",
    Outcome.ERROR: "E",
}
COLOURS: Mapping[Outcome, str] = {
    Outcome.HOLDS: "#d9f2e3",
    Outcome.FALSIFIED: "#f7c6c0",
    Outcome.INCONCLUSIVE: "#fdebc8",
    Outcome.NOT_APPLICABLE: "#ffffff",
    Outcome.BLOCKED: "#f3dcd9",
    Outcome.KNOWN_FAILURE: "#dfe7f5",
    Outcome.UNCHANGED: "#f1f7f3",
    Outcome.UNEXPECTED_PASS: "#f7d9f0",
    Outcome.MISSING: "#f3dcd9",
    Outcome.ERROR: "#f7c6c0",
}
MOST_ROWS, MOST_COLUMNS = 24, 24
"""Of a matrix that is shown as a picture."""

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 76rem; color: #222 }
h1 { font-size: 1.5rem } h2 { margin-top: 2.5rem } h3 { margin-top: 2rem }
a { color: #0058a3 } code, pre, td.figure { font-family: ui-monospace, monospace; font-size: 12px }
pre { background: #f6f6f4; padding: .8rem; overflow-x: auto }
.scrolls { overflow-x: auto } .pictures { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: .8rem 0 }
table { border-collapse: collapse } td, th { border: 1px solid #ddd; padding: 2px 5px; text-align: center }
th.pair { text-align: left; white-space: nowrap; font-weight: 500 }
th.property { writing-mode: vertical-rl; font-weight: 500; padding: 6px 2px }
td a { display: block; text-decoration: none }
"""


def html(report: Report) -> str:
    """The report as a page: no script, no style sheet, no picture and no network but its own text."""
    title = f"eqprop is {'green' if report.ok else 'red'}"
    parts = [f"<h1>{title}</h1>", *(f"<p>{escape(line)}</p>" for line in report.summary().splitlines())]
    parts += ["<h2>Pairs and properties</h2>", _matrix(report.verdicts), _legend()]
    if report.failures:
        parts.append("<h2>Failures</h2>")
        parts += [_failure(failure, report.places.get(failure.pair.name, "")) for failure in report.failures]
    told = [verdict for verdict in report.verdicts if verdict.series]
    if told:
        parts += ["<h2>Along trajectories</h2>", *map(_series, told)]
    codes = sorted({code_of(failure) for failure in report.failures})
    if codes:
        parts += ["<h2>What the codes mean</h2>", *map(_explained, codes)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    before = f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>'
    return "\n".join([before, *parts, "</body></html>", ""])


def _anchor(verdict: Verdict) -> str:
    """The id of a failure on the page; ids have no spaces."""
    return escape("-".join("::".join(verdict.cell).split()), quote=True)


def _matrix(verdicts: Sequence[Verdict]) -> str:
    cells = {verdict.cell: verdict for verdict in verdicts}
    pairs = list(dict.fromkeys(pair for pair, _ in cells))
    names = list(dict.fromkeys(name for _, name in cells))
    head = "".join(f'<th class="property" scope="col">{escape(name)}</th>' for name in names)
    rows = [_row(pair, [cells.get((pair, name)) for name in names]) for pair in pairs]
    headings = f'<tr><th class="pair">pair</th>{head}<th>resolution</th><th>probes</th><th>seconds</th></tr>'
    return f'<div class="scrolls"><table id="matrix">{headings}\n{chr(10).join(rows)}</table></div>'


def _row(pair: str, row: Sequence[Verdict | None]) -> str:
    found = [verdict for verdict in row if verdict]
    resolution = max((v.resolution for v in found if not math.isnan(v.resolution)), default=math.nan)
    figures = (number(resolution), str(max(v.probes for v in found)), f"{max(v.seconds for v in found):.1f}")
    cells = "".join(_cell(verdict) if verdict else "<td></td>" for verdict in row)
    tail = "".join(f'<td class="figure">{figure}</td>' for figure in figures)
    return f'<tr><th class="pair" scope="row">{escape(pair)}</th>{cells}{tail}</tr>'


def _cell(verdict: Verdict) -> str:
    figures = f"resolution {number(verdict.resolution)}, {verdict.probes} probes"
    said = ": ".join(filter(None, (f"{verdict.property.name} {verdict.outcome}", verdict.reason, figures)))
    sign = SIGNS[verdict.outcome]
    shown = sign if verdict.accepted else f'<a href="#{_anchor(verdict)}">{sign}</a>'
    return f'<td style="background:{COLOURS[verdict.outcome]}" title="{escape(said, quote=True)}">{shown}</td>'


def _legend() -> str:
    told = "  ".join(f"{SIGNS[outcome]} {outcome}" for outcome in Outcome)
    return f"<p>{escape(told)}. The pointer on a cell shows its resolution: the smallest error that would be seen.</p>"


def _failure(verdict: Verdict, place: str) -> str:
    code = code_of(verdict)
    what = escape(f"{verdict.outcome}: {verdict.property.name} for {verdict.pair.name}")
    parts = [f'<h3 id="{_anchor(verdict)}"><a href="#{code}">{code}</a> {what}</h3>']
    parts += [f"<p><code>{escape(place)}</code></p>"] if place else []
    parts += [f"<p>{escape(verdict.reason)}</p>"] if verdict.reason else []
    if verdict.counterexample is not None:
        parts += [_pictures(verdict.counterexample), f"<pre>{escape(str(verdict.counterexample))}</pre>"]
    return "\n".join(parts)


def _pictures(found: Counterexample) -> str:
    """Both sides of the leaf that disagrees most, and their difference; nothing for one that is too large to see."""
    left, right = (_rows(values, found.shape) for values in (found.left, found.right))
    if not left or len(left) > MOST_ROWS or len(left[0]) > MOST_COLUMNS:
        return ""
    difference = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(left, right, strict=True)]
    drawn = {"left": left, "right": right, "left − right": difference}
    pictures = [heat_map(rows, title=f"{title}: {found.leaf}") for title, rows in drawn.items()]
    return f'<div class="pictures">{"".join(pictures)}</div>'


def _rows(values: Sequence[float], shape: Sequence[int]) -> list[list[float]]:
    """As a matrix: the last axis across, all others down."""
    across = shape[-1] if shape else 1
    return [list(values[i : i + across]) for i in range(0, len(values), max(across, 1))]


def _series(verdict: Verdict) -> str:
    assert verdict.series is not None, "asked of those that have one"
    series = verdict.series
    values = {"found": series.found, "predicted": series.predicted}
    lines = {name: (range(len(line)), line) for name, line in values.items()}
    title = f"{verdict.property.name} for {verdict.pair.name}"
    return f'<div class="pictures">{line_plot(lines, title=title, across="step", up=series.name)}</div>'


def _explained(code: str) -> str:
    kind = KINDS[code]
    paragraphs: Iterable[str] = (kind.cause, f"To mend it: {kind.mend}")
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    return f'<h3 id="{code}">{code}: {escape(kind.title)}</h3>{text}'
