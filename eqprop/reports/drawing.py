"""Pictures as SVG text: lines over a common axis, and matrices as heat maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which people tell apart whatever colours they see; lines beyond them begin anew."""

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 76, 16, 34, 66
CELL = 18
LETTER = 6.4
DASHES = ' stroke-dasharray="6 6"'
TICKS = 5
ZERO = 1e-12
"""A sum of steps that is no larger was meant to be 0."""

Line = tuple[Sequence[float], Sequence[float]]
"""What a line goes through: numbers across, numbers up, of one length."""

Place = Callable[[float, float], tuple[float, float]]


def line_plot(
    lines: Mapping[str, Line],
    *,
    title: str,
    across: str,
    up: str = "",
    logarithmic: bool = False,
    dashed: Collection[str] = (),
) -> str:
    """Lines in one picture, each with its name in a legend.

    Args:
        lines: by name; points that are not finite (or not positive on a logarithmic axis) interrupt a line.
        title: above the picture.
        across: what the horizontal axis is, with its unit.
        up: what the vertical axis is.
        logarithmic: whether the vertical axis is.
        dashed: the names of lines that lie on others, to be seen both.
    """
    drawn = {name: [_finite(x, y, logarithmic) for x, y in zip(*line, strict=True)] for name, line in lines.items()}
    points = [point for line in drawn.values() for point in line if point is not None]
    xs, ys = _ends([x for x, _ in points]), _ends([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (x - xs[0]) / (xs[1] - xs[0]) * (WIDTH - LEFT - RIGHT)
        return right, HEIGHT - BOTTOM - (y - ys[0]) / (ys[1] - ys[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(WIDTH / 2, 16, title, "middle", size=13), _frame()]
    for x in _ticks(*xs):
        at, _ = place(x, ys[0])
        parts += [_rule(at, TOP, at, HEIGHT - BOTTOM), _text(at, HEIGHT - BOTTOM + 14, _told(x), "middle")]
    for y in _ticks(*ys, least=1 if logarithmic and ys[1] - ys[0] > 1 else 0):
        _, at = place(xs[0], y)
        told = f"{10**y:.3g}" if logarithmic else _told(y)
        parts += [
            _rule(LEFT, at, WIDTH - RIGHT, at),
            _text(LEFT - 6, at + 4, told, "end"),
        ]
    parts += [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 34, across, "middle"), _text(LEFT, TOP - 6, up, "start")]
    legend = float(LEFT)
    for i, (name, line) in enumerate(drawn.items()):
        style = f'stroke="{COLOURS[i % len(COLOURS)]}" stroke-width="1.6"{DASHES if name in dashed else ""}'
        parts.append(f'<path d="{_path(line, place)}" fill="none" {style}/>')
        parts += [_rule(legend, HEIGHT - 14, legend + 20, HEIGHT - 14, style)]
        parts += [_text(legend + 26, HEIGHT - 10, name, "start")]
        legend += 46 + LETTER * len(name)
    return _picture(WIDTH, HEIGHT, title, parts)


def heat_map(rows: Sequence[Sequence[float]], *, title: str) -> str:
    """A matrix of a few rows as coloured cells, blue below zero and orange above; each says its number.

    Args:
        rows: of one length; what is not finite is grey.
        title: above the picture.
    """
    size = max((abs(value) for row in rows for value in row if math.isfinite(value)), default=0.0) or 1.0
    parts = [_text(0, 12, title, "start")]
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            where = f'x="{j * CELL}" y="{18 + i * CELL}" width="{CELL - 1}" height="{CELL - 1}"'
            parts.append(f'<rect {where} fill="{_shade(value, size)}"><title>[{i}, {j}] {value:.17g}</title></rect>')
    return _picture(
        max(CELL * max(map(len, rows), default=0), LETTER * len(title)), 20 + CELL * len(rows), title, parts
    )


def _finite(x: float, y: float, logarithmic: bool) -> tuple[float, float] | None:
    if not math.isfinite(y) or (logarithmic and y <= 0):
        return None
    return float(x), math.log10(y) if logarithmic else float(y)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest, apart also where there is one value or none."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, least: float = 0) -> Iterator[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about as many as TICKS."""
    raw = max((high - low) / TICKS, least)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return (i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1))


def _told(value: float) -> str:
    return f"{value:.6g}" if abs(value) > ZERO else "0"


def _path(line: Sequence[tuple[float, float] | None], place: Place) -> str:
    commands, pen = [], "M"
    for point in line:
        if point is None:
            pen = "M"
            continue
        x, y = place(*point)
        commands.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return " ".join(commands)


def _shade(value: float, size: float) -> str:
    if not math.isfinite(value):
        return "#999999"
    part = 1 - min(abs(value) / size, 1)
    full = (213, 94, 0) if value > 0 else (0, 114, 178)
    return "#" + "".join(f"{round(colour + (255 - colour) * part):02x}" for colour in full)


def _frame() -> str:
    where = f'x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"'
    return f'<rect {where} fill="none" stroke="#444444"/>'


def _rule(x1: float, y1: float, x2: float, y2: float, style: str = 'stroke="#dddddd"') -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def _picture(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
    head += f'height="{height:g}" role="img" aria-label="{escape(title)}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])
