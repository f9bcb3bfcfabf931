"""Line charts as SVG, written by hand: two axes, a legend, a point and its label where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from codeseek.errors import FileError

__all__ = ["Point", "line_chart", "write_chart"]

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 52
# Okabe and Ito's colours, which people who see fewer colours tell apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
TICKS = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a line; `label` is written beside it."""

    x: float
    y: float
    label: str = ""


def line_chart(
    title: str, x_title: str, y_title: str, lines: Mapping[str, Sequence[Point]], *, log_x: bool = False
) -> str:
    """One chart as an SVG document.

    Args:
        title: Above the chart.
        x_title: Below it.
        y_title: Beside it.
        lines: Points by name, in the order in which they are joined; names go into the legend.
        log_x: Logarithmic x axis; every x must be above 0.
    """
    points = [point for line in lines.values() for point in line]
    x_scale = _scale([point.x for point in points], log_x)
    y_scale = _scale([point.y for point in points], False)

    def place(point: Point) -> tuple[float, float]:
        across = x_scale.share(point.x) * (WIDTH - LEFT - RIGHT)
        return LEFT + across, HEIGHT - BOTTOM - y_scale.share(point.y) * (HEIGHT - TOP - BOTTOM)

    body = [_text(LEFT, 22, title, size=15), *_axes(x_scale, y_scale, x_title, y_title)]
    for number, (name, line) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        places = [place(point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for point, (x, y) in zip(line, places, strict=True):
            body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>')
            if point.label:
                body.append(_text(x + 5, y - 5, point.label, size=10))
        y = TOP + 12 + 18 * number
        body.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{y - 9}" width="12" height="4" fill="{color}"/>')
        body.append(_text(WIDTH - RIGHT + 32, y - 3, name, size=12))
    joined = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n{joined}\n</svg>\n'
    )


def write_chart(path: Path, svg: str) -> None:
    """Raises FileError if the file cannot be written."""
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    is_log: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies between both ends, in [0, 1]."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def _scale(values: Sequence[float], is_log: bool) -> _Scale:
    """An axis that holds all values, with ticks at round numbers."""
    low, high = min(values), max(values)
    if is_log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        last = max(last, first + 1)
        ticks = (*(step * 10.0**power for power in range(first, last) for step in (1, 2, 5)), 10.0**last)
        inside = [tick for tick in ticks if low <= tick <= high]
        below = max(tick for tick in ticks if tick <= low)
        above = min(tick for tick in ticks if tick >= high and tick > below)
        return _Scale(below, above, True, tuple(sorted({below, *inside, above})))
    step = _round_step((high - low) / TICKS or abs(high) / TICKS or 1.0)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    return _Scale(first * step, last * step, False, tuple(number * step for number in range(first, last + 1)))


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _axes(x_scale: _Scale, y_scale: _Scale, x_title: str, y_title: str) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    out = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#333"/>']
    for tick in x_scale.ticks:
        x = LEFT + x_scale.share(tick) * (right - LEFT)
        out.append(f'<path d="M{x:.1f} {bottom}v5" stroke="#333"/>')
        out.append(_text(x, bottom + 18, f"{tick:.4g}", anchor="middle"))
    for tick in y_scale.ticks:
        y = bottom - y_scale.share(tick) * (bottom - TOP)
        out.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        out.append(_text(LEFT - 8, y + 4, f"{tick:.3g}", anchor="end"))
    out.append(_text((LEFT + right) / 2, HEIGHT - 12, x_title, anchor="middle", size=12))
    out.append(
        f'<text x="16" y="{(TOP + bottom) / 2:.1f}" font-size="12" text-anchor="middle" '
        f'transform="rotate(-90 16 {(TOP + bottom) / 2:.1f})">{escape(y_title)}</text>'
    )
    return out


def _text(x: float, y: float, text: str, *, size: int = 11, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
